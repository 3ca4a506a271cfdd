//! The model of what is asked inside: who is heard, and whose word it is.

use conclave_sfu_wire::control;
use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::objects::{CustomRole, Permission, Role, Room, Source};
use conclave_signalling_wire::request::{ParticipantRename, Request};
use conclave_signalling_wire::text::RoleName;

use crate::model::{Answer, Authority, Model, Refusal, To};
use crate::rules::outranks;
use crate::seen::{Outcome, Seen};

pub(crate) const FORBIDDEN: Refusal = (ErrorCode::Forbidden, None);

pub(crate) fn bad(field: &'static str) -> Refusal {
    (ErrorCode::BadRequest, Some(field))
}

pub(crate) fn done() -> Answer {
    Ok(Some(Outcome::ok("done")))
}

/// Under which name a request is written down, and whether it only reads;
/// `None` for what concerns its sender alone.
pub(crate) fn deed(request: &Request, own: Option<ParticipantId>) -> Option<(&'static str, bool)> {
    match request {
        Request::BanList(_) | Request::InviteList(_) => Some((request.name(), true)),
        Request::HandLower(lower) if lower.participant.is_none() || lower.participant == own => {
            None
        }
        Request::ParticipantRename(rename) if own == Some(rename.participant) => None,
        Request::ParticipantRename(_)
        | Request::LobbyAdmit(_)
        | Request::LobbyDeny(_)
        | Request::LobbyNote(_)
        | Request::ParticipantToLobby(_)
        | Request::ParticipantRemove(_)
        | Request::BanLift(_)
        | Request::InviteCreate(_)
        | Request::InviteRevoke(_)
        | Request::RoleSet(_)
        | Request::PermOverride(_)
        | Request::MediaMute(_)
        | Request::MediaRequest(_)
        | Request::MediaRequestReply(_)
        | Request::MediaGrant(_)
        | Request::MediaLock(_)
        | Request::RoomUpdate(_)
        | Request::HostTransfer(_)
        | Request::HandLower(_)
        | Request::HandLowerAll(_)
        | Request::HandNext(_)
        | Request::HostTransferReply(_)
        | Request::ChatDelete(_)
        | Request::ChatPin(_)
        | Request::ChatClear(_)
        | Request::ChatExport(_)
        | Request::PanicSuspend(_)
        | Request::SessionAnnounce(_)
        | Request::SessionEnd(_)
        | Request::SessionEndCancel(_) => Some((request.name(), false)),
        _ => None,
    }
}

impl Model {
    pub(crate) fn message(
        &mut self,
        seen: &mut Seen,
        link: LinkId,
        message: &Result<RequestFrame, Malformed>,
    ) {
        if let Some(key) = self.of_link(link) {
            self.hear_member(seen, link, key, message);
        } else if let Some(knock) = self.waiter_of(link) {
            self.hear_waiter(link, knock, message);
        } else if self.stewards.contains_key(&link) {
            self.hear_steward(seen, link, message);
        }
        self.settle(seen);
    }

    pub(crate) fn is_owed(&self, link: LinkId, id: u32) -> bool {
        let to = To::Link(link, id);
        let asked = self
            .people
            .values()
            .flat_map(|person| person.asked.values());
        self.held.values().any(|(other, _, _)| *other == to)
            || self.hashing.values().any(|hashing| hashing.to == to)
            || asked
                .into_iter()
                .any(|asked| To::Link(asked.link, asked.id) == to)
    }

    pub(crate) fn hear_member(
        &mut self,
        seen: &mut Seen,
        link: LinkId,
        key: MemberKey,
        message: &Result<RequestFrame, Malformed>,
    ) {
        let now = self.now;
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        if !person.messages.take(now) {
            return self.cut(link, CloseCode::Rate);
        }
        let own = person.id;
        let frame = match message {
            Err(Malformed::Unreadable) => return self.cut(link, CloseCode::Protocol),
            Err(Malformed::Refused { id, error }) => {
                return self.tell(To::Link(link, *id), Outcome::no(error.code));
            }
            Ok(frame) => frame,
        };
        if self.is_owed(link, frame.id) {
            return self.cut(link, CloseCode::Protocol);
        }
        let to = To::Link(link, frame.id);
        let answer = self.perform(seen, key, to, &frame.request);
        if let Some((action, is_reading)) = deed(&frame.request, Some(own)) {
            match &answer {
                // The password is hashed first; it is written down then.
                Ok(None) if self.hashing.values().any(|hashing| hashing.to == to) => {}
                Ok(_) if is_reading => {}
                Ok(_) => self.write_down(action, "ok"),
                Err((code, _)) => {
                    let person = self.people.get_mut(&key);
                    if person.is_none_or(|person| person.refusals.take(now)) {
                        self.write_down(action, code.name());
                    }
                }
            }
        }
        self.answer(to, answer);
    }

    pub(crate) fn answer(&mut self, to: To, answer: Answer) {
        match answer {
            Ok(None) => {}
            Ok(Some(outcome)) => self.tell(to, outcome),
            Err((code, field)) => self.tell(to, Outcome::No(code, field)),
        }
    }

    pub(crate) fn perform(
        &mut self,
        seen: &mut Seen,
        key: MemberKey,
        to: To,
        request: &Request,
    ) -> Answer {
        let authority = self.authority(key);
        let by = authority.actor.participant();
        match request {
            Request::Leave(_) => {
                let person = self.take_out(key);
                if let (Some(_), To::Link(link, _)) = (person, to) {
                    self.close(link, CloseCode::Normal);
                }
                done()
            }
            Request::ParticipantRename(rename) => self.rename(key, &authority, rename),
            Request::TrackState(state) => self.track_state(key, state),
            Request::MediaPublish(publish) => self.publish(seen, key, to, publish),
            Request::MediaUnpublish(unpublish) => {
                let any = match unpublish.source {
                    Source::Screen => self.end_share(key, ErrorCode::Conflict),
                    source => self.end(key, &[source], ErrorCode::Conflict),
                };
                if any {
                    done()
                } else {
                    Err((ErrorCode::NotFound, Some("source")))
                }
            }
            Request::ScreenStart(start) => self.start_screen(seen, key, &authority, to, start),
            Request::ScreenPause(pause) => self.pause_screen(key, pause),
            Request::ScreenTakeoverReply(reply) => self.answer_takeover(seen, key, to, reply),
            Request::LobbyAdmit(admit) => self.admit_waiting(seen, &authority, to, admit),
            Request::LobbyDeny(deny) => self.deny_waiting(seen, &authority, deny),
            Request::LobbyNote(note) => {
                require(&authority, Permission::LobbyManage)?;
                match self.waiting.get_mut(&note.knock) {
                    Some(waiter) => {
                        waiter.note = note.text.as_ref().map(|text| text.as_str().to_owned());
                        done()
                    }
                    None if self.handled.contains_key(&note.knock) => {
                        Err((ErrorCode::AlreadyHandled, None))
                    }
                    None => Err((ErrorCode::NotFound, Some("knock"))),
                }
            }
            Request::ParticipantToLobby(order) => {
                require(&authority, Permission::ParticipantToLobby)?;
                let target = self.lower(&authority, order.participant)?;
                self.send_to_lobby(seen, &authority, target);
                self.once_stopped(seen, to, "done")
            }
            Request::ParticipantRemove(order) => self.remove(seen, &authority, to, order),
            Request::BanList(_) => self.list_bans(&authority),
            Request::BanLift(lift) => {
                require(&authority, Permission::BanManage)?;
                self.lift(lift.ban)
            }
            Request::InviteCreate(create) => self.create_invite(seen, &authority, create),
            Request::InviteList(_) => self.list_invites(&authority),
            Request::InviteRevoke(order) => self.revoke_invite(seen, &authority, to, order),
            Request::RoleSet(set) => self.set_role(seen, &authority, to, set),
            Request::PermOverride(order) => self.override_one(seen, &authority, to, order),
            Request::MediaMute(mute) => self.mute_others(seen, key, &authority, to, mute),
            Request::MediaRequest(ask) => self.request_media(seen, key, &authority, ask),
            Request::MediaRequestReply(reply) => {
                let mut prompts = self.prompts.iter();
                let place = prompts
                    .position(|prompt| {
                        let is_named = prompt.id != crate::calling::unnamed();
                        is_named && prompt.id == reply.request && prompt.asked == key
                    })
                    .ok_or((ErrorCode::NotFound, Some("request")))?;
                let prompt = self.prompts.remove(place);
                self.expected.answered.push((prompt.asker, prompt.id));
                done()
            }
            Request::MediaGrant(grant) => self.grant(seen, &authority, to, grant),
            Request::MediaLock(lock) => {
                require(&authority, Permission::MediaLockAll)?;
                self.pace(key)?;
                self.lock(seen, &authority, to, lock)
            }
            Request::RoomUpdate(update) => {
                self.pace(key)?;
                self.update_room(seen, &authority, to, update)
            }
            Request::ChatSend(send) => self.write(seen, key, send),
            Request::ChatEdit(edit) => self.edit_chat(key, edit),
            Request::ChatDelete(delete) => self.delete_chat(key, delete),
            Request::ChatReact(react) => self.react(key, react),
            Request::ChatPin(pin) => self.pin_chat(key, pin),
            Request::ChatClear(clear) => {
                require(&authority, Permission::ChatClear)?;
                self.pace(key)?;
                self.clear_chat(&authority, clear)
            }
            Request::ChatExport(_) => self.export_chat(key, &authority),
            Request::HandRaise(_) => self.raise(key),
            Request::HandLower(lower) => self.lower_hand(seen, key, &authority, to, lower),
            Request::HandLowerAll(_) => self.lower_all(seen, key, &authority, to),
            Request::HandNext(next) => self.call_next(seen, key, &authority, to, next),
            Request::ReactionSend(send) => self.send_reaction(key, send),
            Request::TurnRefresh(_) => self.refresh_relay(key),
            Request::SessionAnnounce(_) => self.announce(key, &authority),
            Request::PanicSuspend(order) => self.suspend(seen, key, &authority, to, order),
            Request::HostTransfer(transfer) => self.offer_host(seen, key, &authority, transfer),
            Request::HostTransferReply(reply) => self.answer_offer(seen, key, to, reply),
            Request::SessionEnd(end) => {
                require(&authority, Permission::SessionEnd)?;
                if end.countdown_s > 0 {
                    self.pace(key)?;
                }
                self.end_by(&authority, end)
            }
            Request::SessionEndCancel(_) => {
                require(&authority, Permission::SessionEnd)?;
                self.pace(key)?;
                self.cancel_end(&authority)
            }
            Request::LobbyPing(_) => Err((ErrorCode::BadRequest, None)),
            other => unreachable!("no history says {}: {by:?}", other.name()),
        }
    }

    /// Twenty changes of the room at once, two a second.
    pub(crate) fn pace(&mut self, key: MemberKey) -> Result<(), Refusal> {
        let now = self.now;
        let person = self.people.get_mut(&key);
        match person.is_none_or(|person| person.changes.take(now)) {
            true => Ok(()),
            false => Err((ErrorCode::RateLimited, None)),
        }
    }

    /// Somebody whom the sender outranks.
    pub(crate) fn lower(
        &self,
        by: &Authority,
        target: ParticipantId,
    ) -> Result<MemberKey, Refusal> {
        let unknown = (ErrorCode::NotFound, None);
        let key = self.of_id(target).ok_or(unknown)?;
        if let Some(own) = by.actor.participant().and_then(|id| self.of_id(id))
            && !self.sees(own, key)
        {
            return Err(unknown);
        }
        match outranks(by.role, self.people[&key].role) {
            true => Ok(key),
            false => Err(FORBIDDEN),
        }
    }

    pub(crate) fn rename(
        &mut self,
        key: MemberKey,
        by: &Authority,
        rename: &ParticipantRename,
    ) -> Answer {
        let target = if self.people[&key].id == rename.participant {
            require(by, Permission::SelfRename)?;
            let invite = self.people[&key]
                .invite
                .and_then(|id| self.invites.get(&id));
            if invite.is_some_and(|invite| invite.name_locked) {
                return Err(FORBIDDEN);
            }
            key
        } else {
            require(by, Permission::ParticipantRename)?;
            self.lower(by, rename.participant)?
        };
        if self.people[&target].name == rename.name {
            return Ok(Some(Outcome::ok("renamed")));
        }
        let given = (target != key).then(|| rename.name.clone());
        let device = self.people[&target].device;
        if given.is_some() || self.standing(&device).is_some() {
            self.change_standing(device, |standing| standing.name = given);
        }
        if let Some(person) = self.people.get_mut(&target) {
            person.name = rename.name.clone();
        }
        Ok(Some(Outcome::ok("renamed")))
    }
}

/// `rev`s are the room's to count; it is compared that all see the same.
pub(crate) fn seen_rev(model: &Model, key: MemberKey) -> u32 {
    model.revs.get(&model.people[&key].id).copied().unwrap_or(0)
}

pub(crate) fn require(by: &Authority, permission: Permission) -> Result<(), Refusal> {
    match by.may.contains(&permission) {
        true => Ok(()),
        false => Err(FORBIDDEN),
    }
}

pub(crate) fn check_ttl(ttl_s: Option<u32>) -> Result<(), Refusal> {
    match ttl_s {
        Some(0) => Err(bad("ttl_s")),
        Some(ttl_s) if ttl_s > 86_400 => Err(bad("ttl_s")),
        _ => Ok(()),
    }
}

pub(crate) fn find_custom<'a>(
    room: &'a Room,
    name: &RoleName,
    base: Role,
) -> Option<&'a CustomRole> {
    let mut customs = room.custom_roles.iter();
    customs.find(|custom| custom.name == *name && custom.base == base)
}

pub(crate) fn from_source(source: control::Source) -> Source {
    match source {
        control::Source::Microphone => Source::Microphone,
        control::Source::Camera => Source::Camera,
        control::Source::Screen => Source::Screen,
        control::Source::ScreenAudio => Source::ScreenAudio,
    }
}
