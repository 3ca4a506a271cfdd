//! Bad networks: what is lost is sent again, on both legs.
//!
//! The limits leave room: the library draws identifiers of its own, so that one
//! seed is not one run, and its estimator now and then pauses a picture. Over 30
//! seeds the worst views had 246, 228, 211 and 210 of 250 frames.

use std::time::Duration;

use conclave_tests::link::{LinkConfig, Loss};
use conclave_tests::network::Access;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, begin, frames, freeze, voice};

const MEMBERS: [u64; 3] = [1, 2, 3];

fn meeting_over(seed: u64, line: LinkConfig) -> Meeting {
    let mut meeting = Meeting::new(seed);
    for member in MEMBERS {
        let access = Access::symmetric(line);
        meeting.join_with(
            member,
            1,
            JoinOptions {
                access,
                ..JoinOptions::default()
            },
        );
    }
    begin(&mut meeting, &MEMBERS, 180);
    meeting
}

/// Runs for ten seconds and returns the fewest frames and the longest freeze of any view.
fn worst_view(meeting: &mut Meeting) -> (usize, Duration) {
    meeting.run_for(2 * SECOND);
    let from = meeting.now();
    meeting.run_for(10 * SECOND);
    let to = meeting.now();
    let views = MEMBERS.into_iter().flat_map(|viewer| {
        MEMBERS
            .into_iter()
            .filter(move |other| *other != viewer)
            .map(move |other| (viewer, other))
    });
    views.fold(
        (usize::MAX, Duration::ZERO),
        |(fewest, longest), (viewer, other)| {
            let shown = frames(meeting, viewer, other, from, to).len();
            let froze = freeze(meeting, viewer, other, from, to);
            (fewest.min(shown), longest.max(froze))
        },
    )
}

#[test]
fn five_percent_loss_is_repaired_on_both_legs() {
    each_seed(|seed| {
        let line = LinkConfig {
            loss: Loss::Bernoulli(0.05),
            ..LinkConfig::default()
        };
        let mut meeting = meeting_over(seed, line);
        let (fewest, longest) = worst_view(&mut meeting);
        // Mostly 246 and more; one run of several hundred had a pause of the
        // library's bandwidth estimate in it, and 217. Unrepaired, nearly every
        // frame would miss a packet.
        assert!(fewest >= 200, "seed {seed}: {fewest} of 250 frames");
        assert!(
            longest < Duration::from_millis(1_600),
            "seed {seed}: froze for {longest:?}"
        );
        let from = meeting.now();
        meeting.run_for(5 * SECOND);
        // Sound is not sent again: 10 % of 250 packets is what both legs lose.
        let heard = voice(&meeting, 1, 2, from, meeting.now());
        assert!(heard > 205, "seed {seed}: heard {heard} packets");
        meeting.check();
    });
}

#[test]
fn bursts_of_loss_freeze_no_picture_for_long() {
    each_seed(|seed| {
        let loss = Loss::Bursts {
            begin: 0.005,
            end: 0.2,
            loss: 0.9,
        };
        let mut meeting = meeting_over(
            seed,
            LinkConfig {
                loss,
                ..LinkConfig::default()
            },
        );
        let (fewest, longest) = worst_view(&mut meeting);
        assert!(fewest >= 190, "seed {seed}: {fewest} of 250 frames");
        assert!(
            longest < Duration::from_millis(2_000),
            "seed {seed}: froze for {longest:?}"
        );
        meeting.check();
    });
}

#[test]
fn disorder_and_doubles_leave_every_frame_whole() {
    each_seed(|seed| {
        let line = LinkConfig {
            jitter: Duration::from_millis(15),
            reordering: 0.05,
            duplication: 0.02,
            ..LinkConfig::default()
        };
        let mut meeting = meeting_over(seed, line);
        let (fewest, longest) = worst_view(&mut meeting);
        assert!(fewest >= 170, "seed {seed}: {fewest} of 250 frames");
        assert!(
            longest < Duration::from_millis(3_000),
            "seed {seed}: froze for {longest:?}"
        );
        meeting.check();
    });
}

#[test]
fn a_far_participant_is_served_as_well() {
    each_seed(|seed| {
        let line = LinkConfig {
            delay: Duration::from_millis(150),
            jitter: Duration::from_millis(20),
            loss: Loss::Bernoulli(0.01),
            ..LinkConfig::default()
        };
        let mut meeting = meeting_over(seed, line);
        let (fewest, longest) = worst_view(&mut meeting);
        assert!(fewest >= 150, "seed {seed}: {fewest} of 250 frames");
        // Two legs of 300 ms there and back, and a second round now and then.
        assert!(
            longest < Duration::from_millis(4_000),
            "seed {seed}: froze for {longest:?}"
        );
        meeting.check();
    });
}
