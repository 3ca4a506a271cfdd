//! How often each device writes, and what it sent last.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use conclave_signalling_wire::chat::ChatSent;
use conclave_signalling_wire::limits::{CHAT_BURST, CHAT_PER_S, REACTIONS_BURST, REACTIONS_PER_S};
use conclave_signalling_wire::text::ClientId;

use crate::chat::Entry;
use crate::digest::DeviceHash;
use crate::rate::Rate;

/// Devices that are remembered; beyond them those that wrote longest ago are forgotten.
const WRITERS: usize = 2000;
/// Messages of one device that are known again when they are sent again, beyond
/// those that are there: more than can be on the way when a link breaks.
const SENT: usize = 32;

/// Why a message has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooSoon {
    /// For the slow mode.
    Slow(Duration),
    /// For the rate of everybody.
    Often(Duration),
}

#[derive(Debug)]
struct Writer {
    messages: Rate,
    reactions: Rate,
    /// When it wrote last.
    last: Option<Instant>,
    /// When it did anything last, in the count of [`Writers::turn`].
    turn: u64,
    sent: VecDeque<(ClientId, ChatSent)>,
}

impl Writer {
    fn new() -> Self {
        Writer {
            messages: Rate::new(CHAT_PER_S, CHAT_BURST),
            reactions: Rate::new(REACTIONS_PER_S, REACTIONS_BURST),
            last: None,
            turn: 0,
            sent: VecDeque::new(),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Writers {
    known: BTreeMap<DeviceHash, Writer>,
    turn: u64,
}

impl Writers {
    /// Returns what a device was answered that sent this lately.
    pub(super) fn sent(&self, device: &DeviceHash, client_id: &ClientId) -> Option<ChatSent> {
        let mut sent = self.known.get(device)?.sent.iter();
        let found = sent.find(|(known, _)| known == client_id);
        found.map(|(_, answer)| answer.clone())
    }

    /// Remembers what a device sent.
    pub(super) fn remember(&mut self, entry: &Entry) {
        let writer = self.of(entry.device);
        if writer.sent.len() >= SENT {
            writer.sent.pop_front();
        }
        let client_id = entry.message().client_id.clone();
        writer.sent.push_back((client_id, entry.sent()));
    }

    pub(super) fn pace(
        &mut self,
        now: Instant,
        device: DeviceHash,
        slow: Option<Duration>,
    ) -> Result<(), TooSoon> {
        let writer = self.of(device);
        if let (Some(slow), Some(last)) = (slow, writer.last)
            && now < last + slow
        {
            return Err(TooSoon::Slow(last + slow - now));
        }
        writer.messages.take(now).map_err(TooSoon::Often)?;
        writer.last = Some(now);
        Ok(())
    }

    pub(super) fn pace_edit(&mut self, now: Instant, device: DeviceHash) -> Result<(), Duration> {
        self.of(device).messages.take(now)
    }

    pub(super) fn pace_reaction(
        &mut self,
        now: Instant,
        device: DeviceHash,
    ) -> Result<(), Duration> {
        self.of(device).reactions.take(now)
    }

    fn of(&mut self, device: DeviceHash) -> &mut Writer {
        if self.known.len() >= WRITERS && !self.known.contains_key(&device) {
            let oldest = self.known.iter().min_by_key(|(_, writer)| writer.turn);
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                self.known.remove(&oldest);
            }
        }
        self.turn += 1;
        let writer = self.known.entry(device).or_insert_with(Writer::new);
        writer.turn = self.turn;
        writer
    }
}
