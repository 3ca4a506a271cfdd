//! What does not fit through the line of a viewer.

use std::time::Duration;

use conclave_sfu_wire::control::Source;
use conclave_tests::seeds::each_seed;

use crate::bandwidth::narrow;
use crate::{SECOND, everybody, freeze};

/// Three cameras and their voices just fit at the lowest; nothing else does.
const LINE_KBPS: u64 = 700;

#[test]
fn what_a_line_had_no_room_for_is_not_sent_once_more() {
    const PUBLISHERS: [u64; 3] = [1, 3, 4];
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2, 3, 4], 360);
        meeting.run_for(12 * SECOND);
        let (from, dropped) = (meeting.now(), meeting.counters(1).dropped);
        meeting.set_access(2, narrow(LINE_KBPS));
        meeting.run_for(15 * SECOND);
        let to = meeting.now();
        let dropped = meeting.counters(1).dropped - dropped;
        assert!(dropped < 200, "seed {seed}: {dropped} packets given up");
        let asked: usize = PUBLISHERS
            .into_iter()
            .flat_map(|publisher| {
                meeting
                    .participant(publisher)
                    .keyframes_asked(Source::Camera)
            })
            .map(|(_, asked)| asked.iter().filter(|at| (from..to).contains(*at)).count())
            .sum();
        assert!(asked < 30, "seed {seed}: {asked} keyframes in 15 s");
        for viewer in [1, 3, 4] {
            for publisher in PUBLISHERS.into_iter().filter(|other| *other != viewer) {
                let froze = freeze(&meeting, viewer, publisher, from, to);
                assert!(
                    froze < Duration::from_millis(300),
                    "seed {seed}: {publisher} froze for {froze:?} for {viewer}"
                );
            }
        }
        meeting.check_stopped(8);
    });
}
