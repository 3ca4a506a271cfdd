//! What is written in the room: who may write to whom, and who is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::chat::{ChatAuthor, ChatMessage, ChatTarget};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{MessageId, ParticipantId};
use conclave_signalling_wire::limits::{CHAT_EDIT_WITHIN, CHAT_MENTIONS};
use conclave_signalling_wire::objects::{Permission, PrivateChat, Role};
use conclave_signalling_wire::push::{
    ChatCleared, ChatDeleted, ChatEdited, ChatPinned, ChatReacted, ChatWritten, Push,
};
use conclave_signalling_wire::request::{
    ChatClear, ChatDelete, ChatEdit, ChatExport, ChatPin, ChatReact, ChatSend,
};
use conclave_signalling_wire::text::{ChatText, InvalidText, TypedText};

use crate::chat::{Draft, Entry, Pinned, Reader, TooSoon, export};
use crate::clock::later;
use crate::digest::DeviceHash;
use crate::member::Member;
use crate::output::{Notice, Reply};
use crate::permission::{Rule, decide};
use crate::rate::seconds;
use crate::record::Change;
use crate::room::Room;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, Asker};
use crate::room::rights::Authority;
use crate::room::roster::role_for;

/// Different forms of one push that are compared before another is written.
const FORMS: usize = 8;

impl Room {
    pub(super) fn send_chat(&mut self, asker: Asker, send: ChatSend) -> Answer {
        let ChatSend {
            client_id,
            to,
            text,
            reply_to,
            mentions,
        } = send;
        let sender = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let (device, is_host) = (sender.device, sender.face.role.is_host());
        let from = ChatAuthor {
            participant: sender.face.id,
            name: sender.face.name.clone(),
            role: sender.face.role,
        };
        if let Some(sent) = self.chat.sent(&device, &client_id) {
            return Ok(Some(Reply::ChatSent(sent)));
        }
        let to_device = self.require_writing(asker.key, to)?;
        let text = clean(&text)?;
        if mentions.len() > CHAT_MENTIONS {
            return Err(ErrorBody::bad("mentions"));
        }
        if let Some(answered) = reply_to {
            let missing = || ErrorBody::from(ErrorCode::NotFound).field("reply_to");
            let (_, entry) = self.seen_by(asker.key, answered).map_err(|_| missing())?;
            if !entry.has_receivers_of(device, to, to_device) {
                return Err(ErrorBody::bad("reply_to"));
            }
        }
        let slow_s = self.settings.chat.slow_s;
        let slow = (slow_s > 0 && !is_host).then(|| Duration::from_secs(slow_s.into()));
        self.chat
            .pace(self.now, device, slow)
            .map_err(|soon| match soon {
                TooSoon::Slow(wait) => {
                    ErrorBody::from(ErrorCode::SlowMode).retry_after_s(seconds(wait))
                }
                TooSoon::Often(wait) => too_fast(wait),
            })?;
        let ts = self.time();
        let Some(session) = self.session else {
            debug_assert!(false, "somebody is in the room");
            return Err(ErrorCode::NotAvailable.into());
        };
        let draft = Draft {
            id: MessageId::new(ts.unix_ms(), self.random()),
            client_id,
            from,
            device,
            to,
            to_device,
            text,
            reply_to,
            mentions: self.known_of(asker.key, mentions),
        };
        let (sent, change) = self.chat.write(ts, session, draft);
        self.keep_chat(change);
        self.tell_readers(sent.id, |room, viewer, entry| {
            ChatWritten(room.message_for(viewer, entry)).into()
        });
        Ok(Some(Reply::ChatSent(sent)))
    }

    pub(super) fn edit_chat(&mut self, asker: Asker, edit: ChatEdit) -> Answer {
        let ChatEdit { id, text } = edit;
        let (editor, entry) = self.seen_by(asker.key, id)?;
        let (device, message) = (editor.device, entry.message());
        if entry.is_deleted() {
            return Err(ErrorCode::NotFound.into());
        }
        let is_late = later(message.ts, CHAT_EDIT_WITHIN) < self.time();
        if entry.device != device || is_late {
            return Err(ErrorCode::Forbidden.into());
        }
        self.require(asker.key, Permission::ChatEditOwn)?;
        let to = match message.to {
            ChatTarget::Participant { participant } => {
                let now = self.now_of(participant, entry.to_device);
                let participant = now.ok_or_else(|| ErrorBody::from(ErrorCode::NotFound))?;
                ChatTarget::Participant { participant }
            }
            to => to,
        };
        self.require_writing(asker.key, to)?;
        let text = clean(&text)?;
        if message.text == text.as_str() {
            return Ok(Some(Reply::Done));
        }
        self.chat.pace_edit(self.now, device).map_err(too_fast)?;
        let edited = ChatEdited {
            id,
            text: text.as_str().to_owned(),
            edited_at: self.time(),
        };
        let change = self.chat.edit(id, text, edited.edited_at);
        self.keep_chat(change);
        self.tell_readers(id, |_, _, _| edited.clone().into());
        Ok(Some(Reply::Done))
    }

    pub(super) fn delete_chat(&mut self, asker: Asker, delete: ChatDelete) -> Answer {
        let id = delete.id;
        let (member, entry) = self.seen_by(asker.key, id)?;
        let role = member.face.role;
        let is_own = entry.device == member.device;
        let may_own = is_own && self.require(asker.key, Permission::ChatDeleteOwn).is_ok();
        if !may_own {
            self.require(asker.key, Permission::ChatDeleteAny)?;
            if !role.outranks(self.role_of_author(entry)) {
                return Err(ErrorCode::Forbidden.into());
            }
        }
        if entry.is_deleted() {
            return Ok(Some(Reply::Done));
        }
        self.take_out(id, role);
        Ok(Some(Reply::Done))
    }

    /// Deletes a message that is not private on the authority of somebody who
    /// is not in the room.
    pub(super) fn delete_chat_for(&mut self, by: &Authority, delete: ChatDelete) -> Answer {
        by.require(Permission::ChatDeleteAny)?;
        let mut messages = self.chat.public(0, true, self.time());
        let entry = messages.find(|entry| entry.message().id == delete.id);
        let entry = entry.ok_or_else(|| ErrorBody::from(ErrorCode::NotFound).field("id"))?;
        if !by.may_act_on(self.role_of_author(entry)) {
            return Err(ErrorCode::Forbidden.into());
        }
        let is_deleted = entry.is_deleted();
        drop(messages);
        if !is_deleted {
            self.take_out(delete.id, by.role);
        }
        Ok(Some(Reply::Done))
    }

    /// Deletes a message as somebody of a role.
    fn take_out(&mut self, id: MessageId, role: Role) {
        let change = self.chat.delete(id, role);
        self.keep_chat(change);
        self.unsay(role, |message| message == id);
        self.tell_readers(id, |_, viewer, _| {
            let by_role = role_for(viewer, role);
            ChatDeleted { id, by_role }.into()
        });
    }

    pub(super) fn react_in_chat(&mut self, asker: Asker, react: ChatReact) -> Answer {
        let ChatReact { id, emoji, on } = react;
        self.may(asker.key, Permission::ChatReact, ErrorCode::ChatDisabled)?;
        let (member, entry) = self.seen_by(asker.key, id)?;
        if entry.is_deleted() {
            return Err(ErrorCode::NotFound.into());
        }
        let (participant, device) = (member.face.id, member.device);
        self.chat
            .pace_reaction(self.now, device)
            .map_err(too_fast)?;
        let (changed, change) = self.chat.react(id, emoji, (participant, device), on);
        self.keep_chat(change);
        if changed {
            self.tell_readers(id, |room, viewer, entry| {
                let reactions = room.message_for(viewer, entry).reactions;
                ChatReacted { id, reactions }.into()
            });
        }
        Ok(Some(Reply::Done))
    }

    pub(super) fn pin_chat(&mut self, asker: Asker, pin: ChatPin) -> Answer {
        let ChatPin { id, on } = pin;
        self.require(asker.key, Permission::ChatPin)?;
        let (_, entry) = self.seen_by(asker.key, id)?;
        if entry.is_deleted() {
            return Err(ErrorCode::NotFound.into());
        }
        if !matches!(entry.message().to, ChatTarget::All {}) {
            return Err(ErrorBody::bad("id"));
        }
        self.pace(asker.key)?;
        match self.chat.pin(id, on, self.time()) {
            Pinned::Same => {}
            Pinned::TooMany => return Err(ErrorBody::from(ErrorCode::Full).field("id")),
            Pinned::Changed(change) => {
                self.keep_chat(change);
                self.tell_readers(id, |_, _, _| ChatPinned { id, on }.into());
            }
        }
        Ok(Some(Reply::Done))
    }

    pub(super) fn clear_chat(&mut self, asker: Asker, clear: ChatClear) -> Answer {
        let authority = self.authority_of(asker.key)?;
        authority.require(Permission::ChatClear)?;
        self.pace(asker.key)?;
        self.clear_chat_for(&authority, clear)
    }

    /// Clears the chat on anybody's authority.
    pub(super) fn clear_chat_for(&mut self, authority: &Authority, clear: ChatClear) -> Answer {
        authority.require(Permission::ChatClear)?;
        let most = clear.up_to.unwrap_or(u32::MAX);
        let entries = self.chat.public(0, true, self.time());
        let gone = entries.filter(|entry| entry.number() <= most);
        let gone: BTreeSet<MessageId> = gone.map(|entry| entry.message().id).collect();
        let (last, change) = self.chat.clear(clear.up_to);
        self.keep_chat(change);
        if let Some(up_to) = last {
            self.tell_cleared(up_to, authority.actor);
            self.unsay(authority.role, |message| gone.contains(&message));
            let readers = self.members.iter();
            let readers: Vec<_> = readers
                .filter(|(_, member)| self.reader(member).reads)
                .map(|(key, member)| (*key, role_for(member, authority.role)))
                .collect();
            for (key, by_role) in readers {
                self.tell(key, &Notice::new(ChatCleared { up_to, by_role }));
            }
        }
        Ok(Some(Reply::Done))
    }

    pub(super) fn export_chat(&mut self, asker: Asker, export: ChatExport) -> Answer {
        let ChatExport { format, after } = export;
        self.require(asker.key, Permission::ChatExport)?;
        self.require(asker.key, Permission::ChatRead)?;
        // A piece of 256 KiB is as much work as telling a small meeting something.
        self.pace(asker.key)?;
        let member = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let is_host = member.face.role.is_host();
        let entries = self
            .chat
            .public(after.unwrap_or_default(), is_host, self.time());
        let messages = entries.map(|entry| self.message_for(member, entry));
        let piece = export::piece(messages, format, after.is_none());
        Ok(Some(Reply::ChatExported(piece)))
    }

    /// Writes a piece of the chat on the authority of somebody who is not in the room.
    pub(super) fn export_chat_for(&mut self, by: &Authority, export: ChatExport) -> Answer {
        let ChatExport { format, after } = export;
        by.require(Permission::ChatExport)?;
        by.require(Permission::ChatRead)?;
        let entries = self
            .chat
            .public(after.unwrap_or_default(), by.role.is_host(), self.time());
        let piece = export::piece(entries.map(Entry::whole), format, after.is_none());
        Ok(Some(Reply::ChatExported(piece)))
    }

    /// Returns messages after a number that are not private, and whether there
    /// are more of them.
    pub(super) fn chat_after(&self, after: u32, most: usize) -> (Vec<ChatMessage>, bool) {
        let mut entries = self.chat.public(after, true, self.time());
        let messages = entries.by_ref().take(most).map(Entry::whole).collect();
        (messages, entries.next().is_some())
    }

    /// Returns the earlier messages that a participant is shown.
    pub(super) fn chat_for(&self, member: &Member) -> Vec<ChatMessage> {
        let shown = self.chat.shown(&self.reader(member), self.time());
        let shown = shown.into_iter();
        shown.map(|entry| self.message_for(member, entry)).collect()
    }

    /// Begins the chat of a session: what a crash interrupted a moment ago goes on.
    pub(super) fn begin_chat(&mut self) {
        let change = self.chat.begin(self.time());
        self.keep_chat(change);
    }

    /// Ends the chat with the session: what is not kept for days is gone.
    pub(super) fn end_chat(&mut self) {
        let change = self.chat.end();
        self.keep_chat(change);
    }

    /// Forgets what a crash left behind if nobody came back to it.
    pub(super) fn expire_chat(&mut self) {
        let change = self.chat.expire_found(self.time());
        self.keep_chat(change);
    }

    /// Keeps of the chat what the room says that is kept.
    pub(super) fn settle_chat(&mut self) {
        for change in self.chat.apply(&self.settings.chat) {
            self.persist(change);
        }
    }

    /// Notes that somebody who comes in reads from here on, and before as far as
    /// the room shows it to newcomers.
    pub(super) fn note_reader(&mut self, device: DeviceHash) {
        let members = &self.members;
        let is_there = |known: &DeviceHash| {
            let mut members = members.values();
            members.any(|member| member.device == *known)
        };
        self.chat
            .note_reader(device, self.settings.chat.history, is_there);
    }

    /// Keeps what deleted messages said from those whose link is lost and who
    /// ask for what they missed.
    fn unsay(&mut self, role: Role, is_gone: impl Fn(MessageId) -> bool) {
        for member in self.members.values_mut() {
            let by = role_for(member, role);
            member.log.reword(|push| match push {
                Push::ChatWritten(ChatWritten(said)) if is_gone(said.id) => {
                    let mut said = said.clone();
                    said.text.clear();
                    said.mentions.clear();
                    said.reactions.clear();
                    said.pinned = false;
                    said.deleted_by = Some(by);
                    Some(ChatWritten(said).into())
                }
                Push::ChatEdited(edited) if is_gone(edited.id) => {
                    let text = String::new();
                    Some(ChatEdited { text, ..*edited }.into())
                }
                _ => None,
            });
        }
    }

    /// Forgets since when a device reads that was put out of the room.
    pub(super) fn forget_reader(&mut self, device: &DeviceHash) {
        let mut members = self.members.values();
        if !members.any(|member| member.device == *device) {
            self.chat.forget_reader(device);
        }
    }

    fn keep_chat(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.persist(change);
        }
    }

    /// Asks whether a participant may write to somebody. Returns the device to
    /// which it writes, if it is to one participant.
    ///
    /// # Errors
    /// `chat_disabled` and `private_disabled` where the room says so to all of its
    /// role, `forbidden` where its role or an exception does; `not_found` for whom
    /// it does not see.
    fn require_writing(
        &self,
        key: MemberKey,
        to: ChatTarget,
    ) -> Result<Option<DeviceHash>, ErrorBody> {
        let writer = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        let private_off = self.settings.chat.private == PrivateChat::Off;
        if private_off && !matches!(to, ChatTarget::All {}) {
            return Err(ErrorCode::PrivateDisabled.into());
        }
        let disabled = ErrorCode::PrivateDisabled;
        let may_hosts = || self.may(key, Permission::ChatPrivateHosts, disabled);
        let may_any = || self.may(key, Permission::ChatPrivateAny, disabled);
        match to {
            ChatTarget::All {} => {
                self.may(key, Permission::ChatSend, ErrorCode::ChatDisabled)?;
                Ok(None)
            }
            // The hosts among themselves.
            ChatTarget::Hosts {} if writer.face.role.is_host() => Ok(None),
            ChatTarget::Hosts {} => may_hosts().map(|()| None),
            ChatTarget::Participant { participant } => {
                if participant == writer.face.id {
                    return Err(ErrorBody::bad("to.participant"));
                }
                let other = self.ids.get(&participant);
                let other = other.filter(|_| self.is_known_to(key, participant));
                let other = other.and_then(|other| self.members.get(other));
                let missing = || ErrorBody::from(ErrorCode::NotFound).field("to.participant");
                let other = other.ok_or_else(missing)?;
                if other.face.role.is_host() {
                    may_any().or_else(|_| may_hosts())?;
                } else {
                    may_any()?;
                }
                Ok(Some(other.device))
            }
        }
    }

    /// Asks for a permission; `disabled` is the answer where a policy of the room
    /// takes it from everybody of the role.
    fn may(
        &self,
        key: MemberKey,
        permission: Permission,
        disabled: ErrorCode,
    ) -> Result<(), ErrorBody> {
        let member = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        let decision = decide(&self.settings, &member.subject(), self.time(), permission);
        match decision.rule {
            _ if decision.allowed => Ok(()),
            Rule::RoomPolicy => Err(disabled.into()),
            _ => Err(ErrorCode::Forbidden.into()),
        }
    }

    /// Returns what of a participant decides which messages it sees.
    fn reader(&self, member: &Member) -> Reader {
        let subject = member.subject();
        let may = decide(&self.settings, &subject, self.time(), Permission::ChatRead);
        Reader {
            device: member.device,
            is_host: member.face.role.is_host(),
            reads: may.allowed,
        }
    }

    /// Finds a message that a participant sees. What it does not see is not there.
    fn seen_by(&self, key: MemberKey, id: MessageId) -> Result<(&Member, &Entry), ErrorBody> {
        let member = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        let entry = self
            .chat
            .find_for(&self.reader(member), id, self.time())
            .ok_or(ErrorCode::NotFound)?;
        Ok((member, entry))
    }

    /// Returns as whom somebody is there who may have come again.
    fn now_of(&self, was: ParticipantId, device: Option<DeviceHash>) -> Option<ParticipantId> {
        if self.ids.contains_key(&was) {
            return Some(was);
        }
        let mut members = self.members.values();
        let found = members.find(|member| Some(member.device) == device)?;
        Some(found.face.id)
    }

    /// Returns the role of who wrote a message; of who is gone that which it had then.
    fn role_of_author(&self, entry: &Entry) -> Role {
        let author = &entry.message().from;
        let there = self.ids.get(&author.participant);
        if let Some(there) = there.and_then(|key| self.members.get(key)) {
            return there.face.role;
        }
        let members = self.members.values();
        let again = members.filter(|member| member.device == entry.device);
        let highest = again.map(|member| member.face.role).min();
        highest.unwrap_or(author.role)
    }

    /// Keeps of mentions each once, and only those whom the author sees.
    fn known_of(&self, author: MemberKey, mentions: Vec<ParticipantId>) -> Vec<ParticipantId> {
        let mut known: Vec<ParticipantId> = Vec::new();
        for mention in mentions {
            if !known.contains(&mention) && self.is_known_to(author, mention) {
                known.push(mention);
            }
        }
        known
    }

    /// Writes a message as a participant sees it: without the names of those whom
    /// it does not see, and without roles that are not shown to it.
    fn message_for(&self, viewer: &Member, entry: &Entry) -> ChatMessage {
        let mut message = entry.whole();
        message.from.role = role_for(viewer, message.from.role);
        message.deleted_by = message.deleted_by.map(|role| role_for(viewer, role));
        if !viewer.permissions.contains(Permission::RosterSee) {
            let is_shown = |id: &ParticipantId| {
                let other = self.ids.get(id).and_then(|key| self.members.get(key));
                other.is_some_and(|other| self.is_shown(viewer, &other.face))
            };
            message.mentions.retain(is_shown);
            for reaction in &mut message.reactions {
                reaction.participants.retain(is_shown);
            }
        }
        message
    }

    /// Tells everybody who sees a message something about it.
    fn tell_readers(&mut self, id: MessageId, say: impl Fn(&Room, &Member, &Entry) -> Push) {
        let Some(entry) = self.chat.find(id) else {
            return;
        };
        let now = self.time();
        // Who sees everybody is told the same: it is written once. The others
        // mostly are, too.
        let mut whole: Option<Arc<Notice>> = None;
        let mut forms: Vec<Arc<Notice>> = Vec::new();
        let mut told: Vec<(MemberKey, Arc<Notice>)> = Vec::new();
        for (key, viewer) in &self.members {
            if !self.chat.sees(&self.reader(viewer), entry, now) {
                continue;
            }
            let sees = |permission| viewer.permissions.contains(permission);
            if sees(Permission::RosterSee) && sees(Permission::RosterSeeRoles) {
                let notice = whole.get_or_insert_with(|| Notice::new(say(self, viewer, entry)));
                told.push((*key, Arc::clone(notice)));
                continue;
            }
            let push = say(self, viewer, entry);
            let known = forms.iter().find(|known| *known.push() == push);
            let notice = known.map(Arc::clone).unwrap_or_else(|| Notice::new(push));
            if known.is_none() && forms.len() < FORMS {
                forms.push(Arc::clone(&notice));
            }
            told.push((*key, notice));
        }
        for (key, notice) in told {
            self.tell(key, &notice);
        }
    }
}

fn clean(text: &TypedText) -> Result<ChatText, ErrorBody> {
    text.clean().map_err(|invalid| match invalid {
        InvalidText::TooLong => ErrorBody::from(ErrorCode::TooLong).field("text"),
        InvalidText::Empty | InvalidText::Character => ErrorBody::bad("text"),
    })
}
