//! What one participant publishes, and what it has asked to publish.

use std::collections::BTreeMap;
use std::time::Instant;

use conclave_signalling_wire::ids::TrackId;
use conclave_signalling_wire::objects::{Source, SourceState, Sources};

use crate::output::LinkId;

/// A source that the shard accepts.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) track: TrackId,
    pub(crate) muted: bool,
}

/// A source that the shard has not answered for.
#[derive(Debug, Clone)]
pub(crate) struct PendingPublication {
    pub(crate) link: LinkId,
    pub(crate) id: u32,
    /// Tells its answer from that of an earlier one.
    pub(crate) attempt: u32,
    pub(crate) track: TrackId,
    pub(crate) muted: bool,
    pub(crate) deadline: Instant,
}

/// See the module. A source may be both: published, and asked for again.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    pub(crate) live: BTreeMap<Source, Publication>,
    pub(crate) pending: BTreeMap<Source, PendingPublication>,
    attempts: u32,
}

impl Publications {
    /// Returns the number of the next attempt.
    pub(crate) fn next_attempt(&mut self) -> u32 {
        self.attempts = self.attempts.wrapping_add(1);
        self.attempts
    }

    /// Takes the request that an answer of the shard is for.
    pub(crate) fn answered(&mut self, source: Source, attempt: u32) -> Option<PendingPublication> {
        let pending = self.pending.get(&source)?;
        if pending.attempt == attempt {
            self.pending.remove(&source)
        } else {
            None
        }
    }

    /// Writes what others see of it.
    pub(crate) fn sources(&self) -> Sources {
        let state = |source| {
            let publication = self.live.get(&source);
            SourceState {
                published: publication.is_some(),
                muted: publication.is_none_or(|publication| publication.muted),
                muted_by: None,
                locked: false,
            }
        };
        let shared = |source| self.live.contains_key(&source).then(|| state(source));
        Sources {
            microphone: state(Source::Microphone),
            camera: state(Source::Camera),
            screen: shared(Source::Screen),
            screen_audio: shared(Source::ScreenAudio),
        }
    }

    /// Takes the requests whose answer is overdue.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<(Source, PendingPublication)> {
        let late = |pending: &PendingPublication| pending.deadline <= now;
        self.pending
            .extract_if(.., |_, pending| late(pending))
            .collect()
    }

    /// Returns when [`Publications::overdue`] next has something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.deadline).min()
    }

    /// Returns whether a request of this number on this link waits for the shard.
    pub(crate) fn awaits(&self, link: LinkId, id: u32) -> bool {
        self.pending
            .values()
            .any(|pending| pending.link == link && pending.id == id)
    }
}
