//! The signalling protocol: messages, limits, identifiers.
//!
//! The types of this crate are the only source of the protocol: the TypeScript
//! types of the browser client and `docs/protocol.md` are generated from them
//! (`tests/generated.rs`). Nothing here does I/O, reads a clock or draws a
//! random number.
//!
//! Where to start: [`frame::parse_request`] reads what a client sends, into a
//! [`request::Request`]; [`frame::encode_reply`] and [`frame::encode_push`] write what it gets.

#![forbid(unsafe_code)]

pub mod chat;
pub mod error;
pub mod frame;
pub mod hands;
pub mod ids;
pub mod invite;
pub mod limits;
pub mod lobby;
pub mod moderation;
pub mod objects;
pub mod permission;
pub mod push;
pub mod reply;
pub mod request;
pub mod room;
mod scan;
#[cfg(feature = "schema")]
mod schema;
pub mod screen;
pub mod secret;
pub mod session;
pub mod text;
pub mod time;
