//! Scenarios on a virtual clock and a seeded network.
//!
//! Each runs with every committed seed; `SEED=…` in the environment chooses
//! one. What must hold in all of them is judged by `Meeting::check`.

mod audio;
mod bandwidth;
mod barrier;
#[cfg(debug_assertions)]
mod guard;
mod layers;
mod loss;
mod narrow;
mod overload;
mod presence;
mod relay;
mod room;
mod rtx;
mod senders;
mod slots;
mod span;
mod transport;

use std::time::{Duration, Instant};

use conclave_loadtest::FrameSeen;
use conclave_sfu_wire::control::{MemberKey, Priority, Source, View};
use conclave_tests::Meeting;

const SECOND: Duration = Duration::from_secs(1);

/// A wish for one camera at a height.
fn camera(member: u64, max_height_px: u16) -> View {
    View {
        member: MemberKey(member),
        source: Source::Camera,
        max_height_px,
        priority: Priority::Gallery,
    }
}

/// Frames of a camera that `viewer` has shown between two instants.
fn frames(
    meeting: &Meeting,
    viewer: u64,
    publisher: u64,
    from: Instant,
    to: Instant,
) -> Vec<FrameSeen> {
    let mut frames = meeting
        .observation(viewer)
        .frames_of(publisher, Source::Camera);
    frames.retain(|frame| (from..to).contains(&frame.at));
    frames
}

/// The longest time without a new frame of a camera between two instants, the edges included.
fn freeze(meeting: &Meeting, viewer: u64, publisher: u64, from: Instant, to: Instant) -> Duration {
    let mut last = from;
    let mut longest = Duration::ZERO;
    for frame in frames(meeting, viewer, publisher, from, to) {
        longest = longest.max(frame.at - last);
        last = frame.at;
    }
    longest.max(to - last)
}

/// Packets of a microphone that `listener` has received between two instants.
fn voice(meeting: &Meeting, listener: u64, publisher: u64, from: Instant, to: Instant) -> usize {
    let packets = meeting
        .observation(listener)
        .audio_of(publisher, Source::Microphone);
    packets
        .iter()
        .filter(|packet| (from..to).contains(&packet.at))
        .count()
}

/// A room whose participants are connected, all publish camera and microphone,
/// and see each other at `height`; it has run until every picture was shown.
fn everybody(seed: u64, members: &[u64], height: u16) -> Meeting {
    let mut meeting = Meeting::new(seed);
    for &member in members {
        meeting.join(member, 1);
    }
    begin(&mut meeting, members, height);
    meeting
}

/// Lets participants who have joined publish and see each other.
fn begin(meeting: &mut Meeting, members: &[u64], height: u16) {
    meeting.wait_connected(members);
    for &member in members {
        meeting.publish(member, Source::Camera);
        meeting.publish(member, Source::Microphone);
        let others = members.iter().filter(|other| **other != member);
        meeting.wish(member, others.map(|other| camera(*other, height)).collect());
    }
    let members = members.to_vec();
    meeting.run_until("everybody sees everybody", 5 * SECOND, |meeting| {
        members.iter().all(|viewer| {
            let seen = meeting.observation(*viewer);
            let mut others = members.iter().filter(|other| *other != viewer);
            others.all(|other| !seen.frames_of(*other, Source::Camera).is_empty())
        })
    });
}
