//! Which peers a relay may reach.
//!
//! The virtual relay reaches the media ports of its own SFU and nothing else. A relay with real sockets is closed to a
//! list, or opened on purpose with the deny rules of security.md 3.4. Pure functions on numbers: prefixes are compared as
//! `u32` and `u128`, never byte by byte.

use std::net::IpAddr;

use conclave_turn_wire::PeerAddr;

mod canonical;
mod open;
mod prefix;
mod rule;
mod tables;
#[cfg(test)]
mod tests;

pub use canonical::{Canonical, canonical};
pub use open::{OpenConfig, OpenPolicy};
pub use prefix::{Prefix, PrefixError};
pub use rule::{PeerList, PeerRule, RuleError};

/// What a relay lets through.
#[derive(Clone, Debug)]
pub enum PeerPolicy {
    /// Nothing but a list.
    Closed(PeerList),
    /// Everything but what is denied.
    Open(OpenPolicy),
}

impl PeerPolicy {
    /// Returns whether a permission for `address` may be made. A permission has no port (RFC 8656, section 9), so this
    /// is the weaker question; each datagram, channel and connection asks [`PeerPolicy::allows`] as well.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        match self {
            PeerPolicy::Closed(list) => list.allows_address(address),
            PeerPolicy::Open(open) => open.allows_address(address),
        }
    }

    /// Returns whether anything may go to or come from `peer`: asked by ChannelBind, Send, Connect and for data.
    pub fn allows(&self, peer: PeerAddr) -> bool {
        let PeerAddr(peer) = peer;
        match self {
            PeerPolicy::Closed(list) => list.allows(peer),
            PeerPolicy::Open(open) => open.allows(peer),
        }
    }
}
