//! The model of the door: who comes in, who waits, who comes back.

use std::net::IpAddr;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::consent_hash;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::record::{Actor, Ban, Invite};
use conclave_signalling_core::room::{Claim, Entrant, Managing, Returning};
use conclave_signalling_core::settings::Network;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::ids::{InviteId, KnockId, ParticipantId};
use conclave_signalling_wire::objects::{DuplicatePolicy, Identity, Override, Permission, Role};
use conclave_signalling_wire::request::DuplicateChoice;
use conclave_signalling_wire::text::{DisplayName, RoleName};

use std::collections::BTreeSet;

use crate::model::{
    Authority, Lead, Model, Person, Refusal, Steward, To, Visitor, Waiter, at, refusals,
};
use crate::rules::{self, Bucket, Who};
use crate::seen::{Outcome, Seen};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Free,
    Near,
    Banned,
}

#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) visitor: Visitor,
    pub(crate) invite: Option<InviteId>,
    pub(crate) is_host: bool,
    pub(crate) by_claim: (Role, Option<RoleName>),
    pub(crate) role: Role,
    pub(crate) custom: Option<RoleName>,
    pub(crate) identity: Identity,
    pub(crate) overrides: Vec<Override>,
    pub(crate) may: BTreeSet<Permission>,
    pub(crate) verdict: Verdict,
    pub(crate) bypasses: bool,
    pub(crate) was_admitted: bool,
    /// Whether it, or one that it resembles, was removed, sent back or made less.
    pub(crate) is_marked: bool,
}

impl Candidate {
    /// Somebody has to look at it first.
    fn is_suspect(&self) -> bool {
        let visitor = &self.visitor;
        let is_doubtful = visitor.distrusted && matches!(visitor.claim, Claim::Password { .. });
        let is_suspect = self.is_marked || is_doubtful || self.verdict == Verdict::Near;
        is_suspect && !self.was_admitted
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twin {
    Stays,
    Goes,
    Asked,
    Busy,
}

fn wrong(claim: &Claim) -> Refusal {
    match claim {
        Claim::Open => (ErrorCode::PasswordRequired, None),
        Claim::Password { .. } => (ErrorCode::BadCredentials, Some("credential.password")),
        Claim::Invite(_) => (ErrorCode::BadCredentials, Some("credential.secret")),
        Claim::Site(_) => (ErrorCode::BadCredentials, Some("credential.jwt")),
    }
}

fn is_personal(invite: &Invite) -> bool {
    invite.max_uses == Some(1) || invite.name.is_some()
}

impl Model {
    /// Whether an invite opens anything to a device.
    fn judge_invite(&self, invite: &Invite, visitor: &Visitor) -> Result<(), Refusal> {
        let now = self.now;
        let no = |code| Err((code, None));
        if invite.revoked_at.is_some() {
            return no(ErrorCode::InviteRevoked);
        }
        if invite
            .expires_at
            .is_some_and(|until| until.unix_ms() <= now)
        {
            return no(ErrorCode::InviteExpired);
        }
        if invite.not_before.is_some_and(|from| now < from.unix_ms()) {
            return no(ErrorCode::InviteNotYet);
        }
        let is_known = invite.devices.contains(&visitor.device);
        if invite.bind_device && !invite.devices.is_empty() && !is_known {
            return no(ErrorCode::InviteUsedUp);
        }
        if invite.max_uses.is_none_or(|most| invite.uses < most) {
            return Ok(());
        }
        // Used up: its devices come again until ten minutes after the meeting.
        let goes_on = self.standing(&visitor.device).is_some();
        let used = invite.last_used_at;
        let is_recent = used.is_some_and(|used| now <= used.unix_ms() + 600_000);
        if is_known && (goes_on || is_recent) {
            return Ok(());
        }
        no(ErrorCode::InviteUsedUp)
    }

    pub(crate) fn candidate(&self, mut visitor: Visitor) -> Result<Candidate, Refusal> {
        if self.is_deleted {
            return Err(wrong(&visitor.claim));
        }
        let mut known: Option<Invite> = None;
        let mut bypasses = false;
        match visitor.claim {
            Claim::Open if self.room.password_set => return Err(wrong(&visitor.claim)),
            Claim::Open => {}
            // No history has a site that sends people.
            Claim::Site(_) => return Err(wrong(&visitor.claim)),
            Claim::Password { rev } => {
                if self.room.password_set && rev != self.password_rev {
                    return Err(wrong(&visitor.claim));
                }
                bypasses = self.room.password_bypasses_lobby && !visitor.distrusted;
            }
            Claim::Invite(hash) => {
                let mut invites = self.invites.values();
                let invite = invites.find(|invite| invite.hash == hash);
                let invite = invite.ok_or_else(|| wrong(&visitor.claim))?;
                self.judge_invite(invite, &visitor)?;
                bypasses = invite.bypass_lobby;
                if let (true, Some(name)) = (invite.name_locked, &invite.name) {
                    visitor.name = name.clone();
                }
                known = Some(invite.clone());
            }
        }
        let is_invited = known
            .as_ref()
            .is_some_and(|one| is_personal(one) && one.vouched);
        let identity = match is_invited {
            true => Identity::Invited,
            false => Identity::Guest,
        };
        let by_claim = match &known {
            None => (self.room.default_role, None),
            Some(invite) if !rules::may_hold(&self.room, identity, invite.role) => {
                (Role::Presenter, None)
            }
            Some(invite) => {
                let custom = self.custom_on(invite.custom_role.as_ref(), invite.role);
                (invite.role, custom)
            }
        };
        let is_host = by_claim.0 == Role::Host;
        let standing = self.standing(&visitor.device).filter(|_| !is_host);
        let given = standing.and_then(|standing| Some((standing.role?, standing)));
        let (role, custom) = match given {
            None => by_claim.clone(),
            Some((role, standing)) if rules::may_hold(&self.room, identity, role) => {
                (role, self.custom_on(standing.custom_role.as_ref(), role))
            }
            Some(_) => (Role::Presenter, None),
        };
        let overrides = standing.map_or_else(Vec::new, |standing| standing.overrides.clone());
        let who = Who {
            role,
            custom: custom.as_ref(),
            overrides: &overrides,
            device: &visitor.device,
        };
        let may = rules::all(&self.room, &self.locks, &who, self.now);
        let invite = known.as_ref().map(|invite| invite.id);
        let verdict = match is_host {
            true => Verdict::Free,
            false => self.judge_bans(&visitor, invite),
        };
        let is_like = !is_host && self.likeness(&visitor, invite, by_claim.0);
        let is_fixed = known
            .as_ref()
            .is_some_and(|one| one.name_locked && one.name.is_some());
        let renamed = standing.and_then(|standing| standing.name.clone());
        let keeps_name = is_fixed || !may.contains(&Permission::SelfRename);
        if let Some(name) = renamed.filter(|_| keeps_name) {
            visitor.name = name;
        }
        let was_admitted = standing.is_some_and(|standing| standing.admitted);
        Ok(Candidate {
            invite,
            is_host,
            by_claim,
            role,
            custom,
            identity,
            verdict,
            bypasses: bypasses || may.contains(&Permission::LobbyBypass),
            was_admitted,
            is_marked: is_like
                || standing.is_some_and(|standing| standing.removals > 0 || standing.sent_back),
            overrides,
            may,
            visitor,
        })
    }

    fn judge_bans(&self, visitor: &Visitor, invite: Option<InviteId>) -> Verdict {
        let mut verdict = Verdict::Free;
        for ban in &self.bans {
            if ban.expires_at.unix_ms() <= self.now {
                continue;
            }
            let is_near = self.now < ban.network_until.unix_ms()
                && ban
                    .network
                    .is_some_and(|tag| visitor.networks.contains(&tag));
            if ban.device == Some(visitor.device)
                || ban.invite.is_some() && ban.invite == invite
                || is_near && ban.strict
            {
                return Verdict::Banned;
            }
            if is_near {
                verdict = Verdict::Near;
            }
        }
        verdict
    }

    fn check_bans(&self, candidate: &Candidate, address: IpAddr) -> Result<(), Refusal> {
        let banned = Err((ErrorCode::Banned, None));
        if candidate.verdict == Verdict::Banned {
            return banned;
        }
        if candidate.is_host {
            return Ok(());
        }
        if !self.is_allowed(address) {
            return banned;
        }
        Ok(())
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        let mut networks = self.allowed_networks.iter();
        let is_near = |text: &String| {
            let network = text.parse::<Network>();
            network.is_ok_and(|network| network.contains(address))
        };
        self.allowed_networks.is_empty() || networks.any(is_near)
    }

    pub(crate) fn has_place(&self, is_host: bool, replaces: bool) -> bool {
        let most = self
            .room
            .caps
            .participants
            .map_or(usize::MAX, |most| most as usize);
        let most = most.min(self.participants_max);
        self.people.len() - usize::from(replaces) < most + usize::from(is_host)
    }

    pub(crate) fn must_wait(&self, candidate: &Candidate) -> bool {
        if candidate.is_host {
            return false;
        }
        if candidate.is_suspect() {
            return true;
        }
        let comes_back = candidate.was_admitted && self.session_since.is_some();
        let starts = candidate.may.contains(&Permission::SessionStart);
        if self.is_waiting_for_host() && !starts && !comes_back {
            return true;
        }
        rules::has_lobby(&self.room) && !candidate.bypasses && !candidate.was_admitted
    }

    pub(crate) fn join(&mut self, seen: &mut Seen, entrant: &Entrant) {
        let (link, id) = (entrant.link, entrant.id);
        if let Err((code, field)) = self.enter(seen, entrant) {
            self.note_refusal("join", code);
            self.tell(To::Link(link, id), Outcome::No(code, field));
        }
        self.settle(seen);
    }

    fn note_refusal(&mut self, action: &str, code: ErrorCode) {
        let is_worth_it = matches!(
            code,
            ErrorCode::Banned
                | ErrorCode::Locked
                | ErrorCode::Forbidden
                | ErrorCode::BadCredentials
                | ErrorCode::InviteExpired
                | ErrorCode::InviteRevoked
                | ErrorCode::InviteUsedUp
                | ErrorCode::InviteNotYet
        );
        if is_worth_it && self.door.take(self.now) {
            self.write_down(action, code.name());
        }
    }

    fn enter(&mut self, seen: &mut Seen, entrant: &Entrant) -> Result<(), Refusal> {
        let mut candidate = self.candidate(Visitor {
            member: Some(entrant.member),
            networks: entrant.networks.clone(),
            name: entrant.name.clone(),
            device: entrant.device,
            claim: entrant.claim.clone(),
            distrusted: entrant.to_lobby,
            address: Some(entrant.address),
            consent: entrant.consent_hash.clone(),
            choice: entrant.duplicate,
        })?;
        self.check_bans(&candidate, entrant.address)?;
        let (twin, what) = self.twin_of(&candidate);
        let is_own = twin.is_some_and(|twin| self.people[&twin].device == entrant.device);
        if is_own && what == Some(Twin::Stays) {
            candidate.was_admitted = false;
        }
        let is_newcomer = !is_own || what == Some(Twin::Stays);
        if is_newcomer && !candidate.is_host {
            let now = self.now;
            if self
                .room
                .closes_at
                .is_some_and(|closes| closes.unix_ms() <= now)
            {
                return Err(wrong(&candidate.visitor.claim));
            }
            if self
                .room
                .opens_at
                .is_some_and(|opens| now < opens.unix_ms())
            {
                return Err((ErrorCode::NotOpenYet, None));
            }
            if self.room.locked {
                return Err((ErrorCode::Locked, None));
            }
        }
        let replaces = what == Some(Twin::Goes);
        let has_place = what == Some(Twin::Asked) || self.has_place(candidate.is_host, replaces);
        // A host whose link broke gives way to one with the same link.
        let ghosts = self.keys_of(|person| {
            candidate.is_host && person.link.is_none() && person.invite == candidate.invite
        });
        let ghost = ghosts.first().copied().filter(|_| !has_place);
        if !has_place && ghost.is_none() {
            return Err((ErrorCode::Full, None));
        }
        if let Some(text) = &self.room.consent_text
            && entrant.consent_hash != Some(consent_hash(text))
        {
            return Err((ErrorCode::ConsentRequired, None));
        }
        let to = To::Link(entrant.link, entrant.id);
        match (what, twin) {
            (Some(Twin::Asked), Some(twin)) => {
                let words = format!("duplicate {}", self.people[&twin].id);
                self.tell(to, Outcome::ok(words));
                return Ok(());
            }
            (Some(Twin::Busy), _) => return Err((ErrorCode::Busy, None)),
            _ => {}
        }
        if is_newcomer && self.must_wait(&candidate) {
            self.knock(seen, to, entrant.link, candidate);
            return Ok(());
        }
        self.replace(twin.filter(|_| replaces));
        if let Some(ghost) = ghost {
            self.take_out(ghost);
            self.by_will = false;
        }
        self.forget_knock_of(&candidate);
        self.tell(to, Outcome::ok("joined"));
        self.admit(seen, candidate, entrant.link, false);
        Ok(())
    }

    pub(crate) fn replace(&mut self, twin: Option<MemberKey>) {
        if let Some(twin) = twin
            && let Some(link) = self.take_out(twin).and_then(|person| person.link)
        {
            self.close(link, CloseCode::TakenOver);
        }
    }

    /// The newest of the same device, else of the same personal invite, and what becomes of it.
    fn twin_of(&self, candidate: &Candidate) -> (Option<MemberKey>, Option<Twin>) {
        let device = candidate.visitor.device;
        let personal = candidate.invite.filter(|id| is_personal(&self.invites[id]));
        let newest = |mut keys: Vec<MemberKey>| {
            keys.sort_by_key(|key| self.people[key].arrival);
            keys.last().copied()
        };
        let own = self.keys_of(|person| person.device == device);
        let pages = own.len();
        let same_invite = self.keys_of(|person| personal.is_some() && person.invite == personal);
        let twin = newest(own).or_else(|| newest(same_invite));
        let judge = |twin| {
            let choice = candidate.visitor.choice;
            match self.judge_twin(candidate, twin, pages > 0, choice) {
                Twin::Stays if pages >= 2 => Twin::Busy,
                judged => judged,
            }
        };
        (twin, twin.map(judge))
    }

    /// What may have changed while somebody waited. Returns whom it replaces.
    pub(crate) fn asked_again(&self, candidate: &Candidate) -> Result<Option<MemberKey>, Refusal> {
        let no = |code| Err((code, None));
        if candidate.verdict == Verdict::Banned {
            return no(ErrorCode::Banned);
        }
        let (now, room) = (self.now, &self.room);
        let is_open = room.closes_at.is_none_or(|closes| now < closes.unix_ms())
            && room.opens_at.is_none_or(|opens| opens.unix_ms() <= now);
        let address = candidate.visitor.address;
        let is_near = address.is_none_or(|address| self.is_allowed(address));
        if !(candidate.is_host || is_open && is_near) {
            return no(ErrorCode::Forbidden);
        }
        if let Some(text) = &room.consent_text
            && candidate.visitor.consent != Some(consent_hash(text))
        {
            return no(ErrorCode::ConsentRequired);
        }
        match self.twin_of(candidate) {
            (_, Some(Twin::Busy)) => no(ErrorCode::Busy),
            (twin, Some(Twin::Goes)) => Ok(twin),
            _ => Ok(None),
        }
    }

    /// An invite that is taken back spares nobody the lobby any more.
    pub(crate) fn forget_admissions(&mut self, invite: InviteId) {
        for device in self.standings.keys().copied().collect::<Vec<_>>() {
            self.amend_standing(device, |standing| {
                standing.admitted &= standing.invite != Some(invite);
            });
        }
    }

    fn judge_twin(
        &self,
        candidate: &Candidate,
        twin: MemberKey,
        is_own: bool,
        choice: Option<DuplicateChoice>,
    ) -> Twin {
        let is_free = is_own && self.people[&twin].link.is_none();
        match self.room.duplicate {
            DuplicatePolicy::Replace => Twin::Goes,
            DuplicatePolicy::RejectNew if !candidate.is_host => match is_free {
                true => Twin::Goes,
                false => Twin::Busy,
            },
            policy => match choice {
                Some(DuplicateChoice::TakeOver) => Twin::Goes,
                Some(DuplicateChoice::JoinAsSecond) => Twin::Stays,
                None if is_free => Twin::Goes,
                None if policy == DuplicatePolicy::Allow => Twin::Stays,
                None => Twin::Asked,
            },
        }
    }

    fn knock(&mut self, seen: &mut Seen, to: To, link: LinkId, candidate: Candidate) {
        let state = self.waiting_state();
        let known = self.waiting.iter();
        let known = known.map(|(knock, waiter)| (*knock, &waiter.visitor));
        let known = known
            .filter(|(_, visitor)| visitor.device == candidate.visitor.device)
            .map(|(knock, visitor)| {
                let same = visitor.name == candidate.visitor.name
                    && visitor.claim == candidate.visitor.claim;
                (knock, same)
            })
            .next();
        // Under another name it is as good as new.
        if known.is_some_and(|(_, same)| !same) {
            self.count_knock();
        }
        if let Some((knock, same)) = known
            && let Some(waiter) = self.waiting.get_mut(&knock)
        {
            if !same {
                waiter.listed = self.step;
            }
            waiter.marks = (candidate.role, candidate.identity);
            waiter.visitor = candidate.visitor;
            waiter.gone_at = self.now + 25_000;
            let words = format!("lobby {:?}", waiter.state);
            let old = waiter.link.replace(link);
            self.tell(to, Outcome::ok(words));
            if let Some(old) = old {
                self.close(old, CloseCode::TakenOver);
            }
            return;
        }
        self.tell(to, Outcome::ok(format!("lobby {state:?}")));
        if let Some(knock) = seen.knocks.remove(&link) {
            let marks = (candidate.role, candidate.identity);
            self.add_waiter(knock, Some(link), candidate.visitor, marks);
        }
    }

    pub(crate) fn add_waiter(
        &mut self,
        knock: KnockId,
        link: Option<LinkId>,
        visitor: Visitor,
        marks: (Role, Identity),
    ) {
        let now = self.now;
        self.count_knock();
        let waiter = Waiter {
            visitor,
            link,
            state: self.waiting_state(),
            note: None,
            since: now,
            gone_at: now + 25_000,
            messages: Bucket::new(1, 5),
            marks,
            listed: self.step,
        };
        self.waiting.insert(knock, waiter);
    }

    fn count_knock(&mut self) {
        let now = self.now;
        self.recent_knocks.retain(|time| now - time < 60_000);
        if self.recent_knocks.len() >= 10 {
            self.flood_until = now + 5_000;
        } else {
            self.recent_knocks.push(now);
        }
    }

    fn forget_knock_of(&mut self, candidate: &Candidate) {
        self.forget_knock_of_device(&candidate.visitor);
    }

    pub(crate) fn forget_knock_of_device(&mut self, visitor: &Visitor) {
        let mut waiting = self.waiting.iter();
        let same = waiting.find(|(_, waiter)| waiter.visitor.device == visitor.device);
        if let Some(knock) = same.map(|(knock, _)| *knock)
            && let Some(link) = self.waiting.remove(&knock).and_then(|waiter| waiter.link)
        {
            self.close(link, CloseCode::TakenOver);
        }
    }

    /// Brings somebody in. The room tells under which names.
    pub(crate) fn admit(
        &mut self,
        seen: &mut Seen,
        candidate: Candidate,
        link: LinkId,
        is_admitted: bool,
    ) {
        let Some(joined) = seen.joined.get(&link) else {
            // The answer that is missing is complained about.
            return;
        };
        let id = joined.own.id;
        let now = self.now;
        if self.session_since.is_none() {
            self.session_since = Some(now);
            (self.countdown, self.not_before) = (None, 0);
            self.chat.begin();
            self.forget_what_ended();
        }
        let Candidate {
            visitor,
            invite,
            by_claim,
            role,
            custom,
            identity,
            overrides,
            ..
        } = candidate;
        let Some(key) = visitor.member else {
            return;
        };
        let device = visitor.device;
        let agreed = visitor.consent.is_some();
        let is_given = (role, &custom) != (by_claim.0, &by_claim.1);
        let given = is_given.then_some(());
        let came_as = (role, custom.clone());
        self.arrivals += 1;
        let person = Person {
            id,
            arrival: self.arrivals,
            link: Some(link),
            until: 0,
            device,
            networks: visitor.networks,
            claim: visitor.claim,
            invite,
            by_claim,
            was_lent: false,
            role,
            custom,
            identity,
            name: visitor.name,
            joined_at: now,
            overrides: overrides
                .into_iter()
                .filter(|known| rules::is_live(known, now))
                .collect(),
            live: Default::default(),
            asked: Default::default(),
            messages: Bucket::new(30, 60),
            changes: Bucket::new(2, 20),
            reactions: Bucket::new(2, 10),
            hands: Bucket::new(1, 5),
            refreshed: Vec::new(),
            announced: Vec::new(),
            invited: Vec::new(),
            refusals: refusals(),
        };
        let starts = self.may(&person).contains(&Permission::SessionStart);
        self.people.insert(key, person);
        self.note_reader(device);
        if agreed && self.room.consent_text.is_some() {
            self.write_down("consent.given", "ok");
        }
        if starts {
            self.lead = Lead::Present;
        }
        let mut is_limited = false;
        if let Some(invite) = invite.and_then(|id| self.invites.get_mut(&id)) {
            is_limited = invite.max_uses.is_some();
            if !invite.devices.contains(&device) {
                invite.uses += 1;
                let is_first = invite.bind_device && invite.devices.is_empty();
                if is_limited || is_first {
                    invite.devices.push(device);
                }
            }
            invite.last_used_at = Some(at(now));
            self.write_down("invite.use", "ok");
        }
        let is_known = self.standing(&device).is_some();
        if is_known || is_limited || is_admitted || given.is_some() {
            self.change_standing(device, |standing| {
                standing.invite = invite.or(standing.invite);
                let is_clean = standing.removals == 0 && !standing.sent_back;
                standing.admitted |= is_admitted || is_limited && is_clean;
                standing.sent_back &= !is_admitted;
                if given.is_some() || is_admitted && standing.role.is_some() {
                    (standing.role, standing.custom_role) = (Some(came_as.0), came_as.1);
                }
            });
        }
    }

    fn forget_what_ended(&mut self) {
        let stale = self.standings.values().filter(|known| !self.counts(known));
        let stale: Vec<_> = stale.map(|known| known.device).collect();
        for device in stale {
            self.standings.remove(&device);
        }
        let now = self.now;
        self.bans.retain(|ban| now < ban.expires_at.unix_ms());
    }

    pub(crate) fn let_in_by_itself(&mut self, seen: &mut Seen, knock: KnockId) -> bool {
        let waiter = &self.waiting[&knock];
        let Some(link) = waiter.link else {
            return false;
        };
        let Ok(candidate) = self.candidate(waiter.visitor.clone()) else {
            return false;
        };
        let Ok(twin) = self.asked_again(&candidate) else {
            return false;
        };
        if self.room.locked
            || self.must_wait(&candidate)
            || !self.has_place(candidate.is_host, twin.is_some())
        {
            return false;
        }
        self.replace(twin);
        self.waiting.remove(&knock);
        self.handled.insert(knock, None);
        self.write_down("lobby.admit", "ok");
        self.admit(seen, candidate, link, false);
        true
    }

    /// What somebody admits who may. Returns the words of its result.
    pub(crate) fn let_in(
        &mut self,
        seen: &mut Seen,
        knock: KnockId,
        candidate: Candidate,
        by: Option<ParticipantId>,
    ) {
        let Some(waiter) = self.waiting.remove(&knock) else {
            return;
        };
        self.handled.insert(knock, by);
        match waiter.link {
            Some(link) => self.admit(seen, candidate, link, true),
            None => {
                let device = candidate.visitor.device;
                let by_claim = (candidate.by_claim.0, &candidate.by_claim.1);
                let is_given = (candidate.role, &candidate.custom) != by_claim;
                self.change_standing(device, |standing| {
                    (standing.admitted, standing.sent_back) = (true, false);
                    standing.invite = candidate.invite.or(standing.invite);
                    if is_given || standing.role.is_some() {
                        standing.role = Some(candidate.role);
                        standing.custom_role = candidate.custom;
                    }
                });
            }
        }
    }

    /// Sends somebody away who waits.
    pub(crate) fn dismiss(
        &mut self,
        seen: &mut Seen,
        knock: KnockId,
        by: Option<ParticipantId>,
        block_s: u32,
    ) {
        let Some(waiter) = self.waiting.remove(&knock) else {
            return;
        };
        self.handled.insert(knock, by);
        if block_s > 0 {
            let now = self.now;
            self.bans.retain(|ban| now < ban.expires_at.unix_ms());
            let device = Some(waiter.visitor.device);
            // Its identifier and its words are taken as they are told.
            let known = seen.bans.iter().position(|ban| ban.device == device);
            self.bans.extend(known.map(|known| Ban {
                invite: None,
                network: None,
                network_until: at(now),
                strict: false,
                by: by.map_or(Actor::Room, Actor::Participant),
                created_at: at(now),
                expires_at: at(now + 1000 * u64::from(block_s)),
                ..seen.bans.remove(known)
            }));
        }
        if let Some(link) = waiter.link {
            self.expected.released.push(link);
        }
    }

    // --- coming back

    /// `who` is whose token it was, and whether it still is.
    pub(crate) fn resume(
        &mut self,
        seen: &mut Seen,
        returning: &Returning,
        who: Option<ParticipantId>,
    ) {
        let key = who.and_then(|id| self.of_id(id)).filter(|key| {
            let invite = self.people[key].invite;
            let invite = invite.and_then(|id| self.invites.get(&id));
            let is_host = self.people[key].by_claim.0 == Role::Host;
            invite.is_none_or(|invite| invite.revoked_at.is_none())
                && (is_host || self.is_allowed(returning.address))
        });
        let to = To::Link(returning.link, returning.id);
        match key {
            None => self.tell(to, Outcome::no(ErrorCode::ResumeFailed)),
            Some(key) => {
                let person = self.people.get_mut(&key);
                let old = person.and_then(|person| {
                    person.networks.clone_from(&returning.networks);
                    person.link.replace(returning.link)
                });
                if let Some(old) = old {
                    self.close(old, CloseCode::TakenOver);
                }
                self.tell(to, Outcome::ok("resumed"));
            }
        }
        self.settle(seen);
    }

    // --- managing

    pub(crate) fn manage(&mut self, seen: &mut Seen, managing: &Managing) {
        let steward = Steward {
            invite: managing.invite,
            device: managing.device,
            networks: managing.networks.clone(),
            messages: Bucket::new(30, 60),
            changes: Bucket::new(2, 20),
            refusals: refusals(),
        };
        let to = To::Link(managing.link, managing.id);
        let authority = self.authority_by(&steward, Some(managing.address));
        // A host comes before the first who is none.
        let authority = authority.and_then(|authority| {
            if self.stewards.len() < 10 {
                return Ok(authority);
            }
            let mut stewards = self.stewards.keys();
            let lower = stewards.find(|link| {
                let known = self.authority_of_steward(**link);
                known.is_ok_and(|known| rules::outranks(authority.role, known.role))
            });
            let link = *lower.ok_or((ErrorCode::Full, None))?;
            self.forget_steward(link);
            self.close(link, CloseCode::TakenOver);
            Ok(authority)
        });
        match authority {
            Ok(authority) => {
                self.write_down("room.manage", "ok");
                self.stewards.insert(managing.link, steward);
                self.tell(to, Outcome::ok(format!("managed {:?}", authority.role)));
            }
            Err((code, field)) => {
                self.note_refusal("room.manage", code);
                self.tell(to, Outcome::No(code, field));
            }
        }
        self.settle(seen);
    }

    pub(crate) fn authority_of_steward(&self, link: LinkId) -> Result<Authority, Refusal> {
        self.authority_by(&self.stewards[&link], None)
    }

    fn authority_by(
        &self,
        steward: &Steward,
        address: Option<IpAddr>,
    ) -> Result<Authority, Refusal> {
        let candidate = self.candidate(Visitor {
            member: None,
            networks: steward.networks.clone(),
            name: DisplayName::new("-").expect("a visible character"),
            device: steward.device,
            claim: Claim::Invite(steward.invite),
            distrusted: false,
            address: None,
            consent: None,
            choice: None,
        })?;
        // There is no lobby in which it could wait.
        if candidate.verdict != Verdict::Free {
            return Err((ErrorCode::Banned, None));
        }
        if let Some(address) = address {
            self.check_bans(&candidate, address)?;
        }
        let forbidden = Err((ErrorCode::Forbidden, None));
        if rules::rank(candidate.role) > 1 || candidate.is_suspect() {
            return forbidden;
        }
        let Some(invite) = candidate.invite else {
            return forbidden;
        };
        Ok(Authority {
            actor: Actor::Invite(invite),
            role: candidate.role,
            may: candidate.may,
        })
    }
}
