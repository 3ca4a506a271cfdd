use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use conclave_sfu_wire::control::{
    Event, MemberKey, MidName, OfferError, PublishError, RoomKey, RoomPolicy, Source,
};
use conclave_sfu_wire::relayed::RELAYED_V4;

use super::*;

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn junk_is_not_answered_and_commands_are() {
    let (node, events) = start(&[MediaAddr::direct(Ipv4Addr::LOCALHOST.into())], 1);
    let handle = node.handle();
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let media: SocketAddr = (Ipv4Addr::LOCALHOST, node.ports()[0]).into();
    for junk in [
        &b"junk"[..],
        &[0x80; 200],
        &[22, 0xfe, 0xfd, 0, 0],
        &binding_request(b"nobody:peer"),
        &[],
    ] {
        peer.send_to(junk, media).unwrap();
    }
    // An empty datagram is one too. What was sent before is handled before, so
    // that an answer, were there one, would have left by the time of the counts.
    while handle.stats(0).unwrap().io.datagrams_in < 5 {
        std::thread::yield_now();
    }
    handle.send(0, open(1)).unwrap();
    handle
        .send(
            0,
            Command::Admit {
                room: RoomKey(1),
                member: MemberKey(7),
            },
        )
        .unwrap();
    handle
        .send(
            0,
            Command::Publish {
                member: MemberKey(7),
                attempt: 3,
                mid: MidName::new("0").unwrap(),
                source: Source::Camera,
                muted: false,
            },
        )
        .unwrap();
    let Event::PublishRefused {
        member: MemberKey(7),
        attempt: 3,
        error: PublishError::UnknownMid,
        ..
    } = events.recv_timeout(PATIENCE).unwrap().1
    else {
        panic!("a publication without a negotiation is refused")
    };
    handle
        .send(
            0,
            Command::Offer {
                member: MemberKey(8),
                generation: 1,
                sdp: "v=0\r\n".into(),
                relay_only: false,
            },
        )
        .unwrap();
    let Event::OfferRefused {
        member: MemberKey(8),
        generation: 1,
        error: OfferError::UnknownMember,
    } = events.recv_timeout(PATIENCE).unwrap().1
    else {
        panic!("an offer of a stranger is refused")
    };
    let stats = handle.stats(0).unwrap();
    assert_eq!(stats.shard.unroutable, 5);
    let stats = stats.io;
    assert_eq!(
        (stats.datagrams_in, stats.dropped_in, stats.datagrams_out),
        (5, 0, 0)
    );
    peer.set_nonblocking(true).unwrap();
    assert!(peer.recv(&mut [0; 64]).is_err(), "nothing was answered");
    node.shutdown();
    assert_eq!(handle.send(0, open(1)), Err(SendError::Gone(0)));
}

#[test]
fn each_shard_has_its_port_and_its_queue() {
    let addresses = [MediaAddr::direct(Ipv4Addr::LOCALHOST.into())];
    let (node, events) = start(&addresses, 3);
    let handle = node.handle();
    assert_eq!((node.ports().len(), handle.shards()), (3, 3));
    assert!(node.ports().iter().all(|port| *port != 0));
    let offer = |member| Command::Offer {
        member: MemberKey(member),
        generation: 1,
        sdp: String::new(),
        relay_only: false,
    };
    for shard in 0..3 {
        handle.send(shard, offer(u64::from(shard))).unwrap();
    }
    let mut answered: Vec<u8> = (0..3)
        .map(|_| events.recv_timeout(PATIENCE).unwrap().0)
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, [0, 1, 2]);
    assert_eq!(handle.send(3, open(1)), Err(SendError::Gone(3)));
    assert_eq!(handle.stats(3), None);
}

#[test]
fn shards_of_a_room_pass_a_barrier_together() {
    let addresses = [MediaAddr::direct(Ipv4Addr::LOCALHOST.into())];
    let (node, events) = start(&addresses, 3);
    let handle = node.handle();
    let room = RoomKey(1);
    for shard in [2, 0] {
        handle.send(shard, open(1)).unwrap();
        let shards = vec![2, 0];
        handle.send(shard, Command::Span { room, shards }).unwrap();
    }
    // Each waits for what the other says to it, over and over: nobody sleeps
    // through a message.
    for number in 0..1_000 {
        for shard in [0, 2] {
            handle
                .send(shard, Command::Barrier { room, number })
                .unwrap();
        }
        let mut passed = [0, 0].map(|_| {
            let (shard, event) = events.recv_timeout(PATIENCE).unwrap();
            let Event::Passed { number: of, .. } = event else {
                panic!("nothing else is asked for")
            };
            (shard, of)
        });
        passed.sort_unstable();
        assert_eq!(passed, [(0, number), (2, number)]);
    }
}

#[test]
fn a_shard_goes_on_without_one_that_has_ended() {
    let (sender, events) = channel();
    let config = config(&[MediaAddr::direct(Ipv4Addr::LOCALHOST.into())], 2);
    let node = MediaNode::start(config, |shard| {
        let sender = sender.clone();
        Box::new(move |event| match event {
            Event::OfferRefused { .. } => panic!("on purpose, as a fault of the shard would"),
            event => sender.send((shard, event)).unwrap(),
        })
    })
    .unwrap();
    let handle = node.handle();
    let room = RoomKey(1);
    for shard in [0, 1] {
        handle.send(shard, open(1)).unwrap();
        let shards = vec![0, 1];
        handle.send(shard, Command::Span { room, shards }).unwrap();
    }
    let offer = Command::Offer {
        member: MemberKey(8),
        generation: 1,
        sdp: String::new(),
        relay_only: false,
    };
    handle.send(1, offer).unwrap();
    let failed = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(failed, (1, Event::RoomFailed { .. })));
    assert!(handle.is_running(0) && !handle.is_running(1));
    // It serves its rooms as before; this one ends at the word of the control plane.
    let number = 1;
    handle.send(0, Command::Barrier { room, number }).unwrap();
    handle.send(0, Command::CloseRoom { room }).unwrap();
    handle
        .send(0, Command::Barrier { room, number: 2 })
        .unwrap();
    loop {
        let (shard, event) = events.recv_timeout(PATIENCE).unwrap();
        assert_eq!(shard, 0);
        if matches!(event, Event::Passed { number: 2, .. }) {
            return;
        }
    }
}

#[test]
fn both_families_answer_on_one_port() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let addresses = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ]
    .map(MediaAddr::direct);
    let (node, _events) = start(&addresses, 1);
    let port = node.ports()[0];
    for address in addresses {
        let peer = UdpSocket::bind((address.bound, 0)).unwrap();
        peer.send_to(b"junk", (address.bound, port)).unwrap();
    }
    while node.handle().stats(0).unwrap().io.datagrams_in < 2 {
        std::thread::yield_now();
    }
}

#[test]
fn what_comes_to_another_address_of_the_host_is_dropped() {
    let (node, _events) = start(&[MediaAddr::direct(Ipv4Addr::LOCALHOST.into())], 1);
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.send_to(b"junk", (Ipv4Addr::new(127, 0, 0, 2), node.ports()[0]))
        .unwrap();
    while node.handle().stats(0).unwrap().io.dropped_in < 1 {
        std::thread::yield_now();
    }
    assert_eq!(node.handle().stats(0).unwrap().io.datagrams_in, 0);
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let mut config = config(&[MediaAddr::direct(Ipv4Addr::LOCALHOST.into())], 1);
    config.base_port = taken.local_addr().unwrap().port();
    let error = MediaNode::start(config, |_| Box::new(|_| ()))
        .err()
        .unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let nowhere = MediaNode::start(self::config(&[], 1), |_| Box::new(|_| ()))
        .err()
        .unwrap();
    assert_eq!(nowhere.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_panic_on_a_shard_ends_it_and_reports_its_rooms() {
    let (sender, events) = channel();
    let config = config(&[MediaAddr::direct(Ipv4Addr::LOCALHOST.into())], 1);
    let node = MediaNode::start(config, |_| {
        let sender = sender.clone();
        Box::new(move |event| match event {
            Event::OfferRefused { .. } => panic!("on purpose, as a fault of the shard would"),
            event => sender.send(event).unwrap(),
        })
    })
    .unwrap();
    let handle = node.handle();
    for room in [1, 2, 3] {
        handle.send(0, open(room)).unwrap();
    }
    handle
        .send(0, Command::CloseRoom { room: RoomKey(2) })
        .unwrap();
    handle
        .send(
            0,
            Command::Offer {
                member: MemberKey(8),
                generation: 1,
                sdp: String::new(),
                relay_only: false,
            },
        )
        .unwrap();
    for expected in [1, 3] {
        let Event::RoomFailed { room } = events.recv_timeout(PATIENCE).unwrap() else {
            panic!("a room fails")
        };
        assert_eq!(room, RoomKey(expected));
        assert!(!handle.is_running(0), "by the time that it is heard");
    }
    drop(node);
    assert_eq!(handle.send(0, open(4)), Err(SendError::Gone(0)));
}

#[test]
fn what_the_relay_hands_over_reaches_its_shard() {
    let addresses = [MediaAddr::direct(Ipv4Addr::LOCALHOST.into())];
    let pairs = [RelayPort::pair().unwrap(), RelayPort::pair().unwrap()];
    let (ports, mut ends): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let config = NodeConfig {
        relay: ports,
        ..config(&addresses, 2)
    };
    let node = MediaNode::start(config, |_| Box::new(drop)).unwrap();
    let handle = node.handle();
    let destination = node.advertised(1)[0];
    assert_eq!(destination, (Ipv4Addr::LOCALHOST, node.ports()[1]).into());
    assert_eq!(node.advertised(2), []);
    let relayed = SocketAddr::from((RELAYED_V4, 2_000));
    let junk = binding_request(b"nobody:peer");
    for _ in 0..3_000 {
        ends[1].to_shard.push(relayed, destination, &junk);
    }
    ends[1].to_shard.flush();
    while handle.stats(1).unwrap().io.relayed_in < 3_000 {
        std::thread::yield_now();
    }
    let stats = handle.stats(1).unwrap();
    assert_eq!((stats.shard.unroutable, stats.io.datagrams_in), (3_000, 0));
    assert_eq!(handle.stats(0).unwrap().io.relayed_in, 0);
}

#[test]
fn a_relay_that_does_not_reach_every_shard_is_refused() {
    let addresses = [MediaAddr::direct(Ipv4Addr::LOCALHOST.into())];
    let config = NodeConfig {
        relay: vec![RelayPort::pair().unwrap().0],
        ..config(&addresses, 2)
    };
    assert!(MediaNode::start(config, |_| Box::new(drop)).is_err());
}

#[test]
fn secrets_are_drawn_anew_and_never_shown() {
    let [one, two] = [Secrets::draw().unwrap(), Secrets::draw().unwrap()];
    assert_ne!(one.seed, two.seed);
    assert_ne!(one.ufrag_key.0, two.ufrag_key.0);
    assert_eq!(format!("{one:?}"), "Secrets");
}

fn config(addresses: &[MediaAddr], shards: u8) -> NodeConfig {
    NodeConfig {
        addresses: addresses.to_vec(),
        base_port: 0,
        shards: NonZeroU8::new(shards).unwrap(),
        secrets: Secrets {
            ufrag_key: UfragKey([1; 16]),
            seed: [2; 32],
        },
        relay: Vec::new(),
    }
}

fn start(addresses: &[MediaAddr], shards: u8) -> (MediaNode, Receiver<(u8, Event)>) {
    let (sender, events) = channel();
    let node = MediaNode::start(config(addresses, shards), |shard| {
        let sender = sender.clone();
        // The test may have dropped its end.
        Box::new(move |event| drop(sender.send((shard, event))))
    });
    (node.unwrap(), events)
}

fn open(room: u64) -> Command {
    Command::OpenRoom {
        room: RoomKey(room),
        policy: RoomPolicy::default(),
    }
}

/// A binding request without integrity.
fn binding_request(username: &[u8]) -> Vec<u8> {
    let mut value = username.to_vec();
    value.resize(username.len().next_multiple_of(4), 0);
    let mut datagram = vec![0, 1, 0, value.len() as u8 + 4, 0x21, 0x12, 0xa4, 0x42];
    datagram.extend_from_slice(&[3; 12]);
    datagram.extend_from_slice(&[0, 6, 0, username.len() as u8]);
    datagram.extend_from_slice(&value);
    datagram
}
