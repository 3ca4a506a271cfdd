//! The model of the hand-over: offered by a host, accepted by who is asked.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::record::{Actor, Invite};
use conclave_signalling_core::room::Claim;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::{InviteId, RequestId};
use conclave_signalling_wire::invite::InviteState;
use conclave_signalling_wire::moderation::RequestAnswer;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::request::{HostTransfer, HostTransferReply};

use crate::model::{Answer, Authority, Model, Refusal, To, at};
use crate::rules::outranks;
use crate::seen::{Outcome, Seen};
use crate::verbs::FORBIDDEN;

const GONE: Refusal = (ErrorCode::NotFound, Some("request"));

#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) id: RequestId,
    asker: MemberKey,
    pub(crate) asked: MemberKey,
    /// The key to the room, where that goes over too.
    key: Option<InviteId>,
    pub(crate) until: u64,
}

impl Model {
    pub(crate) fn offer_host(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        by: &Authority,
        transfer: &HostTransfer,
    ) -> Answer {
        if by.role != Role::Host {
            return Err(FORBIDDEN);
        }
        let asked = self.lower(by, transfer.participant)?;
        let key = self.key_to_room(own).filter(|_| transfer.permanent);
        if transfer.permanent && key.is_none() {
            return Err((ErrorCode::Forbidden, Some("permanent")));
        }
        if self.offers.iter().any(|offer| offer.asker == own) {
            return Err((ErrorCode::Conflict, None));
        }
        let now = self.now;
        let times = self.offered.entry((own, asked)).or_default();
        times.retain(|time| now - time < 60_000);
        if times.len() >= 3 {
            return Err((ErrorCode::RateLimited, None));
        }
        times.push(now);
        if let Some(id) = seen.transfers.pop() {
            let words = format!("offered {id} {}", transfer.permanent);
            self.expected.told.push((asked, words));
            self.offers.push(Offer {
                id,
                asker: own,
                asked,
                key,
                until: now + 60_000,
            });
        }
        Ok(Some(Outcome::ok("offered")))
    }

    /// The invite by which somebody is host, if it still is one for hosts.
    fn key_to_room(&self, key: MemberKey) -> Option<InviteId> {
        let invite = self.people.get(&key)?.invite?;
        let invite = self.invites.get(&invite)?;
        let is_good = matches!(
            self.state_of(invite),
            InviteState::Active | InviteState::UsedUp
        );
        (invite.role == Role::Host && is_good).then_some(invite.id)
    }

    fn is_open(&self, offer: &Offer) -> bool {
        let asker = self.people.get(&offer.asker);
        let asked = self.people.get(&offer.asked);
        let (Some(asker), Some(asked)) = (asker, asked) else {
            return false;
        };
        asker.role == Role::Host
            && outranks(asker.role, asked.role)
            && (offer.key.is_none() || offer.key == self.key_to_room(offer.asker))
    }

    fn tell_offerer(&mut self, offer: &Offer, answer: Option<RequestAnswer>) {
        let words = format!("answered {} {answer:?}", offer.id);
        self.expected.told.push((offer.asker, words));
    }

    pub(crate) fn answer_offer(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        to: To,
        reply: &HostTransferReply,
    ) -> Answer {
        let now = self.now;
        let mut offers = self.offers.iter();
        let place = offers
            .position(|offer| offer.id == reply.request && offer.asked == own && now < offer.until)
            .ok_or(GONE)?;
        let offer = self.offers.remove(place);
        if reply.answer != RequestAnswer::Accept {
            self.tell_offerer(&offer, Some(reply.answer));
            return self.once_stopped(seen, to, "transferred false");
        }
        if !self.is_open(&offer) {
            self.tell_offerer(&offer, None);
            return Err(GONE);
        }
        if let Some(key) = offer.key {
            self.pass_key(seen, &offer, key);
        }
        let mut roles = vec![(offer.asked, Role::Host), (offer.asker, Role::CoHost)];
        if offer.key.is_some() {
            let others = self.giving_pages(&offer).into_iter();
            roles.extend(others.map(|key| (key, Role::CoHost)));
        }
        for (key, role) in roles {
            if let Some(person) = self.people.get_mut(&key) {
                (person.role, person.custom) = (role, None);
                person.was_lent = role == Role::Host;
                if role == Role::Host {
                    person.overrides.clear();
                }
            }
        }
        self.note_standing(offer.asked);
        self.note_standing(offer.asker);
        self.enforce(self.people.get(&offer.asker).map(|person| person.id));
        self.tell_offerer(&offer, Some(RequestAnswer::Accept));
        let words = format!("transferred {}", offer.key.is_some());
        self.once_stopped(seen, to, words)
    }

    /// All pages of who gives the room away that lead it, but for one that takes it.
    fn giving_pages(&self, offer: &Offer) -> Vec<MemberKey> {
        let giver = self.people.get(&offer.asker).map(|person| person.device);
        let is_giving = |key: &MemberKey| {
            let person = &self.people[key];
            *key != offer.asked && Some(person.device) == giver && person.role == Role::Host
        };
        self.people.keys().copied().filter(is_giving).collect()
    }

    /// There is a new key, the old one opens nothing, and who gave it away is in
    /// as anybody who knows the room.
    fn pass_key(&mut self, seen: &mut Seen, offer: &Offer, key: InviteId) {
        let old = self.invites[&key].clone();
        let Some(made) = seen.invites.iter().find(|one| one.id != key) else {
            return;
        };
        let claim = match self.room.password_set {
            false => Claim::Open,
            true => Claim::Password {
                rev: self.password_rev,
            },
        };
        let usual = self.room.default_role;
        let now = at(self.now);
        let made = (made.id, made.hash);
        let Some(from) = self.people.get(&offer.asker) else {
            return;
        };
        let (giver, device) = (from.id, from.device);
        for page in self.giving_pages(offer) {
            if let Some(page) = self.people.get_mut(&page) {
                page.invite = None;
                page.claim = claim.clone();
                page.by_claim = (usual, None);
            }
        }
        let invite = Invite {
            id: made.0,
            hash: made.1,
            name: None,
            name_locked: false,
            devices: Vec::new(),
            uses: 0,
            not_before: None,
            note: None,
            maker: old.maker.filter(|maker| *maker != device),
            created_at: now,
            last_used_at: None,
            revoked_at: None,
            ..old
        };
        self.invites.insert(invite.id, invite);
        let by = Authority {
            actor: Actor::Participant(giver),
            role: Role::Host,
            may: Default::default(),
        };
        self.take_back(seen, &by, key);
    }

    pub(crate) fn settle_offers(&mut self) {
        for offer in self.offers.clone() {
            if offer.until <= self.now || !self.is_open(&offer) {
                self.offers.retain(|other| other.id != offer.id);
                self.tell_offerer(&offer, None);
            }
        }
    }
}
