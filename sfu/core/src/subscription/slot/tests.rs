use super::*;
use crate::epoch::epoch;
use crate::packet::CodecFacts;
use crate::publication::{Origin, Publication};
use crate::subscription::Beginnings;
use conclave_sfu_wire::control::{Codec, MemberKey, MidName, Rid, Source};
use conclave_sfu_wire::vp8::PictureId;

struct Bench {
    now: Instant,
    publication: Publication,
    slot: VideoSlot,
    out: Vec<(u64, u32, Option<u16>)>,
}

impl Bench {
    fn new() -> Self {
        let now = epoch();
        let mid = MidName::new("1").unwrap();
        let (origin, member) = (Origin::Here(0), MemberKey(1));
        let mut publication = Publication::new(now, origin, member, Source::Camera, mid, false);
        publication.set_encodings(now, &Rid::ALL);
        let beginnings = Beginnings {
            seq: 100,
            timestamp: 1_000,
            picture_id: 10,
            tl0_pic_idx: 1,
        };
        let rewriter = Rewriter::new(now, 90_000, beginnings);
        let mut slot = VideoSlot::new(
            StreamParams {
                mid,
                video: true,
                index: 0,
            },
            rewriter,
        );
        slot.assign(Feed::Waiting {
            publication: 0,
            rev: 1,
            since: now,
            counted: false,
        });
        Bench {
            now,
            publication,
            slot,
            out: Vec::new(),
        }
    }

    /// One packet of an encoding, 33 ms after the last.
    fn packet(&mut self, encoding: usize, seq: u64, key: bool, marker: bool) {
        self.now += Duration::from_millis(33);
        let packet = MediaPacket {
            codec: Codec::Vp8,
            ssrc: 1,
            seq,
            timestamp: 3_000 * seq as u32 + 7_000_000 * encoding as u32,
            marker,
            arrival: self.now,
            keyframe_start: key,
            height_px: None,
            facts: CodecFacts::Vp8 {
                picture_id: Some(PictureId {
                    value: seq as u16,
                    is_long: true,
                }),
                tl0_pic_idx: None,
            },
            level: None,
            quarter_turns: None,
            payload: vec![0; 8].into(),
        };
        self.publication.note(self.now, encoding, &packet);
        let out = &mut self.out;
        self.slot.handle_packet(
            self.now,
            encoding,
            &packet,
            &self.publication.encodings,
            |sent| {
                out.push((sent.packet.seq, sent.seq as u32, sent.picture_id));
            },
        );
    }

    fn in_seqs(&self) -> Vec<u64> {
        self.out.iter().map(|(seq, _, _)| *seq).collect()
    }
}

#[test]
fn nothing_flows_before_the_acknowledgement() {
    let mut bench = Bench::new();
    bench.slot.set_target(Some(0));
    bench.packet(0, 1, true, true);
    assert_eq!(bench.in_seqs(), []);
    bench.slot.acknowledge(bench.now, 1);
    bench.packet(0, 2, false, true);
    assert_eq!(bench.in_seqs(), [1, 2], "from the cached keyframe on");
}

#[test]
fn a_switch_begins_at_a_keyframe_and_numbers_go_on() {
    let mut bench = Bench::new();
    bench.slot.acknowledge(bench.now, 1);
    bench.slot.set_target(Some(0));
    bench.packet(0, 1, true, true);
    bench.slot.set_target(Some(2));
    assert_eq!(bench.slot.awaits_keyframe(), Some(2));
    bench.packet(2, 500, false, true);
    bench.packet(0, 2, false, true);
    bench.packet(2, 501, true, true);
    bench.packet(0, 3, false, true);
    bench.packet(2, 502, false, true);
    assert_eq!(bench.in_seqs(), [1, 2, 501, 502]);
    let seqs: Vec<u32> = bench.out.iter().map(|(_, seq, _)| *seq).collect();
    assert_eq!(seqs, [101, 102, 103, 104]);
    let pictures: Vec<_> = bench
        .out
        .iter()
        .filter_map(|(_, _, picture)| *picture)
        .collect();
    assert_eq!(pictures, [11, 12, 13, 14]);
}

#[test]
fn a_switch_waits_for_the_end_of_the_frame_being_sent() {
    let mut bench = Bench::new();
    bench.slot.acknowledge(bench.now, 1);
    bench.slot.set_target(Some(0));
    bench.packet(0, 1, true, false);
    bench.slot.set_target(Some(1));
    bench.packet(1, 50, true, true);
    assert_eq!(bench.in_seqs(), [1]);
    bench.packet(0, 2, false, true);
    assert_eq!(bench.in_seqs(), [1, 2, 50]);
}

#[test]
fn an_encoding_that_stops_in_the_middle_of_a_frame_does_not_hold_up_the_switch() {
    let mut bench = Bench::new();
    bench.slot.acknowledge(bench.now, 1);
    bench.slot.set_target(Some(0));
    bench.packet(0, 1, true, false);
    bench.slot.set_target(Some(1));
    bench.packet(1, 50, true, true);
    bench.now += BROKEN_FRAME;
    bench.packet(1, 51, false, true);
    assert_eq!(bench.in_seqs(), [1, 50, 51]);
}

#[test]
fn a_halted_slot_goes_on_with_a_keyframe_only() {
    let mut bench = Bench::new();
    bench.slot.acknowledge(bench.now, 1);
    bench.slot.set_target(Some(0));
    bench.packet(0, 1, true, true);
    bench.publication.set_muted(true);
    bench.slot.halt();
    bench.publication.set_muted(false);
    bench.packet(0, 2, false, true);
    bench.packet(0, 3, true, true);
    assert_eq!(bench.in_seqs(), [1, 3]);
}

#[test]
fn what_was_given_up_is_not_sent_once_more() {
    let mut bench = Bench::new();
    bench.slot.acknowledge(bench.now, 1);
    bench.slot.set_target(Some(2));
    bench.packet(0, 70, true, true);
    bench.packet(2, 1, true, true);
    bench.packet(2, 2, false, true);
    bench.slot.give_up(bench.now);
    assert_eq!(bench.slot.current(), None);
    let given_up = bench.out.last().map(|(_, seq, _)| *seq as u16);
    let lacked = given_up.and_then(|seq| bench.slot.locate(seq));
    assert!(lacked.is_none(), "not because somebody lacks it");
    bench.packet(2, 3, false, true);
    assert_eq!(bench.slot.awaits_keyframe(), Some(2));
    assert_eq!(bench.in_seqs(), [1, 2], "not from the cached keyframe on");
    bench.packet(2, 4, true, true);
    bench.packet(2, 5, false, true);
    assert_eq!(bench.in_seqs(), [1, 2, 4, 5]);
}

#[test]
fn a_lower_encoding_may_begin_from_what_is_cached_when_a_higher_one_was_given_up() {
    let mut bench = Bench::new();
    bench.slot.acknowledge(bench.now, 1);
    bench.slot.set_target(Some(2));
    bench.packet(0, 70, true, true);
    bench.packet(2, 1, true, true);
    bench.slot.give_up(bench.now);
    bench.slot.set_target(Some(0));
    bench.packet(0, 71, false, true);
    assert_eq!(bench.in_seqs(), [1, 70, 71]);
}
