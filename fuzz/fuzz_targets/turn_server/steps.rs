//! What may happen to the relay.

use arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
pub(crate) struct Input {
    pub(crate) is_stream: bool,
    pub(crate) has_tcp: bool,
    pub(crate) is_virtual: bool,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Step {
    Raw {
        is_known: bool,
        bytes: Vec<u8>,
    },
    Ask {
        is_known: bool,
        is_sealed: bool,
        on_second: bool,
        whom: u8,
        transaction: bool,
        method: u8,
        attributes: Vec<Attribute>,
    },
    Channel {
        is_known: bool,
        number: u8,
        payload: Vec<u8>,
    },
    Send {
        is_known: bool,
        peer: u8,
        dont_fragment: bool,
        len: u16,
    },
    FromPeer {
        peer: u8,
        relayed: u8,
        owner: Option<u8>,
        payload: Vec<u8>,
    },
    Icmp {
        peer: u8,
        relayed: u8,
        kind: u8,
        code: u8,
        data: u32,
    },
    Connected {
        connection: u8,
        is_ok: bool,
    },
    Accepted {
        peer: u8,
        owner: u8,
    },
    PeerClosed {
        connection: u8,
    },
    ClientClosed {
        is_second: bool,
    },
    Pass {
        millis: u32,
    },
    Revoke,
    Admit,
    /// The wall clock is set back.
    Clock {
        back_s: u8,
    },
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Attribute {
    Transport(u8),
    Lifetime(u32),
    Requested(bool),
    Additional,
    EvenPort(bool),
    Token,
    DontFragment,
    Peer(u8),
    Channel(u8),
    Connection(u8),
    Raw(u16, Vec<u8>),
}
