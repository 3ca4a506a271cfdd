//! What every room of a shard shares.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_wire::control::{Event, MemberKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::arena::SendArena;
use crate::clock::ReportClock;
use crate::crossing::Crossing;
use crate::demux::Demux;
use crate::egress::{Making, OwnSender};
use crate::governor::{Permit, Turn};
use crate::policing::Refused;
use crate::sender::{EstimatorKind, Sender, SenderKind};
use crate::subscription::Beginnings;
use crate::timers::Timers;
use crate::transport::{Credentials, Str0mSender};

/// A member by its place, and by its key in case the place was given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) room: usize,
    pub(crate) member: usize,
    pub(crate) key: MemberKey,
}

/// What may become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A transport's own timers.
    Transport(Place),
    /// The upkeep of one member.
    Tick(Place),
}

/// Counts since the start of the shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that no transport was found for.
    pub unroutable: u64,
    /// Datagrams to or from an address that is not relayed, of a transport that
    /// may use the relay alone.
    pub not_relayed: u64,
    /// Packets on an m-line that nothing is published on, or that is muted.
    pub unpublished: u64,
    /// Packets of media that came, unpublished ones among them.
    pub received: u64,
    /// Packets handed to senders.
    pub forwarded: u64,
    /// Keyframes that publishers were asked for.
    pub keyframes_requested: u64,
    /// Packets sent again because they were asked for.
    pub resent: u64,
    /// Packets that subscribers said they lacked.
    pub nacked: u64,
    /// Sender reports sent.
    pub sender_reports: u64,
    /// Probes of what a path takes.
    pub probes: u64,
    /// Packets of pictures that waited for too long, or had no path.
    pub dropped: u64,
    /// Packets that were not sent because sealing them would have used a number twice.
    pub unsealed: u64,
    /// RTCP datagrams that were not authentic, not encrypted, or seen before.
    pub rtcp_refused: u64,
    /// Connections whose media is sealed with an AEAD.
    pub aead: u64,
    /// Connections whose media is sealed without an AEAD.
    pub not_aead: u64,
    /// Slots whose subscriber took longer than two seconds to acknowledge.
    pub unacknowledged_slots: u64,
    /// Datagrams and packets dropped by the DTLS filter, or for their size.
    pub filtered: u64,
    /// Transports that ended because code panicked while serving them.
    pub panics: u64,
    /// Pictures that were stopped because there was more to do than could be done.
    pub pictures_stopped: u64,
    /// Datagrams of pictures that had waited too long to be worth opening.
    pub pictures_late: u64,
    /// What participants sent that was more than they may.
    pub refused: Refused,
}

/// The part of a shard that its rooms use.
pub(crate) struct Services {
    pub(crate) arena: SendArena,
    pub(crate) events: VecDeque<Event>,
    /// What is for other shards.
    pub(crate) crossings: VecDeque<(u8, Crossing)>,
    pub(crate) timers: Timers<Due>,
    pub(crate) demux: Demux,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) counters: Counters,
    pub(crate) rng: StdRng,
    /// Who seals what is sent.
    pub(crate) sender: SenderKind,
    /// Who says how much paths take.
    pub(crate) estimator: EstimatorKind,
    /// Turns instants into the time of sender reports.
    pub(crate) clock: ReportClock,
    /// What was done since the turn began.
    pub(crate) turn: Turn,
    /// What may be sent.
    pub(crate) permit: Permit,
}

/// Length of an ICE password: 190 bits. The minimum is 22 (RFC 8445, section 5.3).
const PASSWORD_CHARS: usize = 32;

/// The ICE characters (RFC 8839, section 5.4).
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Services {
    /// Draws an ICE password to go with `ufrag`.
    pub(crate) fn credentials(&mut self, ufrag: String) -> Credentials {
        let password = (0..PASSWORD_CHARS)
            .map(|_| char::from(ICE_CHARS[usize::from(self.rng.random::<u8>() & 63)]))
            .collect();
        Credentials { ufrag, password }
    }

    /// Draws the beginnings of an outgoing stream.
    pub(crate) fn beginnings(&mut self) -> Beginnings {
        Beginnings {
            seq: self.rng.random(),
            timestamp: self.rng.random(),
            picture_id: self.rng.random::<u16>() & 0x7fff,
            tl0_pic_idx: self.rng.random(),
        }
    }

    /// Makes what sends to one subscriber.
    pub(crate) fn sender(&mut self, now: Instant) -> Box<dyn Sender> {
        match self.sender {
            SenderKind::Own => {
                let making = Making {
                    clock: self.clock,
                    estimator: self.estimator.make(now),
                    rng: StdRng::from_rng(&mut self.rng),
                };
                Box::new(OwnSender::new(now, making))
            }
            SenderKind::Str0m => Box::new(Str0mSender::default()),
        }
    }

    /// Wakes `due` at `at`.
    pub(crate) fn schedule(&mut self, at: Instant, due: Due) {
        self.timers.schedule(at, due);
    }
}
