//! What each step does.

use std::time::Duration;

use conclave_turn_core::ConnectFailed;
use conclave_turn_wire::Family;
use conclave_turn_wire::fast::channel_header;
use conclave_turn_wire::integrity::Mac;
use conclave_turn_wire::message::{
    Builder, Class, EvenPort, Method, Reply, Request, RequestedTransport,
};

use super::around::peer;
use super::steps::{Attribute, Step};
use super::world::{REALM, SESSION, TEST, World};

impl World {
    pub(crate) fn step(&mut self, step: Step) {
        match step {
            // Random bytes never have the integrity of who knows the key.
            Step::Raw { is_known, bytes } => self.input(self.tuple(is_known), &bytes),
            Step::Ask {
                is_known,
                is_sealed,
                on_second,
                whom,
                transaction,
                method,
                attributes,
            } => {
                let which = if !is_known { 2 } else { usize::from(on_second) };
                let sealed_by = (is_known && is_sealed).then_some(usize::from(whom % 4) % 3);
                let transaction = [u8::from(transaction); 12];
                self.ask(which, sealed_by, transaction, method, &attributes);
            }
            Step::Channel {
                is_known,
                number,
                payload,
            } => {
                let header = channel_header(0x4000 + u16::from(number % 4), payload.len() as u16);
                self.input(self.tuple(is_known), &[&header[..], &payload].concat());
            }
            Step::Send {
                is_known,
                peer: to,
                dont_fragment,
                len,
            } => {
                let mut bytes = Vec::new();
                let mut message =
                    Builder::new(Class::Indication, Method::Send, [1; 12], &mut bytes)
                        .peer(peer(to));
                if dont_fragment {
                    message = message.dont_fragment();
                }
                if message
                    .data(&vec![0; usize::from(len % 2000)])
                    .finish(None)
                    .is_ok()
                {
                    self.input(self.tuple(is_known), &bytes);
                }
            }
            Step::FromPeer {
                peer: from,
                relayed,
                owner,
                payload,
            } => {
                let Some(relayed) = self.relayed(relayed) else {
                    return;
                };
                let owner = owner.map_or_else(
                    || self.server.owner_of(relayed).unwrap_or(u32::MAX),
                    u32::from,
                );
                self.with_io(|server, now, io| {
                    server.handle_relayed(now, owner, relayed, peer(from), &payload, io)
                });
            }
            Step::Icmp {
                peer: from,
                relayed,
                kind,
                code,
                data,
            } => {
                let Some(relayed) = self.relayed(relayed) else {
                    return;
                };
                let owner = self.server.owner_of(relayed).unwrap_or(0);
                self.with_io(|server, now, io| {
                    server.handle_icmp(now, owner, relayed, peer(from), kind, code, data, io)
                });
            }
            Step::Connected { connection, is_ok } => {
                let Some(connection) = self.connection(connection) else {
                    return;
                };
                let result = if is_ok { Ok(()) } else { Err(ConnectFailed) };
                self.with_io(|server, now, io| {
                    server.handle_peer_connected(now, connection, result, io)
                });
            }
            Step::Accepted { peer: from, owner } => {
                let accepted = self.with_io(|server, now, io| {
                    server.handle_peer_accepted(now, u32::from(owner), peer(from), io)
                });
                self.sockets.connections.extend(accepted);
            }
            Step::PeerClosed { connection } => {
                let Some(connection) = self.connection(connection) else {
                    return;
                };
                self.with_io(|server, now, io| server.handle_peer_closed(now, connection, io));
            }
            Step::ClientClosed { is_second } => {
                let tuple = self.tuples[usize::from(is_second)];
                if tuple.transport.is_stream() {
                    self.with_io(|server, now, io| server.handle_client_closed(now, &tuple, io));
                }
            }
            Step::Pass { millis } => {
                self.pass(Duration::from_millis(u64::from(millis % 4_000_000)))
            }
            Step::Revoke => self.with_io(|server, now, io| server.revoke(now, SESSION, io)),
            Step::Admit => self.server.admit(self.now, SESSION),
            Step::Clock { back_s } => {
                self.now.unix_s -= u64::from(back_s);
                self.renew_nonces();
            }
        }
    }

    fn ask(
        &mut self,
        which: usize,
        sealed_by: Option<usize>,
        transaction: [u8; 12],
        method: u8,
        attributes: &[Attribute],
    ) {
        const METHODS: [Method; 7] = [
            Method::Allocate,
            Method::Refresh,
            Method::CreatePermission,
            Method::ChannelBind,
            Method::Connect,
            Method::ConnectionBind,
            Method::Binding,
        ];
        let connection = |index: u8| self.connection(index).unwrap_or(0);
        let mut bytes = Vec::new();
        let method = METHODS[usize::from(method) % METHODS.len()];
        let mut request = Builder::new(Class::Request, method, transaction, &mut bytes);
        for attribute in attributes.iter().take(16) {
            request = match attribute {
                Attribute::Transport(0..128) => {
                    request.requested_transport(RequestedTransport::Udp)
                }
                Attribute::Transport(128..192) => {
                    request.requested_transport(RequestedTransport::Tcp)
                }
                Attribute::Transport(code) => {
                    request.requested_transport(RequestedTransport::Other(*code))
                }
                Attribute::Lifetime(seconds) => request.lifetime(*seconds),
                Attribute::Requested(v6) => {
                    request.requested_family(if *v6 { Family::V6 } else { Family::V4 })
                }
                Attribute::Additional => request.additional_family(Family::V6),
                Attribute::EvenPort(true) => request.even_port(EvenPort::EvenAndReserveNext),
                Attribute::EvenPort(false) => request.even_port(EvenPort::Even),
                Attribute::Token => request.reservation_token(self.token),
                Attribute::DontFragment => request.dont_fragment(),
                Attribute::Peer(index) => request.peer(peer(*index)),
                Attribute::Channel(number) => request.channel(0x4000 + u16::from(number % 4)),
                Attribute::Connection(index) => request.connection_id(connection(*index)),
                Attribute::Raw(kind, value) => request.raw(*kind, value),
            };
        }
        let finished = if let Some(whom) = sealed_by {
            let (ticket, key) = &self.tickets[whom];
            request
                .username(&ticket.username)
                .realm(REALM)
                .nonce(&self.nonces[which.min(1)])
                .finish(Some((Mac::Sha1, key)))
        } else {
            request.finish(None)
        };
        if finished.is_err() || Request::parse(&bytes).is_err() {
            return;
        }
        let before = self.server.counters().allocations;
        self.input(self.tuples[which], &bytes);
        assert!(sealed_by.is_some() || self.server.counters().allocations <= before);
        self.check_owner(which, sealed_by, method);
    }

    /// Only by whose credentials an allocation was made is anything done with it, and by those of a test nothing is.
    fn check_owner(&mut self, which: usize, sealed_by: Option<usize>, method: Method) {
        let sent = self.clients.sent.last();
        let Some(reply) = sent.and_then(|(_, sent)| Reply::parse(sent).ok()) else {
            return;
        };
        if (reply.class, reply.method) != (Class::Success, method) {
            return;
        }
        match method {
            Method::Allocate => self.owners[which] = sealed_by,
            Method::Refresh => assert_eq!(self.owners[which], sealed_by),
            Method::CreatePermission | Method::ChannelBind => {
                assert_eq!(self.owners[which], sealed_by);
                assert_ne!(sealed_by, Some(TEST));
            }
            Method::Binding => {}
            _ => assert_ne!(sealed_by, Some(TEST)),
        }
    }
}
