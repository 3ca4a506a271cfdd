//! A shard that takes time for what it does, as one of a real core.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use conclave_sfu_core::{Counters, Datagram as Waiting, Load, TurnLoad};

use super::Meeting;
use super::step::Wire;
use crate::network::Datagram;

/// How long a turn goes on taking datagrams out of the socket: 64 of them, each
/// to fifteen people, take a real core about this long. This one is much slower,
/// and takes fewer.
const TURN: Duration = Duration::from_millis(5);
/// What the socket holds: 4 MiB, of which the kernel counts some 2.3 kB for each.
const SOCKET: usize = 1_800;
/// A datagram that is no media, or is looked at and dropped, costs this share of
/// one that is.
const DROPPED: u32 = 8;

/// The socket and the core of the first shard. What comes while the shard works
/// waits; what it sends leaves when it has done.
pub(super) struct Burden {
    /// Of a packet, received or forwarded.
    cost: Duration,
    socket: VecDeque<(Instant, Datagram)>,
    /// When the last turn ends.
    free_at: Instant,
    /// How long it took.
    worked: Duration,
    /// Something else than a datagram waits to be served.
    woken: bool,
    lag_max: Duration,
    overflown: u64,
}

impl Burden {
    /// Returns how long it takes to serve `taken` datagrams and to do what was
    /// counted since `before`.
    fn work(&self, taken: u64, before: Counters, after: Counters) -> Duration {
        let received = after.received - before.received;
        let served = received + after.forwarded - before.forwarded;
        let times = |packets: u64| u32::try_from(packets).unwrap_or(u32::MAX);
        let dropped = taken.saturating_sub(received);
        self.cost * times(served) + self.cost * times(dropped) / DROPPED
    }
}

impl Meeting {
    /// Lets each packet that the first shard receives or forwards take it this
    /// long; none is no time.
    pub fn set_cost(&mut self, cost: Option<Duration>) {
        let (cost, now) = (cost.unwrap_or_default(), self.now);
        let burden = self.burden.get_or_insert_with(|| Burden {
            cost,
            socket: VecDeque::new(),
            free_at: now,
            worked: Duration::ZERO,
            woken: true,
            lag_max: Duration::ZERO,
            overflown: 0,
        });
        burden.cost = cost;
    }

    /// Lets the first shard do nothing for a while, as on a machine that stands
    /// still.
    pub fn stand_still(&mut self, pause: Duration) {
        if let Some(burden) = self.burden.as_mut() {
            burden.free_at = burden.free_at.max(self.now) + pause;
        }
    }

    /// Returns how many packets the first shard has received and forwarded.
    pub fn packets(&self) -> u64 {
        let counters = self.shards[0].1.counters();
        counters.received + counters.forwarded
    }

    /// Returns how much the first shard has to do, and what it does without.
    pub fn load(&self) -> Load {
        self.shards[0].1.load()
    }

    /// Returns how long a datagram has waited for the first shard at most since
    /// this was asked last, and how many found its socket full.
    pub fn take_waits(&mut self) -> (Duration, u64) {
        let Some(burden) = self.burden.as_mut() else {
            return (Duration::ZERO, 0);
        };
        let waits = (burden.lag_max, burden.overflown);
        (burden.lag_max, burden.overflown) = (Duration::ZERO, 0);
        waits
    }

    /// Puts a datagram into the socket of the first shard, if it has one.
    /// Returns it if not.
    pub(super) fn wait_in_socket(&mut self, datagram: Datagram) -> Option<Datagram> {
        let now = self.now;
        match self.burden.as_mut() {
            Some(burden) if datagram.destination == self.shards[0].0 => {
                if burden.socket.len() < SOCKET {
                    burden.socket.push_back((now, datagram));
                } else {
                    burden.overflown += 1;
                }
                None
            }
            _ => Some(datagram),
        }
    }

    /// Lets the first shard have a turn although nothing comes.
    pub(super) fn wake(&mut self) {
        if let Some(burden) = self.burden.as_mut() {
            burden.woken = true;
        }
    }

    /// Returns when the first shard has its next turn.
    pub(super) fn poll_burden(&self) -> Option<Instant> {
        let burden = self.burden.as_ref()?;
        let due = match burden.woken || !burden.socket.is_empty() {
            true => self.now,
            false => self.shards[0].1.poll_timeout()?,
        };
        Some(due.max(burden.free_at))
    }

    /// Lets the first shard have a turn if it is due.
    pub(super) fn bear(&mut self) {
        let now = self.now;
        if self.poll_burden().is_none_or(|due| due > now) {
            return;
        }
        let Some(burden) = self.burden.as_mut() else {
            return;
        };
        let shard = &mut self.shards[0].1;
        let before = shard.counters();
        let waited = |at: Instant| now - at;
        let lag = burden.socket.front();
        let lag = lag.map_or(Duration::ZERO, |(at, _)| waited(*at));
        burden.lag_max = burden.lag_max.max(lag);
        let busy = burden.worked;
        shard.begin_turn(now, TurnLoad { lag, busy });
        let mut taken = 0;
        while burden.work(taken, before, shard.counters()) < TURN
            && let Some((at, mut datagram)) = burden.socket.pop_front()
        {
            let waiting = Waiting {
                source: datagram.source,
                destination: datagram.destination,
                waited: waited(at),
                payload: &mut datagram.payload,
            };
            shard.handle_waiting(now, waiting);
            taken += 1;
        }
        shard.handle_timeout(now);
        burden.worked = burden.work(taken, before, shard.counters());
        burden.free_at = now + burden.worked;
        burden.woken = false;
        shard.flush(&mut Wire {
            now: burden.free_at,
            network: &mut self.network,
        });
        let events: Vec<_> = std::iter::from_fn(|| shard.poll_event()).collect();
        for event in events {
            self.report(event);
        }
    }
}
