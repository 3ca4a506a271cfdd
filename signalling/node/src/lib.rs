//! WebSocket sessions, room actors and where rooms live.
//!
//! ```text
//!  axum upgrade ── link task ── (messages, 1,024) ─── room actor ── Media::send ── shard
//!   origin, caps     Gate           wait               Room         backlog        │
//!                    Door        (reports, 4,096) ──►   │  ▲                        │
//!                     ▲             full: room ends     │  └─ Store: record, commit │
//!                     │                 ▲               ▼                           │
//!                     └─ outbox, 1 MiB, then 4430 ◄─ Ledger                         │
//!                                       └────────────── dispatcher ◄────────────────┘
//! ```
//!
//! Each room is one task around `conclave_signalling_core::room::Room`, each
//! link one task around its `Gate` and one that writes. What a room decides is
//! said to links only after the store keeps it (`ledger`). Passwords, invites
//! and tokens are judged before a room is asked (`door`, `sites`), wrong ones counted
//! (`guesses`) and hashes made by few threads (`hashing`). Whoever runs this
//! gives a store, a [`Media`] and its events to [`Node::start`], and serves
//! [`Node::router`]; the operator has [`Rooms`].

#![forbid(unsafe_code)]

mod actor;
mod allowance;
mod config;
mod directory;
mod door;
mod guesses;
mod hashing;
mod inbox;
mod joins;
mod ledger;
mod link;
mod node;
mod outbox;
mod refusals;
mod registry;
mod rooms;
mod screened;
mod shards;
mod sites;
mod source;
mod tuning;
mod unused;
mod upgrade;

pub use config::{Config, Media, MediaBusy, NoMedia, RoomsCreate};
pub use guesses::PasswordLimits;
pub use hashing::{Hashing, InvalidHashing};
pub use joins::JoinStats;
pub use node::{Node, StartError, Stats};
pub use rooms::{
    BanTarget, ConfiguredRoom, CreatedRoom, Ensured, Knocks, KnownEmbedder, LiveCounts, NewRoom,
    NewRoomBan, Origin, RoomCopy, RoomEntry, Rooms, RoomsError, ServerLimits, ServerSettings,
};
pub use sites::{Embedder, SiteKey, SiteRooms};
pub use tuning::{KeptSettings, Tuning};
pub use upgrade::ClientAddr;
