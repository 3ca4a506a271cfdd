//! The room once more, as plain maps: what follows from each step is worked out
//! anew, from all that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::{DeviceHash, InviteHash, NetworkTag};
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::record::{Actor, Ban, Invite, Standing};
use conclave_signalling_core::room::Claim;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::ids::{InviteId, KnockId, ParticipantId, RequestId};
use conclave_signalling_wire::lobby::WaitingState;
use conclave_signalling_wire::moderation::RevokedReason;
use conclave_signalling_wire::objects::{
    Identity, NoHost, Override, Participant, Permission, Presence, Role, Room, Source, SourceState,
    Sources,
};
use conclave_signalling_wire::permission::Effect;
use conclave_signalling_wire::request::{DuplicateChoice, RoomUpdate};
use conclave_signalling_wire::text::{DisplayName, RoleName};
use conclave_signalling_wire::time::Timestamp;

use crate::rules::{self, Bucket, LockState, Who, Why, is_live};
use crate::seen::{Expected, Outcome, Seen};

pub(crate) const SHARE: [Source; 2] = [Source::Screen, Source::ScreenAudio];

#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) muted: bool,
    pub(crate) by: Option<ParticipantId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) link: LinkId,
    pub(crate) id: u32,
    pub(crate) attempt: u32,
    pub(crate) muted: bool,
    pub(crate) by: Option<ParticipantId>,
    pub(crate) deadline: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    /// The how many-th it was to come in.
    pub(crate) arrival: u64,
    pub(crate) link: Option<LinkId>,
    /// Until when the place of a broken link is kept.
    pub(crate) until: u64,
    pub(crate) device: DeviceHash,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) claim: Claim,
    pub(crate) invite: Option<InviteId>,
    pub(crate) by_claim: (Role, Option<RoleName>),
    pub(crate) role: Role,
    pub(crate) custom: Option<RoleName>,
    pub(crate) identity: Identity,
    pub(crate) name: DisplayName,
    pub(crate) joined_at: u64,
    pub(crate) overrides: Vec<Override>,
    pub(crate) live: BTreeMap<Source, Publication>,
    pub(crate) asked: BTreeMap<Source, Asked>,
    pub(crate) messages: Bucket,
    pub(crate) changes: Bucket,
    /// When it made invites, in the last minute.
    pub(crate) invited: Vec<u64>,
    pub(crate) refusals: Bucket,
}

#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) visitor: Visitor,
    pub(crate) link: Option<LinkId>,
    pub(crate) state: WaitingState,
    pub(crate) note: Option<String>,
    pub(crate) since: u64,
    pub(crate) gone_at: u64,
    pub(crate) messages: Bucket,
    /// What those who admit were shown.
    pub(crate) marks: (Role, Identity),
    /// The step in which it appeared as what it is.
    pub(crate) listed: u64,
}

/// Somebody who shows something.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) member: Option<MemberKey>,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) name: DisplayName,
    pub(crate) device: DeviceHash,
    pub(crate) claim: Claim,
    pub(crate) distrusted: bool,
    pub(crate) address: Option<IpAddr>,
    pub(crate) consent: Option<String>,
    pub(crate) choice: Option<DuplicateChoice>,
}

#[derive(Debug, Clone)]
pub(crate) struct Steward {
    pub(crate) invite: InviteHash,
    pub(crate) device: DeviceHash,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) messages: Bucket,
    pub(crate) changes: Bucket,
    pub(crate) refusals: Bucket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    NotBegun,
    Present,
    Missed { until: u64 },
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Link(LinkId, u32),
    Operator(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    pub(crate) id: RequestId,
    pub(crate) asker: MemberKey,
    pub(crate) asked: MemberKey,
    pub(crate) source: Source,
    pub(crate) until: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Hashing {
    pub(crate) to: To,
    pub(crate) authority: Authority,
    pub(crate) update: RoomUpdate,
}

#[derive(Debug, Clone)]
pub(crate) struct Authority {
    pub(crate) actor: Actor,
    pub(crate) role: Role,
    pub(crate) may: BTreeSet<Permission>,
}

/// Why not; the member where the model knows it.
pub(crate) type Refusal = (ErrorCode, Option<&'static str>);
/// `None`: later.
pub(crate) type Answer = Result<Option<Outcome>, Refusal>;

pub(crate) struct Model {
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    pub(crate) step: u64,
    pub(crate) room: Room,
    pub(crate) locks: [LockState; 3],
    pub(crate) allowed_networks: Vec<String>,
    pub(crate) password_rev: u32,
    pub(crate) people: BTreeMap<MemberKey, Person>,
    pub(crate) waiting: BTreeMap<KnockId, Waiter>,
    pub(crate) handled: BTreeMap<KnockId, Option<ParticipantId>>,
    /// How many came in.
    pub(crate) arrivals: u64,
    /// Whether the last who went wanted to, or somebody wanted it to.
    pub(crate) by_will: bool,
    pub(crate) recent_knocks: Vec<u64>,
    pub(crate) flood_until: u64,
    pub(crate) invites: BTreeMap<InviteId, Invite>,
    pub(crate) bans: Vec<Ban>,
    pub(crate) standings: BTreeMap<DeviceHash, Standing>,
    pub(crate) stewards: BTreeMap<LinkId, Steward>,
    pub(crate) session_since: Option<u64>,
    pub(crate) lead: Lead,
    /// Who has the one screen, and until when unless it is published.
    pub(crate) share: Option<(MemberKey, Option<u64>)>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) prompted: BTreeMap<(MemberKey, MemberKey), Vec<u64>>,
    pub(crate) held: BTreeMap<u64, (To, Outcome, u64)>,
    pub(crate) hashing: BTreeMap<u64, Hashing>,
    pub(crate) door: Bucket,
    pub(crate) is_deleted: bool,
    pub(crate) participants_max: usize,
    /// How often each participant changed before this step, as the room counts it.
    pub(crate) revs: BTreeMap<ParticipantId, u32>,
    /// In which step each list of the lobby was told, by its number.
    pub(crate) lists: BTreeMap<u32, u64>,
    /// What the step is to say.
    pub(crate) expected: Expected,
}

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

pub(crate) fn refusals() -> Bucket {
    Bucket::new(1, 10)
}

impl Model {
    // --- what there is, worked out anew

    pub(crate) fn may(&self, person: &Person) -> BTreeSet<Permission> {
        rules::all(&self.room, &self.locks, &who(person), self.now)
    }

    pub(crate) fn holds(&self, key: MemberKey, permission: Permission) -> bool {
        let person = self.people.get(&key);
        person.is_some_and(|person| self.may(person).contains(&permission))
    }

    pub(crate) fn of_link(&self, link: LinkId) -> Option<MemberKey> {
        let mut people = self.people.iter();
        people
            .find(|(_, person)| person.link == Some(link))
            .map(|(key, _)| *key)
    }

    pub(crate) fn waiter_of(&self, link: LinkId) -> Option<KnockId> {
        let mut waiting = self.waiting.iter();
        waiting
            .find(|(_, waiter)| waiter.link == Some(link))
            .map(|(knock, _)| *knock)
    }

    pub(crate) fn knows_link(&self, link: LinkId) -> bool {
        self.of_link(link).is_some()
            || self.waiter_of(link).is_some()
            || self.stewards.contains_key(&link)
    }

    pub(crate) fn of_id(&self, id: ParticipantId) -> Option<MemberKey> {
        let mut people = self.people.iter();
        people
            .find(|(_, person)| person.id == id)
            .map(|(key, _)| *key)
    }

    pub(crate) fn is_waiting_for_host(&self) -> bool {
        match self.lead {
            Lead::NotBegun => !self.room.start_without_host,
            Lead::Present | Lead::Missed { .. } => false,
            Lead::Gone => self.room.no_host == NoHost::Wait,
        }
    }

    pub(crate) fn waiting_state(&self) -> WaitingState {
        match self.is_waiting_for_host() {
            true => WaitingState::WaitingForHost,
            false => WaitingState::Waiting,
        }
    }

    /// The sources of somebody, as everybody sees them.
    fn sources(&self, person: &Person) -> Sources {
        let state = |source: Source| {
            let publication = person.live.get(&source);
            let permission = Permission::to_publish(source);
            SourceState {
                published: publication.is_some(),
                muted: publication.is_none_or(|publication| publication.muted),
                muted_by: publication.and_then(|publication| publication.by),
                locked: !rules::decide(&self.room, &self.locks, &who(person), self.now, permission)
                    .0,
            }
        };
        let shared = |source: Source| person.live.contains_key(&source).then(|| state(source));
        Sources {
            microphone: state(Source::Microphone),
            camera: state(Source::Camera),
            screen: shared(Source::Screen),
            screen_audio: shared(Source::ScreenAudio),
        }
    }

    /// Somebody as the hosts see it. The number of changes is left to who compares.
    pub(crate) fn face(&self, person: &Person) -> Participant {
        Participant {
            id: person.id,
            rev: 0,
            name: person.name.clone(),
            role: person.role,
            custom_role: person.custom.clone(),
            identity: person.identity,
            presence: match person.link {
                Some(_) => Presence::Connected,
                None => Presence::Reconnecting,
            },
            joined_at: at(person.joined_at).whole_seconds(),
            hand: None,
            sources: self.sources(person),
        }
    }

    /// Whether everybody sees somebody: who leads or shows something.
    fn is_conspicuous(person: &Person) -> bool {
        rules::rank(person.role) <= 2 || !person.live.is_empty()
    }

    pub(crate) fn sees(&self, viewer: MemberKey, other: MemberKey) -> bool {
        viewer == other
            || self.holds(viewer, Permission::RosterSee)
            || self.people.get(&other).is_some_and(Model::is_conspicuous)
    }

    /// Whom somebody sees, itself included, and as what.
    pub(crate) fn roster_of(&self, viewer: MemberKey) -> BTreeMap<ParticipantId, Participant> {
        let sees_all = self.holds(viewer, Permission::RosterSee);
        let sees_roles = self.holds(viewer, Permission::RosterSeeRoles);
        let mut roster = BTreeMap::new();
        for (key, person) in &self.people {
            let is_own = *key == viewer;
            if !is_own && !sees_all && !Model::is_conspicuous(person) {
                continue;
            }
            let mut face = self.face(person);
            if !is_own && !sees_roles && rules::rank(face.role) > 2 {
                face.role = Role::Attendee;
                face.custom_role = None;
                let Sources {
                    microphone,
                    camera,
                    screen,
                    screen_audio,
                } = &mut face.sources;
                let shares = screen.iter_mut().chain(screen_audio);
                for source in shares.chain([microphone, camera]) {
                    source.locked = false;
                }
            }
            roster.insert(face.id, face);
        }
        roster
    }

    /// The room as somebody sees it; `None` for who manages it.
    pub(crate) fn room_of(&self, viewer: Option<MemberKey>) -> Room {
        let mut room = self.room.clone();
        room.waiting_for_host = self.is_waiting_for_host();
        let av_lock = &mut room.av_lock;
        let shown = [
            &mut av_lock.microphone,
            &mut av_lock.camera,
            &mut av_lock.screen,
        ];
        for (shown, lock) in shown.into_iter().zip(&self.locks) {
            shown.on = lock.on;
            let allowed = self.people.iter().filter(|(key, person)| {
                lock.allow.contains(&person.device)
                    && viewer.is_none_or(|viewer| self.sees(viewer, **key))
            });
            shown.allow = allowed.map(|(_, person)| person.id).collect();
        }
        room
    }

    pub(crate) fn authority(&self, key: MemberKey) -> Authority {
        let person = &self.people[&key];
        Authority {
            actor: Actor::Participant(person.id),
            role: person.role,
            may: self.may(person),
        }
    }

    // --- standings

    pub(crate) fn counts(&self, standing: &Standing) -> bool {
        standing.left_at.is_none_or(|left| {
            let left = left.unix_ms();
            self.session_since.is_some_and(|since| since <= left) || self.now < left + 300_000
        })
    }

    pub(crate) fn standing(&self, device: &DeviceHash) -> Option<&Standing> {
        let known = self.standings.get(device)?;
        self.counts(known).then_some(known)
    }

    pub(crate) fn change_standing(
        &mut self,
        device: DeviceHash,
        change: impl FnOnce(&mut Standing),
    ) {
        let blank = Standing::new(device);
        let mut standing = self.standing(&device).cloned().unwrap_or(blank);
        change(&mut standing);
        let is_in = self.people.values().any(|person| person.device == device);
        standing.left_at = (!is_in).then(|| at(self.now));
        self.keep_standing(standing);
    }

    /// Changes what somebody has, wherever it is.
    pub(crate) fn amend_standing(
        &mut self,
        device: DeviceHash,
        change: impl FnOnce(&mut Standing),
    ) {
        if let Some(mut standing) = self.standing(&device).cloned() {
            change(&mut standing);
            self.keep_standing(standing);
        }
    }

    fn keep_standing(&mut self, standing: Standing) {
        let is_worth_keeping = standing.role.is_some()
            || !standing.overrides.is_empty()
            || standing.name.is_some()
            || standing.admitted
            || standing.sent_back
            || standing.removals > 0;
        if is_worth_keeping {
            self.standings.insert(standing.device, standing);
        } else {
            self.standings.remove(&standing.device);
        }
    }

    /// What a removal or a way back to the lobby leaves of somebody.
    pub(crate) fn mark(&mut self, key: MemberKey, is_removed: bool) {
        let person = self.people[&key].clone();
        self.change_standing(person.device, |standing| {
            standing.admitted = false;
            standing.invite = person.invite.or(standing.invite);
            standing.network = person.networks.first().copied().or(standing.network);
            if !is_removed {
                standing.sent_back = true;
                return;
            }
            standing.removals += 1;
            let by_claim = person.by_claim.0;
            standing.role = standing
                .role
                .filter(|role| rules::outranks(by_claim, *role));
            standing.custom_role = None;
            let overrides = &mut standing.overrides;
            overrides.retain(|known| known.effect == Effect::Deny);
        });
    }

    /// Whether somebody may be one who is not wanted: by its invite, or else by its network.
    pub(crate) fn likeness(
        &self,
        visitor: &Visitor,
        invite: Option<InviteId>,
        by_claim: Role,
    ) -> bool {
        self.standings.values().any(|known| {
            let counts = known.device != visitor.device && self.counts(known);
            let is_out = !known.admitted && (known.removals > 0 || known.sent_back);
            let is_less = known
                .role
                .is_some_and(|role| rules::outranks(by_claim, role));
            let is_same = invite.is_some() && known.invite == invite;
            let mut networks = visitor.networks.iter();
            let is_near = networks.any(|network| known.network == Some(*network));
            counts && (is_out && (is_same || is_near) || is_less && is_same)
        })
    }

    /// Remembers what somebody was given.
    pub(crate) fn note_standing(&mut self, key: MemberKey) {
        let person = self.people[&key].clone();
        let now = self.now;
        self.change_standing(person.device, |standing| {
            let is_given = (person.role, &person.custom) != (person.by_claim.0, &person.by_claim.1);
            standing.invite = person.invite.or(standing.invite);
            standing.role = is_given.then_some(person.role);
            standing.custom_role = person.custom.clone().filter(|_| is_given);
            standing.overrides = person.overrides.clone();
            standing.overrides.retain(|known| is_live(known, now));
        });
    }

    fn note_left(&mut self, device: DeviceHash) {
        if self.standing(&device).is_some() {
            self.change_standing(device, |_| {});
        }
    }

    // --- answers

    pub(crate) fn tell(&mut self, to: To, outcome: Outcome) {
        match to {
            To::Link(link, id) => self.expected.answers.push((link, id, outcome)),
            To::Operator(ticket) => self.expected.operator.push((ticket, outcome)),
        }
    }

    pub(crate) fn tell_if_there(&mut self, to: To, outcome: Outcome) {
        let is_there = match to {
            To::Link(link, _) => self.knows_link(link),
            To::Operator(_) => true,
        };
        if is_there {
            self.tell(to, outcome);
        }
    }

    pub(crate) fn close(&mut self, link: LinkId, code: CloseCode) {
        self.expected.closes.push((link, code));
    }

    pub(crate) fn write_down(&mut self, action: &str, outcome: &str) {
        let entry = (action.to_owned(), outcome.to_owned());
        self.expected.audits.push(entry);
    }

    /// An answer at once, or when the media plane has stopped what this stopped.
    pub(crate) fn once_stopped(
        &mut self,
        seen: &mut Seen,
        to: To,
        words: impl Into<String>,
    ) -> Answer {
        let outcome = Outcome::ok(words);
        match seen.barriers.pop() {
            Some(number) => {
                self.held.insert(number, (to, outcome, self.now + 10_000));
                Ok(None)
            }
            None => Ok(Some(outcome)),
        }
    }

    // --- going

    /// Takes a participant out. Its link is closed by the caller.
    pub(crate) fn take_out(&mut self, key: MemberKey) -> Option<Person> {
        let person = self.people.remove(&key)?;
        self.by_will = true;
        self.share.take_if(|(holder, _)| *holder == key);
        self.forget_prompts(key);
        self.write_left_out(&person.refusals);
        self.note_left(person.device);
        self.expected.dead.push(person.id);
        Some(person)
    }

    /// Who was refused too often to be written down is, when it goes.
    fn write_left_out(&mut self, refusals: &Bucket) {
        if refusals.missed > 0 {
            self.write_down("participant.refused", "ok");
        }
    }

    fn forget_prompts(&mut self, key: MemberKey) {
        self.prompted
            .retain(|(asker, asked), _| *asker != key && *asked != key);
        let gone = |prompt: &Prompt| prompt.asker == key || prompt.asked == key;
        for prompt in self.prompts.clone().into_iter().filter(gone) {
            if prompt.asker != key {
                self.expected.answered.push((prompt.asker, prompt.id));
            }
        }
        self.prompts.retain(|prompt| !gone(prompt));
    }

    /// Leaves somebody its place, for a while.
    pub(crate) fn drop_link(&mut self, link: LinkId, for_ms: u64) {
        if let Some(key) = self.of_link(link) {
            let until = self.now + for_ms;
            if let Some(person) = self.people.get_mut(&key) {
                (person.link, person.until) = (None, until);
            }
        } else if let Some(knock) = self.waiter_of(link) {
            if let Some(waiter) = self.waiting.get_mut(&knock) {
                waiter.link = None;
            }
        } else if self.stewards.contains_key(&link) {
            self.forget_steward(link);
        }
    }

    pub(crate) fn cut(&mut self, link: LinkId, code: CloseCode) {
        self.close(link, code);
        self.drop_link(link, 30_000);
    }

    pub(crate) fn forget_steward(&mut self, link: LinkId) {
        if let Some(steward) = self.stewards.remove(&link) {
            self.write_left_out(&steward.refusals);
        }
        self.hashing
            .retain(|_, hashing| !matches!(hashing.to, To::Link(other, _) if other == link));
    }

    pub(crate) fn end_meeting(&mut self) {
        let people = std::mem::take(&mut self.people);
        self.by_will = true;
        for person in people.values() {
            if let Some(link) = person.link {
                self.close(link, CloseCode::Ended);
            }
            self.expected.dead.push(person.id);
            self.expected.ended.push(person.id);
        }
        for waiter in std::mem::take(&mut self.waiting).into_values() {
            if let Some(link) = waiter.link {
                self.close(link, CloseCode::Ended);
            }
        }
        for person in people.into_values() {
            self.write_left_out(&person.refusals);
            self.note_left(person.device);
        }
        self.share = None;
        self.prompts.clear();
        self.prompted.clear();
    }

    // --- media

    /// Ends what is published and asked for; returns whether there was anything.
    pub(crate) fn end(&mut self, key: MemberKey, sources: &[Source], code: ErrorCode) -> bool {
        let Some(person) = self.people.get_mut(&key) else {
            return false;
        };
        let link = person.link;
        let mut any = false;
        let mut refused = Vec::new();
        for source in sources {
            any |= person.live.remove(source).is_some();
            if let Some(asked) = person.asked.remove(source) {
                any = true;
                refused.extend((link == Some(asked.link)).then_some(asked));
            }
        }
        for asked in refused {
            self.tell(To::Link(asked.link, asked.id), Outcome::no(code));
        }
        any
    }

    pub(crate) fn end_share(&mut self, key: MemberKey, code: ErrorCode) -> bool {
        let held = self.share.take_if(|(holder, _)| *holder == key).is_some();
        self.end(key, &SHARE, code) || held
    }

    /// Takes a source away from its owner, and has it told.
    pub(crate) fn revoke(&mut self, key: MemberKey, source: Source, reason: RevokedReason) -> bool {
        let sources = match source {
            Source::Screen => &SHARE[..],
            Source::Microphone => &[Source::Microphone],
            Source::Camera => &[Source::Camera],
            Source::ScreenAudio => &[Source::ScreenAudio],
        };
        let live = &self.people[&key].live;
        let told = sources.iter().filter(|source| live.contains_key(source));
        let told: Vec<_> = told.map(|source| (key, *source, reason)).collect();
        self.expected.revoked.extend(told);
        let code = match reason {
            RevokedReason::Stopped
            | RevokedReason::Muted
            | RevokedReason::TakenOver
            | RevokedReason::Suspended => ErrorCode::Conflict,
            RevokedReason::Locked | RevokedReason::PermissionRevoked => ErrorCode::Forbidden,
        };
        match source {
            Source::Screen => self.end_share(key, code),
            _ => self.end(key, &[source], code),
        }
    }

    /// Mutes; returns whether it was open.
    pub(crate) fn mute(
        &mut self,
        key: MemberKey,
        source: Source,
        reason: RevokedReason,
        by: Option<ParticipantId>,
    ) -> bool {
        let Some(person) = self.people.get_mut(&key) else {
            return false;
        };
        let mut changed = false;
        if let Some(live) = person.live.get_mut(&source).filter(|live| !live.muted) {
            (live.muted, live.by, changed) = (true, by, true);
        }
        if let Some(asked) = person.asked.get_mut(&source).filter(|asked| !asked.muted) {
            (asked.muted, asked.by, changed) = (true, by, true);
        }
        if changed {
            self.expected.revoked.push((key, source, reason));
        }
        changed
    }

    /// Nothing is published that may not be: a lock mutes, all else ends.
    pub(crate) fn enforce(&mut self, by: Option<ParticipantId>) {
        for key in self.people.keys().copied().collect::<Vec<_>>() {
            for source in Source::ALL {
                let permission = Permission::to_publish(source);
                let person = &self.people[&key];
                let who = who(person);
                let (allowed, why) =
                    rules::decide(&self.room, &self.locks, &who, self.now, permission);
                if allowed {
                    continue;
                }
                let is_screen = SHARE.contains(&source);
                match why {
                    Why::Lock if !is_screen && person.live.contains_key(&source) => {
                        self.mute(key, source, RevokedReason::Locked, by);
                    }
                    Why::Lock | Why::Policy => {
                        self.revoke(key, source, RevokedReason::Locked);
                    }
                    Why::Right => {
                        self.revoke(key, source, RevokedReason::PermissionRevoked);
                    }
                }
            }
        }
    }

    // --- time

    /// When something becomes due by itself.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let mut due: Vec<u64> = Vec::new();
        for person in self.people.values() {
            due.extend(person.link.is_none().then_some(person.until));
            due.extend(person.asked.values().map(|asked| asked.deadline));
            due.extend(
                person
                    .overrides
                    .iter()
                    .filter_map(|known| Some(known.expires_at?.unix_ms())),
            );
        }
        due.extend(self.waiting.values().map(|waiter| waiter.gone_at));
        due.extend(self.share.and_then(|(_, until)| until));
        due.extend(self.prompts.iter().map(|prompt| prompt.until));
        due.extend(self.held.values().map(|(_, _, deadline)| *deadline));
        if let Lead::Missed { until } = self.lead {
            due.push(until);
        }
        due.into_iter().min()
    }

    pub(crate) fn tick(&mut self, seen: &mut Seen) {
        let now = self.now;
        let gone = |person: &Person| person.link.is_none() && person.until <= now;
        for key in self.keys_of(gone) {
            self.take_out(key);
            self.by_will = false;
        }
        if let Some((holder, Some(until))) = self.share
            && until <= now
        {
            self.end_share(holder, ErrorCode::Conflict);
        }
        for person in self.people.values_mut() {
            person.overrides.retain(|known| is_live(known, now));
        }
        self.enforce(None);
        for prompt in self.prompts.extract_if(.., |prompt| prompt.until <= now) {
            self.expected.answered.push((prompt.asker, prompt.id));
        }
        let late: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, (_, _, deadline))| *deadline <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            if let Some((to, _, _)) = self.held.remove(&number) {
                self.tell_if_there(to, Outcome::no(ErrorCode::NotAvailable));
            }
        }
        for key in self.keys_of(|_| true) {
            for source in Source::ALL {
                let asked = self.people[&key].asked.get(&source);
                match source {
                    _ if asked.is_none_or(|asked| now < asked.deadline) => false,
                    Source::Screen => self.end_share(key, ErrorCode::NotAvailable),
                    _ => self.end(key, &[source], ErrorCode::NotAvailable),
                };
            }
        }
        let silent = self
            .waiting
            .extract_if(.., |_, waiter| waiter.gone_at <= now);
        let silent: Vec<Waiter> = silent.map(|(_, waiter)| waiter).collect();
        for link in silent.into_iter().filter_map(|waiter| waiter.link) {
            self.close(link, CloseCode::Idle);
        }
        self.settle(seen);
    }

    pub(crate) fn keys_of(&self, which: impl Fn(&Person) -> bool) -> Vec<MemberKey> {
        let people = self.people.iter().filter(|(_, person)| which(person));
        people.map(|(key, _)| *key).collect()
    }

    // --- what follows from each step

    pub(crate) fn settle(&mut self, seen: &mut Seen) {
        self.settle_hosts();
        self.settle_waiters(seen);
        let stewards: Vec<LinkId> = self.stewards.keys().copied().collect();
        for link in stewards {
            if self.authority_of_steward(link).is_err() {
                self.forget_steward(link);
                self.close(link, CloseCode::Removed);
            }
        }
        if self.people.is_empty() {
            self.end_session();
        }
    }

    fn end_session(&mut self) {
        // What was given in a meeting that was ended is not for the next one.
        if self.session_since.is_some() && self.by_will {
            let usual = self.room.default_role;
            for device in self.standings.keys().copied().collect::<Vec<_>>() {
                self.amend_standing(device, |standing| {
                    standing.admitted = false;
                    standing.role = standing.role.filter(|role| rules::outranks(usual, *role));
                    standing.custom_role = None;
                    let overrides = &mut standing.overrides;
                    overrides.retain(|known| known.effect == Effect::Deny);
                });
            }
        }
        if let Some(since) = self.session_since.take() {
            for invite in self.invites.values_mut() {
                let used = invite.last_used_at.map(Timestamp::unix_ms);
                if invite.max_uses.is_some() && used.is_some_and(|used| used >= since) {
                    invite.last_used_at = Some(at(self.now));
                }
            }
        }
    }

    fn settle_hosts(&mut self) {
        let is_led = self
            .people
            .values()
            .any(|person| self.may(person).contains(&Permission::SessionStart));
        let grace = u64::from(self.room.no_host_grace_s) * 1000;
        self.lead = match self.lead {
            _ if self.people.is_empty() => Lead::NotBegun,
            _ if is_led => Lead::Present,
            Lead::Present => Lead::Missed {
                until: self.now + grace,
            },
            since => since,
        };
        if matches!(self.lead, Lead::Missed { until } if until <= self.now) {
            self.lead = Lead::Gone;
            self.write_down("room.no_host", "ok");
        }
        if self.lead == Lead::Gone && self.room.no_host == NoHost::End {
            self.end_meeting();
            self.lead = Lead::NotBegun;
        }
    }

    fn settle_waiters(&mut self, seen: &mut Seen) {
        let state = self.waiting_state();
        for knock in self.waiting.keys().copied().collect::<Vec<_>>() {
            let before = self.waiting[&knock].state;
            let is_over = (before, state) == (WaitingState::WaitingForHost, WaitingState::Waiting);
            if is_over && self.let_in_by_itself(seen, knock) {
                continue;
            }
            if let Some(waiter) = self.waiting.get_mut(&knock) {
                waiter.state = state;
            }
        }
    }

    /// The standing of a role name that still is one.
    pub(crate) fn custom_on(&self, name: Option<&RoleName>, base: Role) -> Option<RoleName> {
        let mut customs = self.room.custom_roles.iter();
        let custom = customs.find(|custom| Some(&custom.name) == name)?;
        (custom.base == base).then(|| custom.name.clone())
    }

    /// The step in which the newest list up to a number was told.
    pub(crate) fn expected_list(&self, rev: u32) -> u64 {
        let mut told = self.lists.range(..=rev).rev();
        told.next().map_or(0, |(_, step)| *step)
    }
}

pub(crate) fn who(person: &Person) -> Who<'_> {
    Who {
        role: person.role,
        custom: person.custom.as_ref(),
        overrides: &person.overrides,
        device: &person.device,
    }
}
