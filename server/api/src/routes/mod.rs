//! The routes, one family a file.

mod audit;
mod bans;
mod invites;
mod rooms;

use crate::table::Route;

/// Returns all of them, in the order of the document: the names of its groups, and their routes.
pub(crate) fn routes() -> Vec<Route> {
    let families = [
        ("rooms", rooms::routes()),
        ("invites", invites::routes()),
        ("bans", bans::routes()),
        ("audit", audit::routes()),
    ];
    families
        .into_iter()
        .flat_map(|(tag, routes)| routes.into_iter().map(move |route| route.tagged(tag)))
        .collect()
}
