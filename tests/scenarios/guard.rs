//! The guard of nonces: whoever of two sealers takes the other's SSRC ends its
//! own transport by it, and nobody else's.

use conclave_sfu_core::SenderKind;
use conclave_sfu_wire::control::{Event, MemberKey, Source, TransportFailure};
use conclave_tests::Meeting;
use conclave_tests::seeds::each_seed;

use crate::{SECOND, begin, camera, frames, voice};

const MEMBERS: [u64; 3] = [1, 2, 3];
const VICTIM: u64 = 2;

/// Returns how the transport of the victim failed, if it did.
fn failure(meeting: &Meeting) -> Option<TransportFailure> {
    let failed = |event: &Event| match event {
        Event::TransportFailed {
            member: MemberKey(VICTIM),
            failure,
            ..
        } => Some(*failure),
        _ => None,
    };
    meeting.events().iter().find_map(|(_, event)| failed(event))
}

#[test]
fn a_library_that_takes_our_ssrc_ends_its_transport_and_the_room_lives() {
    each_seed(|seed| {
        let mut meeting = Meeting::with_sender(seed, 1, SenderKind::Own);
        for member in MEMBERS {
            meeting.join(member, 1);
        }
        begin(&mut meeting, &MEMBERS, 180);
        meeting.run_for(SECOND);
        assert_eq!(meeting.counters(1).panics, 0, "seed {seed}");

        meeting.leave_streams(VICTIM);
        meeting.run_until("the guard stops it", 3 * SECOND, |meeting| {
            failure(meeting).is_some()
        });
        assert_eq!(
            failure(&meeting),
            Some(TransportFailure::Panic),
            "seed {seed}"
        );

        meeting.run_for(SECOND);
        let from = meeting.now();
        meeting.run_for(4 * SECOND);
        let to = meeting.now();
        for (viewer, publisher) in [(1, 3), (3, 1)] {
            let shown = frames(&meeting, viewer, publisher, from, to).len();
            let heard = voice(&meeting, viewer, publisher, from, to);
            assert!(
                shown >= 95 && heard >= 195,
                "seed {seed}: {viewer} got {shown} frames and {heard} packets of {publisher}"
            );
            assert!(frames(&meeting, viewer, VICTIM, from, to).is_empty());
            assert!(frames(&meeting, VICTIM, publisher, from, to).is_empty());
        }
        assert_eq!(meeting.counters(1).panics, 1, "seed {seed}: one, not more");
        let ended = |(_, event): &_| matches!(event, Event::RoomFailed { .. });
        assert!(!meeting.events().iter().any(ended), "seed {seed}");

        // A new connection has new keys and new SSRCs, and goes on.
        meeting.reconnect(VICTIM);
        meeting.wait_connected(&[VICTIM]);
        meeting.publish(VICTIM, Source::Camera);
        meeting.wish(VICTIM, vec![camera(1, 180), camera(3, 180)]);
        let back = meeting.now();
        meeting.run_until("the victim is back", 5 * SECOND, |meeting| {
            let to = meeting.now();
            [(VICTIM, 1), (VICTIM, 3), (1, VICTIM), (3, VICTIM)]
                .iter()
                .all(|(viewer, publisher)| {
                    !frames(meeting, *viewer, *publisher, back, to).is_empty()
                })
        });
        // The pictures of the victim that were on their way have no end.
        meeting.check_stopped(2);
    });
}
