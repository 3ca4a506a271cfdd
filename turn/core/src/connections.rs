//! Peer connections of TCP allocations (RFC 6062), from the wish to connect to the client's stream that carries them.

use conclave_turn_wire::integrity::{Key, Mac};
use conclave_turn_wire::message::TransactionId;
use conclave_turn_wire::{FiveTuple, PeerAddr};
use rand::Rng;
use rand::rngs::StdRng;

use crate::auth::Identity;
use crate::keyed::{Keyed, KeyedMap};
use crate::wheel::TimerId;

/// A Connect that waits for the peer, with what its answer needs.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) transaction: TransactionId,
    pub(crate) mac: Mac,
    pub(crate) key: Key,
    pub(crate) has_fingerprint: bool,
}

/// Where a connection stands.
#[derive(Debug)]
pub(crate) enum State {
    /// The backend connects.
    Connecting(Box<Pending>),
    /// The peer is there; the client has 30 s to bring a stream.
    Waiting,
    /// This stream of the client carries it.
    Bound(FiveTuple),
}

#[derive(Debug)]
pub(crate) struct Connection {
    /// The allocation.
    pub(crate) owner: u32,
    pub(crate) identity: Identity,
    pub(crate) peer: PeerAddr,
    /// Whether the peer connected: its own port is any then.
    pub(crate) is_from_peer: bool,
    pub(crate) state: State,
    /// Of connecting or of waiting.
    pub(crate) timer: Option<TimerId>,
}

/// All peer connections, by their number and by the client's stream.
#[derive(Debug)]
pub(crate) struct Connections {
    by_id: KeyedMap<u32, Connection>,
    by_stream: KeyedMap<FiveTuple, u32>,
}

impl Connections {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Connections {
            by_id: keyed.map(),
            by_stream: keyed.map(),
        }
    }

    /// Enters a connection under a number that nobody can foresee.
    pub(crate) fn insert(&mut self, rng: &mut StdRng, connection: Connection) -> u32 {
        let mut id = rng.next_u32();
        while self.by_id.contains_key(&id) {
            id = rng.next_u32();
        }
        self.by_id.insert(id, connection);
        id
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Connection> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Connection> {
        self.by_id.get_mut(&id)
    }

    /// Lets `stream` carry the connection.
    pub(crate) fn bind(&mut self, id: u32, stream: FiveTuple) {
        if let Some(connection) = self.by_id.get_mut(&id) {
            connection.state = State::Bound(stream);
            connection.timer = None;
            self.by_stream.insert(stream, id);
        }
    }

    pub(crate) fn of_stream(&self, stream: &FiveTuple) -> Option<u32> {
        self.by_stream.get(stream).copied()
    }

    /// Returns how many connections there are, and streams that carry them.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len() + self.by_stream.len()
    }

    /// Returns how many connections wait for something.
    pub(crate) fn waiting(&self) -> usize {
        let timers = self.by_id.values().map(|connection| connection.timer);
        timers.flatten().count()
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Connection> {
        let connection = self.by_id.remove(&id)?;
        if let State::Bound(stream) = &connection.state {
            self.by_stream.remove(stream);
        }
        Some(connection)
    }
}
