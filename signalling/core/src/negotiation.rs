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

/// An offer that the shard has not answered.
#[derive(Debug)]
pub(crate) struct PendingOffer {
    pub(crate) link: LinkId,
    pub(crate) id: u32,
    pub(crate) generation: u32,
    deadline: Instant,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Negotiation {
    transport: Transport,
    /// In the order of the commands, for the shard answers in that order. At
    /// most one is of the present link; older ones only keep the count.
    pending: VecDeque<PendingOffer>,
    offers: PerMinute,
    resets: PerMinute,
}

impl Negotiation {
    pub(crate) fn new() -> Self {
        Negotiation {
            transport: Transport::None,
            pending: VecDeque::new(),
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
        link: LinkId,
        id: u32,
        generation: u32,
        sdp_bytes: usize,
    ) -> Result<bool, ErrorBody> {
        if sdp_bytes > SDP_BYTES {
            return Err(ErrorBody::from(ErrorCode::TooLarge).field("sdp"));
        }
        if sdp_bytes == 0 {
            return Err(ErrorBody::from(ErrorCode::SdpInvalid).field("sdp"));
        }
        if generation < self.lowest_generation() {
            return Err(ErrorBody::bad("generation"));
        }
        if self.pending.iter().any(|offer| offer.link == link) {
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
        self.pending.push_back(PendingOffer {
            link,
            id,
            generation,
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

    /// Takes the offer that an answer of the shard belongs to.
    pub(crate) fn answered(&mut self, generation: u32) -> Option<PendingOffer> {
        let place = self
            .pending
            .iter()
            .position(|offer| offer.generation == generation)?;
        self.pending.drain(..=place).next_back()
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
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<PendingOffer> {
        let late = self
            .pending
            .iter()
            .take_while(|offer| offer.deadline <= now)
            .count();
        self.pending.drain(..late).collect()
    }

    /// Returns when [`Negotiation::overdue`] next has something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.front().map(|offer| offer.deadline)
    }

    /// Returns whether a request of this number on this link waits for the shard.
    pub(crate) fn awaits(&self, link: LinkId, id: u32) -> bool {
        self.pending
            .iter()
            .any(|offer| offer.link == link && offer.id == id)
    }
}
