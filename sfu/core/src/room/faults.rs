//! What scenarios let go wrong on purpose. It is no part of what is released.

use conclave_sfu_wire::control::MemberKey;

use super::{Room, link_in};

impl Room {
    /// Leaves the library the streams of a member that are ours, as a negotiation
    /// would that does not take them back.
    pub(crate) fn leave_streams(&mut self, member: MemberKey) {
        let place = self.by_key.get(&member).copied();
        if let Some(link) = place.and_then(|place| link_in(&mut self.members, place)) {
            link.transport.lend_streams();
        }
    }
}
