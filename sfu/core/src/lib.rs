//! One shard of the SFU: decisions without I/O.
//!
//! Start with [`Shard`]: it takes commands, datagrams and the time, and gives
//! events and datagrams. Inside, a `Room` holds members and publications; a
//! packet goes from a member's `Transport` through the publication's cache to
//! the slots of its subscribers, is rewritten there, and leaves by a `Sender`.

#![forbid(unsafe_code)]

pub mod arena;
mod audio;
mod barriers;
mod cache;
mod clock;
mod crossing;
mod demux;
mod egress;
#[cfg(test)]
mod epoch;
mod estimate;
mod governor;
mod keyframes;
mod layers;
mod member;
mod pacer;
mod packet;
mod policing;
mod publication;
mod room;
mod sender;
mod services;
mod shard;
mod subscription;
mod timers;
mod transport;

pub use crossing::Crossing;
pub use governor::Load;
pub use policing::Refused;
pub use sender::{EstimatorKind, SenderKind};
pub use services::Counters;
pub use shard::{Datagram, Shard, ShardConfig, TurnLoad};
