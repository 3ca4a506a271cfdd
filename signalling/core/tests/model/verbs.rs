//! The model of what is asked: by participants, by who waits, by who manages the
//! room, by the operator, and what the media plane answers.

use std::collections::{BTreeMap, BTreeSet};

use conclave_sfu_wire::control::{self, Event, MemberKey};
use conclave_signalling_core::digest::{DeviceHash, InviteHash, consent_hash};
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::record::{Actor, Ban, Invite};
use conclave_signalling_core::room::OperatorRequest;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::ids::{InviteId, KnockId, ParticipantId};
use conclave_signalling_wire::invite::InviteState;
use conclave_signalling_wire::lobby::LobbyOutcome;
use conclave_signalling_wire::moderation::{OverrideEffect, RevokedReason, Target};
use conclave_signalling_wire::objects::{
    CustomRole, Effect, Override, Permission, Role, Room, Source,
};
use conclave_signalling_wire::request::{
    BanOrder, InviteCreate, InviteRevoke, LobbyAdmit, LobbyDeny, MediaGrant, MediaLock, MediaMute,
    MediaPublish, MediaRequest, ParticipantRemove, ParticipantRename, PermOverride, Request,
    RoleSet, RoomUpdate, TrackState,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::text::RoleName;

use crate::door::Verdict;
use crate::model::{
    Answer, Asked, Authority, Hashing, Model, Prompt, Publication, Refusal, SHARE, To, Visitor, at,
    who,
};
use crate::rules::{self, Who, lock_of, outranks};
use crate::seen::{Outcome, Seen, lobby_words};

const FORBIDDEN: Refusal = (ErrorCode::Forbidden, None);

fn bad(field: &'static str) -> Refusal {
    (ErrorCode::BadRequest, Some(field))
}

fn done() -> Answer {
    Ok(Some(Outcome::ok("done")))
}

/// Under which name a request is written down, and whether it only reads;
/// `None` for what concerns its sender alone.
fn deed(request: &Request, own: Option<ParticipantId>) -> Option<(&'static str, bool)> {
    match request {
        Request::BanList(_) | Request::InviteList(_) => Some((request.name(), true)),
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
        | Request::RoomUpdate(_) => Some((request.name(), false)),
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

    fn is_owed(&self, link: LinkId, id: u32) -> bool {
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

    fn hear_member(
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

    fn answer(&mut self, to: To, answer: Answer) {
        match answer {
            Ok(None) => {}
            Ok(Some(outcome)) => self.tell(to, outcome),
            Err((code, field)) => self.tell(to, Outcome::No(code, field)),
        }
    }

    fn perform(&mut self, seen: &mut Seen, key: MemberKey, to: To, request: &Request) -> Answer {
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
            Request::ScreenStart(start) => {
                require(&authority, Permission::PublishScreen)?;
                if start.audio {
                    require(&authority, Permission::PublishScreenAudio)?;
                }
                self.acquire(key)?;
                Ok(Some(Outcome::ok("screen started")))
            }
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
                    .position(|prompt| prompt.id == reply.request && prompt.asked == key)
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
            Request::LobbyPing(_) => Err((ErrorCode::BadRequest, None)),
            other => unreachable!("no history says {}: {by:?}", other.name()),
        }
    }

    /// Twenty changes of the room at once, two a second.
    fn pace(&mut self, key: MemberKey) -> Result<(), Refusal> {
        let now = self.now;
        let person = self.people.get_mut(&key);
        match person.is_none_or(|person| person.changes.take(now)) {
            true => Ok(()),
            false => Err((ErrorCode::RateLimited, None)),
        }
    }

    /// Somebody whom the sender outranks.
    fn lower(&self, by: &Authority, target: ParticipantId) -> Result<MemberKey, Refusal> {
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

    fn rename(&mut self, key: MemberKey, by: &Authority, rename: &ParticipantRename) -> Answer {
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

    // --- own media

    fn track_state(&mut self, key: MemberKey, state: &TrackState) -> Answer {
        let may = self.holds(key, Permission::to_publish(state.source));
        if !state.muted && !may {
            return Err(FORBIDDEN);
        }
        let Some(person) = self.people.get_mut(&key) else {
            return Err((ErrorCode::NotFound, None));
        };
        let (live, asked) = (
            person.live.get_mut(&state.source),
            person.asked.get_mut(&state.source),
        );
        if live.is_none() && asked.is_none() {
            return Err((ErrorCode::NotFound, Some("source")));
        }
        if let Some(live) = live.filter(|live| live.muted != state.muted) {
            (live.muted, live.by) = (state.muted, None);
        }
        if let Some(asked) = asked.filter(|asked| asked.muted != state.muted) {
            (asked.muted, asked.by) = (state.muted, None);
        }
        done()
    }

    /// There is one screen.
    fn acquire(&mut self, key: MemberKey) -> Result<(), Refusal> {
        match self.share {
            Some((holder, _)) if holder != key => Err((ErrorCode::Busy, None)),
            Some(_) => Ok(()),
            None => {
                self.share = Some((key, Some(self.now + 60_000)));
                Ok(())
            }
        }
    }

    fn publish(
        &mut self,
        seen: &mut Seen,
        key: MemberKey,
        to: To,
        publish: &MediaPublish,
    ) -> Answer {
        let source = publish.source;
        let is_sound = source == Source::ScreenAudio;
        if !self.holds(key, Permission::to_publish(source))
            || is_sound && !self.holds(key, Permission::PublishScreen)
        {
            self.end(key, &[source], ErrorCode::Conflict);
            return Err(FORBIDDEN);
        }
        let cap = match source {
            Source::Microphone => self.room.caps.microphone,
            Source::Camera => self.room.caps.camera,
            Source::Screen | Source::ScreenAudio => None,
        };
        let others = self.people.iter().filter(|(other, person)| {
            **other != key
                && (person.live.contains_key(&source) || person.asked.contains_key(&source))
        });
        if cap.is_some_and(|cap| others.count() >= cap as usize) {
            self.end(key, &[source], ErrorCode::Conflict);
            return Err((ErrorCode::Full, Some("source")));
        }
        if SHARE.contains(&source) {
            self.acquire(key)?;
        }
        let To::Link(link, id) = to else {
            return Ok(None);
        };
        let deadline = self.now + 10_000;
        let Some(person) = self.people.get_mut(&key) else {
            return Ok(None);
        };
        if person
            .asked
            .get(&source)
            .is_some_and(|asked| asked.link == link)
        {
            return Err((ErrorCode::Conflict, None));
        }
        let Some(attempt) = seen.attempts.pop() else {
            // The command that is missing is complained about: nobody answers.
            return Ok(Some(Outcome::ok("publish")));
        };
        let asked = Asked {
            link,
            id,
            attempt,
            muted: publish.muted,
            by: None,
            deadline,
        };
        person.asked.insert(source, asked);
        Ok(None)
    }

    pub(crate) fn media(&mut self, seen: &mut Seen, event: &Event) {
        match event {
            Event::Published {
                member,
                attempt,
                source,
                ..
            } => self.published(*member, *attempt, from_source(*source)),
            Event::PublishRefused {
                member,
                attempt,
                source,
                ..
            } => self.publish_refused(*member, *attempt, from_source(*source)),
            Event::Passed { number, .. } => {
                if let Some((to, outcome, _)) = self.held.remove(number) {
                    self.tell_if_there(to, outcome);
                }
            }
            _ => {}
        }
        self.settle(seen);
    }

    fn take_asked(&mut self, key: MemberKey, attempt: u32, source: Source) -> Option<Asked> {
        let person = self.people.get_mut(&key)?;
        let asked = person.asked.get(&source)?;
        (asked.attempt == attempt).then(|| person.asked.remove(&source))?
    }

    fn published(&mut self, key: MemberKey, attempt: u32, source: Source) {
        let Some(asked) = self.take_asked(key, attempt, source) else {
            return;
        };
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        let publication = Publication {
            muted: asked.muted,
            by: asked.by,
        };
        person.live.insert(source, publication);
        let is_here = person.link == Some(asked.link);
        if let Some((holder, until)) = self.share.as_mut()
            && *holder == key
            && source == Source::Screen
        {
            *until = None;
        }
        if is_here {
            self.tell(To::Link(asked.link, asked.id), Outcome::ok("published"));
        }
    }

    fn publish_refused(&mut self, key: MemberKey, attempt: u32, source: Source) {
        let Some(asked) = self.take_asked(key, attempt, source) else {
            return;
        };
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        person.live.remove(&source);
        if person.link == Some(asked.link) {
            let to = To::Link(asked.link, asked.id);
            self.tell(to, Outcome::no(ErrorCode::BadRequest));
        }
        if source == Source::Screen {
            self.end_share(key, ErrorCode::Conflict);
        }
    }

    // --- rights of others

    fn set_role(&mut self, seen: &mut Seen, by: &Authority, to: To, set: &RoleSet) -> Answer {
        require(by, Permission::RoleAssign)?;
        let key = self.lower(by, set.participant)?;
        let person = &self.people[&key];
        if !outranks(by.role, set.role) || !rules::may_hold(&self.room, person.identity, set.role) {
            return Err((ErrorCode::Forbidden, Some("role")));
        }
        if let Some(name) = &set.custom_role {
            let custom = find_custom(&self.room, name, set.role).ok_or(bad("custom_role"))?;
            if !custom.allow.iter().all(|key| by.may.contains(key)) {
                return Err((ErrorCode::Forbidden, Some("custom_role")));
            }
        }
        let after = Who {
            role: set.role,
            custom: set.custom_role.as_ref(),
            ..who(person)
        };
        let after = rules::all(&self.room, &self.locks, &after, self.now);
        let had = self.may(person);
        if after.difference(&had).any(|key| !by.may.contains(key)) {
            return Err((ErrorCode::Forbidden, Some("role")));
        }
        if seen_rev(self, key) != set.rev {
            return Err((ErrorCode::Conflict, Some("rev")));
        }
        if (person.role, &person.custom) == (set.role, &set.custom_role) {
            return Ok(Some(Outcome::ok("revised")));
        }
        if let Some(person) = self.people.get_mut(&key) {
            (person.role, person.custom) = (set.role, set.custom_role.clone());
        }
        self.note_standing(key);
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, "revised")
    }

    fn override_one(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &PermOverride,
    ) -> Answer {
        let is_media = order.key.publishes().is_some();
        if !(by.may.contains(&Permission::RoleAssign)
            || is_media && by.may.contains(&Permission::MediaGrant))
        {
            return Err(FORBIDDEN);
        }
        let key = self.lower(by, order.participant)?;
        if rules::FIXED.contains(&order.key) {
            return Err(bad("key"));
        }
        if !by.may.contains(&order.key) {
            return Err((ErrorCode::Forbidden, Some("key")));
        }
        check_ttl(order.ttl_s)?;
        if seen_rev(self, key) != order.rev {
            return Err((ErrorCode::Conflict, Some("rev")));
        }
        let effect = match order.effect {
            OverrideEffect::Allow => Some(Effect::Allow),
            OverrideEffect::Deny => Some(Effect::Deny),
            OverrideEffect::Clear => None,
        };
        self.except(key, &[order.key], effect, order.ttl_s);
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, "revised")
    }

    fn grant(&mut self, seen: &mut Seen, by: &Authority, to: To, grant: &MediaGrant) -> Answer {
        require(by, Permission::MediaGrant)?;
        let target = self.lower(by, grant.participant)?;
        let mut keys = vec![Permission::to_publish(grant.source)];
        if grant.source == Source::Screen {
            keys.push(Permission::PublishScreenAudio);
        }
        if grant.on && !keys.iter().all(|key| by.may.contains(key)) {
            return Err((ErrorCode::Forbidden, Some("source")));
        }
        check_ttl(grant.ttl_s)?;
        let until = grant
            .ttl_s
            .map_or(u64::MAX, |s| self.now + 1000 * u64::from(s));
        let denied_longer = |key: &Permission| {
            self.people[&target].overrides.iter().any(|known| {
                let end = known.expires_at.map_or(u64::MAX, |end| end.unix_ms());
                known.key == *key
                    && known.effect == Effect::Deny
                    && rules::is_live(known, self.now)
                    && end > until
            })
        };
        if !grant.on {
            keys.retain(|key| by.may.contains(key) || !denied_longer(key));
        }
        let key = target;
        let effect = if grant.on {
            Effect::Allow
        } else {
            Effect::Deny
        };
        self.except(key, &keys, Some(effect), grant.ttl_s);
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, "revised")
    }

    fn except(
        &mut self,
        key: MemberKey,
        keys: &[Permission],
        effect: Option<Effect>,
        ttl_s: Option<u32>,
    ) {
        let expires_at = ttl_s.map(|ttl_s| at(self.now + 1000 * u64::from(ttl_s)));
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        person.overrides.retain(|known| !keys.contains(&known.key));
        for key in keys {
            person.overrides.extend(effect.map(|effect| Override {
                key: *key,
                effect,
                expires_at,
            }));
        }
        self.note_standing(key);
    }

    fn mute_others(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        by: &Authority,
        to: To,
        mute: &MediaMute,
    ) -> Answer {
        require(by, Permission::MediaMute)?;
        if mute.sources.is_empty() || mute.sources.len() > 4 {
            return Err(bad("sources"));
        }
        let targets = match &mute.target {
            Target::Participant { participant } => vec![self.lower(by, *participant)?],
            Target::AllExcept { participants } => self.keys_of(|person| {
                outranks(by.role, person.role) && !participants.contains(&person.id)
            }),
        };
        let actor = Some(self.people[&own].id);
        let mut muted = Vec::new();
        for key in targets {
            let mut any = false;
            for source in &mute.sources {
                any |= match SHARE.contains(source) {
                    true => self.revoke(key, *source, RevokedReason::Stopped),
                    false => self.mute(key, *source, RevokedReason::Muted, actor),
                };
            }
            let is_seen = self.sees(own, key);
            muted.extend((any && is_seen).then(|| self.people[&key].id));
        }
        self.once_stopped(seen, to, format!("muted {muted:?}"))
    }

    fn request_media(
        &mut self,
        seen: &mut Seen,
        asker: MemberKey,
        by: &Authority,
        ask: &MediaRequest,
    ) -> Answer {
        require(by, Permission::MediaRequest)?;
        let asked = self.lower(by, ask.participant)?;
        let pair = (asker, asked);
        let same = |prompt: &&Prompt| {
            (prompt.asker, prompt.asked, prompt.source) == (asker, asked, ask.source)
        };
        if self.prompts.iter().find(same).is_some() {
            return Err((ErrorCode::Conflict, None));
        }
        let now = self.now;
        let times = self.prompted.entry(pair).or_default();
        times.retain(|time| now - time < 60_000);
        if times.len() >= 3 {
            return Err((ErrorCode::RateLimited, None));
        }
        times.push(now);
        if let Some(id) = seen.requests.pop() {
            self.expected.requested.push((asked, id));
            self.prompts.push(Prompt {
                id,
                asker,
                asked,
                source: ask.source,
                until: now + 60_000,
            });
        }
        Ok(Some(Outcome::ok("requested")))
    }

    // --- the lobby, seen from inside

    fn named(
        &self,
        knocks: Option<&Vec<KnockId>>,
        up_to: Option<u32>,
    ) -> Result<Vec<KnockId>, Refusal> {
        match (knocks, up_to) {
            (Some(knocks), None) if knocks.len() <= 200 => Ok(knocks.clone()),
            (None, Some(rev)) => {
                let seen_in = self.expected_list(rev);
                let listed = self
                    .waiting
                    .iter()
                    .filter(|(_, known)| known.listed <= seen_in);
                Ok(listed.map(|(knock, _)| *knock).collect())
            }
            _ => Err(bad("knocks")),
        }
    }

    fn past(&self, knock: KnockId) -> String {
        match self.handled.get(&knock) {
            Some(by) => lobby_words(knock, LobbyOutcome::AlreadyHandled, *by),
            None => lobby_words(knock, LobbyOutcome::Gone, None),
        }
    }

    fn admit_waiting(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        admit: &LobbyAdmit,
    ) -> Answer {
        require(by, Permission::LobbyManage)?;
        if self.room.locked {
            return Err((ErrorCode::Locked, None));
        }
        let knocks = self.named(admit.knocks.as_ref(), admit.all_up_to_rev)?;
        if let Some(role) = admit.as_role {
            let known = knocks.iter().filter_map(|knock| self.waiting.get(knock));
            let mut known = known.filter_map(|one| self.candidate(one.visitor.clone()).ok());
            let may_all = known.all(|one| {
                outranks(by.role, one.role)
                    && rules::may_hold(&self.room, one.identity, role)
                    && (one.role == role || by.may.contains(&Permission::RoleAssign))
            });
            if !outranks(by.role, role) || !may_all {
                return Err((ErrorCode::Forbidden, Some("as_role")));
            }
        }
        let actor = by.actor.participant();
        let mut words = String::new();
        for knock in knocks {
            let Some(waiter) = self.waiting.get(&knock) else {
                words += &self.past(knock);
                continue;
            };
            let candidate = self.candidate(waiter.visitor.clone());
            let candidate = candidate.and_then(|one| Ok((self.asked_again(&one)?, one)));
            let Ok((twin, mut candidate)) = candidate else {
                self.dismiss(seen, knock, actor, 0);
                words += &lobby_words(knock, LobbyOutcome::Denied, None);
                continue;
            };
            if !self.has_place(candidate.is_host, twin.is_some()) {
                words += &lobby_words(knock, LobbyOutcome::Full, None);
                continue;
            }
            if let Some(role) = admit.as_role.filter(|role| *role != candidate.role) {
                (candidate.role, candidate.custom) = (role, None);
            }
            self.replace(twin);
            self.let_in(seen, knock, candidate, actor);
            words += &lobby_words(knock, LobbyOutcome::Admitted, None);
        }
        self.once_stopped(seen, to, words)
    }

    fn deny_waiting(&mut self, seen: &mut Seen, by: &Authority, deny: &LobbyDeny) -> Answer {
        require(by, Permission::LobbyManage)?;
        if deny.block_s > 86_400 {
            return Err(bad("block_s"));
        }
        let knocks = self.named(deny.knocks.as_ref(), deny.all_up_to_rev)?;
        let mut words = String::new();
        for knock in knocks {
            if self.waiting.contains_key(&knock) {
                self.dismiss(seen, knock, by.actor.participant(), deny.block_s);
                words += &lobby_words(knock, LobbyOutcome::Denied, None);
            } else {
                words += &self.past(knock);
            }
        }
        Ok(Some(Outcome::ok(words)))
    }

    /// All that a device is below somebody.
    fn lower_pages(&self, by: &Authority, device: DeviceHash) -> Vec<MemberKey> {
        self.keys_of(|person| person.device == device && outranks(by.role, person.role))
    }

    fn send_to_lobby(&mut self, seen: &mut Seen, by: &Authority, target: MemberKey) {
        let device = self.people[&target].device;
        self.mark(target, false);
        for key in self.lower_pages(by, device) {
            if key != target
                && let Some(link) = self.take_out(key).and_then(|person| person.link)
            {
                self.close(link, CloseCode::TakenOver);
            }
        }
        let Some(person) = self.take_out(target) else {
            return;
        };
        // It hears nothing more of what it asked for.
        let is_its = |to: &To| matches!(to, To::Link(link, _) if Some(*link) == person.link);
        self.held.retain(|_, (to, ..)| !is_its(to));
        self.hashing.retain(|_, hashing| !is_its(&hashing.to));
        let drawn = seen.drawn.pop();
        let visitor = Visitor {
            member: drawn.map(|(_, key)| key),
            networks: person.networks,
            name: person.name,
            device,
            claim: person.claim,
            distrusted: false,
            address: None,
            consent: self.room.consent_text.as_deref().map(consent_hash),
            choice: None,
        };
        self.forget_knock_of_device(&visitor);
        if let Some((knock, _)) = drawn {
            let marks = self.candidate(visitor.clone());
            let marks = marks.map_or((person.role, person.identity), |one| {
                (one.role, one.identity)
            });
            self.add_waiter(knock, person.link, visitor, marks);
        }
    }

    fn hear_waiter(
        &mut self,
        link: LinkId,
        knock: KnockId,
        message: &Result<RequestFrame, Malformed>,
    ) {
        let now = self.now;
        let Some(waiter) = self.waiting.get_mut(&knock) else {
            return;
        };
        waiter.gone_at = now + 25_000;
        if !waiter.messages.take(now) {
            return self.cut(link, CloseCode::Rate);
        }
        let (id, outcome) = match message {
            Err(Malformed::Unreadable) => return self.cut(link, CloseCode::Protocol),
            Err(Malformed::Refused { id, error }) => (*id, Outcome::no(error.code)),
            Ok(RequestFrame { id, request }) => match request {
                Request::LobbyPing(_) => (*id, Outcome::ok("done")),
                Request::Leave(_) => {
                    self.waiting.remove(&knock);
                    self.close(link, CloseCode::Normal);
                    (*id, Outcome::ok("done"))
                }
                _ => (*id, Outcome::no(ErrorCode::BadRequest)),
            },
        };
        self.tell(To::Link(link, id), outcome);
    }

    // --- removal and bans

    fn remove(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &ParticipantRemove,
    ) -> Answer {
        require(by, Permission::ParticipantRemove)?;
        let target = self.lower(by, order.participant)?;
        if order.ban.is_some() {
            require(by, Permission::ParticipantBan)?;
        }
        let device = self.people[&target].device;
        if let Some(ban) = &order.ban {
            self.ban(seen, by, target, ban, order)?;
        }
        self.mark(target, true);
        let removals = self
            .standing(&device)
            .map_or(0, |standing| standing.removals);
        let is_banned = order.ban.is_some();
        for key in self.lower_pages(by, device) {
            self.send_away(key);
        }
        self.once_stopped(seen, to, format!("removed {removals} ban {is_banned}"))
    }

    fn send_away(&mut self, key: MemberKey) {
        if let Some(link) = self.take_out(key).and_then(|person| person.link) {
            self.close(link, CloseCode::Removed);
        }
    }

    fn ban(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        target: MemberKey,
        order: &BanOrder,
        removal: &ParticipantRemove,
    ) -> Result<(), Refusal> {
        let ttl_s = order.ttl_s.unwrap_or(86_400);
        if !(60..=31_536_000).contains(&ttl_s) {
            return Err(bad("ban.ttl_s"));
        }
        let person = &self.people[&target];
        let (person_device, person_id) = (person.device, person.id);
        let known = person.invite.and_then(|id| self.invites.get(&id));
        // That of a host, or of many, is not banned with one of them.
        let known = known.filter(|invite| {
            (invite.max_uses == Some(1) || invite.name.is_some()) && invite.role != Role::Host
        });
        let now = self.now;
        let expires_at = now + 1000 * u64::from(ttl_s);
        let Some(id) = seen.bans.pop().map(|ban| ban.id) else {
            return Ok(());
        };
        let ban = Ban {
            id,
            invite: known.map(|invite| invite.id),
            device: Some(person.device),
            network: person.networks.first().copied(),
            network_until: at(expires_at.min(now + 86_400_000)),
            strict: order.strict,
            name: Some(person.name.as_str().to_owned()),
            reason: removal
                .reason
                .as_ref()
                .map(|reason| reason.as_str().to_owned()),
            by: by.actor,
            created_at: at(now),
            expires_at: at(expires_at),
        };
        self.bans.retain(|ban| now < ban.expires_at.unix_ms());
        self.bans.push(ban);
        let (device, maker) = (person_device, Actor::Participant(person_id));
        let made = self.invites.values().filter(|invite| {
            let is_own = invite.maker == Some(device) || invite.created_by == maker;
            is_own && invite.revoked_at.is_none()
        });
        for made in made.map(|invite| invite.id).collect::<Vec<_>>() {
            self.take_back(seen, by, made);
        }
        let waiting: Vec<KnockId> = self
            .waiting
            .iter()
            .filter(|(_, waiter)| {
                let candidate = self.candidate(waiter.visitor.clone());
                candidate.is_ok_and(|one| one.verdict == Verdict::Banned)
            })
            .map(|(knock, _)| *knock)
            .collect();
        for knock in waiting {
            self.dismiss(seen, knock, by.actor.participant(), 0);
        }
        Ok(())
    }

    fn list_bans(&self, by: &Authority) -> Answer {
        require(by, Permission::BanManage)?;
        let now = self.now;
        let mut ids: Vec<_> = self
            .bans
            .iter()
            .filter(|ban| now < ban.expires_at.unix_ms())
            .map(|ban| ban.id)
            .collect();
        ids.sort_unstable();
        ids.reverse();
        Ok(Some(Outcome::ok(format!("bans {ids:?}"))))
    }

    fn lift(&mut self, id: conclave_signalling_wire::ids::BanId) -> Answer {
        let before = self.bans.len();
        self.bans.retain(|ban| ban.id != id);
        if self.bans.len() == before {
            return Err((ErrorCode::NotFound, Some("ban")));
        }
        done()
    }

    // --- invites

    fn create_invite(&mut self, seen: &mut Seen, by: &Authority, create: &InviteCreate) -> Answer {
        require(by, Permission::InviteCreate)?;
        let is_peer = by.role == create.role && matches!(by.role, Role::Host | Role::Attendee);
        if !outranks(by.role, create.role) && !is_peer {
            return Err((ErrorCode::Forbidden, Some("role")));
        }
        if let Some(name) = &create.custom_role {
            let custom = find_custom(&self.room, name, create.role).ok_or(bad("custom_role"))?;
            if !custom.allow.iter().all(|key| by.may.contains(key)) {
                return Err((ErrorCode::Forbidden, Some("custom_role")));
            }
        }
        if create.bypass_lobby && !by.may.contains(&Permission::LobbyManage) {
            return Err((ErrorCode::Forbidden, Some("bypass_lobby")));
        }
        if create.max_uses == Some(0) || create.max_uses > Some(1000) {
            return Err(bad("max_uses"));
        }
        if create.name_locked && create.name.is_none() {
            return Err(bad("name_locked"));
        }
        if let Some(until) = create.expires_at
            && (until.unix_ms() <= self.now || create.not_before.is_some_and(|from| until <= from))
        {
            return Err(bad("expires_at"));
        }
        if !by.may.contains(&Permission::InviteManage) {
            let now = self.now;
            let own = by.actor.participant().and_then(|id| self.of_id(id));
            let own = own.and_then(|key| self.people.get_mut(&key));
            let device = own.as_ref().map(|own| own.device);
            if let Some(own) = own {
                own.invited.retain(|time| now - time < 60_000);
                if own.invited.len() >= 10 {
                    return Err((ErrorCode::RateLimited, None));
                }
                own.invited.push(now);
            }
            let live = self.invites.values().filter(|invite| {
                !invite.vouched && invite.maker == device && invite.revoked_at.is_none()
            });
            if live.count() >= 20 {
                return Err((ErrorCode::Conflict, None));
            }
        }
        let (Some(secret), Some(made)) = (seen.secrets.pop(), seen.invites.pop()) else {
            return Ok(Some(Outcome::ok("invite")));
        };
        self.add_invite(by, InviteHash::from(&secret), made.id, create);
        Ok(Some(Outcome::ok(format!("invited {:?}", create.role))))
    }

    fn add_invite(
        &mut self,
        by: &Authority,
        hash: InviteHash,
        id: InviteId,
        create: &InviteCreate,
    ) {
        let maker = by.actor.participant().and_then(|id| self.of_id(id));
        let invite = Invite {
            id,
            hash,
            role: create.role,
            custom_role: create.custom_role.clone(),
            name: create.name.clone(),
            name_locked: create.name_locked,
            max_uses: create.max_uses,
            devices: Vec::new(),
            uses: 0,
            not_before: create.not_before,
            expires_at: create.expires_at,
            bypass_lobby: create.bypass_lobby,
            bind_device: create.bind_device,
            note: create.note.as_ref().map(|note| note.as_str().to_owned()),
            created_by: by.actor,
            maker: maker.map(|key| self.people[&key].device),
            vouched: by.may.contains(&Permission::InviteManage),
            created_at: at(self.now),
            last_used_at: None,
            revoked_at: None,
        };
        self.invites.insert(id, invite);
    }

    fn state_of(&self, invite: &Invite) -> InviteState {
        let now = self.now;
        if invite.revoked_at.is_some() {
            InviteState::Revoked
        } else if invite
            .expires_at
            .is_some_and(|until| until.unix_ms() <= now)
        {
            InviteState::Expired
        } else if invite.not_before.is_some_and(|from| now < from.unix_ms()) {
            InviteState::NotYet
        } else if invite.max_uses.is_some_and(|most| invite.uses >= most) {
            InviteState::UsedUp
        } else {
            InviteState::Active
        }
    }

    fn list_invites(&self, by: &Authority) -> Answer {
        let sees_all = by.may.contains(&Permission::InviteManage);
        let invites = self.invites.values().rev();
        let listed = invites.filter(|invite| sees_all || invite.created_by == by.actor);
        let words = listed.map(|invite| {
            let state = self.state_of(invite);
            format!("{} {state:?} {}, ", invite.id, invite.uses)
        });
        Ok(Some(Outcome::ok(words.collect::<String>())))
    }

    fn revoke_invite(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &InviteRevoke,
    ) -> Answer {
        let unknown = (ErrorCode::NotFound, Some("invite"));
        let invite = self.invites.get(&order.invite).ok_or(unknown)?;
        let is_own = invite.created_by == by.actor;
        if !is_own && !by.may.contains(&Permission::InviteManage) {
            return Err(unknown);
        }
        if !is_own && by.role != Role::Host && !outranks(by.role, invite.role) {
            return Err(FORBIDDEN);
        }
        // The link of an owner is its own to take back, and the operator's.
        let is_owners = !matches!(invite.created_by, Actor::Participant(_) | Actor::Invite(_));
        let is_held = match by.actor {
            Actor::Participant(id) => {
                let key = self.of_id(id);
                key.is_some_and(|key| self.people[&key].invite == Some(order.invite))
            }
            Actor::Invite(own) => own == order.invite,
            _ => true,
        };
        if invite.role == Role::Host && is_owners && !is_held {
            return Err(FORBIDDEN);
        }
        if order.remove_holders {
            require(by, Permission::ParticipantRemove)?;
        }
        self.take_back(seen, by, order.invite);
        if order.remove_holders {
            let holders = self.keys_of(|person| {
                person.invite == Some(order.invite) && outranks(by.role, person.role)
            });
            let mut devices = BTreeMap::new();
            for key in holders {
                devices.insert(self.people[&key].device, key);
            }
            for key in devices.values() {
                self.mark(*key, true);
            }
            let pages = self.keys_of(|person| {
                devices.contains_key(&person.device) && outranks(by.role, person.role)
            });
            for key in pages {
                self.send_away(key);
            }
        }
        self.once_stopped(seen, to, "done")
    }

    /// Whoever waits by it goes. Who was admitted after it had been taken back was
    /// admitted without it.
    fn take_back(&mut self, seen: &mut Seen, by: &Authority, id: InviteId) {
        let now = at(self.now);
        let Some(invite) = self.invites.get_mut(&id) else {
            return;
        };
        if invite.revoked_at.is_some() {
            return;
        }
        invite.revoked_at = Some(now);
        let claim = conclave_signalling_core::room::Claim::Invite(invite.hash);
        let waiting = self.waiting.iter();
        let waiting = waiting.filter(|(_, one)| one.visitor.claim == claim);
        for knock in waiting.map(|(knock, _)| *knock).collect::<Vec<_>>() {
            self.dismiss(seen, knock, by.actor.participant(), 0);
        }
        self.forget_admissions(id);
    }

    // --- the room

    fn lock(&mut self, seen: &mut Seen, by: &Authority, to: To, order: &MediaLock) -> Answer {
        require(by, Permission::MediaLockAll)?;
        let count = order.sources.len();
        if !(1..=3).contains(&count) || order.sources.contains(&Source::ScreenAudio) {
            return Err(bad("sources"));
        }
        let people = self.people.values();
        let named = people.filter(|person| order.allow.contains(&person.id));
        let allow: BTreeSet<_> = named.map(|person| person.device).collect();
        let mut changed = false;
        for source in &order.sources {
            let lock = &mut self.locks[lock_of(*source)];
            changed |= lock.on != order.on || lock.allow != allow;
            (lock.on, lock.allow) = (order.on, allow.clone());
        }
        if changed {
            self.room.rev += 1;
            self.enforce(by.actor.participant());
        }
        let words = format!("room {}", self.room.rev);
        self.once_stopped(seen, to, words)
    }

    fn update_room(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        update: &RoomUpdate,
    ) -> Answer {
        self.check_update(by, update)?;
        let mut rest = update.clone();
        match std::mem::take(&mut rest.password) {
            Patch::Keep => self.commit(seen, by, to, &rest, None),
            Patch::Clear => self.commit(seen, by, to, &rest, Some(false)),
            Patch::Set(_) => {
                let is_busy = self.hashing.values().any(|hashing| match (hashing.to, to) {
                    (To::Link(one, _), To::Link(other, _)) => one == other,
                    (To::Operator(_), To::Operator(_)) => true,
                    _ => false,
                });
                if is_busy {
                    return Err((ErrorCode::RateLimited, None));
                }
                let Some(ticket) = seen.tickets.pop() else {
                    return Ok(Some(Outcome::ok("hash")));
                };
                let hashing = Hashing {
                    to,
                    authority: by.clone(),
                    update: rest,
                };
                self.hashing.insert(ticket, hashing);
                Ok(None)
            }
        }
    }

    fn check_update(&self, by: &Authority, update: &RoomUpdate) -> Result<(), Refusal> {
        if update.locked.is_some() {
            require(by, Permission::RoomLock)?;
        }
        if !update.password.is_keep() {
            require(by, Permission::RoomPassword)?;
        }
        let others = RoomUpdate {
            rev: None,
            locked: None,
            password: Patch::Keep,
            chat: None,
            ..update.clone()
        };
        if update.chat.is_some() {
            require(by, Permission::ChatConfigure)?;
        }
        let is_nothing =
            update.locked.is_none() && update.password.is_keep() && update.chat.is_none();
        if others != RoomUpdate::default() || is_nothing {
            require(by, Permission::RoomSettings)?;
        }
        if let Some(customs) = &update.custom_roles {
            let old = &self.room.custom_roles;
            let made = customs.iter().filter(|role| !old.contains(role));
            let unmade = old.iter().filter(|role| !customs.contains(role));
            let too_high = made
                .clone()
                .chain(unmade)
                .any(|role| !outranks(by.role, role.base));
            let lost = old.iter().flat_map(|role| {
                let same = |one: &&CustomRole| one.name == role.name && one.base == role.base;
                let still = customs.iter().find(same);
                let is_lost =
                    move |key: &&Permission| still.is_none_or(|still| !still.deny.contains(key));
                role.deny.iter().filter(is_lost)
            });
            let mut keys = made.flat_map(|role| &role.allow).chain(lost);
            if too_high || keys.any(|key| !by.may.contains(key)) {
                return Err((ErrorCode::Forbidden, Some("custom_roles")));
            }
        }
        if let Patch::Set(password) = &update.password
            && !(8..=128).contains(&password.reveal().chars().count())
        {
            return Err(bad("password"));
        }
        if update.rev.is_some_and(|rev| rev != self.room.rev) {
            return Err((ErrorCode::Conflict, Some("rev")));
        }
        if matches!(
            update.default_role,
            Some(Role::Host | Role::CoHost | Role::Presenter)
        ) {
            return Err(bad("default_role"));
        }
        if update.no_host_grace_s.is_some_and(|seconds| seconds > 3600) {
            return Err(bad("no_host_grace_s"));
        }
        if update.caps.is_some_and(|caps| caps.participants == Some(0)) {
            return Err(bad("caps"));
        }
        if matches!(update.max_duration_s, Patch::Set(seconds) if !(60..=604_800).contains(&seconds))
        {
            return Err(bad("max_duration_s"));
        }
        if let Some(chat) = &update.chat {
            if chat.slow_s.is_some_and(|seconds| seconds > 3600) {
                return Err(bad("chat.slow_s"));
            }
            if chat
                .keep_days
                .is_some_and(|days| !(1..=365).contains(&days))
            {
                return Err(bad("chat.keep_days"));
            }
        }
        if let Some(customs) = &update.custom_roles {
            let names: BTreeSet<_> = customs.iter().map(|role| &role.name).collect();
            let is_bad = |role: &CustomRole| {
                role.base == Role::Host || role.deny.iter().any(|key| rules::FIXED.contains(key))
            };
            if names.len() != customs.len() || customs.iter().any(is_bad) {
                return Err(bad("custom_roles"));
            }
        }
        let (mut opens, mut closes) = (self.room.opens_at, self.room.closes_at);
        update.opens_at.apply(&mut opens);
        update.closes_at.apply(&mut closes);
        let is_touched = !update.opens_at.is_keep() || !update.closes_at.is_keep();
        if is_touched && matches!((opens, closes), (Some(from), Some(until)) if until <= from) {
            return Err((ErrorCode::BadRequest, None));
        }
        Ok(())
    }

    /// `password`: set, cleared or kept.
    fn commit(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        update: &RoomUpdate,
        password: Option<bool>,
    ) -> Answer {
        fn set<T: Clone>(place: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                place.clone_from(value);
            }
        }
        let text = |patch: &Patch<conclave_signalling_wire::text::Prose>,
                    place: &mut Option<String>| match patch {
            Patch::Keep => {}
            Patch::Clear => *place = None,
            Patch::Set(text) => *place = Some(text.as_str().to_owned()),
        };
        let room = &mut self.room;
        set(
            &mut room.title,
            &update.title.as_ref().map(|title| title.as_str().to_owned()),
        );
        set(&mut room.locked, &update.locked);
        set(&mut room.lobby, &update.lobby);
        text(&update.lobby_message, &mut room.lobby_message);
        set(
            &mut room.password_bypasses_lobby,
            &update.password_bypasses_lobby,
        );
        set(&mut room.start_without_host, &update.start_without_host);
        set(&mut room.no_host, &update.no_host);
        set(&mut room.no_host_grace_s, &update.no_host_grace_s);
        set(&mut room.duplicate, &update.duplicate);
        set(&mut room.default_role, &update.default_role);
        set(&mut room.guests_may_cohost, &update.guests_may_cohost);
        set(&mut room.attendees, &update.attendees);
        set(&mut room.roster, &update.roster);
        set(&mut room.caps, &update.caps);
        update.opens_at.apply(&mut room.opens_at);
        update.closes_at.apply(&mut room.closes_at);
        text(&update.consent_text, &mut room.consent_text);
        set(&mut room.custom_roles, &update.custom_roles);
        set(&mut room.screen, &update.screen);
        set(&mut room.viewers, &update.viewers);
        set(&mut room.reactions, &update.reactions);
        set(&mut room.hands, &update.hands);
        set(&mut room.cohosts_end, &update.cohosts_end);
        update.max_duration_s.apply(&mut room.max_duration_s);
        if let Some(chat) = &update.chat {
            set(&mut room.chat.public, &chat.public);
            set(&mut room.chat.private, &chat.private);
            set(&mut room.chat.slow_s, &chat.slow_s);
            set(&mut room.chat.links, &chat.links);
            set(&mut room.chat.history, &chat.history);
            set(&mut room.chat.keep, &chat.keep);
            set(&mut room.chat.keep_days, &chat.keep_days);
        }
        set(&mut self.allowed_networks, &update.allowed_networks);
        if let Some(is_set) = password {
            room.password_set = is_set;
            self.password_rev += 1;
        }
        room.rev += 1;
        let rev = room.rev;
        // Custom roles that are no more.
        for key in self.keys_of(|person| person.custom.is_some()) {
            let person = &self.people[&key];
            if self
                .custom_on(person.custom.as_ref(), person.role)
                .is_none()
            {
                if let Some(person) = self.people.get_mut(&key) {
                    person.custom = None;
                }
                self.note_standing(key);
            }
        }
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, format!("room {rev}"))
    }

    /// The hash of a password is there, or is not.
    pub(crate) fn hashed(&mut self, seen: &mut Seen, ticket: u64, error: Option<ErrorCode>) {
        if let Some(Hashing {
            to,
            authority,
            update,
        }) = self.hashing.remove(&ticket)
        {
            let is_there = match to {
                To::Link(link, _) => self.knows_link(link),
                To::Operator(_) => true,
            };
            if is_there {
                let answer = match error {
                    Some(code) => Err((code, None)),
                    None => self.take_hash(seen, &authority, to, &update),
                };
                let outcome = match &answer {
                    Ok(_) => "ok",
                    Err((code, _)) => code.name(),
                };
                self.write_down("room.update", outcome);
                self.answer(to, answer);
            }
        }
        self.settle(seen);
    }

    fn take_hash(
        &mut self,
        seen: &mut Seen,
        before: &Authority,
        to: To,
        update: &RoomUpdate,
    ) -> Answer {
        // What its sender may do is asked again.
        let by = match (before.actor.participant(), to) {
            (Some(id), _) => {
                let key = self.of_id(id).ok_or(FORBIDDEN)?;
                self.authority(key)
            }
            (None, To::Link(link, _)) => self.authority_of_steward(link)?,
            (None, To::Operator(_)) => before.clone(),
        };
        require(&by, Permission::RoomPassword)?;
        self.check_update(&by, update)?;
        self.commit(seen, &by, to, update, Some(true))
    }

    // --- who manages, and the operator

    fn hear_steward(
        &mut self,
        seen: &mut Seen,
        link: LinkId,
        message: &Result<RequestFrame, Malformed>,
    ) {
        let now = self.now;
        let Some(steward) = self.stewards.get_mut(&link) else {
            return;
        };
        if !steward.messages.take(now) {
            return self.cut(link, CloseCode::Rate);
        }
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
        let authority = self.authority_of_steward(link);
        let answer =
            authority.and_then(|by| self.obey_steward(seen, &by, link, to, &frame.request));
        if let Some((action, is_reading)) = deed(&frame.request, None) {
            match &answer {
                Ok(None) if self.hashing.values().any(|hashing| hashing.to == to) => {}
                Ok(_) if is_reading => {}
                Ok(_) => self.write_down(action, "ok"),
                Err((code, _)) => {
                    let steward = self.stewards.get_mut(&link);
                    if steward.is_none_or(|steward| steward.refusals.take(now)) {
                        self.write_down(action, code.name());
                    }
                }
            }
        }
        self.answer(to, answer);
    }

    fn obey_steward(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        link: LinkId,
        to: To,
        request: &Request,
    ) -> Answer {
        match request {
            Request::RoomUpdate(update) => {
                let now = self.now;
                let steward = self.stewards.get_mut(&link);
                if steward.is_some_and(|steward| !steward.changes.take(now)) {
                    return Err((ErrorCode::RateLimited, None));
                }
                self.update_room(seen, by, to, update)
            }
            Request::InviteCreate(create) => self.create_invite(seen, by, create),
            Request::InviteList(_) => self.list_invites(by),
            Request::InviteRevoke(order) => self.revoke_invite(seen, by, to, order),
            Request::BanList(_) => self.list_bans(by),
            Request::BanLift(lift) => {
                require(by, Permission::BanManage)?;
                self.lift(lift.ban)
            }
            Request::Leave(_) => {
                self.forget_steward(link);
                self.close(link, CloseCode::Normal);
                done()
            }
            _ => Err((ErrorCode::BadRequest, None)),
        }
    }

    pub(crate) fn operator(&mut self, seen: &mut Seen, ticket: u64, request: &OperatorRequest) {
        let by = Authority {
            actor: Actor::Operator,
            role: Role::Host,
            may: Permission::ALL.iter().copied().collect(),
        };
        let to = To::Operator(ticket);
        let (action, answer) = match request {
            OperatorRequest::Update(update) => {
                ("room.update", self.update_room(seen, &by, to, update))
            }
            OperatorRequest::Invite(create) => {
                ("invite.create", self.create_invite(seen, &by, create))
            }
            OperatorRequest::RevokeInvite {
                invite,
                remove_holders,
            } => {
                let order = InviteRevoke {
                    invite: *invite,
                    remove_holders: *remove_holders,
                };
                ("invite.revoke", self.revoke_invite(seen, &by, to, &order))
            }
            OperatorRequest::LiftBan(ban) => ("ban.lift", self.lift(*ban)),
            OperatorRequest::Delete => {
                self.is_deleted = true;
                for link in std::mem::take(&mut self.stewards).into_keys() {
                    self.hashing.retain(
                        |_, hashing| !matches!(hashing.to, To::Link(other, _) if other == link),
                    );
                    self.close(link, CloseCode::Ended);
                }
                self.end_meeting();
                ("room.delete", done())
            }
            other => unreachable!("no history asks {other:?}"),
        };
        let is_put_off = self.hashing.values().any(|hashing| hashing.to == to);
        match &answer {
            Ok(None) if is_put_off => {}
            // The shell does, once it is done.
            Ok(_) if action == "room.delete" => {}
            Ok(_) => self.write_down(action, "ok"),
            Err((code, _)) => self.write_down(action, code.name()),
        }
        self.answer(to, answer);
        self.settle(seen);
    }
}

/// `rev`s are the room's to count; it is compared that all see the same.
fn seen_rev(model: &Model, key: MemberKey) -> u32 {
    model.revs.get(&model.people[&key].id).copied().unwrap_or(0)
}

fn require(by: &Authority, permission: Permission) -> Result<(), Refusal> {
    match by.may.contains(&permission) {
        true => Ok(()),
        false => Err(FORBIDDEN),
    }
}

fn check_ttl(ttl_s: Option<u32>) -> Result<(), Refusal> {
    match ttl_s {
        Some(0) => Err(bad("ttl_s")),
        Some(ttl_s) if ttl_s > 86_400 => Err(bad("ttl_s")),
        _ => Ok(()),
    }
}

fn find_custom<'a>(room: &'a Room, name: &RoleName, base: Role) -> Option<&'a CustomRole> {
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
