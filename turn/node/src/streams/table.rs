//! The relay thread's table of stream clients.

use std::collections::HashMap;

use conclave_turn_wire::FiveTuple;

use crate::peers_tcp::TcpPeers;

use super::parcel::{Then, Writer};

/// The first bytes of a success response to Allocate (RFC 8656, section 5).
const ALLOCATE_SUCCESS: [u8; 2] = [0x01, 0x03];

/// Who can be written to, by five-tuple.
#[derive(Default)]
pub(crate) struct StreamClients {
    clients: HashMap<FiveTuple, Writer>,
    /// Those with something to flush.
    touched: Vec<FiveTuple>,
    /// Data connections whose peer is to be looked up with the next flush.
    splices: Vec<(FiveTuple, u32)>,
    /// Those that the last flushes found gone.
    gone: Vec<FiveTuple>,
    /// Media frames that were dropped.
    dropped: u64,
}

impl StreamClients {
    /// Adds a connection.
    pub(crate) fn open(&mut self, client: FiveTuple, writer: Writer) {
        self.clients.insert(client, writer);
    }

    /// Forgets a connection; what was flushed is still written, then it ends.
    pub(crate) fn forget(&mut self, client: &FiveTuple) {
        if let Some(mut writer) = self.clients.remove(client) {
            self.dropped += writer.take_dropped();
        }
    }

    /// Forgets all connections; they end.
    pub(crate) fn forget_all(&mut self) {
        for (_, mut writer) in self.clients.drain() {
            self.dropped += writer.take_dropped();
        }
        self.touched.clear();
        self.splices.clear();
        self.gone.clear();
    }

    /// Adds a frame for `to`, if it is still there.
    pub(crate) fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], is_media: bool) {
        let Some(writer) = self.clients.get_mut(to) else {
            return;
        };
        if writer.push(header, payload, is_media) {
            self.touched.push(*to);
        }
        if !is_media && header.starts_with(&ALLOCATE_SUCCESS) {
            writer.open().is_established = true;
        }
    }

    /// Ends a connection after what was sent to it.
    pub(crate) fn close(&mut self, client: &FiveTuple) {
        if let Some(writer) = self.clients.get_mut(client) {
            writer.open().then = Then::Close;
            self.touched.push(*client);
        }
    }

    /// Joins a connection to a peer's after what was sent to it.
    pub(crate) fn splice(&mut self, client: &FiveTuple, connection: u32) {
        self.splices.push((*client, connection));
    }

    /// Gives the connections to be spliced to those who asked, and ends the data
    /// connections whose peer connection was ended.
    pub(crate) fn join_peers(&mut self, peers: &mut TcpPeers) {
        for (client, connection) in std::mem::take(&mut self.splices) {
            if let Some(writer) = self.clients.get_mut(&client) {
                let peer = peers.take(&client, connection);
                writer.open().then = peer.map_or(Then::Close, Then::Splice);
                self.touched.push(client);
            }
        }
        for client in peers.take_ended() {
            self.forget(&client);
        }
    }

    /// Lets go all that was sent since the last flush.
    pub(crate) fn flush(&mut self) {
        for client in self.touched.drain(..) {
            let Some(writer) = self.clients.get_mut(&client) else {
                continue;
            };
            self.dropped += writer.take_dropped();
            if !writer.flush() {
                self.gone.push(client);
            }
        }
    }

    /// Takes a connection that turned out to be gone, or that does not take even
    /// answers. The server is to be told.
    pub(crate) fn take_gone(&mut self) -> Option<FiveTuple> {
        let client = self.gone.pop()?;
        self.forget(&client);
        Some(client)
    }

    /// Returns how many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Returns how many media frames found no room or waited too long, as of the last flushes.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}
