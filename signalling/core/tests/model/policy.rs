//! The model of the policies of a room, and of its password.

use std::collections::BTreeSet;

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::{CustomRole, Permission, Role, Source};
use conclave_signalling_wire::request::{MediaLock, RoomUpdate};
use conclave_signalling_wire::room::Patch;

use crate::model::{Answer, Authority, Hashing, Model, Refusal, To};
use crate::rules;
use crate::rules::{lock_of, outranks};
use crate::seen::{Outcome, Seen};
use crate::verbs::{FORBIDDEN, bad, require};

impl Model {
    pub(crate) fn lock(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &MediaLock,
    ) -> Answer {
        require(by, Permission::MediaLockAll)?;
        let count = order.sources.len();
        if !(1..=3).contains(&count) || order.sources.contains(&Source::ScreenAudio) {
            return Err(bad("sources"));
        }
        let people = self.people.values();
        let named = people.filter(|person| order.allow.contains(&person.id));
        let allow: BTreeSet<_> = named.map(|person| person.device).collect();
        let mut changed = false;
        let before = self.locks[0].clone();
        for source in &order.sources {
            let lock = &mut self.locks[lock_of(*source)];
            changed |= lock.on != order.on || lock.allow != allow;
            (lock.on, lock.allow) = (order.on, allow.clone());
        }
        if changed
            && order.sources.contains(&Source::Microphone)
            && self.locks[0] != before
            && let Some(call) = &mut self.hands.called
        {
            // It is left as somebody has just set it.
            call.is_exempt = false;
        }
        if changed {
            self.room.rev += 1;
            self.enforce(by.actor.participant());
        }
        let words = format!("room {}", self.room.rev);
        self.once_stopped(seen, to, words)
    }

    pub(crate) fn update_room(
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

    pub(crate) fn check_update(&self, by: &Authority, update: &RoomUpdate) -> Result<(), Refusal> {
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
        if update.cohosts_end.is_some() || !update.max_duration_s.is_keep() {
            require(by, Permission::SessionEnd)?;
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
    pub(crate) fn commit(
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
        set(&mut room.relay_only, &update.relay_only);
        let longest = room.max_duration_s;
        update.max_duration_s.apply(&mut room.max_duration_s);
        if room.max_duration_s != longest {
            self.not_before = self.now + 60_000;
        }
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

    pub(crate) fn take_hash(
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
}
