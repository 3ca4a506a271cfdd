//! A test stands in for the shard.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use conclave_sfu_node::RelayPort;
use conclave_sfu_udp::wait;
use conclave_sfu_wire::relayed::is_relayed;
use conclave_turn_core::auth::SessionKey;
use conclave_turn_node::ShardPort;
use conclave_turn_wire::Family;

use crate::client::{Client, PATIENCE};
use crate::{ADA, Stage, wait_until};

const CHANNEL: u16 = 0x4001;

/// What came to the shard: source, destination, payload.
type Arrival = (SocketAddr, SocketAddr, Vec<u8>);

struct StandIn {
    port: RelayPort,
    address: SocketAddr,
}

impl StandIn {
    fn new(address: &str) -> (StandIn, ShardPort) {
        let address = address.parse().expect("an address and a port");
        let (port, ends) = RelayPort::pair().expect("there are descriptors");
        let shard = ShardPort {
            index: 0,
            addresses: vec![address],
            to_shard: ends.to_shard,
            from_shard: ends.from_shard,
        };
        (StandIn { port, address }, shard)
    }

    /// Waits for the next datagrams of the relay, `count` in all.
    fn receive(&self, count: usize) -> Vec<Arrival> {
        let mut arrived: Vec<Arrival> = Vec::new();
        while arrived.len() < count {
            let ready = wait([Some(self.port.from_relay.as_fd())], Some(PATIENCE));
            assert_eq!(
                ready.expect("ppoll works"),
                [true],
                "{} came",
                arrived.len()
            );
            arrived.append(&mut self.take());
        }
        arrived
    }

    fn take(&self) -> Vec<Arrival> {
        self.port.from_relay.drain();
        let mut arrived = Vec::new();
        while let Some(mut parcel) = self.port.from_relay.take() {
            arrived.extend(
                parcel
                    .datagrams()
                    .map(|(source, destination, payload)| (source, destination, payload.to_vec())),
            );
            self.port.from_relay.give_back(parcel);
        }
        arrived
    }

    fn send(&mut self, relayed: SocketAddr, payload: &[u8]) {
        self.port.to_relay.push(self.address, relayed, payload);
    }
}

#[test]
fn datagrams_pass_both_ways_until_the_session_ends() {
    for listener in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"] {
        let (mut shard, port) = StandIn::new("192.0.2.1:10000");
        let stage = Stage::new(listener, vec![port]);
        let handle = stage.relay.handle();
        handle.admit(ADA);
        let mut client = Client::new(stage.address(), stage.credential(ADA));
        let relayed = client.allocate(Family::V4).expect("an allocation").0;
        assert!(is_relayed(relayed.ip()), "{listener}");
        client.permit(shard.address.ip()).expect("a permission");
        client.indicate(shard.address, b"before the channel");
        assert_eq!(
            shard.receive(1),
            [(relayed, shard.address, b"before the channel".to_vec())]
        );
        shard.send(relayed, b"and back");
        shard.port.to_relay.flush();
        assert_eq!(client.receive(), (None, b"and back".to_vec()));
        client.bind(CHANNEL, shard.address).expect("a channel");
        for number in 0..100 {
            client.send(CHANNEL, &[number; 1_000]);
        }
        let arrived = shard.receive(100);
        for (number, arrival) in arrived.into_iter().enumerate() {
            assert_eq!(arrival, (relayed, shard.address, vec![number as u8; 1_000]));
        }
        for number in 0..100 {
            shard.send(relayed, &[number; 1_000]);
        }
        shard.port.to_relay.flush();
        for number in 0..100 {
            assert_eq!(client.receive(), (Some(CHANNEL), vec![number; 1_000]));
        }
        client.refresh().expect("the session lives");
        assert_eq!(handle.stats().server.allocations, 1);

        handle.revoke(ADA);
        wait_until("the allocation is gone", || {
            handle.stats().server.allocations == 0
        });
        client.send(CHANNEL, b"too late");
        shard.send(relayed, b"too late");
        shard.port.to_relay.flush();
        assert_eq!(client.refresh(), Err(401), "nobody has this credential");
        assert_eq!(shard.take(), []);
        assert!(!client.has_something());
        let again = Client::new(stage.address(), stage.credential(ADA)).allocate(Family::V4);
        assert_eq!(again, Err(401));
    }
}

#[test]
fn nothing_but_the_media_port_of_a_shard_is_reached() {
    let (shard, port) = StandIn::new("192.0.2.1:10000");
    let stage = Stage::new("127.0.0.1:0", vec![port]);
    stage.relay.handle().admit(ADA);
    let mut client = Client::new(stage.address(), stage.credential(ADA));
    client.allocate(Family::V4).expect("an allocation");
    for elsewhere in ["127.0.0.1:10000", "192.0.2.2:10000"] {
        let elsewhere: SocketAddr = elsewhere.parse().expect("an address and a port");
        assert_eq!(client.permit(elsewhere.ip()), Err(403));
        assert_eq!(client.bind(CHANNEL, elsewhere), Err(403));
    }
    client.permit(shard.address.ip()).expect("a permission");
    let another_port = SocketAddr::new(shard.address.ip(), 53);
    assert_eq!(client.bind(CHANNEL, another_port), Err(403));
    client.indicate(another_port, b"a question");
    client.bind(CHANNEL, shard.address).expect("a channel");
    client.send(CHANNEL, b"media");
    let payloads: Vec<_> = shard.receive(1).into_iter().map(|one| one.2).collect();
    assert_eq!(payloads, [b"media".to_vec()]);
}

#[test]
fn who_was_never_admitted_allocates_nothing() {
    let (_shard, port) = StandIn::new("192.0.2.1:10000");
    let stage = Stage::new("127.0.0.1:0", vec![port]);
    stage.relay.handle().admit(ADA);
    let mut stranger = Client::new(stage.address(), stage.credential(SessionKey(2)));
    assert_eq!(stranger.allocate(Family::V4), Err(401));
    let forged = conclave_turn_core::auth::Credential {
        password: "guessed".to_owned(),
        ..stage.credential(ADA)
    };
    let mut forger = Client::new(stage.address(), forged);
    assert_eq!(forger.allocate(Family::V4), Err(401));
}

#[test]
fn a_relayed_address_is_of_the_family_that_was_asked_for() {
    let (mut shard, mut port) = StandIn::new("[2001:db8::1]:10000");
    port.addresses
        .push(SocketAddr::from(([192, 0, 2, 1], 10_000)));
    let stage = Stage::new("127.0.0.1:0", vec![port]);
    stage.relay.handle().admit(ADA);
    let mut client = Client::new(stage.address(), stage.credential(ADA));
    let relayed = client.allocate(Family::V6).expect("an allocation").0;
    assert!(relayed.is_ipv6() && is_relayed(relayed.ip()));
    client.bind(CHANNEL, shard.address).expect("a channel");
    client.send(CHANNEL, b"over IPv4, to IPv6");
    let arrived = shard.receive(1);
    assert_eq!((arrived[0].0, arrived[0].1), (relayed, shard.address));
    shard.send(relayed, b"and back");
    shard.port.to_relay.flush();
    assert_eq!(client.receive(), (Some(CHANNEL), b"and back".to_vec()));
}

#[test]
fn a_relay_that_ends_leaves_its_port() {
    let (_shard, port) = StandIn::new("192.0.2.1:10000");
    let stage = Stage::new("127.0.0.1:0", vec![port]);
    let address = stage.relay.addresses()[0];
    assert_eq!(stage.relay.ports(), [address.port()]);
    let handle = stage.relay.handle();
    stage.relay.shutdown();
    let (_shard, port) = StandIn::new("192.0.2.1:10000");
    drop(Stage::new(&address.to_string(), vec![port]));
    // Nobody is left to tell, and nobody waits.
    handle.admit(ADA);
    handle.revoke(ADA);
}
