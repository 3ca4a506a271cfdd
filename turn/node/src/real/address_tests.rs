//! Which address is whose.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use conclave_sfu_udp::{ReadySet, Waker};
use conclave_turn_core::ClientSink;
use conclave_turn_core::auth::{Credential, Mint, Secret, SessionKey};
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::*;
use crate::handle::Shared;
use crate::listeners::Listeners;
use crate::stats::SharedStats;
use crate::streams::{self, StreamClients, StreamInbox};
use crate::turns::now;
use crate::turns::tests::{REALM, config};

const PATIENCE: Duration = Duration::from_secs(10);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn one_address_is_given_to_one_allocation_whatever_it_relays() {
    let mut real = backend([127, 77, 0, 1], 40_000..=40_000).0;
    let ada = real.open(0, Family::V4, PortWish::Any).unwrap();
    let refused = real.listen_tcp(1, Family::V4, PortWish::Any);
    assert_eq!(refused, Err(OpenError::NoPort));
    real.close(ada);
    let bob = real.listen_tcp(1, Family::V4, PortWish::Any).unwrap();
    assert_eq!(bob, ada);
    let refused = real.open(0, Family::V4, PortWish::Any);
    assert_eq!(refused, Err(OpenError::NoPort));
    real.close(bob);
    assert_eq!(real.open(0, Family::V4, PortWish::Any), Ok(ada));
}

#[tokio::test]
async fn a_port_that_is_kept_for_later_is_nobody_elses() {
    let mut real = backend([127, 77, 0, 2], 40_000..=40_001).0;
    let pair = PortWish::EvenAndReserveNext;
    let even = real.open(0, Family::V4, pair).unwrap();
    let refused = real.listen_tcp(1, Family::V4, PortWish::Any);
    assert_eq!(refused, Err(OpenError::NoPort));
    real.close(even);
    let listener = real.listen_tcp(1, Family::V4, PortWish::Any).unwrap();
    assert_eq!(listener, even);
    real.close(listener);
    let odd = RelayedAddr(SocketAddr::new(even.0.ip(), 40_001));
    assert_eq!(real.open(2, Family::V4, PortWish::Reserved(odd)), Ok(odd));
}

#[tokio::test]
async fn an_empty_datagram_leaves_as_others_do() {
    let mut real = backend([127, 77, 0, 3], 40_000..=40_000).0;
    let relayed = real.open(0, Family::V4, PortWish::Any).unwrap();
    let peer = UdpSocket::bind((PEER, 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = PeerAddr(peer.local_addr().unwrap());
    let sent: [&[u8]; 5] = [b"", b"a", b"", b"", b"b"];
    for payload in sent {
        real.send(relayed, to, payload, false).unwrap();
    }
    real.flush();
    assert_eq!(real.dropped(), 0);
    for payload in sent {
        let mut bytes = [0; 8];
        let (len, from) = peer.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..len], from), (payload, relayed.0));
    }
}

#[tokio::test]
async fn who_connected_to_an_address_is_not_given_to_another_allocation() {
    let mint = Mint::new(Secret::random([1; 32]));
    let mut config = config(&mint);
    config.policy = PeerPolicy::Closed(PeerList::exact([SocketAddr::new(PEER, 9)]));
    let mut server = Server::new(now(), config).unwrap();
    let (mut real, _set, _inbox) = backend([127, 77, 0, 4], 40_000..=40_009);
    let mut clients = Clients {
        udp: Listeners::bind(&[]).unwrap(),
        streams: StreamClients::default(),
    };
    let mut relayed = Vec::new();
    for number in [1, 2] {
        let session = SessionKey(number);
        server.admit(now(), session);
        let credential = mint.mint(session, now().unix_s + 600, [2; 8]);
        let client = FiveTuple {
            transport: ClientTransport::Tcp,
            client: ClientAddr(SocketAddr::from(([192, 0, 2, 1], number as u16))),
            server: SocketAddr::from(([192, 0, 2, 2], 443)),
        };
        relayed.push(allocate(&mut server, &mut real, &client, &credential));
    }
    let listener = TcpListener::bind((PEER, 0)).await.unwrap();
    let owner = server.owner_of(relayed[0]).unwrap();
    for (at, is_kept) in [(relayed[1], false), (relayed[0], true)] {
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (mut far, peer) = listener.accept().await.unwrap();
        let accepted = FromPeer::Accepted {
            owner,
            relayed: at,
            peer: PeerAddr(peer),
            stream: near.unwrap(),
            place: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        };
        real.take_tcp(now(), accepted, &mut server, &mut clients);
        let end = timeout(Duration::from_millis(100), far.read_u8()).await;
        assert_eq!(end.is_err(), is_kept, "it is closed, or waits");
    }
}

/// Makes a TCP allocation with a permission for [`PEER`].
fn allocate(
    server: &mut Server,
    real: &mut RealBackend,
    client: &FiveTuple,
    credential: &Credential,
) -> RelayedAddr {
    let Credential { username, password } = credential;
    let key = Key::long_term(Algorithm::Md5, username, REALM, password);
    let mut ask = |nonce: Option<&[u8]>, method| {
        let mut bytes = Vec::new();
        let request = Builder::new(Class::Request, method, rand::random(), &mut bytes);
        let request = match method {
            Method::Allocate => request.requested_transport(RequestedTransport::Tcp),
            _ => request.peer(PeerAddr(SocketAddr::new(PEER, 9))),
        };
        let written = match nonce {
            None => request.finish(None),
            Some(nonce) => request
                .username(username)
                .realm(REALM)
                .nonce(nonce)
                .finish(Some((Mac::Sha1, &key))),
        };
        written.unwrap();
        let mut last = Last::default();
        let mut io = Io {
            clients: &mut last,
            backend: real,
        };
        server.handle_client(now(), client, &bytes, &mut io);
        last.0
    };
    let challenge = ask(None, Method::Allocate);
    let nonce = Reply::parse(&challenge).unwrap().nonce.unwrap();
    let allocated = ask(Some(nonce), Method::Allocate);
    let permitted = ask(Some(nonce), Method::CreatePermission);
    assert_eq!(Reply::parse(&permitted).unwrap().class, Class::Success);
    Reply::parse(&allocated).unwrap().relayed.unwrap()
}

/// The last answer.
#[derive(Default)]
struct Last(Vec<u8>);

impl ClientSink for Last {
    fn send(&mut self, _: &FiveTuple, header: &[u8], payload: &[u8], _: bool) {
        self.0 = [header, payload].concat();
    }

    fn close(&mut self, _: &FiveTuple) {}

    fn splice(&mut self, _: &FiveTuple, _: u32) {}
}

/// What gives out `ports` of one address, which is the test's alone.
fn backend(address: [u8; 4], ports: RangeInclusive<u16>) -> (RealBackend, ReadySet, StreamInbox) {
    let shared = Arc::new(Shared {
        waker: Waker::new().unwrap(),
        stop: AtomicBool::new(false),
        stats: SharedStats::new(),
    });
    let (entrance, _, inbox) = streams::queues(&shared);
    let set = ReadySet::new().unwrap();
    let config = RealConfig {
        addresses: vec![IpAddr::from(address).into()],
        ports,
    };
    let real = RealBackend::open(&config, 8_000_000, entrance, set.watch()).unwrap();
    (real, set, inbox)
}
