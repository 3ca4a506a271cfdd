//! Who is heard when many speak.

use std::collections::BTreeSet;
use std::time::Instant;

use conclave_sfu_wire::control::Source;
use conclave_tests::Meeting;
use conclave_tests::seeds::each_seed;

use crate::SECOND;

const SPEAKERS: std::ops::RangeInclusive<u64> = 1..=8;

/// Speaker `n` is 5 dB less loud than speaker `n - 1`.
fn level(speaker: u64) -> u8 {
    10 + 5 * speaker as u8
}

fn heard(meeting: &Meeting, listener: u64, from: Instant) -> BTreeSet<u64> {
    let slots = meeting.observation(listener).audio;
    let packets = slots
        .values()
        .flat_map(|slot| slot.packets_between(from, meeting.now()));
    packets.map(|packet| packet.publisher).collect()
}

#[test]
fn the_loudest_few_are_heard_and_never_oneself() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &SPEAKERS.collect::<Vec<_>>());
        for speaker in SPEAKERS {
            meeting.set_level(speaker, level(speaker));
            meeting.publish(speaker, Source::Microphone);
        }
        meeting.run_for(3 * SECOND);
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        for listener in SPEAKERS {
            let loudest: BTreeSet<u64> = SPEAKERS
                .filter(|other| *other != listener)
                .take(4)
                .collect();
            assert_eq!(
                heard(&meeting, listener, from),
                loudest,
                "seed {seed}: listener {listener}"
            );
        }
        meeting.set_level(7, 5);
        meeting.run_for(SECOND);
        let from = meeting.now();
        meeting.run_for(SECOND);
        assert!(
            heard(&meeting, 8, from).contains(&7),
            "seed {seed}: who has become loud is not heard"
        );
        assert!(
            !heard(&meeting, 8, from).contains(&4),
            "seed {seed}: too many are heard"
        );
        meeting.check();
    });
}

#[test]
fn a_muted_voice_takes_no_slot() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &SPEAKERS.collect::<Vec<_>>());
        for speaker in SPEAKERS {
            meeting.set_level(speaker, level(speaker));
            meeting.publish(speaker, Source::Microphone);
        }
        meeting.run_for(2 * SECOND);
        meeting.set_muted(1, Source::Microphone, true);
        meeting.run_for(2 * SECOND);
        let from = meeting.now();
        meeting.run_for(SECOND);
        assert_eq!(
            heard(&meeting, 8, from),
            BTreeSet::from([2, 3, 4, 5]),
            "seed {seed}"
        );
        meeting.check();
    });
}

#[test]
fn a_voice_reads_on_without_a_gap() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &[1, 2]);
        meeting.publish(1, Source::Microphone);
        meeting.run_for(3 * SECOND);
        let packets = meeting.observation(2).audio_of(1, Source::Microphone);
        assert!(
            packets.len() > 140,
            "seed {seed}: {} packets",
            packets.len()
        );
        for pair in packets.windows(2) {
            assert_eq!(pair[0].counter + 1, pair[1].counter, "seed {seed}");
            assert_eq!(
                pair[1].timestamp.wrapping_sub(pair[0].timestamp),
                960,
                "seed {seed}"
            );
            assert_eq!(
                pair[1].level,
                Some(30),
                "seed {seed}: the level is forwarded"
            );
        }
        meeting.check();
    });
}
