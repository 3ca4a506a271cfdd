//! The ways to TURN clients, whatever they are connected by.

use std::time::Instant;

use conclave_sfu_udp::IpFields;
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

    fn allocation_ended(&mut self, client: &FiveTuple) {
        if client.transport != ClientTransport::Udp {
            self.streams.allocation_ended(client);
        }
    }
}

/// The ways to TURN clients for one datagram of a peer. By UDP it leaves as a router would send it
/// on (RFC 8656, section 14); by a stream its IP header is forgotten (section 16).
pub(crate) struct PassingOn<'a> {
    clients: &'a mut Clients,
    ip: IpFields,
}

impl<'a> PassingOn<'a> {
    /// `ip` is what the header of the datagram said when it arrived.
    pub(crate) fn new(clients: &'a mut Clients, ip: IpFields) -> PassingOn<'a> {
        PassingOn { clients, ip }
    }
}

impl ClientSink for PassingOn<'_> {
    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], is_media: bool) {
        if is_media && to.transport == ClientTransport::Udp {
            self.clients.udp.pass_on(to, self.ip, header, payload);
        } else {
            self.clients.send(to, header, payload, is_media);
        }
    }

    fn close(&mut self, to: &FiveTuple) {
        self.clients.close(to);
    }

    fn splice(&mut self, client: &FiveTuple, connection: u32) {
        self.clients.splice(client, connection);
    }

    fn allocation_ended(&mut self, client: &FiveTuple) {
        self.clients.allocation_ended(client);
    }
}

#[cfg(test)]
mod tests;
