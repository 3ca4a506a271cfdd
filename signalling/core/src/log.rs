//! The pushes of one participant: their numbers, and what a resume may ask for.

use std::collections::VecDeque;
use std::sync::Arc;

use conclave_signalling_wire::limits::{RESUME_BYTES, RESUME_PUSHES};
use conclave_signalling_wire::push::{Push, SequencedPush};

use crate::output::Notice;

/// The last pushes of a participant. The newest has the number [`PushLog::seq`].
#[derive(Debug, Default)]
pub(crate) struct PushLog {
    seq: u32,
    bytes: usize,
    kept: VecDeque<Arc<Notice>>,
}

impl PushLog {
    /// Numbers a push and keeps it, at the cost of the oldest.
    pub(crate) fn append(&mut self, notice: Arc<Notice>) -> u32 {
        self.seq += 1;
        self.bytes += notice.bytes();
        self.kept.push_back(notice);
        while self.kept.len() > RESUME_PUSHES || self.bytes > RESUME_BYTES {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
        self.seq
    }

    /// Puts other words in the place of pushes that must not be told any more as
    /// they were; their numbers stay.
    pub(crate) fn reword(&mut self, other: impl Fn(&Push) -> Option<Push>) {
        for kept in &mut self.kept {
            if let Some(push) = other(kept.push()) {
                let notice = Notice::new(push);
                self.bytes = self.bytes - kept.bytes() + notice.bytes();
                *kept = notice;
            }
        }
    }

    /// Returns the number of the newest push, 0 before the first.
    pub(crate) fn seq(&self) -> u32 {
        self.seq
    }

    /// Returns the pushes after `last_seq`, or `None` if they are not kept or never were.
    pub(crate) fn since(&self, last_seq: u32) -> Option<Vec<SequencedPush>> {
        let missed = self.seq.checked_sub(last_seq)? as usize;
        let first = self.kept.len().checked_sub(missed)?;
        let numbered = self.kept.iter().skip(first).zip(last_seq + 1..);
        Some(
            numbered
                .map(|(notice, seq)| SequencedPush {
                    seq,
                    push: notice.push().clone(),
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::push::{Ended, ServerDraining};

    fn draining(deadline_s: u32) -> Arc<Notice> {
        Notice::new(ServerDraining {
            deadline_s,
            retry_after_s: 0,
        })
    }

    #[test]
    fn what_was_missed_is_told_in_order() {
        let mut log = PushLog::default();
        let seqs: Vec<u32> = (1..=3).map(|number| log.append(draining(number))).collect();
        assert_eq!(seqs, [1, 2, 3]);
        let missed = log.since(1).unwrap();
        assert_eq!(
            missed.iter().map(|push| push.seq).collect::<Vec<_>>(),
            [2, 3]
        );
        assert_eq!(&missed[1].push, draining(3).push());
        assert_eq!(log.since(3), Some(Vec::new()));
        assert_eq!(log.since(4), None);
    }

    #[test]
    fn the_oldest_give_way_by_number() {
        let mut log = PushLog::default();
        for number in 0..RESUME_PUSHES as u32 + 1 {
            log.append(draining(number));
        }
        assert_eq!(log.since(0), None);
        assert_eq!(log.since(1).map(|missed| missed.len()), Some(RESUME_PUSHES));
    }

    #[test]
    fn the_oldest_give_way_by_size() {
        let mut log = PushLog::default();
        let long = Ended {
            by: None,
            message: Some("x".repeat(RESUME_BYTES / 2)),
            countdown_s: 0,
        };
        for _ in 0..3 {
            log.append(Notice::new(long.clone()));
        }
        assert_eq!(log.since(1), None);
        assert_eq!(log.since(2).map(|missed| missed.len()), Some(1));
        assert!(log.bytes <= RESUME_BYTES);
    }
}
