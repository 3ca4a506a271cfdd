//! What is sent next: to each webhook one delivery at a time, to all of them
//! a bounded number, and to one that fails at longer and longer intervals,
//! while the others get theirs.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use conclave_signalling_wire::ids::{DeliveryId, WebhookId};

/// Deliveries on their way at the same time. Each costs a socket and, with TLS, some 50 KiB.
pub const IN_FLIGHT_MAX: usize = 32;
/// The rest after the first failure in a row; each further one doubles it.
const REST_MIN: Duration = Duration::from_secs(1);
/// The longest rest. A receiver that is back waits no longer for the first delivery that is due.
const REST_MAX: Duration = Duration::from_secs(60);

/// A delivery that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub delivery: DeliveryId,
    /// To whom.
    pub webhook: WebhookId,
}

/// What is known of one webhook with something due, on its way or failed.
#[derive(Debug, Default)]
struct Tray {
    waiting: VecDeque<DeliveryId>,
    in_flight: Option<DeliveryId>,
    failures: u32,
    rests_until: Option<Instant>,
}

/// The desk from which deliveries go.
#[derive(Debug, Default)]
pub struct Desk {
    trays: BTreeMap<WebhookId, Tray>,
    /// Who was served last: the next one in order is next, so that nobody waits for those who are always busy.
    last: Option<WebhookId>,
    in_flight: usize,
}

impl Desk {
    /// Takes what is due, the oldest first, in place of what was known to be.
    pub fn handle_due(&mut self, due: impl IntoIterator<Item = Due>) {
        for tray in self.trays.values_mut() {
            tray.waiting.clear();
        }
        for Due { delivery, webhook } in due {
            let tray = self.trays.entry(webhook).or_default();
            if tray.in_flight != Some(delivery) {
                tray.waiting.push_back(delivery);
            }
        }
        self.trays.retain(|_, tray| !tray.is_forgotten());
    }

    /// Says at `now` that the delivery on its way to `webhook` has ended.
    pub fn handle_ended(&mut self, now: Instant, webhook: WebhookId, was_taken: bool) {
        let Some(tray) = self.trays.get_mut(&webhook) else {
            return;
        };
        if tray.in_flight.take().is_some() {
            self.in_flight -= 1;
        }
        if was_taken {
            tray.failures = 0;
            tray.rests_until = None;
        } else {
            let doubled = REST_MIN * 2u32.saturating_pow(tray.failures.min(10));
            tray.failures = tray.failures.saturating_add(1);
            tray.rests_until = Some(now + doubled.min(REST_MAX));
        }
    }

    /// Takes the next delivery to be sent, if one may be at `now`.
    pub fn poll_start(&mut self, now: Instant) -> Option<Due> {
        if self.in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        let may_start = |(id, tray): (&WebhookId, &Tray)| tray.may_start(now).then_some(*id);
        let after = self
            .last
            .map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut later = self.trays.range((after, std::ops::Bound::Unbounded));
        let webhook = later
            .find_map(may_start)
            .or_else(|| self.trays.iter().find_map(may_start))?;
        let tray = self.trays.get_mut(&webhook)?;
        let delivery = tray.waiting.pop_front()?;
        tray.in_flight = Some(delivery);
        self.in_flight += 1;
        self.last = Some(webhook);
        debug_assert!(self.in_flight <= IN_FLIGHT_MAX);
        Some(Due { delivery, webhook })
    }

    /// Returns when the first webhook has rested for which something waits.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = |tray: &&Tray| !tray.waiting.is_empty() && tray.in_flight.is_none();
        let trays = self.trays.values().filter(waits);
        trays.filter_map(|tray| tray.rests_until).min()
    }

    /// Returns how many are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns whether something is on its way to `webhook`.
    pub fn is_busy(&self, webhook: WebhookId) -> bool {
        let tray = self.trays.get(&webhook);
        tray.is_some_and(|tray| tray.in_flight.is_some())
    }
}

impl Tray {
    fn may_start(&self, now: Instant) -> bool {
        self.in_flight.is_none()
            && !self.waiting.is_empty()
            && self.rests_until.is_none_or(|until| until <= now)
    }

    /// A webhook that failed and has nothing due is forgotten: its next delivery comes after a pause anyway.
    fn is_forgotten(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_delivery_of_a_webhook_is_on_its_way_at_a_time_in_order() {
        let now = epoch();
        let mut desk = Desk::default();
        desk.handle_due([due(1, 1), due(1, 2), due(2, 3)]);
        assert_eq!(started(&mut desk, now), [due(1, 1), due(2, 3)]);
        desk.handle_ended(now, webhook(1), true);
        // The store still has the one on its way to the other.
        desk.handle_due([due(1, 2), due(2, 3)]);
        assert_eq!(started(&mut desk, now), [due(1, 2)]);
        desk.handle_ended(now, webhook(2), true);
        desk.handle_due([]);
        assert_eq!(started(&mut desk, now), []);
        assert_eq!(desk.in_flight(), 1);
    }

    #[test]
    fn a_webhook_that_fails_rests_longer_and_longer_and_delays_nobody() {
        let mut now = epoch();
        let mut desk = Desk::default();
        let mut rests = Vec::new();
        for round in 0..8 {
            desk.handle_due([due(1, round), due(1, 100 + round), due(2, 200 + round)]);
            assert_eq!(
                started(&mut desk, now),
                [due(1, round), due(2, 200 + round)],
                "round {round}"
            );
            desk.handle_ended(now, webhook(1), false);
            desk.handle_ended(now, webhook(2), true);
            desk.handle_due([due(1, 100 + round), due(2, 300 + round)]);
            assert_eq!(started(&mut desk, now), [due(2, 300 + round)]);
            desk.handle_ended(now, webhook(2), true);
            let until = desk.poll_timeout().unwrap();
            rests.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(started(&mut desk, now), [due(1, 107)]);
        desk.handle_ended(now, webhook(1), true);
        desk.handle_due([due(1, 500)]);
        assert_eq!(
            started(&mut desk, now),
            [due(1, 500)],
            "one success ends it"
        );
    }

    #[test]
    fn a_bounded_number_is_on_its_way_and_everybody_has_a_turn() {
        let now = epoch();
        let mut desk = Desk::default();
        let all = || (0..40).map(|number| due(number, number));
        desk.handle_due(all());
        let first = started(&mut desk, now);
        assert_eq!(first.len(), IN_FLIGHT_MAX);
        assert_eq!(started(&mut desk, now), []);
        desk.handle_ended(now, first[0].webhook, true);
        desk.handle_due(all().map(|due| Due {
            delivery: delivery(1000),
            ..due
        }));
        let next = started(&mut desk, now);
        assert_eq!(next.len(), 1);
        assert_eq!(next[0].webhook, webhook(32), "who has not been served yet");
    }

    proptest! {
        #[test]
        fn whatever_happens_the_bounds_hold(
            steps in prop::collection::vec((0u8..4, 0u64..50, any::<bool>()), 1..300),
        ) {
            let mut now = epoch();
            let mut desk = Desk::default();
            let mut on_their_way = BTreeMap::new();
            for (kind, number, flag) in steps {
                match kind {
                    0 => desk.handle_due((0..number).map(|n| due(n % 40, n))),
                    1 => now += Duration::from_secs(number),
                    2 => if on_their_way.remove(&webhook(number)).is_some() {
                        desk.handle_ended(now, webhook(number), flag);
                    },
                    _ => if let Some(due) = desk.poll_start(now) {
                        prop_assert_eq!(on_their_way.insert(due.webhook, due.delivery), None);
                    },
                }
                prop_assert_eq!(desk.in_flight(), on_their_way.len());
                prop_assert!(desk.in_flight() <= IN_FLIGHT_MAX);
            }
        }
    }

    #[allow(clippy::disallowed_methods, reason = "a first instant")]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn started(desk: &mut Desk, now: Instant) -> Vec<Due> {
        std::iter::from_fn(|| desk.poll_start(now)).collect()
    }

    fn webhook(number: u64) -> WebhookId {
        WebhookId::new(number, [0; 10])
    }

    fn delivery(number: u64) -> DeliveryId {
        DeliveryId::new(number, [0; 10])
    }

    fn due(to: u64, number: u64) -> Due {
        Due {
            delivery: delivery(number),
            webhook: webhook(to),
        }
    }
}
