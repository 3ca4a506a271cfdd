//! What hosts change about the room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use conclave_signalling_wire::moderation::{PermissionsReason, RoomRevised, RoomUpdated};
use conclave_signalling_wire::objects::{CustomRole, Permission, Source};
use conclave_signalling_wire::request::{MediaLock, Request, RoomUpdate};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;

use crate::digest::{DeviceHash, consent_hash};
use crate::output::{LinkId, Notice, Output, Reply};
use crate::rate::seconds;
use crate::record::{Actor, Change};
use crate::room::Room;
use crate::room::deeds::deed_of;
use crate::room::requests::{Answer, Asker, ReplyTo};
use crate::room::rights::Authority;
use crate::room::seats::Seat;
use crate::settings::{PasswordHash, Settings, UpdateError};

/// Participants that an allow-list may name.
const ALLOWED_MAX: usize = 500;

/// An update whose password is being hashed.
#[derive(Debug)]
struct Hashing {
    to: ReplyTo,
    authority: Authority,
    /// Without the password.
    update: RoomUpdate,
}

/// Updates whose passwords are being hashed: at most one of each link and one
/// of the operator, for each costs a hundred milliseconds of a core.
#[derive(Debug, Default)]
pub(super) struct Hashings {
    ticket: u64,
    pending: BTreeMap<u64, Hashing>,
}

impl Hashings {
    /// Returns whether a request waits here.
    pub(super) fn awaits(&self, link: LinkId, id: u32) -> bool {
        let waiting = ReplyTo::Link { link, id };
        self.pending.values().any(|hashing| hashing.to == waiting)
    }

    /// Forgets what a link wanted that is gone: it is not done.
    pub(super) fn forget(&mut self, link: LinkId) {
        let is_of = |to| matches!(to, ReplyTo::Link { link: other, .. } if other == link);
        self.pending.retain(|_, hashing| !is_of(hashing.to));
    }

    /// Forgets everything. Returns who is owed an answer.
    pub(super) fn clear(&mut self) -> Vec<ReplyTo> {
        let pending = std::mem::take(&mut self.pending);
        pending.into_values().map(|hashing| hashing.to).collect()
    }

    /// Returns whether nothing waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn is_busy_for(&self, to: ReplyTo) -> bool {
        let same = |other: ReplyTo| match (to, other) {
            (ReplyTo::Link { link, .. }, ReplyTo::Link { link: other, .. }) => link == other,
            (ReplyTo::Operator { .. }, ReplyTo::Operator { .. }) => true,
            _ => false,
        };
        self.pending.values().any(|hashing| same(hashing.to))
    }
}

impl Room {
    pub(super) fn update_room(&mut self, asker: Asker, update: RoomUpdate) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.pace(asker.key)?;
        self.change_room(&authority, asker.to(), update)
    }

    /// Counts a change of the room by somebody in it.
    ///
    /// # Errors
    /// `rate_limited`: each change is told to everybody.
    pub(super) fn pace(&mut self, key: MemberKey) -> Result<(), ErrorBody> {
        let now = self.now;
        let member = self.members.get_mut(&key).ok_or(ErrorCode::NotFound)?;
        member.changes.take(now).map_err(too_fast)
    }

    /// Changes the policies of the room on anybody's authority. Whoever has to
    /// wait until a password is hashed is answered later by [`Room::answer`].
    pub(super) fn change_room(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        update: RoomUpdate,
    ) -> Answer {
        self.check_update(authority, &update)?;
        let RoomUpdate { password, .. } = &update;
        let password = match password {
            Patch::Keep => Patch::Keep,
            Patch::Clear => Patch::Clear,
            Patch::Set(password) => {
                let password = password.clone();
                return self.hash(authority, to, update, password);
            }
        };
        self.commit_update(authority, to, &update, password)
    }

    /// Says whether an update would do, as far as it is known before its
    /// password is hashed.
    fn check_update(&self, authority: &Authority, update: &RoomUpdate) -> Result<(), ErrorBody> {
        for permission in needed_for(update) {
            authority.require(permission)?;
        }
        if let Some(field) = operators_own(update).filter(|_| !authority.is_operator()) {
            return Err(ErrorBody::from(ErrorCode::Forbidden).field(field));
        }
        if let Some(roles) = &update.custom_roles {
            check_roles(authority, &self.settings.custom_roles, roles)?;
        }
        if update.relay_only == Some(true) && self.config.relay.is_none() {
            // Nobody could be heard or seen.
            return Err(ErrorBody::from(ErrorCode::NotAvailable).field("relay_only"));
        }
        if let Patch::Set(password) = &update.password {
            let chars = password.reveal().chars().count();
            if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
                return Err(ErrorBody::bad("password"));
            }
        }
        let mut tried = self.settings.clone();
        tried.apply(update).map_err(update_error)
    }

    fn hash(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        mut update: RoomUpdate,
        password: SecretText,
    ) -> Answer {
        if self.hashings.is_busy_for(to) {
            return Err(ErrorBody::from(ErrorCode::RateLimited).retry_after_s(1));
        }
        self.hashings.ticket += 1;
        let ticket = self.hashings.ticket;
        update.password = Patch::Keep;
        let hashing = Hashing {
            to,
            authority: authority.clone(),
            update,
        };
        self.hashings.pending.insert(ticket, hashing);
        self.deeds.is_put_off = true;
        self.outputs.push_back(Output::Hash { ticket, password });
        Ok(None)
    }

    /// Takes the hash of [`Output::Hash`], or why there is none. Nothing is done
    /// for a link that is gone. What its sender may do is asked again: it may
    /// have lost it meanwhile.
    pub fn handle_hashed(
        &mut self,
        now: Instant,
        ticket: u64,
        hashed: Result<PasswordHash, ErrorBody>,
    ) {
        self.now = now;
        self.begin_step();
        if let Some(hashing) = self.hashings.pending.remove(&ticket) {
            self.finish_hashing(hashing, hashed);
        }
        self.settle();
    }

    fn finish_hashing(&mut self, hashing: Hashing, hashed: Result<PasswordHash, ErrorBody>) {
        let Hashing {
            to,
            authority,
            update,
        } = hashing;
        if !self.is_there(to) {
            return;
        }
        let who = (authority.actor, authority.prefix);
        let answer = hashed.and_then(|hash| {
            let authority = self.authority_again(to, authority)?;
            authority.require(Permission::RoomPassword)?;
            self.check_update(&authority, &update)?;
            self.commit_update(&authority, to, &update, Patch::Set(hash))
        });
        // Written down as it was asked: with the password that it no longer has.
        let asked = RoomUpdate {
            password: Patch::Clear,
            ..update
        };
        if let Some(deed) = deed_of(&Request::RoomUpdate(asked), None) {
            self.record(who, deed, &answer, None);
        }
        self.answer_late(to, answer);
    }

    /// Returns the authority of somebody who asked earlier, as it is in this step.
    fn authority_again(&self, to: ReplyTo, before: Authority) -> Result<Authority, ErrorBody> {
        let ReplyTo::Link { link, .. } = to else {
            return Ok(before);
        };
        match self.links.get(&link) {
            Some(Seat::Member(key)) => self.authority_of(*key),
            Some(Seat::Steward) => self.authority_of_link(link),
            Some(Seat::Waiter(_)) | None => Err(ErrorCode::Forbidden.into()),
        }
    }

    fn commit_update(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        update: &RoomUpdate,
        password: Patch<PasswordHash>,
    ) -> Answer {
        let mut settings = self.settings.clone();
        settings.apply(update).map_err(update_error)?;
        match password {
            Patch::Keep => {}
            Patch::Clear => settings.set_password(None),
            Patch::Set(hash) => settings.set_password(Some(hash)),
        }
        if settings.max_duration_s != self.settings.max_duration_s {
            self.duration_changed();
        }
        if settings.consent_text != self.settings.consent_text {
            let text = settings.consent_text.as_deref();
            let version = text.map_or_else(|| "none".to_owned(), consent_hash);
            self.deeds.outcome = Some(format!("consent {version}"));
        }
        let is_insisting = settings.relay_only && !self.settings.relay_only;
        let before = self.settings.clone();
        let rev = self.keep_settings(settings);
        self.tell_changes(&before, authority.actor);
        let by = authority.actor.participant();
        self.drop_custom_roles();
        self.announce_room(by);
        if is_insisting {
            self.insist_on_relay();
        }
        self.refresh_all(by, PermissionsReason::RoomChanged);
        self.once_stopped(to, Reply::RoomRevised(RoomRevised { rev }))
    }

    /// Takes over changed policies as one change. Returns its number.
    pub(super) fn keep_settings(&mut self, mut settings: Settings) -> u32 {
        settings.rev = self.settings.rev + 1;
        self.hands_stale |= settings.hands != self.settings.hands;
        self.settings = settings;
        let kept = self.without_call(self.settings.clone());
        self.persist(Change::Settings(Box::new(kept)));
        self.settings.rev
    }

    /// Takes custom roles away that are no more, or are based on another role.
    fn drop_custom_roles(&mut self) {
        let stale: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| {
                member.face.custom_role.as_ref().is_some_and(|name| {
                    let custom = self.settings.custom_role(name);
                    custom.is_none_or(|custom| custom.base != member.face.role)
                })
            })
            .map(|(key, _)| *key)
            .collect();
        for key in stale {
            self.update(key, |face| face.custom_role = None);
            self.note_standing(key);
        }
    }

    /// Shows the room to everybody in it, and to who manages it.
    pub(super) fn announce_room(&mut self, by: Option<ParticipantId>) {
        self.told_waiting = self.is_waiting_for_host();
        let keys: Vec<_> = self.members.keys().copied().collect();
        let whole = Notice::new(RoomUpdated {
            room: Box::new(self.describe()),
            by,
        });
        self.tell_stewards(&whole);
        // Those who do not see everybody mostly see the same: it is written once.
        let mut known: Vec<(RoomUpdated, Arc<Notice>)> = Vec::new();
        for key in keys {
            let Some(room) = self.describe_to(key) else {
                self.tell(key, &whole);
                continue;
            };
            let by = by.filter(|by| self.is_known_to(key, *by));
            let room = Box::new(room);
            let updated = RoomUpdated { room, by };
            let same = known.iter().find(|(other, _)| *other == updated);
            let notice = same.map(|(_, notice)| Arc::clone(notice));
            let notice = notice.unwrap_or_else(|| {
                let notice = Notice::new(updated.clone());
                known.push((updated, Arc::clone(&notice)));
                notice
            });
            self.tell(key, &notice);
        }
    }

    pub(super) fn lock_sources(&mut self, asker: Asker, order: MediaLock) -> Answer {
        self.require(asker.key, Permission::MediaLockAll)?;
        self.pace(asker.key)?;
        let MediaLock { sources, on, allow } = order;
        if sources.is_empty() || sources.len() > 3 || sources.contains(&Source::ScreenAudio) {
            return Err(ErrorBody::bad("sources"));
        }
        if allow.len() > ALLOWED_MAX {
            return Err(ErrorBody::bad("allow"));
        }
        // Who has just left is no error of who has not heard of it.
        let allowed = allow.iter().filter_map(|id| self.ids.get(id));
        let devices = allowed.filter_map(|key| Some(self.members.get(key)?.device));
        let allow: BTreeSet<DeviceHash> = devices.collect();
        let mut settings = self.settings.clone();
        for source in sources {
            let lock = settings.locks.of_mut(source);
            lock.on = on;
            lock.allow.clone_from(&allow);
        }
        let mut rev = self.settings.rev;
        if settings.locks != self.settings.locks {
            if settings.locks.microphone != self.settings.locks.microphone {
                self.forget_exemption();
            }
            let before = self.settings.clone();
            rev = self.keep_settings(settings);
            let by = self.members.get(&asker.key).map(|member| member.face.id);
            self.tell_changes(&before, by.map_or(Actor::Room, Actor::Participant));
            self.announce_room(by);
            self.refresh_all(by, PermissionsReason::RoomChanged);
        }
        self.once_stopped(asker.to(), Reply::RoomRevised(RoomRevised { rev }))
    }
}

/// Returns what has to be held for all that an update changes.
fn needed_for(update: &RoomUpdate) -> Vec<Permission> {
    let mut needed = Vec::new();
    if update.locked.is_some() {
        needed.push(Permission::RoomLock);
    }
    if !update.password.is_keep() {
        needed.push(Permission::RoomPassword);
    }
    if update.chat.is_some() {
        needed.push(Permission::ChatConfigure);
    }
    // Else who may not end the meeting could let itself, or let it end by itself.
    if update.cohosts_end.is_some() || !update.max_duration_s.is_keep() {
        needed.push(Permission::SessionEnd);
    }
    let rest = RoomUpdate {
        rev: None,
        locked: None,
        password: Patch::Keep,
        chat: None,
        ..update.clone()
    };
    if rest != RoomUpdate::default() || needed.is_empty() {
        needed.push(Permission::RoomSettings);
    }
    needed
}

/// Returns what an update changes that is nobody's business in the room.
fn operators_own(update: &RoomUpdate) -> Option<&'static str> {
    let external_id = (!update.external_id.is_keep()).then_some("external_id");
    update.tags.as_ref().map(|_| "tags").or(external_id)
}

/// Nobody makes, changes or unmakes a custom role of the own rank or above, nor
/// one that may, or whose holders then may, do what the maker may not.
fn check_roles(
    authority: &Authority,
    before: &[CustomRole],
    after: &[CustomRole],
) -> Result<(), ErrorBody> {
    let forbidden = || ErrorBody::from(ErrorCode::Forbidden).field("custom_roles");
    let changed = |these: &[CustomRole], those: &[CustomRole]| -> Vec<CustomRole> {
        let new = these.iter().filter(|role| !those.contains(role));
        new.cloned().collect()
    };
    let (made, unmade) = (changed(after, before), changed(before, after));
    let mut all = made.iter().chain(&unmade);
    if all.any(|role| !authority.role.outranks(role.base)) {
        return Err(forbidden());
    }
    let allowed = made.iter().flat_map(|role| &role.allow);
    // What a role denies no longer, its holders may.
    let lost = unmade.iter().flat_map(|role| {
        let mut still = made.iter();
        let still = still.find(|one| (&one.name, one.base) == (&role.name, role.base));
        let denied = still.map_or(&[][..], |one| &one.deny);
        role.deny.iter().filter(move |key| !denied.contains(key))
    });
    if allowed
        .chain(lost)
        .any(|key| !authority.permissions.contains(*key))
    {
        return Err(forbidden());
    }
    Ok(())
}

/// Returns the refusal of a change that comes too soon.
pub(super) fn too_fast(wait: Duration) -> ErrorBody {
    ErrorBody::from(ErrorCode::RateLimited).retry_after_s(seconds(wait))
}

fn update_error(error: UpdateError) -> ErrorBody {
    match error {
        UpdateError::Bad(field) => ErrorBody::bad(field),
        UpdateError::Conflict => ErrorBody::from(ErrorCode::Conflict).field("rev"),
    }
}
