//! What a subscriber's RTCP says about what we send.

use std::time::{Duration, Instant};

use conclave_sfu_wire::rtcp::{Packet, Packets, ReportBlock, ReportBlocks};

use super::OwnSender;
use crate::clock::from_middle;
use crate::sender::{Route, SenderEvent};

/// Most events that wait for the room. A NACK of a few bytes can name hundreds
/// of packets, and few of them are within the budget.
const EVENTS_MAX: usize = 512;

/// Longest round trip that is believed.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(5);

impl OwnSender {
    /// Acts on a plain compound. Returns who is to see it next: the transport,
    /// if the other side sends media (`publishes`) and the compound says
    /// something about that.
    pub(super) fn take_compound(
        &mut self,
        now: Instant,
        compound: &[u8],
        publishes: bool,
    ) -> Route {
        let mut theirs = false;
        let mut loss = Loss::default();
        for packet in Packets::new(compound) {
            match packet {
                Packet::SenderReport(report) => {
                    theirs = true;
                    self.take_blocks(now, report.blocks, &mut loss);
                }
                Packet::ReceiverReport(report) => {
                    theirs |= self.take_blocks(now, report.blocks, &mut loss);
                }
                Packet::Sdes(_) | Packet::Bye(_) | Packet::Xr(_) | Packet::Other { .. } => {
                    theirs = true;
                }
                Packet::Nack(nack) => match self.stream_of(nack.media) {
                    Some(stream) => nack.seqs().for_each(|seq| self.note_nack(stream, seq)),
                    None => theirs = true,
                },
                Packet::Pli(pli) => theirs |= !self.want_keyframe(pli.media),
                Packet::Fir(fir) => {
                    for (ssrc, _) in fir.requests() {
                        theirs |= !self.want_keyframe(ssrc);
                    }
                }
                Packet::Twcc(twcc) => {
                    let reference = twcc.reference_time as u32;
                    self.history
                        .acknowledge(now, reference, twcc.iter(), &mut self.acked);
                    self.estimator.feedback(now, &self.acked);
                }
                Packet::Remb(remb) => self.estimator.remb(now, remb.bitrate_bps),
            }
        }
        if let Some(share) = loss.share() {
            self.estimator.report(now, share, self.round_trip);
        }
        if publishes && theirs {
            Route::Transport
        } else {
            Route::Done
        }
    }

    /// Returns whether a block is about a stream that is not ours.
    fn take_blocks(&mut self, now: Instant, blocks: ReportBlocks<'_>, loss: &mut Loss) -> bool {
        let mut theirs = false;
        for block in blocks {
            let Some(index) = self.stream_of(block.ssrc) else {
                theirs |= !self.is_rtx(block.ssrc);
                continue;
            };
            let stream = &mut self.streams[index];
            loss.add(&block, stream.packets.wrapping_sub(stream.weighed));
            stream.weighed = stream.packets;
            if block.last_sr != 0 {
                let passed = self.reports.middle(now).wrapping_sub(block.last_sr);
                let round_trip = passed
                    .checked_sub(block.delay_since_last_sr)
                    .map(from_middle);
                if let Some(round_trip) = round_trip.filter(|trip| *trip < ROUND_TRIP_MAX) {
                    self.round_trip = Some(round_trip);
                }
            }
        }
        theirs
    }

    fn note_nack(&mut self, stream: usize, seq: u16) {
        self.counts.nacked += 1;
        let stream = &self.streams[stream];
        if stream.has_rtx() && self.events.len() < EVENTS_MAX {
            self.events
                .push_back(SenderEvent::Nack(stream.params.mid, seq));
        }
    }

    /// Returns whether the SSRC is one of ours.
    fn want_keyframe(&mut self, ssrc: u32) -> bool {
        let Some(stream) = self.stream_of(ssrc) else {
            return false;
        };
        let event = SenderEvent::Keyframe(self.streams[stream].params.mid);
        if !self.events.contains(&event) && self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
        true
    }

    fn stream_of(&self, ssrc: u32) -> Option<usize> {
        let of = |stream: &super::stream::Stream| stream.line.ssrc == ssrc;
        self.streams.iter().position(of)
    }

    fn is_rtx(&self, ssrc: u32) -> bool {
        let of = |stream: &super::stream::Stream| stream.line.rtx == Some(ssrc);
        self.streams.iter().any(of)
    }
}

/// The loss of all streams together, each by what was sent on it.
#[derive(Debug, Default)]
struct Loss {
    lost: u64,
    sent: u64,
}

impl Loss {
    fn add(&mut self, block: &ReportBlock, packets: u32) {
        self.lost += u64::from(block.fraction_lost) * u64::from(packets);
        self.sent += u64::from(packets);
    }

    fn share(&self) -> Option<f32> {
        (self.sent > 0).then(|| self.lost as f32 / (self.sent as f32 * 256.0))
    }
}
