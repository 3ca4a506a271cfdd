//! Our own way of sending beside the library's, which is the oracle: everybody
//! sees and hears the same by both.

use std::time::Duration;

use conclave_sfu_core::SenderKind;
use conclave_sfu_wire::control::Source;
use conclave_tests::link::{LinkConfig, Loss};
use conclave_tests::network::Access;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, begin, frames, voice};

const MEMBERS: [u64; 3] = [1, 2, 3];

/// What one has seen and heard of another.
#[derive(Debug, PartialEq, Eq)]
struct View {
    viewer: u64,
    publisher: u64,
    frames: usize,
    packets: usize,
}

/// Runs the same meeting with `sender`, ten seconds of which are counted.
fn views(seed: u64, sender: SenderKind, line: LinkConfig) -> Vec<View> {
    let mut meeting = Meeting::with_sender(seed, 1, sender);
    for member in MEMBERS {
        let options = JoinOptions {
            access: Access::symmetric(line),
            ..JoinOptions::default()
        };
        meeting.join_with(member, 1, options);
    }
    begin(&mut meeting, &MEMBERS, 180);
    meeting.run_for(4 * SECOND);
    // A source that stops and comes back is a new one for every slot.
    meeting.set_muted(1, Source::Camera, true);
    meeting.run_for(SECOND);
    meeting.set_muted(1, Source::Camera, false);
    meeting.run_for(3 * SECOND);
    let from = meeting.now();
    meeting.run_for(10 * SECOND);
    let to = meeting.now();
    let mut views = Vec::new();
    for viewer in MEMBERS {
        for publisher in MEMBERS.into_iter().filter(|other| *other != viewer) {
            views.push(View {
                viewer,
                publisher,
                frames: frames(&meeting, viewer, publisher, from, to).len(),
                packets: voice(&meeting, viewer, publisher, from, to),
            });
        }
    }
    let counters = meeting.counters(1);
    assert_eq!(counters.unsealed, 0, "seed {seed}: {counters:?}");
    assert_eq!(counters.panics, 0, "seed {seed}: {counters:?}");
    if sender == SenderKind::Own {
        assert!(counters.sender_reports > 0, "seed {seed}: {counters:?}");
    }
    meeting.check();
    views
}

/// Compares both ways, allowing for `frames` and `packets` less than the oracle.
fn compare(line: LinkConfig, frames: usize, packets: usize) {
    each_seed(|seed| {
        let oracle = views(seed, SenderKind::Str0m, line);
        let own = views(seed, SenderKind::Own, line);
        for (oracle, own) in oracle.iter().zip(&own) {
            assert!(
                own.frames + frames >= oracle.frames && own.packets + packets >= oracle.packets,
                "seed {seed}: {own:?}, and {oracle:?} by the library"
            );
        }
    });
}

#[test]
fn both_ways_show_the_same_on_good_lines() {
    compare(LinkConfig::default(), 5, 5);
}

#[test]
fn both_ways_repair_as_much_on_lossy_lines() {
    let line = LinkConfig {
        delay: Duration::from_millis(40),
        loss: Loss::Bernoulli(0.03),
        ..LinkConfig::default()
    };
    compare(line, 25, 15);
}
