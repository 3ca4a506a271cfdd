//! Arbitrary streams of packets, changes of source and announcements into the
//! rewriter of a slot; what comes out must be one stream.
//!
//! The rewriter is private to its crate. Its two files are compiled into this
//! target, so that fuzzing adds nothing to the crate's face.
#![no_main]
#![allow(dead_code)]

#[rustfmt::skip]
#[path = "../../sfu/core/src/packet.rs"]
mod packet;
#[rustfmt::skip]
#[path = "../../sfu/core/src/subscription/rewriter.rs"]
mod rewriter;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use conclave_sfu_wire::control::Codec;
use conclave_sfu_wire::vp8::PictureId;
use libfuzzer_sys::fuzz_target;

use packet::{CodecFacts, MediaPacket};
use rewriter::{Beginnings, Rewriter};

/// Sequence numbers with rollovers counted in stay far below this in any life.
const SEQ_MAX: u64 = 1 << 40;

#[derive(Debug, Arbitrary)]
struct Input {
    seq: u16,
    timestamp: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Wait {
        ms: u16,
    },
    Announce,
    Stop,
    Start {
        seq: u64,
        timestamp: u32,
        picture_id: u16,
        is_long: bool,
    },
    Packet {
        seq_ahead: i16,
        frames_ahead: i8,
        tl0_pic_idx: Option<u8>,
    },
}

struct Source {
    seq: u64,
    timestamp: u32,
    picture_id: u16,
    is_long: bool,
}

impl Source {
    fn packet(
        &self,
        now: Instant,
        seq_ahead: i16,
        frames_ahead: i8,
        tl0_pic_idx: Option<u8>,
    ) -> Option<MediaPacket> {
        let mask = if self.is_long { 0x7fff } else { 0x7f };
        Some(MediaPacket {
            codec: Codec::Vp8,
            ssrc: 1,
            seq: self.seq.checked_add_signed(i64::from(seq_ahead))?,
            timestamp: self
                .timestamp
                .wrapping_add_signed(i32::from(frames_ahead) * 3_000),
            marker: true,
            arrival: now,
            keyframe_start: seq_ahead == 0,
            height_px: None,
            facts: CodecFacts::Vp8 {
                picture_id: Some(PictureId {
                    value: self.picture_id.wrapping_add_signed(i16::from(frames_ahead)) & mask,
                    is_long: self.is_long,
                }),
                tl0_pic_idx,
            },
            level: None,
            quarter_turns: None,
            payload: Arc::from([0u8; 4]),
        })
    }
}

fuzz_target!(|input: Input| {
    let mut now = Instant::now();
    let beginnings = Beginnings {
        seq: input.seq,
        timestamp: input.timestamp,
        picture_id: input.picture_id,
        tl0_pic_idx: input.tl0_pic_idx,
    };
    let mut rewriter = Rewriter::new(now, 90_000, beginnings);
    let mut source: Option<Source> = None;
    let mut sent = HashSet::new();
    let mut newest_of_former = None;
    let mut newest: Option<u64> = None;
    for step in input.steps {
        match step {
            Step::Wait { ms } => now += Duration::from_millis(u64::from(ms)),
            Step::Announce => {
                rewriter.announce(now);
            }
            Step::Stop => {
                rewriter.stop();
                assert!(!rewriter.is_running());
                source = None;
            }
            Step::Start {
                seq,
                timestamp,
                picture_id,
                is_long,
            } => {
                let started = Source {
                    seq: seq % SEQ_MAX,
                    timestamp,
                    picture_id,
                    is_long,
                };
                let Some(first) = started.packet(now, 0, 0, None) else {
                    continue;
                };
                rewriter.start((started.seq % 3) as usize, &first);
                assert!(rewriter.is_running());
                newest_of_former = newest;
                source = Some(started);
            }
            Step::Packet {
                seq_ahead,
                frames_ahead,
                tl0_pic_idx,
            } => {
                let Some(running) = &source else { continue };
                let Some(packet) = running.packet(now, seq_ahead, frames_ahead, tl0_pic_idx) else {
                    continue;
                };
                let Some(out) = rewriter.rewrite(&packet) else {
                    continue;
                };
                assert!(packet.seq >= running.seq, "nothing from before the start");
                assert!(sent.insert(out.seq), "a sequence number is used once");
                assert!(
                    newest_of_former.is_none_or(|seq| out.seq > seq),
                    "a source follows its former"
                );
                assert!(
                    newest.is_some() || out.seq < (1 << 15) + u64::from(u16::MAX),
                    "the rollover counter is guessed"
                );
                let limit = if running.is_long { 0x7fff } else { 0x7f };
                assert!(
                    out.picture_id.is_none_or(|id| id <= limit),
                    "the picture id keeps its width"
                );
                assert_eq!(out.tl0_pic_idx.is_some(), tl0_pic_idx.is_some());
                newest = newest.max(Some(out.seq));
            }
        }
    }
});
