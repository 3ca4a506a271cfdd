//! What was written in a room: the messages, who may see which, and what of it is kept.
//!
//! Numbers rise over all messages of a room. Messages to everybody and to the
//! hosts may be kept on disk; those from person to person live in memory alone.
//! Whatever has to be kept of a change is returned by the method that makes it.

mod entry;
pub(crate) mod export;
mod writers;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use conclave_signalling_wire::chat::{
    ChatAuthor, ChatHistory, ChatKeep, ChatMessage, ChatPolicy, ChatSent, ChatTarget, Emoji,
};
use conclave_signalling_wire::ids::{MessageId, ParticipantId, SessionId};
use conclave_signalling_wire::limits::{
    CHAT_MEMORY_BYTES, CHAT_MESSAGES, CHAT_PINS, CHAT_REACTIONS, CHAT_SHOWN, CHAT_SHOWN_BYTES,
    STANDING_KEPT,
};
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::{ChatText, ClientId};
use conclave_signalling_wire::time::Timestamp;

use crate::clock::later;
use crate::digest::DeviceHash;
use crate::record::{Change, ChatRecord};

pub(crate) use entry::Entry;
pub(crate) use writers::TooSoon;
use writers::Writers;

/// How long a message is on disk that is kept until the session ends: whoever
/// comes back after a crash does so within minutes, and where nobody opens the
/// room again nothing else would delete it.
const SESSION_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long ago the last word was of a meeting that may have been interrupted by
/// a crash: when the server crashed nobody knows, and what was written in the
/// morning is not for another meeting in the evening.
const FOUND_WITHIN: Duration = Duration::from_secs(3600);
/// Devices of which a room remembers since when they read, those that are there
/// excepted. Whoever is beyond it reads from when it comes again.
const READERS: usize = 4000;

/// Somebody, as far as it decides which messages it sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) device: DeviceHash,
    pub(crate) is_host: bool,
    /// Whether it may read at all.
    pub(crate) reads: bool,
}

/// A message that is about to be written.
pub(crate) struct Draft {
    pub(crate) id: MessageId,
    pub(crate) client_id: ClientId,
    pub(crate) from: ChatAuthor,
    pub(crate) device: DeviceHash,
    pub(crate) to: ChatTarget,
    /// The device of the one to whom it is written, if it is one.
    pub(crate) to_device: Option<DeviceHash>,
    pub(crate) text: ChatText,
    pub(crate) reply_to: Option<MessageId>,
    pub(crate) mentions: Vec<ParticipantId>,
}

/// What became of a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// It was so already.
    Same,
    /// As many are pinned as may be.
    TooMany,
    /// It is so now; with what is to be kept of it.
    Changed(Option<Change>),
}

/// See the module.
pub(crate) struct Chat {
    /// In the order of their numbers.
    log: VecDeque<Entry>,
    /// The weight of all of them.
    bytes: usize,
    /// The number of the next message.
    next: u32,
    /// The first number of the session; between sessions that of the next message.
    session_from: u32,
    /// From which number on each device of this session reads.
    readers: BTreeMap<DeviceHash, u32>,
    writers: Writers,
    /// Whether something may be on disk.
    is_stored: bool,
    /// Up to which number messages may be on disk that are not in memory.
    gone_up_to: u32,
    /// The policy by which what is stored is stored.
    keep: (ChatKeep, u32),
    /// When messages were found of a session that a crash interrupted.
    found_at: Option<Timestamp>,
}

impl Chat {
    /// Takes what was kept. Returns what is to be kept of it no longer.
    pub(crate) fn new(
        records: Vec<ChatRecord>,
        policy: &ChatPolicy,
        now: Timestamp,
    ) -> (Self, Option<Change>) {
        let mut chat = Chat {
            log: VecDeque::new(),
            bytes: 0,
            next: 1,
            session_from: 1,
            readers: BTreeMap::new(),
            writers: Writers::default(),
            is_stored: !records.is_empty(),
            gone_up_to: match records.first() {
                Some(first) if records.len() >= CHAT_MESSAGES => {
                    first.message.number.saturating_sub(1)
                }
                _ => 0,
            },
            keep: (policy.keep, policy.keep_days),
            found_at: None,
        };
        for record in records {
            chat.next = chat.next.max(record.message.number.saturating_add(1));
            if now < record.expires_at {
                chat.push(Entry::from_record(record));
            }
        }
        chat.session_from = chat.next;
        let written = chat.log.iter().map(|entry| entry.message.ts).max();
        let is_fresh = written.is_some_and(|ts| now < later(ts, FOUND_WITHIN));
        let gone = match policy.keep {
            ChatKeep::None => chat.forget_all(),
            ChatKeep::Session if !is_fresh => chat.forget_all(),
            ChatKeep::Session => {
                chat.found_at = Some(now);
                None
            }
            ChatKeep::Days => None,
        };
        (chat, gone)
    }

    /// Begins a session: what a crash interrupted a moment ago goes on.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Change> {
        let gone = self.expire_found(now);
        self.session_from = self.next;
        if self.found_at.take().is_some()
            && let Some(first) = self.log.front()
        {
            self.session_from = first.number();
            // Whoever wrote was there from then on.
            for entry in &self.log {
                self.readers.entry(entry.device).or_insert(entry.number());
                self.writers.remember(entry);
            }
        }
        self.drop_expired(now);
        gone
    }

    /// Forgets the session that a crash interrupted if nobody came back to it.
    pub(crate) fn expire_found(&mut self, now: Timestamp) -> Option<Change> {
        if self.found_until().is_none_or(|until| now < until) {
            return None;
        }
        self.found_at = None;
        self.forget_all()
    }

    /// Returns when [`Chat::expire_found`] next has something to do.
    pub(crate) fn found_until(&self) -> Option<Timestamp> {
        self.found_at.map(|found| later(found, STANDING_KEPT))
    }

    /// Ends the session: what is not kept for days is gone.
    pub(crate) fn end(&mut self) -> Option<Change> {
        self.readers.clear();
        self.writers = Writers::default();
        self.session_from = self.next;
        if self.keep.0 == ChatKeep::Days {
            self.retain(Entry::is_stored);
            return None;
        }
        self.forget_all()
    }

    /// Notes that a device came in: it reads on from its first coming in this
    /// session, and before that as far as newcomers may. `is_there` says who must
    /// not be forgotten for it.
    pub(crate) fn note_reader(
        &mut self,
        device: DeviceHash,
        history: ChatHistory,
        is_there: impl Fn(&DeviceHash) -> bool,
    ) {
        if self.readers.len() >= READERS {
            self.readers.retain(|known, _| is_there(known));
        }
        let from = match history {
            ChatHistory::None => self.next,
            ChatHistory::Session => self.session_from,
            ChatHistory::Kept => 0,
        };
        let known = self.readers.entry(device).or_insert(from);
        *known = from.min(*known);
    }

    /// Forgets since when a device reads that was put out of the room: what is
    /// written without it is not for it when it comes again.
    pub(crate) fn forget_reader(&mut self, device: &DeviceHash) {
        self.readers.remove(device);
    }

    /// Takes over a policy. Less of it holds for what is stored at once.
    pub(crate) fn apply(&mut self, policy: &ChatPolicy) -> Vec<Change> {
        let keep = (policy.keep, policy.keep_days);
        let before = std::mem::replace(&mut self.keep, keep);
        if before == keep {
            return Vec::new();
        }
        if policy.keep == ChatKeep::None {
            let from = self.session_from;
            self.retain(|entry| entry.number() >= from);
            for entry in &mut self.log {
                entry.expires_at = None;
            }
            return self.gone_from_disk().into_iter().collect();
        }
        let mut changes = Vec::new();
        // What is on disk alone cannot be given another time, nor be shown: where
        // less is to be kept it goes, and what is in memory of it is kept anew.
        let up_to = std::mem::take(&mut self.gone_up_to);
        let is_less =
            expiry(keep, Timestamp::from_unix_ms(0)) < expiry(before, Timestamp::from_unix_ms(0));
        let goes = is_less && up_to > 0;
        if goes {
            let session = None;
            changes.push(Change::ChatGone { session, up_to });
        } else {
            self.gone_up_to = up_to;
        }
        for entry in &mut self.log {
            let expires_at = expiry(keep, entry.message.ts);
            let is_lost = goes && entry.number() <= up_to;
            if entry.is_stored() && (is_lost || entry.expires_at != expires_at) {
                entry.expires_at = expires_at;
                changes.extend(entry.change());
            }
        }
        changes
    }

    /// Returns what a device was answered that sent this before.
    pub(crate) fn sent(&self, device: &DeviceHash, client_id: &ClientId) -> Option<ChatSent> {
        let is_same =
            |entry: &&Entry| entry.device == *device && entry.message.client_id == *client_id;
        let found = self.log.iter().rev().find(is_same).map(Entry::sent);
        found.or_else(|| self.writers.sent(device, client_id))
    }

    /// Counts a message of a device, or says how long it has to wait.
    /// `slow` is the time between two of its messages.
    pub(crate) fn pace(
        &mut self,
        now: Instant,
        device: DeviceHash,
        slow: Option<Duration>,
    ) -> Result<(), TooSoon> {
        self.writers.pace(now, device, slow)
    }

    /// Counts a change of a message by its author, or says how long to wait.
    pub(crate) fn pace_edit(&mut self, now: Instant, device: DeviceHash) -> Result<(), Duration> {
        self.writers.pace_edit(now, device)
    }

    /// Counts a reaction of a device, or says how long it has to wait.
    pub(crate) fn pace_reaction(
        &mut self,
        now: Instant,
        device: DeviceHash,
    ) -> Result<(), Duration> {
        self.writers.pace_reaction(now, device)
    }

    /// Writes a message.
    pub(crate) fn write(
        &mut self,
        ts: Timestamp,
        session: SessionId,
        draft: Draft,
    ) -> (ChatSent, Option<Change>) {
        let is_private = matches!(draft.to, ChatTarget::Participant { .. });
        let expires_at = expiry(self.keep, ts).filter(|_| !is_private);
        let entry = Entry {
            message: ChatMessage {
                id: draft.id,
                number: self.next,
                client_id: draft.client_id,
                from: draft.from,
                to: draft.to,
                text: draft.text.as_str().to_owned(),
                reply_to: draft.reply_to,
                mentions: draft.mentions,
                ts,
                edited_at: None,
                pinned: false,
                deleted_by: None,
                reactions: Vec::new(),
            },
            device: draft.device,
            to_device: draft.to_device,
            session,
            expires_at,
            given: Vec::new(),
        };
        self.next = self.next.saturating_add(1);
        self.writers.remember(&entry);
        let (sent, change) = (entry.sent(), entry.change());
        self.is_stored |= change.is_some();
        self.push(entry);
        (sent, change)
    }

    /// Gives a message another text.
    pub(crate) fn edit(&mut self, id: MessageId, text: ChatText, at: Timestamp) -> Option<Change> {
        self.amend(id, |entry| {
            entry.message.text = text.as_str().to_owned();
            entry.message.edited_at = Some(at);
        })
    }

    /// Empties a message; its place stays.
    pub(crate) fn delete(&mut self, id: MessageId, by: Role) -> Option<Change> {
        self.amend(id, |entry| {
            let message = &mut entry.message;
            message.text.clear();
            message.mentions.clear();
            message.pinned = false;
            message.deleted_by = Some(by);
            entry.given.clear();
        })
    }

    /// Gives or takes back a reaction. Returns whether others see something else
    /// by it, and what is to be kept.
    pub(crate) fn react(
        &mut self,
        id: MessageId,
        emoji: Emoji,
        who: (ParticipantId, DeviceHash),
        on: bool,
    ) -> (bool, Option<Change>) {
        let Some(entry) = self.find(id) else {
            return (false, None);
        };
        let changes = match on {
            true => entry.may_take(emoji, who, CHAT_REACTIONS),
            false => entry.has(emoji, who),
        };
        if !changes {
            return (false, None);
        }
        let change = self.amend(id, |entry| entry.react(emoji, who, on));
        (true, change)
    }

    /// Pins a message, or takes the pin off.
    pub(crate) fn pin(&mut self, id: MessageId, on: bool, now: Timestamp) -> Pinned {
        let is_pinned = |entry: &Entry| entry.message.pinned;
        if self.find(id).is_none_or(|entry| is_pinned(entry) == on) {
            return Pinned::Same;
        }
        // One that nobody sees any more could not be taken off.
        let counts = |entry: &&Entry| is_pinned(entry) && !self.is_over(entry, now);
        let pinned = self.log.iter().filter(counts).count();
        if on && pinned >= CHAT_PINS {
            return Pinned::TooMany;
        }
        Pinned::Changed(self.amend(id, |entry| entry.message.pinned = on))
    }

    /// Forgets messages that are not private, up to a number or all. Returns the
    /// last number that is gone, if any message is, and what is to be kept.
    pub(crate) fn clear(&mut self, up_to: Option<u32>) -> (Option<u32>, Option<Change>) {
        let up_to = up_to.unwrap_or(u32::MAX).min(self.last());
        let goes = |entry: &Entry| entry.number() <= up_to && !entry.is_private();
        let mut gone = self.log.iter().rev();
        let last = gone.find(|entry| goes(entry)).map(Entry::number);
        self.retain(|entry| !goes(entry));
        // On disk there may be more than in memory.
        let change = self.is_stored.then_some(Change::ChatGone {
            session: None,
            up_to,
        });
        (last, change)
    }

    /// Finds a message.
    pub(crate) fn find(&self, id: MessageId) -> Option<&Entry> {
        // What is spoken of is mostly new.
        self.log.iter().rev().find(|entry| entry.message.id == id)
    }

    /// Returns whether somebody sees a message.
    pub(crate) fn sees(&self, reader: &Reader, entry: &Entry, now: Timestamp) -> bool {
        let from = self.readers.get(&reader.device);
        from.is_some_and(|from| *from <= entry.number())
            && reader.reads
            && !self.is_over(entry, now)
            && entry.is_to(reader)
    }

    /// Finds a message that somebody sees.
    pub(crate) fn find_for(
        &self,
        reader: &Reader,
        id: MessageId,
        now: Timestamp,
    ) -> Option<&Entry> {
        self.find(id).filter(|entry| self.sees(reader, entry, now))
    }

    /// Returns what somebody is shown who knows nothing yet, in the order of the
    /// numbers: what is pinned and then the newest, as far as the bounds allow.
    pub(crate) fn shown(&self, reader: &Reader, now: Timestamp) -> Vec<&Entry> {
        let newest = || {
            self.log
                .iter()
                .rev()
                .filter(|entry| self.sees(reader, entry, now))
        };
        let pinned = newest().filter(|entry| entry.message.pinned);
        let others = newest().filter(|entry| !entry.message.pinned);
        let mut bytes = 0;
        let fitting = pinned.chain(others).take(CHAT_SHOWN).take_while(|entry| {
            bytes += entry.weight();
            bytes <= CHAT_SHOWN_BYTES
        });
        let mut shown: Vec<&Entry> = fitting.collect();
        shown.sort_unstable_by_key(|entry| entry.number());
        shown
    }

    /// Walks through the messages after a number that are not private; those to
    /// the hosts only for hosts.
    pub(crate) fn public(
        &self,
        after: u32,
        for_host: bool,
        now: Timestamp,
    ) -> impl Iterator<Item = &Entry> {
        self.log.iter().filter(move |entry| {
            let is_for = match entry.message.to {
                ChatTarget::All {} => true,
                ChatTarget::Hosts {} => for_host,
                ChatTarget::Participant { .. } => false,
            };
            is_for && entry.number() > after && !self.is_over(entry, now)
        })
    }

    /// Returns the number of the newest message, 0 before the first.
    fn last(&self) -> u32 {
        self.next - 1
    }

    /// Returns whether a message of an earlier session has been kept for long enough.
    fn is_over(&self, entry: &Entry, now: Timestamp) -> bool {
        entry.number() < self.session_from && entry.expires_at.is_none_or(|until| until <= now)
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let from = self.session_from;
        self.retain(|entry| {
            entry.number() >= from || entry.expires_at.is_some_and(|until| now < until)
        });
    }

    fn push(&mut self, entry: Entry) {
        debug_assert!(
            self.log
                .back()
                .is_none_or(|last| last.number() < entry.number())
        );
        let id = entry.message.id;
        self.bytes += entry.weight();
        self.log.push_back(entry);
        self.make_room(id);
    }

    /// Changes a message. Returns what is to be kept of it.
    fn amend(&mut self, id: MessageId, change: impl FnOnce(&mut Entry)) -> Option<Change> {
        let mut entries = self.log.iter_mut().rev();
        let entry = entries.find(|entry| entry.message.id == id)?;
        self.bytes -= entry.weight();
        change(entry);
        self.bytes += entry.weight();
        let change = entry.change();
        self.make_room(id);
        change
    }

    /// Lets the oldest go that are too many, but for those that are pinned and
    /// the one that was just touched.
    fn make_room(&mut self, touched: MessageId) {
        while self.log.len() > CHAT_MESSAGES || self.bytes > CHAT_MEMORY_BYTES {
            let may_go = |entry: &Entry| !entry.message.pinned && entry.message.id != touched;
            let Some(gone) = self
                .log
                .iter()
                .position(may_go)
                .and_then(|place| self.log.remove(place))
            else {
                break;
            };
            self.bytes -= gone.weight();
            if gone.is_stored() {
                self.gone_up_to = self.gone_up_to.max(gone.number());
            }
        }
    }

    fn retain(&mut self, stays: impl Fn(&Entry) -> bool) {
        self.log.retain(stays);
        self.bytes = self.log.iter().map(Entry::weight).sum();
    }

    fn forget_all(&mut self) -> Option<Change> {
        self.log.clear();
        self.bytes = 0;
        self.gone_from_disk()
    }

    fn gone_from_disk(&mut self) -> Option<Change> {
        self.gone_up_to = 0;
        let up_to = self.last();
        std::mem::take(&mut self.is_stored).then_some(Change::ChatGone {
            session: None,
            up_to,
        })
    }
}

/// Returns until when a message is on disk; `None` if it is not to be.
fn expiry((keep, days): (ChatKeep, u32), ts: Timestamp) -> Option<Timestamp> {
    let kept_for = match keep {
        ChatKeep::None => return None,
        ChatKeep::Session => SESSION_KEPT,
        ChatKeep::Days => Duration::from_secs(u64::from(days) * 86_400),
    };
    Some(later(ts, kept_for))
}

#[cfg(test)]
mod tests;
