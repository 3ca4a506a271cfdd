//! Rooms that span shards: the same as on one.

use conclave_tests::Meeting;
use conclave_tests::seeds::each_seed;

use crate::{SECOND, begin, frames, voice};

#[test]
fn members_of_four_shards_see_and_hear_each_other() {
    each_seed(|seed| {
        let members = [1, 2, 3, 4, 5];
        let mut meeting = Meeting::spanning(seed, 4);
        for member in members {
            meeting.join(member, 1);
        }
        begin(&mut meeting, &members, 180);
        let from = meeting.now() + SECOND;
        meeting.run_for(5 * SECOND);
        let to = meeting.now();
        for viewer in members {
            for other in members.into_iter().filter(|other| *other != viewer) {
                let shown = frames(&meeting, viewer, other, from, to).len();
                assert!(
                    shown >= 98,
                    "seed {seed}: {viewer} saw {shown} frames of {other}"
                );
                let heard = voice(&meeting, viewer, other, from, to);
                assert!(
                    heard >= 190,
                    "seed {seed}: {viewer} heard {heard} packets of {other}"
                );
            }
        }
        meeting.check();
    });
}
