//! The ways to TURN clients, whatever they are connected by.

use std::time::Instant;

use conclave_turn_core::ClientSink;
use conclave_turn_wire::{ClientTransport, FiveTuple};

use crate::listeners::Listeners;
use crate::streams::StreamClients;

/// Where answers and relayed datagrams leave.
pub(crate) struct Clients {
    pub(crate) udp: Listeners,
    pub(crate) streams: StreamClients,
}

impl Clients {
    /// Lets go of everything that was sent in this turn.
    pub(crate) fn flush(&mut self, now: Instant) {
        self.udp.flush();
        self.streams.flush(now);
    }
}

impl ClientSink for Clients {
    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], is_media: bool) {
        match to.transport {
            ClientTransport::Udp => self.udp.send(to, header, payload),
            ClientTransport::Tcp | ClientTransport::Tls => {
                self.streams.send(to, header, payload, is_media);
            }
        }
    }

    fn close(&mut self, to: &FiveTuple) {
        if to.transport != ClientTransport::Udp {
            self.streams.close(to);
        }
    }

    fn splice(&mut self, client: &FiveTuple, connection: u32) {
        if client.transport != ClientTransport::Udp {
            self.streams.splice(client, connection);
        }
    }
}
