use super::*;
use crate::epoch::epoch;
use conclave_sfu_wire::control::Codec;
use conclave_sfu_wire::vp8::PictureId;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn beginnings() -> Beginnings {
    Beginnings {
        seq: 65_000,
        timestamp: u32::MAX - 1_000,
        picture_id: 0x7ff0,
        tl0_pic_idx: 250,
    }
}

fn packet(at: Instant, seq: u64, timestamp: u32, picture: u16) -> MediaPacket {
    MediaPacket {
        codec: Codec::Vp8,
        ssrc: 1,
        seq,
        timestamp,
        marker: true,
        arrival: at,
        keyframe_start: true,
        height_px: None,
        facts: CodecFacts::Vp8 {
            picture_id: Some(PictureId {
                value: picture & 0x7fff,
                is_long: true,
            }),
            tl0_pic_idx: Some(picture as u8),
        },
        level: None,
        quarter_turns: None,
        payload: vec![0; 4].into(),
    }
}

#[test]
fn the_first_sequence_number_leaves_the_rollover_counter_at_zero() {
    let now = epoch();
    let mut rewriter = Rewriter::new(now, 90_000, beginnings());
    let first = packet(now, 900_000, 5, 3);
    rewriter.start(0, &first);
    let out = rewriter.rewrite(&first).unwrap();
    assert!(out.seq < 1 << 15);
    assert_eq!(out.picture_id, Some(0x7ff1));
    assert_eq!(out.tl0_pic_idx, Some(251));
}

#[test]
fn loss_stays_a_gap_and_a_late_packet_fills_it_once() {
    let now = epoch();
    let mut rewriter = Rewriter::new(now, 90_000, beginnings());
    let packets: Vec<_> = (0..3).map(|n| packet(now, 10 + n, 90, 1)).collect();
    rewriter.start(0, &packets[0]);
    let first = rewriter.rewrite(&packets[0]).unwrap().seq;
    assert_eq!(rewriter.rewrite(&packets[2]).unwrap().seq, first + 2);
    assert_eq!(rewriter.rewrite(&packets[1]).unwrap().seq, first + 1);
    assert!(rewriter.rewrite(&packets[1]).is_none(), "never twice");
}

#[test]
fn an_announced_timestamp_parts_the_sources() {
    let now = epoch();
    let mut rewriter = Rewriter::new(now, 90_000, beginnings());
    let old = packet(now, 10, 4_000, 1);
    rewriter.start(0, &old);
    let before = rewriter.rewrite(&old).unwrap().timestamp;
    let announced = rewriter.announce(now + Duration::from_millis(500));
    rewriter.stop();
    // Cached since before the announcement.
    let new = packet(now + Duration::from_millis(20), 70_000, 77, 900);
    assert!(rewriter.rewrite(&new).is_none(), "nothing runs");
    rewriter.start(0, &new);
    let after = rewriter.rewrite(&new).unwrap().timestamp;
    assert!(is_before(before, announced));
    assert_eq!(after, announced);
}

#[derive(Debug, Clone)]
struct Segment {
    first_seq: u64,
    first_timestamp: u32,
    first_picture: u16,
    gap_ms: u64,
    /// Per packet: new frame or not, and its place in the order of arrival.
    frames: Vec<(bool, u8)>,
}

fn segment() -> impl Strategy<Value = Segment> {
    (
        0u64..1 << 33,
        any::<u32>(),
        any::<u16>(),
        0u64..3_000,
        prop::collection::vec((any::<bool>(), any::<u8>()), 1..120),
    )
        .prop_map(
            |(first_seq, first_timestamp, first_picture, gap_ms, frames)| Segment {
                first_seq,
                first_timestamp,
                first_picture,
                gap_ms,
                frames,
            },
        )
}

#[test]
fn what_was_forgotten_or_never_sent_is_not_found() {
    let now = epoch();
    let mut rewriter = Rewriter::new(now, 90_000, beginnings());
    let first = packet(now, 10, 90, 1);
    rewriter.start(0, &first);
    let seq = rewriter.rewrite(&first).unwrap().seq as u16;
    assert!(rewriter.locate(seq).is_some());
    assert!(
        rewriter.locate(seq.wrapping_add(1)).is_none(),
        "not sent yet"
    );
    assert!(
        rewriter.locate(seq.wrapping_sub(1)).is_none(),
        "before the first"
    );
    let located = rewriter.locate(seq).unwrap();
    let other = MediaPacket {
        ssrc: 2,
        ..first.clone()
    };
    assert!(located.rewrite(&other).is_none(), "another stream's");
    rewriter.forget();
    assert!(rewriter.locate(seq).is_none());
    assert!(rewriter.is_running(), "and it goes on");
}

proptest! {
    #[test]
    fn one_continuous_stream_comes_out(segments in prop::collection::vec(segment(), 1..12)) {
        let start = epoch();
        let mut at = start;
        let mut rewriter = Rewriter::new(at, 90_000, beginnings());
        let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
        let mut end_of_last: Option<(u64, u32)> = None;
        let mut sent: Vec<(usize, MediaPacket, Numbers)> = Vec::new();
        for (number, segment) in segments.iter().enumerate() {
            at += Duration::from_millis(segment.gap_ms);
            let (mut timestamp, mut picture) = (segment.first_timestamp, segment.first_picture);
            let mut packets = Vec::new();
            for (index, (new_frame, order)) in segment.frames.iter().enumerate() {
                if *new_frame && index > 0 {
                    timestamp = timestamp.wrapping_add(3_000);
                    picture = picture.wrapping_add(1);
                }
                packets.push((*order / 64, packet(at, segment.first_seq + index as u64, timestamp, picture)));
            }
            rewriter.start(number % 3, &packets[0].1);
            packets[0].0 = 0;
            packets.sort_by_key(|(order, _)| *order);
            let mut newest: Option<(u64, u32)> = None;
            sent.retain(|(segment, _, _)| segment + SEGMENTS_MAX > number);
            for (_, packet) in &packets {
                let out = rewriter.rewrite(packet).expect("each packet comes once");
                prop_assert!(seen.insert(out.seq, number).is_none(), "sequence collision");
                if let Some((seq, timestamp)) = end_of_last {
                    prop_assert!(out.seq > seq);
                    prop_assert!(is_before(timestamp, out.timestamp));
                }
                if newest.is_none_or(|(seq, _)| out.seq > seq) {
                    newest = Some((out.seq, out.timestamp));
                }
                prop_assert_eq!(out.seq - seen_first(&seen, number), packet.seq - segment.first_seq);
                sent.push((number, packet.clone(), numbers(&out)));
            }
            for (segment, packet, expected) in &sent {
                let located = rewriter.locate(expected.0 as u16).expect("it was sent lately");
                prop_assert_eq!((located.seq, located.encoding), (packet.seq, segment % 3));
                let again = located.rewrite(packet).expect("it is that packet");
                prop_assert_eq!(numbers(&again), *expected, "the very same numbers");
            }
            let first = seen_first(&seen, number);
            if let Some((seq, _)) = end_of_last {
                prop_assert_eq!(first, seq + 1, "no hole at a change of source");
            }
            end_of_last = newest;
        }
    }
}

/// What a packet is rewritten to.
type Numbers = (u64, u32, bool, Option<u16>, Option<u8>);

fn numbers(out: &Outgoing<'_>) -> Numbers {
    (
        out.seq,
        out.timestamp,
        out.marker,
        out.picture_id,
        out.tl0_pic_idx,
    )
}

fn seen_first(seen: &BTreeMap<u64, usize>, number: usize) -> u64 {
    seen.iter()
        .filter(|(_, segment)| **segment == number)
        .map(|(seq, _)| *seq)
        .min()
        .unwrap_or(0)
}
