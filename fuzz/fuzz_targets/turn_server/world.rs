//! The relay with all around it, and what holds after each step.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conclave_turn_core::auth::{Credential, CredentialsConfig, Mint, Secret, SessionKey};
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::quota::QuotaLimits;
use conclave_turn_core::virtual_ports::{PeerTable, VirtualPorts};
use conclave_turn_core::{AllocationLimits, Io, Now, Server, ServerConfig};
use conclave_turn_wire::integrity::{Algorithm, Key};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple, RelayedAddr};

use super::around::{Clients, MEDIA, PEERS, Sockets, at};
use super::steps::{Input, Step};

pub(crate) const REALM: &str = "meet.example";
pub(crate) const SESSION: SessionKey = SessionKey(7);
pub(crate) const OTHER_SESSION: SessionKey = SessionKey(8);
/// Which of the credentials are those of a connection test.
pub(crate) const TEST: usize = 2;
/// A nonce lives half an hour.
pub(crate) const NONCE_RENEWAL: Duration = Duration::from_secs(25 * 60);

pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) server: Server,
    pub(crate) clients: Clients,
    pub(crate) sockets: Sockets,
    /// The client with credentials, its second stream, and the client without.
    pub(crate) tuples: [FiveTuple; 3],
    /// Of the session, of another session, of a connection test.
    pub(crate) tickets: [(Credential, Key); 3],
    /// By which of them the allocation of each 5-tuple was made.
    pub(crate) owners: [Option<usize>; 3],
    pub(crate) nonces: [Vec<u8>; 2],
    pub(crate) renewed: Instant,
    pub(crate) token: [u8; 8],
}

impl World {
    pub(crate) fn new(input: &Input) -> World {
        let now = Now {
            instant: Instant::now(),
            unix_s: 1_700_000_000,
        };
        let mint = Mint::new(Secret::random([1; 32]));
        let expires = now.unix_s + 1_000_000_000;
        let tickets = [
            mint.mint(SESSION, expires, [2; 8]),
            mint.mint(OTHER_SESSION, expires, [2; 8]),
            mint.mint_test(expires, [2; 8]),
        ]
        .map(|ticket| {
            let (name, password) = (&ticket.username, &ticket.password);
            let key = Key::long_term(Algorithm::Md5, name, REALM, password);
            (ticket, key)
        });
        let config = ServerConfig {
            realm: REALM.to_owned(),
            credentials: CredentialsConfig {
                tickets: Some(mint),
                ..CredentialsConfig::default()
            },
            policy: PeerPolicy::Closed(PeerList::exact(PEERS[..MEDIA].iter().map(|text| at(text)))),
            quotas: QuotaLimits::default(),
            allocation: AllocationLimits::default(),
            replies_per_s: 1000,
            seed: [3; 32],
            legacy_channel_numbers: false,
        };
        let mut server = Server::new(now, config).expect("no static users");
        server.admit(now, SESSION);
        server.admit(now, OTHER_SESSION);
        let transport = if input.is_stream {
            ClientTransport::Tcp
        } else {
            ClientTransport::Udp
        };
        let tuple = |client, transport| FiveTuple {
            transport,
            client: ClientAddr(at(client)),
            server: at("192.0.2.1:443"),
        };
        let mut world = World {
            now,
            server,
            clients: Clients::default(),
            sockets: Sockets {
                has_tcp: input.has_tcp && !input.is_virtual,
                ports: input.is_virtual.then(|| {
                    let peers = PEERS[..MEDIA].iter().map(|text| (at(text), 0));
                    let (v4, v6) = ([192, 0, 0, 8].into(), [0x100, 0, 0, 1, 0, 0, 0, 1].into());
                    VirtualPorts::new(v4, v6, PeerTable::new(peers), [5; 32])
                }),
                now: now.instant,
                next_port: 49_152,
                open: BTreeSet::new(),
                connections: Vec::new(),
            },
            tuples: [
                tuple("10.0.0.1:5000", transport),
                tuple("10.0.0.2:5001", ClientTransport::Tls),
                tuple("10.0.0.3:5002", transport),
            ],
            tickets,
            owners: [None; 3],
            nonces: [Vec::new(), Vec::new()],
            renewed: now.instant,
            token: [0; 8],
        };
        world.renew_nonces();
        world
    }

    pub(crate) fn with_io<R>(&mut self, act: impl FnOnce(&mut Server, Now, &mut Io<'_>) -> R) -> R {
        let World {
            now,
            server,
            clients,
            sockets,
            ..
        } = self;
        sockets.now = now.instant;
        act(
            server,
            *now,
            &mut Io {
                clients,
                backend: sockets,
            },
        )
    }

    pub(crate) fn input(&mut self, tuple: FiveTuple, bytes: &[u8]) {
        self.with_io(|server, now, io| server.handle_client(now, &tuple, bytes, io));
    }

    pub(crate) fn renew_nonces(&mut self) {
        for index in 0..2 {
            self.clients.sent.clear();
            let mut bytes = Vec::new();
            let request = Builder::new(Class::Request, Method::Allocate, [0; 12], &mut bytes);
            request
                .requested_transport(RequestedTransport::Udp)
                .finish(None)
                .expect("short");
            self.input(self.tuples[index], &bytes);
            if let Some((_, sent)) = self.clients.sent.last() {
                let reply = Reply::parse(sent).expect("ours are good");
                self.nonces[index] = reply.nonce.expect("a challenge").to_vec();
            }
        }
        self.clients.sent.clear();
        self.renewed = self.now.instant;
    }

    pub(crate) fn tuple(&self, is_known: bool) -> FiveTuple {
        self.tuples[if is_known { 0 } else { 2 }]
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now.instant = due.max(self.now.instant);
            self.with_io(|server, now, io| server.handle_timeout(now, io));
            let next = self.server.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now.instant),
                "time goes on"
            );
        }
        self.now.unix_s += time.as_secs();
        self.now.instant = end;
        if end - self.renewed > NONCE_RENEWAL {
            self.renew_nonces();
        }
    }

    pub(crate) fn check(&mut self) {
        for (to, bytes) in std::mem::take(&mut self.clients.sent) {
            let Ok(reply) = Reply::parse(&bytes) else {
                assert_ne!(to, self.tuples[2], "media is for who allocated");
                continue;
            };
            if let Some(token) = reply.reservation_token {
                self.token = token;
            }
            let is_refusal = reply.error.is_some() || reply.method == Method::Binding;
            assert!(
                is_refusal || to != self.tuples[2],
                "nothing without credentials"
            );
        }
        let counters = self.server.counters();
        assert!(
            counters.allocations <= 2,
            "one for each 5-tuple with credentials"
        );
        assert!(self.sockets.open.len() <= 2 * (12 + 12 + 8));
    }

    /// Without the sessions, and after the last reservation, nothing is left.
    pub(crate) fn end(&mut self) {
        self.step(Step::Revoke);
        self.with_io(|server, now, io| server.revoke(now, OTHER_SESSION, io));
        // Reservations live half a minute, connection tests a whole one.
        self.pass(Duration::from_secs(61));
        assert_eq!(self.server.counters().allocations, 0);
        assert!(self.sockets.open.is_empty());
        assert_eq!(self.server.poll_timeout(), None);
    }

    pub(crate) fn relayed(&self, index: u8) -> Option<RelayedAddr> {
        let count = self.sockets.open.len().max(1);
        self.sockets
            .open
            .iter()
            .nth(usize::from(index) % count)
            .copied()
            .map(RelayedAddr)
    }

    pub(crate) fn connection(&self, index: u8) -> Option<u32> {
        let count = self.sockets.connections.len().max(1);
        self.sockets
            .connections
            .get(usize::from(index) % count)
            .copied()
    }
}
