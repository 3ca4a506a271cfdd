//! Builds messages into the caller's buffer.

use std::net::SocketAddr;

use super::attributes::kind;
use super::{
    Class, EvenPort, HEADER_LEN, MAGIC_COOKIE, MESSAGE_LEN_MAX, Method, Request,
    RequestedTransport, TransactionId, join_type,
};
use crate::address::{ClientAddr, Family, PeerAddr, RelayedAddr};
use crate::error::ErrorCode;
use crate::integrity::{self, Algorithm, Key, Mac};
use crate::library::{self, Typed};

/// A message that could not be written; the buffer is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message too long to be written")]
pub struct WriteError;

/// Appends one message to a buffer, attribute by attribute in the order of the
/// calls. All padding is zero.
///
/// Nothing is written for good before [`Builder::finish`]: it seals the message
/// or, if it grew beyond [`MESSAGE_LEN_MAX`] or a text beyond its own limit,
/// takes it away.
#[must_use = "a message that is not finished has a wrong length"]
pub struct Builder<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    transaction: TransactionId,
    has_fingerprint: bool,
    failed: bool,
}

impl<'o> Builder<'o> {
    /// Begins a message of any kind.
    pub fn new(
        class: Class,
        method: Method,
        transaction: TransactionId,
        out: &'o mut Vec<u8>,
    ) -> Self {
        let start = out.len();
        out.extend_from_slice(&join_type(class, method).to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&transaction);
        Self {
            out,
            start,
            transaction,
            has_fingerprint: false,
            failed: false,
        }
    }

    /// Begins the success response to `request`; it ends with a FINGERPRINT if the request had one.
    pub fn success(request: &Request<'_>, out: &'o mut Vec<u8>) -> Self {
        let builder = Self::new(Class::Success, request.method, request.transaction, out);
        Self {
            has_fingerprint: request.has_fingerprint,
            ..builder
        }
    }

    /// Begins the error response to `request`, without a reason phrase; it ends
    /// with a FINGERPRINT if the request had one.
    pub fn error(request: &Request<'_>, code: ErrorCode, out: &'o mut Vec<u8>) -> Self {
        let builder = Self::new(Class::Error, request.method, request.transaction, out);
        Self {
            has_fingerprint: request.has_fingerprint,
            ..builder
        }
        .put(Typed::Error(code))
    }

    /// Lets the message end with a FINGERPRINT.
    pub fn with_fingerprint(self) -> Self {
        Self {
            has_fingerprint: true,
            ..self
        }
    }

    /// XOR-MAPPED-ADDRESS: from where the relay sees the client.
    pub fn mapped(self, address: ClientAddr) -> Self {
        self.put(Typed::XorMapped(address.0))
    }

    /// XOR-RELAYED-ADDRESS.
    pub fn relayed(self, address: RelayedAddr) -> Self {
        self.put(Typed::XorRelayed(address.0))
    }

    /// XOR-PEER-ADDRESS; may be given several times in CreatePermission.
    pub fn peer(self, address: PeerAddr) -> Self {
        self.put(Typed::XorPeer(address.0))
    }

    /// LIFETIME in seconds.
    pub fn lifetime(self, seconds: u32) -> Self {
        self.put(Typed::Lifetime(seconds))
    }

    /// RESERVATION-TOKEN.
    pub fn reservation_token(self, token: [u8; 8]) -> Self {
        self.put(Typed::ReservationToken(token))
    }

    /// CONNECTION-ID (RFC 6062).
    pub fn connection_id(self, connection: u32) -> Self {
        self.put(Typed::ConnectionId(connection))
    }

    /// REALM, at most 763 bytes.
    pub fn realm(self, realm: &str) -> Self {
        self.put(Typed::Realm(realm))
    }

    /// NONCE, at most 763 bytes.
    pub fn nonce(mut self, nonce: &[u8]) -> Self {
        self.failed |= nonce.len() > NONCE_LEN_MAX;
        self.put_raw(kind::NONCE, nonce)
    }

    /// PASSWORD-ALGORITHMS: `value` as [`super::PASSWORD_ALGORITHMS`], or as it was received.
    pub fn password_algorithms(self, value: &[u8]) -> Self {
        self.put_raw(kind::PASSWORD_ALGORITHMS, value)
    }

    /// UNKNOWN-ATTRIBUTES, for a 420.
    pub fn unknown_attributes(self, kinds: &[u16]) -> Self {
        self.put(Typed::UnknownAttributes(kinds))
    }

    /// ALTERNATE-SERVER, for a 300. Must be of the family by which the request came.
    pub fn alternate_server(self, address: SocketAddr) -> Self {
        self.put(Typed::AlternateServer(address))
    }

    /// ADDRESS-ERROR-CODE: why one of two wanted families was not allocated.
    pub fn address_error(self, family: Family, code: ErrorCode) -> Self {
        self.put(Typed::AddressError(family, code))
    }

    /// USERNAME, at most 508 bytes.
    pub fn username(self, username: &str) -> Self {
        self.put(Typed::Username(username))
    }

    /// USERHASH, as by [`integrity::userhash`].
    pub fn userhash(self, hash: [u8; 32]) -> Self {
        self.put(Typed::Userhash(hash))
    }

    /// PASSWORD-ALGORITHM.
    pub fn password_algorithm(self, algorithm: Algorithm) -> Self {
        self.put(Typed::PasswordAlgorithm(algorithm))
    }

    /// SOFTWARE, at most 763 bytes. The relay never says what it is.
    pub fn software(self, software: &str) -> Self {
        self.put(Typed::Software(software))
    }

    /// REQUESTED-TRANSPORT.
    pub fn requested_transport(self, transport: RequestedTransport) -> Self {
        self.put(Typed::Transport(transport.code()))
    }

    /// REQUESTED-ADDRESS-FAMILY.
    pub fn requested_family(self, family: Family) -> Self {
        self.put(Typed::RequestedFamily(family))
    }

    /// ADDITIONAL-ADDRESS-FAMILY.
    pub fn additional_family(self, family: Family) -> Self {
        self.put(Typed::AdditionalFamily(family))
    }

    /// EVEN-PORT.
    pub fn even_port(self, even_port: EvenPort) -> Self {
        self.put(Typed::EvenPort(even_port == EvenPort::EvenAndReserveNext))
    }

    /// DONT-FRAGMENT.
    pub fn dont_fragment(self) -> Self {
        self.put(Typed::DontFragment)
    }

    /// CHANNEL-NUMBER.
    pub fn channel(self, channel: u16) -> Self {
        self.put(Typed::Channel(channel))
    }

    /// DATA.
    pub fn data(self, data: &[u8]) -> Self {
        self.put(Typed::Data(data))
    }

    /// An attribute by its number, not one of those that end a message.
    pub fn raw(mut self, kind: u16, value: &[u8]) -> Self {
        self.failed |= matches!(
            kind,
            kind::MESSAGE_INTEGRITY | kind::MESSAGE_INTEGRITY_SHA256 | kind::FINGERPRINT
        );
        self.put_raw(kind, value)
    }

    /// Ends the message: length, integrity if the caller wants it, FINGERPRINT
    /// if the request had one.
    ///
    /// # Errors
    /// [`WriteError`] if it is too long; the buffer is then as before the message.
    pub fn finish(mut self, integrity: Option<(Mac, &Key)>) -> Result<(), WriteError> {
        if let Some((mac, key)) = integrity {
            match integrity::sign(&self.out[self.start..], mac, key) {
                Some(value) => self = self.put_raw(integrity_kind(mac), &value[..mac.value_len()]),
                None => self.failed = true,
            }
        }
        if self.has_fingerprint {
            match library::fingerprint(&self.out[self.start..]) {
                Some(value) => self = self.put_raw(kind::FINGERPRINT, &value),
                None => self.failed = true,
            }
        }
        let len = self.out.len() - self.start;
        match u16::try_from(len - HEADER_LEN) {
            Ok(body) if !self.failed && len <= MESSAGE_LEN_MAX => {
                self.out[self.start + 2..self.start + 4].copy_from_slice(&body.to_be_bytes());
                Ok(())
            }
            _ => {
                self.out.truncate(self.start);
                Err(WriteError)
            }
        }
    }

    fn put(mut self, attribute: Typed<'_>) -> Self {
        self.failed |= attribute.append(&self.transaction, self.out).is_none();
        self
    }

    fn put_raw(mut self, kind: u16, value: &[u8]) -> Self {
        let Ok(len) = u16::try_from(value.len()) else {
            self.failed = true;
            return self;
        };
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&len.to_be_bytes());
        self.out.extend_from_slice(value);
        self.out.resize(
            self.out.len() + value.len().next_multiple_of(4) - value.len(),
            0,
        );
        self
    }
}

/// RFC 8489, section 14.10: fewer than 128 characters, which may be 763 bytes.
const NONCE_LEN_MAX: usize = 763;

fn integrity_kind(mac: Mac) -> u16 {
    match mac {
        Mac::Sha1 => kind::MESSAGE_INTEGRITY,
        Mac::Sha256 => kind::MESSAGE_INTEGRITY_SHA256,
    }
}

/// Appends a ConnectionAttempt indication (RFC 6062, section 4.4): `peer` has
/// connected, the client may bind `connection`.
///
/// # Errors
/// None in practice: the message has a fixed length.
pub fn connection_attempt(
    connection: u32,
    peer: PeerAddr,
    transaction: TransactionId,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    Builder::new(
        Class::Indication,
        Method::ConnectionAttempt,
        transaction,
        out,
    )
    .connection_id(connection)
    .peer(peer)
    .finish(None)
}
