//! A server with two backends, clients that build requests, and everything that was sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use conclave_turn_core::auth::{
    Credential, CredentialsConfig, Mint, Secret, SessionKey, StaticUser,
};
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::quota::QuotaLimits;
use conclave_turn_core::virtual_ports::{PeerTable, SfuPort, VirtualPorts};
use conclave_turn_core::{
    AllocationLimits, Backend, BackendTraits, ClientSink, Io, Now, OpenError, PortWish, SendError,
    Server, ServerConfig,
};
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac, verify};
use conclave_turn_wire::message::{
    Builder, Class, Method, Reply, RequestedTransport, TransactionId,
};
use conclave_turn_wire::{ClientAddr, ClientTransport, Family, FiveTuple, PeerAddr, RelayedAddr};

pub const REALM: &str = "meet.example";
pub const RELAYED_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
pub const RELAYED_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 1);
/// The shards of the SFU.
pub const SHARD_0: &str = "198.51.100.1:10000";
pub const SHARD_1: &str = "198.51.100.1:10001";
/// A shard at another address.
pub const SHARD_2: &str = "198.51.100.2:10000";
pub const SHARD_0_V6: &str = "[2001:db8::1]:10000";
/// On the host of the SFU, but no media port.
pub const OTHER_PORT: &str = "198.51.100.1:22";
/// Not the SFU.
pub const STRANGER: &str = "203.0.113.7:10000";
pub const ADA: SessionKey = SessionKey(1);
pub const BOB: SessionKey = SessionKey(2);

/// Which seeds to run: the one that is asked for, else a few, or many.
#[allow(
    clippy::disallowed_methods,
    reason = "which seeds to run is said outside"
)]
pub fn seeds(few: u64, many: u64) -> Range<u64> {
    match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) if std::env::var_os("CONCLAVE_SOAK").is_some() => 0..many,
        Err(_) => 0..few,
    }
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn peer(text: &str) -> PeerAddr {
    PeerAddr(at(text))
}

#[allow(clippy::disallowed_methods, reason = "a test needs a first instant")]
pub fn epoch() -> Now {
    Now {
        instant: Instant::now(),
        unix_s: 1_700_000_000,
    }
}

/// What reached a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub to: FiveTuple,
    pub bytes: Vec<u8>,
    pub is_media: bool,
}

#[derive(Default)]
pub struct Clients {
    pub sent: Vec<Sent>,
    pub closed: Vec<FiveTuple>,
    pub spliced: Vec<(FiveTuple, u32)>,
    pub ended: Vec<FiveTuple>,
}

impl ClientSink for Clients {
    fn allocation_ended(&mut self, client: &FiveTuple) {
        self.ended.push(*client);
    }

    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], is_media: bool) {
        self.sent.push(Sent {
            to: *to,
            bytes: [header, payload].concat(),
            is_media,
        });
    }

    fn close(&mut self, to: &FiveTuple) {
        self.closed.push(*to);
    }

    fn splice(&mut self, client: &FiveTuple, connection: u32) {
        self.spliced.push((*client, connection));
    }
}

/// A datagram that left a relayed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: Vec<u8>,
    pub dont_fragment: bool,
}

#[derive(Default)]
pub struct Shards {
    pub relayed: Vec<Relayed>,
}

impl SfuPort for Shards {
    fn send(
        &mut self,
        _shard: u8,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool {
        self.relayed.push(Relayed {
            from: source,
            to: destination,
            payload: payload.to_vec(),
            dont_fragment: false,
        });
        true
    }
}

/// A backend as one with real sockets is, but that all it does is kept.
pub struct Sockets {
    pub traits: BackendTraits,
    pub open: BTreeMap<SocketAddr, Option<u32>>,
    pub relayed: Vec<Relayed>,
    pub connects: Vec<(RelayedAddr, PeerAddr, u32)>,
    pub closed_tcp: Vec<u32>,
    pub fail: Option<OpenError>,
    pub fail_v6: Option<OpenError>,
    next_port: u16,
}

impl Sockets {
    pub fn new() -> Self {
        Sockets {
            traits: BackendTraits {
                v4: true,
                v6: true,
                tcp_allocations: true,
                dont_fragment: true,
                pairs: true,
                lifetime_max_s: 3600,
            },
            open: BTreeMap::new(),
            relayed: Vec::new(),
            connects: Vec::new(),
            closed_tcp: Vec::new(),
            fail: None,
            fail_v6: None,
            next_port: 49_152,
        }
    }
}

impl Backend for Sockets {
    fn traits(&self) -> BackendTraits {
        self.traits
    }

    fn open(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        if let Some(error) = self.fail.or(self.fail_v6.filter(|_| family == Family::V6)) {
            return Err(error);
        }
        if let PortWish::Reserved(relayed) = wish {
            assert_eq!(
                self.open.insert(relayed.0, Some(owner)),
                Some(None),
                "it was kept"
            );
            return Ok(relayed);
        }
        let ip: IpAddr = match family {
            Family::V4 => Ipv4Addr::new(203, 0, 113, 1).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(),
        };
        let address = SocketAddr::new(ip, self.next_port);
        self.next_port += 2;
        assert_eq!(self.open.insert(address, Some(owner)), None);
        if wish == PortWish::EvenAndReserveNext {
            self.open
                .insert(SocketAddr::new(ip, address.port() + 1), None);
        }
        Ok(RelayedAddr(address))
    }

    fn close(&mut self, relayed: RelayedAddr) {
        assert!(
            self.open.remove(&relayed.0).is_some(),
            "only what is open is closed"
        );
    }

    fn send(
        &mut self,
        relayed: RelayedAddr,
        to: PeerAddr,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendError> {
        if dont_fragment && payload.len() > 1472 {
            return Err(SendError::TooLarge { mtu: 1500 });
        }
        self.relayed.push(Relayed {
            from: relayed.0,
            to: to.0,
            payload: payload.to_vec(),
            dont_fragment,
        });
        Ok(())
    }

    fn listen_tcp(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        self.open(owner, family, wish)
    }

    fn connect_tcp(&mut self, relayed: RelayedAddr, to: PeerAddr, connection: u32) {
        self.connects.push((relayed, to, connection));
    }

    fn close_tcp(&mut self, connection: u32) {
        self.closed_tcp.push(connection);
    }
}

/// The two makes of backends.
pub enum Make {
    Virtual(Box<VirtualPorts>, Shards),
    Sockets(Sockets),
}

pub struct World {
    pub now: Now,
    pub server: Server,
    pub make: Make,
    pub clients: Clients,
    pub mint: Mint,
    /// How far the wall clock was set, in seconds.
    pub clock_step_s: i64,
    /// How often the server was due.
    pub wakeups: u64,
    started: Now,
    next_transaction: u32,
}

pub fn config() -> ServerConfig {
    let mint = Mint::new(Secret::new(b"a secret of the test").unwrap());
    ServerConfig {
        realm: REALM.to_owned(),
        credentials: CredentialsConfig {
            tickets: Some(mint),
            rest: None,
            users: vec!["carol:secret".parse::<StaticUser>().unwrap()],
        },
        policy: PeerPolicy::Closed(PeerList::exact([
            at(SHARD_0),
            at(SHARD_1),
            at(SHARD_2),
            at(SHARD_0_V6),
        ])),
        quotas: QuotaLimits::default(),
        allocation: AllocationLimits::default(),
        replies_per_s: 1000,
        seed: [7; 32],
        legacy_channel_numbers: false,
    }
}

impl World {
    /// A server with the virtual backend and two live sessions.
    pub fn new() -> World {
        World::with(config())
    }

    pub fn with(config: ServerConfig) -> World {
        let peers = PeerTable::new([
            (at(SHARD_0), 0),
            (at(SHARD_1), 1),
            (at(SHARD_2), 2),
            (at(SHARD_0_V6), 0),
        ]);
        let ports = VirtualPorts::new(RELAYED_V4, RELAYED_V6, peers, [3; 32]);
        World::made_of(config, Make::Virtual(Box::new(ports), Shards::default()))
    }

    /// A server with a backend like one of real sockets.
    pub fn with_sockets() -> World {
        World::made_of(config(), Make::Sockets(Sockets::new()))
    }

    fn made_of(config: ServerConfig, make: Make) -> World {
        let now = epoch();
        let mint = config.credentials.tickets.clone().unwrap();
        let mut server = Server::new(now, config).unwrap();
        server.admit(now, ADA);
        server.admit(now, BOB);
        World {
            now,
            server,
            make,
            clients: Clients::default(),
            mint,
            clock_step_s: 0,
            wakeups: 0,
            started: now,
            next_transaction: 0,
        }
    }

    pub fn sockets(&mut self) -> &mut Sockets {
        match &mut self.make {
            Make::Sockets(sockets) => sockets,
            Make::Virtual(..) => panic!("not this make"),
        }
    }

    pub fn open_count(&self) -> usize {
        match &self.make {
            Make::Sockets(sockets) => sockets.open.len(),
            Make::Virtual(ports, _) => ports.open_count(),
        }
    }

    pub fn relayed(&mut self) -> Vec<Relayed> {
        match &mut self.make {
            Make::Sockets(sockets) => std::mem::take(&mut sockets.relayed),
            Make::Virtual(_, shards) => std::mem::take(&mut shards.relayed),
        }
    }

    pub fn with_io<R>(&mut self, act: impl FnOnce(&mut Server, Now, &mut Io<'_>) -> R) -> R {
        let World {
            now,
            server,
            make,
            clients,
            ..
        } = self;
        match make {
            Make::Virtual(ports, shards) => {
                let mut backend = ports.lend(now.instant, shards);
                act(
                    server,
                    *now,
                    &mut Io {
                        clients,
                        backend: &mut backend,
                    },
                )
            }
            Make::Sockets(sockets) => act(
                server,
                *now,
                &mut Io {
                    clients,
                    backend: sockets,
                },
            ),
        }
    }

    /// Lets the server have bytes, and takes what it sent to clients for them.
    pub fn input(&mut self, from: &FiveTuple, bytes: &[u8]) -> Vec<Sent> {
        self.with_io(|server, now, io| server.handle_client(now, from, bytes, io));
        self.take_sent()
    }

    /// Lets a peer send to a relayed address.
    pub fn peer_sends(&mut self, relayed: SocketAddr, from: &str, payload: &[u8]) -> Vec<Sent> {
        let relayed = RelayedAddr(relayed);
        let owner = self.server.owner_of(relayed).unwrap_or(u32::MAX);
        self.with_io(|server, now, io| {
            server.handle_relayed(now, owner, relayed, peer(from), payload, io)
        });
        self.take_sent()
    }

    pub fn pass(&mut self, time: Duration) {
        self.pass_until_due(time);
        self.with_io(|server, now, io| server.handle_timeout(now, io));
    }

    /// Lets time pass, and lets the server know of it only when it is due.
    pub fn pass_until_due(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.set_time(due.max(self.now.instant));
            self.wakeups += 1;
            self.with_io(|server, now, io| server.handle_timeout(now, io));
            assert!(
                self.server.poll_timeout() > Some(self.now.instant)
                    || self.server.poll_timeout().is_none(),
                "what is due has been done"
            );
        }
        self.set_time(end);
    }

    fn set_time(&mut self, to: Instant) {
        self.now.instant = to;
        let elapsed = to.duration_since(self.started.instant);
        let unix_s = self.started.unix_s + elapsed.as_secs();
        self.now.unix_s = unix_s.saturating_add_signed(self.clock_step_s);
    }

    pub fn revoke(&mut self, session: SessionKey) {
        self.with_io(|server, now, io| server.revoke(now, session, io));
    }

    pub fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.clients.sent)
    }

    pub fn transaction(&mut self) -> TransactionId {
        self.next_transaction += 1;
        let mut transaction = [0; 12];
        transaction[..4].copy_from_slice(&self.next_transaction.to_be_bytes());
        transaction
    }

    pub fn ticket(&mut self, session: SessionKey) -> Credential {
        self.mint.mint(session, self.now.unix_s + 600, [5; 8])
    }

    /// A client of `session` with a nonce, on UDP.
    pub fn client(&mut self, session: SessionKey, port: u16) -> Client {
        let credential = self.ticket(session);
        self.client_with(&credential, ClientTransport::Udp, port)
    }

    pub fn stream_client(&mut self, session: SessionKey, port: u16) -> Client {
        let credential = self.ticket(session);
        self.client_with(&credential, ClientTransport::Tcp, port)
    }

    pub fn client_with(
        &mut self,
        credential: &Credential,
        transport: ClientTransport,
        port: u16,
    ) -> Client {
        let tuple = FiveTuple {
            transport,
            client: ClientAddr(SocketAddr::new(
                Ipv4Addr::new(10, 0, (port >> 8) as u8, port as u8).into(),
                port,
            )),
            server: at("192.0.2.1:443"),
        };
        let mut client = Client {
            tuple,
            username: credential.username.clone(),
            key: Key::long_term(
                Algorithm::Md5,
                &credential.username,
                REALM,
                &credential.password,
            ),
            nonce: Vec::new(),
        };
        client.renew_nonce(self);
        client
    }

    /// Sends a sealed request and returns the one answer.
    pub fn ask(
        &mut self,
        client: &Client,
        method: Method,
        fill: impl Fn(Builder<'_>) -> Builder<'_>,
    ) -> Answer {
        let transaction = self.transaction();
        self.ask_as(client, method, transaction, fill)
    }

    pub fn ask_as(
        &mut self,
        client: &Client,
        method: Method,
        transaction: TransactionId,
        fill: impl Fn(Builder<'_>) -> Builder<'_>,
    ) -> Answer {
        let request = client.request(method, transaction, fill);
        let sent = self.input(&client.tuple, &request);
        assert_eq!(sent.len(), 1, "a request has one answer");
        assert_eq!(sent[0].to, client.tuple);
        let answer = Answer {
            bytes: sent[0].bytes.clone(),
        };
        let reply = answer.reply();
        assert_eq!((reply.method, reply.transaction), (method, transaction));
        let is_challenge = reply.nonce.is_some();
        assert!(
            is_challenge
                || reply
                    .seal(Mac::Sha1)
                    .is_some_and(|seal| verify(seal, &client.key))
                || reply.error == Some(400),
            "an answer to who is authenticated is sealed"
        );
        answer
    }

    /// Allocates, and returns the relayed IPv4 address.
    pub fn allocate(&mut self, client: &Client) -> SocketAddr {
        let answer = self.ask(client, Method::Allocate, udp);
        assert_eq!(answer.error(), None);
        answer.reply().relayed.unwrap().0
    }

    pub fn permit(&mut self, client: &Client, to: &str) -> Option<ErrorCode> {
        self.ask(client, Method::CreatePermission, |request| {
            request.peer(peer(to))
        })
        .error()
    }

    pub fn bind(&mut self, client: &Client, channel: u16, to: &str) -> Option<ErrorCode> {
        self.ask(client, Method::ChannelBind, |request| {
            request.channel(channel).peer(peer(to))
        })
        .error()
    }

    pub fn refresh(&mut self, client: &Client, lifetime_s: u32) -> Result<u32, ErrorCode> {
        let answer = self.ask(client, Method::Refresh, |request| {
            request.lifetime(lifetime_s)
        });
        answer
            .error()
            .map_or_else(|| Ok(answer.reply().lifetime_s.unwrap()), Err)
    }
}

/// The attribute without which no Allocate is one.
pub fn udp(request: Builder<'_>) -> Builder<'_> {
    request.requested_transport(RequestedTransport::Udp)
}

pub struct Answer {
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn reply(&self) -> Reply<'_> {
        Reply::parse(&self.bytes).unwrap()
    }

    pub fn error(&self) -> Option<ErrorCode> {
        let code = self.reply().error?;
        Some(
            *ErrorCode::ALL
                .iter()
                .find(|known| known.code() == code)
                .expect("a known code"),
        )
    }
}

pub struct Client {
    pub tuple: FiveTuple,
    pub username: String,
    pub key: Key,
    pub nonce: Vec<u8>,
}

impl Client {
    pub fn renew_nonce(&mut self, world: &mut World) {
        let request = bare(Method::Allocate, world.transaction(), udp);
        let sent = world.input(&self.tuple, &request);
        let reply = Reply::parse(&sent[0].bytes).unwrap();
        assert_eq!(reply.error, Some(401));
        self.nonce = reply.nonce.unwrap().to_vec();
    }

    pub fn request(
        &self,
        method: Method,
        transaction: TransactionId,
        fill: impl Fn(Builder<'_>) -> Builder<'_>,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        fill(Builder::new(
            Class::Request,
            method,
            transaction,
            &mut bytes,
        ))
        .username(&self.username)
        .realm(REALM)
        .nonce(&self.nonce)
        .finish(Some((Mac::Sha1, &self.key)))
        .unwrap();
        bytes
    }

    pub fn send_indication(&self, to: &str, payload: &[u8]) -> Vec<u8> {
        indication(|message| message.peer(peer(to)).data(payload))
    }
}

/// A request without credentials.
pub fn bare(
    method: Method,
    transaction: TransactionId,
    fill: impl Fn(Builder<'_>) -> Builder<'_>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(Builder::new(
        Class::Request,
        method,
        transaction,
        &mut bytes,
    ))
    .finish(None)
    .unwrap();
    bytes
}

pub fn indication(fill: impl for<'o> FnOnce(Builder<'o>) -> Builder<'o>) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(Builder::new(
        Class::Indication,
        Method::Send,
        [9; 12],
        &mut bytes,
    ))
    .finish(None)
    .unwrap();
    bytes
}

pub fn channel_data(channel: u16, payload: &[u8]) -> Vec<u8> {
    let header = conclave_turn_wire::fast::channel_header(channel, payload.len() as u16);
    [&header[..], payload].concat()
}
