//! One room: who is in it, what they may do, what they are told.
//!
//! Everything here is told the time and answers with what should be done: no
//! I/O, no clock, no task. A [`gate::Gate`] judges the messages of a link until
//! it joins, a [`room::Room`] those of all links in it, in its lobby, and of those
//! that manage it. The room speaks to the
//! media plane in the words of `conclave_sfu_wire::control`, which knows
//! participants only as keys.
//!
//! Where to start: [`room::Room`], then its parts by state: `member`
//! (presence), `log` (what a resume needs), `publications`, `negotiation`,
//! `slots` (a mirror of what the shard decided) and `screen`; before its door
//! `invites`, `bans`, `standings` and `lobby`.

#![forbid(unsafe_code)]

pub mod clock;
pub mod credential;
pub mod csv;
pub mod digest;
pub mod event;
pub mod gate;
pub mod origin;
pub mod output;
pub mod permission;
pub mod rate;
pub mod record;
pub mod relay;
pub mod room;
pub mod settings;

mod attendance;
mod bans;
mod chat;
mod handover;
mod hands;
mod invites;
mod lobby;
mod log;
mod media;
mod member;
mod negotiation;
mod prompts;
mod publications;
mod screen;
mod slots;
mod standings;

pub use chat::export::piece as write_chat;
