//! What must survive a crash: rooms and what belongs to them, sessions, keys, webhooks, audit.
//!
//! A [`Store`] is a handle to one SQLite database in the data folder. Changes
//! go through one writer that commits all that wait at once and answers when
//! they are on the disk; reads go beside it. Whatever people wrote is sealed
//! under a [`MasterKey`] that is not in the database. Everything that was done
//! is in an audit log whose records are chained by hashes and signed now and then.
//!
//! Where to start: [`Store`]; then `writer` (group commit), `sql` (the only
//! place with SQL), `audit` (the chain), `seal` (fields at rest).

#![forbid(unsafe_code)]

mod audit;
mod bans;
mod error;
mod folder;
mod hooks;
mod idempotency;
mod key;
mod keys;
mod makers;
mod network;
mod open;
mod query;
mod seal;
mod sessions;
mod settings;
mod sql;
mod store;
mod usage;
mod writer;

#[cfg(test)]
mod tests;

pub use audit::{
    Anchor, AuditQuery, AuditRecord, Broken, Checkpoint, InvalidAnchor, Verified, VerifyError,
};
pub use bans::BanQuery;
pub use error::StoreError;
pub use folder::{FolderError, private_folder};
pub use hooks::{DeliveryCounts, DeliveryQuery, Outcome};
pub use idempotency::{IdempotencyKey, Reservation, StoredAnswer};
pub use key::{KeyFileError, MasterKey};
pub use network::NetworkKey;
pub use query::Order;
pub use sessions::{ChatQuery, KeptSession, SessionQuery};
pub use settings::EmbedderRecord;
pub use sql::{DirectoryEntry, NewRoom, Purged};
pub use store::Store;
pub use usage::RoomUsage;
pub use writer::Statistics;
