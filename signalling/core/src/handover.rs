//! Offers that one participant makes to another and that wait for its answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::limits::{REQUEST_WITHIN, REQUESTS_PER_MINUTE};

use crate::rate::PerMinute;

/// Counters of pairs beyond which those that are at rest are thrown away.
const PAIRS_KEPT: usize = 64;

/// One offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer<T> {
    /// Who makes it.
    pub(crate) asker: MemberKey,
    /// Who answers it.
    pub(crate) asked: MemberKey,
    /// What is offered.
    pub(crate) what: T,
    until: Instant,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Offers<T> {
    pending: BTreeMap<RequestId, Offer<T>>,
    asked: BTreeMap<(MemberKey, MemberKey), PerMinute>,
}

impl<T> Default for Offers<T> {
    fn default() -> Self {
        Offers {
            pending: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }
}

impl<T: Copy> Offers<T> {
    /// Makes an offer, which can be answered for a minute.
    ///
    /// # Errors
    /// The same was offered to the same one too often; after this long it may be again.
    pub(crate) fn make(
        &mut self,
        now: Instant,
        request: RequestId,
        (asker, asked): (MemberKey, MemberKey),
        what: T,
    ) -> Result<(), Duration> {
        if self.asked.len() >= PAIRS_KEPT {
            self.asked.retain(|_, minute| !minute.is_at_rest(now));
        }
        self.asked
            .entry((asker, asked))
            .or_insert_with(|| PerMinute::new(REQUESTS_PER_MINUTE))
            .take(now)?;
        let offer = Offer {
            asker,
            asked,
            what,
            until: now + REQUEST_WITHIN,
        };
        self.pending.insert(request, offer);
        Ok(())
    }

    /// Takes the offer that `who` answers, if it is in time.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        request: RequestId,
        who: MemberKey,
    ) -> Option<Offer<T>> {
        self.pending
            .get(&request)
            .filter(|offer| offer.asked == who && now < offer.until)?;
        self.pending.remove(&request)
    }

    /// Walks through those that wait for an answer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RequestId, Offer<T>)> {
        self.pending
            .iter()
            .map(|(request, offer)| (*request, *offer))
    }

    /// Returns whether somebody has made one.
    pub(crate) fn has_of(&self, asker: MemberKey) -> bool {
        self.pending.values().any(|offer| offer.asker == asker)
    }

    /// Takes an offer back.
    pub(crate) fn withdraw(&mut self, request: RequestId) {
        self.pending.remove(&request);
    }

    /// Returns when the first of them is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.values().map(|offer| offer.until).min()
    }
}

impl<T> Offer<T> {
    /// Returns whether nobody answered in time.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.until <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::epoch;

    const PAIR: (MemberKey, MemberKey) = (MemberKey(1), MemberKey(2));

    fn request(number: u8) -> RequestId {
        RequestId::new(1, [number; 10])
    }

    #[test]
    fn only_who_was_asked_answers_once_and_in_time() {
        let now = epoch();
        let mut offers = Offers::default();
        offers.make(now, request(1), PAIR, ()).unwrap();
        let late = now + REQUEST_WITHIN;
        assert_eq!(offers.deadline(), Some(late));
        assert_eq!(offers.answer(now, request(1), PAIR.0), None);
        assert_eq!(offers.answer(late, request(1), PAIR.1), None);
        let in_time = late - Duration::from_millis(1);
        assert!(offers.answer(in_time, request(1), PAIR.1).is_some());
        assert_eq!(offers.answer(in_time, request(1), PAIR.1), None);
        assert_eq!(offers.deadline(), None);
    }

    #[test]
    fn nobody_is_asked_by_the_same_again_and_again() {
        let now = epoch();
        let mut offers = Offers::default();
        for number in 0..3 {
            offers.make(now, request(number), PAIR, ()).unwrap();
            offers.withdraw(request(number));
        }
        assert!(offers.make(now, request(9), PAIR, ()).is_err());
        assert!(offers.make(now, request(9), (PAIR.1, PAIR.0), ()).is_ok());
    }
}
