#![no_main]

use std::net::SocketAddr;

use conclave_turn_wire::fast::{self, Kind, LEGACY_CHANNELS, SendIndication};
use conclave_turn_wire::message::{Header, MESSAGE_LEN_MAX, Reply, Request};
use libfuzzer_sys::fuzz_target;
use stun_types::attribute::AttributeStaticType;
use stun_types::message::{Message, MessageClass};
use stun_types::prelude::{Attribute, AttributeFromRaw};
use turn_types::attribute::{Data, DontFragment, XorPeerAddress};
use turn_types::channel::ChannelData;

fuzz_target!(|datagram: &[u8]| {
    let kind = Kind::of(datagram);
    let channel = fast::channel_data(datagram);
    let theirs = ChannelData::parse(datagram).ok();
    let theirs = theirs
        .as_ref()
        .map(|data| (data.id(), data.data()))
        .filter(|(id, _)| LEGACY_CHANNELS.contains(id));
    assert_eq!(channel, theirs);
    assert!(channel.is_none() || kind == Some(Kind::ChannelData));

    let send = fast::send_indication(datagram);
    assert!(send.is_none() || kind == Some(Kind::Stun));
    if Header::parse(datagram).is_ok() && datagram.len() <= MESSAGE_LEN_MAX {
        let unknown =
            Request::parse(datagram).is_ok_and(|request| !request.unknown_required().is_empty());
        let ours = send.map(|send| (send.peer.0, send.data.to_vec(), send.dont_fragment));
        assert_eq!(ours, the_librarys(datagram).filter(|_| !unknown));
    }
    if let Some(send) = send {
        send_back(&send, datagram);
    }
});

/// What the library reads, whether there are unknown attributes or not.
fn the_librarys(datagram: &[u8]) -> Option<(SocketAddr, Vec<u8>, bool)> {
    let message = Message::from_bytes(datagram).ok()?;
    if !message.has_class(MessageClass::Indication)
        || !message.has_method(turn_types::message::SEND)
    {
        return None;
    }
    let (mut peer, mut data, mut dont_fragment) = (None, None, false);
    for (_, attribute) in message.iter_attributes() {
        let kind = attribute.get_type();
        if kind == XorPeerAddress::TYPE && peer.is_none() {
            let address = XorPeerAddress::from_raw_ref(&attribute).ok()?;
            peer = Some(address.addr(message.transaction_id()));
        } else if kind == Data::TYPE {
            data.get_or_insert_with(|| attribute.value.to_vec());
        }
        dont_fragment |= kind == DontFragment::TYPE;
    }
    Some((peer?, data?, dont_fragment))
}

/// The same data as from the peer.
fn send_back(send: &SendIndication<'_>, datagram: &[u8]) {
    let transaction = Header::parse(datagram).expect("has a header").transaction;
    let mut out = Vec::new();
    if !fast::data_indication(send.peer, send.data, transaction, &mut out) {
        return;
    }
    assert_eq!(out.len() % 4, 0);
    if out.len() <= MESSAGE_LEN_MAX {
        let reply = Reply::parse(&out).expect("what we write we can read");
        assert_eq!((reply.peer, reply.data), (Some(send.peer), Some(send.data)));
    }
}
