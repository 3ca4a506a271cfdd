//! TCP allocations (RFC 6062).

use std::time::Duration;

use conclave_turn_core::ConnectFailed;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::integrity::{Mac, verify};
use conclave_turn_wire::message::{Class, Method, Reply, RequestedTransport};
use conclave_turn_wire::{Family, FiveTuple, RelayedAddr};

use crate::support::*;

#[test]
fn a_client_connects_to_a_peer_and_brings_a_stream() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let connection = connected(&mut world, &ada, SHARD_0);
    let stream = world.stream_client(ADA, 5001);
    let answer = world.ask(&stream, Method::ConnectionBind, |request| {
        request.connection_id(connection)
    });
    assert_eq!(
        (answer.error(), answer.reply().connection_id),
        (None, Some(connection))
    );
    assert_eq!(world.clients.spliced, [(stream.tuple, connection)]);
    world.pass(Duration::from_secs(60));
    assert_eq!(
        (world.sockets().closed_tcp.len(), world.clients.closed.len()),
        (0, 0)
    );
    assert_eq!(world.server.counters().connections_bound, 1);
}

#[test]
fn a_peer_with_permission_connects_and_the_client_hears_of_it() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let owner = owner(&world);
    let from = "198.51.100.1:55555";
    let accept = |world: &mut World| {
        world.with_io(|server, now, io| server.handle_peer_accepted(now, owner, peer(from), io))
    };
    assert_eq!(accept(&mut world), None);
    assert_eq!(world.permit(&ada, SHARD_0), None);
    let connection = accept(&mut world).unwrap();
    let sent = world.take_sent();
    let attempt = Reply::parse(&sent[0].bytes).unwrap();
    assert_eq!(
        (attempt.class, attempt.method),
        (Class::Indication, Method::ConnectionAttempt)
    );
    assert_eq!(
        (attempt.connection_id, attempt.peer),
        (Some(connection), Some(peer(from)))
    );
    let stream = world.stream_client(ADA, 5001);
    let answer = world.ask(&stream, Method::ConnectionBind, |request| {
        request.connection_id(connection)
    });
    assert_eq!(answer.error(), None);
}

#[test]
fn a_connection_that_no_stream_takes_ends_after_30_s() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let connection = connected(&mut world, &ada, SHARD_0);
    world.pass(Duration::from_secs(31));
    assert_eq!(world.sockets().closed_tcp, [connection]);
    assert_eq!(
        bind(&mut world, 5001, connection),
        Some(ErrorCode::BadRequest)
    );
    // The peer can be connected to again.
    connected(&mut world, &ada, SHARD_0);
}

#[test]
fn a_connection_is_bound_once_and_by_its_owner_only() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let connection = connected(&mut world, &ada, SHARD_0);
    let thief = world.stream_client(BOB, 5001);
    let stolen = world.ask(&thief, Method::ConnectionBind, |request| {
        request.connection_id(connection)
    });
    assert_eq!(stolen.error(), Some(ErrorCode::BadRequest));
    // Nor over the control connection, nor by a datagram.
    let own = world.ask(&ada, Method::ConnectionBind, |request| {
        request.connection_id(connection)
    });
    assert_eq!(own.error(), Some(ErrorCode::BadRequest));
    let datagram = world.client(ADA, 5002);
    let by_udp = world.ask(&datagram, Method::ConnectionBind, |request| {
        request.connection_id(connection)
    });
    assert_eq!(by_udp.error(), Some(ErrorCode::BadRequest));
    assert_eq!(bind(&mut world, 5003, connection), None);
    assert_eq!(
        bind(&mut world, 5004, connection),
        Some(ErrorCode::BadRequest)
    );
    assert_eq!(world.clients.spliced.len(), 1);
}

/// pion 2025: Connect was served without a check of who asks.
#[test]
fn a_connect_without_credentials_is_refused() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let request = bare(Method::Connect, [1; 12], |request| {
        request.peer(peer(SHARD_0))
    });
    let sent = world.input(&ada.tuple, &request);
    assert_eq!(Reply::parse(&sent[0].bytes).unwrap().error, Some(401));
    assert!(world.sockets().connects.is_empty());
}

#[test]
fn either_end_of_a_bound_connection_takes_the_other_with_it() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let first = connected(&mut world, &ada, SHARD_0);
    let second = connected(&mut world, &ada, SHARD_1);
    assert_eq!(
        (
            bind(&mut world, 5001, first),
            bind(&mut world, 5002, second)
        ),
        (None, None)
    );
    let streams: Vec<FiveTuple> = world
        .clients
        .spliced
        .iter()
        .map(|(stream, _)| *stream)
        .collect();

    world.with_io(|server, now, io| server.handle_peer_closed(now, first, io));
    assert_eq!(world.clients.closed, [streams[0]]);
    world.with_io(|server, now, io| server.handle_client_closed(now, &streams[1], io));
    assert_eq!(world.sockets().closed_tcp, [second]);
    // Whoever reports late finds nothing.
    world.with_io(|server, now, io| server.handle_client_closed(now, &streams[0], io));
    world.with_io(|server, now, io| server.handle_peer_closed(now, second, io));
    assert_eq!(
        (world.sockets().closed_tcp.len(), world.clients.closed.len()),
        (1, 1)
    );
}

#[test]
fn an_allocation_takes_its_connections_with_it() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let bound = connected(&mut world, &ada, SHARD_0);
    bind(&mut world, 5001, bound);
    let waiting = connected(&mut world, &ada, SHARD_1);
    world.revoke(ADA);
    assert_eq!(world.sockets().closed_tcp, [bound, waiting]);
    assert!(
        world
            .clients
            .closed
            .iter()
            .any(|tuple| *tuple == world.clients.spliced[0].0)
    );
    assert_eq!((world.open_count(), world.server.poll_timeout()), (0, None));
}

#[test]
fn a_family_takes_its_connections_with_it() {
    let mut world = World::with_sockets();
    let ada = dual_control(&mut world);
    let bound = connected(&mut world, &ada, SHARD_0);
    bind(&mut world, 5001, bound);
    let waiting = connected(&mut world, &ada, SHARD_1);
    let request = ada.request(Method::Connect, [9; 12], |request| {
        request.peer(peer(SHARD_2))
    });
    world.input(&ada.tuple, &request);
    let connecting = world.sockets().connects[2].2;
    let of_v6 = connected(&mut world, &ada, SHARD_0_V6);
    assert_eq!(bind(&mut world, 5002, of_v6), None);

    let request = ada.request(Method::Refresh, [8; 12], |request| {
        request.lifetime(0).requested_family(Family::V4)
    });
    let sent = world.input(&ada.tuple, &request);
    // The Connect that waits, and the Refresh.
    let answers: Vec<_> = sent
        .iter()
        .map(|sent| Reply::parse(&sent.bytes).unwrap())
        .map(|reply| (reply.transaction, reply.error))
        .collect();
    assert_eq!(answers, [([9; 12], Some(447)), ([8; 12], None)]);
    let closed = std::mem::take(&mut world.sockets().closed_tcp);
    assert_eq!(closed, [bound, waiting, connecting]);
    assert_eq!(world.clients.closed, [world.clients.spliced[0].0]);

    // What is of the other family goes on until that ends.
    world.refresh(&ada, 0).unwrap();
    assert_eq!(world.sockets().closed_tcp, [of_v6]);
    assert_eq!((world.open_count(), world.server.poll_timeout()), (0, None));
}

#[test]
fn a_family_that_expires_alone_takes_its_connections_with_it() {
    let mut world = World::with_sockets();
    let ada = dual_control(&mut world);
    let of_v4 = connected(&mut world, &ada, SHARD_0);
    let of_v6 = connected(&mut world, &ada, SHARD_0_V6);
    assert_eq!(bind(&mut world, 5001, of_v4), None);
    assert_eq!(bind(&mut world, 5002, of_v6), None);
    world.pass(Duration::from_secs(300));
    let kept = world.ask(&ada, Method::Refresh, |request| {
        request.lifetime(600).requested_family(Family::V6)
    });
    // The nonce is good for half an hour, the relayed addresses for ten minutes.
    assert_eq!(kept.error(), None);
    world.pass(Duration::from_secs(301));
    assert_eq!(world.sockets().closed_tcp, [of_v4]);
    assert_eq!(world.clients.closed, [world.clients.spliced[0].0]);
}

#[test]
fn a_connection_that_comes_about_too_late_is_closed() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let request = ada.request(Method::Connect, [1; 12], |request| {
        request.peer(peer(SHARD_0))
    });
    world.input(&ada.tuple, &request);
    let connection = world.sockets().connects[0].2;
    world.refresh(&ada, 0).unwrap();
    world.sockets().closed_tcp.clear();
    world.with_io(|server, now, io| server.handle_peer_connected(now, connection, Ok(()), io));
    assert_eq!(world.sockets().closed_tcp, [connection]);
    world.with_io(|server, now, io| {
        server.handle_peer_connected(now, connection, Err(ConnectFailed), io)
    });
    assert_eq!(world.take_sent(), []);
}

#[test]
fn another_policy_ends_connections_that_it_denies_and_no_others() {
    let mut world = World::with_sockets();
    let ada = control(&mut world);
    let owner = owner(&world);
    let from = "198.51.100.1:55555";
    world.permit(&ada, SHARD_0);
    let accepted = world
        .with_io(|server, now, io| server.handle_peer_accepted(now, owner, peer(from), io))
        .unwrap();
    world.take_sent();
    let bound = connected(&mut world, &ada, SHARD_0);
    assert_eq!(bind(&mut world, 5001, bound), None);
    let kept = connected(&mut world, &ada, SHARD_1);
    let transaction = world.transaction();
    let request = ada.request(Method::Connect, transaction, |request| {
        request.peer(peer(SHARD_2))
    });
    assert_eq!(world.input(&ada.tuple, &request), []);
    let connecting = world.sockets().connects.last().unwrap().2;

    let policy = PeerPolicy::Closed(PeerList::exact([at(SHARD_1)]));
    world.with_io(|server, _, io| server.set_policy(policy, io));
    assert_eq!(world.sockets().closed_tcp, [bound, connecting]);
    assert_eq!(world.clients.closed, [world.clients.spliced[0].0]);
    let sent = world.take_sent();
    let refused = Reply::parse(&sent[0].bytes).unwrap();
    assert_eq!(
        (refused.transaction, refused.error),
        (transaction, Some(447))
    );
    // A peer that connects does so from any port.
    assert_eq!(bind(&mut world, 5002, accepted), None);
    assert_eq!(bind(&mut world, 5003, kept), None);
    assert_eq!(world.server.audit(), Ok(()));
}

fn control(world: &mut World) -> Client {
    let ada = world.stream_client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, |request| {
        request.requested_transport(RequestedTransport::Tcp)
    });
    assert_eq!(answer.error(), None);
    ada
}

/// Allocates an address of each family.
fn dual_control(world: &mut World) -> Client {
    let ada = world.stream_client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, |request| {
        request
            .requested_transport(RequestedTransport::Tcp)
            .additional_family(Family::V6)
    });
    assert_eq!((answer.error(), world.open_count()), (None, 2));
    ada
}

fn owner(world: &World) -> u32 {
    let Make::Sockets(sockets) = &world.make else {
        panic!("not this make")
    };
    let (relayed, owner) = sockets.open.first_key_value().unwrap();
    assert_eq!(world.server.owner_of(RelayedAddr(*relayed)), *owner);
    owner.unwrap()
}

fn connected(world: &mut World, client: &Client, to: &str) -> u32 {
    let transaction = world.transaction();
    let request = client.request(Method::Connect, transaction, |request| {
        request.peer(peer(to))
    });
    assert_eq!(world.input(&client.tuple, &request), []);
    let connection = world.sockets().connects.last().unwrap().2;
    world.with_io(|server, now, io| server.handle_peer_connected(now, connection, Ok(()), io));
    let sent = world.take_sent();
    let reply = Reply::parse(&sent[0].bytes).unwrap();
    assert_eq!(
        (reply.class, reply.transaction),
        (Class::Success, transaction)
    );
    assert_eq!(reply.connection_id, Some(connection));
    assert!(verify(reply.seal(Mac::Sha1).unwrap(), &client.key));
    connection
}

fn bind(world: &mut World, port: u16, connection: u32) -> Option<ErrorCode> {
    let stream = world.stream_client(ADA, port);
    world
        .ask(&stream, Method::ConnectionBind, |request| {
            request.connection_id(connection)
        })
        .error()
}
