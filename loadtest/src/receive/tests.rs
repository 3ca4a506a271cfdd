use super::*;
use crate::epoch;
use crate::source::{EncodingShape, PictureSource, SourcePacket};

const SHAPE: EncodingShape = EncodingShape {
    width: 640,
    height: 360,
    bitrate_bps: 500_000,
    packet_bytes: 1_150,
};

/// A stream of `seconds` from one encoding, as the publisher numbers it.
fn stream(start: Instant, publisher: u64, frames: u32) -> Vec<SourcePacket> {
    let mut source = PictureSource::new(
        start,
        publisher,
        Source::Camera,
        25,
        &[(Some(Rid::H), SHAPE)],
        7,
    );
    source.set_on(start, true);
    let mut packets = Vec::new();
    for _ in 0..frames {
        let due = source.poll_timeout().expect("the source is on");
        source.handle_timeout(due);
        let mut at = due;
        while source
            .poll_timeout()
            .is_some_and(|next| next < due + Duration::from_millis(35))
        {
            packets.extend(source.poll_burst(at));
            at += Duration::from_millis(3);
        }
    }
    packets
}

fn feed(receiver: &mut VideoReceiver, now: Instant, packet: &SourcePacket) {
    let received = Received {
        arrival: now,
        timestamp: packet.timestamp,
        marker: packet.marker,
        level: None,
        payload: packet.clone().into_payload(0),
    };
    receiver.handle_packet(now, 1, packet.seq, received, &mut journal(now));
}

#[test]
fn an_unbroken_stream_is_shown_whole() {
    let start = epoch();
    let mut receiver = VideoReceiver::new();
    for packet in stream(start, 1, 50) {
        feed(&mut receiver, start, &packet);
    }
    let seen = receiver.observation();
    assert_eq!(seen.frames.len(), 50);
    assert!(seen.frames[0].keyframe && !seen.frames[1].keyframe);
    assert_eq!(
        (seen.frames[0].size, seen.frames[1].size),
        (Some((640, 360)), None)
    );
    assert_eq!(seen.violations(), []);
    assert_eq!(seen.runs.len(), 1);
}

#[test]
fn a_loss_is_given_up_and_a_keyframe_asked_for() {
    let start = epoch();
    let mut receiver = VideoReceiver::new();
    let packets = stream(start, 1, 50);
    for packet in packets
        .iter()
        .filter(|packet| packet.seq != packets[20].seq)
    {
        feed(&mut receiver, start, packet);
    }
    let due = receiver.poll_timeout().unwrap();
    receiver.handle_timeout(due, &mut journal(due));
    assert!(receiver.poll_keyframe_request(due));
    assert!(!receiver.poll_keyframe_request(due));
    let seen = receiver.observation();
    assert_eq!((seen.lost, seen.violations()), (1, vec![]));
    assert!(seen.undecodable > 0);
}

#[test]
fn a_hole_without_a_lost_packet_is_a_torn_frame() {
    let start = epoch();
    let mut receiver = VideoReceiver::new();
    let mut packets = stream(start, 1, 20);
    let cut = packets
        .iter()
        .position(|packet| packet.seq > packets[12].seq && packet.marker)
        .unwrap();
    packets.remove(cut);
    let first = packets[0].seq;
    for (count, packet) in packets.iter_mut().enumerate() {
        packet.seq = first + count as u64;
        feed(&mut receiver, start, packet);
    }
    assert_eq!(receiver.observation().torn, 1);
}

#[test]
fn jumps_of_numbers_are_noticed() {
    let start = epoch();
    let mut receiver = VideoReceiver::new();
    let one = stream(start, 1, 10);
    let other = stream(start, 2, 10);
    let first = one[0].seq;
    for (count, packet) in one.into_iter().chain(other).enumerate() {
        feed(
            &mut receiver,
            start,
            &SourcePacket {
                seq: first + count as u64,
                ..packet
            },
        );
    }
    let seen = receiver.observation();
    assert_eq!(
        (
            seen.timestamps_back,
            seen.picture_id_jumps,
            seen.tl0_pic_idx_jumps
        ),
        (1, 1, 1)
    );
    assert_eq!(
        seen.runs
            .iter()
            .map(|run| run.publisher)
            .collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn a_switch_beside_a_keyframe_is_noticed() {
    let start = epoch();
    let mut receiver = VideoReceiver::new();
    let packets = stream(start, 1, 20);
    // A whole frame is missing, but the numbers were made to go on.
    let begins: Vec<u32> = packets.iter().map(|packet| packet.timestamp).collect();
    let skipped = begins[packets.len() / 2];
    let first = packets[0].seq;
    let kept = packets
        .into_iter()
        .filter(|packet| packet.timestamp != skipped);
    for (count, packet) in kept.enumerate() {
        feed(
            &mut receiver,
            start,
            &SourcePacket {
                seq: first + count as u64,
                ..packet
            },
        );
    }
    assert_eq!(receiver.observation().broken_references, 1);
}

/// What a scenario keeps.
fn journal(now: Instant) -> Journal {
    Journal::new(crate::journal::Record::Everything, now)
}
