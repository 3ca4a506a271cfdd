//! What waits to leave over one link.

use std::collections::VecDeque;
use std::time::Instant;

use super::stream::Queued;

/// Most packets that wait to be sent again.
const RESENDS_MAX: usize = 256;

/// Three queues: sound goes first, then what is sent again, then pictures.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    sound: VecDeque<Queued>,
    resends: VecDeque<Queued>,
    pictures: VecDeque<Queued>,
    /// Of the last two.
    bytes: usize,
}

impl Waiting {
    pub(super) fn push_sound(&mut self, packet: Queued) {
        self.sound.push_back(packet);
    }

    pub(super) fn push_picture(&mut self, packet: Queued) {
        self.bytes += packet.len();
        self.pictures.push_back(packet);
    }

    pub(super) fn push_resend(&mut self, packet: Queued) {
        self.bytes += packet.len();
        self.resends.push_back(packet);
    }

    /// Returns whether one more packet may be sent again.
    pub(super) fn takes_resend(&self) -> bool {
        self.resends.len() < RESENDS_MAX
    }

    pub(super) fn pop_sound(&mut self) -> Option<Queued> {
        self.sound.pop_front()
    }

    pub(super) fn pop_resend(&mut self) -> Option<Queued> {
        let packet = self.resends.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }

    pub(super) fn pop_picture(&mut self) -> Option<Queued> {
        let packet = self.pictures.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }

    /// Returns since when a picture waits.
    pub(super) fn oldest_picture(&self) -> Option<Instant> {
        Some(self.pictures.front()?.since)
    }

    /// Returns the bytes that wait for the pacer; 0 if nothing does.
    pub(super) fn paced_bytes(&self) -> usize {
        self.bytes
    }

    /// Drops what waits of one stream.
    pub(super) fn forget(&mut self, stream: usize) {
        for queue in [&mut self.sound, &mut self.resends, &mut self.pictures] {
            queue.retain(|packet| packet.stream != stream);
        }
        let paced = self.resends.iter().chain(&self.pictures);
        self.bytes = paced.map(Queued::len).sum();
    }

    /// Drops sound and what would be sent again: later it is of no use.
    pub(super) fn drop_all_but_pictures(&mut self) {
        self.sound.clear();
        self.resends.clear();
        self.bytes = self.pictures.iter().map(Queued::len).sum();
    }
}
