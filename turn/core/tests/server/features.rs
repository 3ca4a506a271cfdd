//! Allocations and what they live through.

use std::time::Duration;

use conclave_turn_core::auth::{Credential, CredentialsConfig, RestSecrets};
use conclave_turn_core::{AllocationLimits, DropReason, Server, ServerConfig, TableSizes};
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::message::{Builder, Class, EvenPort, Method, Reply};
use conclave_turn_wire::{ClientAddr, ClientTransport, Family, FiveTuple};

use crate::support::*;

#[test]
fn that_an_allocation_has_ended_is_told_however_it_ends() {
    let mut world = World::new();
    let ada = world.stream_client(ADA, 5000);
    world.allocate(&ada);
    world.refresh(&ada, 600).unwrap();
    assert_eq!(world.clients.ended, []);
    world.refresh(&ada, 0).unwrap();
    assert_eq!(world.clients.ended, [ada.tuple]);
    world.allocate(&ada);
    world.pass(Duration::from_secs(601));
    assert_eq!(world.clients.ended, [ada.tuple; 2]);
}

#[test]
fn an_allocation_says_all_it_must() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, udp);
    let reply = answer.reply();
    assert_eq!((reply.class, reply.lifetime_s), (Class::Success, Some(600)));
    assert_eq!(reply.mapped, Some(ada.tuple.client));
    assert_eq!(
        (
            reply.relayed_second,
            reply.reservation_token,
            reply.address_error
        ),
        (None, None, None)
    );
    assert_eq!(world.server.counters().made_udp, 1);
}

#[test]
fn a_retransmitted_allocate_is_answered_the_same() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let first = world.ask_as(&ada, Method::Allocate, [1; 12], |request| {
        udp(request).even_port(EvenPort::EvenAndReserveNext)
    });
    let again = ada.request(Method::Allocate, [1; 12], |request| {
        udp(request).even_port(EvenPort::EvenAndReserveNext)
    });
    world.pass(Duration::from_secs(1));
    assert_eq!(world.input(&ada.tuple, &again)[0].bytes, first.bytes);
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (1, 2)
    );
}

#[test]
fn a_response_has_a_fingerprint_if_the_request_has_one() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let with = world.ask(&ada, Method::Allocate, |request| {
        udp(request).with_fingerprint()
    });
    assert!(with.reply().has_fingerprint);
    let without = world.ask(&ada, Method::Refresh, |request| request);
    assert!(!without.reply().has_fingerprint);
}

#[test]
fn lifetimes_are_between_the_default_and_what_the_backend_allows() {
    for (wanted, virtual_s, sockets_s) in [
        (1, 600, 600),
        (600, 600, 600),
        (1800, 600, 1800),
        (u32::MAX, 600, 3600),
    ] {
        let mut worlds = [
            (World::new(), virtual_s),
            (World::with_sockets(), sockets_s),
        ];
        for (world, expected) in &mut worlds {
            let ada = world.client(ADA, 5000);
            let answer = world.ask(&ada, Method::Allocate, |request| {
                udp(request).lifetime(wanted)
            });
            assert_eq!(answer.reply().lifetime_s, Some(*expected));
            assert_eq!(world.refresh(&ada, wanted), Ok(*expected));
        }
    }
}

#[test]
fn an_allocation_ends_when_its_lifetime_does_unless_refreshed() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.pass(Duration::from_secs(599));
    assert_eq!(world.refresh(&ada, 600), Ok(600));
    world.pass(Duration::from_secs(599));
    world.permit(&ada, SHARD_0);
    assert_eq!(world.peer_sends(relayed, SHARD_0, b"x").len(), 1);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.peer_sends(relayed, SHARD_0, b"x"), []);
    world.input(&ada.tuple, &ada.send_indication(SHARD_0, b"x"));
    assert_eq!(world.relayed(), []);
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
    assert_eq!(world.server.counters().ended_expired, 1);
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_refresh_to_nothing_ends_the_allocation() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    assert_eq!(world.refresh(&ada, 0), Ok(0));
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
    assert_eq!(world.refresh(&ada, 0), Err(ErrorCode::AllocationMismatch));
    assert_eq!(world.server.poll_timeout(), None);
    let again = world.allocate(&ada);
    assert_eq!(again.ip(), RELAYED_V4);
}

#[test]
fn a_dual_allocation_has_two_addresses_that_live_and_end_apart() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, |request| {
        udp(request).additional_family(Family::V6)
    });
    let reply = answer.reply();
    let (v4, v6) = (reply.relayed.unwrap().0, reply.relayed_second.unwrap().0);
    assert_eq!((v4.ip(), v6.ip()), (RELAYED_V4.into(), RELAYED_V6.into()));
    assert_eq!(world.bind(&ada, 0x4000, SHARD_0), None);
    assert_eq!(world.bind(&ada, 0x4001, SHARD_0_V6), None);
    world.input(&ada.tuple, &channel_data(0x4001, b"six"));
    assert_eq!(world.relayed()[0].from, v6);

    // The IPv6 address is let go, with its channels; IPv4 lives on.
    let gone = world.ask(&ada, Method::Refresh, |request| {
        request.lifetime(0).requested_family(Family::V6)
    });
    assert_eq!(gone.reply().lifetime_s, Some(0));
    assert_eq!(world.open_count(), 1);
    world.input(&ada.tuple, &channel_data(0x4001, b"six"));
    assert_eq!(world.peer_sends(v6, SHARD_0_V6, b"x"), []);
    world.input(&ada.tuple, &channel_data(0x4000, b"four"));
    assert_eq!(world.relayed().len(), 1);
    assert_eq!(
        world.bind(&ada, 0x4002, SHARD_0_V6),
        Some(ErrorCode::PeerFamilyMismatch)
    );
}

#[test]
fn a_family_that_is_not_refreshed_expires_alone() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.ask(&ada, Method::Allocate, |request| {
        udp(request).additional_family(Family::V6)
    });
    world.pass(Duration::from_secs(400));
    world.ask(&ada, Method::Refresh, |request| {
        request.requested_family(Family::V4)
    });
    world.pass(Duration::from_secs(201));
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (1, 1)
    );
    assert_eq!(world.permit(&ada, SHARD_0), None);
    assert_eq!(
        world.permit(&ada, SHARD_0_V6),
        Some(ErrorCode::PeerFamilyMismatch)
    );
    world.pass(Duration::from_secs(400));
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
}

#[test]
fn an_ipv6_allocation_is_made_on_demand() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, |request| {
        udp(request).requested_family(Family::V6)
    });
    assert_eq!(
        answer.reply().relayed.unwrap().0.ip(),
        std::net::IpAddr::from(RELAYED_V6)
    );
    assert_eq!(world.permit(&ada, SHARD_0_V6), None);
    assert_eq!(
        world.permit(&ada, SHARD_0),
        Some(ErrorCode::PeerFamilyMismatch)
    );
}

#[test]
fn a_reserved_port_is_taken_by_the_token() {
    let mut world = World::new();
    let (rtp, rtcp) = (world.client(ADA, 5000), world.client(ADA, 5001));
    let answer = world.ask(&rtp, Method::Allocate, |request| {
        udp(request).even_port(EvenPort::EvenAndReserveNext)
    });
    let (even, token) = (
        answer.reply().relayed.unwrap().0,
        answer.reply().reservation_token.unwrap(),
    );
    assert_eq!(even.port() % 2, 0);
    world.pass(Duration::from_secs(29));
    let answer = world.ask(&rtcp, Method::Allocate, |request| {
        udp(request).reservation_token(token)
    });
    let odd = answer.reply().relayed.unwrap().0;
    assert_eq!((odd.ip(), odd.port()), (even.ip(), even.port() + 1));
    world.pass(Duration::from_secs(60));
    assert_eq!(world.open_count(), 2);
}

#[test]
fn a_reservation_that_nobody_takes_is_given_back() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.ask(&ada, Method::Allocate, |request| {
        udp(request).even_port(EvenPort::EvenAndReserveNext)
    });
    assert_eq!(world.open_count(), 2);
    world.refresh(&ada, 0).unwrap();
    world.pass(Duration::from_secs(31));
    assert_eq!(world.open_count(), 0);
}

/// Upstream 2026-07: an even port without reservation took its odd neighbour as well, for ever.
#[test]
fn an_even_port_without_reservation_leaks_no_port() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    for _ in 0..100 {
        let answer = world.ask(&ada, Method::Allocate, |request| {
            udp(request).even_port(EvenPort::Even)
        });
        assert_eq!(answer.reply().relayed.unwrap().0.port() % 2, 0);
        assert_eq!(
            (answer.reply().reservation_token, world.open_count()),
            (None, 1)
        );
        world.refresh(&ada, 0).unwrap();
        world.pass(Duration::from_millis(500));
    }
    assert_eq!(world.open_count(), 0);
}

/// Whoever reserves and lets go in a loop takes no more ports than the quota.
#[test]
fn reservations_count_as_allocations() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    for _ in 0..100 {
        world.ask(&ada, Method::Allocate, |request| {
            udp(request).even_port(EvenPort::EvenAndReserveNext)
        });
        world.ask(&ada, Method::Refresh, |request| request.lifetime(0));
    }
    assert!(world.open_count() <= 12);
}

#[test]
fn a_session_that_ends_takes_its_allocations_and_credentials_with_it() {
    let mut world = World::new();
    let (ada, second, bob) = (
        world.client(ADA, 5000),
        world.client(ADA, 5001),
        world.client(BOB, 5002),
    );
    let relayed = world.allocate(&ada);
    world.allocate(&second);
    world.allocate(&bob);
    world.bind(&ada, 0x4000, SHARD_0);
    world.revoke(ADA);
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (1, 1)
    );
    assert_eq!(world.server.counters().ended_revoked, 2);
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(
        (world.relayed(), world.peer_sends(relayed, SHARD_0, b"x")),
        (vec![], vec![])
    );
    assert_eq!(world.refresh(&ada, 600), Err(ErrorCode::Unauthenticated));
    assert_eq!(world.refresh(&bob, 600), Ok(600));
}

#[test]
fn a_session_that_ends_loses_its_streams() {
    let mut world = World::new();
    let (ada, bob) = (
        world.stream_client(ADA, 5000),
        world.stream_client(BOB, 5001),
    );
    world.allocate(&ada);
    world.allocate(&bob);
    world.revoke(ADA);
    assert_eq!(world.clients.closed, [ada.tuple]);
}

/// Quotas are of what is there: given back when it is gone, and not before.
#[test]
fn a_place_in_the_quota_is_free_when_the_allocation_is_gone() {
    let mut world = World::new();
    let clients: Vec<Client> = (0..12).map(|port| world.client(ADA, 5000 + port)).collect();
    for client in &clients {
        world.allocate(client);
    }
    let next = world.client(ADA, 6000);
    let full = Some(ErrorCode::AllocationQuotaReached);
    assert_eq!(world.ask(&next, Method::Allocate, udp).error(), full);
    world.refresh(&clients[3], 600).unwrap();
    assert_eq!(world.ask(&next, Method::Allocate, udp).error(), full);
    world.refresh(&clients[3], 0).unwrap();
    assert_eq!(world.ask(&next, Method::Allocate, udp).error(), None);
    world.pass(Duration::from_secs(601));
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
}

/// CVE-2025-69217: relayed ports, nonces and tokens that could be foreseen.
/// Each port that was used rests for minutes: a loop would leave none for others.
#[test]
fn whoever_allocates_and_lets_go_in_a_loop_is_slowed_down() {
    let mut world = World::new();
    let test = world.mint.mint_test(world.now.unix_s + 60, [1; 8]);
    let loopers = [
        (world.client(ADA, 5000), 3 * 12),
        (world.client_with(&test, ClientTransport::Udp, 5001), 3 * 8),
    ];
    for (looper, burst) in loopers {
        let made = |world: &mut World| {
            let tries = (0..1000).filter(|_| {
                let is_made = world.ask(&looper, Method::Allocate, udp).error().is_none();
                is_made && world.refresh(&looper, 0) == Ok(0)
            });
            tries.count()
        };
        assert_eq!(made(&mut world), burst);
        assert_eq!(
            world.ask(&looper, Method::Allocate, udp).error(),
            Some(ErrorCode::AllocationQuotaReached)
        );
        world.pass(Duration::from_secs(10));
        assert_eq!(made(&mut world), 20);
    }
    let bob = world.client(BOB, 5002);
    world.allocate(&bob);
}

#[test]
fn nothing_that_must_not_be_foreseen_is_the_same_under_another_seed() {
    let ports = |seed| {
        let mut config = config();
        config.seed = [seed; 32];
        let mut world = World::with(config);
        let ada = world.client(ADA, 5000);
        let answer = world.ask(&ada, Method::Allocate, |request| {
            udp(request).even_port(EvenPort::EvenAndReserveNext)
        });
        (ada.nonce.clone(), answer.reply().reservation_token)
    };
    let (one, other) = (ports(1), ports(2));
    assert_eq!(one, ports(1));
    assert!(one.0 != other.0 && one.1 != other.1);
}

#[test]
fn an_allocation_outlives_its_ticket_and_takes_a_renewed_one() {
    let mut world = World::new();
    let mut ada = world.client(ADA, 5000);
    world.allocate(&ada);
    world.pass(Duration::from_secs(590));
    world.refresh(&ada, 600).unwrap();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.refresh(&ada, 600), Ok(600));
    let mut renewed = world.client(ADA, 5000);
    assert_ne!(renewed.username, ada.username);
    assert_eq!(world.refresh(&renewed, 600), Ok(600));
    for _ in 0..10 {
        world.pass(Duration::from_secs(500));
        ada.renew_nonce(&mut world);
        renewed.renew_nonce(&mut world);
        assert_eq!(world.refresh(&ada, 600), Ok(600));
    }
}

/// What is remembered of a session goes when the session is revoked: later nobody would take it away.
#[test]
fn the_ticket_of_a_session_that_is_over_is_not_remembered() {
    let mut world = World::new();
    let ticket = world.ticket(BOB);
    assert!(world.server.register(&ticket.username));
    world.revoke(BOB);
    let late = world.ticket(BOB);
    assert!(!world.server.register(&late.username));
    assert_eq!(world.server.table_sizes().names, 0);
}

/// Nobody revokes the credentials of the REST form: without an end, an allocation would be for ever.
#[test]
fn credentials_of_the_rest_form_keep_an_allocation_twelve_hours_and_no_longer() {
    let mut config = config();
    config.credentials.rest = Some(RestSecrets::parse("north-and-south-secret").unwrap());
    let mut world = World::with(config);
    let expiry = world.now.unix_s + 600;
    // printf '1700000600:dora' | openssl dgst -sha1 -hmac 'north-and-south-secret' -binary | base64
    let credential = Credential {
        username: format!("{expiry}:dora"),
        password: "HPUnEghNpeHARUoZ3b11e05S5zE=".to_owned(),
    };
    let mut dora = world.client_with(&credential, ClientTransport::Udp, 5000);
    world.allocate(&dora);
    while world.now.unix_s + 300 < expiry + 12 * 3600 {
        world.pass(Duration::from_secs(300));
        dora.renew_nonce(&mut world);
        assert_eq!(world.refresh(&dora, 600), Ok(600));
    }
    world.pass(Duration::from_secs(301));
    dora.renew_nonce(&mut world);
    assert_eq!(world.refresh(&dora, 600), Err(ErrorCode::Unauthenticated));
    world.pass(Duration::from_secs(600));
    assert_eq!(world.server.counters().allocations, 0);
}

#[test]
fn a_connection_test_lives_a_minute_and_reaches_nobody() {
    let mut world = World::new();
    let credential = world.mint.mint_test(world.now.unix_s + 60, [1; 8]);
    let test = world.client_with(&credential, ClientTransport::Udp, 5000);
    let answer = world.ask(&test, Method::Allocate, |request| {
        udp(request).lifetime(600)
    });
    assert_eq!(answer.reply().lifetime_s, Some(60));
    let relayed = answer.reply().relayed.unwrap().0;
    world.pass(Duration::from_secs(20));
    assert_eq!(world.refresh(&test, 600), Ok(40));
    world.input(&test.tuple, &test.send_indication(SHARD_0, b"x"));
    world.input(&test.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(
        (world.relayed(), world.peer_sends(relayed, SHARD_0, b"x")),
        (vec![], vec![])
    );
    world.pass(Duration::from_secs(41));
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
}

#[test]
fn a_stream_that_ends_takes_its_allocation_with_it() {
    let mut world = World::new();
    let ada = world.stream_client(ADA, 5000);
    world.allocate(&ada);
    world.with_io(|server, now, io| server.handle_client_closed(now, &ada.tuple, io));
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
    assert_eq!(world.server.counters().ended_with_stream, 1);
}

#[test]
fn channels_of_old_clients_are_bound_where_that_is_wanted() {
    let mut config = config();
    config.legacy_channel_numbers = true;
    let mut world = World::with(config);
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    assert_eq!(world.bind(&ada, 0x7fff, SHARD_0), None);
    assert_eq!(
        world.bind(&ada, 0x8000, SHARD_1),
        Some(ErrorCode::BadRequest)
    );
    world.input(&ada.tuple, &channel_data(0x7fff, b"x"));
    assert_eq!(world.relayed().len(), 1);
}

#[test]
fn a_channel_is_free_again_when_it_expired() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    assert_eq!(world.bind(&ada, 0x4000, SHARD_0), None);
    world.pass(Duration::from_secs(590));
    assert_eq!(world.refresh(&ada, 600), Ok(600));
    assert_eq!(
        world.bind(&ada, 0x4000, SHARD_1),
        Some(ErrorCode::BadRequest)
    );
    world.pass(Duration::from_secs(11));
    assert_eq!(world.bind(&ada, 0x4000, SHARD_1), None);
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(world.relayed()[0].to, at(SHARD_1));
}

#[test]
fn another_policy_holds_for_what_is_bound_as_well() {
    use conclave_turn_core::policy::{PeerList, PeerPolicy};
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    world.bind(&ada, 0x4000, SHARD_0);
    let policy = PeerPolicy::Closed(PeerList::exact([at(SHARD_1)]));
    world.with_io(|server, _, io| server.set_policy(policy, io));
    world.input(&ada.tuple, &channel_data(0x4000, b"x"));
    assert_eq!(
        (world.relayed(), world.peer_sends(relayed, SHARD_0, b"x")),
        (vec![], vec![])
    );
    assert_eq!(world.server.counters().drops(DropReason::Policy), 2);
}

#[test]
fn a_binding_request_is_answered_with_the_mapped_address_only() {
    let mut world = World::new();
    let tuple = stranger(5000);
    let sent = world.input(&tuple, &bare(Method::Binding, [1; 12], |request| request));
    let reply = Reply::parse(&sent[0].bytes).unwrap();
    assert_eq!(
        (reply.class, reply.mapped),
        (Class::Success, Some(tuple.client))
    );
    assert_eq!(sent[0].bytes.len(), 32);
    // A connectivity check that went astray.
    assert_eq!(
        world.input(
            &tuple,
            &bare(Method::Binding, [1; 12], |request| request.username("a:b"))
        ),
        []
    );
}

#[test]
fn strangers_on_udp_have_a_budget_and_known_clients_do_not_need_one() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    let tuple = FiveTuple {
        client: ClientAddr(at("10.0.19.136:7777")),
        ..ada.tuple
    };
    assert_eq!(tuple.client.0.ip(), ada.tuple.client.0.ip());
    let answers: usize = (0..1000)
        .map(|_| {
            world
                .input(&tuple, &bare(Method::Allocate, [1; 12], udp))
                .len()
                + binding(&mut world, &tuple)
        })
        .sum();
    assert!(answers <= 10, "{answers}");
    assert!(world.server.counters().suppressed >= 1990);
    // Its source is exhausted, but it has credentials.
    assert_eq!(world.refresh(&ada, 600), Ok(600));
    let second = Client {
        tuple: ada.tuple,
        username: ada.username.clone(),
        key: ada.key.clone(),
        nonce: ada.nonce.clone(),
    };
    assert_eq!(world.permit(&second, SHARD_0), None);
    world.pass(Duration::from_secs(1));
    assert_eq!(binding(&mut world, &tuple), 1);
}

/// A flood with forged sources, or two hundred browsers behind one NAT that each ask for their address all ten seconds.
#[test]
fn whoever_has_an_allocation_gets_a_new_nonce_while_strangers_get_nothing() {
    let mut world = World::new();
    let mut ada = world.client(ADA, 5000);
    world.allocate(&ada);
    for port in 1..4000 {
        binding(&mut world, &of_port(ada.tuple, port));
    }
    assert_eq!(binding(&mut world, &of_port(ada.tuple, 4001)), 0);
    assert_eq!(binding(&mut world, &ada.tuple), 1);
    ada.renew_nonce(&mut world);
    assert_eq!(world.refresh(&ada, 600), Ok(600));
    // Who knows her 5-tuple can have no more sent to it than to any other.
    let answers: usize = (0..1000).map(|_| binding(&mut world, &ada.tuple)).sum();
    assert!(answers <= 10, "{answers}");
}

fn of_port(mut tuple: FiveTuple, port: u16) -> FiveTuple {
    tuple.client.0.set_port(port);
    tuple
}

#[test]
fn strangers_on_streams_have_proved_their_address() {
    let mut world = World::new();
    let tuple = FiveTuple {
        transport: ClientTransport::Tls,
        ..stranger(5000)
    };
    // Another stream of theirs does not suffer from the first.
    for port in 1..100 {
        assert_eq!(binding(&mut world, &of_port(tuple, port)), 1);
    }
    // Who only ever asks is sent away.
    let answers: usize = (0..100).map(|_| binding(&mut world, &tuple)).sum();
    assert_eq!(answers, 10);
    assert_eq!(world.clients.closed.first(), Some(&tuple));
    // Who has an allocation may ask more.
    let ada = world.stream_client(ADA, 5001);
    world.allocate(&ada);
    let answers: usize = (0..100).map(|_| binding(&mut world, &ada.tuple)).sum();
    assert_eq!(answers, 100);
}

/// A client that is offered username anonymity sends USERHASH and nothing else (RFC 8489, section 9.2.5), and nobody can
/// tell the name of a ticket or of the REST form by its hash.
#[test]
fn anonymity_is_offered_where_all_names_are_known() {
    let users = || vec!["carol:secret".parse().unwrap()];
    let rest = || RestSecrets::parse("a secret of the test").ok();
    let only = |credentials: CredentialsConfig| {
        Server::new(
            epoch(),
            ServerConfig {
                credentials,
                ..config()
            },
        )
        .unwrap()
    };
    let none = CredentialsConfig::default;
    let tickets = || config().credentials.tickets;
    let mut registering = only(CredentialsConfig {
        tickets: tickets(),
        ..none()
    });
    registering.offer_anonymity();
    let cases = [
        (
            "users",
            true,
            only(CredentialsConfig {
                users: users(),
                ..none()
            }),
        ),
        (
            "tickets",
            false,
            only(CredentialsConfig {
                tickets: tickets(),
                ..none()
            }),
        ),
        (
            "REST",
            false,
            only(CredentialsConfig {
                rest: rest(),
                ..none()
            }),
        ),
        (
            "users and tickets",
            false,
            only(CredentialsConfig {
                tickets: tickets(),
                users: users(),
                rest: None,
            }),
        ),
        (
            "users and REST",
            false,
            only(CredentialsConfig {
                tickets: None,
                users: users(),
                rest: rest(),
            }),
        ),
        ("tickets that are registered", true, registering),
    ];
    for (who, is_offered, server) in cases {
        let mut world = World::new();
        world.server = server;
        let sent = world.input(&stranger(5000), &bare(Method::Allocate, [1; 12], udp));
        let nonce = Reply::parse(&sent[0].bytes).unwrap().nonce.unwrap();
        // Bits 0 and 1 from either side, or bit 0 alone.
        let features: &[u8] = if is_offered {
            b"obMatJos2wAAD"
        } else {
            b"obMatJos2gAAB"
        };
        assert!(nonce.starts_with(features), "{who}");
    }
}

/// Passwords of static users may be short. A wrong one costs the guesser an answer that he does not need.
#[test]
fn guessing_passwords_ends_soon() {
    let mut world = World::new();
    let carol = |password: &str| Credential {
        username: "carol".to_owned(),
        password: password.to_owned(),
    };
    let tries = |world: &mut World, credential: &Credential| {
        let client = world.client_with(credential, ClientTransport::Udp, 5000);
        let transaction = world.transaction();
        let request = client.request(Method::Allocate, transaction, udp);
        let sent = world.input(&client.tuple, &request);
        let is_right = |sent: &Sent| Reply::parse(&sent.bytes).unwrap().error.is_none();
        sent.first().is_some_and(is_right)
    };
    for guess in 0..60 {
        assert!(!tries(&mut world, &carol(&guess.to_string())));
        world.pass(Duration::from_millis(200));
    }
    // 60 in 12 seconds are two less than may be tried.
    for guess in 0..3 {
        assert!(!tries(&mut world, &carol(&guess.to_string())));
    }
    assert!(
        !tries(&mut world, &carol("secret")),
        "not even the right one"
    );
    world.pass(Duration::from_secs(2));
    assert!(tries(&mut world, &carol("secret")));
}

#[test]
fn nothing_is_answered_to_sources_that_are_nobody() {
    let mut world = World::new();
    let own = stranger(5000).server;
    for source in [
        "10.0.0.1:0",
        "224.0.0.1:5000",
        "255.255.255.255:5000",
        "0.0.0.0:5000",
        "[ff02::1]:5000",
        "[::]:1",
    ]
    .map(at)
    .into_iter()
    .chain([own])
    {
        let tuple = FiveTuple {
            client: ClientAddr(source),
            ..stranger(5000)
        };
        assert_eq!(
            world.input(&tuple, &bare(Method::Allocate, [1; 12], udp)),
            [],
            "{source}"
        );
        assert_eq!(binding(&mut world, &tuple), 0, "{source}");
    }
    assert_eq!(world.server.counters().drops(DropReason::Source), 14);
}

#[test]
fn what_nobody_sends_to_a_server_is_not_answered() {
    let mut world = World::new();
    let tuple = stranger(5000);
    let mut messages = vec![
        bare(Method::Other(0x0aa), [1; 12], |request| request),
        bare(Method::Data, [1; 12], |m| m),
    ];
    for class in [Class::Indication, Class::Success, Class::Error] {
        let mut bytes = Vec::new();
        Builder::new(class, Method::Allocate, [1; 12], &mut bytes)
            .finish(None)
            .unwrap();
        messages.push(bytes);
    }
    // RFC 3489 has no cookie; a message is as long as it says; garbage is garbage.
    messages.push([&[0, 1, 0, 0][..], &[7; 16]].concat());
    messages.push(bare(Method::Allocate, [1; 12], udp)[..24].to_vec());
    messages.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    messages.push(Vec::new());
    for message in messages {
        assert_eq!(world.input(&tuple, &message), []);
    }
}

/// 50,000 strangers: nothing is kept of them in any table, and a client still allocates. How fast they may ask and guess is
/// kept in tables of a fixed size.
#[test]
fn a_flood_of_strangers_leaves_nothing_behind() {
    let mut world = World::new();
    let before = (world.server.memory_bytes(), world.server.table_sizes());
    let requests = [
        bare(Method::Allocate, [1; 12], |request| {
            udp(request).even_port(EvenPort::EvenAndReserveNext)
        }),
        bare(Method::Allocate, [1; 12], udp),
        bare(Method::Refresh, [1; 12], |request| request.lifetime(600)),
        bare(Method::Binding, [1; 12], |request| request),
    ];
    let mut answers = 0;
    for (source, request) in (0..50_000_u32).zip(requests.iter().cycle()) {
        let mut tuple = stranger(5000);
        tuple
            .client
            .0
            .set_ip(std::net::Ipv4Addr::from_bits(0x0b00_0000 + source).into());
        answers += world.input(&tuple, request).len();
    }
    assert!((1..=1000).contains(&answers), "{answers}");
    assert_nothing_is_kept(&world, before);
    world.pass(Duration::from_secs(1));
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
}

/// Who has a nonce and knows the names of others has no password, and leaves as little.
#[test]
fn a_flood_of_wrong_passwords_leaves_nothing_behind() {
    let mut config = config();
    config.replies_per_s = u32::MAX;
    let mut world = World::with(config);
    let of_ada = world.ticket(ADA).username;
    let names = ["carol", "nobody", "1700000600:nobody", of_ada.as_str()];
    let before = (world.server.memory_bytes(), world.server.table_sizes());
    for (port, name) in (1000..5000).zip(names.iter().cycle()) {
        let wrong = Credential {
            username: (*name).to_owned(),
            password: "wrong".to_owned(),
        };
        let client = world.client_with(&wrong, ClientTransport::Udp, port);
        for method in [Method::Allocate, Method::CreatePermission] {
            let answer = world.ask(&client, method, |request| {
                udp(request)
                    .even_port(EvenPort::EvenAndReserveNext)
                    .peer(peer(SHARD_0))
            });
            assert_eq!(answer.error(), Some(ErrorCode::Unauthenticated));
        }
    }
    assert_nothing_is_kept(&world, before);
    assert_eq!(world.open_count(), 0);
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
}

fn assert_nothing_is_kept(world: &World, before: (usize, TableSizes)) {
    let server = &world.server;
    assert_eq!((server.memory_bytes(), server.table_sizes()), before);
    assert_eq!((server.poll_timeout(), server.audit()), (None, Ok(())));
}

#[test]
fn a_configuration_is_printed_without_what_keys_are_made_of() {
    let mut config = config();
    config.seed = [0xa5; 32];
    let printed = format!("{config:?}");
    assert!(printed.contains("meet.example"));
    for secret in ["165", "a5", "seed", "a secret", "carol"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn an_allocation_with_its_tables_takes_less_than_a_kilobyte() {
    let mut config = config();
    config.quotas.per_session = u32::MAX;
    config.quotas.per_source = u32::MAX;
    config.replies_per_s = u32::MAX;
    config.allocation = AllocationLimits::default();
    let mut world = World::with(config);
    for count in [1000_u16, 5000, 10_000] {
        while world.server.counters().allocations < u64::from(count) {
            let port = 1000 + world.server.counters().allocations as u16;
            let ada = world.client(ADA, port);
            world.allocate(&ada);
            assert_eq!(world.bind(&ada, 0x4000, SHARD_0), None);
            assert_eq!(world.bind(&ada, 0x4001, SHARD_1), None);
        }
        let each = world.server.memory_bytes() / usize::from(count);
        assert!(each <= 1024, "{each} bytes each of {count}");
    }
}

fn stranger(port: u16) -> FiveTuple {
    FiveTuple {
        transport: ClientTransport::Udp,
        client: ClientAddr(at(&format!("10.9.9.9:{port}"))),
        server: at("192.0.2.1:443"),
    }
}

fn binding(world: &mut World, tuple: &FiveTuple) -> usize {
    world
        .input(tuple, &bare(Method::Binding, [1; 12], |request| request))
        .len()
}
