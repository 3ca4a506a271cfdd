use std::collections::{BTreeMap, VecDeque};

use conclave_sfu_wire::control::MemberKey;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::epoch::epoch;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn at_twice_its_capacity_a_shard_does_as_much_as_it_can_and_is_in_time() {
    for meeting in [Meeting::fan_out(), Meeting::simulcast()] {
        let peak = meeting.peak();
        let mut run = Run::new(meeting.sized(2.0), 1);
        run.until(3);
        let settled = run.until(30);
        let goodput = settled.goodput();
        assert!(goodput >= 0.9 * peak, "{goodput} of {peak}");
        assert!(run.total.worst < ms(200), "{:?}", run.total.worst);
        assert!(settled.worst < ms(50), "{:?}", settled.worst);
        assert_eq!(run.total.sound_sent, run.total.sound_due);
        assert_eq!(run.governor.load().admission, Admission::Nobody);
    }
}

#[test]
fn at_five_times_its_capacity_sound_is_still_in_time() {
    let mut run = Run::new(Meeting::simulcast().sized(5.0), 2);
    run.until(2);
    let settled = run.until(20);
    assert!(run.total.worst < ms(300), "{:?}", run.total.worst);
    assert!(settled.worst < ms(200), "{:?}", settled.worst);
    assert_eq!(run.total.sound_sent, run.total.sound_due);
}

#[test]
fn a_shard_with_room_to_spare_gives_nothing_up() {
    for share in [0.1, 0.5, 0.8] {
        let mut run = Run::new(Meeting::simulcast().sized(share), 3);
        run.until(30);
        assert_eq!(run.governor.load().cuts, 0, "{share}");
        assert_eq!(run.governor.permit(), Permit::FULL);
        assert!(run.total.worst < ms(30), "{:?}", run.total.worst);
    }
}

#[test]
fn what_was_given_up_comes_back_when_there_is_room() {
    let mut run = Run::new(Meeting::simulcast().sized(2.0), 4);
    run.until(10);
    assert!(run.governor.load().shed_permille > 0);
    run.meeting = Meeting::simulcast().sized(0.5);
    run.fed = run.meeting.fed(run.governor.permit());
    run.until(22);
    assert_eq!(run.governor.permit(), Permit::FULL);
    run.until(23);
    assert_eq!(run.governor.load().admission, Admission::All);
    assert!(run.governor.load().shed_permille == 0);
}

#[test]
fn the_same_slots_lose_and_nobody_flaps() {
    for meeting in [Meeting::fan_out(), Meeting::simulcast()] {
        for load in [1.2, 2.0, 4.0] {
            let mut run = Run::new(meeting.sized(load), 5);
            run.until(10);
            let settled = run.until(130);
            // A try that fails is undone: two changes, and ever more seldom.
            let most = settled.changes.values().max().copied().unwrap_or_default();
            assert!(most <= 12, "{load}: {most} times in two minutes");
            let moved = settled.changes.len();
            let slots = run.meeting.slots.len();
            assert!(moved * 3 <= slots, "{load}: {moved} of {slots} slots");
        }
    }
}

#[test]
fn a_burst_alone_costs_nobody_anything() {
    let start = epoch();
    let mut governor = Governor::new(start);
    for number in 0..1_000u32 {
        // Every 200 ms one turn is late by 150 ms, and the next is in time.
        let lag = if number % 20 == 7 { ms(150) } else { ms(1) };
        let turn_end = start + ms(10) * (number + 1);
        let turn = turn(lag, ms(3));
        assert_eq!(governor.handle_turn(turn_end, turn), None);
    }
    assert_eq!(governor.load().admission, Admission::All);
    assert_eq!(governor.load().cuts, 0);
}

#[test]
fn rooms_are_refused_before_joins_and_joins_before_pictures() {
    let start = epoch();
    let mut governor = Governor::new(start);
    let mut now = start;
    let mut seen = Vec::new();
    let mut turns = |governor: &mut Governor, busy: u64, periods: u32| {
        for _ in 0..periods * 10 {
            now += ms(10);
            let lag = if busy > 1000 { ms(40) } else { ms(2) };
            let busy = Duration::from_micros(busy * 10).min(ms(10));
            governor.handle_turn(now, turn(lag, busy));
        }
        let admission = governor.load().admission;
        seen.push((admission, governor.load().shed_permille > 0));
    };
    for busy in [600, 870, 750, 600, 950, 850, 1_001] {
        turns(&mut governor, busy, 20);
    }
    use Admission::{All, NoRooms, Nobody};
    assert_eq!(
        seen,
        [
            (All, false),
            (NoRooms, false),
            (NoRooms, false),
            (All, false),
            (Nobody, false),
            (Nobody, false),
            (Nobody, true),
        ]
    );
}

#[test]
fn a_machine_that_stood_still_for_a_moment_turns_nobody_away() {
    let start = epoch();
    let mut governor = Governor::new(start);
    let mut now = start + ms(400);
    // All that came meanwhile is late, and is served in one go.
    let mut late = turn(ms(250), ms(120));
    late.forwarded_pictures(0, 400);
    governor.handle_turn(now, late);
    assert_ne!(governor.permit(), Permit::FULL, "something is given up");
    for _ in 0..1_000 {
        assert_eq!(governor.load().admission, Admission::All);
        now += ms(10);
        governor.handle_turn(now, turn(ms(1), ms(2)));
    }
    assert_eq!(governor.load().admission, Admission::All);
}

#[test]
fn a_step_that_was_too_large_does_not_keep_the_rest_away() {
    let start = epoch();
    let mut governor = Governor::new(start);
    let mut now = start;
    let mut turns = |governor: &mut Governor, lag: u64, busy: u64, tenths: u32| {
        for _ in 0..tenths * 10 {
            now += ms(10);
            governor.handle_turn(now, turn(ms(lag), Duration::from_micros(busy * 10)));
        }
        governor.load()
    };
    turns(&mut governor, 40, 1_000, 3);
    turns(&mut governor, 1, 750, 20);
    let failed = turns(&mut governor, 40, 1_000, 3);
    assert!(failed.climbs > 0 && failed.cuts > 1, "{failed:?}");
    // A quarter of the time is left: not all of it waits for the next try.
    let later = turns(&mut governor, 1, 750, 100);
    assert!(later.climbs >= failed.climbs + 5, "{later:?}");
    assert!(
        later.shed_permille + 50 <= failed.shed_permille,
        "{later:?}"
    );
}

#[test]
fn a_shard_that_nobody_is_on_any_more_takes_everybody() {
    let start = epoch();
    let mut governor = Governor::new(start);
    let mut now = start;
    for _ in 0..50 {
        now += ms(20);
        governor.handle_turn(now, turn(ms(150), ms(20)));
    }
    assert_eq!(governor.permit(), Permit::NONE);
    assert_eq!(governor.load().admission, Admission::Nobody);
    now = governor.poll_timeout().unwrap();
    let back = governor.handle_turn(now, Turn::default());
    assert_eq!(back, Some(Permit::FULL));
    assert_eq!(governor.load().admission, Admission::All);
    assert_eq!(governor.poll_timeout(), None);
}

/// A turn in which all encodings were sent.
fn turn(lag: Duration, busy: Duration) -> Turn {
    Turn {
        lag,
        busy,
        pictures: [100, 200, 600],
        others: 200,
    }
}

/// Turns of a shard that is busy, in time or late.
fn turns() -> impl Strategy<Value = Vec<(u64, Turn)>> {
    let any = (1u64..40, 0u64..300, 0u64..=100)
        .prop_map(|(wall, lag, busy)| (wall, turn(ms(lag), ms(wall) * busy as u32 / 100)));
    proptest::collection::vec(any, 1..200)
}

fn after(turns: &[(u64, Turn)]) -> (Governor, Instant) {
    let mut now = epoch();
    let mut governor = Governor::new(now);
    for (wall, turn) in turns {
        now += ms(*wall);
        governor.handle_turn(now, *turn);
    }
    (governor, now)
}

proptest! {
    #[test]
    fn who_is_later_or_busier_may_not_do_more(turns in turns(), wall in 1u64..200, lag in 0u64..300, later in 0u64..300, busy in 0u64..=100, busier in 0u64..=100) {
        let (governor, now) = after(&turns);
        let now = now + ms(wall);
        let permit = |lag: u64, busy: u64| {
            let mut governor = governor.clone();
            governor.handle_turn(now, turn(ms(lag), ms(wall) * busy as u32 / 100));
            governor.permit()
        };
        prop_assert!(permit(lag.max(later), busy.max(busier)) <= permit(lag.min(later), busy.min(busier)));
    }

    #[test]
    fn who_is_in_time_and_has_room_gets_everything_back(turns in turns()) {
        let (mut governor, mut now) = after(&turns);
        let mut permit = governor.permit();
        for _ in 0..2_000 {
            now += ms(10);
            governor.handle_turn(now, turn(ms(1), ms(4)));
            prop_assert!(governor.permit() >= permit, "nothing is given up");
            permit = governor.permit();
        }
        prop_assert_eq!(permit, Permit::FULL);
        prop_assert_eq!(governor.load().admission, Admission::All);
    }

    #[test]
    fn whatever_is_told_what_is_said_fits(turns in turns()) {
        let (governor, _) = after(&turns);
        let (permit, load) = (governor.permit(), governor.load());
        prop_assert_eq!(load.shed_permille > 0, permit != Permit::FULL);
        prop_assert_eq!(permit.pictures() == 0, permit.highest_of_all().is_none());
    }
}

/// Streams that come to a simulated shard, and who gets them.
#[derive(Debug, Clone)]
struct Meeting {
    /// Per publisher: packets of a frame of each encoding.
    publishers: Vec<Vec<u32>>,
    /// Who sees whom.
    slots: Vec<(MemberKey, usize, usize)>,
    /// To how many each voice goes.
    listeners: u32,
}

/// A datagram received and opened; one forwarded.
const RECEIVE: Duration = Duration::from_micros(3);
const FORWARD: Duration = Duration::from_micros(5);
const FRAME: Duration = Duration::from_micros(33_333);
const SOUND: Duration = ms(20);

impl Meeting {
    /// One encoding of 1.5 Mbit/s to many.
    fn fan_out() -> Meeting {
        Meeting::of(vec![vec![6]; 8], 8)
    }

    /// Three encodings of cameras.
    fn simulcast() -> Meeting {
        Meeting::of(vec![vec![1, 3, 9]; 12], 12)
    }

    fn of(publishers: Vec<Vec<u32>>, sources: usize) -> Meeting {
        Meeting {
            publishers,
            slots: (0..sources)
                .map(|slot| (MemberKey(1), slot, slot))
                .collect(),
            listeners: 1,
        }
    }

    /// With as many subscribers as make this share of what a core can do.
    fn sized(&self, load: f64) -> Meeting {
        let each = self.slots.len();
        let work = |meeting: &Meeting| meeting.work().as_secs_f64();
        let mut meeting = self.clone();
        let one = work(&meeting);
        meeting.listeners = 2;
        meeting.slots.extend_from_slice(&self.slots);
        let subscribers = ((load - one) / (work(&meeting) - one)).round().max(0.0) as u64 + 1;
        meeting.listeners = subscribers as u32;
        meeting.slots.clear();
        for member in 0..subscribers {
            let slots = (0..each).map(|slot| (MemberKey(member), slot, slot));
            meeting.slots.extend(slots);
        }
        meeting
    }

    /// Work of a second if everything is sent.
    fn work(&self) -> Duration {
        let received: u32 = self.publishers.iter().flatten().sum();
        let seen = self
            .slots
            .iter()
            .map(|(_, _, of)| self.publishers[*of].last().unwrap());
        let sent: u32 = seen.sum();
        let sounds = self.publishers.len() as u32;
        (RECEIVE * received + FORWARD * sent) * 30
            + (RECEIVE + FORWARD * self.listeners) * sounds * 50
    }

    /// How many slots get each encoding of each publisher: the highest that they may have.
    fn fed(&self, permit: Permit) -> Vec<[u32; ENCODINGS]> {
        let mut fed = vec![[0; ENCODINGS]; self.publishers.len()];
        for (member, slot, of) in &self.slots {
            let best = self.publishers[*of].len() - 1;
            if let Some(highest) = permit.highest(*member, *slot) {
                fed[*of][highest.min(best)] += 1;
            }
        }
        fed
    }

    /// What a shard forwards each second at the most load that it bears.
    fn peak(&self) -> f64 {
        let loads = [0.8, 0.85, 0.9, 0.95];
        let goodput = |load: f64| {
            let mut run = Run::new(self.sized(load), 9);
            run.until(2);
            run.until(12).goodput()
        };
        loads.map(goodput).into_iter().fold(0.0, f64::max)
    }
}

#[derive(Debug, Clone, Default)]
struct Tally {
    seconds: f64,
    forwarded: u64,
    sound_due: u64,
    sound_sent: u64,
    /// From arrival to the end of the turn.
    worst: Duration,
    /// How often what a slot may have has changed.
    changes: BTreeMap<(MemberKey, usize), u32>,
}

impl Tally {
    fn goodput(&self) -> f64 {
        self.forwarded as f64 / self.seconds
    }
}

/// Something that arrives: of which publisher, which encoding (none for sound).
type Arrival = (Duration, usize, Option<usize>);

struct Run {
    meeting: Meeting,
    governor: Governor,
    start: Instant,
    now: Duration,
    /// What comes next, in the order of time.
    coming: VecDeque<Arrival>,
    /// Until when arrivals are drawn.
    drawn: Duration,
    rng: StdRng,
    /// What the turn before has done.
    done: Turn,
    /// Slots that get each encoding of each publisher.
    fed: Vec<[u32; ENCODINGS]>,
    total: Tally,
}

impl Run {
    fn new(meeting: Meeting, seed: u64) -> Run {
        let start = epoch();
        Run {
            fed: meeting.fed(Permit::FULL),
            meeting,
            governor: Governor::new(start),
            start,
            now: Duration::ZERO,
            coming: VecDeque::new(),
            drawn: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed),
            done: Turn::default(),
            total: Tally::default(),
        }
    }

    fn at(&self) -> Instant {
        self.start + self.now
    }

    /// Runs until that second, and returns what happened meanwhile.
    fn until(&mut self, second: u64) -> Tally {
        let end = Duration::from_secs(second);
        let mut tally = Tally {
            seconds: (end - self.now).as_secs_f64(),
            ..Tally::default()
        };
        while self.now < end {
            self.turn(&mut tally);
        }
        self.total.worst = self.total.worst.max(tally.worst);
        self.total.sound_due += tally.sound_due;
        self.total.sound_sent += tally.sound_sent;
        tally
    }

    /// Draws what arrives in the next tenth of a second.
    fn draw(&mut self) {
        let (from, until) = (self.drawn, self.drawn + ms(100));
        let mut drawn: Vec<Arrival> = Vec::new();
        for (publisher, encodings) in self.meeting.publishers.iter().enumerate() {
            let offset = |period: Duration| period * (publisher as u32 * 7 % 12) / 12;
            let mut times = |period: Duration, mut each: Box<dyn FnMut(Duration) + '_>| {
                let mut at = offset(period);
                at += period
                    * (from
                        .saturating_sub(at)
                        .as_nanos()
                        .div_ceil(period.as_nanos()) as u32);
                while at < until {
                    each(at + Duration::from_micros(self.rng.random_range(0..4_000)));
                    at += period;
                }
            };
            times(SOUND, Box::new(|at| drawn.push((at, publisher, None))));
            times(
                FRAME,
                Box::new(|at| {
                    for (encoding, packets) in encodings.iter().enumerate() {
                        drawn.extend((0..*packets).map(|_| (at, publisher, Some(encoding))));
                    }
                }),
            );
        }
        drawn.sort();
        // What came late in the tenth before may come after the first of this one.
        self.coming.extend(drawn);
        self.coming.make_contiguous().sort();
        self.drawn = until;
    }

    /// One turn: up to 64 datagrams, of which those are forwarded that may be.
    fn turn(&mut self, tally: &mut Tally) {
        while self.drawn < self.now + ms(20) || self.coming.is_empty() {
            self.draw();
        }
        let first = self.coming.front().expect("just drawn").0;
        self.now = self.now.max(first);
        let lag = self.now - first;
        let before = self.governor.permit();
        let done = std::mem::take(&mut self.done);
        if let Some(after) = self.governor.handle_turn(self.at(), Turn { lag, ..done }) {
            self.note_changes(before, after, tally);
            self.fed = self.meeting.fed(after);
        }
        for _ in 0..64 {
            let next = self.coming.pop_front_if(|(at, ..)| *at <= self.now);
            let Some((_, publisher, encoding)) = next else {
                break;
            };
            let sent = match encoding {
                None => self.meeting.listeners,
                Some(encoding) => self.fed[publisher][encoding],
            };
            self.done.busy += RECEIVE + FORWARD * sent;
            self.done.others += 1;
            tally.forwarded += u64::from(sent);
            match encoding {
                None => {
                    self.done.others += sent;
                    tally.sound_due += u64::from(self.meeting.listeners);
                    tally.sound_sent += u64::from(sent);
                }
                Some(encoding) => self.done.pictures[encoding] += sent,
            }
        }
        self.now += self.done.busy;
        tally.worst = tally.worst.max(lag + self.done.busy);
    }

    /// Counts the slots that lose or get an encoding which there is.
    fn note_changes(&self, before: Permit, after: Permit, tally: &mut Tally) {
        for (member, slot, of) in &self.meeting.slots {
            let best = Some(self.meeting.publishers[*of].len() - 1);
            let highest = |permit: Permit| permit.highest(*member, *slot).min(best);
            if highest(before) != highest(after) {
                *tally.changes.entry((*member, *slot)).or_default() += 1;
            }
        }
    }
}
