//! Who shares the screen of a room that shows one at a time.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::TrackId;

/// How long a grant waits for its publication: the time in which somebody
/// finds the right window in the browser's dialogue.
const PUBLISH_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Granted { until: Instant },
    Live,
}

#[derive(Debug)]
struct Share {
    holder: MemberKey,
    track: TrackId,
    stage: Stage,
}

/// The one screen share of a room, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    share: Option<Share>,
}

impl Screen {
    /// Gives the share to `who`, or names its holder. `track` is its name if
    /// `who` does not hold it yet. Who asks again gets no more time.
    pub(crate) fn acquire(
        &mut self,
        now: Instant,
        who: MemberKey,
        track: TrackId,
    ) -> Result<TrackId, MemberKey> {
        match &self.share {
            Some(share) if share.holder != who => Err(share.holder),
            Some(share) => Ok(share.track),
            None => {
                self.share = Some(Share {
                    holder: who,
                    track,
                    stage: Stage::Granted {
                        until: now + PUBLISH_WITHIN,
                    },
                });
                Ok(track)
            }
        }
    }

    /// Notes that the holder publishes.
    pub(crate) fn go_live(&mut self, who: MemberKey) {
        if let Some(share) = self.share.as_mut().filter(|share| share.holder == who) {
            share.stage = Stage::Live;
        }
    }

    /// Takes the share from `who`. Returns whether it had it.
    pub(crate) fn release(&mut self, who: MemberKey) -> bool {
        self.share.take_if(|share| share.holder == who).is_some()
    }

    /// Returns whose grant has run out.
    pub(crate) fn overdue(&self, now: Instant) -> Option<MemberKey> {
        let share = self.share.as_ref()?;
        self.deadline()
            .filter(|until| *until <= now)
            .map(|_| share.holder)
    }

    /// Returns when [`Screen::overdue`] next has somebody.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.share.as_ref()?.stage {
            Stage::Granted { until } => Some(until),
            Stage::Live => None,
        }
    }
}
