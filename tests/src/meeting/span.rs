//! Rooms that span shards: who is on which, and what goes between them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use conclave_sfu_core::Crossing;
use conclave_sfu_wire::control::{Command, Event, RoomKey};

use super::Meeting;

/// How long a shard takes to see what another has said.
const DELAY: Duration = Duration::from_micros(200);

/// How much later than the one before a shard hears which shards hold a room.
/// All do before a participant says something.
const LAG: Duration = Duration::from_millis(1);

/// How much waits on one way before media is dropped.
const WAITING_MAX: usize = 4_096;

/// The ways between shards.
#[derive(Default)]
pub(super) struct Carrier {
    ways: BTreeMap<(u8, u8), VecDeque<(Instant, Crossing)>>,
    is_held: bool,
    crossed: u64,
    dropped: u64,
}

impl Carrier {
    /// Takes what one shard has for another; it is kept in order.
    pub(super) fn send(&mut self, now: Instant, from: u8, to: u8, crossing: Crossing) {
        let way = self.ways.entry((from, to)).or_default();
        if crossing.is_media() {
            if way.len() >= WAITING_MAX {
                self.dropped += 1;
                return;
            }
            self.crossed += 1;
        }
        way.push_back((now + DELAY, crossing));
    }

    /// Takes the next thing that arrives: from which shard, at which, and what.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(u8, u8, Crossing)> {
        if self.is_held {
            return None;
        }
        let mut ways = self.ways.iter_mut();
        let ((from, to), way) =
            ways.find(|(_, way)| way.front().is_some_and(|(at, _)| *at <= now))?;
        let (_, crossing) = way.pop_front()?;
        Some((*from, *to, crossing))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_held {
            return None;
        }
        let next = self.ways.values().filter_map(|way| way.front());
        next.map(|(at, _)| *at).min()
    }
}

/// Which shards hold which rooms.
#[derive(Default)]
pub(super) struct Spread {
    /// Whether participants of one room go to different shards.
    pub(super) spans: bool,
    /// The home shard first.
    shards: BTreeMap<RoomKey, Vec<usize>>,
    /// How many shards have to pass a barrier.
    barriers: BTreeMap<u64, usize>,
}

impl Meeting {
    /// Makes a server with `count` shards that all rooms span: participants go
    /// to them by their numbers.
    pub fn spanning(seed: u64, count: u8) -> Self {
        let mut meeting = Meeting::with_shards(seed, count);
        meeting.spread.spans = true;
        meeting
    }

    /// Opens a room where a participant that joins it is to be, and tells all its shards.
    pub(super) fn open_room(&mut self, member: u64, room: RoomKey) {
        let shard = self.member(member).shard;
        let shards = self.spread.shards.entry(room).or_default();
        if shards.contains(&shard) {
            return;
        }
        shards.push(shard);
        let policy = Default::default();
        self.order_late(shard, Command::OpenRoom { room, policy });
        let shards = self.shards_of(room);
        if shards.len() > 1 {
            self.tell_span(room, &shards);
        }
    }

    /// Closes a room on a shard that holds nobody of it any more.
    pub fn leave_shard(&mut self, room: u64, shard: usize) {
        let room = RoomKey(room);
        if let Some(shards) = self.spread.shards.get_mut(&room) {
            shards.retain(|other| *other != shard);
        }
        self.order_late(shard, Command::CloseRoom { room });
        let shards = self.shards_of(room);
        self.tell_span(room, &shards);
    }

    fn tell_span(&mut self, room: RoomKey, shards: &[usize]) {
        for shard in shards {
            let shards = shards.iter().map(|shard| *shard as u8).collect();
            self.order_late(*shard, Command::Span { room, shards });
        }
    }

    /// Tells a shard after those before it, as one of another core may hear of
    /// a thing later.
    fn order_late(&mut self, shard: usize, command: Command) {
        let lag = LAG * u32::try_from(shard).unwrap_or(0);
        self.order_at(self.now + lag, shard, command);
    }

    /// Returns the shards of a room, the home shard first.
    pub(super) fn shards_of(&self, room: RoomKey) -> Vec<usize> {
        self.spread.shards.get(&room).cloned().unwrap_or_default()
    }

    /// Asks all shards of a room to pass a barrier.
    pub(super) fn order_barrier(&mut self, room: RoomKey, number: u64) {
        let shards = self.shards_of(room);
        self.spread.barriers.insert(number, shards.len());
        for shard in shards {
            self.order(shard, Command::Barrier { room, number });
        }
    }

    /// Returns when all shards had passed a barrier.
    pub fn passed_at(&self, number: u64) -> Option<Instant> {
        let last = self.spread.barriers.get(&number)?.checked_sub(1)?;
        let passed =
            |event: &Event| matches!(event, Event::Passed { number: of, .. } if *of == number);
        let mut found = self.events.iter().filter(|(_, event)| passed(event));
        found.nth(last).map(|(at, _)| *at)
    }

    /// Holds up everything between shards, or lets it go on.
    pub fn hold_crossings(&mut self, hold: bool) {
        self.carrier.is_held = hold;
    }

    /// Returns how many packets went from one shard to another, and how many
    /// found too much waiting.
    pub fn crossed(&self) -> (u64, u64) {
        (self.carrier.crossed, self.carrier.dropped)
    }

    /// Returns on which shard a participant is.
    pub fn shard_of(&self, member: u64) -> usize {
        self.members[&member].shard
    }

    /// Brings what has crossed to its shard.
    pub(super) fn deliver_crossings(&mut self) {
        let now = self.now;
        while let Some((from, to, crossing)) = self.carrier.poll(now) {
            if let Some((_, shard)) = self.shards.get_mut(usize::from(to)) {
                shard.handle_crossing(now, from, crossing);
            }
        }
    }

    /// Takes what shards have for each other.
    pub(super) fn collect_crossings(&mut self) {
        let now = self.now;
        for (from, (_, shard)) in self.shards.iter_mut().enumerate() {
            while let Some((to, crossing)) = shard.poll_crossing() {
                self.carrier.send(now, from as u8, to, crossing);
            }
        }
    }
}
