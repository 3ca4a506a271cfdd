//! Any operations into the whole relay, with real or virtual addresses: a client
//! with credentials of three kinds, one without, peers, time. Nothing may be
//! relayed but to permitted media ports, nothing may be had without credentials
//! or with those of another, and nothing may be left at the end.
#![no_main]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use conclave_turn_core::auth::{Credential, CredentialsConfig, Mint, Secret, SessionKey};
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::quota::QuotaLimits;
use conclave_turn_core::virtual_ports::{PeerTable, SfuPort, VirtualPorts};
use conclave_turn_core::{
    AllocationLimits, Backend, BackendTraits, ClientSink, ConnectFailed, Io, Now, OpenError,
    PortWish, SendError, Server, ServerConfig,
};
use conclave_turn_wire::fast::channel_header;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{
    Builder, Class, EvenPort, Method, Reply, Request, RequestedTransport,
};
use conclave_turn_wire::{ClientAddr, ClientTransport, Family, FiveTuple, PeerAddr, RelayedAddr};
use libfuzzer_sys::fuzz_target;

const REALM: &str = "meet.example";
const SESSION: SessionKey = SessionKey(7);
const OTHER_SESSION: SessionKey = SessionKey(8);
/// Which of the credentials are those of a connection test.
const TEST: usize = 2;
/// A nonce lives half an hour.
const NONCE_RENEWAL: Duration = Duration::from_secs(25 * 60);

#[derive(Debug, Arbitrary)]
struct Input {
    is_stream: bool,
    has_tcp: bool,
    is_virtual: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Raw {
        is_known: bool,
        bytes: Vec<u8>,
    },
    Ask {
        is_known: bool,
        is_sealed: bool,
        on_second: bool,
        whom: u8,
        transaction: bool,
        method: u8,
        attributes: Vec<Attribute>,
    },
    Channel {
        is_known: bool,
        number: u8,
        payload: Vec<u8>,
    },
    Send {
        is_known: bool,
        peer: u8,
        dont_fragment: bool,
        len: u16,
    },
    FromPeer {
        peer: u8,
        relayed: u8,
        owner: Option<u8>,
        payload: Vec<u8>,
    },
    Icmp {
        peer: u8,
        relayed: u8,
        kind: u8,
        code: u8,
        data: u32,
    },
    Connected {
        connection: u8,
        is_ok: bool,
    },
    Accepted {
        peer: u8,
        owner: u8,
    },
    PeerClosed {
        connection: u8,
    },
    ClientClosed {
        is_second: bool,
    },
    Pass {
        millis: u32,
    },
    Revoke,
    Admit,
    /// The wall clock is set back.
    Clock {
        back_s: u8,
    },
}

#[derive(Debug, Arbitrary)]
enum Attribute {
    Transport(u8),
    Lifetime(u32),
    Requested(bool),
    Additional,
    EvenPort(bool),
    Token,
    DontFragment,
    Peer(u8),
    Channel(u8),
    Connection(u8),
    Raw(u16, Vec<u8>),
}

fuzz_target!(|input: Input| {
    let mut world = World::new(&input);
    for step in input.steps.into_iter().take(200) {
        world.step(step);
        world.check();
    }
    world.end();
});

/// Media ports first, then what must not be reached.
const PEERS: [&str; 6] = [
    "198.51.100.1:10000",
    "198.51.100.1:10001",
    "[2001:db8::1]:10000",
    "198.51.100.1:22",
    "127.0.0.1:10000",
    "[::ffff:127.0.0.1]:10000",
];
const MEDIA: usize = 3;

fn peer(index: u8) -> PeerAddr {
    PeerAddr(at(PEERS[usize::from(index) % PEERS.len()]))
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("written here")
}

#[derive(Default)]
struct Clients {
    sent: Vec<(FiveTuple, Vec<u8>)>,
}

impl ClientSink for Clients {
    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], _is_media: bool) {
        let whole = [header, payload].concat();
        let is_aligned = whole.len() % 4 == 0;
        assert!(is_aligned || (to.transport == ClientTransport::Udp && whole[0] >= 0x40));
        self.sent.push((*to, whole));
    }

    fn close(&mut self, to: &FiveTuple) {
        assert!(to.transport.is_stream());
    }

    fn splice(&mut self, client: &FiveTuple, _connection: u32) {
        assert!(client.transport.is_stream());
    }
}

struct Nowhere;

impl SfuPort for Nowhere {
    fn send(&mut self, _: u8, source: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        assert_eq!(source.is_ipv4(), to.is_ipv4());
        assert!(payload.len() <= 1472);
        true
    }
}

struct Sockets {
    has_tcp: bool,
    /// Whether addresses are virtual.
    ports: Option<VirtualPorts>,
    now: Instant,
    next_port: u16,
    open: BTreeSet<SocketAddr>,
    connections: Vec<u32>,
}

impl Backend for Sockets {
    fn traits(&self) -> BackendTraits {
        let is_virtual = self.ports.is_some();
        BackendTraits {
            v4: true,
            v6: true,
            tcp_allocations: self.has_tcp,
            dont_fragment: true,
            pairs: true,
            lifetime_max_s: if is_virtual { 600 } else { 3600 },
        }
    }

    fn open(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        if let Some(ports) = &mut self.ports {
            let relayed = ports
                .lend(self.now, &mut Nowhere)
                .open(owner, family, wish)?;
            let is_kept = matches!(wish, PortWish::Reserved(_));
            assert_eq!(self.open.insert(relayed.0), !is_kept);
            if wish == PortWish::EvenAndReserveNext {
                let mut next = relayed.0;
                next.set_port(next.port() + 1);
                assert!(self.open.insert(next));
            }
            return Ok(relayed);
        }
        if let PortWish::Reserved(relayed) = wish {
            assert!(self.open.contains(&relayed.0));
            return Ok(relayed);
        }
        self.next_port = self.next_port.checked_add(2).ok_or(OpenError::NoPort)?;
        let mut relayed = match family {
            Family::V4 => at("203.0.113.1:0"),
            Family::V6 => at("[2001:db8::9]:0"),
        };
        relayed.set_port(self.next_port);
        self.open.insert(relayed);
        if wish == PortWish::EvenAndReserveNext {
            let mut next = relayed;
            next.set_port(relayed.port() + 1);
            self.open.insert(next);
        }
        Ok(RelayedAddr(relayed))
    }

    fn close(&mut self, relayed: RelayedAddr) {
        assert!(self.open.remove(&relayed.0));
        if let Some(ports) = &mut self.ports {
            ports.lend(self.now, &mut Nowhere).close(relayed);
        }
    }

    fn send(
        &mut self,
        relayed: RelayedAddr,
        to: PeerAddr,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendError> {
        assert!(self.open.contains(&relayed.0));
        assert!(PEERS[..MEDIA].contains(&to.0.to_string().as_str()));
        assert_eq!(relayed.0.is_ipv4(), to.0.is_ipv4());
        if let Some(ports) = &mut self.ports {
            return ports
                .lend(self.now, &mut Nowhere)
                .send(relayed, to, payload, dont_fragment);
        }
        if dont_fragment && payload.len() > 1400 {
            return Err(SendError::TooLarge { mtu: 1400 });
        }
        Ok(())
    }

    fn listen_tcp(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        assert!(self.has_tcp);
        self.open(owner, family, wish)
    }

    fn connect_tcp(&mut self, relayed: RelayedAddr, to: PeerAddr, connection: u32) {
        assert!(self.has_tcp && self.open.contains(&relayed.0));
        assert!(PEERS[..MEDIA].contains(&to.0.to_string().as_str()));
        self.connections.push(connection);
    }

    fn close_tcp(&mut self, _connection: u32) {}
}

struct World {
    now: Now,
    server: Server,
    clients: Clients,
    sockets: Sockets,
    /// The client with credentials, its second stream, and the client without.
    tuples: [FiveTuple; 3],
    /// Of the session, of another session, of a connection test.
    tickets: [(Credential, Key); 3],
    /// By which of them the allocation of each 5-tuple was made.
    owners: [Option<usize>; 3],
    nonces: [Vec<u8>; 2],
    renewed: Instant,
    token: [u8; 8],
}

impl World {
    fn new(input: &Input) -> World {
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

    fn with_io<R>(&mut self, act: impl FnOnce(&mut Server, Now, &mut Io<'_>) -> R) -> R {
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

    fn input(&mut self, tuple: FiveTuple, bytes: &[u8]) {
        self.with_io(|server, now, io| server.handle_client(now, &tuple, bytes, io));
    }

    fn renew_nonces(&mut self) {
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

    fn tuple(&self, is_known: bool) -> FiveTuple {
        self.tuples[if is_known { 0 } else { 2 }]
    }

    fn step(&mut self, step: Step) {
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

    fn pass(&mut self, time: Duration) {
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

    fn check(&mut self) {
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
    fn end(&mut self) {
        self.step(Step::Revoke);
        self.with_io(|server, now, io| server.revoke(now, OTHER_SESSION, io));
        // Reservations live half a minute, connection tests a whole one.
        self.pass(Duration::from_secs(61));
        assert_eq!(self.server.counters().allocations, 0);
        assert!(self.sockets.open.is_empty());
        assert_eq!(self.server.poll_timeout(), None);
    }

    fn relayed(&self, index: u8) -> Option<RelayedAddr> {
        let count = self.sockets.open.len().max(1);
        self.sockets
            .open
            .iter()
            .nth(usize::from(index) % count)
            .copied()
            .map(RelayedAddr)
    }

    fn connection(&self, index: u8) -> Option<u32> {
        let count = self.sockets.connections.len().max(1);
        self.sockets
            .connections
            .get(usize::from(index) % count)
            .copied()
    }
}
