//! What must hold in every run.

use std::time::Instant;

use conclave_loadtest::SourceRun;
use conclave_sfu_wire::control::{MemberKey, MidName, SlotState, Source};

use super::Meeting;

/// One source given to one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The m-line of the slot.
    pub slot: MidName,
    /// What feeds it from now on.
    pub feed: Option<(MemberKey, Source)>,
    /// The revision that says so.
    pub rev: u32,
    /// When the shard said so.
    pub pushed_at: Instant,
    /// When the shard took the acknowledgement.
    pub acked_at: Option<Instant>,
    /// Where the timestamps of the source begin.
    pub first_timestamp: Option<u32>,
}

impl Assignment {
    pub(super) fn note(all: &mut Vec<Assignment>, now: Instant, rev: u32, slots: &[SlotState]) {
        for slot in slots {
            let last = all.iter().rev().find(|last| last.slot == slot.mid);
            if last.is_some_and(|last| last.feed == slot.feed) {
                continue;
            }
            all.push(Assignment {
                slot: slot.mid,
                feed: slot.feed,
                rev,
                pushed_at: now,
                acked_at: None,
                first_timestamp: None,
            });
        }
    }

    pub(super) fn note_ack(
        all: &mut [Assignment],
        now: Instant,
        rev: u32,
        first: &[(MidName, u32)],
    ) {
        let acked = all
            .iter_mut()
            .filter(|one| one.rev <= rev && one.acked_at.is_none());
        acked.for_each(|one| one.acked_at = Some(now));
        for (slot, timestamp) in first {
            let given = all
                .iter_mut()
                .rev()
                .find(|one| one.slot == *slot && one.rev <= rev);
            if let Some(given) = given {
                given.first_timestamp.get_or_insert(*timestamp);
            }
        }
    }
}

impl Meeting {
    /// Judges everything that everybody has received.
    ///
    /// # Panics
    ///
    /// Panics with the seed if a packet was changed, a frame torn, a number
    /// used twice, a counter jumped, or a face shown where it was not announced.
    pub fn check(&self) {
        self.check_stopped(0);
    }

    /// Judges like [`Meeting::check`] where publications were stopped `times`
    /// times: the frame that is then on its way has no end.
    ///
    /// # Panics
    ///
    /// As [`Meeting::check`] does.
    pub fn check_stopped(&self, times: u64) {
        let mut found = Vec::new();
        for (member, state) in &self.members {
            let seen = state.participant.observation();
            let torn: u64 = seen.video.values().map(|video| video.torn).sum();
            found.extend(
                seen.violations()
                    .into_iter()
                    .filter(|what| torn > times || !what.ends_with(" torn"))
                    .map(|what| format!("participant {member}: {what}")),
            );
            for (slot, video) in &seen.video {
                let given: Vec<&Assignment> = state
                    .assignments
                    .iter()
                    .filter(|one| one.slot == *slot)
                    .collect();
                for what in wrong_faces(&given, &video.runs) {
                    found.push(format!("participant {member}: slot {slot}: {what}"));
                }
            }
            if let Some(failure) = state.participant.failure() {
                found.push(format!("participant {member}: {failure}"));
            }
        }
        assert!(found.is_empty(), "seed {}: {found:#?}", self.seed);
    }

    /// The seed of this run, for messages.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// Matches what was shown on a slot with what was announced and acknowledged for it.
fn wrong_faces(given: &[&Assignment], runs: &[SourceRun]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = given.iter();
    let mut last: Option<&SourceRun> = None;
    for run in runs {
        let feed = Some((MemberKey(run.publisher), run.source));
        let Some(given) = rest.find(|one| one.feed == feed) else {
            found.push(format!(
                "{:?} of {} was never announced",
                run.source, run.publisher
            ));
            continue;
        };
        if given
            .acked_at
            .is_none_or(|acked| run.first_arrival <= acked)
        {
            found.push(format!(
                "{:?} of {} came before its ack",
                run.source, run.publisher
            ));
        }
        if let Some(first) = given.first_timestamp {
            if is_before(run.first_timestamp, first) {
                found.push(format!(
                    "{} begins before its first timestamp",
                    run.publisher
                ));
            }
            if last.is_some_and(|last| !is_before(last.last_timestamp, first)) {
                found.push(format!(
                    "what was before {} reaches into its timestamps",
                    run.publisher
                ));
            }
        }
        last = Some(run);
    }
    found
}

/// Serial arithmetic on RTP timestamps.
fn is_before(one: u32, other: u32) -> bool {
    let ahead = other.wrapping_sub(one);
    ahead != 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(publisher: u64, at: Instant, first_timestamp: u32) -> SourceRun {
        SourceRun {
            publisher,
            source: Source::Camera,
            first_arrival: at,
            last_arrival: at,
            first_timestamp,
            last_timestamp: first_timestamp + 500,
            packets: 2,
        }
    }

    fn assignment(member: u64, acked_at: Option<Instant>) -> Assignment {
        Assignment {
            slot: MidName::new("v0").unwrap(),
            feed: Some((MemberKey(member), Source::Camera)),
            rev: member as u32,
            pushed_at: Instant::now(),
            acked_at,
            first_timestamp: Some(1_000 * member as u32),
        }
    }

    #[test]
    fn an_announced_source_after_its_ack_is_right() {
        let start = Instant::now();
        let later = start + Duration::from_millis(1);
        let (one, two) = (assignment(1, Some(start)), assignment(2, Some(start)));
        let runs = [run(1, later, 1_000), run(2, later, 2_100)];
        assert_eq!(wrong_faces(&[&one, &two], &runs), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_face_is_found_in_every_way() {
        let start = Instant::now();
        let later = start + Duration::from_millis(1);
        let one = assignment(1, Some(start));
        let two = assignment(2, Some(start));
        let unacked = assignment(1, None);
        assert_eq!(
            wrong_faces(&[&one], &[run(3, later, 1_000)]).len(),
            1,
            "never announced"
        );
        assert_eq!(
            wrong_faces(&[&one], &[run(1, start, 1_000)]).len(),
            1,
            "before the ack"
        );
        assert_eq!(
            wrong_faces(&[&unacked], &[run(1, later, 1_000)]).len(),
            1,
            "no ack"
        );
        assert_eq!(
            wrong_faces(&[&one], &[run(1, later, 999)]).len(),
            1,
            "timestamp too early"
        );
        let reaching = [run(1, later, 1_800), run(2, later, 2_400)];
        assert_eq!(
            wrong_faces(&[&one, &two], &reaching).len(),
            1,
            "the former one too late"
        );
    }
}
