//! One shard of the SFU: decisions without I/O.
//!
//! Start with [`Shard`]: it takes commands, datagrams and the time, and gives
//! events and datagrams. Inside, a `Room` holds members and publications; a
//! packet goes from a member's `Transport` through the publication's cache to
//! the slots of its subscribers, is rewritten there, and leaves by a `Sender`.

#![forbid(unsafe_code)]

pub mod arena;
mod audio;
mod cache;
mod clock;
mod demux;
mod egress;
#[cfg(test)]
mod epoch;
mod estimate;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the shard that asks it is being changed")
)]
mod governor;
mod keyframes;
mod layers;
mod member;
mod pacer;
mod packet;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the shard that asks it is being changed")
)]
mod policing;
mod publication;
mod room;
mod sender;
mod services;
mod shard;
mod subscription;
mod timers;
mod transport;

pub use sender::{EstimatorKind, SenderKind};
pub use services::Counters;
pub use shard::{Shard, ShardConfig};
// For the load test: its light viewers seal by themselves as well.
pub use transport::key_tap;
