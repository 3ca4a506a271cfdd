//! The clock: from one event to the next.

use std::time::{Duration, Instant};

use conclave_sfu_core::arena::{Batch, DatagramSink};

use super::Meeting;
use super::control::Message;
use crate::network::{Datagram, Network};

/// Steps without the clock moving before that is taken for an endless loop.
const STEPS_AT_ONE_INSTANT_MAX: u32 = 20_000;
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Meeting {
    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_to(self.now + duration);
    }

    /// Lets time pass until something holds.
    ///
    /// # Panics
    ///
    /// Panics with `what` and the seed if it does not hold within `patience`.
    pub fn run_until(
        &mut self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut(&Meeting) -> bool,
    ) {
        let end = self.now + patience;
        while !holds(self) {
            assert!(
                self.now < end,
                "seed {}: not within {patience:?}: {what}",
                self.seed
            );
            self.run_to((self.now + LOOK_EVERY).min(end));
        }
    }

    fn run_to(&mut self, end: Instant) {
        let mut steps = 0;
        self.collect_all();
        while let Some(next) = self.poll_timeout().filter(|next| *next <= end) {
            if next > self.now {
                self.now = next;
                steps = 0;
            }
            steps += 1;
            assert!(
                steps < STEPS_AT_ONE_INSTANT_MAX,
                "seed {}: the clock stands still",
                self.seed
            );
            self.step();
        }
        self.now = end;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let members = self
            .members
            .values()
            .filter_map(|member| member.participant.poll_timeout());
        let free = self.shards.iter().skip(usize::from(self.burden.is_some()));
        let shards = free.filter_map(|(_, shard)| shard.poll_timeout());
        let queues = [
            self.network.poll_timeout(),
            self.control.poll_timeout(),
            self.carrier.poll_timeout(),
            self.poll_burden(),
        ];
        members
            .chain(shards)
            .chain(queues.into_iter().flatten())
            .min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(datagram) = self.network.poll_arrival(now) {
            self.deliver(datagram);
        }
        self.deliver_crossings();
        while let Some(message) = self.control.poll(now) {
            match message {
                Message::ToShard(shard, command) => {
                    self.shards[shard].1.handle_command(now, command);
                    self.wake();
                }
                Message::ToMember(member, event) => self.handle_told(member, *event),
            }
        }
        for state in self.members.values_mut() {
            if state
                .participant
                .poll_timeout()
                .is_some_and(|due| due <= now)
            {
                state.participant.handle_timeout(now);
            }
        }
        self.bear();
        self.collect_all();
    }

    fn deliver(&mut self, datagram: Datagram) {
        let now = self.now;
        let Some(mut datagram) = self.wait_in_socket(datagram) else {
            return;
        };
        let shard = self
            .shards
            .iter_mut()
            .find(|(address, _)| *address == datagram.destination);
        if let Some((_, shard)) = shard {
            shard.handle_datagram(
                now,
                datagram.source,
                datagram.destination,
                &mut datagram.payload,
            );
            return;
        }
        let member = self.addresses.get(&datagram.destination);
        if let Some(state) = member.and_then(|member| self.members.get_mut(member)) {
            let Datagram {
                source,
                destination,
                payload,
            } = datagram;
            let inside = state.participant.address();
            let is_translated = self.translated.get(&inside) == Some(&destination);
            let destination = if is_translated { inside } else { destination };
            state
                .participant
                .handle_datagram(now, source, destination, &payload);
        }
    }

    /// Takes what everybody has to send and to say.
    fn collect_all(&mut self) {
        let now = self.now;
        for state in self.members.values_mut() {
            while let Some(outgoing) = state.participant.poll_outgoing() {
                let outside = self.translated.get(&outgoing.source);
                let source = outside.copied().unwrap_or(outgoing.source);
                let destination = outgoing.destination;
                self.network.send(
                    now,
                    Datagram {
                        source,
                        destination,
                        payload: outgoing.payload,
                    },
                );
            }
        }
        let mut events = Vec::new();
        let free = usize::from(self.burden.is_some());
        for (_, shard) in self.shards.iter_mut().skip(free) {
            shard.handle_timeout(now);
            shard.flush(&mut Wire {
                now,
                network: &mut self.network,
            });
            events.extend(std::iter::from_fn(|| shard.poll_event()));
        }
        for event in events {
            self.report(event);
        }
        self.collect_crossings();
    }
}

/// The socket of a shard.
pub(super) struct Wire<'a> {
    /// When what it sends leaves.
    pub(super) now: Instant,
    pub(super) network: &'a mut Network,
}

impl DatagramSink for Wire<'_> {
    fn send(&mut self, batch: Batch<'_>) {
        for payload in batch.payload.chunks(batch.segment) {
            self.network.send(
                self.now,
                Datagram {
                    source: batch.source,
                    destination: batch.destination,
                    payload: payload.to_vec(),
                },
            );
        }
    }
}
