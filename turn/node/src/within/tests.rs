use std::net::UdpSocket;
use std::thread;

use conclave_sfu_udp::ReadySet;
use conclave_turn_core::auth::{Credential, Mint, Secret, SessionKey};

use super::*;
use crate::handle::Relay;
use crate::turns::tests::{allocate, config};

const ADA: SessionKey = SessionKey(1);

#[test]
fn a_panic_ends_allocations_and_the_loop_goes_on() {
    let mint = Mint::new(Secret::random([1; 32]));
    let (relay, mut within) = relay(&mint);
    let client = client(&relay);
    relay.handle().admit(ADA);
    let credential = mint.mint(ADA, now().unix_s + 600, [2; 8]);
    let before = join(&mut within, &client, &credential);
    within.work(|_| panic!("as a fault of ours would"));
    turn(&mut within);
    assert_eq!(relay.handle().stats().server.allocations, 0);
    let after = join(&mut within, &client, &credential);
    assert_ne!(
        before, after,
        "late packets for the one do not reach the other"
    );
    assert_eq!(relay.handle().stats().server.allocations, 1);
    drop(within);
}

#[test]
fn who_loses_its_sockets_asks_to_be_dropped() {
    let (relay, mut within) = relay(&Mint::new(Secret::random([1; 32])));
    within.work(|_| Err(io::ErrorKind::NotConnected.into()));
    assert!(within.has_more());
    assert!(!within.serve(&[], &mut Parcel::default()));
    drop(within);
    relay.shutdown();
}

#[test]
fn who_ends_it_waits_until_the_loop_has_let_it_go() {
    let (relay, mut within) = relay(&Mint::new(Secret::random([1; 32])));
    let shared = relay.handle();
    let ending = thread::spawn(move || relay.shutdown());
    while turn(&mut within) {
        assert!(!ending.is_finished());
    }
    drop(within);
    ending.join().unwrap();
    // Nobody is told any more.
    shared.admit(ADA);
}

#[test]
fn a_flood_is_served_in_bounded_turns() {
    let (relay, mut within) = relay(&Mint::new(Secret::random([1; 32])));
    let client = client(&relay);
    let sent = 500;
    for _ in 0..sent {
        client.send(b"junk").unwrap();
    }
    let mut before = 0;
    while before < sent {
        assert!(turn(&mut within));
        let stats = relay.handle().stats().udp;
        // Loopback joins nothing that was sent apart, and one batch has 16 messages.
        assert!((1..=16).contains(&(stats.datagrams_in - before)));
        before = stats.datagrams_in;
    }
    drop(within);
}

/// A relay whose loop is the test.
fn relay(mint: &Mint) -> (Relay, Within) {
    let listeners = ["127.0.0.1:0".parse().unwrap()];
    let addresses = vec!["192.0.2.1:10000".parse().unwrap()];
    Relay::open_within(&listeners, config(mint), addresses).unwrap()
}

fn client(relay: &Relay) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(relay.addresses()[0]).unwrap();
    client
}

/// Waits as the loop of a shard does, and does what there is to do; returns whether it goes on.
fn turn(within: &mut Within) -> bool {
    let mut set = ReadySet::of(within.watch()).unwrap();
    set.wait(within.due(), within.has_more()).unwrap();
    let ready: Vec<u64> = set.ready().collect();
    let mut arrived = Parcel::default();
    let goes_on = within.serve(&ready, &mut arrived);
    within.flush();
    assert!(arrived.is_empty());
    goes_on
}

fn join(within: &mut Within, client: &UdpSocket, credential: &Credential) -> SocketAddr {
    client.set_nonblocking(true).unwrap();
    allocate(credential, |request| {
        client.send(request).unwrap();
        let mut answer = [0; 1_500];
        loop {
            turn(within);
            match client.recv(&mut answer) {
                Ok(len) => return answer[..len].to_vec(),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    })
}
