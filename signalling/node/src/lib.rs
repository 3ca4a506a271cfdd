//! WebSocket sessions, room actors and where rooms live.
//!
//! ```text
//!  axum upgrade ── link task ── (inbox, 1,024) ── room actor ── Media::send ── shard
//!   origin, caps     Gate          waits            Room         backlog       │
//!                     ▲                               │                        │
//!                     └── outbox, 1 MiB, then 4430 ◄──┘ ◄── dispatcher ◄───────┘ events
//! ```
//!
//! Each room is one task around `conclave_signalling_core::room::Room`, each
//! link one task around its `Gate` and one that writes. Whoever runs this gives
//! a [`Media`] and its events to [`Node::start`], and serves [`Node::router`].

#![forbid(unsafe_code)]

mod actor;
mod config;
mod link;
mod node;
mod outbox;
mod registry;
mod source;
mod upgrade;

pub use config::{Config, Media, MediaBusy, RoomSpec};
pub use node::{Node, Stats};
pub use upgrade::ClientAddr;
