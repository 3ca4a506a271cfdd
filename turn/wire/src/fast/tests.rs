use proptest::collection::vec;
use proptest::prelude::*;
use stun_types::attribute::AttributeStaticType;
use stun_types::message::{
    Message, MessageClass, MessageType, MessageWriteVec, TransactionId as LibraryId,
};
use stun_types::prelude::{Attribute, AttributeFromRaw, MessageWrite, MessageWriteExt};
use turn_types::attribute::{Data, DontFragment, XorPeerAddress};
use turn_types::channel::ChannelData;

use super::*;
use crate::message::{Builder, Reply, Request};

#[test]
fn the_first_bytes_tell_what_it_is() {
    let mut stun = [0; 20];
    stun[4..8].copy_from_slice(&MAGIC_COOKIE);
    assert_eq!(Kind::of(&stun), Some(Kind::Stun));
    assert_eq!(Kind::of(&[0x40, 0, 0, 0]), Some(Kind::ChannelData));
    assert_eq!(Kind::of(&[0x7f, 0xff, 0, 0]), Some(Kind::ChannelData));
    assert_eq!(Kind::of(&[0x80, 0, 0, 0]), None, "RTP");
    assert_eq!(Kind::of(&[0x16, 0xfe, 0xfd, 0]), None, "DTLS");
    assert_eq!(Kind::of(&[0; 20]), None, "RFC 3489 has no cookie");
    assert_eq!(Kind::of(&stun[..7]), None);
    assert_eq!(Kind::of(&[]), None);
}

#[test]
fn bytes_behind_the_payload_are_padding() {
    assert_eq!(
        channel_data(&[0x40, 1, 0, 2, 9, 8]),
        Some((0x4001, &[9, 8][..]))
    );
    assert_eq!(
        channel_data(&[0x40, 1, 0, 2, 9, 8, 7, 6]),
        Some((0x4001, &[9, 8][..]))
    );
    assert_eq!(channel_data(&[0x40, 1, 0, 0]), Some((0x4001, &[][..])));
    assert_eq!(channel_data(&[0x40, 1, 0, 3, 9, 8]), None, "cut short");
    assert_eq!(channel_data(&[0x3f, 0xff, 0, 0]), None);
    assert_eq!(channel_data(&[0x80, 0, 0, 0]), None);
}

#[test]
fn padding_fills_up_to_four() {
    for (len, zeros) in [(0, 0), (1, 3), (2, 2), (3, 1), (4, 0), (65_535, 1)] {
        assert_eq!(padding(len), vec![0; zeros]);
    }
}

#[test]
fn a_send_indication_counts_what_comes_first_and_needs_both_parts() {
    let id = [3; 12];
    let (ada, bob) = (peer("192.0.2.1:1000"), peer("[2001:db8::1]:2000"));
    let indication = |build: &dyn Fn(Builder<'_>) -> Result<(), crate::message::WriteError>| {
        let mut out = Vec::new();
        build(Builder::new(Class::Indication, Method::Send, id, &mut out)).unwrap();
        out
    };
    let twice = indication(&|b| {
        b.data(b"one")
            .dont_fragment()
            .peer(ada)
            .peer(bob)
            .data(b"two")
            .finish(None)
    });
    assert_eq!(
        send_indication(&twice),
        Some(SendIndication {
            peer: ada,
            data: b"one",
            dont_fragment: true
        })
    );
    assert_eq!(
        send_indication(&indication(&|b| b.peer(ada).finish(None))),
        None
    );
    assert_eq!(
        send_indication(&indication(&|b| b.data(b"x").finish(None))),
        None
    );
    let optional = indication(&|b| b.raw(0x8099, b"?").peer(bob).data(b"").finish(None));
    assert_eq!(
        send_indication(&optional),
        Some(SendIndication {
            peer: bob,
            data: b"",
            dont_fragment: false
        })
    );
    let required = indication(&|b| b.raw(0x0099, b"?").peer(bob).data(b"").finish(None));
    assert_eq!(send_indication(&required), None);
    let wrong_print = {
        let mut bytes = indication(&|b| b.peer(ada).data(b"x").with_fingerprint().finish(None));
        assert!(send_indication(&bytes).is_some());
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    assert_eq!(send_indication(&wrong_print), None);
    let mut request = Vec::new();
    Builder::new(Class::Request, Method::Send, id, &mut request)
        .peer(ada)
        .data(b"x")
        .finish(None)
        .unwrap();
    assert_eq!(send_indication(&request), None);
}

#[test]
fn data_that_no_message_can_hold_get_no_header() {
    let (v4, v6) = (peer("192.0.2.1:1"), peer("[2001:db8::1]:1"));
    assert!(data_indication_header(v4, 65_516, [0; 12]).is_some());
    assert!(data_indication_header(v4, 65_517, [0; 12]).is_none());
    assert!(data_indication_header(v6, 65_504, [0; 12]).is_some());
    assert!(data_indication_header(v6, 65_505, [0; 12]).is_none());
    assert!(data_indication_header(v4, usize::from(u16::MAX) + 1, [0; 12]).is_none());
    let mut out = vec![1];
    assert!(!data_indication(v4, &vec![0; 70_000], [0; 12], &mut out));
    assert_eq!(out, [1]);
}

#[test]
fn what_the_network_said_reaches_the_client() {
    for address in ["192.0.2.1:1000", "[2001:db8::1]:2000"] {
        let too_big = Icmp {
            kind: 3,
            code: 4,
            data: 1200,
        };
        let mut out = Vec::new();
        icmp_indication(peer(address), too_big, [5; 12], &mut out);
        let reply = Reply::parse(&out).unwrap();
        assert_eq!(
            (reply.class, reply.method),
            (Class::Indication, Method::Data)
        );
        assert_eq!(
            (reply.peer, reply.icmp, reply.data),
            (Some(peer(address)), Some(too_big), None)
        );
        // Two reserved bytes, seven bits of type, nine of code (RFC 8656, section 18.13).
        assert_eq!(out[out.len() - 8..], [0, 0, 0x06, 0x04, 0, 0, 0x04, 0xb0]);
    }
}

proptest! {
    #[test]
    fn send_indications_are_read_as_the_library_reads_them(message in send_message()) {
        prop_assert_eq!(ours(&message), the_librarys(&message));
    }

    #[test]
    fn mutated_send_indications_are_read_as_the_library_reads_them(
        message in send_message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in 0_usize..8,
    ) {
        let mut message = message;
        for (index, byte) in changes {
            *index.get_mut(&mut message) = byte;
        }
        message.truncate(message.len() - cut);
        prop_assert_eq!(ours(&message), the_librarys(&message));
    }

    #[test]
    fn attributes_in_any_order_are_read_as_the_library_reads_them(message in odd_message()) {
        prop_assert_eq!(ours(&message), the_librarys(&message));
    }

    #[test]
    fn channel_data_are_read_as_the_library_reads_them(bytes in vec(any::<u8>(), 0..40), head in 0x3e_u8..0x82, len in 0_u8..40) {
        let mut bytes = bytes;
        if bytes.len() >= 4 {
            bytes[0] = head;
            bytes[2] = 0;
            bytes[3] = len;
        }
        let theirs = ChannelData::parse(&bytes).ok();
        // The library takes more numbers than any RFC ever gave to channels.
        let theirs = theirs.as_ref().map(|data| (data.id(), data.data())).filter(|(id, _)| LEGACY_CHANNELS.contains(id));
        prop_assert_eq!(channel_data(&bytes), theirs);
    }

    #[test]
    fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..200)) {
        let _ = (Kind::of(&bytes), channel_data(&bytes), send_indication(&bytes));
    }

    #[test]
    fn channel_data_come_back(channel in LEGACY_CHANNELS, payload in vec(any::<u8>(), 0..300)) {
        let mut bytes = channel_header(channel, payload.len() as u16).to_vec();
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(padding(payload.len()));
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(channel_data(&bytes), Some((channel, &payload[..])));
    }

    #[test]
    fn data_indications_are_what_the_library_would_write(
        address in any::<SocketAddr>(), data in vec(any::<u8>(), 0..300), id in any::<[u8; 12]>(),
    ) {
        let address = plain(address);
        let mut out = Vec::new();
        prop_assert!(data_indication(PeerAddr(address), &data, id, &mut out));
        let kind = MessageType::from_class_method(MessageClass::Indication, turn_types::message::DATA);
        let mut theirs = Message::builder(kind, library_id(&id), MessageWriteVec::new());
        theirs.add_attribute(&XorPeerAddress::new(address, library_id(&id))).unwrap();
        theirs.add_attribute(&Data::new(&data)).unwrap();
        prop_assert_eq!(&out, &theirs.finish());

        let mut built = Vec::new();
        Builder::new(Class::Indication, Method::Send, id, &mut built).peer(PeerAddr(address)).data(&data).finish(None).unwrap();
        let read = send_indication(&built).unwrap();
        prop_assert_eq!((read.peer.0, read.data), (address, &data[..]));
        let request = Request::parse(&built).unwrap();
        prop_assert_eq!((request.peer, request.data), (Some(read.peer), Some(read.data)));
    }
}

/// Generated addresses may have a scope and a flow, which no attribute carries.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn peer(address: &str) -> PeerAddr {
    PeerAddr(address.parse().unwrap())
}

type Read = Option<(SocketAddr, Vec<u8>, bool)>;

fn ours(bytes: &[u8]) -> Read {
    send_indication(bytes).map(|send| (send.peer.0, send.data.to_vec(), send.dont_fragment))
}

/// Our own conditions on the whole, the library's reading of the parts.
fn the_librarys(bytes: &[u8]) -> Read {
    let body = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    if bytes[0] > 3 || body % 4 != 0 || bytes.len() != 20 + body {
        return None;
    }
    let message = Message::from_bytes(bytes).ok()?;
    if !message.has_class(MessageClass::Indication)
        || !message.has_method(turn_types::message::SEND)
    {
        return None;
    }
    let (mut peer, mut data, mut dont_fragment) = (None, None, false);
    for (_, attribute) in message.iter_attributes() {
        let kind = attribute.get_type();
        if kind == XorPeerAddress::TYPE {
            if peer.is_none() {
                peer = Some(
                    XorPeerAddress::from_raw_ref(&attribute)
                        .ok()?
                        .addr(message.transaction_id()),
                );
            }
        } else if kind == Data::TYPE {
            data.get_or_insert_with(|| attribute.value.to_vec());
        } else if kind == DontFragment::TYPE {
            dont_fragment = true;
        } else if kind.comprehension_required() && !kind::is_known(kind.value()) {
            return None;
        }
    }
    Some((peer?, data?, dont_fragment))
}

fn library_id(id: &TransactionId) -> LibraryId {
    let mut bytes = [0; 16];
    bytes[4..].copy_from_slice(id);
    u128::from_be_bytes(bytes).into()
}

/// A Send indication written by the library.
fn send_message() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<SocketAddr>(),
        vec(any::<u8>(), 0..60),
        any::<[u8; 12]>(),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(
            |(address, data, id, (data_first, dont_fragment, fingerprint))| {
                let kind = MessageType::from_class_method(
                    MessageClass::Indication,
                    turn_types::message::SEND,
                );
                let mut message = Message::builder(kind, library_id(&id), MessageWriteVec::new());
                let address = XorPeerAddress::new(plain(address), library_id(&id));
                let data = Data::new(&data);
                if data_first {
                    message.add_attribute(&data).unwrap();
                }
                message.add_attribute(&address).unwrap();
                if !data_first {
                    message.add_attribute(&data).unwrap();
                }
                if dont_fragment {
                    message.add_attribute(&DontFragment::new()).unwrap();
                }
                if fingerprint {
                    message.add_fingerprint().unwrap();
                }
                message.finish()
            },
        )
}

/// A Send indication of attributes in any order, those that end a message among them.
fn odd_message() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        kind::XOR_PEER_ADDRESS,
        kind::DATA,
        kind::DONT_FRAGMENT,
        kind::MESSAGE_INTEGRITY,
        kind::MESSAGE_INTEGRITY_SHA256,
        kind::FINGERPRINT,
        kind::USERNAME,
        0x0099,
        0x8099,
    ]);
    let address = prop_oneof![
        Just(vec![0, 1, 1, 1, 2, 2, 2, 2]),
        Just(vec![0; 20]),
        Just([vec![0, 2], vec![7; 18]].concat())
    ];
    let attribute = (kinds, vec(any::<u8>(), 0..8), address, 0_u8..20);
    (vec(attribute, 0..7), any::<[u8; 12]>()).prop_map(|(attributes, id)| {
        let mut message = vec![0x00, 0x16, 0, 0];
        message.extend_from_slice(&MAGIC_COOKIE);
        message.extend_from_slice(&id);
        for (kind, text, address, oddity) in attributes {
            let value = match kind {
                kind::XOR_PEER_ADDRESS => address,
                kind::MESSAGE_INTEGRITY => vec![1; 20],
                kind::MESSAGE_INTEGRITY_SHA256 => vec![1; 32],
                kind::FINGERPRINT if oddity > 2 => {
                    crate::library::fingerprint(&message).unwrap().to_vec()
                }
                kind::FINGERPRINT => vec![0; 4],
                _ => text,
            };
            message.extend_from_slice(&kind.to_be_bytes());
            let len = if oddity == 0 {
                9999
            } else {
                value.len() as u16
            };
            message.extend_from_slice(&len.to_be_bytes());
            message.extend_from_slice(&value);
            message.extend_from_slice(padding(value.len()));
        }
        let body = (message.len() - 20) as u16;
        message[2..4].copy_from_slice(&body.to_be_bytes());
        message
    })
}
