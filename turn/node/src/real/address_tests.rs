//! Which address is whose.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use conclave_sfu_udp::{ReadySet, Waker};
use super::*;
use crate::handle::Shared;
use crate::stats::SharedStats;
use crate::streams::{self, StreamInbox};

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
    let real = RealBackend::open(&config, entrance, set.watch()).unwrap();
    (real, set, inbox)
}
