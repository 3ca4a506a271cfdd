//! The node from the outside: WebSockets over in-memory streams, a shard that
//! answers at once, and a clock that stands still unless everybody waits.

// A test that cannot go on has nothing better to do than to stop.
#![allow(clippy::unwrap_used)]

#[path = "links/door.rs"]
mod door;
#[path = "links/keeping.rs"]
mod keeping;
#[path = "links/limits.rs"]
mod limits;
#[path = "links/lobby.rs"]
mod lobby;
#[path = "links/making.rs"]
mod making;
#[path = "links/meeting.rs"]
mod meeting;
#[path = "links/relay.rs"]
mod relay;
#[path = "links/sites.rs"]
mod sites;
#[path = "links/spread.rs"]
mod spread;
#[path = "links/stage.rs"]
mod stage;
