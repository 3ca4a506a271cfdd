//! The model of the lobby: who admits, who is sent back, who waits.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::{DeviceHash, consent_hash};
use conclave_signalling_core::output::LinkId;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::ids::KnockId;
use conclave_signalling_wire::lobby::LobbyOutcome;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::{LobbyAdmit, LobbyDeny, Request};

use crate::model::{Answer, Authority, Model, Refusal, To, Visitor};
use crate::rules;
use crate::rules::outranks;
use crate::seen::{Outcome, Seen, lobby_words};
use crate::verbs::{bad, require};

impl Model {
    pub(crate) fn named(
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

    pub(crate) fn past(&self, knock: KnockId) -> String {
        match self.handled.get(&knock) {
            Some(by) => lobby_words(knock, LobbyOutcome::AlreadyHandled, *by),
            None => lobby_words(knock, LobbyOutcome::Gone, None),
        }
    }

    pub(crate) fn admit_waiting(
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

    pub(crate) fn deny_waiting(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        deny: &LobbyDeny,
    ) -> Answer {
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
    pub(crate) fn lower_pages(&self, by: &Authority, device: DeviceHash) -> Vec<MemberKey> {
        self.keys_of(|person| person.device == device && outranks(by.role, person.role))
    }

    pub(crate) fn send_to_lobby(&mut self, seen: &mut Seen, by: &Authority, target: MemberKey) {
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
        self.forget_reader(device);
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

    pub(crate) fn hear_waiter(
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
}
