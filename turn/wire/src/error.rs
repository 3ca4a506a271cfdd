//! The error codes of STUN and TURN.

/// What an error response says (RFC 8489, section 14.8; RFC 8656, section 19).
///
/// Written without a reason phrase: nobody reads it, and an unauthenticated
/// answer must not be larger than what caused it by more than it has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// 300: another server takes the client (ALTERNATE-SERVER says which).
    TryAlternate,
    /// 400: the request is malformed or contradicts itself.
    BadRequest,
    /// 401: without integrity, with wrong integrity, or of an unknown user.
    Unauthenticated,
    /// 403: the policy denies the peer.
    Forbidden,
    /// 405: mobility is off (RFC 8016).
    MobilityForbidden,
    /// 420: attributes that must be understood are not (UNKNOWN-ATTRIBUTES lists them).
    UnknownAttribute,
    /// 437: no allocation for this 5-tuple, or one of another request.
    AllocationMismatch,
    /// 438: the nonce is too old (NONCE has a fresh one).
    StaleNonce,
    /// 440: no relayed address of the wanted family.
    AddressFamilyNotSupported,
    /// 441: the allocation belongs to somebody else.
    WrongCredentials,
    /// 442: the wanted transport towards peers is not offered.
    UnsupportedTransport,
    /// 443: a peer of a family that the allocation has not.
    PeerFamilyMismatch,
    /// 446: there is a connection to this peer (RFC 6062).
    ConnectionAlreadyExists,
    /// 447: the peer did not take the connection (RFC 6062).
    ConnectionFailed,
    /// 486: the user's quota of allocations is used up.
    AllocationQuotaReached,
    /// 500: a temporary failure of the server.
    ServerError,
    /// 508: out of ports, identifiers or room in a table.
    InsufficientCapacity,
}

impl ErrorCode {
    /// Every code that the relay may answer with.
    pub const ALL: [ErrorCode; 17] = [
        ErrorCode::TryAlternate,
        ErrorCode::BadRequest,
        ErrorCode::Unauthenticated,
        ErrorCode::Forbidden,
        ErrorCode::MobilityForbidden,
        ErrorCode::UnknownAttribute,
        ErrorCode::AllocationMismatch,
        ErrorCode::StaleNonce,
        ErrorCode::AddressFamilyNotSupported,
        ErrorCode::WrongCredentials,
        ErrorCode::UnsupportedTransport,
        ErrorCode::PeerFamilyMismatch,
        ErrorCode::ConnectionAlreadyExists,
        ErrorCode::ConnectionFailed,
        ErrorCode::AllocationQuotaReached,
        ErrorCode::ServerError,
        ErrorCode::InsufficientCapacity,
    ];

    /// Returns the number on the wire, 300 to 699.
    pub fn code(self) -> u16 {
        match self {
            ErrorCode::TryAlternate => 300,
            ErrorCode::BadRequest => 400,
            ErrorCode::Unauthenticated => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::MobilityForbidden => 405,
            ErrorCode::UnknownAttribute => 420,
            ErrorCode::AllocationMismatch => 437,
            ErrorCode::StaleNonce => 438,
            ErrorCode::AddressFamilyNotSupported => 440,
            ErrorCode::WrongCredentials => 441,
            ErrorCode::UnsupportedTransport => 442,
            ErrorCode::PeerFamilyMismatch => 443,
            ErrorCode::ConnectionAlreadyExists => 446,
            ErrorCode::ConnectionFailed => 447,
            ErrorCode::AllocationQuotaReached => 486,
            ErrorCode::ServerError => 500,
            ErrorCode::InsufficientCapacity => 508,
        }
    }
}
