//! The peer connection of one participant: which generation it is in, what is
//! being negotiated, and how often it failed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::limits::{OFFERS_PER_MINUTE, RESETS_PER_MINUTE, SDP_BYTES};
use conclave_signalling_wire::push::ResetReason;
use conclave_signalling_wire::reply::MediaState;

use crate::output::LinkId;
use crate::rate::{PerMinute, seconds};

/// How long a shard may take for an answer. It needs milliseconds; beyond this
/// it is gone, and the client had better hear so than wait.
pub(crate) const MEDIA_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What became of the newest peer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    /// Nothing was offered.
    None,
    /// It was offered, and has not failed.
    Open { generation: u32 },
    /// It failed; the next one needs a higher generation.
    Failed { generation: u32 },
    /// It failed once too often; its owner waits before it offers the next one.
    GivenUp { generation: u32 },
}

/// An offer, but for its SDP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offered {
    pub(crate) link: LinkId,
    pub(crate) id: u32,
    pub(crate) generation: u32,
    /// Whether the shard takes media of it only through the relay.
    pub(crate) relay_only: bool,
}

/// An offer that the shard has not answered.
#[derive(Debug)]
struct PendingOffer {
    offered: Offered,
    deadline: Instant,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Negotiation {
    transport: Transport,
    /// In the order of the commands, for the shard answers in that order. At
    /// most one is of the present link; older ones only keep the count.
    pending: VecDeque<PendingOffer>,
    /// Whether the shard may have a transport that takes media past the relay:
    /// an offer that is refused leaves the one before as it was.
    may_be_direct: bool,
    offers: PerMinute,
    resets: PerMinute,
}

impl Negotiation {
    pub(crate) fn new() -> Self {
        Negotiation {
            transport: Transport::None,
            pending: VecDeque::new(),
            may_be_direct: false,
            offers: PerMinute::new(OFFERS_PER_MINUTE),
            resets: PerMinute::new(RESETS_PER_MINUTE),
        }
    }

    /// Checks an offer and notes that it is on its way to the shard.
    ///
    /// Returns whether it begins a new peer connection.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        offered: Offered,
        sdp_bytes: usize,
    ) -> Result<bool, ErrorBody> {
        let Offered {
            link, generation, ..
        } = offered;
        if sdp_bytes > SDP_BYTES {
            return Err(ErrorBody::from(ErrorCode::TooLarge).field("sdp"));
        }
        if sdp_bytes == 0 {
            return Err(ErrorBody::from(ErrorCode::SdpInvalid).field("sdp"));
        }
        if generation < self.lowest_generation() {
            return Err(ErrorBody::bad("generation"));
        }
        if self.pending.iter().any(|offer| offer.offered.link == link) {
            return Err(ErrorCode::Conflict.into());
        }
        if matches!(self.transport, Transport::GivenUp { .. })
            && let Some(wait) = self.resets.wait(now)
        {
            return Err(ErrorBody::from(ErrorCode::NotAvailable).retry_after_s(seconds(wait)));
        }
        self.offers
            .take(now)
            .map_err(|wait| ErrorBody::from(ErrorCode::RateLimited).retry_after_s(seconds(wait)))?;
        let is_new = self.transport != Transport::Open { generation };
        self.transport = Transport::Open { generation };
        self.may_be_direct |= !offered.relay_only;
        self.pending.push_back(PendingOffer {
            offered,
            deadline: now + MEDIA_ANSWER_WITHIN,
        });
        Ok(is_new)
    }

    fn lowest_generation(&self) -> u32 {
        match self.transport {
            Transport::None => 1,
            Transport::Open { generation } => generation,
            Transport::Failed { generation } | Transport::GivenUp { generation } => {
                generation.saturating_add(1)
            }
        }
    }

    /// Takes the offer that an answer of the shard belongs to, which took it or refused it.
    pub(crate) fn answered(&mut self, generation: u32, is_taken: bool) -> Option<Offered> {
        let place = self
            .pending
            .iter()
            .position(|offer| offer.offered.generation == generation)?;
        let answered = self.pending.drain(..=place).next_back()?.offered;
        if is_taken && answered.relay_only {
            self.may_be_direct = self.awaits_direct();
        }
        Some(answered)
    }

    fn awaits_direct(&self) -> bool {
        self.pending.iter().any(|offer| !offer.offered.relay_only)
    }

    /// Notes that the transport is ended, with whatever was offered so far, if it
    /// may take media past the relay. Returns whether it is.
    pub(crate) fn end_direct(&mut self) -> bool {
        if let Transport::Open { generation } = self.transport
            && self.may_be_direct
        {
            self.transport = Transport::Failed { generation };
        }
        std::mem::take(&mut self.may_be_direct)
    }

    /// Notes that a peer connection failed. Returns what to tell its owner, if it was the newest one.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        generation: u32,
        reason: ResetReason,
    ) -> Option<ResetReason> {
        if self.transport != (Transport::Open { generation }) {
            return None;
        }
        self.may_be_direct = self.awaits_direct();
        if self.resets.take(now).is_ok() {
            self.transport = Transport::Failed { generation };
            Some(reason)
        } else {
            self.transport = Transport::GivenUp { generation };
            Some(ResetReason::GivenUp)
        }
    }

    /// Returns what a resumed link is told about its peer connection.
    pub(crate) fn state(&self) -> MediaState {
        match self.transport {
            Transport::Open { .. } => MediaState::Kept,
            Transport::None | Transport::Failed { .. } | Transport::GivenUp { .. } => {
                MediaState::Lost
            }
        }
    }

    /// Takes the offers whose answer is overdue.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Offered> {
        let late = self
            .pending
            .iter()
            .take_while(|offer| offer.deadline <= now)
            .count();
        let late = self.pending.drain(..late);
        late.map(|offer| offer.offered).collect()
    }

    /// Returns when [`Negotiation::overdue`] next has something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.front().map(|offer| offer.deadline)
    }

    /// Returns whether a request of this number on this link waits for the shard.
    pub(crate) fn awaits(&self, link: LinkId, id: u32) -> bool {
        self.pending
            .iter()
            .any(|offer| offer.offered.link == link && offer.offered.id == id)
    }
}
