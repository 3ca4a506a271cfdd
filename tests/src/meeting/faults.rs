//! What goes wrong inside a shard.

use conclave_sfu_wire::control::MemberKey;

use super::Meeting;

impl Meeting {
    /// Leaves the library of the server the streams on which we send to a
    /// participant, so that it begins to report under their SSRCs.
    pub fn leave_streams(&mut self, member: u64) {
        let shard = self.member(member).shard;
        self.shards[shard].1.leave_streams(MemberKey(member));
    }
}
