//! What the demultiplexer must see of a STUN message before anybody has
//! checked its integrity (RFC 8489, RFC 8445): nothing here authenticates.

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const USE_CANDIDATE: u16 = 0x0025;
/// RFC 8489, section 14.3: fewer than 509 bytes.
const USERNAME_MAX: usize = 508;

/// Returns whether the datagram is a STUN binding request by its header.
pub fn is_binding_request(datagram: &[u8]) -> bool {
    has_header(datagram, BINDING_REQUEST)
}

/// Returns whether the datagram is a binding success response by its header.
pub fn is_success_response(datagram: &[u8]) -> bool {
    has_header(datagram, BINDING_SUCCESS)
}

/// Returns the fragment of the receiver in the USERNAME of a binding request:
/// what stands before its first colon (RFC 8445, section 7.2.2).
///
/// `None` for anything but a well-formed binding request with a user name, and
/// for an empty fragment.
pub fn local_ufrag(datagram: &[u8]) -> Option<&[u8]> {
    if !is_binding_request(datagram) {
        return None;
    }
    let username = attribute(datagram, USERNAME)?;
    if username.len() > USERNAME_MAX {
        return None;
    }
    let colon = username.iter().position(|&byte| byte == b':')?;
    let ufrag = username.get(..colon)?;
    (!ufrag.is_empty()).then_some(ufrag)
}

/// Returns whether a binding request nominates its pair (RFC 8445, section 8.1.1).
pub fn has_use_candidate(datagram: &[u8]) -> bool {
    is_binding_request(datagram) && attribute(datagram, USE_CANDIDATE).is_some()
}

/// A header of this type whose length is that of the datagram.
fn has_header(datagram: &[u8], message_type: [u8; 2]) -> bool {
    let Some(header) = datagram.first_chunk::<HEADER>() else {
        return false;
    };
    let body = usize::from(u16::from_be_bytes([header[2], header[3]]));
    header[..2] == message_type
        && header[4..8] == MAGIC_COOKIE
        && body % 4 == 0
        && datagram.len() == HEADER + body
}

/// The value of the first attribute of this type. Attributes behind
/// MESSAGE-INTEGRITY are not covered by it and do not count (RFC 8489, section 14.5).
fn attribute(datagram: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = datagram.get(HEADER..)?;
    loop {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = behind.get(..len)?;
        if kind == wanted {
            return Some(value);
        }
        if kind == MESSAGE_INTEGRITY {
            return None;
        }
        rest = behind.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_part_before_the_colon_is_ours() {
        let request = request(&[
            (0x8022, b"agent"),
            (USERNAME, b"ours:theirs"),
            (MESSAGE_INTEGRITY, &[7; 20]),
        ]);
        assert!(is_binding_request(&request));
        assert!(!is_success_response(&request));
        assert_eq!(local_ufrag(&request), Some(&b"ours"[..]));
        assert!(!has_use_candidate(&request));
    }

    #[test]
    fn a_nomination_is_seen_only_under_the_integrity() {
        let nominating = request(&[
            (USERNAME, b"a:b"),
            (USE_CANDIDATE, b""),
            (MESSAGE_INTEGRITY, &[0; 20]),
        ]);
        assert!(has_use_candidate(&nominating));
        let behind = request(&[
            (USERNAME, b"a:b"),
            (MESSAGE_INTEGRITY, &[0; 20]),
            (USE_CANDIDATE, b""),
        ]);
        assert!(!has_use_candidate(&behind));
    }

    #[test]
    fn odd_messages_have_no_ufrag() {
        assert_eq!(local_ufrag(&request(&[])), None);
        assert_eq!(local_ufrag(&request(&[(USERNAME, b"no-colon")])), None);
        assert_eq!(local_ufrag(&request(&[(USERNAME, b":theirs")])), None);
        assert_eq!(local_ufrag(&request(&[(USERNAME, &[b'a'; 600])])), None);
        let mut response = request(&[(USERNAME, b"a:b")]);
        response[..2].copy_from_slice(&BINDING_SUCCESS);
        assert!(is_success_response(&response));
        assert_eq!(local_ufrag(&response), None);
        let mut no_cookie = request(&[(USERNAME, b"a:b")]);
        no_cookie[4] = 0;
        assert_eq!(local_ufrag(&no_cookie), None);
        let mut trailing = request(&[(USERNAME, b"a:b")]);
        trailing.push(0);
        assert_eq!(local_ufrag(&trailing), None);
    }

    #[test]
    fn an_attribute_that_reaches_over_the_end_hides_what_follows() {
        let mut request = request(&[(USERNAME, b"a:b")]);
        request[HEADER + 3] = 200;
        assert_eq!(local_ufrag(&request), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = (local_ufrag(&bytes), has_use_candidate(&bytes));
        }

        #[test]
        fn any_body_behind_a_good_header_is_taken(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut datagram = request(&[]);
            datagram.extend_from_slice(&body[..body.len() / 4 * 4]);
            let len = (datagram.len() - HEADER) as u16;
            datagram[2..4].copy_from_slice(&len.to_be_bytes());
            let _ = (local_ufrag(&datagram), has_use_candidate(&datagram));
        }

        #[test]
        fn a_ufrag_is_found_wherever_it_stands(
            ufrag in "[A-Za-z0-9+/]{1,32}",
            before in proptest::collection::vec((0x8000u16.., proptest::collection::vec(any::<u8>(), 0..16)), 0..4),
        ) {
            let username = format!("{ufrag}:peer");
            let mut attributes: Vec<(u16, &[u8])> = before.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
            attributes.push((USERNAME, username.as_bytes()));
            let datagram = request(&attributes);
            prop_assert_eq!(local_ufrag(&datagram), Some(ufrag.as_bytes()));
        }
    }

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut datagram = BINDING_REQUEST.to_vec();
        datagram.extend_from_slice(&(body.len() as u16).to_be_bytes());
        datagram.extend_from_slice(&MAGIC_COOKIE);
        datagram.extend_from_slice(&[9; 12]);
        datagram.extend_from_slice(&body);
        datagram
    }
}
