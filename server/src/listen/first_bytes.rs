//! Which protocol a connection speaks, told from its first bytes.
//!
//! One TCP port serves pages, signalling and the relay. ALPN and SNI do not
//! tell them apart: Chromium sends no ALPN for `turns:`, Firefox no SNI.

/// RFC 8489, section 5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Binding, Allocate, ConnectionBind: with one of these every conversation
/// begins (RFC 8656, section 3.1; RFC 6062, section 4.5).
const FIRST_REQUESTS: [u8; 3] = [0x01, 0x03, 0x0b];
/// As many bytes as a verdict can need: message type, length and cookie.
pub(crate) const LONGEST: usize = 8;

/// What the first bytes are the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A TLS handshake record (RFC 8446, section 5.1).
    Tls,
    /// An HTTP request, or something that the HTTP parser will refuse.
    Http,
    /// A STUN or TURN request (RFC 8656).
    Turn,
    /// Nothing that is served here.
    Unknown,
}

/// Tells the protocol; `None` asks for more bytes, at most [`LONGEST`].
pub(crate) fn classify(bytes: &[u8]) -> Option<Protocol> {
    let Some((0x00, rest)) = bytes.split_first() else {
        return bytes.first().map(|first| match first {
            0x16 => Protocol::Tls,
            _ => Protocol::Http,
        });
    };
    let is_turn = match rest {
        [] => return None,
        [method, rest @ ..] if FIRST_REQUESTS.contains(method) => match rest {
            // The length of a message counts whole words (RFC 8489, section 5).
            [_, low, ..] if low % 4 != 0 => false,
            [_, _, cookie @ ..] if cookie.len() >= MAGIC_COOKIE.len() => {
                cookie.starts_with(&MAGIC_COOKIE)
            }
            [_, _, cookie @ ..] if !MAGIC_COOKIE.starts_with(cookie) => false,
            _ => return None,
        },
        _ => false,
    };
    Some(if is_turn {
        Protocol::Turn
    } else {
        Protocol::Unknown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_is_told_from_as_few_bytes_as_possible() {
        let allocate = [0x00, 0x03, 0x00, 0x24, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3];
        let cases: [(&[u8], Option<Protocol>); 15] = [
            (b"", None),
            (&[0x16], Some(Protocol::Tls)),
            (b"G", Some(Protocol::Http)),
            // ChannelData never comes first, and its first byte is a letter.
            (b"@", Some(Protocol::Http)),
            (&[0x00], None),
            (&[0x00, 0x16], Some(Protocol::Unknown)),
            (&[0x00, 0x04], Some(Protocol::Unknown)),
            (&allocate[..7], None),
            (&allocate[..8], Some(Protocol::Turn)),
            (&allocate, Some(Protocol::Turn)),
            (
                &[0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42],
                Some(Protocol::Turn),
            ),
            (
                &[0x00, 0x0b, 0, 8, 0x21, 0x12, 0xa4, 0x42],
                Some(Protocol::Turn),
            ),
            (&[0x00, 0x03, 0, 1], Some(Protocol::Unknown)),
            (&[0x00, 0x03, 0, 0, 0x21, 0x13], Some(Protocol::Unknown)),
            (
                &[0x00, 0x03, 0, 0, 0x21, 0x12, 0xa4, 0x43],
                Some(Protocol::Unknown),
            ),
        ];
        for (bytes, verdict) in cases {
            assert_eq!(classify(bytes), verdict, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_verdict_comes_within_eight_bytes_and_more_bytes_do_not_change_it() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [first, second, 0, 0, 0x21, 0x12, 0xa4, 0x42, 9, 9];
                let last = classify(&bytes);
                assert!(classify(&bytes[..LONGEST]).is_some());
                for len in 0..=bytes.len() {
                    let verdict = classify(&bytes[..len]);
                    assert!(verdict.is_none() || verdict == last, "{bytes:02x?} {len}");
                }
            }
        }
    }
}
