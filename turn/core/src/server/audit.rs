//! Whether the tables agree with each other, and how long they are: for simulations, and for whoever looks for a leak.

use super::Server;

/// How many entries each table of a [`Server`] has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSizes {
    /// Allocations.
    pub allocations: usize,
    /// Entries that lead to allocations: by 5-tuple, by relayed address, and by identity.
    pub ways: usize,
    /// Ports that are kept for a second allocation.
    pub reservations: usize,
    /// Peer connections of TCP allocations, and the streams that carry them.
    pub connections: usize,
    /// Timers.
    pub timers: usize,
    /// Places in the quotas that are held.
    pub places: usize,
    /// Identities and sources that the quotas count.
    pub counts: usize,
    /// Sessions whose credentials work.
    pub sessions: usize,
    /// Names of tickets that are known for USERHASH, and the sessions that they are of.
    pub names: usize,
}

impl Server {
    /// Returns how long all tables are. A server that nobody uses any more has nothing in any of them.
    pub fn table_sizes(&self) -> TableSizes {
        TableSizes {
            allocations: self.allocations.len(),
            ways: self.allocations.ways(),
            reservations: self.reservations.len(),
            connections: self.connections.len(),
            timers: self.wheel.len(),
            places: self.quotas.total() as usize,
            counts: self.quotas.counts(),
            sessions: self.sessions.len(),
            names: self.credentials.names(),
        }
    }

    /// Compares all tables with each other, and says what does not agree. Walks over everything.
    ///
    /// # Errors
    /// Which of them contradict each other: a fault of this crate.
    pub fn audit(&self) -> Result<(), &'static str> {
        if !self.allocations.agree() {
            return Err("allocations, and the ways that lead to them");
        }
        let held = self.allocations.iter().map(|allocation| &allocation.place);
        if !self.quotas.come_to(held.chain(self.reservations.places())) {
            return Err("quotas, and what is held");
        }
        // Each allocation and each reservation waits for its end.
        let waiting = self.allocations.len() + self.reservations.len() + self.connections.waiting();
        if self.wheel.len() != waiting {
            return Err("timers, and what waits for them");
        }
        Ok(())
    }
}
