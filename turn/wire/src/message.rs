//! STUN and TURN messages other than those of the data path: parsed once into
//! typed fields, and built into the caller's buffer.

pub(crate) mod attributes;
mod builder;
mod reply;
mod request;

pub use builder::{Builder, WriteError, connection_attempt};
pub use reply::{Icmp, Reply};
pub use request::{EvenPort, Request, RequestedTransport, UnknownAlgorithm, UnknownFamily};

/// Length of the STUN header in bytes.
pub const HEADER_LEN: usize = 20;

/// The longest message that [`Request::parse`] and [`Reply::parse`] take and
/// [`Builder`] writes, in bytes. The longest legal texts (user name 508, realm
/// and nonce 763 each) with a dozen peers fit twice; less work for garbage.
pub const MESSAGE_LEN_MAX: usize = 4096;

/// The value of PASSWORD-ALGORITHMS that the relay offers, best first; a client
/// must send back the same bytes (RFC 8489, section 9.2.4).
pub const PASSWORD_ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What a response has in common with its request: 96 bits.
pub type TransactionId = [u8; 12];

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// RFC 8489.
    Binding,
    /// RFC 8656, as up to `ChannelBind`.
    Allocate,
    /// Renews or ends an allocation.
    Refresh,
    /// An indication from the client with data for a peer.
    Send,
    /// An indication to the client with data of a peer.
    Data,
    /// Permits the addresses of peers.
    CreatePermission,
    /// Binds a channel number to a peer.
    ChannelBind,
    /// RFC 6062, as the following: opens a connection to a peer.
    Connect,
    /// Says which connection a new stream of the client is for.
    ConnectionBind,
    /// An indication to the client: a peer connected.
    ConnectionAttempt,
    /// Any other, 0 to 0x0fff.
    Other(u16),
}

impl Method {
    /// Returns the number of the method.
    pub fn code(self) -> u16 {
        match self {
            Method::Binding => 1,
            Method::Allocate => 3,
            Method::Refresh => 4,
            Method::Send => 6,
            Method::Data => 7,
            Method::CreatePermission => 8,
            Method::ChannelBind => 9,
            Method::Connect => 10,
            Method::ConnectionBind => 11,
            Method::ConnectionAttempt => 12,
            Method::Other(code) => code & 0x0fff,
        }
    }

    fn of(code: u16) -> Self {
        match code {
            1 => Method::Binding,
            3 => Method::Allocate,
            4 => Method::Refresh,
            6 => Method::Send,
            7 => Method::Data,
            8 => Method::CreatePermission,
            9 => Method::ChannelBind,
            10 => Method::Connect,
            11 => Method::ConnectionBind,
            12 => Method::ConnectionAttempt,
            other => Method::Other(other),
        }
    }
}

/// The role of a message in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Gets none.
    Indication,
    /// The request was done.
    Success,
    /// The request was not done.
    Error,
}

/// Why bytes are not a message that could be used. None of these is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No STUN header with the magic cookie: also what RFC 3489 clients send.
    #[error("not a STUN message")]
    NotStun,
    /// A request where a response was expected, or the reverse.
    #[error("message of another class")]
    WrongClass,
    /// The length is not that of the datagram, or an attribute reaches over it.
    #[error("malformed message")]
    Malformed,
    /// Longer than [`MESSAGE_LEN_MAX`].
    #[error("message too long")]
    TooLong,
    /// FINGERPRINT is there and wrong.
    #[error("fingerprint does not match")]
    FingerprintMismatch,
}

/// The header of a message (RFC 8489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Role of the message.
    pub class: Class,
    /// Subject of the message.
    pub method: Method,
    /// Identity of the transaction.
    pub transaction: TransactionId,
}

impl Header {
    /// Reads the header of a whole message: its length must be that of `bytes`,
    /// a multiple of four.
    ///
    /// # Errors
    /// [`ParseError::NotStun`] or [`ParseError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let header = bytes
            .first_chunk::<HEADER_LEN>()
            .ok_or(ParseError::NotStun)?;
        // RFC 9443 leaves the first bytes 0 to 3 to STUN.
        if header[0] > 3 || header[4..8] != MAGIC_COOKIE {
            return Err(ParseError::NotStun);
        }
        let body = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if body % 4 != 0 || bytes.len() != HEADER_LEN + body {
            return Err(ParseError::Malformed);
        }
        let (class, method) = split_type(u16::from_be_bytes([header[0], header[1]]));
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        Ok(Self {
            class,
            method,
            transaction,
        })
    }
}

/// Takes class and method apart (RFC 8489, figure 3).
fn split_type(kind: u16) -> (Class, Method) {
    let class = match kind & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    let method = (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2;
    (class, Method::of(method))
}

fn join_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    let method = method.code();
    class | (method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
