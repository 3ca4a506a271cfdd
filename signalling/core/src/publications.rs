//! What one participant publishes, and what it has asked to publish.

use std::collections::BTreeMap;
use std::time::Instant;

use conclave_signalling_wire::ids::{ParticipantId, TrackId};
use conclave_signalling_wire::objects::{Permission, Source, SourceState, Sources};

use crate::output::LinkId;
use crate::permission::PermissionSet;

/// A source that the shard accepts.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) track: TrackId,
    pub(crate) muted: bool,
    /// Who muted it, if it was neither its owner nor the room itself.
    pub(crate) muted_by: Option<ParticipantId>,
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
    pub(crate) muted_by: Option<ParticipantId>,
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

    /// Mutes or unmutes what is published and what is asked for. Returns
    /// whether that changed anything, `None` if there is neither.
    pub(crate) fn set_muted(
        &mut self,
        source: Source,
        muted: bool,
        by: Option<ParticipantId>,
    ) -> Option<bool> {
        let live = self.live.get_mut(&source);
        let live = live.map(|live| (&mut live.muted, &mut live.muted_by));
        let pending = self.pending.get_mut(&source);
        let pending = pending.map(|pending| (&mut pending.muted, &mut pending.muted_by));
        if live.is_none() && pending.is_none() {
            return None;
        }
        let mut changed = false;
        for (state, author) in [live, pending].into_iter().flatten() {
            // Who muted it first did so.
            if *state != muted {
                (*state, *author) = (muted, by);
                changed = true;
            }
        }
        Some(changed)
    }

    /// Returns whether a source is muted that is published or asked for.
    pub(crate) fn is_muted(&self, source: Source) -> Option<bool> {
        let pending = || Some(self.pending.get(&source)?.muted);
        let live = self.live.get(&source);
        live.map(|live| live.muted).or_else(pending)
    }

    /// Returns whether a source is published and not muted.
    pub(crate) fn is_open(&self, source: Source) -> bool {
        self.live.get(&source).is_some_and(|live| !live.muted)
    }

    /// Returns whether a source is published or asked for.
    pub(crate) fn has(&self, source: Source) -> bool {
        self.live.contains_key(&source) || self.pending.contains_key(&source)
    }

    /// Writes what others see of it, where its owner has these permissions.
    pub(crate) fn sources(&self, permissions: PermissionSet) -> Sources {
        let state = |source| {
            let publication = self.live.get(&source);
            SourceState {
                published: publication.is_some(),
                muted: publication.is_none_or(|publication| publication.muted),
                muted_by: publication.and_then(|publication| publication.muted_by),
                locked: !permissions.contains(Permission::to_publish(source)),
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

    /// Returns the sources for which an answer is overdue.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<Source> {
        let late = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline <= now);
        late.map(|(source, _)| *source).collect()
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
