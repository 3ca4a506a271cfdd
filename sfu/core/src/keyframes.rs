//! When to ask a publisher for a keyframe.
//!
//! Many subscribers lose packets at once, and each keyframe costs the
//! publisher several frames' worth of bits: requests for one encoding are
//! merged, and at most one leaves per [`SPACING`].

use std::time::{Duration, Instant};

/// Shortest time between two requests for one encoding. A keyframe takes about
/// one round trip and one frame to arrive; asking more often only repeats it.
const SPACING: Duration = Duration::from_millis(500);

/// The requests for one encoding.
#[derive(Debug, Default)]
pub(crate) struct KeyframeGate {
    sent: Option<Instant>,
    /// Somebody waits for a keyframe that has not come.
    wanted: bool,
}

impl KeyframeGate {
    /// Notes that a subscriber needs a keyframe.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Returns whether somebody waits for one, so that another request adds nothing.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Notes that one arrived.
    pub(crate) fn satisfied(&mut self) {
        self.wanted = false;
    }

    /// Returns whether a request is to be sent at `now`, and notes that it is.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        let due = self.wanted
            && self
                .sent
                .is_none_or(|sent| now.saturating_duration_since(sent) >= SPACING);
        if due {
            self.sent = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    #[test]
    fn requests_are_merged_and_repeated_until_a_keyframe_comes() {
        let start = epoch();
        let mut gate = KeyframeGate::default();
        assert!(!gate.poll(start));
        gate.want();
        gate.want();
        assert!(gate.is_wanted());
        assert!(gate.poll(start));
        assert!(!gate.poll(start + Duration::from_millis(499)));
        assert!(gate.poll(start + SPACING), "still wanted");
        gate.satisfied();
        assert!(!gate.is_wanted());
        assert!(!gate.poll(start + 3 * SPACING));
        gate.want();
        assert!(gate.poll(start + 3 * SPACING));
    }
}
