//! The lobby as the room keeps it: coming into it, out of it, and what is said
//! on both sides of its door.

use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::ids::KnockId;
use conclave_signalling_wire::limits::{LOBBY_GONE_AFTER, LOBBY_PING_EVERY};
use conclave_signalling_wire::lobby::{
    InLobby, LobbyOutcome, LobbyResult, LobbyResults, LobbyStatus, WaitingState,
};
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::reply::JoinOutcome;
use conclave_signalling_wire::request::{
    LobbyAdmit, LobbyDeny, LobbyNote, ParticipantToLobby, Request,
};

use crate::digest::{DeviceHash, consent_hash};
use crate::lobby::{Marks, Past, Place, Visitor};
use crate::output::{LinkId, Notice, Output, Reply};
use crate::permission::may_hold;
use crate::rate::seconds;
use crate::record::Actor;
use crate::room::Room;
use crate::room::arrive::Way;
use crate::room::audit::Act;
use crate::room::door::Candidate;
use crate::room::requests::{Answer, Asker, ReplyTo};
use crate::room::rights::Authority;
use crate::room::seats::Seat;
use crate::room::standing::note_admission;

/// Knocks that one request names.
const NAMED_MAX: usize = 200;
/// A day: the longest time for which a device is sent away without a ban.
const BLOCK_S_MAX: u32 = 86_400;

impl Room {
    /// Gives somebody a place in the lobby, or the one that its device has.
    pub(super) fn wait(
        &mut self,
        link: LinkId,
        id: u32,
        candidate: Candidate,
    ) -> Result<(), ErrorBody> {
        let (marks, visitor) = (candidate.marks(), candidate.visitor);
        let knock = match self.lobby.of_device(&visitor.device) {
            Some(knock) => {
                let old = self.lobby.take_again(self.now, knock, link, visitor, marks);
                if let Some(old) = old {
                    self.close(old, CloseCode::TakenOver);
                }
                knock
            }
            None => {
                let place = self.lobby.has_place(&visitor, marks.identity);
                place.map_err(no_place)?;
                self.add_knock(Some(link), visitor, marks)
            }
        };
        self.links.insert(link, Seat::Waiter(knock));
        let Some(known) = self.lobby.get(knock) else {
            return Ok(());
        };
        let has_note = known.has_note();
        let in_lobby = InLobby {
            knock,
            state: known.state,
            message: self.told_message.clone(),
            heartbeat_s: seconds(LOBBY_PING_EVERY),
        };
        self.reply(link, id, Reply::Join(JoinOutcome::Lobby(in_lobby)));
        if has_note {
            self.tell_waiter(knock);
        }
        Ok(())
    }

    fn add_knock(&mut self, link: Option<LinkId>, visitor: Visitor, marks: Marks) -> KnockId {
        let since = self.time();
        let knock = KnockId::new(since.unix_ms(), self.random());
        let place = Place {
            visitor,
            marks,
            state: self.waiting_state(),
            since: since.whole_seconds(),
        };
        self.lobby.add(self.now, knock, link, place);
        self.tell_waiting(knock);
        knock
    }

    fn waiting_state(&self) -> WaitingState {
        if self.is_waiting_for_host() {
            WaitingState::WaitingForHost
        } else {
            WaitingState::Waiting
        }
    }

    /// Takes a message of somebody who waits.
    pub(super) fn hear_waiter(
        &mut self,
        link: LinkId,
        knock: KnockId,
        message: Result<RequestFrame, Malformed>,
    ) {
        let Some(known) = self.lobby.get_mut(knock) else {
            return;
        };
        if !known.heard(self.now) {
            return self.cut(link, CloseCode::Rate);
        }
        match message {
            Err(Malformed::Unreadable) => self.cut(link, CloseCode::Protocol),
            Err(Malformed::Refused { id, error }) => self.refuse(link, id, *error),
            Ok(RequestFrame { id, request }) => match request {
                Request::LobbyPing(_) => self.reply(link, id, Reply::Done),
                Request::Leave(_) => {
                    self.lobby.take_out(knock);
                    self.reply(link, id, Reply::Done);
                    self.close(link, CloseCode::Normal);
                }
                _ => self.refuse(link, id, ErrorCode::BadRequest.into()),
            },
        }
    }

    /// Takes those out of whom nothing was heard for too long.
    pub(super) fn expire_knocks(&mut self) {
        for knock in self.lobby.overdue(self.now) {
            let known = self.lobby.take_out(knock);
            if let Some(link) = known.and_then(|known| known.link()) {
                self.close(link, CloseCode::Idle);
            }
        }
    }

    /// Returns when the lobby next has something to do.
    pub(super) fn lobby_deadline(&self) -> Option<Instant> {
        let gone = self.lobby.iter().map(|(_, knock)| knock.gone_at());
        gone.chain(self.lobby.update_due(self.now)).min()
    }

    /// Gives up the place of a device that comes in another way.
    pub(super) fn forget_knock_of(&mut self, device: &DeviceHash) {
        let Some(knock) = self.lobby.of_device(device) else {
            return;
        };
        let known = self.lobby.take_out(knock);
        if let Some(link) = known.and_then(|known| known.link()) {
            self.close(link, CloseCode::TakenOver);
        }
    }

    /// Tells one who waits how its knock stands.
    fn tell_waiter(&mut self, knock: KnockId) {
        let link = self.lobby.get(knock).and_then(|known| known.link());
        let status = self.lobby.status(knock, self.told_message.as_deref());
        if let (Some(link), Some(status)) = (link, status) {
            self.push_to(link, status);
        }
    }

    fn push_to(&mut self, link: LinkId, status: LobbyStatus) {
        self.outputs.push_back(Output::Push {
            link,
            seq: None,
            notice: Notice::new(status),
        });
    }

    /// Tells those who wait what has become different for them, and brings those
    /// in who waited for a host only.
    pub(super) fn settle_waiters(&mut self) {
        let message = &self.settings.lobby_message;
        let is_new_message = self.told_message != *message;
        if is_new_message {
            self.told_message.clone_from(message);
        }
        let state = self.waiting_state();
        let knocks: Vec<(KnockId, WaitingState)> = self
            .lobby
            .iter()
            .map(|(knock, known)| (knock, known.state))
            .collect();
        for (knock, before) in knocks {
            let is_over = before == WaitingState::WaitingForHost && state == WaitingState::Waiting;
            if is_over && self.let_in_by_itself(knock) {
                continue;
            }
            if self.lobby.set_state(knock, state) || is_new_message {
                self.tell_waiter(knock);
            }
        }
    }

    /// Brings somebody in who waited for nothing but a host. Returns whether it did.
    fn let_in_by_itself(&mut self, knock: KnockId) -> bool {
        let Some(known) = self.lobby.get(knock) else {
            return false;
        };
        let Ok(candidate) = self.candidate(known.visitor.clone()) else {
            return false;
        };
        let is_kept_out = self.settings.locked || self.must_wait(&candidate);
        if is_kept_out || known.link().is_none() {
            return false;
        }
        let Ok(twin) = self.is_still_welcome(&candidate) else {
            return false;
        };
        if !self.has_place(&candidate, twin.is_some()) {
            return false;
        }
        self.audit(Act {
            actor: Actor::Room,
            prefix: None,
            action: "lobby.admit",
            target: Some(knock.to_string()),
            detail: None,
        });
        self.replace(twin);
        self.let_in(knock, candidate, Actor::Room);
        true
    }

    /// Brings somebody in from the lobby. Whoever was admitted by somebody, and
    /// not by the room itself, need not wait again in this meeting.
    fn let_in(&mut self, knock: KnockId, candidate: Candidate, by: Actor) {
        let Some(known) = self.lobby.handle(knock, by.participant()) else {
            return;
        };
        let name = candidate.visitor.name.clone();
        match known.link().filter(|_| candidate.visitor.member.is_some()) {
            Some(link) => {
                let is_admitted = by != Actor::Room;
                self.admit(candidate, link, Way::Lobby { knock, is_admitted });
            }
            // Its link broke, perhaps by a reload: it comes in when it comes back.
            None => {
                let Candidate {
                    visitor,
                    role,
                    custom_role,
                    by_claim,
                    invite,
                    ..
                } = candidate;
                self.change_standing(visitor.device, |standing| {
                    standing.invite = invite.or(standing.invite);
                    note_admission(standing, (role, custom_role), &by_claim);
                });
                if let Some(link) = known.link() {
                    self.links.remove(&link);
                    self.outputs.push_back(Output::Release { link });
                }
            }
        }
        let link = known.link();
        let came_in = link.and_then(|link| self.participant_of(link));
        let came_in = came_in.map(|face| face.id);
        self.tell_admitted(knock, &name, came_in, by);
    }

    /// Sends somebody away from the lobby, whose link may try again.
    pub(super) fn dismiss(
        &mut self,
        knock: KnockId,
        by: Actor,
        reason: Option<&str>,
        block_s: u32,
    ) {
        let Some(known) = self.lobby.handle(knock, by.participant()) else {
            return;
        };
        self.tell_denied(knock, &known.visitor, by, block_s);
        if block_s > 0 {
            self.block(by, &known.visitor, reason, block_s);
        }
        if let Some(link) = known.link() {
            let denied = LobbyStatus::Denied {
                knock,
                reason: reason.map(str::to_owned),
                block_s,
            };
            self.push_to(link, denied);
            self.links.remove(&link);
            self.outputs.push_back(Output::Release { link });
        }
    }

    /// Tells those who may admit who waits, if that changed or they do not know.
    pub(super) fn tell_watchers(&mut self) {
        let now = self.now;
        let is_due = self.lobby.update_due(now).is_some_and(|due| due <= now);
        let is_blank = self.lobby.rev() == 0;
        let mut untold = Vec::new();
        for (key, member) in &mut self.members {
            let watches = member.permissions.contains(Permission::LobbyManage);
            if watches && !is_blank && (is_due || !member.knows_lobby) && member.link().is_some() {
                untold.push(*key);
            }
            member.knows_lobby = watches;
        }
        if !untold.is_empty() {
            let notice = Notice::new(self.lobby.list(now));
            for key in untold {
                self.tell(key, &notice);
            }
        }
        if is_due {
            self.lobby.told(now);
        }
    }

    pub(super) fn admit_waiting(&mut self, asker: Asker, order: LobbyAdmit) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.admit_for(&authority, asker.to(), order)
    }

    /// Admits those who wait on anybody's authority.
    pub(super) fn admit_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        order: LobbyAdmit,
    ) -> Answer {
        authority.require(Permission::LobbyManage)?;
        // A locked room lets nobody in but hosts, who do not wait.
        if self.settings.locked {
            return Err(ErrorCode::Locked.into());
        }
        let knocks = self.named(order.knocks, order.all_up_to_rev)?;
        if let Some(role) = order.as_role {
            self.check_role(authority, role, &knocks)?;
        }
        let by = authority.actor;
        let results: Vec<LobbyResult> = knocks
            .into_iter()
            .map(|knock| self.admit_one(knock, by, order.as_role))
            .collect();
        self.sum_up(to, results)
    }

    /// Asks that the sender may give a role to everybody whom it admits as such:
    /// to give another than somebody comes with is to assign it.
    fn check_role(
        &self,
        authority: &Authority,
        role: Role,
        knocks: &[KnockId],
    ) -> Result<(), ErrorBody> {
        let assigns = authority.permissions.contains(Permission::RoleAssign);
        let known = knocks.iter().filter_map(|knock| self.lobby.get(*knock));
        // What they are at present: it may have changed since they knocked. Whom
        // nothing lets in any more is not admitted as anything.
        let mut candidates = known.filter_map(|known| self.candidate(known.visitor.clone()).ok());
        let may_all = candidates.all(|candidate| {
            authority.may_act_on(candidate.role)
                && may_hold(&self.settings, candidate.identity, role)
                && (assigns || candidate.role == role)
        });
        if authority.may_act_on(role) && may_all {
            Ok(())
        } else {
            Err(ErrorBody::from(ErrorCode::Forbidden).field("as_role"))
        }
    }

    fn admit_one(&mut self, knock: KnockId, by: Actor, role: Option<Role>) -> LobbyResult {
        let Some(known) = self.lobby.get(knock) else {
            return self.past(knock);
        };
        let result = |result| LobbyResult {
            knock,
            result,
            by: None,
        };
        let candidate = self.candidate(known.visitor.clone());
        let candidate = candidate.and_then(|candidate| {
            let twin = self.is_still_welcome(&candidate)?;
            Ok((candidate, twin))
        });
        // What it came with has ended while it waited, or it has to be asked again.
        let Ok((mut candidate, twin)) = candidate else {
            self.dismiss(knock, by, None, 0);
            return result(LobbyOutcome::Denied);
        };
        if !self.has_place(&candidate, twin.is_some()) {
            return result(LobbyOutcome::Full);
        }
        if let Some(role) = role.filter(|role| *role != candidate.role) {
            candidate.role = role;
            candidate.custom_role = None;
        }
        self.replace(twin);
        self.let_in(knock, candidate, by);
        result(LobbyOutcome::Admitted)
    }

    pub(super) fn deny_waiting(&mut self, asker: Asker, order: LobbyDeny) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.deny_for(&authority, asker.to(), order)
    }

    /// Sends those away who wait on anybody's authority.
    pub(super) fn deny_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        order: LobbyDeny,
    ) -> Answer {
        authority.require(Permission::LobbyManage)?;
        if order.block_s > BLOCK_S_MAX {
            return Err(ErrorBody::bad("block_s"));
        }
        let knocks = self.named(order.knocks, order.all_up_to_rev)?;
        let by = authority.actor;
        let reason = order.reason.as_ref().map(|reason| reason.as_str());
        let mut results = Vec::with_capacity(knocks.len());
        for knock in knocks {
            if self.lobby.get(knock).is_none() {
                results.push(self.past(knock));
                continue;
            }
            self.dismiss(knock, by, reason, order.block_s);
            results.push(LobbyResult {
                knock,
                result: LobbyOutcome::Denied,
                by: None,
            });
        }
        self.sum_up(to, results)
    }

    /// Returns which knocks a request names.
    fn named(
        &self,
        knocks: Option<Vec<KnockId>>,
        all_up_to_rev: Option<u32>,
    ) -> Result<Vec<KnockId>, ErrorBody> {
        match (knocks, all_up_to_rev) {
            (Some(knocks), None) if knocks.len() <= NAMED_MAX => Ok(knocks),
            (None, Some(rev)) => Ok(self.lobby.listed_up_to(rev)),
            _ => Err(ErrorBody::bad("knocks")),
        }
    }

    fn past(&self, knock: KnockId) -> LobbyResult {
        let (result, by) = match self.lobby.past(knock) {
            Past::Handled(by) => (LobbyOutcome::AlreadyHandled, by),
            Past::Gone => (LobbyOutcome::Gone, None),
        };
        LobbyResult { knock, result, by }
    }

    /// Answers with what became of each. Whoever came in may have replaced a page of
    /// its own: that one is out first.
    fn sum_up(&mut self, to: ReplyTo, results: Vec<LobbyResult>) -> Answer {
        let count = |outcome| results.iter().filter(|one| one.result == outcome).count();
        let (admitted, denied) = (count(LobbyOutcome::Admitted), count(LobbyOutcome::Denied));
        let outcome = format!("{admitted} admitted, {denied} denied of {}", results.len());
        self.deeds.outcome = Some(outcome);
        self.once_stopped(to, Reply::Lobby(LobbyResults { results }))
    }

    pub(super) fn note_waiting(&mut self, asker: Asker, order: LobbyNote) -> Answer {
        self.require(asker.key, Permission::LobbyManage)?;
        let text = order.text.map(|text| text.as_str().to_owned());
        if !self.lobby.set_note(order.knock, text) {
            return Err(match self.lobby.past(order.knock) {
                Past::Handled(Some(by)) => ErrorBody::from(ErrorCode::AlreadyHandled).by(by),
                Past::Handled(None) => ErrorCode::AlreadyHandled.into(),
                Past::Gone => ErrorBody::from(ErrorCode::NotFound).field("knock"),
            });
        }
        self.tell_waiter(order.knock);
        Ok(Some(Reply::Done))
    }

    pub(super) fn send_to_lobby(&mut self, asker: Asker, order: ParticipantToLobby) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.send_back_for(&authority, asker.to(), order)
    }

    /// Sends a participant back to the lobby on anybody's authority.
    pub(super) fn send_back_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        order: ParticipantToLobby,
    ) -> Answer {
        let target = self.reach(authority, Permission::ParticipantToLobby, order.participant)?;
        let member = self.members.get(&target).ok_or(ErrorCode::NotFound)?;
        let device = member.device;
        let mut others = self.lower_of_device(authority, device)?;
        others.retain(|other| *other != target);
        self.note_sent_back(target);
        let member = self.remove(target, LeftReason::ToLobby);
        let member = member.ok_or(ErrorCode::NotFound)?;
        // There is one place in the lobby for all pages of a device.
        for other in others {
            let other = self.remove(other, LeftReason::ToLobby);
            if let Some(link) = other.and_then(|other| other.link()) {
                self.close(link, CloseCode::TakenOver);
            }
        }
        self.forget_knock_of(&device);
        let visitor = Visitor {
            member: None,
            prefix: member.prefix,
            networks: member.networks.clone(),
            name: member.face.name.clone(),
            device,
            claim: member.claim.clone(),
            distrusted: false,
            address: None,
            // It agreed to the text of the room that it was in.
            consent: self.settings.consent_text.as_deref().map(consent_hash),
            choice: None,
            relay_host: Arc::clone(&member.relay_host),
        };
        let candidate = self.candidate(visitor.clone());
        let marks = candidate.as_ref().map_or_else(
            |_| Marks {
                identity: member.face.identity,
                invite_note: None,
                previous_kick: false,
                network_banned: false,
            },
            Candidate::marks,
        );
        let knock = self.add_knock(member.link(), visitor, marks);
        self.outputs.push_back(Output::DrawKey { knock });
        if let Some(link) = member.link() {
            // Who waits hears nothing of what it asked for in the room.
            self.barriers.forget(link);
            self.hashings.forget(link);
            self.links.insert(link, Seat::Waiter(knock));
            self.tell_waiter(knock);
        }
        self.once_stopped(to, Reply::Done)
    }

    /// Takes the key that was drawn for somebody who was sent back to the lobby.
    pub fn handle_key(&mut self, knock: KnockId, key: MemberKey) {
        if let Some(known) = self.lobby.get_mut(knock) {
            known.visitor.member.get_or_insert(key);
        }
    }
}

fn no_place(code: ErrorCode) -> ErrorBody {
    let error = ErrorBody::from(code);
    match code {
        ErrorCode::RateLimited => error.retry_after_s(seconds(LOBBY_GONE_AFTER)),
        _ => error,
    }
}
