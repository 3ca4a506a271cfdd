//! Requests and indications, as the relay reads them.

use super::attributes::{Attribute, Attributes, kind};
use super::{Class, Header, MESSAGE_LEN_MAX, Method, ParseError, TransactionId};
use crate::address::{Family, PeerAddr};
use crate::integrity::{Algorithm, Mac, Seal};
use crate::library;

/// A family that is neither IPv4 nor IPv6, to be answered with 440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFamily(pub u8);

/// A password algorithm that the relay does not offer, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm(pub u16);

/// REQUESTED-TRANSPORT: what the relay shall speak with peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedTransport {
    /// Datagrams.
    Udp,
    /// Streams (RFC 6062).
    Tcp,
    /// Any other IP protocol, to be answered with 442.
    Other(u8),
}

impl RequestedTransport {
    /// Returns the number of the IP protocol.
    pub fn code(self) -> u8 {
        match self {
            RequestedTransport::Udp => 17,
            RequestedTransport::Tcp => 6,
            RequestedTransport::Other(code) => code,
        }
    }

    fn of(code: u8) -> Self {
        match code {
            17 => RequestedTransport::Udp,
            6 => RequestedTransport::Tcp,
            other => RequestedTransport::Other(other),
        }
    }
}

/// EVEN-PORT: the wish for an even relayed port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvenPort {
    /// Only that.
    Even,
    /// The port above is to be kept for another allocation (bit R).
    EvenAndReserveNext,
}

/// How many unknown attributes are told: more is no honest client.
const UNKNOWN_MAX: usize = 8;

/// A request or an indication, with the attributes that the relay knows.
///
/// Of an attribute that comes twice the first counts. Nothing behind the
/// integrity counts (RFC 8489, section 14.5). Parsing allocates nothing and
/// authenticates nothing.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// [`Class::Request`] or [`Class::Indication`].
    pub class: Class,
    /// What is wanted.
    pub method: Method,
    /// To be repeated in the response.
    pub transaction: TransactionId,
    /// USERNAME.
    pub username: Option<&'a str>,
    /// USERHASH.
    pub userhash: Option<[u8; 32]>,
    /// REALM.
    pub realm: Option<&'a str>,
    /// NONCE.
    pub nonce: Option<&'a [u8]>,
    /// PASSWORD-ALGORITHM.
    pub password_algorithm: Option<Result<Algorithm, UnknownAlgorithm>>,
    /// PASSWORD-ALGORITHMS as received: compare with [`super::PASSWORD_ALGORITHMS`].
    pub password_algorithms: Option<&'a [u8]>,
    /// LIFETIME in seconds.
    pub lifetime_s: Option<u32>,
    /// REQUESTED-TRANSPORT.
    pub requested_transport: Option<RequestedTransport>,
    /// REQUESTED-ADDRESS-FAMILY.
    pub requested_family: Option<Result<Family, UnknownFamily>>,
    /// ADDITIONAL-ADDRESS-FAMILY.
    pub additional_family: Option<Result<Family, UnknownFamily>>,
    /// EVEN-PORT.
    pub even_port: Option<EvenPort>,
    /// RESERVATION-TOKEN.
    pub reservation_token: Option<[u8; 8]>,
    /// DONT-FRAGMENT.
    pub dont_fragment: bool,
    /// CHANNEL-NUMBER, any number.
    pub channel: Option<u16>,
    /// CONNECTION-ID (RFC 6062).
    pub connection_id: Option<u32>,
    /// The first XOR-PEER-ADDRESS; all of them by [`Request::peers`].
    pub peer: Option<PeerAddr>,
    /// DATA.
    pub data: Option<&'a [u8]>,
    /// Whether a (right) FINGERPRINT was there: the response then has one as well.
    pub has_fingerprint: bool,
    /// The first known attribute whose value could not be read, by its number: to
    /// be answered with 400 once the sender is authenticated.
    pub malformed: Option<u16>,
    sha1: Option<Seal<'a>>,
    sha256: Option<Seal<'a>>,
    unknown: [u16; UNKNOWN_MAX],
    unknown_len: u8,
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// Parses a datagram or a frame that holds exactly one message.
    ///
    /// # Errors
    /// Any [`ParseError`]; such bytes are dropped without an answer.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(bytes)?;
        if !matches!(header.class, Class::Request | Class::Indication) {
            return Err(ParseError::WrongClass);
        }
        if bytes.len() > MESSAGE_LEN_MAX {
            return Err(ParseError::TooLong);
        }
        let mut request = Self::bare(header, bytes);
        for attribute in Attributes::of(bytes) {
            let attribute = attribute?;
            if request.take(&attribute).is_none() {
                request.malformed.get_or_insert(attribute.kind);
            }
        }
        Ok(request)
    }

    /// Returns all peers of a CreatePermission, in order. Complete only if
    /// nothing is [`Request::malformed`].
    pub fn peers(&self) -> impl Iterator<Item = PeerAddr> + use<'a> {
        let transaction = self.transaction;
        Attributes::again(self.bytes)
            .map_while(Result::ok)
            .filter(|attribute| attribute.kind == kind::XOR_PEER_ADDRESS)
            .filter_map(move |attribute| {
                library::xor_peer_address(attribute.value, &transaction).map(PeerAddr)
            })
    }

    /// Returns the integrity of this kind, to be checked by [`crate::integrity::verify`].
    pub fn seal(&self, mac: Mac) -> Option<&Seal<'a>> {
        match mac {
            Mac::Sha1 => self.sha1.as_ref(),
            Mac::Sha256 => self.sha256.as_ref(),
        }
    }

    /// Returns whether any integrity is there, right or wrong.
    pub fn has_integrity(&self) -> bool {
        self.sha1.is_some() || self.sha256.is_some()
    }

    /// Returns the numbers of the attributes that must be understood and are
    /// not, each once, at most eight.
    pub fn unknown_required(&self) -> &[u16] {
        &self.unknown[..usize::from(self.unknown_len)]
    }

    /// Returns the message as it was received.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn bare(header: Header, bytes: &'a [u8]) -> Self {
        Self {
            class: header.class,
            method: header.method,
            transaction: header.transaction,
            username: None,
            userhash: None,
            realm: None,
            nonce: None,
            password_algorithm: None,
            password_algorithms: None,
            lifetime_s: None,
            requested_transport: None,
            requested_family: None,
            additional_family: None,
            even_port: None,
            reservation_token: None,
            dont_fragment: false,
            channel: None,
            connection_id: None,
            peer: None,
            data: None,
            has_fingerprint: false,
            malformed: None,
            sha1: None,
            sha256: None,
            unknown: [0; UNKNOWN_MAX],
            unknown_len: 0,
            bytes,
        }
    }

    /// Reads one attribute. `None` if its value makes no sense.
    fn take(&mut self, attribute: &Attribute<'a>) -> Option<()> {
        let value = attribute.value;
        match attribute.kind {
            kind::USERNAME => first(&mut self.username, text(value, USERNAME_LEN_MAX)?),
            kind::USERHASH => first(&mut self.userhash, library::userhash(value)?),
            kind::REALM => first(&mut self.realm, text(value, TEXT_LEN_MAX)?),
            kind::NONCE if value.len() > TEXT_LEN_MAX => return None,
            kind::NONCE => first(&mut self.nonce, value),
            kind::PASSWORD_ALGORITHM => first(&mut self.password_algorithm, algorithm(value)?),
            kind::PASSWORD_ALGORITHMS => first(&mut self.password_algorithms, value),
            kind::LIFETIME => first(&mut self.lifetime_s, library::lifetime(value)?),
            kind::REQUESTED_TRANSPORT => first(
                &mut self.requested_transport,
                RequestedTransport::of(library::requested_transport(value)?),
            ),
            kind::REQUESTED_ADDRESS_FAMILY => first(&mut self.requested_family, family(value)?),
            kind::ADDITIONAL_ADDRESS_FAMILY => first(&mut self.additional_family, family(value)?),
            kind::EVEN_PORT => first(
                &mut self.even_port,
                even_port(library::reserves_next_port(value)?),
            ),
            kind::RESERVATION_TOKEN => first(
                &mut self.reservation_token,
                library::reservation_token(value)?,
            ),
            kind::DONT_FRAGMENT if !value.is_empty() => return None,
            kind::DONT_FRAGMENT => self.dont_fragment = true,
            kind::CHANNEL_NUMBER => first(&mut self.channel, library::channel_number(value)?),
            kind::CONNECTION_ID => first(&mut self.connection_id, library::connection_id(value)?),
            kind::XOR_PEER_ADDRESS => {
                first(
                    &mut self.peer,
                    PeerAddr(library::xor_peer_address(value, &self.transaction)?),
                );
            }
            kind::DATA => first(&mut self.data, value),
            kind::FINGERPRINT => self.has_fingerprint = true,
            kind::MESSAGE_INTEGRITY => self.sha1 = Some(seal(Mac::Sha1, attribute, self.bytes)?),
            kind::MESSAGE_INTEGRITY_SHA256 => {
                self.sha256 = Some(seal(Mac::Sha256, attribute, self.bytes)?)
            }
            other => self.note_unknown(other),
        }
        Some(())
    }

    fn note_unknown(&mut self, kind: u16) {
        let full = usize::from(self.unknown_len) == UNKNOWN_MAX;
        if full
            || kind::is_known(kind)
            || !kind::must_be_understood(kind)
            || self.unknown_required().contains(&kind)
        {
            return;
        }
        self.unknown[usize::from(self.unknown_len)] = kind;
        self.unknown_len += 1;
    }
}

/// RFC 8489, section 14.3: fewer than 509 bytes.
const USERNAME_LEN_MAX: usize = 508;
/// RFC 8489, sections 14.9 and 14.10: at most 763 bytes.
const TEXT_LEN_MAX: usize = 763;

fn first<T>(field: &mut Option<T>, value: T) {
    field.get_or_insert(value);
}

fn text(value: &[u8], len_max: usize) -> Option<&str> {
    (value.len() <= len_max).then(|| std::str::from_utf8(value).ok())?
}

fn family(value: &[u8]) -> Option<Result<Family, UnknownFamily>> {
    let [code, _, _, _] = *<&[u8; 4]>::try_from(value).ok()?;
    Some(match code {
        1 => Ok(Family::V4),
        2 => Ok(Family::V6),
        other => Err(UnknownFamily(other)),
    })
}

fn even_port(reserves_next: bool) -> EvenPort {
    if reserves_next {
        EvenPort::EvenAndReserveNext
    } else {
        EvenPort::Even
    }
}

/// None of the known algorithms has parameters (RFC 8489, section 18.5.1).
fn algorithm(value: &[u8]) -> Option<Result<Algorithm, UnknownAlgorithm>> {
    let (head, parameters) = value.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if parameters.len() < len {
        return None;
    }
    match (u16::from_be_bytes([head[0], head[1]]), value.len()) {
        (1, 4) => Some(Ok(Algorithm::Md5)),
        (2, 4) => Some(Ok(Algorithm::Sha256)),
        (1 | 2, _) => None,
        (other, _) => Some(Err(UnknownAlgorithm(other))),
    }
}

pub(super) fn seal<'a>(mac: Mac, attribute: &Attribute<'a>, message: &'a [u8]) -> Option<Seal<'a>> {
    let covered = message.get(..attribute.offset)?;
    (attribute.value.len() == mac.value_len()).then_some(Seal {
        mac,
        covered,
        value: attribute.value,
    })
}
