//! What the server itself does for one packet or request: no sockets, no threads, nothing but the core.
//!
//! With one allocation all is in the nearest cache; with ten thousand, in an order that nobody foresees, tables and
//! allocations come from memory. Nothing fails because a number has changed. A word behind `--` is part of the name of
//! what is to be measured.

#![allow(clippy::unwrap_used, reason = "there is nobody to report to")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that measures time and says so"
)]

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_turn_core::auth::{Credential, CredentialsConfig, Mint, Secret, SessionKey};
use conclave_turn_core::nonce::Nonces;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::quota::QuotaLimits;
use conclave_turn_core::virtual_ports::{PeerTable, SfuPort, VirtualPorts};
use conclave_turn_core::{AllocationLimits, ClientSink, Io, Now, Server, ServerConfig};
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::fast;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{
    Builder, Class, Method, PASSWORD_ALGORITHMS, Reply, RequestedTransport,
};
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple, PeerAddr, RelayedAddr};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

const REALM: &str = "meet.example";
const SEED: [u8; 32] = [7; 32];
const CHANNEL: u16 = 0x4000;
/// A packet of video.
const PAYLOAD: [u8; 1_000] = [9; 1_000];
/// A frame of video is some six packets, which arrive together.
const LIVE: [Live; 3] = [
    Live {
        name: "1",
        count: 1,
        train: 1,
    },
    Live {
        name: "10,000, six packets in a row",
        count: 10_000,
        train: 6,
    },
    Live {
        name: "10,000, each packet of another",
        count: 10_000,
        train: 1,
    },
];
/// Strangers that take turns, so that each is answered: ten times a second.
const STRANGERS: usize = 1 << 12;
const BETWEEN_STRANGERS: Duration = Duration::from_micros(30);
/// Of so many samples the least and the median are told: the least is the work, the rest is what else the machine did.
const SAMPLES: usize = 25;

/// How many allocations there are, and how many packets in a row are of one.
#[derive(Clone, Copy)]
struct Live {
    name: &'static str,
    count: usize,
    train: usize,
}

/// What is measured, and what it may cost (`spec/turn.md` 6.6).
struct Work {
    name: &'static str,
    bar_ns: f64,
    /// In one sample.
    times: usize,
    run: fn(&mut World, usize),
}

const WORKS: [Work; 7] = [
    Work {
        name: "ChannelData, client to peer",
        bar_ns: 50.0,
        times: 100_000,
        run: World::channel_data,
    },
    Work {
        name: "ChannelData, peer to client",
        bar_ns: 50.0,
        times: 100_000,
        run: World::peer_data,
    },
    Work {
        name: "Send indication",
        bar_ns: 100.0,
        times: 100_000,
        run: World::send_indication,
    },
    Work {
        name: "401",
        bar_ns: 1_000.0,
        times: 20_000,
        run: World::challenge,
    },
    Work {
        name: "Refresh",
        bar_ns: 5_000.0,
        times: 10_000,
        run: |world, number| world.refresh(number, |member| &member.refresh),
    },
    Work {
        name: "Refresh by another algorithm",
        bar_ns: 5_000.0,
        times: 10_000,
        run: |world, number| world.refresh(number, |member| &member.refresh_sha256),
    },
    Work {
        name: "Refresh by another ticket",
        bar_ns: 5_000.0,
        times: 10_000,
        run: |world, number| world.refresh(number, |member| &member.refresh_renewed),
    },
];

fn main() {
    println!("| work | live | ns, least | ns, median | bar |");
    println!("|---|---|---|---|---|");
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |work: &&Work| {
        wanted
            .as_ref()
            .is_none_or(|wanted| work.name.contains(wanted))
    };
    for work in WORKS.iter().filter(is_wanted) {
        for live in LIVE {
            let mut world = World::new(live);
            let mut samples: Vec<f64> = (0..SAMPLES).map(|_| world.sample(work)).collect();
            world.check();
            samples.sort_by(f64::total_cmp);
            let (least, median) = (samples[0], samples[SAMPLES / 2]);
            let (name, bar) = (work.name, work.bar_ns);
            let live = live.name;
            println!("| {name} | {live} | {least:.0} | {median:.0} | {bar:.0} |");
        }
    }
}

/// A client with an allocation and a channel, and the requests that it sends.
struct Member {
    tuple: FiveTuple,
    relayed: RelayedAddr,
    refresh: Vec<u8>,
    refresh_sha256: Vec<u8>,
    refresh_renewed: Vec<u8>,
}

/// The server and the side of its peers.
struct Relay {
    now: Now,
    server: Server,
    ports: VirtualPorts,
    shards: Handed,
}

impl Relay {
    /// Lets it take what a client has sent.
    #[inline]
    fn take(&mut self, clients: &mut dyn ClientSink, from: &FiveTuple, bytes: &[u8]) {
        let mut backend = self.ports.lend(self.now.instant, &mut self.shards);
        let mut io = Io {
            clients,
            backend: &mut backend,
        };
        self.server
            .handle_client(self.now, from, black_box(bytes), &mut io);
    }

    /// Lets it take what the shard has sent to a relayed address.
    #[inline]
    fn take_relayed(&mut self, clients: &mut dyn ClientSink, relayed: RelayedAddr, bytes: &[u8]) {
        let mut backend = self.ports.lend(self.now.instant, &mut self.shards);
        let mut io = Io {
            clients,
            backend: &mut backend,
        };
        let owner = self.server.owner_of(relayed).unwrap();
        let from = PeerAddr(shard(0));
        self.server
            .handle_relayed(self.now, owner, relayed, from, black_box(bytes), &mut io);
    }
}

struct World {
    relay: Relay,
    clients: Sent,
    members: Vec<Member>,
    /// Packets of one member in a row.
    train: usize,
    strangers: Vec<FiveTuple>,
    allocate: Vec<u8>,
    channel_data: Vec<u8>,
    send: Vec<u8>,
    /// What should have come of it.
    expected: Expected,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    up: u64,
    down: u64,
    challenges: u64,
    successes: u64,
}

#[derive(Default)]
struct Sent(usize);

impl ClientSink for Sent {
    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], _is_media: bool) {
        black_box((to, header, payload));
        self.0 += header.len() + payload.len();
    }

    fn close(&mut self, _to: &FiveTuple) {}

    fn splice(&mut self, _client: &FiveTuple, _connection: u32) {}
}

#[derive(Default)]
struct Handed(usize);

impl SfuPort for Handed {
    fn send(&mut self, shard: u8, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        black_box((shard, from, to, payload));
        self.0 += payload.len();
        true
    }
}

impl World {
    fn new(
        Live {
            count: live, train, ..
        }: Live,
    ) -> World {
        let now = Now {
            instant: Instant::now(),
            unix_s: 1_700_000_000,
        };
        let mint = Mint::new(Secret::random([1; 32]));
        let shards = [shard(0), shard(1), shard(2), shard(3)];
        let config = ServerConfig {
            realm: REALM.to_owned(),
            credentials: CredentialsConfig {
                tickets: Some(mint.clone()),
                rest: None,
                users: Vec::new(),
            },
            policy: PeerPolicy::Closed(PeerList::exact(shards)),
            quotas: QuotaLimits::default(),
            allocation: AllocationLimits {
                // The rate is asked for and never refused.
                bits_per_s: 1 << 40,
                ..AllocationLimits::default()
            },
            replies_per_s: u32::MAX,
            seed: SEED,
            legacy_channel_numbers: false,
        };
        let table = PeerTable::new(shards.into_iter().zip(0..));
        let relayed = (
            Ipv4Addr::new(192, 0, 0, 8),
            Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 1),
        );
        let mut channel_data = fast::channel_header(CHANNEL, PAYLOAD.len() as u16).to_vec();
        channel_data.extend(PAYLOAD);
        let mut world = World {
            relay: Relay {
                now,
                server: Server::new(now, config).unwrap(),
                ports: VirtualPorts::new(relayed.0, relayed.1, table, SEED),
                shards: Handed::default(),
            },
            clients: Sent::default(),
            members: Vec::new(),
            train,
            strangers: (0..STRANGERS)
                .map(|number| tuple([10, 2], number))
                .collect(),
            allocate: message(Class::Request, Method::Allocate, |request| {
                request
                    .requested_transport(RequestedTransport::Udp)
                    .finish(None)
                    .unwrap();
            }),
            channel_data,
            send: message(Class::Indication, Method::Send, |indication| {
                indication
                    .peer(PeerAddr(shard(0)))
                    .data(&PAYLOAD)
                    .finish(None)
                    .unwrap();
            }),
            expected: Expected::default(),
        };
        for number in 0..live {
            world.join(&mint, number);
        }
        world.members.shuffle(&mut StdRng::from_seed(SEED));
        world.expected.successes = 2 * live as u64;
        world
    }

    /// Makes an allocation with a channel.
    fn join(&mut self, mint: &Mint, number: usize) {
        let (now, session) = (self.relay.now, SessionKey(number as u64));
        let tuple = tuple([10, 1], number);
        let nonce = Nonces::new(&SEED, REALM).issue(&tuple, now.unix_s);
        let [ticket, renewed] =
            [1, 2].map(|random| mint.mint(session, now.unix_s + 600, [random; 8]));
        let request = |ticket: &Credential, algorithm, method, fill: Fill| {
            sealed(ticket, algorithm, nonce.as_bytes(), method, fill)
        };
        let allocate = request(&ticket, Algorithm::Md5, Method::Allocate, |request| {
            request.requested_transport(RequestedTransport::Udp)
        });
        let bind = request(&ticket, Algorithm::Md5, Method::ChannelBind, |request| {
            request.channel(CHANNEL).peer(PeerAddr(shard(0)))
        });
        let refresh = |ticket, algorithm| {
            request(ticket, algorithm, Method::Refresh, |request| {
                request.lifetime(600)
            })
        };
        let (refresh, refresh_sha256, refresh_renewed) = (
            refresh(&ticket, Algorithm::Md5),
            refresh(&ticket, Algorithm::Sha256),
            refresh(&renewed, Algorithm::Md5),
        );
        self.relay.server.admit(now, session);
        let mut answer = Answer::default();
        self.relay.take(&mut answer, &tuple, &allocate);
        self.relay.take(&mut answer, &tuple, &bind);
        self.members.push(Member {
            tuple,
            relayed: answer.0.unwrap(),
            refresh,
            refresh_sha256,
            refresh_renewed,
        });
    }

    /// Returns the nanoseconds of one.
    fn sample(&mut self, work: &Work) -> f64 {
        // One for all, as for a batch.
        self.relay.now.instant += Duration::from_millis(1);
        let began = Instant::now();
        for number in 0..work.times {
            (work.run)(self, number);
        }
        began.elapsed().as_nanos() as f64 / work.times as f64
    }

    /// The place of the member whose turn it is.
    #[inline]
    fn place(&self, number: usize) -> usize {
        number / self.train % self.members.len()
    }

    #[inline]
    fn member(&self, number: usize) -> &Member {
        &self.members[self.place(number)]
    }

    #[inline]
    fn channel_data(&mut self, number: usize) {
        self.expected.up += 1;
        let tuple = self.member(number).tuple;
        self.relay
            .take(&mut self.clients, &tuple, &self.channel_data);
    }

    #[inline]
    fn peer_data(&mut self, number: usize) {
        self.expected.down += 1;
        let relayed = self.member(number).relayed;
        self.relay
            .take_relayed(&mut self.clients, relayed, &PAYLOAD);
    }

    #[inline]
    fn send_indication(&mut self, number: usize) {
        self.expected.up += 1;
        let tuple = self.member(number).tuple;
        self.relay.take(&mut self.clients, &tuple, &self.send);
    }

    #[inline]
    fn challenge(&mut self, number: usize) {
        self.expected.challenges += 1;
        self.relay.now.instant += BETWEEN_STRANGERS;
        self.relay.take(
            &mut self.clients,
            &self.strangers[number % STRANGERS],
            &self.allocate,
        );
    }

    #[inline]
    fn refresh(&mut self, number: usize, which: impl Fn(&Member) -> &[u8]) {
        self.expected.successes += 1;
        let member = &self.members[self.place(number)];
        self.relay
            .take(&mut self.clients, &member.tuple, which(member));
    }

    /// Fails where something else was measured than what is said.
    fn check(&self) {
        let counters = self.relay.server.counters();
        // Some strangers share a bucket, and have to wait for each other.
        let suppressed = counters.suppressed;
        assert!(suppressed * 20 <= self.expected.challenges);
        let done = Expected {
            up: counters.up.packets,
            down: counters.down.packets,
            challenges: counters.errors(ErrorCode::Unauthenticated) + suppressed,
            successes: counters.successes,
        };
        assert_eq!(done, self.expected);
    }
}

/// Takes the relayed address out of an answer.
#[derive(Default)]
struct Answer(Option<RelayedAddr>);

impl ClientSink for Answer {
    fn send(&mut self, _to: &FiveTuple, header: &[u8], _payload: &[u8], _is_media: bool) {
        let relayed = Reply::parse(header).unwrap().relayed;
        self.0 = self.0.or(relayed);
    }

    fn close(&mut self, _to: &FiveTuple) {}

    fn splice(&mut self, _client: &FiveTuple, _connection: u32) {}
}

type Fill = for<'o> fn(Builder<'o>) -> Builder<'o>;

fn sealed(
    ticket: &Credential,
    algorithm: Algorithm,
    nonce: &[u8],
    method: Method,
    fill: Fill,
) -> Vec<u8> {
    let key = Key::long_term(algorithm, &ticket.username, REALM, &ticket.password);
    message(Class::Request, method, |request| {
        let request = fill(request)
            .username(&ticket.username)
            .realm(REALM)
            .nonce(nonce);
        let (request, mac) = match algorithm {
            Algorithm::Md5 => (request, Mac::Sha1),
            Algorithm::Sha256 => {
                let request = request.password_algorithms(&PASSWORD_ALGORITHMS);
                (request.password_algorithm(algorithm), Mac::Sha256)
            }
        };
        request.finish(Some((mac, &key))).unwrap();
    })
}

fn message(class: Class, method: Method, fill: impl FnOnce(Builder<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(Builder::new(class, method, [9; 12], &mut bytes));
    bytes
}

fn shard(number: u16) -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 1), 10_000 + number).into()
}

/// The client of a number, in a network.
fn tuple([a, b]: [u8; 2], number: usize) -> FiveTuple {
    let [.., high, low] = (number as u32).to_be_bytes();
    FiveTuple {
        transport: ClientTransport::Udp,
        client: ClientAddr((Ipv4Addr::new(a, b, high, low), 50_000).into()),
        server: (Ipv4Addr::new(192, 0, 2, 1), 443).into(),
    }
}
