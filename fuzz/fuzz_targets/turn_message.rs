#![no_main]

use conclave_turn_wire::integrity::{Algorithm, Key, Mac, verify};
use conclave_turn_wire::message::{
    Builder, Class, Header, MESSAGE_LEN_MAX, ParseError, Reply, Request,
};
use libfuzzer_sys::fuzz_target;
use stun_types::message::Message;
use stun_types::prelude::AttributeFromRaw;
use turn_types::attribute::XorPeerAddress;

fuzz_target!(|datagram: &[u8]| {
    let header = Header::parse(datagram);
    let request = Request::parse(datagram);
    let reply = Reply::parse(datagram);
    // Only indications go both ways.
    let is_indication = header.is_ok_and(|header| header.class == Class::Indication);
    assert!(is_indication || request.is_err() || reply.is_err());
    if header.is_err() || datagram.len() > MESSAGE_LEN_MAX {
        return assert!(request.is_err() && reply.is_err());
    }
    let theirs = Message::from_bytes(datagram);
    let wrong_class = |error: &ParseError| *error == ParseError::WrongClass;
    let ours_is_read = match (&request, &reply) {
        (Err(error), reply) if wrong_class(error) => reply.is_ok(),
        (request, _) => request.is_ok(),
    };
    assert_eq!(ours_is_read, theirs.is_ok());
    if let (Ok(request), Ok(theirs)) = (&request, &theirs) {
        compare(request, theirs);
    }
    let key = Key::long_term(Algorithm::Md5, "ada", "example.org", "secret");
    for mac in [Mac::Sha1, Mac::Sha256] {
        let seals = [
            request.as_ref().ok().and_then(|request| request.seal(mac)),
            reply.as_ref().ok().and_then(|reply| reply.seal(mac)),
        ];
        assert!(
            seals.into_iter().flatten().all(|seal| !verify(seal, &key)),
            "a forged integrity"
        );
    }
    if let Ok(request) = &request {
        answer(request, &key);
    }
});

fn compare(request: &Request<'_>, theirs: &Message<'_>) {
    let id: u128 = theirs.transaction_id().into();
    assert_eq!(request.transaction[..], id.to_be_bytes()[4..]);
    assert_eq!(request.method.code(), theirs.method().value());
    let addresses = theirs
        .iter_attributes()
        .filter_map(|(_, attribute)| XorPeerAddress::from_raw_ref(&attribute).ok())
        .map(|attribute| attribute.addr(theirs.transaction_id()));
    assert!(request.peers().map(|peer| peer.0).eq(addresses));
}

/// Whatever was asked, an answer that repeats it can be written and read.
fn answer(request: &Request<'_>, key: &Key) {
    let mut out = Vec::new();
    let mut builder = Builder::success(request, &mut out)
        .unknown_attributes(request.unknown_required())
        .nonce(request.nonce.unwrap_or_default())
        .lifetime(request.lifetime_s.unwrap_or_default());
    for peer in request.peers().take(8) {
        builder = builder.peer(peer);
    }
    builder
        .finish(Some((Mac::Sha256, key)))
        .expect("short enough");
    let reply = Reply::parse(&out).expect("what we write we can read");
    assert_eq!(reply.transaction, request.transaction);
    assert_eq!(reply.nonce, Some(request.nonce.unwrap_or_default()));
    assert_eq!(reply.peer, request.peers().next());
    assert_eq!(reply.has_fingerprint, request.has_fingerprint);
    assert!(verify(reply.seal(Mac::Sha256).expect("sealed"), key));
}
