//! The relay, as far as a room speaks of it: whoever is in the room is told
//! where it is and gets a credential for it.

use std::fmt;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::objects::IceServer;

/// What makes credentials for the relay. It keeps no account of them: a
/// credential of a participant opens the relay for as long as the relay is told
/// that the participant is in its room, and no longer than its time.
pub trait Relay: Send + Sync + fmt::Debug + 'static {
    /// Returns the relay with a credential of a participant.
    ///
    /// `host` is the one of the page on which the participant is, as in its
    /// origin; `unix_s` is the time, in seconds since 1970; `random` makes the
    /// credential differ from all others.
    fn member(&self, member: MemberKey, host: &str, unix_s: u64, random: [u8; 8])
    -> Vec<IceServer>;

    /// Returns the relay with a credential that tries out the way to it and
    /// relays nothing. For whoever looks at a room from outside.
    fn test(&self, host: &str, unix_s: u64, random: [u8; 8]) -> Option<IceServer>;
}
