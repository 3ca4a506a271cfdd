//! The moment at which packets leave.

use std::time::Instant;

use super::OwnSender;
use super::stream::{Queued, Stream, Unsent, Wrap};
use crate::arena::SendArena;
use crate::estimate::Kind;
use crate::pacer::is_overdue;
use crate::sender::SenderEvent;
use crate::transport::Path;

/// Most packets of padding in one turn, whatever a probe would like.
const PADDING_PER_TURN: usize = 64;

/// As what a packet leaves.
#[derive(Clone, Copy)]
struct Leave {
    kind: Kind,
    probe: Option<u32>,
}

impl OwnSender {
    /// Sends what is due over `path`; without one, lets go of what waits.
    pub(super) fn flush_over(&mut self, now: Instant, path: Option<Path>, arena: &mut SendArena) {
        let Some(path) = path.filter(|_| self.keys.is_some()) else {
            return self.drop_all();
        };
        if self.path.replace(path).is_some_and(|former| former != path) {
            self.estimator.path_changed(now);
            self.probes.clear();
        }
        let sound = Leave {
            kind: Kind::Audio,
            probe: None,
        };
        while let Some(packet) = self.waiting.pop_sound() {
            self.send(now, &packet, sound, path, arena);
        }
        self.drop_overdue(now);
        self.send_pictures(now, path, arena);
        self.send_padding(now, path, arena);
        if let Some(keys) = self.keys.as_mut() {
            let streams = &mut self.streams;
            self.counts.reports += self.reports.send(now, &mut keys.tx, streams, path, arena);
        }
        self.ask_estimator(now);
        self.plan_next(now);
    }

    /// Lets go of everything that waits: there is no path to send it over.
    fn drop_all(&mut self) {
        self.drop_pictures();
        self.waiting.drop_all_but_pictures();
        self.probes.clear();
        self.next = None;
    }

    fn drop_pictures(&mut self) {
        while let Some(dropped) = self.waiting.pop_picture() {
            self.counts.dropped += 1;
            if let Some(stream) = self.streams.get_mut(dropped.stream) {
                stream.broken = true;
            }
        }
    }

    /// Drops pictures that wait for too long, and tells of each stream that
    /// has to begin anew.
    fn drop_overdue(&mut self, now: Instant) {
        let oldest = self.waiting.oldest_picture();
        if oldest.is_some_and(|oldest| is_overdue(oldest, now)) {
            self.drop_pictures();
        }
        for index in 0..self.streams.len() {
            if std::mem::take(&mut self.streams[index].broken) {
                self.waiting.forget(index);
                let mid = self.streams[index].params.mid;
                self.events.push_back(SenderEvent::Dropped(mid));
            }
        }
    }

    fn send_pictures(&mut self, now: Instant, path: Path, arena: &mut SendArena) {
        let bytes = self.waiting.paced_bytes();
        self.pacer.set_queue(now, bytes);
        while self.waiting.paced_bytes() > 0 {
            // What a probe asks for passes the pacer by.
            let probes = self.probes.due(now) > 0;
            if !probes && !self.pacer.may_release(now) {
                break;
            }
            let probe = self.probes.active().filter(|_| probes);
            let (packet, kind) = match self.waiting.pop_resend() {
                Some(packet) => (Some(packet), Kind::Rtx),
                None => (self.waiting.pop_picture(), Kind::Video),
            };
            if let Some(packet) = packet {
                self.send(now, &packet, Leave { kind, probe }, path, arena);
            }
        }
    }

    /// Sends what a probe still needs when nothing else waits: the last large
    /// packet again, which the receiver drops, or padding.
    fn send_padding(&mut self, now: Instant, path: Path, arena: &mut SendArena) {
        for _ in 0..PADDING_PER_TURN {
            if self.probes.due(now) == 0 {
                return;
            }
            let probe = self.probes.active();
            let Some(index) = self.padding_stream() else {
                return self.probes.clear();
            };
            let sent = match self.streams[index].recent().cloned() {
                Some(packet) => {
                    let kind = Kind::Rtx;
                    self.send(now, &packet, Leave { kind, probe }, path, arena)
                }
                None => self.send_bare_padding(now, index, probe, path, arena),
            };
            if !sent {
                return self.probes.clear();
            }
        }
    }

    /// Returns the stream that pads best: with a packet to repeat, else any
    /// whose packets are counted.
    fn padding_stream(&self) -> Option<usize> {
        let pads = |stream: &Stream| stream.has_rtx() && stream.is_counted();
        let repeats = |stream: &Stream| pads(stream) && stream.recent().is_some();
        let streams = &self.streams;
        streams
            .iter()
            .position(repeats)
            .or_else(|| streams.iter().position(pads))
    }

    /// Sends one packet. Returns whether it left.
    fn send(
        &mut self,
        now: Instant,
        packet: &Queued,
        leave: Leave,
        path: Path,
        arena: &mut SendArena,
    ) -> bool {
        let wrap = self.wrap(path);
        let (Some(keys), Some(stream)) = (self.keys.as_mut(), self.streams.get_mut(packet.stream))
        else {
            return false;
        };
        let begins = stream.last.is_none();
        let sent = match leave.kind {
            Kind::Rtx => stream.resend(&mut keys.tx, packet, wrap, arena),
            _ => stream.send(&mut keys.tx, packet, wrap, arena),
        };
        let bytes = match sent {
            Ok(bytes) => bytes,
            Err(Unsent::NotNegotiated) => return false,
            Err(Unsent::Sealer(error)) => {
                tracing::debug!(%error, "a packet was not sealed");
                self.counts.unsealed += 1;
                return false;
            }
        };
        if stream.is_counted() {
            self.note_sent(now, bytes, leave);
        }
        if leave.probe.is_some() {
            self.probes.sent(bytes);
        } else {
            self.pacer.debit(now, bytes);
        }
        if leave.kind != Kind::Rtx {
            self.budget.sent(now, bytes);
            if begins || self.reports.next().is_none() {
                self.reports.hasten(now);
            }
        }
        true
    }

    fn send_bare_padding(
        &mut self,
        now: Instant,
        index: usize,
        probe: Option<u32>,
        path: Path,
        arena: &mut SendArena,
    ) -> bool {
        let wrap = self.wrap(path);
        let Some(keys) = self.keys.as_mut() else {
            return false;
        };
        let Ok(bytes) = self.streams[index].pad(&mut keys.tx, wrap, arena) else {
            return false;
        };
        let kind = Kind::Padding;
        self.note_sent(now, bytes, Leave { kind, probe });
        self.probes.sent(bytes);
        true
    }

    fn note_sent(&mut self, now: Instant, bytes: usize, leave: Leave) {
        // A datagram has at most 1,500 bytes.
        let size = bytes as u16;
        let seq = self.history.sent(now, size, leave.probe);
        self.estimator.sent(now, seq, size, leave.kind, leave.probe);
    }

    fn wrap(&self, path: Path) -> Wrap {
        Wrap {
            path,
            transport_seq: self.history.next_seq() as u16,
        }
    }
}
