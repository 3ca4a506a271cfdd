//! When packets came, for the estimator of the server
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::VecDeque;

use conclave_sfu_wire::rtcp::{self, TwccReport};

/// Numbers in one message: with the longest deltas it still fits into a datagram.
const NUMBERS_MAX: usize = 400;
/// Numbers kept after they were told, for those that come out of order.
const KEPT: usize = 256;
/// A number this far from the last is of a sender that began anew.
const JUMP: u64 = 8_192;
/// Numbers count from here, so that those before the first one stay positive.
const BASE: u64 = 1 << 16;

/// The transport-wide numbers that came, and when.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The number of the first entry.
    base: u64,
    /// In microseconds; `None` while it did not come.
    times: VecDeque<Option<i64>>,
    /// The first number that the next message tells of.
    next: u64,
    has_news: bool,
    messages: u8,
}

impl Arrivals {
    /// Notes that a number came at `at_us`.
    pub(super) fn note(&mut self, number: u16, at_us: i64) {
        let end = self.base + self.times.len() as u64;
        let number = match end.checked_sub(1) {
            Some(last) => {
                let ahead = number.wrapping_sub(last as u16) as i16;
                last.saturating_add_signed(i64::from(ahead))
            }
            None => BASE + u64::from(number),
        };
        if number.abs_diff(end) > JUMP {
            *self = Arrivals {
                messages: self.messages,
                ..Arrivals::default()
            };
        }
        if self.times.is_empty() {
            (self.base, self.next) = (number, number);
        }
        let Some(place) = number.checked_sub(self.base) else {
            return;
        };
        let place = place as usize;
        if place >= self.times.len() {
            self.times.resize(place + 1, None);
        }
        if self.times[place].is_none() {
            self.times[place] = Some(at_us);
            // One out of order is told with all that follow it, as libwebrtc does.
            self.next = self.next.min(number);
            self.has_news = true;
        }
    }

    /// Returns whether something came that was not told.
    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Appends messages of `sender` that tell everything new.
    pub(super) fn report(&mut self, sender: u32, media: u32, out: &mut Vec<u8>) {
        self.has_news = false;
        let times = self.times.make_contiguous();
        loop {
            let untold = self.next.saturating_sub(self.base) as usize;
            let Some(rest) = times.get(untold..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            let report = TwccReport {
                sender,
                media,
                base_seq: self.next as u16,
                feedback_count: self.messages,
            };
            let told = rtcp::twcc(out, &report, &rest[..rest.len().min(NUMBERS_MAX)]);
            if told == 0 {
                break;
            }
            self.messages = self.messages.wrapping_add(1);
            self.next += told as u64;
        }
        let old = times.len().saturating_sub(KEPT);
        self.times.drain(..old);
        self.base += old as u64;
        self.next = self.next.max(self.base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_sfu_wire::rtcp::{Packet, Packets};

    fn told(arrivals: &mut Arrivals) -> Vec<(u16, bool)> {
        let mut out = Vec::new();
        arrivals.report(1, 2, &mut out);
        Packets::new(&out)
            .flat_map(|packet| match packet {
                Packet::Twcc(twcc) => twcc.iter().collect::<Vec<_>>(),
                _ => panic!("not asked for"),
            })
            .map(|(number, delta)| (number, delta.is_some()))
            .collect()
    }

    #[test]
    fn every_number_is_told_once_and_gaps_are_lost() {
        let mut arrivals = Arrivals::default();
        for (number, at) in [(65_534, 0), (65_535, 1_000), (1, 2_000)] {
            arrivals.note(number, at);
        }
        let expected = [(65_534, true), (65_535, true), (0, false), (1, true)];
        assert_eq!(told(&mut arrivals), expected);
        assert!(!arrivals.has_news());
        arrivals.note(3, 3_000);
        assert_eq!(told(&mut arrivals), [(2, false), (3, true)]);
    }

    #[test]
    fn one_out_of_order_is_told_with_what_follows() {
        let mut arrivals = Arrivals::default();
        arrivals.note(10, 0);
        arrivals.note(12, 2_000);
        told(&mut arrivals);
        arrivals.note(11, 3_000);
        assert_eq!(told(&mut arrivals), [(11, true), (12, true)]);
        arrivals.note(11, 4_000);
        assert!(!arrivals.has_news());
    }

    #[test]
    fn many_take_several_messages_and_a_jump_begins_anew() {
        let mut arrivals = Arrivals::default();
        for number in 0..1_000 {
            arrivals.note(number, i64::from(number) * 1_000);
        }
        assert_eq!(told(&mut arrivals).len(), 1_000);
        arrivals.note(20_000, 2_000_000);
        assert_eq!(told(&mut arrivals), [(20_000, true)]);
    }
}
