//! The TURN server: authentication, allocations, permissions, channels. No I/O.
//!
//! [`Server`] is told what arrived and when, and answers through what is lent to it: [`ClientSink`] leads to TURN
//! clients, [`Backend`] has the relayed addresses. Specifications: RFC 8489 (STUN), RFC 8656 (TURN), RFC 6062 (TCP
//! allocations).

#![forbid(unsafe_code)]

mod allocation;
mod allocations;
pub mod auth;
pub mod backend;
mod base64;
mod channel;
mod connections;
pub mod counters;
pub mod keyed;
pub mod limits;
pub mod nonce;
mod permission;
pub mod policy;
pub mod quota;
mod reservations;
mod seed;
pub mod server;
mod table;
pub mod virtual_ports;
pub mod wheel;

pub use backend::{
    Backend, BackendTraits, ClientSink, ConnectFailed, Io, Now, OpenError, PortWish, SendError,
};
pub use conclave_turn_wire::Family;
pub use counters::{Counters, DropReason};
pub use server::{AllocationLimits, REALM_LEN_MAX, Server, ServerConfig, TableSizes};
