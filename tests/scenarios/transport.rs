//! Paths that change and datagrams that nobody should believe.

use std::net::SocketAddr;
use std::time::Duration;

use conclave_sfu_wire::control::Source;
use conclave_tests::network::Datagram;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, camera, everybody, frames, voice};

#[test]
fn an_ice_restart_from_another_address_keeps_the_media() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        for network in 1..=2 {
            meeting.move_to(2, network);
            let answers = meeting.answers(2);
            meeting.run_until("the restart is answered", 2 * SECOND, |meeting| {
                meeting.answers(2) > answers
            });
            meeting.run_for(2 * SECOND);
            let from = meeting.now();
            meeting.run_for(2 * SECOND);
            for (viewer, publisher) in [(1, 2), (2, 1)] {
                let shown = frames(&meeting, viewer, publisher, from, meeting.now()).len();
                assert!(
                    shown >= 45,
                    "seed {seed}: {viewer} saw {shown} frames after move {network}"
                );
                assert!(
                    voice(&meeting, viewer, publisher, from, meeting.now()) >= 90,
                    "seed {seed}"
                );
            }
        }
        assert_eq!(
            meeting
                .assignments(2)
                .iter()
                .filter(|one| one.feed.is_some())
                .count(),
            1
        );
        meeting.check();
    });
}

#[test]
fn media_follows_an_address_that_a_translator_changes() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        for network in 1..=3 {
            meeting.rebind(2, network);
            // Nothing is believed until its next check comes from there. The library
            // checks every fifteen seconds, browsers every few.
            meeting.run_for(20 * SECOND);
            let from = meeting.now();
            meeting.run_for(2 * SECOND);
            for (viewer, publisher) in [(1, 2), (2, 1)] {
                let shown = frames(&meeting, viewer, publisher, from, meeting.now()).len();
                assert!(
                    shown >= 45,
                    "seed {seed}: {viewer} saw {shown} frames after change {network}"
                );
                let heard = voice(&meeting, viewer, publisher, from, meeting.now());
                assert!(heard >= 90, "seed {seed}: {viewer} heard {heard} packets");
            }
        }
        assert_eq!(meeting.counters(2).unsealed, 0, "seed {seed}");
        meeting.check();
    });
}

#[test]
fn a_restart_on_the_same_address_is_hardly_noticed() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        let from = meeting.now();
        meeting.restart_ice(2);
        meeting.run_for(4 * SECOND);
        for (viewer, publisher) in [(1, 2), (2, 1)] {
            let froze = crate::freeze(&meeting, viewer, publisher, from, meeting.now());
            assert!(
                froze < Duration::from_millis(700),
                "seed {seed}: froze for {froze:?}"
            );
        }
        meeting.check();
    });
}

#[test]
fn plaintext_alerts_during_the_handshake_do_not_end_the_call() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.join(1, 1);
        meeting.join(2, 1);
        let (here, server) = (meeting.participant(1).address(), meeting.server_address(1));
        for _ in 0..120 {
            for forged in forged_records() {
                meeting.inject(here, server, forged);
            }
            meeting.run_for(Duration::from_millis(5));
        }
        meeting.wait_connected(&[1, 2]);
        meeting.publish(1, Source::Microphone);
        meeting.run_for(2 * SECOND);
        assert!(
            !meeting
                .observation(2)
                .audio_of(1, Source::Microphone)
                .is_empty(),
            "seed {seed}"
        );
        assert!(
            meeting.refusals(1).is_empty(),
            "seed {seed}: {:?}",
            meeting.refusals(1)
        );
        meeting.check();
    });
}

/// A fatal handshake_failure alert in the clear, and a hello of no known version.
fn forged_records() -> [Vec<u8>; 2] {
    let alert = vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 2, 40];
    let mut hello = vec![22, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12];
    hello.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    [alert, hello]
}

/// Packets of the publisher that never reached the server by themselves.
fn withheld_media(meeting: &mut Meeting, publisher: u64) -> Vec<Datagram> {
    let address = meeting.participant(publisher).address();
    let access = meeting.network().access(address).unwrap_or_default();
    let mut cut = access;
    cut.up.cut = true;
    meeting.set_access(publisher, cut);
    // What is under way arrives first.
    meeting.run_for(Duration::from_millis(100));
    meeting.network().tap(address);
    meeting.run_for(Duration::from_millis(400));
    let tapped = meeting.network().tapped(address).cloned();
    tapped
        .filter(|datagram| (128..192).contains(&datagram.payload[0]))
        .collect()
}

#[test]
fn media_from_an_address_that_no_check_has_proved_is_dropped() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        let media = withheld_media(&mut meeting, 1);
        assert!(
            media.len() > 20,
            "seed {seed}: {} packets withheld",
            media.len()
        );
        let from = meeting.now();
        let elsewhere: SocketAddr = "10.99.0.1:4000".parse().expect("an address");
        for datagram in &media {
            meeting.inject(elsewhere, datagram.destination, datagram.payload.clone());
        }
        meeting.run_for(Duration::from_millis(300));
        let seen = meeting.observation(2);
        let late = seen
            .audio_of(1, Source::Microphone)
            .iter()
            .filter(|packet| packet.at > from)
            .count();
        assert_eq!(late, 0, "seed {seed}: {late} foreign packets were believed");
        assert!(
            frames(&meeting, 2, 1, from, meeting.now()).is_empty(),
            "seed {seed}"
        );
        meeting.check();
    });
}

#[test]
fn the_same_packets_from_the_proved_address_are_taken() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        let media = withheld_media(&mut meeting, 1);
        let from = meeting.now();
        meeting.set_access(1, Default::default());
        for datagram in media {
            meeting.inject(datagram.source, datagram.destination, datagram.payload);
        }
        meeting.run_for(SECOND);
        assert!(
            voice(&meeting, 2, 1, from, meeting.now()) > 50,
            "seed {seed}"
        );
        meeting.check();
    });
}

#[test]
fn junk_at_the_port_disturbs_nobody() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        let server = meeting.server_address(1);
        let from = meeting.now();
        for turn in 0..400_u32 {
            let source = SocketAddr::from(([10, 98, (turn >> 8) as u8, turn as u8], 5_000));
            let first = [0, 1, 20, 22, 64, 128, 200, 255][turn as usize % 8];
            let mut payload = vec![first; 1 + turn as usize * 3 % 1_400];
            payload
                .iter_mut()
                .enumerate()
                .skip(1)
                .for_each(|(at, byte)| *byte = (at * 31) as u8 ^ turn as u8);
            meeting.inject(source, server, payload.clone());
            let known = meeting.participant(1).address();
            meeting.inject(known, server, payload);
            meeting.run_for(Duration::from_millis(5));
        }
        let froze = crate::freeze(&meeting, 2, 1, from, meeting.now());
        assert!(
            froze < Duration::from_millis(250),
            "seed {seed}: froze for {froze:?}"
        );
        meeting.check();
    });
}

#[test]
fn a_viewer_who_wishes_before_anybody_publishes_sees_them_later() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &[1, 2]);
        meeting.wish(2, vec![camera(1, 180)]);
        meeting.run_for(SECOND);
        meeting.publish(1, Source::Camera);
        meeting.run_until("the picture", 2 * SECOND, |meeting| {
            !meeting
                .observation(2)
                .frames_of(1, Source::Camera)
                .is_empty()
        });
        meeting.check();
    });
}

#[test]
fn packets_too_large_to_leave_again_go_nowhere() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.join_with(
            3,
            1,
            JoinOptions {
                packet_bytes: Some(1_900),
                single_encoding: true,
                ..JoinOptions::default()
            },
        );
        meeting.wait_connected(&[3]);
        meeting.publish(3, Source::Camera);
        for viewer in [1, 2] {
            meeting.wish(viewer, vec![camera(3 - viewer, 180), camera(3, 720)]);
        }
        meeting.run_for(2 * SECOND);
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        for (viewer, publisher) in [(1, 2), (2, 1)] {
            assert!(meeting.refusals(viewer).is_empty(), "seed {seed}");
            let shown = frames(&meeting, viewer, publisher, from, meeting.now()).len();
            assert!(shown >= 45, "seed {seed}: {shown} frames");
            let large = frames(&meeting, viewer, 3, from, meeting.now()).len();
            assert_eq!(large, 0, "seed {seed}: {viewer} got packets of 1,700 bytes");
        }
    });
}
