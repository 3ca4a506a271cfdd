//! The routes, one family a file.

mod attendance;
mod audit;
mod bans;
mod chat;
mod deliveries;
mod duplicate;
mod embedders;
mod invites;
mod keys;
mod leading;
mod links;
mod lobby;
mod participants;
mod rooms;
mod server;
mod sessions;
mod settings;
mod stats;
mod webhooks;

use crate::table::Route;

/// Returns all of them, in the order of the document: the names of its groups, and their routes.
pub(crate) fn routes() -> Vec<Route> {
    let families = [
        ("rooms", rooms::routes()),
        ("rooms", duplicate::routes()),
        ("invites", invites::routes()),
        ("invites", links::routes()),
        ("bans", bans::routes()),
        ("sessions", lobby::routes()),
        ("sessions", sessions::routes()),
        ("sessions", leading::routes()),
        ("sessions", participants::routes()),
        ("sessions", attendance::routes()),
        ("sessions", chat::routes()),
        ("webhooks", webhooks::routes()),
        ("webhooks", deliveries::routes()),
        ("keys", keys::routes()),
        ("audit", audit::routes()),
        ("embedders", embedders::routes()),
        ("server", settings::routes()),
        ("server", stats::routes()),
        ("server", server::routes()),
    ];
    families
        .into_iter()
        .flat_map(|(tag, routes)| routes.into_iter().map(move |route| route.tagged(tag)))
        .collect()
}
