//! The data path: ChannelData, Send indications in, Data indications out. No
//! allocation; each function looks at every byte of a header at most once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::PeerAddr;
use crate::message::attributes::{Attributes, kind};
use crate::message::{Class, Header, Icmp, MAGIC_COOKIE, Method, TransactionId};

/// The channel numbers that a client may bind (RFC 8656, section 12).
pub const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// The channel numbers of RFC 5766, which the parsers take.
pub const LEGACY_CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7fff;

/// Length of the header of ChannelData in bytes.
pub const CHANNEL_HEADER_LEN: usize = 4;

/// What a datagram, or a frame of a stream, looks like by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A STUN or TURN message with the magic cookie.
    Stun,
    /// Data of a channel.
    ChannelData,
}

impl Kind {
    /// Looks at the first eight bytes. `None` for anything else, RFC 3489 included.
    #[inline]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? {
            0..=3 if bytes.get(4..8)? == MAGIC_COOKIE => Some(Kind::Stun),
            0x40..=0x7f if bytes.len() >= CHANNEL_HEADER_LEN => Some(Kind::ChannelData),
            _ => None,
        }
    }
}

/// Returns channel number and payload of a ChannelData message. Bytes behind
/// the payload are padding (RFC 8656, section 12.5). `None` if it is none, or
/// cut short.
#[inline]
pub fn channel_data(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, behind) = bytes.split_first_chunk::<CHANNEL_HEADER_LEN>()?;
    let channel = u16::from_be_bytes([head[0], head[1]]);
    if !LEGACY_CHANNELS.contains(&channel) {
        return None;
    }
    let payload = behind.get(..usize::from(u16::from_be_bytes([head[2], head[3]])))?;
    Some((channel, payload))
}

/// Returns the header of ChannelData with `len` bytes of payload. On a stream
/// [`padding`] follows the payload, and the length does not count it.
#[inline]
pub fn channel_header(channel: u16, len: u16) -> [u8; CHANNEL_HEADER_LEN] {
    let [number_high, number_low] = channel.to_be_bytes();
    let [len_high, len_low] = len.to_be_bytes();
    [number_high, number_low, len_high, len_low]
}

/// Returns the zeros that pad `len` bytes to a multiple of four.
#[inline]
pub fn padding(len: usize) -> &'static [u8] {
    const ZEROS: [u8; 3] = [0; 3];
    &ZEROS[..len.wrapping_neg() % 4]
}

/// A Send indication (RFC 8656, section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendIndication<'a> {
    /// To whom.
    pub peer: PeerAddr,
    /// What; may be empty.
    pub data: &'a [u8],
    /// Whether the datagram shall not be fragmented on its way.
    pub dont_fragment: bool,
}

/// Parses a Send indication: XOR-PEER-ADDRESS and DATA in any order, the first
/// of each. `None` for other messages, malformed ones, and those with an
/// unknown attribute that must be understood: all of them are dropped.
pub fn send_indication(bytes: &[u8]) -> Option<SendIndication<'_>> {
    let header = Header::parse(bytes).ok()?;
    if (header.class, header.method) != (Class::Indication, Method::Send) {
        return None;
    }
    let mut peer = None;
    let mut data = None;
    let mut dont_fragment = false;
    for attribute in Attributes::of(bytes) {
        let attribute = attribute.ok()?;
        match attribute.kind {
            kind::XOR_PEER_ADDRESS if peer.is_none() => {
                peer = Some(xor_address(attribute.value, &header.transaction)?);
            }
            kind::DATA if data.is_none() => data = Some(attribute.value),
            kind::DONT_FRAGMENT => dont_fragment = true,
            other if kind::must_be_understood(other) && !kind::is_known(other) => return None,
            _ => {}
        }
    }
    Some(SendIndication {
        peer: PeerAddr(peer?),
        data: data?,
        dont_fragment,
    })
}

/// The header of a Data indication up to its payload: 36 bytes for an IPv4
/// peer, 48 for an IPv6 peer.
#[derive(Clone, Copy, Debug)]
pub struct DataHeader {
    bytes: [u8; DATA_HEADER_LEN_MAX],
    len: u8,
}

const DATA_HEADER_LEN_MAX: usize = 48;
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];

impl std::ops::Deref for DataHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Returns what stands before `data_len` bytes from `peer` in a Data indication
/// (RFC 8656, section 11.4). Behind the data goes [`padding`] of `data_len`, on
/// datagrams as well: a STUN message is a multiple of four. `None` if the data
/// are too long for a message.
#[inline]
pub fn data_indication_header(
    peer: PeerAddr,
    data_len: usize,
    transaction: TransactionId,
) -> Option<DataHeader> {
    let (address, address_len) = xor_address_value(peer.0, &transaction);
    let value_len = u16::try_from(data_len).ok()?;
    let body = 4 + address_len + 4 + data_len.next_multiple_of(4);
    let body = u16::try_from(body).ok()?;
    let mut header = DataHeader {
        bytes: [0; DATA_HEADER_LEN_MAX],
        len: (20 + 4 + address_len + 4) as u8,
    };
    let bytes = &mut header.bytes;
    bytes[..2].copy_from_slice(&DATA_INDICATION);
    bytes[2..4].copy_from_slice(&body.to_be_bytes());
    bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
    bytes[8..20].copy_from_slice(&transaction);
    bytes[20..22].copy_from_slice(&kind::XOR_PEER_ADDRESS.to_be_bytes());
    bytes[23] = address_len as u8;
    bytes[24..24 + address_len].copy_from_slice(&address[..address_len]);
    let at = 24 + address_len;
    bytes[at..at + 2].copy_from_slice(&kind::DATA.to_be_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&value_len.to_be_bytes());
    Some(header)
}

/// Appends a whole Data indication. Returns whether the data were short enough;
/// if not, nothing is appended.
pub fn data_indication(
    peer: PeerAddr,
    data: &[u8],
    transaction: TransactionId,
    out: &mut Vec<u8>,
) -> bool {
    let Some(header) = data_indication_header(peer, data.len(), transaction) else {
        return false;
    };
    out.extend_from_slice(&header);
    out.extend_from_slice(data);
    out.extend_from_slice(padding(data.len()));
    true
}

/// Appends a Data indication that tells what the network said about a packet
/// to `peer`, with ICMP in the place of DATA (RFC 8656, section 11.5).
pub fn icmp_indication(peer: PeerAddr, icmp: Icmp, transaction: TransactionId, out: &mut Vec<u8>) {
    let (address, address_len) = xor_address_value(peer.0, &transaction);
    let body = (4 + address_len + 4 + 8) as u16;
    out.extend_from_slice(&DATA_INDICATION);
    out.extend_from_slice(&body.to_be_bytes());
    out.extend_from_slice(&MAGIC_COOKIE);
    out.extend_from_slice(&transaction);
    out.extend_from_slice(&kind::XOR_PEER_ADDRESS.to_be_bytes());
    out.extend_from_slice(&(address_len as u16).to_be_bytes());
    out.extend_from_slice(&address[..address_len]);
    out.extend_from_slice(&kind::ICMP.to_be_bytes());
    out.extend_from_slice(&8_u16.to_be_bytes());
    out.extend_from_slice(&icmp.to_bytes());
}

/// What an address is XORed with: cookie and transaction id (RFC 8489, section 14.2).
fn mask(transaction: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

fn xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let (head, address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ MAGIC_COOKIE[0], head[3] ^ MAGIC_COOKIE[1]]);
    let ip = match head[1] {
        1 => {
            let masked = u32::from_be_bytes(address.try_into().ok()?);
            IpAddr::V4(Ipv4Addr::from_bits(
                masked ^ u32::from_be_bytes(MAGIC_COOKIE),
            ))
        }
        2 => {
            let masked = u128::from_be_bytes(address.try_into().ok()?);
            IpAddr::V6(Ipv6Addr::from_bits(
                masked ^ u128::from_be_bytes(mask(transaction)),
            ))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The value of an XOR-address attribute, and its length: 8 or 20.
fn xor_address_value(address: SocketAddr, transaction: &TransactionId) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    let [port_high, port_low] = address.port().to_be_bytes();
    value[2] = port_high ^ MAGIC_COOKIE[0];
    value[3] = port_low ^ MAGIC_COOKIE[1];
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            let masked = ip.to_bits() ^ u32::from_be_bytes(MAGIC_COOKIE);
            value[4..8].copy_from_slice(&masked.to_be_bytes());
            (value, 8)
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            let masked = ip.to_bits() ^ u128::from_be_bytes(mask(transaction));
            value[4..].copy_from_slice(&masked.to_be_bytes());
            (value, 20)
        }
    }
}

#[cfg(test)]
mod tests;
