//! One participant of a room, as the media plane knows it.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Codec, MemberKey};

use crate::audio::AudioSlots;
use crate::packet::MediaPacket;
use crate::policing::{IngressLimits, Policing};
use crate::publication::Encoding;
use crate::room::Believed;
use crate::sender::{Sender, StreamParams};
use crate::services::Counters;
use crate::subscription::{Rewriter, SlotTable};
use crate::transport::{SendingLine, Transport};

/// For how long after its last publication, or after it came, a participant may
/// send as one that publishes: what is on its way must not cost it its feedback.
const PUBLISHES_STILL: Duration = Duration::from_secs(10);

/// The transport of one peer connection and what goes with it.
pub(crate) struct Link {
    /// Which peer connection of the participant.
    pub(crate) generation: u32,
    /// ICE, DTLS, receiving.
    pub(crate) transport: Transport,
    /// Sending.
    pub(crate) sender: Box<dyn Sender>,
    /// Its entry in the demultiplexer.
    pub(crate) entry: usize,
    /// What the participant may send on.
    pub(crate) lines: Vec<SendingLine>,
    /// Video codecs that it can receive.
    pub(crate) video_codecs: Vec<Codec>,
    /// When it was offered.
    pub(crate) since: Instant,
    /// When ICE lost the path; `None` while it has one.
    pub(crate) unreachable_since: Option<Instant>,
    /// The wake-up that is scheduled for transport and sender.
    pub(crate) scheduled: Option<Instant>,
    /// Packets wait to be flushed.
    pub(crate) dirty: bool,
    /// What the path takes.
    pub(crate) estimate: Believed,
}

impl Link {
    /// Returns when transport or sender is next due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.transport.poll_timeout(), self.sender.poll_timeout()];
        due.into_iter().flatten().min()
    }

    /// Adds what transport and sender have counted since the last time.
    pub(crate) fn count(&mut self, counters: &mut Counters) {
        counters.filtered += self.transport.take_filtered();
        counters.not_relayed += self.transport.take_not_relayed();
        counters.keyframes_requested += self.transport.take_requested();
        let sent = self.sender.take_sent();
        counters.resent += sent.resent;
        counters.nacked += sent.nacked;
        counters.sender_reports += sent.reports;
        counters.probes += sent.probes;
        counters.dropped += sent.dropped;
        counters.unsealed += sent.unsealed;
    }
}

/// One audio slot: its m-line and its numbers.
pub(crate) struct AudioLine {
    pub(crate) params: StreamParams,
    pub(crate) rewriter: Rewriter,
}

/// One participant.
pub(crate) struct Member {
    /// Its key.
    pub(crate) key: MemberKey,
    /// Its transport, once it has offered and as long as it lives.
    pub(crate) link: Option<Link>,
    /// The highest generation that was offered.
    pub(crate) generation: u32,
    /// Its video slots.
    pub(crate) table: SlotTable,
    /// Who holds its audio slots.
    pub(crate) audio: AudioSlots,
    /// Its audio slots' m-lines.
    pub(crate) audio_lines: Vec<AudioLine>,
    /// Places of its publications in the room.
    pub(crate) publications: Vec<usize>,
    /// The bandwidth is to be shared anew at the next tick.
    pub(crate) share_due: bool,
    /// When it was last shared.
    pub(crate) shared_at: Option<Instant>,
    /// Since when the bandwidth does not carry the lowest encodings of what is sent.
    pub(crate) short_since: Option<Instant>,
    /// What it may send, over all its peer connections.
    pub(crate) policing: Policing,
    /// When it had a publication last, or came.
    published: Instant,
}

impl Member {
    /// Makes a participant without transport.
    pub(crate) fn new(now: Instant, key: MemberKey) -> Self {
        Member {
            key,
            link: None,
            generation: 0,
            table: SlotTable::default(),
            audio: AudioSlots::default(),
            audio_lines: Vec::new(),
            publications: Vec::new(),
            share_due: false,
            shared_at: None,
            short_since: None,
            policing: Policing::new(now, IngressLimits::PUBLISHER),
            published: now,
        }
    }

    /// Sets what it may send by whether it publishes. What comes before a
    /// publication is accepted goes nowhere, so that nothing is lost by it.
    pub(crate) fn police(&mut self, now: Instant) {
        if !self.publications.is_empty() {
            self.published = now;
        }
        let since = now.saturating_duration_since(self.published);
        self.policing.set_limits(match since < PUBLISHES_STILL {
            true => IngressLimits::PUBLISHER,
            false => IngressLimits::VIEWER,
        });
    }

    /// Returns the transport if media can be sent over it.
    pub(crate) fn connected(&self) -> Option<&Link> {
        self.link
            .as_ref()
            .filter(|link| link.transport.is_connected())
    }

    /// Forwards a packet to a video slot. Returns how many packets went out.
    pub(crate) fn forward_video(
        &mut self,
        now: Instant,
        slot: usize,
        encoding: usize,
        packet: &MediaPacket,
        encodings: &[Encoding],
    ) -> u64 {
        let Some(link) = connected(&mut self.link) else {
            return 0;
        };
        let Some(slot) = self.table.slots.get_mut(slot) else {
            return 0;
        };
        let params = slot.params;
        let mut sent = 0;
        slot.handle_packet(now, encoding, packet, encodings, |out| {
            link.sender.push(now, &mut link.transport, params, out);
            sent += 1;
        });
        sent
    }

    /// Lets a video slot begin with what is cached of its target. Returns how
    /// many packets went out.
    pub(crate) fn switch_video(
        &mut self,
        now: Instant,
        slot: usize,
        encodings: &[Encoding],
    ) -> u64 {
        let Some(link) = connected(&mut self.link) else {
            return 0;
        };
        let Some(slot) = self.table.slots.get_mut(slot) else {
            return 0;
        };
        let params = slot.params;
        let mut sent = 0;
        slot.try_switch(now, encodings, |out| {
            link.sender.push(now, &mut link.transport, params, out);
            sent += 1;
        });
        sent
    }

    /// Takes a voice out of its audio slot, with what of it waits to be sent.
    pub(crate) fn release_voice(&mut self, publication: usize) {
        let Some(slot) = self.audio.release(publication) else {
            return;
        };
        if let (Some(link), Some(line)) = (self.link.as_mut(), self.audio_lines.get(slot)) {
            link.sender.forget(&mut link.transport, line.params);
        }
    }

    /// Forwards a packet to an audio slot; `start` if its voice is new there.
    /// Returns how many packets went out.
    pub(crate) fn forward_audio(
        &mut self,
        now: Instant,
        slot: usize,
        start: bool,
        packet: &MediaPacket,
    ) -> u64 {
        let Some(link) = connected(&mut self.link) else {
            return 0;
        };
        let Some(line) = self.audio_lines.get_mut(slot) else {
            return 0;
        };
        if start {
            // What is left of the voice before it could not be stopped with it later.
            link.sender.forget(&mut link.transport, line.params);
        }
        if start || !line.rewriter.is_running() {
            line.rewriter.start(0, packet);
        }
        let Some(mut out) = line.rewriter.rewrite(packet) else {
            return 0;
        };
        out.marker |= start;
        link.sender.push(now, &mut link.transport, line.params, out);
        1
    }
}

/// Returns a transport if media can be sent over it. Takes the link alone, so
/// that a slot of the same member can be borrowed beside it.
fn connected(link: &mut Option<Link>) -> Option<&mut Link> {
    link.as_mut().filter(|link| link.transport.is_connected())
}
