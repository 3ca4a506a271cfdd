//! One m-line that we send on: its numbers on the wire.

use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_srtp::{OwnedSsrc, SealError, SrtpTx};
use conclave_sfu_wire::control::Codec;
use conclave_sfu_wire::rtp::{Extensions, Fields, HEADER_MAX, write_header};
use conclave_sfu_wire::vp8;

use crate::arena::SendArena;
use crate::packet::{AudioLevel, Outgoing, clock_rate};
use crate::sender::StreamParams;
use crate::transport::{Format, OutgoingLine, Path};

/// The original sequence number in front of what is sent again (RFC 4588, section 4).
const OSN_LEN: usize = 2;

/// Most padding of a packet (RFC 3550, section 5.1: its length is one byte).
const PADDING_MAX: usize = 255;

/// How far behind the newest packet the one is that pads. Half a round of 16 bits
/// behind, a receiver would take it for one that is still to come; much nearer
/// costs nothing, for large packets come all the time.
const RECENT: u64 = 1 << 10;

/// A packet that waits to be sent: the shared payload and the numbers that this
/// subscriber sees.
#[derive(Debug, Clone)]
pub(super) struct Queued {
    /// Index of its stream.
    pub(super) stream: usize,
    /// When it was queued.
    pub(super) since: Instant,
    seq: u64,
    timestamp: u32,
    marker: bool,
    picture_id: Option<u16>,
    tl0_pic_idx: Option<u8>,
    codec: Codec,
    arrival: Instant,
    level: Option<AudioLevel>,
    quarter_turns: Option<u8>,
    payload: Arc<[u8]>,
}

impl Queued {
    pub(super) fn new(now: Instant, stream: usize, out: Outgoing<'_>) -> Self {
        Queued {
            stream,
            since: now,
            seq: out.seq,
            timestamp: out.timestamp,
            marker: out.marker,
            picture_id: out.picture_id,
            tl0_pic_idx: out.tl0_pic_idx,
            codec: out.packet.codec,
            arrival: out.packet.arrival,
            level: out.packet.level,
            quarter_turns: out.packet.quarter_turns,
            payload: out.packet.payload.clone(),
        }
    }

    /// Returns the bytes of the payload.
    pub(super) fn len(&self) -> usize {
        self.payload.len()
    }
}

/// What is written into a packet besides its payload.
#[derive(Clone, Copy)]
pub(super) struct Wrap {
    /// Where it goes.
    pub(super) path: Path,
    /// Its number within the transport, where that was negotiated.
    pub(super) transport_seq: u16,
}

/// Why a packet did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The other side negotiated no way to send it.
    NotNegotiated,
    /// The sealer refused.
    Sealer(SealError),
}

/// The newest packet that left, for sender reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) timestamp: u32,
    pub(super) arrival: Instant,
    pub(super) clock_rate: u32,
}

/// One m-line.
pub(super) struct Stream {
    pub(super) params: StreamParams,
    pub(super) line: OutgoingLine,
    /// The right to seal, once there are keys.
    pub(super) media: Option<OwnedSsrc>,
    rtx: Option<OwnedSsrc>,
    rtx_seq: u64,
    pub(super) last: Option<Last>,
    /// Packets and bytes of payload that have left.
    pub(super) packets: u32,
    pub(super) octets: u32,
    /// Packets that had left when the last sender report did.
    pub(super) reported: u32,
    /// Packets that had left when the last receiver report came.
    pub(super) weighed: u32,
    /// The last large packet, to pad with: what the receiver already has.
    recent: Option<Queued>,
    /// Packets were dropped that the receiver waits for: nothing makes sense to
    /// it until the next keyframe.
    pub(super) broken: bool,
}

impl Stream {
    /// Makes a stream whose retransmissions begin at `rtx_seq`, below 2^15.
    pub(super) fn new(params: StreamParams, line: OutgoingLine, rtx_seq: u64) -> Self {
        Stream {
            params,
            line,
            media: None,
            rtx: None,
            rtx_seq,
            last: None,
            packets: 0,
            octets: 0,
            reported: 0,
            weighed: 0,
            recent: None,
            broken: false,
        }
    }

    /// Takes the right to seal under its SSRCs.
    pub(super) fn claim(&mut self, tx: &mut SrtpTx) {
        self.media = tx.claim(self.line.ssrc).ok();
        self.rtx = self.line.rtx.and_then(|rtx| tx.claim(rtx).ok());
    }

    /// Returns whether packets carry their number within the transport.
    pub(super) fn is_counted(&self) -> bool {
        self.line.extensions.twcc.is_some()
    }

    /// Returns whether lost packets can be sent again.
    pub(super) fn has_rtx(&self) -> bool {
        self.rtx.is_some()
    }

    /// Forgets what could be sent again as padding.
    pub(super) fn forget(&mut self) {
        self.recent = None;
    }

    /// Returns what pads best: the last large packet.
    pub(super) fn recent(&self) -> Option<&Queued> {
        self.recent.as_ref()
    }

    /// Writes and seals a packet into `arena`. Returns the bytes of the datagram.
    pub(super) fn send(
        &mut self,
        tx: &mut SrtpTx,
        packet: &Queued,
        wrap: Wrap,
        arena: &mut SendArena,
    ) -> Result<usize, Unsent> {
        let format = self.format(packet.codec)?;
        let media = self.media.as_mut().ok_or(Unsent::NotNegotiated)?;
        let seal = Seal {
            tx,
            owned: media,
            seq: packet.seq,
            payload_type: format.payload_type,
        };
        let sent = write(seal, &self.line, packet, false, wrap, arena)?;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.len() as u32);
        self.last = Some(Last {
            timestamp: packet.timestamp,
            arrival: packet.arrival,
            clock_rate: clock_rate(packet.codec),
        });
        let replaces = |recent: &Queued| {
            recent.len() <= packet.len() + HEADER_MAX
                || packet.seq.saturating_sub(recent.seq) > RECENT
        };
        if self.rtx.is_some() && self.recent.as_ref().is_none_or(replaces) {
            self.recent = Some(packet.clone());
        }
        Ok(sent)
    }

    /// Writes and seals a packet as a retransmission (RFC 4588): under an SSRC
    /// and a number of its own, never under those that it had.
    pub(super) fn resend(
        &mut self,
        tx: &mut SrtpTx,
        packet: &Queued,
        wrap: Wrap,
        arena: &mut SendArena,
    ) -> Result<usize, Unsent> {
        let payload_type = self
            .format(packet.codec)?
            .rtx
            .ok_or(Unsent::NotNegotiated)?;
        let seal = Seal {
            tx,
            owned: self.rtx.as_mut().ok_or(Unsent::NotNegotiated)?,
            seq: self.rtx_seq,
            payload_type,
        };
        self.rtx_seq += 1;
        write(seal, &self.line, packet, true, wrap, arena)
    }

    /// Writes and seals a packet of nothing but padding.
    pub(super) fn pad(
        &mut self,
        tx: &mut SrtpTx,
        wrap: Wrap,
        arena: &mut SendArena,
    ) -> Result<usize, Unsent> {
        let rtx_format = self.line.formats.iter().find_map(|format| format.rtx);
        let payload_type = rtx_format.ok_or(Unsent::NotNegotiated)?;
        let owned = self.rtx.as_mut().ok_or(Unsent::NotNegotiated)?;
        let seq = self.rtx_seq;
        self.rtx_seq += 1;
        let extensions = extensions(&self.line, wrap);
        let fields = Fields {
            payload_type,
            marker: false,
            seq: seq as u16,
            timestamp: self.last.map_or(0, |last| last.timestamp),
            ssrc: owned.get(),
            has_padding: true,
        };
        let header = extensions.header_len();
        let len = header + PADDING_MAX + tx.tag_len();
        let datagram = arena.slot(wrap.path.local, wrap.path.remote, len);
        write_header(datagram, &fields, &extensions);
        let padding = &mut datagram[header..header + PADDING_MAX];
        padding.fill(0);
        padding[PADDING_MAX - 1] = PADDING_MAX as u8;
        sealed(tx.seal_rtp(owned, seq, header, datagram), len, arena)
    }

    fn format(&self, codec: Codec) -> Result<Format, Unsent> {
        let formats = &self.line.formats;
        let found = formats.iter().find(|format| format.codec == codec);
        found.copied().ok_or(Unsent::NotNegotiated)
    }
}

/// What a packet is sealed with.
struct Seal<'a> {
    tx: &'a mut SrtpTx,
    owned: &'a mut OwnedSsrc,
    seq: u64,
    payload_type: u8,
}

fn write(
    seal: Seal<'_>,
    line: &OutgoingLine,
    packet: &Queued,
    again: bool,
    wrap: Wrap,
    arena: &mut SendArena,
) -> Result<usize, Unsent> {
    let extensions = Extensions {
        // RFC 6464 counts down from full scale.
        audio_level: packet
            .level
            .map(|level| (127 - level.loudness.min(127), level.voice)),
        quarter_turns: packet.quarter_turns,
        ..extensions(line, wrap)
    };
    let fields = Fields {
        payload_type: seal.payload_type,
        marker: packet.marker,
        seq: seal.seq as u16,
        timestamp: packet.timestamp,
        ssrc: seal.owned.get(),
        has_padding: false,
    };
    let header = extensions.header_len();
    let start = header + if again { OSN_LEN } else { 0 };
    let end = start + packet.payload.len();
    let len = end + seal.tx.tag_len();
    let datagram = arena.slot(wrap.path.local, wrap.path.remote, len);
    write_header(datagram, &fields, &extensions);
    if again {
        datagram[header..start].copy_from_slice(&(packet.seq as u16).to_be_bytes());
    }
    let payload = &mut datagram[start..end];
    payload.copy_from_slice(&packet.payload);
    if packet.codec == Codec::Vp8 {
        let patched = vp8::patch(payload, packet.picture_id, packet.tl0_pic_idx);
        debug_assert!(patched.is_ok(), "it was parsed when it came");
    }
    let outcome = seal.tx.seal_rtp(seal.owned, seal.seq, header, datagram);
    sealed(outcome, len, arena)
}

/// A datagram that was not sealed must not leave.
fn sealed(
    outcome: Result<(), SealError>,
    len: usize,
    arena: &mut SendArena,
) -> Result<usize, Unsent> {
    match outcome {
        Ok(()) => Ok(len),
        Err(error) => {
            arena.take_back(len);
            Err(Unsent::Sealer(error))
        }
    }
}

fn extensions(line: &OutgoingLine, wrap: Wrap) -> Extensions<'_> {
    Extensions {
        ids: line.extensions,
        twcc: Some(wrap.transport_seq),
        mid: Some(line.mid.as_str()),
        ..Extensions::default()
    }
}
