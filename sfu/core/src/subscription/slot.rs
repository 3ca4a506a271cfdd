//! One video slot of a subscriber: who feeds it, which encoding, and the
//! switching between them.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::PauseReason;

use super::rewriter::{Located, Rewriter};
use crate::packet::{MediaPacket, Outgoing};
use crate::publication::Encoding;
use crate::sender::StreamParams;

/// An encoding that was silent for this long in the middle of a frame will not
/// finish it; a switch need not wait for its end.
const BROKEN_FRAME: Duration = Duration::from_millis(200);

/// Who feeds a slot. A new source flows only after the subscriber has said
/// that it shows the old one no more: no face appears under a wrong name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Nobody.
    Empty,
    /// A publication, once the subscriber acknowledges `rev`.
    Waiting {
        publication: usize,
        rev: u32,
        since: Instant,
        counted: bool,
    },
    /// A publication.
    Active { publication: usize },
}

impl Feed {
    /// Returns the publication, flowing or not.
    pub(crate) fn publication(self) -> Option<usize> {
        match self {
            Feed::Empty => None,
            Feed::Waiting { publication, .. } | Feed::Active { publication } => Some(publication),
        }
    }
}

/// One video slot.
#[derive(Debug)]
pub(crate) struct VideoSlot {
    /// Its m-line.
    pub(crate) params: StreamParams,
    /// Who feeds it.
    pub(crate) feed: Feed,
    /// Why nothing is sent, as last told to the subscriber.
    pub(crate) paused: Option<PauseReason>,
    level: Option<usize>,
    level_since: Option<Instant>,
    rewriter: Rewriter,
    current: Option<usize>,
    target: Option<usize>,
    frame_open: Option<Instant>,
    /// What was last given up: all of that encoding that had come by then.
    given_up: Option<(usize, Instant)>,
}

impl VideoSlot {
    /// Makes an empty slot.
    pub(crate) fn new(params: StreamParams, rewriter: Rewriter) -> Self {
        VideoSlot {
            params,
            feed: Feed::Empty,
            paused: None,
            level: None,
            level_since: None,
            rewriter,
            current: None,
            target: None,
            frame_open: None,
            given_up: None,
        }
    }

    /// Gives the slot to a publication, or to nobody. The old source stops at once.
    pub(crate) fn assign(&mut self, feed: Feed) {
        self.feed = feed;
        self.target = None;
        self.level = None;
        self.level_since = None;
        self.given_up = None;
        self.halt();
        self.rewriter.forget();
    }

    /// Returns whether an acknowledgement of `rev` would let this slot flow.
    pub(crate) fn awaits_ack(&self, rev: u32) -> bool {
        matches!(self.feed, Feed::Waiting { rev: waits_for, .. } if waits_for <= rev)
    }

    /// Lets the waiting publication flow. Returns the timestamp that parts it
    /// from what was sent before.
    pub(crate) fn acknowledge(&mut self, now: Instant, rev: u32) -> Option<u32> {
        let Feed::Waiting { publication, .. } = self.feed else {
            return None;
        };
        if !self.awaits_ack(rev) {
            return None;
        }
        self.feed = Feed::Active { publication };
        Some(self.rewriter.announce(now))
    }

    /// Stops sending; goes on with the next keyframe.
    pub(crate) fn halt(&mut self) {
        self.current = None;
        self.frame_open = None;
        self.rewriter.stop();
    }

    /// Stops sending, and nothing that was sent is sent again.
    pub(crate) fn forget(&mut self) {
        self.halt();
        self.rewriter.forget();
    }

    /// Stops sending, because what waited was given up: the line takes less.
    /// None of it is sent again, neither because the subscriber lacks it nor to
    /// begin with: the slot goes on with a keyframe that comes later.
    pub(crate) fn give_up(&mut self, now: Instant) {
        if let Some(encoding) = self.current {
            self.given_up = Some((encoding, now));
        }
        self.forget();
    }

    /// Finds where a packet that was sent has come from, by the lower 16 bits
    /// of its sequence number: the slot's publication and what to look for in it.
    pub(crate) fn locate(&self, seq: u16) -> Option<(usize, Located)> {
        match self.feed {
            Feed::Active { publication } => Some((publication, self.rewriter.locate(seq)?)),
            Feed::Empty | Feed::Waiting { .. } => None,
        }
    }

    /// Notes the encoding that the bandwidth is shared out for.
    pub(crate) fn set_level(&mut self, now: Instant, level: Option<usize>) {
        if self.level != level {
            self.level = level;
            self.level_since = Some(now);
        }
    }

    /// Returns the encoding that the bandwidth is shared out for.
    pub(crate) fn level(&self) -> Option<usize> {
        self.level
    }

    /// Returns whether the level has been the same for `hold`.
    pub(crate) fn is_settled(&self, now: Instant, hold: Duration) -> bool {
        self.level_since
            .is_none_or(|since| now.saturating_duration_since(since) >= hold)
    }

    /// Sets the encoding to be sent; none pauses the slot.
    pub(crate) fn set_target(&mut self, target: Option<usize>) {
        self.target = target;
        if target.is_none() {
            self.halt();
        }
    }

    /// Returns the encoding that is being sent.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// Returns the encoding that the slot waits for a keyframe of.
    pub(crate) fn awaits_keyframe(&self) -> Option<usize> {
        match self.feed {
            Feed::Active { .. } => self.target.filter(|_| self.target != self.current),
            Feed::Empty | Feed::Waiting { .. } => None,
        }
    }

    /// Takes a packet that has just been put into the cache of `encoding`, and
    /// hands what goes out to `send`.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        encoding: usize,
        packet: &MediaPacket,
        encodings: &[Encoding],
        mut send: impl FnMut(Outgoing<'_>),
    ) {
        if !matches!(self.feed, Feed::Active { .. }) {
            return;
        }
        if self.current == Some(encoding) && self.target.is_some() {
            if let Some(out) = self.rewriter.rewrite(packet) {
                self.frame_open = (!packet.marker).then_some(now);
                send(out);
            }
            self.try_switch(now, encodings, send);
        } else if self.target == Some(encoding) {
            self.try_switch(now, encodings, send);
        }
    }

    /// Switches to the target if that is another encoding, has a keyframe to
    /// begin with, and the frame being sent is complete.
    pub(crate) fn try_switch(
        &mut self,
        now: Instant,
        encodings: &[Encoding],
        mut send: impl FnMut(Outgoing<'_>),
    ) {
        let Some(target) = self.awaits_keyframe() else {
            return;
        };
        let mid_frame = self
            .frame_open
            .is_some_and(|since| now.saturating_duration_since(since) < BROKEN_FRAME);
        if mid_frame {
            return;
        }
        let Some(segment) = encodings
            .get(target)
            .and_then(|encoding| encoding.cache.since_keyframe(now))
        else {
            return;
        };
        let mut segment = segment.peekable();
        let Some(keyframe) = segment.peek() else {
            return;
        };
        if self.is_given_up(target, keyframe) {
            return;
        }
        self.current = Some(target);
        self.rewriter.start(target, keyframe);
        for packet in segment {
            if let Some(out) = self.rewriter.rewrite(packet) {
                self.frame_open = (!packet.marker).then_some(now);
                send(out);
            }
        }
    }

    /// Returns whether a packet was already here when what waited was given up.
    fn is_given_up(&self, encoding: usize, packet: &MediaPacket) -> bool {
        self.given_up
            .is_some_and(|(given_up, at)| given_up == encoding && packet.arrival <= at)
    }
}

#[cfg(test)]
mod tests;
