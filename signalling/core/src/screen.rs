//! Who shares a screen, and how many have each in sight.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::TrackId;

/// How long a grant waits for its publication: the time in which somebody
/// finds the right window in the browser's dialogue.
const PUBLISH_WITHIN: Duration = Duration::from_secs(60);
/// How often a sharer is told how many see it: more would tell of each click
/// of everybody.
const VIEWERS_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Granted { until: Instant },
    Live,
}

/// What a sharer was told of those who see it.
#[derive(Debug, Default)]
struct Viewers {
    /// How many there are.
    count: u32,
    /// How many it knows of: without a word, of none.
    told: u32,
    told_at: Option<Instant>,
}

impl Viewers {
    /// Returns when it has to be told, if it has to.
    fn due(&self, now: Instant) -> Option<Instant> {
        let next = self.told_at.map_or(now, |at| at + VIEWERS_EVERY);
        (self.count != self.told).then_some(next)
    }
}

#[derive(Debug)]
struct Share {
    holder: MemberKey,
    track: TrackId,
    stage: Stage,
    /// Whether its sound was muted before it was paused.
    was_silent: bool,
    viewers: Viewers,
}

/// All places for a share are taken by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occupied;

/// The screen shares of a room, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Screens {
    shares: Vec<Share>,
}

impl Screens {
    /// Gives a share to `who`, where at most `most` may be at once. `track` is its
    /// name if `who` does not hold one yet. Who asks again gets no more time.
    pub(crate) fn acquire(
        &mut self,
        now: Instant,
        who: MemberKey,
        track: TrackId,
        most: usize,
    ) -> Result<TrackId, Occupied> {
        if let Some(held) = self.track_of(who) {
            return Ok(held);
        }
        if self.shares.len() >= most {
            return Err(Occupied);
        }
        let until = now + PUBLISH_WITHIN;
        self.shares.push(Share {
            holder: who,
            track,
            stage: Stage::Granted { until },
            was_silent: false,
            viewers: Viewers::default(),
        });
        Ok(track)
    }

    /// Notes that a holder publishes.
    pub(crate) fn go_live(&mut self, who: MemberKey) {
        if let Some(share) = self.share_mut(who) {
            share.stage = Stage::Live;
        }
    }

    /// Takes the share from `who`. Returns whether it had one.
    pub(crate) fn release(&mut self, who: MemberKey) -> bool {
        let before = self.shares.len();
        self.shares.retain(|share| share.holder != who);
        self.shares.len() < before
    }

    /// Returns whose grant has run out.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<MemberKey> {
        let late = self
            .shares
            .iter()
            .filter(|share| matches!(share.stage, Stage::Granted { until } if until <= now));
        late.map(|share| share.holder).collect()
    }

    /// Keeps whether the sound of a share was muted before it was paused.
    pub(crate) fn note_silence(&mut self, who: MemberKey, was_silent: bool) {
        if let Some(share) = self.share_mut(who) {
            share.was_silent = was_silent;
        }
    }

    /// Takes how many have the share of `who` in sight. Returns whether it has to
    /// be told now, and takes it as told.
    pub(crate) fn count_viewers(&mut self, now: Instant, who: MemberKey, count: u32) -> bool {
        let Some(share) = self.share_mut(who) else {
            return false;
        };
        let viewers = &mut share.viewers;
        viewers.count = count;
        let is_due = viewers.due(now).is_some_and(|due| due <= now);
        if is_due {
            viewers.told = count;
            viewers.told_at = Some(now);
        }
        is_due
    }

    /// Returns when [`Screens::overdue`] next has somebody, or somebody has to be
    /// told of its viewers.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let shares = self.shares.iter().flat_map(|share| match share.stage {
            Stage::Granted { until } => [Some(until), None],
            Stage::Live => [None, share.viewers.due(now)],
        });
        shares.flatten().min()
    }

    /// Returns the only one who shares.
    pub(crate) fn only_holder(&self) -> Option<MemberKey> {
        match self.shares.as_slice() {
            [only] => Some(only.holder),
            _ => None,
        }
    }

    /// Returns the name of the share of `who`.
    pub(crate) fn track_of(&self, who: MemberKey) -> Option<TrackId> {
        self.share(who).map(|share| share.track)
    }

    /// Returns what [`Screens::note_silence`] kept.
    pub(crate) fn was_silent(&self, who: MemberKey) -> bool {
        self.share(who).is_some_and(|share| share.was_silent)
    }

    /// Returns how many have the share of `who` in sight, if it is one that can be.
    pub(crate) fn viewers_of(&self, who: MemberKey) -> Option<u32> {
        let live = self.share(who).filter(|share| share.stage == Stage::Live);
        live.map(|share| share.viewers.count)
    }

    /// Returns those whose shares can be seen.
    pub(crate) fn live(&self) -> Vec<MemberKey> {
        let live = self
            .shares
            .iter()
            .filter(|share| share.stage == Stage::Live);
        live.map(|share| share.holder).collect()
    }

    fn share(&self, who: MemberKey) -> Option<&Share> {
        self.shares.iter().find(|share| share.holder == who)
    }

    fn share_mut(&mut self, who: MemberKey) -> Option<&mut Share> {
        self.shares.iter_mut().find(|share| share.holder == who)
    }
}
