//! Who has been asked to unmute or to start, and has not answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::limits::{REQUEST_WITHIN, REQUESTS_PER_MINUTE};
use conclave_signalling_wire::objects::Source;

use crate::rate::PerMinute;

/// Counters of pairs beyond which those that are at rest are thrown away.
const PAIRS_KEPT: usize = 64;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Who asks.
    pub(crate) asker: MemberKey,
    /// Who is asked.
    pub(crate) asked: MemberKey,
    /// To unmute or to start this.
    pub(crate) source: Source,
    until: Instant,
}

/// Why a question is not put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// The same was asked, and is not answered.
    Pending,
    /// Too often; after this long another may be put.
    TooOften(Duration),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    pending: BTreeMap<RequestId, Prompt>,
    asked: BTreeMap<(MemberKey, MemberKey), PerMinute>,
}

impl Prompts {
    /// Puts a question, if it may be put.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        request: RequestId,
        asker: MemberKey,
        asked: MemberKey,
        source: Source,
    ) -> Result<(), Unasked> {
        if self.is_pending(asker, asked, source) {
            return Err(Unasked::Pending);
        }
        if self.asked.len() >= PAIRS_KEPT {
            self.asked.retain(|_, minute| !minute.is_at_rest(now));
        }
        self.asked
            .entry((asker, asked))
            .or_insert_with(|| PerMinute::new(REQUESTS_PER_MINUTE))
            .take(now)
            .map_err(Unasked::TooOften)?;
        self.put(now, request, asker, asked, source);
        Ok(())
    }

    fn is_pending(&self, asker: MemberKey, asked: MemberKey, source: Source) -> bool {
        let known =
            |prompt: &Prompt| (prompt.asker, prompt.asked, prompt.source) == (asker, asked, source);
        self.pending.values().any(known)
    }

    fn put(
        &mut self,
        now: Instant,
        request: RequestId,
        asker: MemberKey,
        asked: MemberKey,
        source: Source,
    ) {
        let prompt = Prompt {
            asker,
            asked,
            source,
            until: now + REQUEST_WITHIN,
        };
        self.pending.insert(request, prompt);
    }

    /// Puts a question to somebody who was called to speak, however often it is
    /// called. Returns whether it was not already asked the same.
    pub(crate) fn ask_called(
        &mut self,
        now: Instant,
        request: RequestId,
        asker: MemberKey,
        asked: MemberKey,
    ) -> bool {
        let source = Source::Microphone;
        let is_new = !self.is_pending(asker, asked, source);
        if is_new {
            self.put(now, request, asker, asked, source);
        }
        is_new
    }

    /// Takes a question back.
    pub(crate) fn withdraw(&mut self, request: RequestId) -> Option<Prompt> {
        self.pending.remove(&request)
    }

    /// Takes the question that `who` answers.
    pub(crate) fn answer(&mut self, request: RequestId, who: MemberKey) -> Option<Prompt> {
        self.pending
            .get(&request)
            .filter(|prompt| prompt.asked == who)?;
        self.pending.remove(&request)
    }

    /// Takes the questions that nobody answered in time.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<(RequestId, Prompt)> {
        self.pending
            .extract_if(.., |_, prompt| prompt.until <= now)
            .collect()
    }

    /// Returns when [`Prompts::overdue`] next has something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.values().map(|prompt| prompt.until).min()
    }

    /// Forgets what somebody asked who is gone. Takes what it was asked.
    pub(crate) fn forget(&mut self, who: MemberKey) -> Vec<(RequestId, Prompt)> {
        self.asked
            .retain(|(asker, asked), _| *asker != who && *asked != who);
        let gone = self
            .pending
            .extract_if(.., |_, prompt| prompt.asker == who || prompt.asked == who);
        gone.filter(|(_, prompt)| prompt.asker != who).collect()
    }
}
