//! Walks over the attributes of a message, and knows which of them count.

use super::{HEADER_LEN, ParseError};
use crate::library;

/// Numbers of attributes. Those below 0x8000 must be understood.
pub(crate) mod kind {
    pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
    pub(crate) const LIFETIME: u16 = 0x000d;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub(crate) const EVEN_PORT: u16 = 0x0018;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub(crate) const DONT_FRAGMENT: u16 = 0x001a;
    pub(crate) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub(crate) const PASSWORD_ALGORITHM: u16 = 0x001d;
    pub(crate) const USERHASH: u16 = 0x001e;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const RESERVATION_TOKEN: u16 = 0x0022;
    pub(crate) const CONNECTION_ID: u16 = 0x002a;
    pub(crate) const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub(crate) const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub(crate) const PASSWORD_ALGORITHMS: u16 = 0x8002;
    pub(crate) const ICMP: u16 = 0x8004;
    pub(crate) const ALTERNATE_SERVER: u16 = 0x8023;
    pub(crate) const FINGERPRINT: u16 = 0x8028;

    /// Whether a message with this attribute must not be processed by who does not know it.
    pub(crate) fn must_be_understood(kind: u16) -> bool {
        kind < 0x8000
    }

    /// Whether this crate knows the attribute, be it of requests or of responses.
    pub(crate) fn is_known(kind: u16) -> bool {
        matches!(
            kind,
            MAPPED_ADDRESS | USERNAME | MESSAGE_INTEGRITY..=UNKNOWN_ATTRIBUTES | CHANNEL_NUMBER | LIFETIME
                | XOR_PEER_ADDRESS..=DONT_FRAGMENT | MESSAGE_INTEGRITY_SHA256..=USERHASH
                | XOR_MAPPED_ADDRESS | RESERVATION_TOKEN | CONNECTION_ID
        )
    }
}

/// One attribute that counts.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    /// Where its header begins in the message.
    pub(crate) offset: usize,
    pub(crate) value: &'a [u8],
}

/// The attributes of a message whose header was checked, up to the first that
/// does not count: MESSAGE-INTEGRITY is followed by nothing but
/// MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, each once (RFC 8489, section 14.5);
/// what stands behind anything else there is not even looked at.
pub(crate) struct Attributes<'a> {
    message: &'a [u8],
    offset: usize,
    seen: u8,
    checks_fingerprint: bool,
}

const SEEN_SHA1: u8 = 1;
const SEEN_SHA256: u8 = 2;
const SEEN_FINGERPRINT: u8 = 4;

impl<'a> Attributes<'a> {
    /// Walks over a message as received.
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self {
            message,
            offset: HEADER_LEN,
            seen: 0,
            checks_fingerprint: true,
        }
    }

    /// Walks again over what was walked to its end before.
    pub(crate) fn again(message: &'a [u8]) -> Self {
        Self {
            checks_fingerprint: false,
            ..Self::of(message)
        }
    }

    fn end(&mut self) {
        self.offset = self.message.len();
    }

    /// Says whether an attribute of those that end a message counts, or ends the walk.
    fn admit(&mut self, attribute: &Attribute<'a>) -> Result<Admission, ParseError> {
        let bit = match attribute.kind {
            kind::MESSAGE_INTEGRITY => SEEN_SHA1,
            kind::MESSAGE_INTEGRITY_SHA256 => SEEN_SHA256,
            kind::FINGERPRINT => SEEN_FINGERPRINT,
            _ if self.seen == 0 => return Ok(Admission::Counts),
            _ => return Ok(Admission::Ends),
        };
        let before = self.seen;
        if before & bit != 0 {
            return Ok(Admission::Ends);
        }
        self.seen |= bit;
        if bit == SEEN_FINGERPRINT && self.checks_fingerprint {
            let value = <[u8; 4]>::try_from(attribute.value).map_err(|_| ParseError::Malformed)?;
            if !library::is_fingerprint(self.message, attribute.offset, value) {
                return Err(ParseError::FingerprintMismatch);
            }
        }
        // The weaker integrity stands before the stronger, and both before the fingerprint.
        Ok(if before >= bit {
            Admission::Ignored
        } else {
            Admission::Counts
        })
    }
}

enum Admission {
    Counts,
    Ignored,
    Ends,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.message.get(self.offset..)?;
            if rest.is_empty() {
                return None;
            }
            let Some(attribute) = first(rest, self.offset) else {
                self.end();
                return Some(Err(ParseError::Malformed));
            };
            match self.admit(&attribute) {
                Ok(Admission::Counts) => {
                    self.offset += 4 + attribute.value.len().next_multiple_of(4);
                    return Some(Ok(attribute));
                }
                Ok(Admission::Ignored) => {
                    self.offset += 4 + attribute.value.len().next_multiple_of(4)
                }
                Ok(Admission::Ends) => {
                    self.end();
                    return None;
                }
                Err(error) => {
                    self.end();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The attribute at the beginning of `rest`.
fn first(rest: &[u8], offset: usize) -> Option<Attribute<'_>> {
    let (head, behind) = rest.split_first_chunk::<4>()?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let value = behind.get(..len)?;
    Some(Attribute {
        kind,
        offset,
        value,
    })
}
