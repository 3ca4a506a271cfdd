//! Every error code of the relay, and everything that causes it.

use std::time::Duration;

use conclave_turn_core::auth::Credential;
use conclave_turn_core::{ConnectFailed, DropReason, OpenError, REALM_LEN_MAX};
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{
    Builder, Class, EvenPort, Method, PASSWORD_ALGORITHMS, Reply, RequestedTransport,
};
use conclave_turn_wire::{ClientAddr, ClientTransport, Family, FiveTuple};

use crate::support::*;

/// What happens, and what it is answered.
type Case = (&'static str, u16, fn() -> Option<ErrorCode>);

#[test]
fn each_cause_has_its_code() {
    let cases: &[&[Case]] = &[
        ALLOCATE,
        FAMILIES,
        RESERVATIONS,
        CREDENTIALS,
        OTHER_REQUESTS,
        PEERS,
        CHANNELS,
        TCP,
        CAPACITY,
    ];
    for (cause, code, happen) in cases.iter().copied().flatten() {
        assert_eq!(happen().map(ErrorCode::code), Some(*code), "{cause}");
    }
}

#[test]
fn each_code_has_a_cause() {
    let cases = [
        ALLOCATE,
        FAMILIES,
        RESERVATIONS,
        CREDENTIALS,
        OTHER_REQUESTS,
        PEERS,
        CHANNELS,
        TCP,
        CAPACITY,
    ];
    for code in ErrorCode::ALL {
        let is_caused = cases
            .iter()
            .copied()
            .flatten()
            .any(|(_, caused, _)| *caused == code.code());
        assert!(is_caused, "{}", code.code());
    }
}

const ALLOCATE: &[Case] = &[
    ("the relay is drained", 300, || {
        let mut world = World::new();
        world.server.drain_to(vec![at("192.0.2.99:443")]);
        let ada = world.client(ADA, 5000);
        let answer = world.ask(&ada, Method::Allocate, udp);
        assert_eq!(answer.reply().alternate_server, Some(at("192.0.2.99:443")));
        answer.error()
    }),
    ("an attribute that cannot be read", 400, || {
        allocate(|request| udp(request).raw(0x000d, &[0, 0, 0]))
    }),
    ("no REQUESTED-TRANSPORT", 400, || {
        allocate(|request| request)
    }),
    ("a transport that is neither UDP nor TCP", 442, || {
        allocate(|request| request.requested_transport(RequestedTransport::Other(132)))
    }),
    ("TCP where there is none", 442, || allocate(tcp)),
    ("mobility", 405, || {
        allocate(|request| udp(request).raw(0x8030, &[]))
    }),
    ("an unknown attribute that must be understood", 420, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        let answer = world.ask(&ada, Method::Allocate, |request| {
            udp(request).raw(0x7abc, &[1]).raw(0x7abd, &[])
        });
        assert_eq!(
            answer.reply().unknown_attributes,
            Some(&[0x7a, 0xbc, 0x7a, 0xbd][..])
        );
        answer.error()
    }),
    ("DONT-FRAGMENT where it cannot be done", 420, || {
        let mut world = World::with_sockets();
        world.sockets().traits.dont_fragment = false;
        let ada = world.client(ADA, 5000);
        let answer = world.ask(&ada, Method::Allocate, |request| {
            udp(request).dont_fragment()
        });
        assert_eq!(answer.reply().unknown_attributes, Some(&[0x00, 0x1a][..]));
        answer.error()
    }),
    ("a busy 5-tuple", 437, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        world.allocate(&ada);
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("a busy 5-tuple of another user", 437, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        world.allocate(&ada);
        let bob = world.client(BOB, 5000);
        world.ask(&bob, Method::Allocate, udp).error()
    }),
];

const FAMILIES: &[Case] = &[
    ("REQUESTED- and ADDITIONAL-ADDRESS-FAMILY", 400, || {
        allocate(|request| {
            udp(request)
                .requested_family(Family::V4)
                .additional_family(Family::V6)
        })
    }),
    ("ADDITIONAL-ADDRESS-FAMILY of IPv4", 400, || {
        allocate(|request| udp(request).raw(0x8000, &[1, 0, 0, 0]))
    }),
    (
        "ADDITIONAL-ADDRESS-FAMILY and EVEN-PORT with R",
        400,
        || {
            allocate(|request| {
                udp(request)
                    .additional_family(Family::V6)
                    .even_port(EvenPort::EvenAndReserveNext)
            })
        },
    ),
    (
        "ADDITIONAL-ADDRESS-FAMILY and RESERVATION-TOKEN",
        400,
        || {
            allocate(|request| {
                udp(request)
                    .additional_family(Family::V6)
                    .reservation_token([1; 8])
            })
        },
    ),
    ("an unknown additional family", 400, || {
        allocate(|request| udp(request).raw(0x8000, &[9, 0, 0, 0]))
    }),
    ("a family that the backend has not", 440, || {
        let mut world = World::with_sockets();
        world.sockets().traits.v6 = false;
        let ada = world.client(ADA, 5000);
        world
            .ask(&ada, Method::Allocate, |request| {
                udp(request).requested_family(Family::V6)
            })
            .error()
    }),
    (
        "IPv4, which is what no family means, on a host without",
        440,
        || {
            let mut world = World::with_sockets();
            world.sockets().traits.v4 = false;
            let ada = world.client(ADA, 5000);
            world.ask(&ada, Method::Allocate, udp).error()
        },
    ),
    ("an unknown family", 440, || {
        allocate(|request| udp(request).raw(0x0017, &[9, 0, 0, 0]))
    }),
    (
        "Refresh of a family that the allocation has not",
        443,
        || {
            with_allocation(|world, ada| {
                world
                    .ask(ada, Method::Refresh, |request| {
                        request.requested_family(Family::V6)
                    })
                    .error()
            })
        },
    ),
    ("Refresh of an unknown family", 443, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::Refresh, |request| {
                    request.raw(0x0017, &[9, 0, 0, 0])
                })
                .error()
        })
    }),
    ("CreatePermission for a peer of another family", 443, || {
        with_allocation(|world, ada| world.permit(ada, SHARD_0_V6))
    }),
    ("ChannelBind to a peer of another family", 443, || {
        with_allocation(|world, ada| world.bind(ada, 0x4000, SHARD_0_V6))
    }),
];

const RESERVATIONS: &[Case] = &[
    ("RESERVATION-TOKEN and EVEN-PORT", 400, || {
        allocate(|request| {
            udp(request)
                .reservation_token([1; 8])
                .even_port(EvenPort::Even)
        })
    }),
    (
        "RESERVATION-TOKEN and REQUESTED-ADDRESS-FAMILY",
        400,
        || {
            allocate(|request| {
                udp(request)
                    .reservation_token([1; 8])
                    .requested_family(Family::V4)
            })
        },
    ),
    ("an unknown token", 508, || {
        allocate(|request| udp(request).reservation_token([1; 8]))
    }),
    ("a token of somebody else", 508, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        let token = reserve(&mut world, &ada);
        let bob = world.client(BOB, 5001);
        take_reserved(&mut world, &bob, token)
    }),
    ("a token after 30 s", 508, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        let token = reserve(&mut world, &ada);
        world.pass(Duration::from_secs(31));
        let second = world.client(ADA, 5001);
        take_reserved(&mut world, &second, token)
    }),
    ("a token that was used", 508, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        let token = reserve(&mut world, &ada);
        let (second, third) = (world.client(ADA, 5001), world.client(ADA, 5002));
        assert_eq!(take_reserved(&mut world, &second, token), None);
        take_reserved(&mut world, &third, token)
    }),
];

const CREDENTIALS: &[Case] = &[
    ("no integrity", 401, || unsealed(udp)),
    ("no integrity, but an unknown attribute", 401, || {
        unsealed(|request| udp(request).raw(0x7abc, &[]))
    }),
    ("a wrong password", 401, || {
        let mut world = World::new();
        let mut ada = world.client(ADA, 5000);
        ada.key = Key::long_term(Algorithm::Md5, &ada.username, REALM, "wrong");
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("an unknown user", 401, || {
        let mut world = World::new();
        let nobody = Credential {
            username: "nobody".into(),
            password: "nothing".into(),
        };
        let nobody = world.client_with(&nobody, ClientTransport::Udp, 5000);
        world.ask(&nobody, Method::Allocate, udp).error()
    }),
    ("a session that is not live", 401, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        world.revoke(ADA);
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("an expired ticket", 401, || {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        world.pass(Duration::from_secs(601));
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("integrity without USERNAME", 400, || {
        sealed(|request, _| request.realm(REALM).nonce(b"x"))
    }),
    ("integrity without REALM", 400, || {
        sealed(|request, name| request.username(name).nonce(b"x"))
    }),
    ("integrity without NONCE", 400, || {
        sealed(|request, name| request.username(name).realm(REALM))
    }),
    ("an altered list of algorithms", 400, || {
        allocate(|request| {
            udp(request)
                .password_algorithms(&[0, 1, 0, 0])
                .password_algorithm(Algorithm::Md5)
        })
    }),
    ("an algorithm without the list", 400, || {
        allocate(|request| udp(request).password_algorithm(Algorithm::Md5))
    }),
    ("SHA-1 where SHA-256 was chosen", 400, || {
        allocate(|request| {
            udp(request)
                .password_algorithms(&PASSWORD_ALGORITHMS)
                .password_algorithm(Algorithm::Sha256)
        })
    }),
    ("a nonce that is none of ours", 438, || {
        let mut world = World::new();
        let mut ada = world.client(ADA, 5000);
        ada.nonce = b"obMatJos2wAAAsomething else".to_vec();
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("the nonce of another address", 438, || {
        let mut world = World::new();
        let mut ada = world.client(ADA, 5000);
        ada.nonce = world.client(ADA, 5001).nonce;
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("a nonce of half an hour ago", 438, || {
        let mut world = World::with_sockets();
        let carol = Credential {
            username: "carol".into(),
            password: "secret".into(),
        };
        let carol = world.client_with(&carol, ClientTransport::Udp, 5000);
        world.pass(Duration::from_secs(1801));
        let answer = world.ask(&carol, Method::Allocate, udp);
        assert!(
            answer
                .reply()
                .nonce
                .is_some_and(|nonce| nonce != carol.nonce)
        );
        answer.error()
    }),
];

const OTHER_REQUESTS: &[Case] = &[
    ("Refresh without allocation", 437, || {
        without_allocation(Method::Refresh, |request| request)
    }),
    ("CreatePermission without allocation", 437, || {
        without_allocation(Method::CreatePermission, |request| {
            request.peer(peer(SHARD_0))
        })
    }),
    ("ChannelBind without allocation", 437, || {
        without_allocation(Method::ChannelBind, |request| {
            request.channel(0x4000).peer(peer(SHARD_0))
        })
    }),
    ("Refresh of somebody else's", 441, || {
        as_another(Method::Refresh, |request| request)
    }),
    ("Refresh to nothing of somebody else's", 441, || {
        as_another(Method::Refresh, |request| request.lifetime(0))
    }),
    ("CreatePermission on somebody else's", 441, || {
        as_another(Method::CreatePermission, |request| {
            request.peer(peer(SHARD_0))
        })
    }),
    ("ChannelBind on somebody else's", 441, || {
        as_another(Method::ChannelBind, |request| {
            request.channel(0x4000).peer(peer(SHARD_0))
        })
    }),
    ("Refresh for mobility", 405, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::Refresh, |request| request.raw(0x8030, &[]))
                .error()
        })
    }),
];

const PEERS: &[Case] = &[
    ("CreatePermission without a peer", 400, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::CreatePermission, |request| request)
                .error()
        })
    }),
    ("CreatePermission for who is not the SFU", 403, || {
        with_allocation(|world, ada| world.permit(ada, STRANGER))
    }),
    ("CreatePermission for the relay itself", 403, || {
        with_allocation(|world, ada| world.permit(ada, "192.0.0.8:4000"))
    }),
    ("CreatePermission for loopback", 403, || {
        with_allocation(|world, ada| world.permit(ada, "127.0.0.1:80"))
    }),
    ("CreatePermission for nobody's address", 403, || {
        with_allocation(|world, ada| world.permit(ada, "0.0.0.0:80"))
    }),
    ("CreatePermission of which one is denied", 403, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::CreatePermission, one_good_one_bad)
                .error()
        })
    }),
    ("ChannelBind to who is not the SFU", 403, || {
        with_allocation(|world, ada| world.bind(ada, 0x4000, STRANGER))
    }),
    ("ChannelBind to another port of the SFU's host", 403, || {
        with_allocation(|world, ada| world.bind(ada, 0x4000, OTHER_PORT))
    }),
    ("CreatePermission of a connection test", 403, || {
        let mut world = World::new();
        let test = test_client(&mut world, 5000);
        world.allocate(&test);
        world.permit(&test, SHARD_0)
    }),
    ("ChannelBind of a connection test", 403, || {
        let mut world = World::new();
        let test = test_client(&mut world, 5000);
        world.allocate(&test);
        world.bind(&test, 0x4000, SHARD_0)
    }),
];

const CHANNELS: &[Case] = &[
    ("ChannelBind without a number", 400, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::ChannelBind, |request| {
                    request.peer(peer(SHARD_0))
                })
                .error()
        })
    }),
    ("ChannelBind without a peer", 400, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::ChannelBind, |request| request.channel(0x4000))
                .error()
        })
    }),
    ("a channel number below the range", 400, || {
        with_allocation(|world, ada| world.bind(ada, 0x3fff, SHARD_0))
    }),
    ("a channel number of RFC 5766", 400, || {
        with_allocation(|world, ada| world.bind(ada, 0x5000, SHARD_0))
    }),
    ("a channel of another peer", 400, || {
        with_allocation(|world, ada| {
            assert_eq!(world.bind(ada, 0x4000, SHARD_0), None);
            world.bind(ada, 0x4000, SHARD_1)
        })
    }),
    ("a peer of another channel", 400, || {
        with_allocation(|world, ada| {
            assert_eq!(world.bind(ada, 0x4000, SHARD_0), None);
            world.bind(ada, 0x4001, SHARD_0)
        })
    }),
];

const TCP: &[Case] = &[
    ("a TCP allocation of a client on UDP", 400, || {
        let mut world = World::with_sockets();
        let ada = world.client(ADA, 5000);
        world.ask(&ada, Method::Allocate, tcp).error()
    }),
    ("a TCP allocation with DONT-FRAGMENT", 400, || {
        allocate_tcp(|request| tcp(request).dont_fragment())
    }),
    ("a TCP allocation with EVEN-PORT", 400, || {
        allocate_tcp(|request| tcp(request).even_port(EvenPort::Even))
    }),
    ("a TCP allocation with RESERVATION-TOKEN", 400, || {
        allocate_tcp(|request| tcp(request).reservation_token([1; 8]))
    }),
    ("a channel on a TCP allocation", 400, || {
        with_tcp(|world, ada| world.bind(ada, 0x4000, SHARD_0))
    }),
    ("Connect on a UDP allocation", 400, || {
        let mut world = World::with_sockets();
        let ada = world.stream_client(ADA, 5000);
        world.allocate(&ada);
        world
            .ask(&ada, Method::Connect, |request| request.peer(peer(SHARD_0)))
            .error()
    }),
    ("Connect without a peer", 400, || {
        with_tcp(|world, ada| world.ask(ada, Method::Connect, |request| request).error())
    }),
    ("Connect to who is denied", 403, || connect(STRANGER)),
    ("Connect to another port", 403, || connect(OTHER_PORT)),
    ("Connect without allocation", 437, || {
        let mut world = World::with_sockets();
        let ada = world.stream_client(ADA, 5000);
        world
            .ask(&ada, Method::Connect, |request| request.peer(peer(SHARD_0)))
            .error()
    }),
    ("Connect on somebody else's", 441, || {
        with_tcp(|world, _| {
            let bob = world.stream_client(BOB, 5000);
            world
                .ask(&bob, Method::Connect, |request| request.peer(peer(SHARD_0)))
                .error()
        })
    }),
    ("Connect to a peer of another family", 443, || {
        connect(SHARD_0_V6)
    }),
    ("Connect where there is no TCP", 442, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::Connect, |request| request.peer(peer(SHARD_0)))
                .error()
        })
    }),
    ("ConnectionBind where there is no TCP", 442, || {
        with_allocation(|world, ada| {
            world
                .ask(ada, Method::ConnectionBind, |request| {
                    request.connection_id(1)
                })
                .error()
        })
    }),
    ("Connect to the same peer again", 446, || {
        with_tcp(|world, ada| {
            begin_connect(world, ada, SHARD_0);
            world
                .ask(ada, Method::Connect, |request| request.peer(peer(SHARD_0)))
                .error()
        })
    }),
    ("a peer that takes no connection", 447, || {
        with_tcp(|world, ada| {
            let connection = begin_connect(world, ada, SHARD_0);
            world.with_io(|server, now, io| {
                server.handle_peer_connected(now, connection, Err(ConnectFailed), io)
            });
            let sent = world.take_sent();
            assert_eq!(sent.len(), 1);
            Answer {
                bytes: sent[0].bytes.clone(),
            }
            .error()
        })
    }),
    ("a peer that does not answer for 30 s", 447, || {
        with_tcp(|world, ada| {
            let connection = begin_connect(world, ada, SHARD_0);
            world.pass(Duration::from_secs(31));
            assert_eq!(world.sockets().closed_tcp, [connection]);
            let sent = world.take_sent();
            Answer {
                bytes: sent[0].bytes.clone(),
            }
            .error()
        })
    }),
    ("ConnectionBind without a number", 400, || {
        bind_connection(|request| request)
    }),
    ("ConnectionBind of an unknown connection", 400, || {
        bind_connection(|request| request.connection_id(77))
    }),
];

const CAPACITY: &[Case] = &[
    ("one allocation too many of a session", 486, || {
        let mut world = World::new();
        for port in 0..12 {
            let ada = world.client(ADA, 5000 + port);
            world.allocate(&ada);
        }
        let ada = world.client(ADA, 6000);
        world.ask(&ada, Method::Allocate, udp).error()
    }),
    ("one allocation too many in all", 508, || {
        let mut config = config();
        config.quotas.total = 1;
        let mut world = World::with(config);
        let (ada, bob) = (world.client(ADA, 5000), world.client(BOB, 5001));
        world.allocate(&ada);
        world.ask(&bob, Method::Allocate, udp).error()
    }),
    ("no port", 508, || backend_fails(OpenError::NoPort)),
    ("a backend that the system refuses", 500, || {
        backend_fails(OpenError::Failed)
    }),
    ("EVEN-PORT where there are no pairs", 508, || {
        let mut world = World::with_sockets();
        world.sockets().traits.pairs = false;
        let ada = world.client(ADA, 5000);
        world
            .ask(&ada, Method::Allocate, |request| {
                udp(request).even_port(EvenPort::Even)
            })
            .error()
    }),
    ("one permission too many", 508, || {
        small(|world, ada| {
            assert_eq!(world.permit(ada, SHARD_0), None);
            world.permit(ada, "198.51.100.2:10000")
        })
    }),
    ("one channel too many", 508, || {
        small(|world, ada| {
            assert_eq!(world.bind(ada, 0x4000, SHARD_0), None);
            world.bind(ada, 0x4001, SHARD_1)
        })
    }),
    ("one connection too many", 508, || {
        with_tcp(|world, ada| {
            world.with_io(|server, _, io| server.set_policy(open_list(), io));
            for port in 0..8 {
                begin_connect(world, ada, &format!("198.51.100.1:{}", 20_000 + port));
            }
            world
                .ask(ada, Method::Connect, |request| {
                    request.peer(peer("198.51.100.1:20008"))
                })
                .error()
        })
    }),
];

#[test]
fn a_second_family_that_fails_is_told_in_the_success() {
    for (fails, code) in [
        (OpenError::NoPort, 508),
        (OpenError::FamilyUnsupported, 440),
        (OpenError::Failed, 500),
    ] {
        let mut world = World::with_sockets();
        world.sockets().fail_v6 = Some(fails);
        let ada = world.client(ADA, 5000);
        let answer = world.ask(&ada, Method::Allocate, |request| {
            udp(request).additional_family(Family::V6)
        });
        let reply = answer.reply();
        assert_eq!(reply.error, None);
        assert_eq!(reply.address_error, Some((Family::V6, code)));
        assert!(reply.relayed.is_some() && reply.relayed_second.is_none());
    }
}

#[test]
fn a_first_family_that_there_is_not_is_told_in_the_success_as_well() {
    let mut world = World::with_sockets();
    world.sockets().traits.v4 = false;
    let ada = world.client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, dual_udp);
    let reply = answer.reply();
    assert_eq!(reply.address_error, Some((Family::V4, 440)));
    assert!(reply.relayed.unwrap().0.is_ipv6() && reply.relayed_second.is_none());
    assert_eq!(world.permit(&ada, SHARD_0_V6), None);
    assert_eq!(
        world.permit(&ada, SHARD_0),
        Some(ErrorCode::PeerFamilyMismatch)
    );
    assert_eq!(world.refresh(&ada, 0), Ok(0));
    world.sockets().traits.v6 = false;
    assert_eq!(
        world.ask(&ada, Method::Allocate, dual_udp).error(),
        Some(ErrorCode::AddressFamilyNotSupported)
    );
    assert_eq!(world.open_count(), 0);
}

fn dual_udp(request: Builder<'_>) -> Builder<'_> {
    udp(request).additional_family(Family::V6)
}

#[test]
fn a_peer_that_is_named_twice_needs_one_permission() {
    let mut config = config();
    config.allocation.permissions = 2;
    let mut world = World::with(config);
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    let mut permit = |peers: &[&str]| {
        let peers = peers.iter().map(|one| peer(one));
        world
            .ask(&ada, Method::CreatePermission, |request| {
                peers.clone().fold(request, Builder::peer)
            })
            .error()
    };
    assert_eq!(
        permit(&[&[SHARD_2; 200][..], &[SHARD_0; 100]].concat()),
        None
    );
    let three = [SHARD_0, SHARD_0_V6, SHARD_2];
    assert_eq!(permit(&three), Some(ErrorCode::PeerFamilyMismatch));
    assert_eq!(
        permit(&[&[SHARD_0; 200][..], &[STRANGER]].concat()),
        Some(ErrorCode::Forbidden)
    );
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    for fails in [OpenError::NoPort, OpenError::Failed] {
        let mut world = World::with_sockets();
        world.sockets().fail = Some(fails);
        let ada = world.client(ADA, 5000);
        for _ in 0..100 {
            assert!(world.ask(&ada, Method::Allocate, udp).error().is_some());
        }
        world.sockets().fail = None;
        // What fails counts for the pace as well.
        world.pass(Duration::from_secs(1));
        assert_eq!(world.ask(&ada, Method::Allocate, udp).error(), None);
        assert_eq!(
            (world.server.counters().allocations, world.open_count()),
            (1, 1)
        );
    }
}

#[test]
fn a_permission_request_is_granted_whole_or_not_at_all() {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let relayed = world.allocate(&ada);
    assert_eq!(
        world
            .ask(&ada, Method::CreatePermission, one_good_one_bad)
            .error(),
        Some(ErrorCode::Forbidden)
    );
    assert_eq!(world.peer_sends(relayed, SHARD_0, b"x"), []);
}

/// What is sent for the sake of the answer is not worth it (security.md 3.9): a challenge is as small as RFC 8489 lets it
/// be, and never more than four times as long as what asked for it, whatever the realm.
#[test]
fn an_answer_to_a_stranger_is_small_and_says_nothing_about_us() {
    for realm_len in [1, 12, 16, REALM_LEN_MAX] {
        let mut world = with_realm(realm_len);
        let tuple = stranger_at(5000);
        for (name, request) in first_requests() {
            let sent = world.input(&tuple, &request);
            assert_eq!(sent.len(), 1, "{name} is answered, realm of {realm_len}");
            let (headers, question, answer) = (28, request.len(), sent[0].bytes.len());
            assert!(answer <= 4 * question, "{name}: {answer} for {question}");
            let on_the_wire = (answer + headers) as f64 / (question + headers) as f64;
            assert!(on_the_wire <= 2.5, "{name}: {on_the_wire}");
            world.pass(Duration::from_secs(1));
        }
        // A shorter one than clients begin with is sent for the sake of the answer.
        let shortest = bare(Method::Allocate, [1; 12], |request| request);
        assert_eq!(world.input(&tuple, &shortest), []);
        assert_eq!(world.server.counters().drops(DropReason::Malformed), 1);
    }
}

/// No configuration has such a realm, for browsers would not be answered; others are, in proportion.
#[test]
fn under_a_longer_realm_short_requests_get_nothing() {
    for realm_len in [REALM_LEN_MAX + 1, 127] {
        let mut world = with_realm(realm_len);
        let tuple = stranger_at(5000);
        let mut is_answered = [false; 2];
        for padding in (0..100).step_by(4) {
            let request = bare(Method::Allocate, [1; 12], |request| {
                udp(request).raw(0x8000, &vec![0; padding])
            });
            let sent = world.input(&tuple, &request);
            is_answered[usize::from(!sent.is_empty())] = true;
            assert!(
                sent.iter()
                    .all(|sent| sent.bytes.len() <= 4 * request.len())
            );
            world.pass(Duration::from_secs(1));
        }
        assert_eq!(is_answered, [realm_len == 127, true]);
        let browser = bare(Method::Allocate, [1; 12], udp);
        assert_eq!(world.input(&tuple, &browser), []);
        let stream = FiveTuple {
            transport: ClientTransport::Tcp,
            ..tuple
        };
        assert_eq!(world.input(&stream, &browser).len(), 1);
    }
}

/// What clients send first, as far as it counts here.
fn first_requests() -> [(&'static str, Vec<u8>); 5] {
    let fingerprint = |fill: fn(Builder<'_>) -> Builder<'_>| {
        bare(Method::Allocate, [1; 12], |request| {
            fill(request).with_fingerprint()
        })
    };
    [
        ("Chromium, Firefox", bare(Method::Allocate, [1; 12], udp)),
        (
            "aioice",
            bare(Method::Allocate, [1; 12], |request| {
                udp(request.lifetime(600))
            }),
        ),
        ("pion", fingerprint(udp)),
        (
            "uclient",
            fingerprint(|request| udp(request.software("a client")).lifetime(800)),
        ),
        (
            "with both families",
            bare(Method::Allocate, [1; 12], |request| {
                udp(request).additional_family(Family::V6)
            }),
        ),
    ]
}

fn with_realm(len: usize) -> World {
    let mut config = config();
    config.realm = "r".repeat(len);
    World::with(config)
}

fn stranger_at(port: u16) -> FiveTuple {
    FiveTuple {
        transport: ClientTransport::Udp,
        client: ClientAddr(at(&format!("10.0.0.1:{port}"))),
        server: at("192.0.2.1:443"),
    }
}

/// A seal of the wrong length proves nothing, and one that is there by name only makes no request longer.
#[test]
fn a_seal_that_is_none_does_not_get_short_requests_answered() {
    for (kind, len) in [(MESSAGE_INTEGRITY, 0), (MESSAGE_INTEGRITY_SHA256, 0)] {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        let short = with_seal(kind, &vec![0; len], |request| request);
        assert_eq!(short.len(), 24 + len);
        assert_eq!(world.input(&ada.tuple, &short), [], "{kind:#x} of {len}");
    }
    // What is answered is answered out of the budget of strangers before anything else is done.
    for (kind, len) in [
        (MESSAGE_INTEGRITY, 0),
        (MESSAGE_INTEGRITY, 16),
        (MESSAGE_INTEGRITY, 32),
        (MESSAGE_INTEGRITY_SHA256, 16),
        (MESSAGE_INTEGRITY_SHA256, 20),
    ] {
        let mut world = World::new();
        let ada = world.client(ADA, 5000);
        let request = with_seal(kind, &vec![0; len], |request| {
            udp(request)
                .username(&ada.username)
                .realm(REALM)
                .nonce(&ada.nonce)
        });
        let sent = world.input(&ada.tuple, &request);
        let codes = sent
            .iter()
            .map(|sent| Reply::parse(&sent.bytes).unwrap().error);
        assert_eq!(codes.collect::<Vec<_>>(), [Some(401)], "{kind:#x} of {len}");
    }
}

const MESSAGE_INTEGRITY: u16 = 0x0008;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;

/// An Allocate that ends with an attribute of this kind and value.
fn with_seal(kind: u16, value: &[u8], fill: impl Fn(Builder<'_>) -> Builder<'_>) -> Vec<u8> {
    let mut bytes = bare(Method::Allocate, [1; 12], fill);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
    bytes.extend_from_slice(value);
    let body = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&body.to_be_bytes());
    bytes
}

fn tcp(request: Builder<'_>) -> Builder<'_> {
    request.requested_transport(RequestedTransport::Tcp)
}

fn one_good_one_bad(request: Builder<'_>) -> Builder<'_> {
    request.peer(peer(SHARD_0)).peer(peer(STRANGER))
}

fn allocate(fill: impl Fn(Builder<'_>) -> Builder<'_>) -> Option<ErrorCode> {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let answer = world.ask(&ada, Method::Allocate, fill).error();
    assert_eq!(
        (world.server.counters().allocations, world.open_count()),
        (0, 0)
    );
    answer
}

fn allocate_tcp(fill: impl Fn(Builder<'_>) -> Builder<'_>) -> Option<ErrorCode> {
    let mut world = World::with_sockets();
    let ada = world.stream_client(ADA, 5000);
    world.ask(&ada, Method::Allocate, fill).error()
}

fn with_allocation(
    act: impl FnOnce(&mut World, &Client) -> Option<ErrorCode>,
) -> Option<ErrorCode> {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    act(&mut world, &ada)
}

fn without_allocation(method: Method, fill: fn(Builder<'_>) -> Builder<'_>) -> Option<ErrorCode> {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    world.ask(&ada, method, fill).error()
}

fn as_another(method: Method, fill: fn(Builder<'_>) -> Builder<'_>) -> Option<ErrorCode> {
    with_allocation(|world, _| {
        let bob = world.client(BOB, 5000);
        let answer = world.ask(&bob, method, fill).error();
        assert_eq!(world.server.counters().allocations, 1);
        answer
    })
}

fn with_tcp(act: impl FnOnce(&mut World, &Client) -> Option<ErrorCode>) -> Option<ErrorCode> {
    let mut world = World::with_sockets();
    let ada = world.stream_client(ADA, 5000);
    assert_eq!(world.ask(&ada, Method::Allocate, tcp).error(), None);
    act(&mut world, &ada)
}

fn connect(to: &str) -> Option<ErrorCode> {
    with_tcp(|world, ada| {
        world
            .ask(ada, Method::Connect, |request| request.peer(peer(to)))
            .error()
    })
}

fn begin_connect(world: &mut World, client: &Client, to: &str) -> u32 {
    let request = client.request(Method::Connect, world.transaction(), |request| {
        request.peer(peer(to))
    });
    assert_eq!(world.input(&client.tuple, &request), []);
    world.sockets().connects.last().unwrap().2
}

fn bind_connection(fill: fn(Builder<'_>) -> Builder<'_>) -> Option<ErrorCode> {
    with_tcp(|world, _| {
        let stream = world.stream_client(ADA, 5001);
        world.ask(&stream, Method::ConnectionBind, fill).error()
    })
}

fn reserve(world: &mut World, client: &Client) -> [u8; 8] {
    let answer = world.ask(client, Method::Allocate, |request| {
        udp(request).even_port(EvenPort::EvenAndReserveNext)
    });
    answer.reply().reservation_token.unwrap()
}

fn take_reserved(world: &mut World, client: &Client, token: [u8; 8]) -> Option<ErrorCode> {
    world
        .ask(client, Method::Allocate, |request| {
            udp(request).reservation_token(token)
        })
        .error()
}

fn test_client(world: &mut World, port: u16) -> Client {
    let credential = world.mint.mint_test(world.now.unix_s + 60, [port as u8; 8]);
    world.client_with(&credential, ClientTransport::Udp, port)
}

fn unsealed(fill: fn(Builder<'_>) -> Builder<'_>) -> Option<ErrorCode> {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let request = bare(Method::Allocate, world.transaction(), fill);
    let sent = world.input(&ada.tuple, &request);
    let answer = Answer {
        bytes: sent[0].bytes.clone(),
    };
    assert_eq!(answer.reply().realm, Some(REALM));
    assert_eq!(
        answer.reply().password_algorithms,
        Some(&PASSWORD_ALGORITHMS[..])
    );
    answer.error()
}

fn sealed(fill: for<'o> fn(Builder<'o>, &str) -> Builder<'o>) -> Option<ErrorCode> {
    let mut world = World::new();
    let ada = world.client(ADA, 5000);
    let mut bytes = Vec::new();
    let request = Builder::new(
        Class::Request,
        Method::Allocate,
        world.transaction(),
        &mut bytes,
    );
    fill(udp(request), &ada.username)
        .finish(Some((Mac::Sha1, &ada.key)))
        .unwrap();
    let sent = world.input(&ada.tuple, &bytes);
    Reply::parse(&sent[0].bytes).unwrap();
    Answer {
        bytes: sent[0].bytes.clone(),
    }
    .error()
}

fn backend_fails(error: OpenError) -> Option<ErrorCode> {
    let mut world = World::with_sockets();
    world.sockets().fail = Some(error);
    let ada = world.client(ADA, 5000);
    world.ask(&ada, Method::Allocate, udp).error()
}

/// One permission, one channel, and a policy with two peers.
fn small(act: impl FnOnce(&mut World, &Client) -> Option<ErrorCode>) -> Option<ErrorCode> {
    let mut config = config();
    (config.allocation.permissions, config.allocation.channels) = (1, 1);
    config.policy = open_list();
    let mut world = World::with(config);
    let ada = world.client(ADA, 5000);
    world.allocate(&ada);
    act(&mut world, &ada)
}

fn open_list() -> conclave_turn_core::policy::PeerPolicy {
    use conclave_turn_core::policy::{PeerList, PeerPolicy};
    let ports = (20_000..20_010).map(|port| at(&format!("198.51.100.1:{port}")));
    let others = ["198.51.100.2:10000", SHARD_0, SHARD_1].map(at);
    PeerPolicy::Closed(PeerList::exact(ports.chain(others)))
}
