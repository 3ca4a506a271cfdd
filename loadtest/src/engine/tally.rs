//! What happened between two looks.

use crate::histogram::Histogram;
use crate::journal::Counts;

/// What happened since it was last taken, of one thread or of all.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Peers whose media is up; a level and no count.
    pub joined: usize,
    /// Peers whose media came up.
    pub joins_done: u64,
    /// RTP packets that arrived.
    pub received: u64,
    /// RTP packets that publishers sent, without resent ones.
    pub sent: u64,
    /// Bytes of all datagrams that arrived.
    pub received_bytes: u64,
    /// Bytes of all datagrams that were sent.
    pub sent_bytes: u64,
    /// What receivers made of it.
    pub counts: Counts,
    /// Datagrams that the made-up line lost.
    pub shaped_away: u64,
    /// Datagrams that a socket refused.
    pub unsent: u64,
    /// Arrivals without the kernel's stamp.
    pub unstamped: u64,
    /// From a packet's stamp to its arrival.
    pub latency: Histogram,
    /// Lengths of freezes.
    pub freezes: Histogram,
    /// From the beginning of a join to the first frame or sound.
    pub joins: Histogram,
    /// How late timers were served.
    pub timer_lateness: Histogram,
    /// How long datagrams waited in the kernel.
    pub socket_lateness: Histogram,
}

impl Tally {
    /// Adds what another thread, or a later time, has counted.
    pub fn merge(&mut self, other: &Tally) {
        self.joined += other.joined;
        self.joins_done += other.joins_done;
        self.received += other.received;
        self.sent += other.sent;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.counts += other.counts;
        self.shaped_away += other.shaped_away;
        self.unsent += other.unsent;
        self.unstamped += other.unstamped;
        self.latency.merge(&other.latency);
        self.freezes.merge(&other.freezes);
        self.joins.merge(&other.joins);
        self.timer_lateness.merge(&other.timer_lateness);
        self.socket_lateness.merge(&other.socket_lateness);
    }
}
