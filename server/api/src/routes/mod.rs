//! The routes, one family a file.

mod audit;
mod bans;
mod invites;
mod keys;
mod links;
mod rooms;
mod server;
mod webhooks;

use crate::table::Route;

/// Returns all of them, in the order of the document: the names of its groups, and their routes.
pub(crate) fn routes() -> Vec<Route> {
    let families = [
        ("rooms", rooms::routes()),
        ("invites", invites::routes()),
        ("invites", links::routes()),
        ("bans", bans::routes()),
        ("webhooks", webhooks::routes()),
        ("keys", keys::routes()),
        ("audit", audit::routes()),
        ("server", server::routes()),
    ];
    families
        .into_iter()
        .flat_map(|(tag, routes)| routes.into_iter().map(move |route| route.tagged(tag)))
        .collect()
}
