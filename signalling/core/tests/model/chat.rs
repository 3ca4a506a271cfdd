//! The model of the chat: who may write to whom, who is told, who finds what.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::{MessageId, ParticipantId};
use conclave_signalling_wire::objects::{
    ChatHistory, ChatTarget, Emoji, Permission, PrivateChat, Role,
};
use conclave_signalling_wire::request::{
    ChatClear, ChatDelete, ChatEdit, ChatPin, ChatReact, ChatSend,
};
use conclave_signalling_wire::text::{InvalidText, TypedText};

use crate::model::{Answer, Authority, Model, Refusal, who};
use crate::rules::{self, Bucket, Why, outranks, rank};
use crate::seen::{Outcome, Seen};
use crate::verbs::{FORBIDDEN, bad, done, require};

const UNKNOWN: Refusal = (ErrorCode::NotFound, None);

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    number: u32,
    author: ParticipantId,
    author_role: Role,
    device: DeviceHash,
    pub(crate) to: ChatTarget,
    to_device: Option<DeviceHash>,
    pub(crate) text: String,
    at: u64,
    pinned: bool,
    pub(crate) deleted: bool,
    given: Vec<(Emoji, ParticipantId, DeviceHash)>,
}

impl Message {
    pub(crate) fn is_private(&self) -> bool {
        matches!(self.to, ChatTarget::Participant { .. })
    }
}

/// What one device has written.
#[derive(Debug, Clone)]
struct Writer {
    messages: Bucket,
    reactions: Bucket,
    last: Option<u64>,
    /// Under the names that it gave them.
    sent: Vec<(String, MessageId)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Chat {
    pub(crate) log: Vec<Message>,
    /// How many were ever written.
    count: u32,
    /// How many before this meeting.
    before: u32,
    /// After how many each device reads.
    readers: std::collections::BTreeMap<DeviceHash, u32>,
    writers: std::collections::BTreeMap<DeviceHash, Writer>,
}

impl Chat {
    fn writer(&mut self, device: DeviceHash) -> &mut Writer {
        self.writers.entry(device).or_insert_with(|| Writer {
            messages: Bucket::new(2, 10),
            reactions: Bucket::new(2, 10),
            last: None,
            sent: Vec::new(),
        })
    }

    pub(crate) fn begin(&mut self) {
        self.before = self.count;
    }

    /// Nothing of it is kept.
    pub(crate) fn end(&mut self) {
        self.log.clear();
        self.readers.clear();
        self.writers.clear();
    }
}

impl Model {
    pub(crate) fn note_reader(&mut self, device: DeviceHash) {
        let from = match self.room.chat.history {
            ChatHistory::None => self.chat.count,
            ChatHistory::Session => self.chat.before,
            ChatHistory::Kept => 0,
        };
        let known = self.chat.readers.entry(device).or_insert(from);
        *known = from.min(*known);
    }

    /// Whoever was put out does not read on when it comes again.
    pub(crate) fn forget_reader(&mut self, device: DeviceHash) {
        if self.keys_of(|person| person.device == device).is_empty() {
            self.chat.readers.remove(&device);
        }
    }

    /// Whether somebody finds a message: it may read, came in before it or was
    /// shown what was before, and the message is to it.
    fn finds(&self, key: MemberKey, message: &Message) -> bool {
        let person = &self.people[&key];
        let from = self.chat.readers.get(&person.device);
        let is_end = [Some(message.device), message.to_device].contains(&Some(person.device));
        let is_to = match message.to {
            ChatTarget::All {} => true,
            ChatTarget::Hosts {} => message.device == person.device || rank(person.role) <= 1,
            ChatTarget::Participant { .. } => is_end,
        };
        is_to
            && from.is_some_and(|from| *from < message.number)
            && self.holds(key, Permission::ChatRead)
    }

    /// What somebody who comes in is shown.
    pub(crate) fn shown(&self, key: MemberKey) -> Vec<(MessageId, String)> {
        let log = self.chat.log.iter();
        let found = log.filter(|message| self.finds(key, message));
        found
            .map(|message| (message.id, message.text.clone()))
            .collect()
    }

    fn find(&self, key: MemberKey, id: MessageId) -> Result<usize, Refusal> {
        let mut log = self.chat.log.iter();
        let place = log.position(|message| message.id == id && self.finds(key, message));
        place.ok_or(UNKNOWN)
    }

    /// As everybody who does not see roles sees those that are no leaders.
    fn role_for(&self, viewer: MemberKey, role: Role) -> Role {
        let sees = self.holds(viewer, Permission::RosterSeeRoles) || rank(role) <= 2;
        if sees { role } else { Role::Attendee }
    }

    fn tell_readers(&mut self, message: &Message, say: impl Fn(&Model, MemberKey) -> String) {
        for key in self.keys_of(|_| true) {
            if self.finds(key, message) {
                let words = say(self, key);
                self.expected.told.push((key, words));
            }
        }
    }

    /// Why not, in the words of who silenced it.
    fn may_write(
        &self,
        key: MemberKey,
        permission: Permission,
        silenced: ErrorCode,
    ) -> Result<(), Refusal> {
        let who = who(&self.people[&key]);
        match rules::decide(&self.room, &self.locks, &who, self.now, permission) {
            (true, _) => Ok(()),
            (false, Why::Policy) => Err((silenced, None)),
            (false, _) => Err(FORBIDDEN),
        }
    }

    fn check_writing(&self, key: MemberKey, to: ChatTarget) -> Result<Option<DeviceHash>, Refusal> {
        let silenced = ErrorCode::PrivateDisabled;
        let any = || self.may_write(key, Permission::ChatPrivateAny, silenced);
        let hosts = || self.may_write(key, Permission::ChatPrivateHosts, silenced);
        let is_off = self.room.chat.private == PrivateChat::Off;
        let own = &self.people[&key];
        match to {
            ChatTarget::All {} => {
                self.may_write(key, Permission::ChatSend, ErrorCode::ChatDisabled)?;
                Ok(None)
            }
            _ if is_off => Err((silenced, None)),
            ChatTarget::Hosts {} if rank(own.role) <= 1 => Ok(None),
            ChatTarget::Hosts {} => hosts().map(|()| None),
            ChatTarget::Participant { participant } if participant == own.id => {
                Err(bad("to.participant"))
            }
            ChatTarget::Participant { participant } => {
                let other = self.of_id(participant);
                let other = other.filter(|other| self.sees(key, *other));
                let other = other.ok_or((ErrorCode::NotFound, Some("to.participant")))?;
                let other = &self.people[&other];
                if rank(other.role) > 1 {
                    any()?;
                } else if any().is_err() {
                    hosts()?;
                }
                Ok(Some(other.device))
            }
        }
    }

    pub(crate) fn write(&mut self, seen: &mut Seen, key: MemberKey, send: &ChatSend) -> Answer {
        let person = &self.people[&key];
        let (author, author_role, device) = (person.id, person.role, person.device);
        let name = send.client_id.as_str();
        let mut sent = self.chat.writer(device).sent.iter();
        if let Some((_, id)) = sent.find(|(known, _)| known == name) {
            return Ok(Some(Outcome::ok(format!("sent {id}"))));
        }
        let to_device = self.check_writing(key, send.to)?;
        let text = cleaned(&send.text)?;
        if let Some(answered) = send.reply_to {
            let missing = (ErrorCode::NotFound, Some("reply_to"));
            let place = self.find(key, answered).map_err(|_| missing)?;
            let known = &self.chat.log[place];
            let ends = [Some(known.device), known.to_device];
            let is_same = match (known.to, send.to) {
                (ChatTarget::All {}, ChatTarget::All {})
                | (ChatTarget::Hosts {}, ChatTarget::Hosts {}) => true,
                (ChatTarget::Participant { .. }, ChatTarget::Participant { .. }) => {
                    ends == [Some(device), to_device] || ends == [to_device, Some(device)]
                }
                _ => false,
            };
            if !is_same {
                return Err(bad("reply_to"));
            }
        }
        let (now, slow_ms) = (self.now, 1000 * u64::from(self.room.chat.slow_s));
        let writer = self.chat.writer(device);
        let is_early = writer.last.is_some_and(|last| now < last + slow_ms);
        if is_early && rank(author_role) > 1 {
            return Err((ErrorCode::SlowMode, None));
        }
        if !writer.messages.take(now) {
            return Err((ErrorCode::RateLimited, None));
        }
        writer.last = Some(now);
        let Some(id) = seen.messages.pop() else {
            return Ok(Some(Outcome::ok("sent")));
        };
        writer.sent.push((name.to_owned(), id));
        self.chat.count += 1;
        let message = Message {
            id,
            number: self.chat.count,
            author,
            author_role,
            device,
            to: send.to,
            to_device,
            text,
            at: now,
            pinned: false,
            deleted: false,
            given: Vec::new(),
        };
        self.tell_readers(&message, |model, viewer| {
            let role = model.role_for(viewer, author_role);
            let (number, text) = (message.number, &message.text);
            format!("message {id} {number} {author} {role:?} {text}")
        });
        self.chat.log.push(message);
        Ok(Some(Outcome::ok(format!("sent {id}"))))
    }

    /// Who somebody is at present that may have come again.
    fn now_of(&self, was: ParticipantId, device: Option<DeviceHash>) -> Option<ParticipantId> {
        let again = self.people.values();
        let mut again = again.filter(|person| Some(person.device) == device);
        match self.of_id(was) {
            Some(_) => Some(was),
            None => again.next().map(|person| person.id),
        }
    }

    pub(crate) fn edit_chat(&mut self, key: MemberKey, edit: &ChatEdit) -> Answer {
        let place = self.find(key, edit.id)?;
        let message = self.chat.log[place].clone();
        let device = self.people[&key].device;
        if message.deleted {
            return Err(UNKNOWN);
        }
        if message.device != device || message.at + 300_000 < self.now {
            return Err(FORBIDDEN);
        }
        if !self.holds(key, Permission::ChatEditOwn) {
            return Err(FORBIDDEN);
        }
        let to = match message.to {
            ChatTarget::Participant { participant } => ChatTarget::Participant {
                participant: self.now_of(participant, message.to_device).ok_or(UNKNOWN)?,
            },
            to => to,
        };
        self.check_writing(key, to)?;
        let text = cleaned(&edit.text)?;
        if text == message.text {
            return done();
        }
        let now = self.now;
        if !self.chat.writer(device).messages.take(now) {
            return Err((ErrorCode::RateLimited, None));
        }
        self.chat.log[place].text.clone_from(&text);
        self.tell_readers(&message, |_, _| format!("edited {} {text}", message.id));
        done()
    }

    pub(crate) fn delete_chat(&mut self, key: MemberKey, delete: &ChatDelete) -> Answer {
        let place = self.find(key, delete.id)?;
        let message = self.chat.log[place].clone();
        let person = &self.people[&key];
        let (device, role) = (person.device, person.role);
        let is_own = message.device == device && self.holds(key, Permission::ChatDeleteOwn);
        if !is_own {
            let author = match self.of_id(message.author) {
                Some(author) => self.people[&author].role,
                None => {
                    let pages = self.keys_of(|person| person.device == message.device);
                    let roles = pages.iter().map(|key| self.people[key].role);
                    roles
                        .min_by_key(|role| rank(*role))
                        .unwrap_or(message.author_role)
                }
            };
            if !self.holds(key, Permission::ChatDeleteAny) || !outranks(role, author) {
                return Err(FORBIDDEN);
            }
        }
        if message.deleted {
            return done();
        }
        let known = &mut self.chat.log[place];
        (known.deleted, known.pinned) = (true, false);
        known.text.clear();
        known.given.clear();
        self.tell_readers(&message, |model, viewer| {
            let role = model.role_for(viewer, role);
            format!("deleted {} {role:?}", message.id)
        });
        done()
    }

    pub(crate) fn react(&mut self, key: MemberKey, react: &ChatReact) -> Answer {
        self.may_write(key, Permission::ChatReact, ErrorCode::ChatDisabled)?;
        let place = self.find(key, react.id)?;
        if self.chat.log[place].deleted {
            return Err(UNKNOWN);
        }
        let person = &self.people[&key];
        let (id, device, now) = (person.id, person.device, self.now);
        if !self.chat.writer(device).reactions.take(now) {
            return Err((ErrorCode::RateLimited, None));
        }
        let given = &mut self.chat.log[place].given;
        let is_same = |(emoji, one, of): &(Emoji, ParticipantId, DeviceHash)| {
            *emoji == react.emoji && (*one == id || *of == device)
        };
        if given.iter().any(is_same) == react.on {
            return done();
        }
        given.retain(|known| !is_same(known));
        given.extend(react.on.then_some((react.emoji, id, device)));
        let message = self.chat.log[place].clone();
        self.tell_readers(&message, |model, viewer| {
            let sees_all = model.holds(viewer, Permission::RosterSee);
            let sees = |id: &ParticipantId| {
                let other = model.of_id(*id);
                sees_all || other.is_some_and(|other| model.sees(viewer, other))
            };
            let mut words = format!("reacted {}", message.id);
            let mut told = Vec::new();
            for (emoji, ..) in &message.given {
                if told.contains(emoji) {
                    continue;
                }
                told.push(*emoji);
                let same = message.given.iter().filter(|(one, ..)| one == emoji);
                let ids: Vec<ParticipantId> = same.map(|(_, id, _)| *id).collect();
                let count = ids.len();
                let ids: Vec<_> = ids.into_iter().filter(sees).collect();
                words += &format!(" {emoji:?} {count} {ids:?}");
            }
            words
        });
        done()
    }

    pub(crate) fn pin_chat(&mut self, key: MemberKey, pin: &ChatPin) -> Answer {
        if !self.holds(key, Permission::ChatPin) {
            return Err(FORBIDDEN);
        }
        let place = self.find(key, pin.id)?;
        let message = self.chat.log[place].clone();
        if message.deleted {
            return Err(UNKNOWN);
        }
        if message.to != (ChatTarget::All {}) {
            return Err(bad("id"));
        }
        self.pace(key)?;
        let pinned = self.chat.log.iter().filter(|message| message.pinned);
        if message.pinned == pin.on {
            return done();
        }
        if pin.on && pinned.count() >= 10 {
            return Err((ErrorCode::Full, Some("id")));
        }
        self.chat.log[place].pinned = pin.on;
        self.tell_readers(&message, |_, _| format!("pinned {} {}", pin.id, pin.on));
        done()
    }

    pub(crate) fn clear_chat(&mut self, by: &Authority, clear: &ChatClear) -> Answer {
        let up_to = clear.up_to.unwrap_or(u32::MAX);
        let goes = |message: &Message| message.number <= up_to && !message.is_private();
        let gone = self.chat.log.iter().filter(|message| goes(message));
        let last = gone.map(|message| message.number).max();
        self.chat.log.retain(|message| !goes(message));
        if let Some(last) = last {
            for key in self.keys_of(|_| true) {
                if self.holds(key, Permission::ChatRead) {
                    let role = self.role_for(key, by.role);
                    let words = format!("cleared {last} {role:?}");
                    self.expected.told.push((key, words));
                }
            }
        }
        done()
    }

    /// Of private messages nothing is in it.
    pub(crate) fn export_chat(&mut self, key: MemberKey, by: &Authority) -> Answer {
        require(by, Permission::ChatExport)?;
        require(by, Permission::ChatRead)?;
        self.pace(key)?;
        let log = self.chat.log.iter().filter(|message| match message.to {
            ChatTarget::All {} => true,
            ChatTarget::Hosts {} => rank(by.role) <= 1,
            ChatTarget::Participant { .. } => false,
        });
        let texts = log.filter(|message| !message.deleted);
        let mut texts: Vec<&str> = texts.map(|message| message.text.as_str()).collect();
        texts.sort_unstable();
        Ok(Some(Outcome::ok(format!("exported {texts:?}"))))
    }
}

fn cleaned(text: &TypedText) -> Result<String, Refusal> {
    match text.clean() {
        Ok(text) => Ok(text.as_str().to_owned()),
        Err(InvalidText::TooLong) => Err((ErrorCode::TooLong, Some("text"))),
        Err(_) => Err(bad("text")),
    }
}
