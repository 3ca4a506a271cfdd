//! Raised hands: who waits, in which order, who was called and until when.

use std::collections::BTreeMap;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::limits::ATTENDEES;
use conclave_signalling_wire::objects::{HandOrder, Override};
use conclave_signalling_wire::time::Timestamp;

use crate::digest::DeviceHash;

/// A hand that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Raised {
    who: MemberKey,
    device: DeviceHash,
    at: Timestamp,
}

/// An exception that lets the one who was called speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The exception.
    pub(crate) given: Override,
    /// The one in whose place it stands until then.
    pub(crate) before: Option<Override>,
}

/// Somebody who was called and has not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Who.
    pub(crate) who: MemberKey,
    /// Its device.
    pub(crate) device: DeviceHash,
    /// Since when its hand is up.
    pub(crate) raised_at: Timestamp,
    /// How often it was called before.
    pub(crate) round: u32,
    /// Until when it may speak.
    pub(crate) until: Timestamp,
    /// What it may by this call alone.
    pub(crate) grant: Option<Grant>,
    /// Whether the lock on microphones does not bind it because of this call.
    pub(crate) is_exempt: bool,
    /// The question whether it unmutes.
    pub(crate) prompt: Option<RequestId>,
    /// Whether its microphone was open since.
    pub(crate) has_spoken: bool,
}

/// A hand and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose.
    pub(crate) who: MemberKey,
    /// From 1; 0 for the one who was called.
    pub(crate) position: u32,
    /// Since when.
    pub(crate) raised_at: Timestamp,
    /// How often its device was called before.
    pub(crate) round: u32,
    /// Until when the one who was called may speak.
    pub(crate) called_until: Option<Timestamp>,
}

/// See the module. Nobody is in it twice.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    /// In the order in which they were raised.
    raised: Vec<Raised>,
    called: Option<Call>,
    /// Whether any hand was ever up.
    was_used: bool,
    /// How often devices were called: who leaves and comes again was called
    /// all the same. Beyond [`ATTENDEES`] devices nobody else is remembered.
    rounds: BTreeMap<DeviceHash, u32>,
}

impl Hands {
    /// Raises a hand. Returns whether it was down.
    pub(crate) fn raise(&mut self, at: Timestamp, who: MemberKey, device: DeviceHash) -> bool {
        let is_down = !self.is_up(who);
        if is_down {
            self.was_used = true;
            self.raised.push(Raised { who, device, at });
        }
        is_down
    }

    /// Lowers a hand that waits. Returns whether there was one.
    pub(crate) fn lower(&mut self, who: MemberKey) -> bool {
        let before = self.raised.len();
        self.raised.retain(|raised| raised.who != who);
        self.raised.len() != before
    }

    /// Calls somebody whose hand waits, until a time. Nobody must be called.
    pub(crate) fn call(&mut self, who: MemberKey, until: Timestamp) -> Option<&mut Call> {
        debug_assert!(self.called.is_none(), "the one before has finished");
        let place = self.raised.iter().position(|raised| raised.who == who)?;
        let Raised { who, device, at } = self.raised.remove(place);
        let round = self.round(&device);
        if round > 0 || self.rounds.len() < ATTENDEES {
            self.rounds.insert(device, round.saturating_add(1));
        }
        Some(self.called.insert(Call {
            who,
            device,
            raised_at: at,
            round,
            until,
            grant: None,
            is_exempt: false,
            prompt: None,
            has_spoken: false,
        }))
    }

    /// Takes the call that goes on: its hand is down.
    pub(crate) fn finish(&mut self) -> Option<Call> {
        self.called.take()
    }

    /// Returns the call that goes on.
    pub(crate) fn called(&self) -> Option<&Call> {
        self.called.as_ref()
    }

    /// Returns the call that goes on, to be changed.
    pub(crate) fn called_mut(&mut self) -> Option<&mut Call> {
        self.called.as_mut()
    }

    /// Returns whether somebody's hand waits or was called.
    pub(crate) fn is_up(&self, who: MemberKey) -> bool {
        self.called.as_ref().is_some_and(|call| call.who == who)
            || self.raised.iter().any(|raised| raised.who == who)
    }

    /// Returns whether no hand is up.
    pub(crate) fn is_empty(&self) -> bool {
        self.called.is_none() && self.raised.is_empty()
    }

    /// Returns whether any hand was ever up.
    pub(crate) fn was_used(&self) -> bool {
        self.was_used
    }

    /// Returns whose hands wait, the next to be called first.
    pub(crate) fn waiting(&self, order: HandOrder) -> Vec<MemberKey> {
        let waiting = self.in_order(order).into_iter();
        waiting.map(|raised| raised.who).collect()
    }

    /// Returns all hands in order, the one that was called first.
    pub(crate) fn places(&self, order: HandOrder) -> Vec<Place> {
        let called = self.called.iter().map(|call| Place {
            who: call.who,
            position: 0,
            raised_at: call.raised_at,
            round: call.round,
            called_until: Some(call.until),
        });
        let waiting = self.in_order(order).into_iter().zip(1..);
        let waiting = waiting.map(|(raised, position)| Place {
            who: raised.who,
            position,
            raised_at: raised.at,
            round: self.round(&raised.device),
            called_until: None,
        });
        called.chain(waiting).collect()
    }

    fn in_order(&self, order: HandOrder) -> Vec<&Raised> {
        let mut raised: Vec<&Raised> = self.raised.iter().collect();
        match order {
            HandOrder::Fifo => {}
            HandOrder::FirstTimersFirst => {
                raised.sort_by_key(|raised| self.round(&raised.device) > 0);
            }
        }
        raised
    }

    fn round(&self, device: &DeviceHash) -> u32 {
        self.rounds.get(device).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn time(s: u64) -> Timestamp {
        Timestamp::from_unix_ms(1000 * s)
    }

    fn device(number: u64) -> DeviceHash {
        DeviceHash([u8::try_from(number).unwrap(); 32])
    }

    fn raise(hands: &mut Hands, at: u64, who: u64) -> bool {
        hands.raise(time(at), MemberKey(who), device(who))
    }

    fn waiting(hands: &Hands, order: HandOrder) -> Vec<u64> {
        let waiting = hands.waiting(order).into_iter();
        waiting.map(|who| who.0).collect()
    }

    #[test]
    fn hands_wait_in_the_order_in_which_they_were_raised() {
        let mut hands = Hands::default();
        for who in [3, 1, 2] {
            assert!(raise(&mut hands, 10 - who, who));
        }
        assert!(!raise(&mut hands, 20, 3));
        assert_eq!(waiting(&hands, HandOrder::Fifo), [3, 1, 2]);
        assert!(hands.lower(MemberKey(1)));
        assert!(!hands.lower(MemberKey(1)));
        assert!(raise(&mut hands, 21, 1));
        assert_eq!(waiting(&hands, HandOrder::Fifo), [3, 2, 1]);
    }

    #[test]
    fn the_one_who_was_called_stays_in_front_until_it_has_finished() {
        let mut hands = Hands::default();
        raise(&mut hands, 1, 1);
        raise(&mut hands, 2, 2);
        let call = hands.call(MemberKey(2), time(99)).unwrap();
        assert_eq!((call.raised_at, call.round), (time(2), 0));
        assert!(!raise(&mut hands, 3, 2));
        assert!(!hands.lower(MemberKey(2)));
        let places = hands.places(HandOrder::Fifo);
        let short: Vec<_> = places
            .iter()
            .map(|place| (place.who.0, place.position, place.called_until))
            .collect();
        assert_eq!(short, [(2, 0, Some(time(99))), (1, 1, None)]);
        assert_eq!(hands.finish().map(|call| call.who), Some(MemberKey(2)));
        assert_eq!(hands.finish(), None);
        assert!(!hands.is_up(MemberKey(2)));
        assert_eq!(hands.places(HandOrder::Fifo).len(), 1);
    }

    #[test]
    fn who_was_called_before_may_come_after_those_who_were_not() {
        let mut hands = Hands::default();
        raise(&mut hands, 1, 1);
        hands.call(MemberKey(1), time(9));
        hands.finish();
        for who in [1, 2, 3] {
            raise(&mut hands, 2, who);
        }
        assert_eq!(waiting(&hands, HandOrder::Fifo), [1, 2, 3]);
        assert_eq!(waiting(&hands, HandOrder::FirstTimersFirst), [2, 3, 1]);
        assert_eq!(hands.places(HandOrder::FirstTimersFirst)[2].round, 1);
        // The same device under a new key.
        hands.lower(MemberKey(1));
        hands.raise(time(3), MemberKey(7), device(1));
        assert_eq!(waiting(&hands, HandOrder::FirstTimersFirst), [2, 3, 7]);
    }

    #[test]
    fn who_does_not_wait_is_not_called() {
        let mut hands = Hands::default();
        assert_eq!(hands.call(MemberKey(1), time(1)), None);
        assert!(hands.is_empty());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Raise(u64),
        Lower(u64),
        Next,
        Finish,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..8u64).prop_map(Step::Raise),
            (0..8u64).prop_map(Step::Lower),
            Just(Step::Next),
            Just(Step::Finish),
        ]
    }

    proptest! {
        /// Against a model that keeps a list of everybody and sorts it.
        #[test]
        fn the_queue_agrees_with_a_naive_one(
            steps in prop::collection::vec(step(), 0..60),
            is_fifo in any::<bool>(),
        ) {
            let order = if is_fifo { HandOrder::Fifo } else { HandOrder::FirstTimersFirst };
            let mut hands = Hands::default();
            let mut queue: Vec<u64> = Vec::new();
            let mut called: Option<u64> = None;
            let mut rounds = [0u32; 8];
            for (at, step) in (0..).zip(steps) {
                match step {
                    Step::Raise(who) => {
                        let is_down = !queue.contains(&who) && called != Some(who);
                        prop_assert_eq!(raise(&mut hands, at, who), is_down);
                        if is_down {
                            queue.push(who);
                        }
                    }
                    Step::Lower(who) => {
                        prop_assert_eq!(hands.lower(MemberKey(who)), queue.contains(&who));
                        queue.retain(|other| *other != who);
                    }
                    Step::Next => {
                        hands.finish();
                        called = None;
                        let first = hands.waiting(order).first().copied();
                        let expected = match order {
                            HandOrder::Fifo => queue.first(),
                            HandOrder::FirstTimersFirst => {
                                let mut new = queue.iter();
                                new.find(|who| rounds[**who as usize] == 0).or(queue.first())
                            }
                        };
                        prop_assert_eq!(first.map(|who| who.0), expected.copied());
                        if let Some(who) = first {
                            let round = hands.call(who, time(at)).map(|call| call.round);
                            prop_assert_eq!(round, Some(rounds[who.0 as usize]));
                            rounds[who.0 as usize] += 1;
                            queue.retain(|other| *other != who.0);
                            called = Some(who.0);
                        }
                    }
                    Step::Finish => {
                        prop_assert_eq!(hands.finish().map(|call| call.who.0), called);
                        called = None;
                    }
                }
                let places = hands.places(order);
                prop_assert_eq!(places.len(), queue.len() + usize::from(called.is_some()));
                // Positions have no gaps, and only the one who was called has none.
                let first = u32::from(called.is_none());
                let positions: Vec<u32> = places.iter().map(|place| place.position).collect();
                let expected: Vec<u32> = (first..).take(places.len()).collect();
                prop_assert_eq!(positions, expected);
                prop_assert_eq!(hands.is_empty(), places.is_empty());
                for place in &places {
                    prop_assert_eq!(place.round, rounds[place.who.0 as usize] - u32::from(place.position == 0));
                    prop_assert!(hands.is_up(place.who));
                }
            }
        }
    }
}
