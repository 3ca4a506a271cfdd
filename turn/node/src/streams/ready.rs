//! Streams that may have something, and had no turn yet.

use std::collections::{HashSet, VecDeque};

use conclave_turn_wire::FiveTuple;

/// A list with each stream once, in the order in which they came.
#[derive(Default)]
pub(crate) struct ReadyStreams {
    order: VecDeque<FiveTuple>,
    listed: HashSet<FiveTuple>,
}

impl ReadyStreams {
    /// Adds a stream behind the others, unless it is among them.
    pub(crate) fn push(&mut self, client: FiveTuple) {
        if self.listed.insert(client) {
            self.order.push_back(client);
        }
    }

    /// Takes the stream that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<FiveTuple> {
        let client = self.order.pop_front()?;
        self.listed.remove(&client);
        Some(client)
    }

    /// Forgets those that `is_there` does not know.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&FiveTuple) -> bool) {
        self.order.retain(&is_there);
        self.listed.retain(is_there);
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

impl Extend<FiveTuple> for ReadyStreams {
    fn extend<I: IntoIterator<Item = FiveTuple>>(&mut self, clients: I) {
        for client in clients {
            self.push(client);
        }
    }
}
