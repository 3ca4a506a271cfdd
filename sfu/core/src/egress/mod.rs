//! Our own way of sending: packets are queued as references to what all
//! subscribers share, and written, sealed and laid side by side when they leave.
//!
//! What leaves is ordered by what it is worth: sound at once, then what was
//! asked for again, then pictures as the pacer lets them. A picture that waited
//! for too long is dropped, for what follows it is newer.

mod feedback;
mod leave;
mod queue;
mod reports;
mod rtx;
mod stream;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use conclave_sfu_srtp::{KeyError, SrtpRx, SrtpTx};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::arena::SendArena;
use crate::clock::ReportClock;
use crate::estimate::{Acked, Estimator, SentHistory};
use crate::pacer::{Pacer, ProbePlan};
use crate::packet::Outgoing;
use crate::sender::{Route, Sender, SenderEvent, Sent, StreamParams};
use crate::transport::{ESTIMATE_START_BPS, OutgoingLine, Path, SrtpKeys, Transport};
use queue::Waiting;
use reports::Reports;
use rtx::RtxBudget;
use stream::{Queued, Stream};

/// Retransmissions begin below this sequence number, so that a receiver that
/// misses the first still guesses the rollover counter right.
const RTX_SEQ_LIMIT: u64 = 1 << 14;

/// Both halves of the keys of one connection.
struct Keys {
    tx: SrtpTx,
    rx: SrtpRx,
}

/// Sends to one subscriber.
pub(crate) struct OwnSender {
    keys: Option<Keys>,
    /// The path that was last sent over.
    path: Option<Path>,
    streams: Vec<Stream>,
    waiting: Waiting,
    pacer: Pacer,
    probes: ProbePlan,
    history: SentHistory,
    estimator: Box<dyn Estimator>,
    budget: RtxBudget,
    reports: Reports,
    round_trip: Option<Duration>,
    events: VecDeque<SenderEvent>,
    counts: Sent,
    /// When a flush is due though nothing is pushed.
    next: Option<Instant>,
    rng: StdRng,
    /// Used anew for each datagram of feedback.
    plain: Vec<u8>,
    acked: Vec<Acked>,
}

/// What every sender of a shard is made with.
pub(crate) struct Making {
    pub(crate) clock: ReportClock,
    pub(crate) estimator: Box<dyn Estimator>,
    pub(crate) rng: StdRng,
}

impl OwnSender {
    /// Makes a sender without streams and keys.
    pub(crate) fn new(now: Instant, making: Making) -> Self {
        OwnSender {
            keys: None,
            path: None,
            streams: Vec::new(),
            waiting: Waiting::default(),
            pacer: Pacer::new(making.clock.start(), ESTIMATE_START_BPS),
            probes: ProbePlan::default(),
            history: SentHistory::new(now),
            estimator: making.estimator,
            budget: RtxBudget::new(now),
            reports: Reports::new(making.clock),
            round_trip: None,
            events: VecDeque::new(),
            counts: Sent::default(),
            next: None,
            rng: making.rng,
            plain: Vec::new(),
            acked: Vec::new(),
        }
    }

    fn bind_line(&mut self, params: StreamParams, line: OutgoingLine) {
        match self.streams.get_mut(params.index) {
            Some(stream) => stream.line = line,
            None => {
                let rtx_seq = self.rng.random::<u64>() % RTX_SEQ_LIMIT;
                self.streams.push(Stream::new(params, line, rtx_seq));
            }
        }
    }

    fn begin(&mut self, now: Instant, mut tx: SrtpTx, rx: SrtpRx) {
        for stream in &mut self.streams {
            stream.claim(&mut tx);
        }
        self.keys = Some(Keys { tx, rx });
        self.ask_estimator(now);
        self.plan_next(now);
    }

    /// Drops what waits of a stream, what was asked for, and what could pad.
    fn drop_stream(&mut self, params: StreamParams) {
        self.waiting.forget(params.index);
        if let Some(stream) = self.streams.get_mut(params.index) {
            stream.forget();
        }
        let of_it =
            |event: &SenderEvent| matches!(event, SenderEvent::Nack(mid, _) if *mid == params.mid);
        self.events.retain(|event| !of_it(event));
    }

    /// Opens an RTCP datagram of somebody who sends media or not (`publishes`).
    fn open(&mut self, now: Instant, datagram: &[u8], publishes: bool) -> Route {
        let Some(keys) = self.keys.as_mut() else {
            return Route::Transport;
        };
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let route = match keys.rx.open_rtcp(datagram, &mut plain) {
            Ok(()) => self.take_compound(now, &plain, publishes),
            Err(_) => Route::Refused,
        };
        self.plain = plain;
        if route != Route::Refused {
            self.ask_estimator(now);
            self.plan_next(now);
        }
        route
    }

    /// Asks the estimator whether anything has changed.
    fn ask_estimator(&mut self, now: Instant) {
        let Some(update) = self.estimator.process(now) else {
            return;
        };
        self.pacer.set_rate(now, update.pacing_bps);
        self.budget.set_path(update.target_bps);
        if !update.probes.is_empty() {
            self.counts.probes += update.probes.iter().count() as u64;
            self.probes.offer(now, &update.probes);
        }
        self.events
            .push_back(SenderEvent::Estimate(update.target_bps));
    }

    fn plan_next(&mut self, now: Instant) {
        let waits = self.waiting.paced_bytes() > 0;
        let release = waits.then(|| self.pacer.next_release(now));
        let due = [
            release,
            self.probes.next(),
            self.estimator.next(),
            self.reports.next(),
        ];
        self.next = due.into_iter().flatten().min();
    }
}

impl Sender for OwnSender {
    fn bind(&mut self, transport: &mut Transport, params: StreamParams) {
        if let Some(line) = transport.outgoing(params.mid) {
            self.bind_line(params, line.clone());
        }
    }

    fn connected(&mut self, now: Instant, keys: SrtpKeys) -> Result<(), KeyError> {
        let (tx, rx) = keys.contexts()?;
        self.begin(now, tx, rx);
        Ok(())
    }

    fn push(
        &mut self,
        now: Instant,
        _transport: &mut Transport,
        params: StreamParams,
        out: Outgoing<'_>,
    ) {
        let packet = Queued::new(now, params.index, out);
        if params.video {
            self.waiting.push_picture(packet);
        } else {
            self.waiting.push_sound(packet);
        }
    }

    fn resend(&mut self, now: Instant, params: StreamParams, out: Outgoing<'_>) {
        if !self.waiting.takes_resend() {
            return;
        }
        let key = (params.index, out.seq as u16);
        let bytes = out.packet.payload.len();
        if self.budget.admit(now, key, bytes, self.round_trip) {
            self.counts.resent += 1;
            self.waiting
                .push_resend(Queued::new(now, params.index, out));
        }
    }

    fn forget(&mut self, _transport: &mut Transport, params: StreamParams) {
        self.drop_stream(params);
    }

    fn set_target(
        &mut self,
        now: Instant,
        _transport: &mut Transport,
        sustain_bps: u64,
        desired_bps: u64,
    ) {
        self.estimator
            .set_bounds(now, sustain_bps, desired_bps.max(sustain_bps));
    }

    fn flush(&mut self, transport: &mut Transport, now: Instant, arena: &mut SendArena) {
        self.flush_over(now, transport.path(), arena);
    }

    fn handle_rtcp(&mut self, now: Instant, transport: &Transport, datagram: &[u8]) -> Route {
        self.open(now, datagram, transport.receives())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn poll_event(&mut self, _transport: &mut Transport) -> Option<SenderEvent> {
        self.events.pop_front()
    }

    fn close(&mut self, transport: &mut Transport, arena: &mut SendArena) {
        if let (Some(path), Some(keys)) = (transport.path(), self.keys.as_mut()) {
            self.reports.bye(&mut keys.tx, &self.streams, path, arena);
        }
        self.keys = None;
    }

    fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.counts)
    }
}

#[cfg(test)]
mod tests;
