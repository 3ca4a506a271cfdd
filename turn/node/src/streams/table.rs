//! The relay thread's table of stream clients.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use conclave_sfu_udp::Watch;
use conclave_turn_wire::FiveTuple;
use conclave_turn_wire::deframe::Deframer;
use tokio::sync::oneshot;

use crate::peers_tcp::{PeerStream, TcpPeers};

use super::link::{Arrived, Link, Then};

/// The first bytes of a success response to Allocate (RFC 8656, section 5).
const ALLOCATE_SUCCESS: [u8; 2] = [0x01, 0x03];
/// What one read takes at most: a full TLS record.
const READ_BYTES: usize = 16 * 1024;

/// Who can be read from and written to, by five-tuple.
pub(crate) struct StreamClients {
    clients: HashMap<FiveTuple, Client>,
    /// Those with something to flush.
    touched: Vec<FiveTuple>,
    /// Data connections whose peer is to be looked up with the next flush.
    splices: Vec<(FiveTuple, u32)>,
    /// Those that the last flushes found gone.
    gone: Vec<FiveTuple>,
    /// Media frames that were dropped.
    dropped: u64,
    buffer: Box<[u8]>,
    /// Watches sockets; numbers are not used again.
    watch: Option<Watch>,
    numbers: HashMap<u64, FiveTuple>,
    next_number: u64,
}

/// The first of the numbers under which sockets of streams are watched.
pub(crate) const FIRST_NUMBER: u64 = 1 << 61;

enum Client {
    Talking(Box<Link>),
    /// Its bytes go to a peer and come from there, as long as this is held.
    Piped(oneshot::Sender<()>),
}

impl Default for StreamClients {
    fn default() -> StreamClients {
        StreamClients {
            clients: HashMap::new(),
            touched: Vec::new(),
            splices: Vec::new(),
            gone: Vec::new(),
            dropped: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            watch: None,
            numbers: HashMap::new(),
            next_number: FIRST_NUMBER,
        }
    }
}

impl StreamClients {
    /// Has sockets watched from here on.
    pub(crate) fn watch_by(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Returns whose socket is watched under `number`.
    pub(crate) fn watched(&self, number: u64) -> Option<FiveTuple> {
        self.numbers.get(&number).copied()
    }

    /// Adds a connection. It is to be read once: it tells of nothing before.
    pub(crate) fn open(&mut self, client: FiveTuple, mut link: Box<Link>) {
        if let (Some(socket), Some(watch)) = (&link.socket, &self.watch) {
            socket.give_to_relay(watch.clone(), self.next_number);
            self.numbers.insert(self.next_number, client);
            link.number = Some(self.next_number);
            self.next_number += 1;
        }
        self.clients.insert(client, Client::Talking(link));
    }

    /// Reads what has come from a client, if there is somebody to read from. What is left of
    /// the frames is to be given back by [`StreamClients::put_back`].
    pub(crate) fn read(&mut self, client: &FiveTuple) -> Option<Arrived> {
        match self.clients.get_mut(client)? {
            Client::Talking(link) => {
                // It may be room to write that it tells of.
                self.touched.push(*client);
                link.read(&mut self.buffer)
            }
            Client::Piped(hold) => {
                if hold.is_closed() {
                    self.gone.push(*client);
                }
                None
            }
        }
    }

    /// Gives back what [`StreamClients::read`] lent.
    pub(crate) fn put_back(&mut self, client: &FiveTuple, frames: Deframer) {
        if let Some(link) = self.talking(client) {
            link.put_back(frames);
        }
    }

    /// Returns whether frames of this client are to be served: it is there, and neither at its
    /// end nor about to be joined to a peer.
    pub(crate) fn is_open(&mut self, client: &FiveTuple) -> bool {
        let is_spliced = self.splices.iter().any(|(spliced, _)| spliced == client);
        let link = self.talking(client);
        !is_spliced && link.is_some_and(|link| matches!(link.then, Then::GoOn))
    }

    /// Forgets a connection, which ends it; what fits of what was sent is written.
    pub(crate) fn forget(&mut self, client: &FiveTuple) {
        if let Some(Client::Talking(mut link)) = self.clients.remove(client) {
            self.forget_number(&link);
            self.dropped += link.outgoing.take_dropped();
            link.part(Instant::now());
        }
    }

    /// Forgets all connections; they end.
    pub(crate) fn forget_all(&mut self) {
        for (_, client) in self.clients.drain() {
            if let Client::Talking(mut link) = client {
                self.dropped += link.outgoing.take_dropped();
            }
        }
        self.numbers.clear();
        self.touched.clear();
        self.splices.clear();
        self.gone.clear();
    }

    /// Adds a frame for `to`, if it is still there.
    pub(crate) fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], is_media: bool) {
        let Some(Client::Talking(link)) = self.clients.get_mut(to) else {
            return;
        };
        if link.outgoing.push(header, payload, is_media) {
            self.touched.push(*to);
        }
        if !is_media && header.starts_with(&ALLOCATE_SUCCESS) {
            link.pulse.is_established.store(true, Ordering::Relaxed);
        }
    }

    /// Has a connection last no longer than one without an allocation may.
    pub(crate) fn allocation_ended(&mut self, client: &FiveTuple) {
        if let Some(link) = self.talking(client) {
            link.pulse.is_established.store(false, Ordering::Relaxed);
        }
    }

    /// Ends a connection after what was sent to it.
    pub(crate) fn close(&mut self, client: &FiveTuple) {
        match self.clients.get_mut(client) {
            Some(Client::Talking(link)) => {
                link.then = Then::Close;
                self.touched.push(*client);
            }
            Some(Client::Piped(_)) => self.gone.push(*client),
            None => {}
        }
    }

    /// Notes that a connection is to be joined to one of a peer, behind what was sent to it.
    pub(crate) fn splice(&mut self, client: &FiveTuple, connection: u32) {
        self.splices.push((*client, connection));
    }

    /// Gives the connections to be spliced to those who asked, and ends the data
    /// connections whose peer connection was ended.
    pub(crate) fn join_peers(&mut self, peers: &mut TcpPeers) {
        for (client, connection) in std::mem::take(&mut self.splices) {
            match peers.take(&client, connection) {
                Some(peer) => self.join(&client, peer),
                None => self.close(&client),
            }
        }
        for client in peers.take_ended() {
            self.forget(&client);
        }
    }

    /// Joins a connection to a peer's after what was sent to it.
    pub(super) fn join(&mut self, client: &FiveTuple, peer: PeerStream) {
        if let Some(link) = self.talking(client) {
            link.then = Then::Splice(peer);
            self.touched.push(*client);
        }
    }

    /// Writes all that was sent until `now`, as far as the connections take it.
    pub(crate) fn flush(&mut self, now: Instant) {
        for client in std::mem::take(&mut self.touched) {
            let Some(link) = self.talking(&client) else {
                continue;
            };
            let written = link.write(now);
            let dropped = link.outgoing.take_dropped();
            let is_good = match (written, &link.then) {
                (Ok(true), Then::Splice(_)) => self.pipe(&client),
                (Ok(true), Then::Close) | (Err(_), _) => false,
                (Ok(_), _) => true,
            };
            self.dropped += dropped;
            if !is_good {
                self.gone.push(client);
            }
        }
    }

    /// Takes a connection that turned out to be gone, that has ended, or that does not take
    /// even answers. The server is to be told.
    pub(crate) fn take_gone(&mut self) -> Option<FiveTuple> {
        let client = self.gone.pop()?;
        self.forget(&client);
        Some(client)
    }

    /// Returns whether there is a connection of this client.
    pub(crate) fn has(&self, client: &FiveTuple) -> bool {
        self.clients.contains_key(client)
    }

    /// Returns how many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Returns how many media frames found no room or waited too long, as of the last flushes.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn forget_number(&mut self, link: &Link) {
        if let Some(number) = link.number {
            self.numbers.remove(&number);
        }
    }

    fn talking(&mut self, client: &FiveTuple) -> Option<&mut Link> {
        match self.clients.get_mut(client)? {
            Client::Talking(link) => Some(link),
            Client::Piped(_) => None,
        }
    }

    /// Gives a connection to its peer; returns whether both are still there.
    fn pipe(&mut self, client: &FiveTuple) -> bool {
        let Some(Client::Talking(mut link)) = self.clients.remove(client) else {
            return false;
        };
        let Then::Splice(peer) = std::mem::take(&mut link.then) else {
            return false;
        };
        self.forget_number(&link);
        let Some(hold) = link.join(peer) else {
            return false;
        };
        self.clients.insert(*client, Client::Piped(hold));
        true
    }
}
