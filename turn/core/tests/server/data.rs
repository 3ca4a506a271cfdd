//! The data path.

use std::time::Duration;

use conclave_turn_core::DropReason;
use conclave_turn_wire::message::{Class, Method, Reply};

use crate::support::*;

#[test]
fn media_goes_through_a_channel_both_ways_on_udp() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    assert_eq!(relayed.ip(), RELAYED_V4);
    assert_eq!(world.bind(&ada, 0x4000, SHARD_0), None);

    assert_eq!(world.input(&ada.tuple, &channel_data(0x4000, b"up")), []);
    let expected = Relayed {
        from: relayed,
        to: at(SHARD_0),
        payload: b"up".to_vec(),
        dont_fragment: false,
    };
    assert_eq!(world.relayed(), [expected]);

    let down = world.peer_sends(relayed, SHARD_0, b"downs");
    assert_eq!(
        down,
        [Sent {
            to: ada.tuple,
            bytes: channel_data(0x4000, b"downs"),
            is_media: true
        }]
    );
    let counters = world.server.counters();
    assert_eq!((counters.up.packets, counters.up.bytes), (1, 2));
    assert_eq!((counters.down.packets, counters.down.bytes), (1, 5));
}

#[test]
fn frames_to_streams_are_padded_with_zeroes() {
    let mut world = World::new();
    let ada = world.stream_client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.bind(&ada, 0x4000, SHARD_0);
    let down = world.peer_sends(relayed, SHARD_0, b"downs");
    assert_eq!(
        down[0].bytes,
        [&channel_data(0x4000, b"downs")[..], &[0, 0, 0]].concat()
    );
    let down = world.peer_sends(relayed, SHARD_0, b"four");
    assert_eq!(down[0].bytes, channel_data(0x4000, b"four"));
}

#[test]
fn without_a_channel_data_goes_in_indications() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    assert_eq!(world.permit(&ada, SHARD_0), None);

    assert_eq!(
        world.input(&ada.tuple, &ada.send_indication(SHARD_1, b"hello")),
        []
    );
    assert_eq!(world.relayed().len(), 1);
    let down = world.peer_sends(relayed, SHARD_1, b"hello");
    let reply = Reply::parse(&down[0].bytes).unwrap();
    assert_eq!(
        (reply.class, reply.method),
        (Class::Indication, Method::Data)
    );
    assert_eq!(
        (reply.peer, reply.data),
        (Some(peer(SHARD_1)), Some(&b"hello"[..]))
    );
    // Four bytes of head, five of data, three of padding: all of them zero (CVE-2020-4067).
    assert!(down[0].bytes.ends_with(b"hello\0\0\0"));
}

#[test]
fn nothing_is_relayed_without_allocation_permission_or_channel() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.input(&ada.tuple, &ada.send_indication(SHARD_0, b"x"));
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(world.server.counters().drops(DropReason::NoAllocation), 2);
    let relayed = world.allocate(&ada);
    world.input(&ada.tuple, &ada.send_indication(SHARD_0, b"x"));
    assert_eq!(world.peer_sends(relayed, SHARD_0, b"x"), []);
    assert_eq!(world.server.counters().drops(DropReason::NoPermission), 2);
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(world.server.counters().drops(DropReason::NoChannel), 1);
    assert_eq!(world.relayed(), []);
}

#[test]
fn a_permission_opens_the_media_ports_of_an_address_and_no_other_port() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.permit(&ada, SHARD_0);
    world.input(&ada.tuple, &ada.send_indication(OTHER_PORT, b"x"));
    assert_eq!(world.peer_sends(relayed, OTHER_PORT, b"x"), []);
    assert_eq!(world.server.counters().drops(DropReason::Policy), 2);
    assert_eq!(world.relayed(), []);
}

#[test]
fn a_permission_lasts_five_minutes_and_data_does_not_refresh_it() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.permit(&ada, SHARD_0);
    for _ in 0..299 {
        world.pass(Duration::from_secs(1));
        world.input(&ada.tuple, &ada.send_indication(SHARD_0, b"x"));
        assert_eq!(world.peer_sends(relayed, SHARD_0, b"x").len(), 1);
    }
    assert_eq!(world.relayed().len(), 299);
    world.pass(Duration::from_secs(1));
    world.input(&ada.tuple, &ada.send_indication(SHARD_0, b"x"));
    assert_eq!(world.peer_sends(relayed, SHARD_0, b"x"), []);
    assert_eq!(world.relayed(), []);
}

#[test]
fn a_channel_lasts_ten_minutes_if_its_permission_is_refreshed() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    world.bind(&ada, 0x4000, SHARD_0);
    world.pass(Duration::from_secs(299));
    world.permit(&ada, SHARD_0);
    world.refresh(&ada, 600).unwrap();
    world.pass(Duration::from_secs(299));
    world.permit(&ada, SHARD_0);
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(world.relayed().len(), 1);
    world.pass(Duration::from_secs(2));
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(world.relayed(), []);
    assert_eq!(world.server.counters().drops(DropReason::NoChannel), 1);
}

#[test]
fn binding_again_refreshes_channel_and_permission() {
    let mut world = World::new();
    let mut ada = world.client(ADA, 5000);
    world.allocate(&ada);
    for _ in 0..20 {
        ada.renew_nonce(&mut world);
        assert_eq!(world.bind(&ada, 0x4000, SHARD_0), None);
        world.refresh(&ada, 600).unwrap();
        world.pass(Duration::from_secs(290));
        world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    }
    assert_eq!(world.relayed().len(), 20);
}

#[test]
fn a_channel_without_its_permission_carries_nothing() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.bind(&ada, 0x4000, SHARD_0);
    world.pass(Duration::from_secs(300));
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(world.relayed(), []);
    assert_eq!(world.peer_sends(relayed, SHARD_0, b"x"), []);
    assert_eq!(world.server.counters().drops(DropReason::NoPermission), 2);
}

#[test]
fn bytes_beyond_the_rate_are_dropped_each_way() {
    let mut world = World::with(ServerRate::of(800_000));
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.bind(&ada, 0x4000, SHARD_0);
    let send = |world: &mut World| {
        for _ in 0..200 {
            world.input(&ada.tuple, &channel_data(0x4000, &[0; 1000]));
        }
        world.relayed().len()
    };
    // One second's worth at once, then what the time brings.
    assert_eq!(send(&mut world), 100);
    world.pass(Duration::from_millis(500));
    assert_eq!(send(&mut world), 50);
    assert_eq!(world.server.counters().drops(DropReason::Rate), 250);
    let down = (0..200)
        .map(|_| world.peer_sends(relayed, SHARD_0, &[0; 1000]).len())
        .sum::<usize>();
    assert_eq!(down, 100);
}

/// A quota of bytes alone leaves the number of empty datagrams open.
#[test]
fn an_empty_datagram_is_not_for_nothing() {
    let mut world = World::with(ServerRate::of(800_000));
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.bind(&ada, 0x4000, SHARD_0);
    for _ in 0..3000 {
        world.input(&ada.tuple, &channel_data(0x4000, &[]));
    }
    assert_eq!(world.relayed().len(), 1000);
    let down = (0..3000)
        .map(|_| world.peer_sends(relayed, SHARD_0, &[]).len())
        .sum::<usize>();
    assert_eq!(down, 1000);
}

#[test]
fn all_together_stay_below_the_ceiling_each_way() {
    let mut config = config();
    config.quotas.total_bits_per_s = Some(800_000);
    let mut world = World::with(config);
    let clients = [world.client(ADA, 5000), world.client(BOB, 5001)];
    let (mut up, mut down) = (0, 0);
    for client in &clients {
        let relayed = world.allocate(client);
        world.bind(client, 0x4000, SHARD_0);
        for _ in 0..80 {
            world.input(&client.tuple, &channel_data(0x4000, &[0; 1000]));
            up += world.relayed().len();
            down += world.peer_sends(relayed, SHARD_0, &[0; 1000]).len();
        }
    }
    assert_eq!((up, down), (100, 100));
    assert_eq!(world.server.counters().drops(DropReason::Rate), 120);
}

#[test]
fn an_oversized_datagram_is_lost_and_told_if_dont_fragment_is_asked() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    world.permit(&ada, SHARD_0);
    assert_eq!(
        world.input(&ada.tuple, &ada.send_indication(SHARD_0, &[0; 1473])),
        []
    );
    let strict = indication(|message| message.peer(peer(SHARD_0)).dont_fragment().data(&[0; 1473]));
    let told = world.input(&ada.tuple, &strict);
    let reply = Reply::parse(&told[0].bytes).unwrap();
    let icmp = reply.icmp.unwrap();
    assert_eq!((reply.peer, reply.data), (Some(peer(SHARD_0)), None));
    assert_eq!((icmp.kind, icmp.code, icmp.data), (3, 4, 1500));
    assert_eq!(world.relayed(), []);
    assert_eq!(world.server.counters().drops(DropReason::Oversize), 2);
}

#[test]
fn dont_fragment_reaches_the_backend() {
    let mut world = World::with_sockets();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    world.permit(&ada, SHARD_0);
    let strict = indication(|message| message.peer(peer(SHARD_0)).dont_fragment().data(b"x"));
    world.input(&ada.tuple, &strict);
    assert!(world.relayed()[0].dont_fragment);
    // A backend that does not know it drops what insists on it.
    world.sockets().traits.dont_fragment = false;
    world.input(&ada.tuple, &strict);
    assert_eq!(world.relayed(), []);
}

#[test]
fn what_icmp_says_reaches_the_client_that_has_a_permission() {
    let mut world = World::with_sockets();
    let ada = world.client(ADA, 5000);
    let relayed = conclave_turn_wire::RelayedAddr(world.allocate(&ada));
    let owner = world.server.owner_of(relayed).unwrap();
    let tell = |world: &mut World| {
        world.with_io(|server, now, io| {
            server.handle_icmp(now, owner, relayed, peer(SHARD_0), 3, 3, 0, io)
        });
        world.take_sent()
    };
    assert_eq!(tell(&mut world), []);
    world.permit(&ada, SHARD_0);
    let told = tell(&mut world);
    let icmp = Reply::parse(&told[0].bytes).unwrap().icmp.unwrap();
    assert_eq!((icmp.kind, icmp.code, icmp.data), (3, 3, 0));
}

#[test]
fn a_late_packet_for_a_former_owner_reaches_nobody_else() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = conclave_turn_wire::RelayedAddr(world.allocate(&ada));
    let owner = world.server.owner_of(relayed).unwrap();
    world.permit(&ada, SHARD_0);
    world.refresh(&ada, 0).unwrap();
    let bob = world.client(BOB, 5001);
    let other = world.allocate(&bob);
    world.permit(&bob, SHARD_0);
    assert_ne!(relayed.0, other);
    // Bob's allocation has Ada's place in the table.
    assert_eq!(
        world
            .server
            .owner_of(conclave_turn_wire::RelayedAddr(other)),
        Some(owner)
    );
    world.with_io(|server, now, io| {
        server.handle_relayed(now, owner, relayed, peer(SHARD_0), b"x", io)
    });
    assert_eq!(world.take_sent(), []);
}

struct ServerRate;

impl ServerRate {
    fn of(bits_per_s: u64) -> conclave_turn_core::ServerConfig {
        let mut config = config();
        config.allocation.bits_per_s = bits_per_s;
        config
    }
}
