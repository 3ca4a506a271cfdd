use super::*;
use crate::error::ErrorCode;
use crate::integrity::{self, Algorithm, Key, Mac};

#[test]
fn an_authenticated_request_gets_a_response_that_its_client_believes() {
    let key = Key::long_term(Algorithm::Md5, "ada", "example.org", "secret");
    let mut sent = Vec::new();
    Builder::new(Class::Request, Method::Allocate, [7; 12], &mut sent)
        .requested_transport(RequestedTransport::Udp)
        .username("ada")
        .realm("example.org")
        .nonce(b"fresh")
        .with_fingerprint()
        .finish(Some((Mac::Sha1, &key)))
        .unwrap();
    let request = Request::parse(&sent).unwrap();
    assert_eq!(request.username, Some("ada"));
    assert_eq!(request.requested_transport, Some(RequestedTransport::Udp));
    assert!(integrity::verify(request.seal(Mac::Sha1).unwrap(), &key));

    let mut answered = Vec::new();
    Builder::error(&request, ErrorCode::StaleNonce, &mut answered)
        .nonce(b"fresher")
        .finish(Some((Mac::Sha1, &key)))
        .unwrap();
    let reply = Reply::parse(&answered).unwrap();
    assert_eq!(reply.error, Some(438));
    assert_eq!(reply.nonce, Some(&b"fresher"[..]));
    assert!(reply.has_fingerprint);
    assert!(integrity::verify(reply.seal(Mac::Sha1).unwrap(), &key));
}
