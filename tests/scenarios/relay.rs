//! Participants whose packets come over the relay, and those who insist on it.

use conclave_sfu_wire::control::Source;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, begin, everybody, frames, voice};

fn relay_only() -> JoinOptions {
    JoinOptions {
        relayed: true,
        relay_only: true,
        ..JoinOptions::default()
    }
}

#[test]
fn somebody_who_insists_on_the_relay_meets_somebody_who_does_not() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.join_with(1, 1, relay_only());
        meeting.join(2, 1);
        begin(&mut meeting, &[1, 2], 180);
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        for (viewer, publisher) in [(1, 2), (2, 1)] {
            assert!(
                frames(&meeting, viewer, publisher, from, meeting.now()).len() >= 45,
                "seed {seed}"
            );
        }
        assert_eq!(meeting.counters(1).not_relayed, 0, "seed {seed}");
        meeting.check();
    });
}

#[test]
fn a_check_that_does_not_come_over_the_relay_is_not_answered_to_who_insists_on_it() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        let direct = JoinOptions {
            relayed: false,
            ..relay_only()
        };
        meeting.join_with(1, 1, direct);
        let (here, server) = (meeting.participant(1).address(), meeting.server_address(1));
        meeting.network().tap(server);
        meeting.run_for(3 * SECOND);
        assert_eq!(meeting.answers(1), 1, "seed {seed}: the offer was answered");
        assert!(!meeting.participant(1).has_connected(), "seed {seed}");
        assert!(meeting.counters(1).not_relayed >= 3, "seed {seed}");
        let answered = meeting.network().tapped(server);
        assert_eq!(
            answered
                .filter(|datagram| datagram.destination == here)
                .count(),
            0,
            "seed {seed}"
        );
    });
}

#[test]
fn who_comes_to_insist_on_the_relay_is_sent_nothing_more_at_the_old_address() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        let (old, server) = (meeting.participant(2).address(), meeting.server_address(2));
        let answers = meeting.answers(2);
        meeting.move_to_relay(2);
        meeting.run_until("the restart is answered", 2 * SECOND, |meeting| {
            meeting.answers(2) > answers
        });
        meeting.network().tap(server);
        for _ in 0..20 {
            // The tap remembers some hundred milliseconds.
            meeting.run_for(SECOND / 10);
            let sent = meeting.network().tapped(server);
            assert_eq!(
                sent.filter(|datagram| datagram.destination == old).count(),
                0,
                "seed {seed}"
            );
        }
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        for (viewer, publisher) in [(1, 2), (2, 1)] {
            let shown = frames(&meeting, viewer, publisher, from, meeting.now()).len();
            assert!(shown >= 45, "seed {seed}: {viewer} saw {shown} frames");
            assert!(
                voice(&meeting, viewer, publisher, from, meeting.now()) >= 90,
                "seed {seed}"
            );
        }
        meeting.check();
    });
}

#[test]
fn media_from_the_old_address_is_refused_once_the_relay_is_insisted_on() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        let (old, server) = (meeting.participant(2).address(), meeting.server_address(2));
        meeting.network().tap(old);
        meeting.run_for(SECOND);
        let packets: Vec<_> = meeting.network().tapped(old).cloned().collect();
        let media = packets
            .into_iter()
            .filter(|datagram| (128..192).contains(&datagram.payload[0]))
            .collect::<Vec<_>>();
        assert!(media.len() > 50, "seed {seed}");
        let answers = meeting.answers(2);
        meeting.move_to_relay(2);
        meeting.run_until("the restart is answered", 2 * SECOND, |meeting| {
            meeting.answers(2) > answers
        });
        let before = meeting.counters(2).unroutable;
        let count = media.len() as u64;
        for datagram in media {
            meeting.inject(old, server, datagram.payload);
        }
        meeting.run_for(SECOND / 5);
        assert!(
            meeting.counters(2).unroutable >= before + count,
            "seed {seed}"
        );
        assert!(
            !meeting
                .observation(1)
                .audio_of(2, Source::Microphone)
                .is_empty(),
            "seed {seed}"
        );
        meeting.check();
    });
}
