use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use conclave_sfu_udp::{IpFields, PeerBatch, RelayedSocket, Way, wait};
use conclave_turn_core::auth::CredentialsConfig;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::{DropReason, ServerConfig};
use conclave_turn_wire::fast::{channel_data, channel_header};
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};
use conclave_turn_wire::{Family, PeerAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::*;
use crate::{BackendConfig, RealConfig, Relay, RelayConfig};

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

const REALM: &str = "conclave.test";
const CHANNEL: u16 = 0x4000;

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Expedited forwarding, ECT(1).
const EF: u8 = 46 << 2 | 0b01;

/// What is sent, and what of it is to arrive: all but what has come its last hop.
const SENT: [(u8, u8); 5] = [(EF, 17), (0, 64), (EF, 1), (0xff, 255), (0b10, 2)];
const TO_ARRIVE: [(u8, u8); 4] = [(EF, 16), (0, 63), (0xff, 254), (0b10, 1)];

#[test]
fn what_a_peer_sends_keeps_dscp_and_ecn_and_loses_a_hop_on_its_way_to_a_client_of_udp() {
    for here in LOOPBACK {
        // A host may have been booted without the family.
        if RelayedSocket::bind((here, 0).into()).is_err() {
            continue;
        }
        let (relay, client, peer) = scene(here);
        let mut session = Session::default();
        let relayed = session.allocate(&peer, |request| client.exchange(request));
        for is_bound in [false, true] {
            if is_bound {
                session.bind(&peer, |request| client.exchange(request));
            }
            for (traffic_class, hops) in SENT {
                peer.send(relayed, traffic_class, hops, b"down");
            }
            let arrived = client.take(TO_ARRIVE.len());
            assert_eq!(fields(&arrived), TO_ARRIVE);
            for (_, bytes) in &arrived {
                assert_eq!(payload(bytes, is_bound), b"down");
            }
        }
        wait_until(|| relay.handle().stats().udp.hop_limit_out == 2);
    }
}

#[test]
fn what_a_client_of_udp_sends_keeps_dscp_and_ecn_and_loses_a_hop_on_its_way_to_a_peer() {
    for here in LOOPBACK {
        if RelayedSocket::bind((here, 0).into()).is_err() {
            continue;
        }
        let (relay, client, peer) = scene(here);
        let mut session = Session::default();
        session.allocate(&peer, |request| client.exchange(request));
        session.bind(&peer, |request| client.exchange(request));
        let mut bound = channel_header(CHANNEL, 2).to_vec();
        bound.extend(b"up");
        let indication = |dont_fragment| {
            let mut bytes = Vec::new();
            let message = Builder::new(Class::Indication, Method::Send, [0; 12], &mut bytes)
                .peer(PeerAddr(peer.local()))
                .data(b"up");
            let message = match dont_fragment {
                true => message.dont_fragment(),
                false => message,
            };
            message.finish(None).unwrap();
            bytes
        };
        // What waits for others to leave with, and what leaves alone.
        for bytes in [bound, indication(false), indication(true)] {
            for (traffic_class, hops) in SENT {
                client.send(client.server, traffic_class, hops, &bytes);
            }
            let arrived = peer.take(TO_ARRIVE.len());
            assert_eq!(fields(&arrived), TO_ARRIVE);
            assert!(arrived.iter().all(|(_, bytes)| bytes == b"up"));
        }
        wait_until(|| relay.handle().stats().server.drops(DropReason::HopLimit) == 3);
    }
}

#[test]
fn a_client_of_tcp_gets_what_has_come_its_last_hop_and_sends_with_what_the_host_gives() {
    let (relay, _, peer) = scene(LOOPBACK[0]);
    let runtime = Runtime::new().unwrap();
    let (mut stream, other_end) = duplex(4_096);
    let (_stop, stopped) = watch::channel(false);
    let handle = relay.handle();
    runtime.spawn(async move {
        let client = SocketAddr::from(([192, 0, 2, 7], 5_000));
        let local = SocketAddr::from(([192, 0, 2, 8], 3_478));
        let tcp = ClientTransport::Tcp;
        handle
            .serve_stream(other_end, None, tcp, client, local, stopped)
            .await;
    });
    let mut exchange = |request: &[u8]| {
        runtime.block_on(async {
            stream.write_all(request).await.unwrap();
            let mut answer = vec![0; 20];
            stream.read_exact(&mut answer).await.unwrap();
            let len = u16::from_be_bytes([answer[2], answer[3]]);
            answer.resize(20 + usize::from(len), 0);
            stream.read_exact(&mut answer[20..]).await.unwrap();
            answer
        })
    };
    let mut session = Session::default();
    let relayed = session.allocate(&peer, &mut exchange);
    session.bind(&peer, &mut exchange);
    peer.send(relayed, EF, 1, b"down");
    runtime.block_on(async {
        let mut arrived = [0; 8];
        stream.read_exact(&mut arrived).await.unwrap();
        assert_eq!(payload(&arrived, true), b"down");
        let up = [&channel_header(CHANNEL, 2)[..], b"up", &[0; 2]].concat();
        stream.write_all(&up).await.unwrap();
    });
    let arrived = peer.take(1);
    assert_eq!(arrived[0].1, b"up");
    assert_own(arrived[0].0);
    assert_eq!(relay.handle().stats().udp.hop_limit_out, 0);
}

#[test]
fn a_peer_that_another_policy_denies_is_not_heard_any_more() {
    let (relay, client, peer) = scene(LOOPBACK[0]);
    let relayed = Session::default().allocate(&peer, |request| client.exchange(request));
    peer.send(relayed, 0, 64, b"down");
    assert_eq!(payload(&client.take(1)[0].1, false), b"down");
    let handle = relay.handle();
    handle.set_policy(PeerPolicy::Closed(PeerList::default()));
    peer.send(relayed, 0, 64, b"down");
    wait_until(|| handle.stats().server.drops(DropReason::Policy) == 1);
}

/// A relay, and who is on both sides of it.
fn scene(here: IpAddr) -> (Relay, End, End) {
    let listeners = vec![SocketAddr::new(here, 0)];
    let peers = vec![here.to_string().parse().unwrap()];
    let relay = Relay::start(RelayConfig {
        listeners,
        server: ServerConfig {
            credentials: CredentialsConfig {
                users: vec!["ada:secret".parse().unwrap()],
                ..CredentialsConfig::default()
            },
            policy: PeerPolicy::Closed(PeerList::new(peers, true).unwrap()),
            realm: REALM.to_owned(),
            quotas: Default::default(),
            allocation: Default::default(),
            replies_per_s: 1_000,
            seed: [3; 32],
            legacy_channel_numbers: false,
        },
        backend: BackendConfig::Real(RealConfig {
            addresses: vec![here.into()],
            ports: 49_152..=65_535,
        }),
    });
    let relay = relay.unwrap();
    let server = relay.addresses()[0];
    let [client, peer] = [(); 2].map(|()| End {
        socket: RelayedSocket::bind((here, 0).into()).unwrap().into(),
        server,
    });
    (relay, client, peer)
}

/// A socket that says and tells the fields of IP headers, beside the relay.
struct End {
    socket: RefCell<RelayedSocket>,
    server: SocketAddr,
}

impl End {
    fn local(&self) -> SocketAddr {
        self.socket.borrow().local()
    }

    fn send(&self, to: SocketAddr, traffic_class: u8, hops: u8, bytes: &[u8]) {
        let ip = IpFields {
            traffic_class,
            hop_limit: Some(hops),
        };
        let way = Way { ip, ..Way::to(to) };
        self.socket.borrow_mut().send(&way, bytes, false).unwrap();
    }

    fn take(&self, count: usize) -> Vec<(IpFields, Vec<u8>)> {
        let socket = self.socket.borrow();
        let (mut batch, mut taken) = (PeerBatch::new(), Vec::new());
        while taken.len() < count {
            let [ready] = wait([Some(socket.as_fd())], Some(PATIENCE)).unwrap();
            assert!(ready, "{} of {count} arrived", taken.len());
            socket.receive(&mut batch).unwrap();
            let arrived = batch.received().map(Option::unwrap);
            taken.extend(arrived.map(|it| (it.ip, it.payload.to_vec())));
        }
        taken
    }

    /// Asks as from far away in a hurry; the answer is the host's own.
    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        self.send(self.server, EF, 9, request);
        let mut taken = self.take(1);
        let (ip, answer) = taken.remove(0);
        assert_own(ip);
        answer
    }
}

/// What a client knows of its allocation.
#[derive(Default)]
struct Session {
    nonce: Vec<u8>,
    asked: u8,
}

impl Session {
    /// Allocates an address of the peer's family, and grants the peer.
    fn allocate(&mut self, peer: &End, mut exchange: impl FnMut(&[u8]) -> Vec<u8>) -> SocketAddr {
        let mut bytes = Vec::new();
        Builder::new(Class::Request, Method::Allocate, [0; 12], &mut bytes)
            .requested_transport(RequestedTransport::Udp)
            .finish(None)
            .unwrap();
        let challenge = exchange(&bytes);
        self.nonce = Reply::parse(&challenge).unwrap().nonce.unwrap().to_vec();
        let family = Family::of(peer.local());
        let allocated = self.ask(Method::Allocate, &mut exchange, |request| {
            request
                .requested_transport(RequestedTransport::Udp)
                .requested_family(family)
        });
        self.ask(Method::CreatePermission, &mut exchange, |request| {
            request.peer(PeerAddr(peer.local()))
        });
        Reply::parse(&allocated).unwrap().relayed.unwrap().0
    }

    fn bind(&mut self, peer: &End, mut exchange: impl FnMut(&[u8]) -> Vec<u8>) {
        self.ask(Method::ChannelBind, &mut exchange, |request| {
            request.channel(CHANNEL).peer(PeerAddr(peer.local()))
        });
    }

    fn ask(
        &mut self,
        method: Method,
        exchange: &mut dyn FnMut(&[u8]) -> Vec<u8>,
        fill: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Vec<u8> {
        let key = Key::long_term(Algorithm::Md5, "ada", REALM, "secret");
        let mut bytes = Vec::new();
        self.asked += 1;
        let transaction = [self.asked; 12];
        fill(Builder::new(
            Class::Request,
            method,
            transaction,
            &mut bytes,
        ))
        .username("ada")
        .realm(REALM)
        .nonce(&self.nonce)
        .finish(Some((Mac::Sha1, &key)))
        .unwrap();
        let answer = exchange(&bytes);
        assert_eq!(Reply::parse(&answer).unwrap().error, None);
        answer
    }
}

fn fields(arrived: &[(IpFields, Vec<u8>)]) -> Vec<(u8, u8)> {
    let fields = arrived.iter().map(|(ip, _)| ip);
    fields
        .map(|ip| (ip.traffic_class, ip.hop_limit.unwrap()))
        .collect()
}

/// What a peer's datagram has within what a client gets.
fn payload(bytes: &[u8], is_bound: bool) -> Vec<u8> {
    if is_bound {
        let (channel, payload) = channel_data(bytes).unwrap();
        assert_eq!(channel, CHANNEL);
        return payload.to_vec();
    }
    Reply::parse(bytes).unwrap().data.unwrap().to_vec()
}

/// The system's hop limit, whichever it is, is none of those that are sent here.
fn assert_own(ip: IpFields) {
    assert_eq!(ip.traffic_class, 0);
    assert!(ip.hop_limit.is_some_and(|hops| hops > 17), "{ip:?}");
}

fn wait_until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}
