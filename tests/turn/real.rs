//! Real sockets and the server behind them, in this process, for a client of ours: what the
//! programs of others do not ask for.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Duration;

use conclave_turn_core::auth::CredentialsConfig;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::{DropReason, Family, ServerConfig};
use conclave_turn_node::{BackendConfig, ClientSocket, RealConfig, Relay, RelayConfig};
use conclave_turn_wire::integrity::{Algorithm, Key, Mac, verify};
use conclave_turn_wire::message::{
    Builder, Class, Method, PASSWORD_ALGORITHMS, Reply, RequestedTransport,
};
use conclave_turn_wire::{ClientTransport, PeerAddr};
use tokio::runtime::Runtime;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(10);
const REALM: &str = "north.gov";
const ADA: User = ("ada", "ada-ada-ada");
const BOB: User = ("bob", "hunter2-hunter2");

type User = (&'static str, &'static str);

#[test]
fn both_addresses_of_a_dual_allocation_relay() {
    let Ok(v6) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    let peers = [peer(), v6];
    let scene = Scene::new([127, 88, 0, 1], 40_000..=40_009, &peers);
    let mut ada = scene.client(ADA);
    let answer = ada.ask(Method::Allocate, |request| {
        request
            .requested_transport(RequestedTransport::Udp)
            .additional_family(Family::V6)
    });
    let reply = Reply::parse(&answer).unwrap();
    let relayed = [reply.relayed.unwrap().0, reply.relayed_second.unwrap().0];
    for (peer, relayed) in peers.iter().zip(relayed) {
        ada.permit(peer);
        ada.send(peer, b"up");
        assert_eq!(take(peer), (b"up".to_vec(), relayed));
        peer.send_to(b"down", relayed).unwrap();
        assert_eq!(ada.data(), (b"down".to_vec(), peer.local_addr().unwrap()));
    }
}

#[test]
fn an_empty_payload_passes_both_ways() {
    let peers = [peer()];
    let scene = Scene::new([127, 88, 0, 2], 40_000..=40_009, &peers);
    let mut ada = scene.client(ADA);
    let relayed = ada.allocate();
    ada.permit(&peers[0]);
    ada.send(&peers[0], b"");
    assert_eq!(take(&peers[0]), (Vec::new(), relayed));
    peers[0].send_to(b"", relayed).unwrap();
    assert_eq!(ada.data(), (Vec::new(), peers[0].local_addr().unwrap()));
}

#[test]
fn nothing_passes_without_a_permission_and_a_denied_peer_gets_none() {
    let peers = [peer()];
    let scene = Scene::new([127, 88, 0, 3], 40_000..=40_009, &peers);
    let mut ada = scene.client(ADA);
    let relayed = ada.allocate();
    let denied = PeerAddr(SocketAddr::from(([127, 88, 0, 99], 9)));
    let answer = ada.ask(Method::CreatePermission, |request| request.peer(denied));
    assert_eq!(Reply::parse(&answer).unwrap().error, Some(403));
    ada.send(&peers[0], b"too early");
    peers[0].send_to(b"uninvited", relayed).unwrap();
    let drops = |scene: &Scene| {
        let server = scene.relay.handle().stats().server;
        server.drops(DropReason::NoPermission)
    };
    // An answer comes after what was sent before it; the peer's own may take another turn.
    while drops(&scene) < 2 {
        let answer = ada.ask(Method::Refresh, |request| request);
        assert_eq!(Reply::parse(&answer).unwrap().class, Class::Success);
    }
    ada.permit(&peers[0]);
    ada.send(&peers[0], b"in time");
    assert_eq!(take(&peers[0]).0, b"in time");
}

#[test]
fn a_port_where_nobody_listens_is_told_to_the_client() {
    let peers = [peer()];
    let scene = Scene::new([127, 88, 0, 4], 40_000..=40_009, &peers);
    let mut ada = scene.client(ADA);
    ada.allocate();
    ada.permit(&peers[0]);
    let [peer] = peers;
    let gone = PeerAddr(peer.local_addr().unwrap());
    drop(peer);
    ada.send_to(gone, b"anybody?");
    let told = ada.receive();
    let told = Reply::parse(&told).unwrap();
    let icmp = told.icmp.unwrap();
    assert_eq!((told.method, told.peer), (Method::Data, Some(gone)));
    assert_eq!((icmp.kind, icmp.code), (3, 3), "port unreachable");
}

#[test]
fn sha_256_is_answered_with_sha_256() {
    let peers = [peer()];
    let scene = Scene::new([127, 88, 0, 5], 40_000..=40_009, &peers);
    let mut ada = scene.client(ADA);
    ada.mac = Mac::Sha256;
    let relayed = ada.allocate();
    ada.permit(&peers[0]);
    ada.send(&peers[0], b"signed");
    assert_eq!(take(&peers[0]), (b"signed".to_vec(), relayed));
}

#[test]
fn one_port_is_not_given_to_udp_and_tcp_at_once() {
    let peers = [peer()];
    let scene = Scene::new([127, 88, 0, 6], 40_000..=40_000, &peers);
    let mut ada = scene.client(ADA);
    let relayed = ada.allocate();
    let mut bob = scene.tcp_client(BOB);
    let mut bob_allocates = || {
        let answer = bob.ask(Method::Allocate, |request| {
            request.requested_transport(RequestedTransport::Tcp)
        });
        let reply = Reply::parse(&answer).unwrap();
        (reply.error, reply.relayed.map(|relayed| relayed.0))
    };
    assert_eq!(bob_allocates(), (Some(508), None));
    ada.permit(&peers[0]);
    ada.send(&peers[0], b"still there");
    assert_eq!(take(&peers[0]), (b"still there".to_vec(), relayed));
    ada.ask(Method::Refresh, |request| request.lifetime(0));
    assert_eq!(bob_allocates(), (None, Some(relayed)));
}

/// A relay on loopback.
struct Scene {
    relay: Relay,
    runtime: Runtime,
    _stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Scene {
    /// `address` is the test's alone.
    fn new(address: [u8; 4], ports: RangeInclusive<u16>, peers: &[UdpSocket]) -> Scene {
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let peers = peers.iter().map(|peer| peer.local_addr().unwrap());
        let user = |(name, password)| format!("{name}:{password}").parse().unwrap();
        let addresses = [IpAddr::from(address), Ipv6Addr::LOCALHOST.into()];
        let here = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).map_or(1, |_| 2);
        let config = RelayConfig {
            listeners: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            server: ServerConfig {
                realm: REALM.to_owned(),
                credentials: CredentialsConfig {
                    users: vec![user(ADA), user(BOB)],
                    ..CredentialsConfig::default()
                },
                policy: PeerPolicy::Closed(PeerList::exact(peers)),
                quotas: Default::default(),
                allocation: Default::default(),
                replies_per_s: 1_000,
                seed: [3; 32],
                legacy_channel_numbers: false,
            },
            backend: BackendConfig::Real(RealConfig {
                addresses: addresses[..here].iter().map(|one| (*one).into()).collect(),
                ports,
            }),
        };
        let relay = Relay::start(config).unwrap();
        let (stop, stopped) = watch::channel(false);
        drop(entered);
        Scene {
            relay,
            runtime,
            _stop: stop,
            stopped,
        }
    }

    fn client(&self, user: User) -> Client {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(self.relay.addresses()[0]).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::new(user, Way::Udp(socket))
    }

    fn tcp_client(&self, user: User) -> Client {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let local = listener.local_addr().unwrap();
        let near = TcpStream::connect(local).unwrap();
        near.set_read_timeout(Some(PATIENCE)).unwrap();
        let (far, from) = listener.accept().unwrap();
        far.set_nonblocking(true).unwrap();
        let (relay, stopped) = (self.relay.handle(), self.stopped.clone());
        self.runtime.spawn(async move {
            let socket = ClientSocket::new(tokio::net::TcpStream::from_std(far).unwrap());
            let (own, tcp) = (Some(socket.handle()), ClientTransport::Tcp);
            relay
                .serve_stream(socket, own, tcp, from, local, stopped)
                .await;
        });
        Client::new(user, Way::Tcp(near))
    }
}

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

struct Client {
    user: User,
    way: Way,
    mac: Mac,
    nonce: Vec<u8>,
}

impl Client {
    fn new(user: User, way: Way) -> Client {
        let (mac, nonce) = (Mac::Sha1, Vec::new());
        Client {
            user,
            way,
            mac,
            nonce,
        }
    }

    /// Asks signed, for a nonce before if there is none; the answer is signed as well.
    fn ask(
        &mut self,
        method: Method,
        fill: impl for<'o> FnOnce(Builder<'o>) -> Builder<'o>,
    ) -> Vec<u8> {
        if self.nonce.is_empty() {
            let mut bytes = Vec::new();
            Builder::new(Class::Request, Method::Allocate, rand::random(), &mut bytes)
                .requested_transport(RequestedTransport::Udp)
                .finish(None)
                .unwrap();
            let challenge = self.exchange(&bytes);
            let challenge = Reply::parse(&challenge).unwrap();
            assert_eq!(challenge.error, Some(401));
            self.nonce = challenge.nonce.unwrap().to_vec();
        }
        let (name, password) = self.user;
        let mut bytes = Vec::new();
        let transaction = rand::random();
        let request = fill(Builder::new(
            Class::Request,
            method,
            transaction,
            &mut bytes,
        ));
        let mut request = request.username(name).realm(REALM).nonce(&self.nonce);
        let mut algorithm = Algorithm::Md5;
        if self.mac == Mac::Sha256 {
            algorithm = Algorithm::Sha256;
            request = request
                .password_algorithms(&PASSWORD_ALGORITHMS)
                .password_algorithm(algorithm);
        }
        let key = Key::long_term(algorithm, name, REALM, password);
        request.finish(Some((self.mac, &key))).unwrap();
        let answer = self.exchange(&bytes);
        let reply = Reply::parse(&answer).unwrap();
        assert_eq!(reply.transaction, transaction);
        assert!(reply.seal(self.mac).is_some_and(|seal| verify(seal, &key)));
        answer
    }

    fn allocate(&mut self) -> SocketAddr {
        let answer = self.ask(Method::Allocate, |request| {
            request.requested_transport(RequestedTransport::Udp)
        });
        Reply::parse(&answer).unwrap().relayed.unwrap().0
    }

    fn permit(&mut self, peer: &UdpSocket) {
        let peer = PeerAddr(peer.local_addr().unwrap());
        let answer = self.ask(Method::CreatePermission, |request| request.peer(peer));
        assert_eq!(Reply::parse(&answer).unwrap().class, Class::Success);
    }

    fn send(&mut self, peer: &UdpSocket, payload: &[u8]) {
        self.send_to(PeerAddr(peer.local_addr().unwrap()), payload);
    }

    fn send_to(&mut self, peer: PeerAddr, payload: &[u8]) {
        let mut bytes = Vec::new();
        Builder::new(Class::Indication, Method::Send, rand::random(), &mut bytes)
            .peer(peer)
            .data(payload)
            .finish(None)
            .unwrap();
        self.write(&bytes);
    }

    /// Takes a Data indication.
    fn data(&mut self) -> (Vec<u8>, SocketAddr) {
        let bytes = self.receive();
        let reply = Reply::parse(&bytes).unwrap();
        assert_eq!(reply.method, Method::Data);
        (reply.data.unwrap().to_vec(), reply.peer.unwrap().0)
    }

    fn exchange(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.write(bytes);
        self.receive()
    }

    fn write(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Udp(socket) => drop(socket.send(bytes).unwrap()),
            Way::Tcp(stream) => stream.write_all(bytes).unwrap(),
        }
    }

    fn receive(&mut self) -> Vec<u8> {
        match &mut self.way {
            Way::Udp(socket) => {
                let mut bytes = [0; 2_048];
                let len = socket.recv(&mut bytes).unwrap();
                bytes[..len].to_vec()
            }
            Way::Tcp(stream) => {
                let mut bytes = vec![0; 20];
                stream.read_exact(&mut bytes).unwrap();
                let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                bytes.resize(20 + len, 0);
                stream.read_exact(&mut bytes[20..]).unwrap();
                bytes
            }
        }
    }
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

fn take(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 2_048];
    let (len, from) = peer.recv_from(&mut bytes).unwrap();
    (bytes[..len].to_vec(), from)
}
