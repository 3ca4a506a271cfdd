//! People who try to break a meeting, from outside of the server.
//!
//! A signalling node with a real store serves on loopback; clients of this
//! folder's own say whatever they like to it, and what the victims then see and
//! hear is compared with `spec/permissions.md` as this folder has written it
//! down for itself. Where media is meant, real packets pass a real media node.
//! Only waiting for conditions takes time.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod access;
mod bans;
mod chat;
mod forgery;
mod invites;
mod life;
mod link;
mod lobby;
mod matrix;
mod media;
mod mirror;
mod person;
mod pressure;
mod races;
mod ranks;
mod rtc;
mod rules;
mod shard;
mod stage;
