//! The one place that names `stun-types` and `turn-types`: what their typed
//! attributes read and write, and FINGERPRINT.
//!
//! The messages themselves are walked by our own loop, because the parser of
//! the library logs a warning for each malformed message, and its verification
//! of integrity adds in 16 bits: a long message over TCP would end in a panic.

use std::net::SocketAddr;

use stun_types::attribute::{
    AlternateServer, AttributeFromRaw, AttributeStaticType, AttributeType, AttributeWrite,
    Fingerprint, PasswordAlgorithm, PasswordAlgorithmValue, RawAttribute, Realm, Software,
    UnknownAttributes, Userhash, Username, XorMappedAddress,
};
use stun_types::message::TransactionId as LibraryTransactionId;
use stun_types::prelude::{AttributeExt, AttributeWriteExt};
use turn_types::AddressFamily;
use turn_types::attribute::{
    AdditionalAddressFamily, AddressErrorCode, ChannelNumber, ConnectionId, Data, DontFragment,
    EvenPort, Lifetime, RequestedAddressFamily, RequestedTransport, ReservationToken,
    XorPeerAddress, XorRelayedAddress,
};

use crate::address::Family;
use crate::error::ErrorCode;
use crate::integrity::Algorithm;
use crate::message::{HEADER_LEN, TransactionId};

/// Returns whether `value` is the FINGERPRINT of a message in which it stands at `offset`.
pub(crate) fn is_fingerprint(message: &[u8], offset: usize, value: [u8; 4]) -> bool {
    message.get(..offset).and_then(fingerprint) == Some(value)
}

/// Returns the value of the FINGERPRINT that would follow `message`.
pub(crate) fn fingerprint(message: &[u8]) -> Option<[u8; 4]> {
    let kind = message.first_chunk::<2>()?;
    let body = (message.len() + 8).checked_sub(HEADER_LEN)?;
    let [high, low] = u16::try_from(body).ok()?.to_be_bytes();
    let crc = Fingerprint::compute(&[&[kind[0], kind[1], high, low], message.get(4..)?]);
    Some(std::array::from_fn(|index| crc[index] ^ b"STUN"[index]))
}

fn decode<'a, A: AttributeFromRaw<'a> + AttributeStaticType>(value: &'a [u8]) -> Option<A> {
    A::from_raw(RawAttribute::new(A::TYPE, value)).ok()
}

fn transaction(id: &TransactionId) -> LibraryTransactionId {
    let mut bytes = [0; 16];
    bytes[4..].copy_from_slice(id);
    u128::from_be_bytes(bytes).into()
}

pub(crate) fn xor_peer_address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    Some(decode::<XorPeerAddress>(value)?.addr(transaction(id)))
}

pub(crate) fn xor_mapped_address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    Some(decode::<XorMappedAddress>(value)?.addr(transaction(id)))
}

pub(crate) fn xor_relayed_address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    Some(decode::<XorRelayedAddress>(value)?.addr(transaction(id)))
}

pub(crate) fn alternate_server(value: &[u8]) -> Option<SocketAddr> {
    Some(decode::<AlternateServer>(value)?.server())
}

pub(crate) fn lifetime(value: &[u8]) -> Option<u32> {
    Some(decode::<Lifetime>(value)?.seconds())
}

pub(crate) fn channel_number(value: &[u8]) -> Option<u16> {
    Some(decode::<ChannelNumber>(value)?.channel())
}

pub(crate) fn connection_id(value: &[u8]) -> Option<u32> {
    Some(decode::<ConnectionId>(value)?.id())
}

pub(crate) fn reservation_token(value: &[u8]) -> Option<[u8; 8]> {
    Some(decode::<ReservationToken>(value)?.token().to_be_bytes())
}

pub(crate) fn reserves_next_port(value: &[u8]) -> Option<bool> {
    Some(decode::<EvenPort>(value)?.requested())
}

pub(crate) fn requested_transport(value: &[u8]) -> Option<u8> {
    Some(decode::<RequestedTransport>(value)?.protocol())
}

pub(crate) fn userhash(value: &[u8]) -> Option<[u8; 32]> {
    Some(*decode::<Userhash>(value)?.hash())
}

pub(crate) fn address_error(value: &[u8]) -> Option<(Family, u16)> {
    let attribute = decode::<AddressErrorCode>(value)?;
    let family = if attribute.family() == AddressFamily::IPV4 {
        Family::V4
    } else {
        Family::V6
    };
    Some((family, attribute.error().code()))
}

pub(crate) fn error_code(value: &[u8]) -> Option<u16> {
    Some(decode::<stun_types::attribute::ErrorCode>(value)?.code())
}

/// A typed attribute to be written, with the borrowed texts in it.
pub(crate) enum Typed<'a> {
    Username(&'a str),
    Realm(&'a str),
    Software(&'a str),
    Userhash([u8; 32]),
    PasswordAlgorithm(Algorithm),
    Error(ErrorCode),
    AddressError(Family, ErrorCode),
    UnknownAttributes(&'a [u16]),
    AlternateServer(SocketAddr),
    XorMapped(SocketAddr),
    XorRelayed(SocketAddr),
    XorPeer(SocketAddr),
    Lifetime(u32),
    Channel(u16),
    ConnectionId(u32),
    Transport(u8),
    EvenPort(bool),
    ReservationToken([u8; 8]),
    RequestedFamily(Family),
    AdditionalFamily(Family),
    DontFragment,
    Data(&'a [u8]),
}

impl Typed<'_> {
    /// Appends the attribute to `out`, padded with zeros. `None` if a text is longer than it may be.
    pub(crate) fn append(&self, id: &TransactionId, out: &mut Vec<u8>) -> Option<()> {
        let id = transaction(id);
        match *self {
            Typed::Username(text) => append(&Username::new(text).ok()?, out),
            Typed::Realm(text) => append(&Realm::new(text).ok()?, out),
            Typed::Software(text) => append(&Software::new(text).ok()?, out),
            Typed::Userhash(hash) => append(&Userhash::new(hash), out),
            Typed::PasswordAlgorithm(algorithm) => {
                append(&PasswordAlgorithm::new(value_of(algorithm)), out)
            }
            Typed::Error(code) => append(&library_error(code)?, out),
            Typed::AddressError(family, code) => append(
                &AddressErrorCode::new(library_family(family), library_error(code)?),
                out,
            ),
            Typed::UnknownAttributes(kinds) => {
                let kinds: Vec<AttributeType> =
                    kinds.iter().map(|kind| AttributeType::new(*kind)).collect();
                append(&UnknownAttributes::new(&kinds), out)
            }
            Typed::AlternateServer(address) => append(&AlternateServer::new(address), out),
            Typed::XorMapped(address) => append(&XorMappedAddress::new(address, id), out),
            Typed::XorRelayed(address) => append(&XorRelayedAddress::new(address, id), out),
            Typed::XorPeer(address) => append(&XorPeerAddress::new(address, id), out),
            Typed::Lifetime(seconds) => append(&Lifetime::new(seconds), out),
            Typed::Channel(number) => append(&ChannelNumber::new(number), out),
            Typed::ConnectionId(id) => append(&ConnectionId::new(id), out),
            Typed::Transport(protocol) => append(&RequestedTransport::new(protocol), out),
            Typed::EvenPort(reserve_next) => append(&EvenPort::new(reserve_next), out),
            Typed::ReservationToken(token) => {
                append(&ReservationToken::new(u64::from_be_bytes(token)), out)
            }
            Typed::RequestedFamily(family) => {
                append(&RequestedAddressFamily::new(library_family(family)), out)
            }
            Typed::AdditionalFamily(family) => {
                append(&AdditionalAddressFamily::new(library_family(family)), out)
            }
            Typed::DontFragment => append(&DontFragment::new(), out),
            // The library panics beyond 16 bits.
            Typed::Data(data) if data.len() > usize::from(u16::MAX) => return None,
            Typed::Data(data) => append(&Data::new(data), out),
        }
        Some(())
    }
}

/// Writes into zeroed bytes: whatever the library leaves untouched is zero, not old memory.
fn append(attribute: &dyn AttributeWrite, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + attribute.padded_len(), 0);
    attribute
        .write_into(&mut out[start..])
        .expect("the room has the length that the attribute asked for");
}

fn value_of(algorithm: Algorithm) -> PasswordAlgorithmValue {
    match algorithm {
        Algorithm::Md5 => PasswordAlgorithmValue::MD5,
        Algorithm::Sha256 => PasswordAlgorithmValue::SHA256,
    }
}

fn library_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::IPV4,
        Family::V6 => AddressFamily::IPV6,
    }
}

fn library_error(code: ErrorCode) -> Option<stun_types::attribute::ErrorCode> {
    stun_types::attribute::ErrorCode::new(code.code(), "").ok()
}
