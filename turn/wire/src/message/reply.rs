//! Responses, and the indications of the relay, as a client reads them: for
//! our own clients and tests.

use std::net::SocketAddr;

use super::attributes::{Attribute, Attributes, kind};
use super::request::seal;
use super::{Class, Header, MESSAGE_LEN_MAX, Method, ParseError, TransactionId};
use crate::address::{ClientAddr, Family, PeerAddr, RelayedAddr};
use crate::integrity::{Mac, Seal};
use crate::library;

/// ICMP: what the network said about a packet to a peer (RFC 8656, section 18.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type of the ICMP or ICMPv6 message, 0 to 127.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU for "packet too big", else 0.
    pub data: u32,
}

impl Icmp {
    /// Seven bits of type and nine of code follow two reserved bytes.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let kind_and_code = u16::from(self.kind & 0x7f) << 9 | u16::from(self.code);
        let [high, low] = kind_and_code.to_be_bytes();
        let [a, b, c, d] = self.data.to_be_bytes();
        [0, 0, high, low, a, b, c, d]
    }

    fn from_bytes(value: &[u8]) -> Option<Self> {
        let [_, _, high, low, a, b, c, d] = *<&[u8; 8]>::try_from(value).ok()?;
        Some(Self {
            kind: high >> 1,
            code: low,
            data: u32::from_be_bytes([a, b, c, d]),
        })
    }
}

/// A response or an indication of the relay. The same attributes count as for
/// [`super::Request`]; those whose value makes no sense are left out.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// Any but [`Class::Request`].
    pub class: Class,
    /// What it is about.
    pub method: Method,
    /// That of the request.
    pub transaction: TransactionId,
    /// ERROR-CODE, 300 to 699.
    pub error: Option<u16>,
    /// XOR-MAPPED-ADDRESS.
    pub mapped: Option<ClientAddr>,
    /// XOR-RELAYED-ADDRESS; of a dual allocation the IPv4 one.
    pub relayed: Option<RelayedAddr>,
    /// The second XOR-RELAYED-ADDRESS of a dual allocation.
    pub relayed_second: Option<RelayedAddr>,
    /// XOR-PEER-ADDRESS.
    pub peer: Option<PeerAddr>,
    /// LIFETIME in seconds.
    pub lifetime_s: Option<u32>,
    /// REALM.
    pub realm: Option<&'a str>,
    /// NONCE.
    pub nonce: Option<&'a [u8]>,
    /// PASSWORD-ALGORITHMS as received.
    pub password_algorithms: Option<&'a [u8]>,
    /// RESERVATION-TOKEN.
    pub reservation_token: Option<[u8; 8]>,
    /// CONNECTION-ID.
    pub connection_id: Option<u32>,
    /// UNKNOWN-ATTRIBUTES, two bytes each.
    pub unknown_attributes: Option<&'a [u8]>,
    /// ALTERNATE-SERVER.
    pub alternate_server: Option<SocketAddr>,
    /// ADDRESS-ERROR-CODE.
    pub address_error: Option<(Family, u16)>,
    /// ICMP.
    pub icmp: Option<Icmp>,
    /// DATA.
    pub data: Option<&'a [u8]>,
    /// Whether a (right) FINGERPRINT was there.
    pub has_fingerprint: bool,
    sha1: Option<Seal<'a>>,
    sha256: Option<Seal<'a>>,
    bytes: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Parses a datagram or a frame that holds exactly one message.
    ///
    /// # Errors
    /// Any [`ParseError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(bytes)?;
        if header.class == Class::Request {
            return Err(ParseError::WrongClass);
        }
        if bytes.len() > MESSAGE_LEN_MAX {
            return Err(ParseError::TooLong);
        }
        let mut reply = Self::bare(header, bytes);
        for attribute in Attributes::of(bytes) {
            reply.take(&attribute?);
        }
        Ok(reply)
    }

    /// Returns the integrity of this kind, to be checked by [`crate::integrity::verify`].
    pub fn seal(&self, mac: Mac) -> Option<&Seal<'a>> {
        match mac {
            Mac::Sha1 => self.sha1.as_ref(),
            Mac::Sha256 => self.sha256.as_ref(),
        }
    }

    fn bare(header: Header, bytes: &'a [u8]) -> Self {
        Self {
            class: header.class,
            method: header.method,
            transaction: header.transaction,
            error: None,
            mapped: None,
            relayed: None,
            relayed_second: None,
            peer: None,
            lifetime_s: None,
            realm: None,
            nonce: None,
            password_algorithms: None,
            reservation_token: None,
            connection_id: None,
            unknown_attributes: None,
            alternate_server: None,
            address_error: None,
            icmp: None,
            data: None,
            has_fingerprint: false,
            sha1: None,
            sha256: None,
            bytes,
        }
    }

    fn take(&mut self, attribute: &Attribute<'a>) {
        let value = attribute.value;
        let id = self.transaction;
        match attribute.kind {
            kind::ERROR_CODE => first(&mut self.error, library::error_code(value)),
            kind::XOR_MAPPED_ADDRESS => {
                first(
                    &mut self.mapped,
                    library::xor_mapped_address(value, &id).map(ClientAddr),
                );
            }
            kind::XOR_RELAYED_ADDRESS => {
                let field = if self.relayed.is_none() {
                    &mut self.relayed
                } else {
                    &mut self.relayed_second
                };
                first(
                    field,
                    library::xor_relayed_address(value, &id).map(RelayedAddr),
                );
            }
            kind::XOR_PEER_ADDRESS => first(
                &mut self.peer,
                library::xor_peer_address(value, &id).map(PeerAddr),
            ),
            kind::LIFETIME => first(&mut self.lifetime_s, library::lifetime(value)),
            kind::REALM => first(&mut self.realm, std::str::from_utf8(value).ok()),
            kind::NONCE => first(&mut self.nonce, Some(value)),
            kind::PASSWORD_ALGORITHMS => first(&mut self.password_algorithms, Some(value)),
            kind::RESERVATION_TOKEN => first(
                &mut self.reservation_token,
                library::reservation_token(value),
            ),
            kind::CONNECTION_ID => first(&mut self.connection_id, library::connection_id(value)),
            kind::UNKNOWN_ATTRIBUTES => first(&mut self.unknown_attributes, Some(value)),
            kind::ALTERNATE_SERVER => {
                first(&mut self.alternate_server, library::alternate_server(value))
            }
            kind::ADDRESS_ERROR_CODE => {
                first(&mut self.address_error, library::address_error(value))
            }
            kind::ICMP => first(&mut self.icmp, Icmp::from_bytes(value)),
            kind::DATA => first(&mut self.data, Some(value)),
            kind::FINGERPRINT => self.has_fingerprint = true,
            kind::MESSAGE_INTEGRITY => self.sha1 = seal(Mac::Sha1, attribute, self.bytes),
            kind::MESSAGE_INTEGRITY_SHA256 => {
                self.sha256 = seal(Mac::Sha256, attribute, self.bytes)
            }
            _ => {}
        }
    }
}

fn first<T>(field: &mut Option<T>, value: Option<T>) {
    if field.is_none() {
        *field = value;
    }
}
