use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageIntegrityCredentials, MessageType,
    MessageWriteVec,
};
use stun_types::prelude::{MessageWrite, MessageWriteExt};

use super::attributes::kind;
use super::*;
use crate::address::{ClientAddr, Family, PeerAddr, RelayedAddr};
use crate::error::ErrorCode;
use crate::fast;
use crate::integrity::{Algorithm, Key, Mac, userhash, verify};

const ID: TransactionId = [7; 12];

#[test]
fn an_authenticated_request_gets_a_response_that_its_client_believes() {
    for (algorithm, mac) in ALL_KEYS {
        let sent = message(|b| {
            b.requested_transport(RequestedTransport::Udp)
                .username("ada")
                .realm("example.org")
                .nonce(b"fresh")
                .with_fingerprint()
                .finish(Some((mac, &key(algorithm))))
        });
        let request = Request::parse(&sent).unwrap();
        assert_eq!(request.username, Some("ada"));
        assert_eq!(request.requested_transport, Some(RequestedTransport::Udp));
        assert!(request.has_integrity());
        assert!(verify(request.seal(mac).unwrap(), &key(algorithm)));
        assert!(!verify(
            request.seal(mac).unwrap(),
            &Key::long_term(algorithm, "ada", "example.org", "guess")
        ));

        let mut answer = Vec::new();
        Builder::error(&request, ErrorCode::StaleNonce, &mut answer)
            .nonce(b"fresher")
            .finish(Some((mac, &key(algorithm))))
            .unwrap();
        let reply = Reply::parse(&answer).unwrap();
        assert_eq!(
            (reply.error, reply.nonce),
            (Some(438), Some(&b"fresher"[..]))
        );
        assert!(reply.has_fingerprint);
        assert!(verify(reply.seal(mac).unwrap(), &key(algorithm)));
    }
}

#[test]
fn every_error_code_reaches_the_client_without_a_reason() {
    for code in ErrorCode::ALL {
        let sent = message(|b| b.finish(None));
        let mut answer = Vec::new();
        Builder::error(&Request::parse(&sent).unwrap(), code, &mut answer)
            .finish(None)
            .unwrap();
        let reply = Reply::parse(&answer).unwrap();
        assert_eq!(
            (reply.class, reply.method, reply.transaction),
            (Class::Error, Method::Allocate, ID)
        );
        assert_eq!(reply.error, Some(code.code()));
        assert!(!reply.has_fingerprint, "the request had none");
        assert_eq!(answer.len(), HEADER_LEN + 8);
    }
}

#[test]
fn an_unauthenticated_answer_is_no_longer_than_its_texts_demand() {
    let sent = message(|b| b.requested_transport(RequestedTransport::Udp).finish(None));
    let mut answer = Vec::new();
    Builder::error(
        &Request::parse(&sent).unwrap(),
        ErrorCode::Unauthenticated,
        &mut answer,
    )
    .realm("example.org")
    .nonce(&[b'n'; 40])
    .password_algorithms(&PASSWORD_ALGORITHMS)
    .finish(None)
    .unwrap();
    assert_eq!(answer.len(), HEADER_LEN + 8 + (4 + 12) + (4 + 40) + (4 + 8));
}

#[test]
fn of_an_attribute_that_comes_twice_the_first_counts() {
    let (first, second) = (peer("192.0.2.1:1"), peer("[2001:db8::2]:2"));
    let sent = message(|b| {
        b.lifetime(1)
            .lifetime(2)
            .channel(0x4000)
            .channel(0x4001)
            .username("ada")
            .username("bob")
            .peer(first)
            .peer(second)
            .requested_family(Family::V6)
            .requested_family(Family::V4)
            .connection_id(1)
            .connection_id(2)
            .even_port(EvenPort::EvenAndReserveNext)
            .even_port(EvenPort::Even)
            .finish(None)
    });
    let request = Request::parse(&sent).unwrap();
    assert_eq!(
        (request.lifetime_s, request.channel, request.username),
        (Some(1), Some(0x4000), Some("ada"))
    );
    assert_eq!(
        (request.requested_family, request.connection_id),
        (Some(Ok(Family::V6)), Some(1))
    );
    assert_eq!(request.even_port, Some(EvenPort::EvenAndReserveNext));
    assert_eq!(request.peer, Some(first));
    assert_eq!(request.peers().collect::<Vec<_>>(), [first, second]);
}

#[test]
fn nothing_counts_behind_the_integrity_but_the_stronger_one_and_the_fingerprint() {
    let sealed = message(|b| {
        b.lifetime(600)
            .finish(Some((Mac::Sha1, &key(Algorithm::Md5))))
    });
    let smuggled = [
        &attribute(kind::CHANNEL_NUMBER, &[0x40, 0, 0, 0])[..],
        &attribute(0x0099, b""),
    ]
    .concat();
    let bytes = with_length([sealed.clone(), smuggled.clone()].concat());
    let request = Request::parse(&bytes).unwrap();
    assert_eq!((request.lifetime_s, request.channel), (Some(600), None));
    assert!(request.unknown_required().is_empty());
    assert!(verify(
        request.seal(Mac::Sha1).unwrap(),
        &key(Algorithm::Md5)
    ));

    let mut both = with_length(sealed);
    let mac = crate::integrity::sign(&both, Mac::Sha256, &key(Algorithm::Md5)).unwrap();
    both.extend(attribute(kind::MESSAGE_INTEGRITY_SHA256, &mac));
    let print = crate::library::fingerprint(&both).unwrap();
    both.extend(attribute(kind::FINGERPRINT, &print));
    let bytes = with_length([both, smuggled].concat());
    let request = Request::parse(&bytes).unwrap();
    assert!(verify(
        request.seal(Mac::Sha1).unwrap(),
        &key(Algorithm::Md5)
    ));
    assert!(verify(
        request.seal(Mac::Sha256).unwrap(),
        &key(Algorithm::Md5)
    ));
    assert!(request.has_fingerprint);
    assert_eq!(request.channel, None);
}

#[test]
fn unknown_attributes_that_must_be_understood_are_listed_once_each() {
    let sent = message(|b| {
        b.raw(0x0099, b"x")
            .raw(0x8099, b"optional")
            .raw(0x0099, b"y")
            .raw(0x7fff, b"")
            .dont_fragment()
            .finish(None)
    });
    let request = Request::parse(&sent).unwrap();
    assert_eq!(request.unknown_required(), [0x0099, 0x7fff]);
    assert!(request.dont_fragment);

    let many = message(|b| {
        (0x0100..0x0120)
            .fold(b, |b, kind| b.raw(kind, b""))
            .finish(None)
    });
    let request = Request::parse(&many).unwrap();
    assert_eq!(request.unknown_required().len(), 8);
    let mut answer = Vec::new();
    Builder::error(&request, ErrorCode::UnknownAttribute, &mut answer)
        .unknown_attributes(&[0x0099, 0x7fff, 0x0100])
        .finish(None)
        .unwrap();
    assert_eq!(
        Reply::parse(&answer).unwrap().unknown_attributes,
        Some(&[0, 0x99, 0x7f, 0xff, 1, 0][..])
    );
    assert_eq!(answer[answer.len() - 2..], [0, 0], "padding");
}

#[test]
fn a_known_attribute_of_a_wrong_shape_is_named() {
    for (kind, value) in [
        (kind::LIFETIME, &[0; 3][..]),
        (kind::CHANNEL_NUMBER, &[0; 8]),
        (kind::REQUESTED_TRANSPORT, &[17]),
        (kind::REQUESTED_ADDRESS_FAMILY, &[1]),
        (kind::ADDITIONAL_ADDRESS_FAMILY, &[]),
        (kind::EVEN_PORT, &[0x80, 0, 0, 0]),
        (kind::RESERVATION_TOKEN, &[0; 7]),
        (kind::DONT_FRAGMENT, &[0]),
        (kind::CONNECTION_ID, &[0; 5]),
        (kind::XOR_PEER_ADDRESS, &[0, 3, 0, 0, 0, 0, 0, 0]),
        (kind::XOR_PEER_ADDRESS, &[0, 2, 0, 0, 0, 0, 0, 0]),
        (kind::USERNAME, &[0xff, 0xfe]),
        (kind::USERNAME, &[b'a'; 509]),
        (kind::REALM, &[b'a'; 764]),
        (kind::NONCE, &[b'a'; 764]),
        (kind::USERHASH, &[0; 31]),
        (kind::PASSWORD_ALGORITHM, &[0, 1, 0]),
        (kind::PASSWORD_ALGORITHM, &[0, 9, 0, 8]),
        (kind::PASSWORD_ALGORITHM, &[0, 2, 0, 4, 1, 2, 3, 4]),
    ] {
        let sent = message(|b| {
            b.raw(kind, value)
                .requested_transport(RequestedTransport::Tcp)
                .finish(None)
        });
        let request = Request::parse(&sent).unwrap();
        assert_eq!(request.malformed, Some(kind), "{value:?}");
    }
    for (kind, len) in [
        (kind::MESSAGE_INTEGRITY, 16),
        (kind::MESSAGE_INTEGRITY_SHA256, 16),
    ] {
        let bytes =
            with_length([message(|b| b.finish(None)), attribute(kind, &vec![0; len])].concat());
        let request = Request::parse(&bytes).unwrap();
        assert_eq!(
            (request.malformed, request.has_integrity()),
            (Some(kind), false),
            "truncated"
        );
    }
}

#[test]
fn what_is_well_formed_but_not_offered_is_told_apart() {
    let sent = message(|b| {
        b.raw(kind::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0])
            .raw(kind::PASSWORD_ALGORITHM, &[0, 9, 0, 2, 1, 2, 0, 0])
            .raw(kind::REQUESTED_TRANSPORT, &[132, 0, 0, 0])
            .finish(None)
    });
    let request = Request::parse(&sent).unwrap();
    assert_eq!(request.malformed, None);
    assert_eq!(request.requested_family, Some(Err(UnknownFamily(3))));
    assert_eq!(request.password_algorithm, Some(Err(UnknownAlgorithm(9))));
    assert_eq!(
        request.requested_transport,
        Some(RequestedTransport::Other(132))
    );
}

#[test]
fn bytes_that_are_no_message_say_why() {
    let good = message(|b| b.lifetime(600).with_fingerprint().finish(None));
    let changed = |index: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[index] = byte;
        Request::parse(&bytes).map(drop)
    };
    assert_eq!(
        changed(4, 0),
        Err(ParseError::NotStun),
        "RFC 3489 has no cookie"
    );
    assert_eq!(changed(0, 4), Err(ParseError::NotStun));
    assert_eq!(changed(0, 0x40), Err(ParseError::NotStun));
    assert_eq!(changed(3, good[3] + 4), Err(ParseError::Malformed));
    assert_eq!(changed(3, good[3] + 1), Err(ParseError::Malformed));
    assert_eq!(
        changed(23, 200),
        Err(ParseError::Malformed),
        "an attribute over the end"
    );
    assert_eq!(changed(27, 1), Err(ParseError::FingerprintMismatch));
    assert_eq!(changed(0, 1), Err(ParseError::WrongClass));
    assert_eq!(
        Request::parse(&good[..19]).map(drop),
        Err(ParseError::NotStun)
    );
    assert_eq!(
        Request::parse(&[good.clone(), vec![0]].concat()).map(drop),
        Err(ParseError::Malformed)
    );
    assert_eq!(Reply::parse(&good).map(drop), Err(ParseError::WrongClass));
}

#[test]
fn the_longest_message_of_a_stream_is_refused_and_never_overflows() {
    for body in [MESSAGE_LEN_MAX, 65_528, 65_532] {
        let mut bytes = message(|b| b.finish(None));
        bytes.extend(attribute(0x8099, &vec![0; body - 4 - 24]));
        bytes.extend(attribute(kind::MESSAGE_INTEGRITY, &[0; 20]));
        let bytes = with_length(bytes);
        assert_eq!(bytes.len(), HEADER_LEN + body);
        assert_eq!(Request::parse(&bytes).map(drop), Err(ParseError::TooLong));
    }
}

#[test]
fn what_is_too_long_leaves_the_buffer_as_it_was() {
    let long = "x".repeat(800);
    for build in [
        (|b: Builder<'_>, long| b.realm(long).finish(None))
            as fn(Builder<'_>, &str) -> Result<(), WriteError>,
        |b, long| b.nonce(long.as_bytes()).finish(None),
        |b, long| b.username(long).finish(None),
        |b, long| b.data(long.repeat(100).as_bytes()).finish(None),
        |b, long| b.data(long.repeat(6).as_bytes()).finish(None),
        |b, _| b.raw(kind::FINGERPRINT, &[0; 4]).finish(None),
        |b, long| {
            b.data(long.repeat(81).as_bytes())
                .with_fingerprint()
                .finish(Some((Mac::Sha1, &key(Algorithm::Md5))))
        },
    ] {
        let mut out = vec![1, 2, 3];
        assert_eq!(
            build(
                Builder::new(Class::Request, Method::Allocate, ID, &mut out),
                &long
            ),
            Err(WriteError)
        );
        assert_eq!(out, [1, 2, 3]);
    }
}

#[test]
fn padding_is_zero_whatever_the_buffer_held_before() {
    let mut out = vec![0xee; 500];
    out.clear();
    Builder::new(Class::Success, Method::Allocate, ID, &mut out)
        .realm("a")
        .nonce(b"b")
        .software("ccc")
        .even_port(EvenPort::Even)
        .channel(0x4000)
        .unknown_attributes(&[1])
        .data(b"d")
        .finish(None)
        .unwrap();
    let mut at = HEADER_LEN;
    while at < out.len() {
        let len = usize::from(u16::from_be_bytes([out[at + 2], out[at + 3]]));
        let end = at + 4 + len.next_multiple_of(4);
        assert!(out[at + 4 + len..end].iter().all(|byte| *byte == 0));
        at = end;
    }
    assert_eq!(at, out.len());
    assert!(!out.contains(&0xee));
}

#[test]
fn a_response_carries_all_that_an_allocation_is_about() {
    let sent = message(|b| b.finish(None));
    let mut answer = Vec::new();
    let (mapped, server) = (
        "198.51.100.7:40000".parse().unwrap(),
        "[2001:db8::9]:443".parse().unwrap(),
    );
    let relayed: [SocketAddr; 2] = [
        "192.0.0.8:50000".parse().unwrap(),
        "[100:0:0:1::1]:50000".parse().unwrap(),
    ];
    Builder::success(&Request::parse(&sent).unwrap(), &mut answer)
        .relayed(RelayedAddr(relayed[0]))
        .relayed(RelayedAddr(relayed[1]))
        .mapped(ClientAddr(mapped))
        .lifetime(600)
        .reservation_token([9; 8])
        .connection_id(0xdead_beef)
        .address_error(Family::V6, ErrorCode::InsufficientCapacity)
        .alternate_server(server)
        .finish(None)
        .unwrap();
    let reply = Reply::parse(&answer).unwrap();
    assert_eq!((reply.class, reply.error), (Class::Success, None));
    assert_eq!(
        (reply.relayed, reply.relayed_second),
        (Some(RelayedAddr(relayed[0])), Some(RelayedAddr(relayed[1])))
    );
    assert_eq!(
        (reply.mapped, reply.lifetime_s),
        (Some(ClientAddr(mapped)), Some(600))
    );
    assert_eq!(
        (reply.reservation_token, reply.connection_id),
        (Some([9; 8]), Some(0xdead_beef))
    );
    assert_eq!(reply.address_error, Some((Family::V6, 508)));
    assert_eq!(reply.alternate_server, Some(server));
}

#[test]
fn a_peer_that_connected_is_announced() {
    let mut out = Vec::new();
    connection_attempt(77, peer("192.0.2.3:3480"), ID, &mut out).unwrap();
    let reply = Reply::parse(&out).unwrap();
    assert_eq!(
        (reply.class, reply.method),
        (Class::Indication, Method::ConnectionAttempt)
    );
    assert_eq!(
        (reply.connection_id, reply.peer),
        (Some(77), Some(peer("192.0.2.3:3480")))
    );
}

#[test]
fn no_secret_and_no_address_is_printed() {
    let key = key(Algorithm::Sha256);
    assert_eq!(format!("{key:?}"), "Key { algorithm: Sha256, .. }");
    let addresses = format!(
        "{:?} {:?}",
        peer("192.0.2.1:5"),
        ClientAddr("192.0.2.1:5".parse().unwrap())
    );
    assert_eq!(addresses, "PeerAddr(..) ClientAddr(..)");
}

#[test]
fn methods_and_classes_come_back() {
    for code in 0..0x1000 {
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            let method = Method::of(code);
            assert_eq!(method.code(), code);
            assert_eq!(split_type(join_type(class, method)), (class, method));
        }
    }
}

proptest! {
    #[test]
    fn integrity_is_what_the_library_computes(
        username in "[a-z:]{1,20}", password in "\\PC{0,20}", data in vec(any::<u8>(), 0..200),
    ) {
        let credentials = LongTermKeyCredentials::new(username.clone(), password.clone(), "example.org".to_owned());
        let credentials = MessageIntegrityCredentials::LongTerm(credentials);
        for (algorithm, mac, theirs) in [
            (Algorithm::Md5, Mac::Sha1, IntegrityAlgorithm::Sha1),
            (Algorithm::Sha256, Mac::Sha256, IntegrityAlgorithm::Sha256),
        ] {
            let key = Key::long_term(algorithm, &username, "example.org", &password);
            let sealed = message(|b| b.data(&data).with_fingerprint().finish(Some((mac, &key))));
            let read = Message::from_bytes(&sealed).unwrap();
            prop_assert_eq!(read.validate_integrity(&credentials).ok(), Some(theirs));

            let kind = MessageType::from_bytes(&sealed).unwrap();
            let mut built = Message::builder(kind, read.transaction_id(), MessageWriteVec::new());
            built.add_attribute(&turn_types::attribute::Data::new(&data)).unwrap();
            built.add_message_integrity(&credentials, theirs).unwrap();
            built.add_fingerprint().unwrap();
            prop_assert_eq!(built.finish(), sealed);
        }
        prop_assert_eq!(
            userhash(&username, "example.org"),
            stun_types::attribute::Userhash::compute(&username, "example.org")
        );
    }

    #[test]
    fn requests_come_back(
        username in "\\PC{0,100}", nonce in vec(any::<u8>(), 0..200), lifetime in any::<u32>(),
        channel in any::<u16>(), peers in vec(any::<SocketAddr>(), 1..8), token in any::<[u8; 8]>(),
        transport in any::<u8>(), flags in any::<[bool; 4]>(), id in any::<[u8; 12]>(),
    ) {
        let peers: Vec<PeerAddr> = peers.into_iter().map(|peer| PeerAddr(SocketAddr::new(peer.ip(), peer.port()))).collect();
        let family = if flags[0] { Family::V4 } else { Family::V6 };
        let even_port = if flags[1] { EvenPort::Even } else { EvenPort::EvenAndReserveNext };
        let transport = match transport {
            17 => RequestedTransport::Udp,
            6 => RequestedTransport::Tcp,
            other => RequestedTransport::Other(other),
        };
        let mut out = Vec::new();
        let mut builder = Builder::new(Class::Request, Method::CreatePermission, id, &mut out)
            .username(&username).nonce(&nonce).lifetime(lifetime).channel(channel).reservation_token(token)
            .requested_transport(transport).requested_family(family).additional_family(Family::V6).even_port(even_port)
            .userhash(userhash(&username, "r")).password_algorithm(Algorithm::Sha256)
            .password_algorithms(&PASSWORD_ALGORITHMS);
        for peer in &peers {
            builder = builder.peer(*peer);
        }
        if flags[2] {
            builder = builder.dont_fragment();
        }
        if flags[3] {
            builder = builder.with_fingerprint();
        }
        builder.finish(None).unwrap();
        let read = Request::parse(&out).unwrap();
        prop_assert_eq!((read.class, read.method, read.transaction), (Class::Request, Method::CreatePermission, id));
        prop_assert_eq!((read.username, read.nonce), (Some(&username[..]), Some(&nonce[..])));
        prop_assert_eq!((read.lifetime_s, read.channel, read.reservation_token), (Some(lifetime), Some(channel), Some(token)));
        prop_assert_eq!((read.requested_transport, read.requested_family), (Some(transport), Some(Ok(family))));
        prop_assert_eq!((read.additional_family, read.even_port), (Some(Ok(Family::V6)), Some(even_port)));
        prop_assert_eq!(read.userhash, Some(userhash(&username, "r")));
        prop_assert_eq!(read.password_algorithm, Some(Ok(Algorithm::Sha256)));
        prop_assert_eq!(read.password_algorithms, Some(&PASSWORD_ALGORITHMS[..]));
        prop_assert_eq!(read.peers().collect::<Vec<_>>(), peers);
        prop_assert_eq!((read.dont_fragment, read.has_fingerprint), (flags[2], flags[3]));
        prop_assert_eq!((read.malformed, read.unknown_required()), (None, &[][..]));
    }

    #[test]
    fn any_attributes_behind_a_good_header_are_taken(
        kind in prop_oneof![Just([0_u8, 1]), Just([0, 3]), Just([1, 3]), Just([0, 0x17]), Just([1, 0x13])],
        body in vec(any_attribute(), 0..8),
    ) {
        let mut bytes = [&kind[..], &[0, 0], &MAGIC_COOKIE, &ID].concat();
        bytes.extend(body.concat());
        let bytes = with_length(bytes);
        read_all(&bytes);
    }

    #[test]
    fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }
}

const ALL_KEYS: [(Algorithm, Mac); 4] = [
    (Algorithm::Md5, Mac::Sha1),
    (Algorithm::Md5, Mac::Sha256),
    (Algorithm::Sha256, Mac::Sha1),
    (Algorithm::Sha256, Mac::Sha256),
];

fn key(algorithm: Algorithm) -> Key {
    Key::long_term(algorithm, "ada", "example.org", "secret")
}

fn peer(address: &str) -> PeerAddr {
    PeerAddr(address.parse().unwrap())
}

/// An Allocate request.
fn message(build: impl FnOnce(Builder<'_>) -> Result<(), WriteError>) -> Vec<u8> {
    let mut out = Vec::new();
    build(Builder::new(Class::Request, Method::Allocate, ID, &mut out)).unwrap();
    out
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    [
        &kind.to_be_bytes(),
        &(value.len() as u16).to_be_bytes(),
        value,
        fast::padding(value.len()),
    ]
    .concat()
}

fn with_length(mut message: Vec<u8>) -> Vec<u8> {
    let body = (message.len() - HEADER_LEN) as u16;
    message[2..4].copy_from_slice(&body.to_be_bytes());
    message
}

fn read_all(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        let _ = (request.peers().count(), request.unknown_required().len());
        let seals = [request.seal(Mac::Sha1), request.seal(Mac::Sha256)];
        assert!(
            seals
                .into_iter()
                .flatten()
                .all(|seal| !verify(seal, &key(Algorithm::Md5)))
        );
    }
    let _ = Reply::parse(bytes);
}

fn any_attribute() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![0_u16..0x30, 0x8000_u16..0x8030];
    (kind, vec(any::<u8>(), 0..40), 0_u8..20).prop_map(|(kind, value, oddity)| {
        let mut bytes = attribute(kind, &value);
        if oddity == 0 {
            bytes[3] = bytes[3].wrapping_add(5);
        }
        bytes
    })
}
