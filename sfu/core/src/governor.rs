//! How much a shard forwards when more comes than it can serve.
//!
//! A shard that is late has a backlog in its sockets, and everything behind it
//! is late as well, voices too. So it does less: rooms are refused first, then
//! joins, then high encodings are given up, then pictures; sound never is. The
//! [`Governor`] is told in each turn how long the oldest datagram had waited,
//! how long the shard worked before, and on what. From this follows how much
//! work a second of arrivals is: while the backlog grows by half a second each
//! second, it is two seconds. What is above one is given up at once; what is
//! below is taken back in small steps, and ever more seldom where a step was
//! too large.

mod permit;

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::Admission;

pub(crate) use permit::Permit;
use permit::{ENCODINGS, FULL};

/// How often is decided: three frames of a camera. Shorter takes a frame for a
/// load, longer lets the backlog grow meanwhile.
const PERIOD: Duration = Duration::from_millis(100);
/// With a backlog as old as this it is decided before the period is over, but
/// not before [`PERIOD_MIN`], as what was decided has to show.
const URGENT: Duration = Duration::from_millis(60);
const PERIOD_MIN: Duration = Duration::from_millis(40);
/// Above this a backlog stands, and does not come from a burst alone.
const HIGH: Duration = Duration::from_millis(20);
/// Below this there is none.
const LOW: Duration = Duration::from_millis(5);
/// A backlog is to be gone within about this time.
const DRAIN: Duration = Duration::from_millis(500);

/// Without turns for this long there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);
/// After giving up something, for how long nothing is taken back: the backlog
/// goes, and with it what it cost.
const REST: Duration = Duration::from_secs(1);
/// After taking something back, for how long to look at what it costs.
const SETTLED: Duration = Duration::from_millis(400);
/// Something that is taken back and given up again within this time was too much.
const FAILED_WITHIN: Duration = Duration::from_secs(3);
/// How long to wait before it is tried again; doubled each time that it fails.
const RETRY: Duration = Duration::from_secs(4);
const RETRY_MAX: Duration = Duration::from_secs(64);

/// Work in a second of arrivals, in 1/1000 s.
type Permille = u64;

/// A shard with so much to do takes no new rooms, and takes them again below [`ROOMS_AGAIN`].
const ROOMS_UNTIL: Permille = 850;
const ROOMS_AGAIN: Permille = 700;
/// The same for joins: those who are in go before those who want in.
const JOINS_UNTIL: Permille = 920;
const JOINS_AGAIN: Permille = 800;
/// Who gives something up for this long, and is busy, takes nobody. A machine that stood still
/// for a moment, and left a backlog, is no reason to turn people away.
const REFUSES_AFTER: Duration = Duration::from_secs(3);
/// Up to this much work is taken back without being asked twice. The rest is
/// for frames that come at once; small batches cost more than large ones, so
/// that beyond this there may be room or not: it is tried.
const COMFORT: Permille = 900;
/// Up to this much work is taken back although a step was too large before: what
/// it cost at first, in keyframes above all, is not what it costs for long.
const EASE: Permille = 850;
/// What is left after giving something up.
const WANTED: Permille = 950;
const WANTED_MIN: Permille = 500;

/// What is known when a turn of the loop has received datagrams, and not served them yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How long the oldest datagram has waited in the socket; zero if none came.
    pub(crate) lag: Duration,
    /// How long the shard has worked since it was told last; waiting is no work.
    pub(crate) busy: Duration,
    /// Packets of pictures that it forwarded meanwhile, by encoding, lowest first.
    pub(crate) pictures: [u32; ENCODINGS],
    /// Datagrams that it served meanwhile, and packets of sound that it forwarded.
    pub(crate) others: u32,
}

impl Turn {
    /// Adds packets of one encoding that were forwarded.
    pub(crate) fn forwarded_pictures(&mut self, encoding: usize, packets: u64) {
        if let Some(sum) = self.pictures.get_mut(encoding) {
            *sum = sum.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
        }
    }

    /// Adds datagrams that were served, or packets of sound that were forwarded.
    pub(crate) fn did_others(&mut self, packets: u64) {
        let packets = u32::try_from(packets).unwrap_or(u32::MAX);
        self.others = self.others.saturating_add(packets);
    }
}

/// How much a shard has to do, and what it does without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Whom it takes.
    pub admission: Admission,
    /// How much of all pictures it gives up, in 1/1000; 0 is nothing.
    pub shed_permille: u64,
    /// How often something was given up.
    pub cuts: u64,
    /// How often something was taken back.
    pub climbs: u64,
    /// How long the oldest datagram had waited at the worst, in the last tenth of a second of work.
    pub lag: Duration,
    /// Work in a second of arrivals, in 1/1000 s, smoothed.
    pub work_permille: u64,
}

/// What was seen since the last decision.
#[derive(Debug, Clone, Copy)]
struct Period {
    began: Instant,
    busy: Duration,
    /// The shortest lag: what no turn got rid of.
    standing: Option<Duration>,
    /// The lag of the last turn.
    last: Duration,
    worst: Duration,
    pictures: [u64; ENCODINGS],
    others: u64,
}

/// Decides what one shard does without.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    period: Period,
    permit: Permit,
    admission: Admission,
    /// The lag at the last decision.
    lag: Duration,
    /// Smoothed over some periods.
    work: Permille,
    cut_at: Option<Instant>,
    climbed_at: Option<Instant>,
    /// Since when something is given up without a pause.
    sheds_since: Option<Instant>,
    retry: Duration,
    load: Load,
}

impl Governor {
    /// Begins with everything allowed.
    pub(crate) fn new(now: Instant) -> Self {
        Governor {
            period: Period::new(now),
            permit: Permit::FULL,
            admission: Admission::All,
            lag: Duration::ZERO,
            work: 0,
            cut_at: None,
            climbed_at: None,
            sheds_since: None,
            retry: RETRY,
            load: Load::default(),
        }
    }

    /// Takes note of a turn that began at `now`. Returns what may be sent if
    /// that has changed.
    pub(crate) fn handle_turn(&mut self, now: Instant, turn: Turn) -> Option<Permit> {
        let standing = self.period.add(&turn);
        let elapsed = now.saturating_duration_since(self.period.began);
        let is_urgent = standing > HIGH && turn.lag >= URGENT && elapsed >= PERIOD_MIN;
        if elapsed < PERIOD && !is_urgent {
            return None;
        }
        let before = self.permit;
        self.decide(now, elapsed, standing);
        (self.permit != before).then_some(self.permit)
    }

    /// Returns what may be sent.
    #[cfg(test)]
    pub(crate) fn permit(&self) -> Permit {
        self.permit
    }

    /// Returns when it is to be told of a turn although nothing comes: what was
    /// given up, or refused, is taken back when there is nothing to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let has_limits = self.permit != Permit::FULL || self.admission != Admission::All;
        has_limits.then(|| self.period.began + IDLE)
    }

    /// Returns what was seen and done.
    pub(crate) fn load(&self) -> Load {
        Load {
            admission: self.admission,
            shed_permille: 1000 - u64::from(self.permit.steps()) * 1000 / u64::from(FULL),
            work_permille: self.work,
            ..self.load
        }
    }

    fn decide(&mut self, now: Instant, elapsed: Duration, standing: Duration) {
        let work = work(elapsed, &self.period, self.lag);
        self.work = match elapsed >= IDLE {
            true => work,
            false => (self.work * 3 + work) / 4,
        };
        if standing > HIGH {
            self.shed(now, standing, work);
        } else if elapsed >= IDLE && standing <= LOW {
            self.permit = Permit::FULL;
        } else if standing <= LOW {
            self.climb(now);
        }
        let sheds = self.permit != Permit::FULL;
        self.sheds_since = sheds.then(|| self.sheds_since.unwrap_or(now));
        self.admission = self.admit(now);
        self.load.lag = self.period.worst;
        self.lag = self.period.last;
        self.period = Period::new(now);
    }

    /// Gives up what is more than can be done while the backlog goes.
    fn shed(&mut self, now: Instant, standing: Duration, work: Permille) {
        let drain = permille(standing - HIGH, DRAIN);
        let wanted = WANTED.saturating_sub(drain).max(WANTED_MIN);
        if work <= wanted {
            return;
        }
        let excess = self.period.units() * (work - wanted) / work;
        let less = self.permit.less(excess.max(1), &self.period.pictures);
        if less == self.permit {
            return;
        }
        self.permit = less;
        self.load.cuts += 1;
        self.cut_at = Some(now);
        if let Some(climbed) = self.climbed_at.take()
            && now.saturating_duration_since(climbed) < FAILED_WITHIN
        {
            self.retry = (self.retry * 2).min(RETRY_MAX);
        }
    }

    /// Takes some of it back if there is room.
    fn climb(&mut self, now: Instant) {
        if self.permit == Permit::FULL {
            self.retry = RETRY;
            return;
        }
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.cut_at.is_some_and(|at| since(at) < REST) {
            return;
        }
        let room = COMFORT.saturating_sub(self.work);
        let is_known = self.retry == RETRY || self.work < ROOMS_AGAIN;
        // Part of what there is room for: it shows later than it is done.
        let (part, pause) = match room {
            1.. if is_known => (2, SETTLED),
            _ if self.work < EASE => (4, REST),
            _ => (0, self.retry),
        };
        let units = self.period.units() * room / self.work.max(1);
        let steps = match units.checked_div(part) {
            Some(units) => self.permit.steps_of(units, &self.period.pictures),
            None => 1,
        };
        if self.climbed_at.is_some_and(|at| since(at) < pause) {
            return;
        }
        self.permit = self.permit.more(steps);
        self.load.climbs += 1;
        self.climbed_at = Some(now);
    }

    fn admit(&self, now: Instant) -> Admission {
        let sheds_for = self
            .sheds_since
            .map(|since| now.saturating_duration_since(since));
        if self.work >= JOINS_AGAIN && sheds_for.is_some_and(|time| time >= REFUSES_AFTER) {
            return Admission::Nobody;
        }
        let (joins, rooms) = match self.admission {
            Admission::All => (JOINS_UNTIL, ROOMS_UNTIL),
            Admission::NoRooms => (JOINS_UNTIL, ROOMS_AGAIN),
            Admission::Nobody => (JOINS_AGAIN, ROOMS_AGAIN),
        };
        match self.work {
            work if work >= joins => Admission::Nobody,
            work if work >= rooms => Admission::NoRooms,
            _ => Admission::All,
        }
    }
}

impl Period {
    fn new(now: Instant) -> Self {
        Period {
            began: now,
            busy: Duration::ZERO,
            standing: None,
            last: Duration::ZERO,
            worst: Duration::ZERO,
            pictures: [0; ENCODINGS],
            others: 0,
        }
    }

    /// Adds a turn, and returns the lag that stands.
    fn add(&mut self, turn: &Turn) -> Duration {
        self.busy += turn.busy;
        self.last = turn.lag;
        self.worst = self.worst.max(turn.lag);
        for (sum, pictures) in self.pictures.iter_mut().zip(turn.pictures) {
            *sum += u64::from(pictures);
        }
        self.others += u64::from(turn.others);
        let standing = self.standing.map_or(turn.lag, |least| least.min(turn.lag));
        self.standing = Some(standing);
        standing
    }

    /// Returns on how much was worked: a packet is about as much as another.
    fn units(&self) -> u64 {
        self.pictures.iter().sum::<u64>() + self.others
    }
}

/// Returns how much work a second of arrivals is. What was served are the
/// arrivals of the time that has passed, less what the backlog has grown from
/// the lag that was `before`.
fn work(elapsed: Duration, period: &Period, before: Duration) -> Permille {
    let served = (elapsed + before).saturating_sub(period.last);
    // The lag of two turns says little about more than this.
    permille(period.busy, served.clamp(elapsed / 4, elapsed * 2))
}

fn permille(part: Duration, whole: Duration) -> Permille {
    let (part, whole) = (part.as_micros() as u64, whole.as_micros() as u64);
    (part * 1000).checked_div(whole).unwrap_or(0)
}

#[cfg(test)]
mod tests;
