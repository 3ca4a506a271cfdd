//! Handing the meeting over to somebody else, who has to accept it.

use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{InviteId, ParticipantId, RequestId};
use conclave_signalling_wire::invite::InviteState;
use conclave_signalling_wire::limits::REQUEST_WITHIN;
use conclave_signalling_wire::moderation::{PermissionsReason, RequestAnswer};
use conclave_signalling_wire::objects::{Participant, Role};
use conclave_signalling_wire::request::{HostTransfer, HostTransferReply};
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::session::{
    HostTransferAnswered, HostTransferAsked, HostTransferRequested, HostTransferred,
};

use crate::digest::InviteHash;
use crate::handover::Offer;
use crate::invites;
use crate::output::{Notice, Reply};
use crate::rate::seconds;
use crate::record::{Actor, Change, Invite};
use crate::room::Room;
use crate::room::arrive::Claim;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, Asker};

/// What is offered: the invite that the room itself goes over with, if it does.
pub(super) type Transfer = Option<InviteId>;

impl Room {
    pub(super) fn offer_host(&mut self, asker: Asker, transfer: HostTransfer) -> Answer {
        let HostTransfer {
            participant,
            permanent,
        } = transfer;
        let own = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        // Not a permission: nobody gives away what it is not.
        if own.face.role != Role::Host {
            return Err(ErrorCode::Forbidden.into());
        }
        let by = own.face.id;
        let asked = self.require_rank(asker.key, participant)?;
        let key = match permanent {
            false => None,
            true => {
                let key = self.key_to_room(asker.key);
                Some(key.ok_or_else(|| ErrorBody::from(ErrorCode::Forbidden).field("permanent"))?)
            }
        };
        if self.transfers.has_of(asker.key) {
            return Err(ErrorCode::Conflict.into());
        }
        let request = RequestId::new(self.time().unix_ms(), self.random());
        let made = self
            .transfers
            .make(self.now, request, (asker.key, asked), key);
        made.map_err(too_fast)?;
        let requested = HostTransferRequested {
            request,
            by,
            permanent,
            expires_s: seconds(REQUEST_WITHIN),
        };
        self.tell(asked, &Notice::new(requested));
        Ok(Some(Reply::TransferAsked(HostTransferAsked { request })))
    }

    pub(super) fn answer_host_offer(
        &mut self,
        now: Instant,
        asker: Asker,
        reply: HostTransferReply,
    ) -> Answer {
        let HostTransferReply { request, answer } = reply;
        let not_found = || ErrorBody::from(ErrorCode::NotFound).field("request");
        let offer = self.transfers.answer(now, request, asker.key);
        let offer = offer.ok_or_else(not_found)?;
        let accepted = answer == RequestAnswer::Accept;
        if accepted && !self.is_transfer_open(&offer) {
            self.tell_offerer(request, &offer, None);
            return Err(not_found());
        }
        let passed = if accepted { offer.what } else { None };
        let secret = match passed.map(|key| self.pass_key(&offer, key)).transpose() {
            Ok(secret) => secret,
            Err(error) => {
                self.tell_offerer(request, &offer, None);
                return Err(error);
            }
        };
        if accepted {
            self.hand_over(&offer)?;
        }
        self.tell_offerer(request, &offer, Some(answer));
        let reply = Reply::Transferred(HostTransferred { secret });
        if passed.is_some() {
            // Nothing else knows the new key: it waits for no media plane that may fail.
            return Ok(Some(reply));
        }
        self.once_stopped(asker.to(), reply)
    }

    fn tell_offerer(
        &mut self,
        request: RequestId,
        offer: &Offer<Transfer>,
        answer: Option<RequestAnswer>,
    ) {
        let answered = HostTransferAnswered { request, answer };
        self.tell(offer.asker, &Notice::new(answered));
    }

    /// Returns the invite by which somebody is host, if it would let it in as one again.
    fn key_to_room(&self, key: MemberKey) -> Option<InviteId> {
        let invite = self.invites.get(&self.members.get(&key)?.invite?)?;
        let state = invites::state(invite, self.time());
        let holds = matches!(state, InviteState::Active | InviteState::UsedUp);
        (invite.role == Role::Host && holds).then_some(invite.id)
    }

    /// Returns whether both are still what they were when it was offered.
    fn is_transfer_open(&self, offer: &Offer<Transfer>) -> bool {
        let asker = self.members.get(&offer.asker);
        let asked = self.members.get(&offer.asked);
        let (Some(asker), Some(asked)) = (asker, asked) else {
            return false;
        };
        asker.face.role == Role::Host
            && asker.face.role.outranks(asked.face.role)
            && (offer.what.is_none() || offer.what == self.key_to_room(offer.asker))
    }

    /// Tells those who offered the meeting to somebody who did not answer in
    /// time or cannot take it any more.
    pub(super) fn settle_transfers(&mut self) {
        let pending = self.transfers.iter();
        let void: Vec<_> = pending
            .filter(|(_, offer)| offer.is_over(self.now) || !self.is_transfer_open(offer))
            .collect();
        for (request, offer) in void {
            self.transfers.withdraw(request);
            self.tell_offerer(request, &offer, None);
        }
    }

    /// Makes one the host and the other a co-host. A guest may be one here whatever
    /// the room says: it was more.
    fn hand_over(&mut self, offer: &Offer<Transfer>) -> Result<(), ErrorBody> {
        let (from, to) = (offer.asker, offer.asked);
        let by = self.members.get(&from).ok_or(ErrorCode::NotFound)?.face.id;
        // At no time is there none.
        let mut changed = vec![self.become_role(to, Role::Host)?];
        let lowered = match offer.what {
            None => vec![from],
            Some(_) => self.pages_of_giver(offer),
        };
        for key in &lowered {
            changed.push(self.become_role(*key, Role::CoHost)?);
        }
        // What a host is denied nobody could give back.
        if let Some(host) = self.members.get_mut(&to) {
            host.overrides.clear();
        }
        self.note_standing(to);
        self.note_standing(from);
        let became = [to].into_iter().chain(lowered);
        let became: Vec<MemberKey> = became.collect();
        for (key, (before, _)) in became.iter().zip(&changed) {
            self.note_role(*key, before.role, Actor::Participant(by));
        }
        for (before, after) in &changed {
            self.show_change(before, after);
        }
        for key in became {
            self.refresh(key, Some(by), PermissionsReason::RoleChanged);
        }
        self.note_outcome(by);
        Ok(())
    }

    /// Returns the pages of who gives the room away for good that are hosts: each
    /// of them was by the key that is gone.
    fn pages_of_giver(&self, offer: &Offer<Transfer>) -> Vec<MemberKey> {
        let giver = self.members.get(&offer.asker).map(|member| member.device);
        let pages = self.members.iter().filter(|(key, page)| {
            **key != offer.asked && Some(page.device) == giver && page.face.role == Role::Host
        });
        pages.map(|(key, _)| *key).collect()
    }

    /// Gives a participant a role. Returns what others saw of it before and see now.
    fn become_role(
        &mut self,
        key: MemberKey,
        role: Role,
    ) -> Result<(Participant, Participant), ErrorBody> {
        let member = self.members.get_mut(&key).ok_or(ErrorCode::NotFound)?;
        let before = member.face.clone();
        member.face.role = role;
        member.face.custom_role = None;
        member.face.rev += 1;
        Ok((before, member.face.clone()))
    }

    fn note_outcome(&mut self, from: ParticipantId) {
        let words = self.deeds.outcome.take().into_iter();
        let words = [format!("from {from}")].into_iter().chain(words);
        self.deeds.outcome = Some(words.collect::<Vec<_>>().join(", "));
    }

    /// Makes a new key to the room in the place of another, which is taken back.
    /// Returns its secret.
    fn pass_key(
        &mut self,
        offer: &Offer<Transfer>,
        key: InviteId,
    ) -> Result<InviteSecret, ErrorBody> {
        let from = self.members.get(&offer.asker).ok_or(ErrorCode::NotFound)?;
        let (giver, device) = (from.face.id, from.device);
        let old = self.invites.get(&key).ok_or(ErrorCode::NotFound)?.clone();
        let now = self.time();
        let secret = InviteSecret::new(self.random());
        // Whose guest the old host was, the new one is; but not that of the old one,
        // who could take back what it has given away.
        let invite = Invite {
            id: InviteId::new(now.unix_ms(), self.random()),
            hash: InviteHash::from(&secret),
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
        let id = invite.id;
        // Before the old one goes, so that the room is never without.
        if let Some(gone) = self.invites.add(invite.clone())? {
            self.persist(Change::InviteGone(gone));
        }
        self.persist(Change::Invite(Box::new(invite)));
        // Who gave it away stays, and comes back as anybody who knows the room.
        let claim = match self.settings.password {
            None => Claim::Open,
            Some(_) => Claim::Password {
                rev: self.settings.password_rev,
            },
        };
        let usual = self.settings.default_role;
        for page in self.pages_of_giver(offer) {
            if let Some(page) = self.members.get_mut(&page) {
                page.invite = None;
                page.claim = claim.clone();
                page.by_claim = (usual, None);
            }
        }
        self.take_back(key, Actor::Participant(giver));
        self.deeds.outcome = Some(format!("{key} became {id}"));
        Ok(secret)
    }
}
