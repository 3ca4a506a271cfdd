//! A link with a rate, a buffer, a delay, jitter and loss; a receiver that
//! sends transport-wide feedback; and a sender as simple as can be.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::estimate::google::GoogCc;
use crate::estimate::{Acked, Estimator, Kind, SentHistory};
use crate::pacer::{Pacer, ProbePlan, is_overdue};

/// How often the world moves on.
const STEP: Duration = Duration::from_millis(1);
const PACKET: u16 = 1_200;
const FRAME: Duration = Duration::from_millis(33);

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) rate_bps: u64,
    /// One way.
    pub(super) delay: Duration,
    /// At most so much more, differently for each packet, without reordering.
    pub(super) jitter: Duration,
    /// How much the buffer before the link holds, as time.
    pub(super) buffer: Duration,
    pub(super) loss: f64,
    /// What of the feedback is lost, and how much later some of it comes.
    pub(super) feedback_loss: f64,
    pub(super) feedback_jitter: Duration,
    /// How often the receiver reports; browsers do so each 50 to 250 ms.
    pub(super) feedback_every: Duration,
}

impl Link {
    pub(super) fn of(rate_bps: u64) -> Self {
        Link {
            rate_bps,
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            buffer: Duration::from_millis(300),
            loss: 0.0,
            feedback_loss: 0.0,
            feedback_jitter: Duration::ZERO,
            feedback_every: Duration::from_millis(50),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum App {
    /// A picture of this many bit/s, whatever the estimate.
    Fixed(u64),
    /// As much as the estimate lets it.
    Greedy,
    /// Nothing.
    Silent,
}

/// A linear congruential generator is random enough for a link.
struct Dice(u64);

impl Dice {
    /// Returns a number from 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn within(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.roll())
    }
}

/// What the receiver says: a reference time in ticks, and each packet's fate.
type Feedback = (u32, Vec<(u16, Option<i32>)>);

pub(super) struct World {
    start: Instant,
    pub(super) now: Instant,
    pub(super) link: Link,
    pub(super) app: App,
    pub(super) estimator: GoogCc,
    pub(super) target_bps: u64,
    pub(super) padding: u64,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    dice: Dice,
    history: SentHistory,
    pacer: Pacer,
    plan: ProbePlan,
    queue: VecDeque<(Instant, u16)>,
    next_frame: Instant,
    acked: Vec<Acked>,
    /// When the link is done with what it has, and the last arrival.
    busy_until: Instant,
    arrived: Instant,
    /// Packets on their way: arrival and sequence number.
    flying: VecDeque<(Instant, u64)>,
    received: Vec<(Instant, u64)>,
    reported: u64,
    next_feedback: Instant,
    feedback: BinaryHeap<Reverse<(Instant, u64)>>,
    messages: Vec<Option<Feedback>>,
}

impl World {
    pub(super) fn new(start: Instant, seed: u64, link: Link) -> Self {
        World {
            start,
            now: start,
            link,
            app: App::Silent,
            estimator: GoogCc::new(start, 300_000),
            target_bps: 300_000,
            padding: 0,
            delivered: 0,
            dropped: 0,
            dice: Dice(seed),
            history: SentHistory::new(start),
            pacer: Pacer::new(start, 750_000),
            plan: ProbePlan::default(),
            queue: VecDeque::new(),
            next_frame: start,
            acked: Vec::new(),
            busy_until: start,
            arrived: start,
            flying: VecDeque::new(),
            received: Vec::new(),
            reported: 0,
            next_feedback: start + link.feedback_every,
            feedback: BinaryHeap::new(),
            messages: Vec::new(),
        }
    }

    pub(super) fn desire(&mut self, sustain_bps: u64, desired_bps: u64) {
        self.estimator
            .set_bounds(self.now, sustain_bps, desired_bps);
    }

    pub(super) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.now += STEP;
            self.produce();
            self.send();
            self.receive();
            self.hear();
            self.process();
        }
    }

    /// Runs for `span` and returns the least and the most target within it.
    pub(super) fn range(&mut self, span: Duration) -> (u64, u64) {
        let until = self.now + span;
        let (mut least, mut most) = (self.target_bps, self.target_bps);
        while self.now < until {
            self.run(STEP);
            least = least.min(self.target_bps);
            most = most.max(self.target_bps);
        }
        (least, most)
    }

    fn produce(&mut self) {
        if self.now < self.next_frame {
            return;
        }
        self.next_frame += FRAME;
        let bps = match self.app {
            App::Fixed(bps) => bps,
            App::Greedy => self.target_bps,
            App::Silent => return,
        };
        let mut bytes = bps * FRAME.as_millis() as u64 / 8_000;
        while bytes > 0 {
            let size = bytes.min(u64::from(PACKET));
            bytes -= size;
            self.queue.push_back((self.now, size as u16));
        }
    }

    fn send(&mut self) {
        while self.plan.due(self.now) > 0 {
            let probe = self.plan.active();
            let (size, kind) = match self.queue.pop_front() {
                Some((_, size)) => (size, Kind::Video),
                None => (PACKET, Kind::Padding),
            };
            if kind == Kind::Padding {
                self.padding += u64::from(size);
            }
            self.plan.sent(size.into());
            self.transmit(size, kind, probe);
        }
        if self
            .queue
            .front()
            .is_some_and(|(since, _)| is_overdue(*since, self.now))
        {
            self.queue.clear();
        }
        while !self.queue.is_empty() && self.pacer.may_release(self.now) {
            if let Some((_, size)) = self.queue.pop_front() {
                self.pacer.debit(self.now, size.into());
                self.transmit(size, Kind::Video, None);
            }
        }
    }

    fn transmit(&mut self, size: u16, kind: Kind, probe: Option<u32>) {
        let seq = self.history.sent(self.now, size, probe);
        self.estimator.sent(self.now, seq, size, kind, probe);
        let begins = self.busy_until.max(self.now);
        if begins - self.now > self.link.buffer || self.dice.roll() < self.link.loss {
            self.dropped += 1;
            return;
        }
        let takes = Duration::from_micros(u64::from(size) * 8_000_000 / self.link.rate_bps);
        self.busy_until = begins + takes;
        let arrives = self.busy_until + self.link.delay + self.dice.within(self.link.jitter);
        self.arrived = self.arrived.max(arrives);
        self.flying.push_back((self.arrived, seq));
    }

    fn receive(&mut self) {
        while let Some((at, seq)) = self.flying.pop_front_if(|(at, _)| *at <= self.now) {
            self.received.push((at, seq));
            self.delivered += 1;
        }
        if self.now < self.next_feedback {
            return;
        }
        self.next_feedback = self.now + self.link.feedback_every;
        let Some((_, last)) = self.received.last().copied() else {
            return;
        };
        // The receiver's clock began 1,000 s before ours and ticks alike.
        let ticks = |at: Instant| (at - self.start).as_micros() as i64 / 250 + 4_000_000;
        let mut before = ticks(self.received[0].0) / 256 * 256;
        let reference = (before / 256) as u32;
        let mut received = self.received.drain(..).peekable();
        let mut statuses = Vec::new();
        for seq in self.reported..=last {
            let arrival = received.next_if(|(_, received)| *received == seq);
            let delta = arrival.map(|(at, _)| {
                let delta = ticks(at) - before;
                before += delta;
                delta as i32
            });
            statuses.push((seq as u16, delta));
        }
        drop(received);
        self.reported = last + 1;
        if self.dice.roll() < self.link.feedback_loss {
            return;
        }
        let comes = self.now + self.link.delay + self.dice.within(self.link.feedback_jitter);
        self.feedback
            .push(Reverse((comes, self.messages.len() as u64)));
        self.messages.push(Some((reference, statuses)));
    }

    fn hear(&mut self) {
        while let Some(Reverse((at, message))) = self.feedback.peek().copied() {
            if at > self.now {
                return;
            }
            self.feedback.pop();
            let Some((reference, statuses)) = self.messages[message as usize].take() else {
                continue;
            };
            self.history
                .acknowledge(self.now, reference, statuses, &mut self.acked);
            self.estimator.feedback(self.now, &self.acked);
        }
    }

    fn process(&mut self) {
        let Some(update) = self.estimator.process(self.now) else {
            return;
        };
        self.target_bps = update.target_bps;
        self.pacer.set_rate(self.now, update.pacing_bps);
        self.plan.offer(self.now, &update.probes);
    }
}
