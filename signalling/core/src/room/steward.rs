//! Those who manage the room without being in it, by an invite of a host or a
//! co-host. They are in no roster and hear nothing but what the room is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::invite::Managed;
use conclave_signalling_wire::limits::{MESSAGES_BURST, MESSAGES_PER_S};
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::request::Request;
use conclave_signalling_wire::text::DisplayName;

use crate::bans::Verdict;
use crate::digest::{DeviceHash, InviteHash, NetworkTag};
use crate::lobby::Visitor;
use crate::origin::Prefix;
use crate::output::{LinkId, Notice, Output, Reply};
use crate::permission::may_act_on;
use crate::rate::Rate;
use crate::record::Actor;
use crate::room::arrive::Claim;
use crate::room::audit::Act;
use crate::room::deeds::deed_of;
use crate::room::door::wrong;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, ReplyTo};
use crate::room::rights::Authority;
use crate::room::seats::Seat;
use crate::room::{Refusals, Room};

/// Links that manage a room at once: its hosts and what they forgot to close.
const STEWARDS: usize = 10;

/// A link that wants to manage the room.
#[derive(Debug, Clone)]
pub struct Managing {
    /// Over which link.
    pub link: LinkId,
    /// The number of the `room.manage`.
    pub id: u32,
    /// What it shows.
    pub invite: InviteHash,
    /// Its device.
    pub device: DeviceHash,
    /// From where.
    pub prefix: Prefix,
    /// From where, as bans remember it.
    pub networks: Vec<NetworkTag>,
    /// From where exactly: compared with the room's allow-list and not kept.
    pub address: IpAddr,
}

/// A link that manages the room.
#[derive(Debug)]
pub(super) struct Steward {
    invite: InviteHash,
    device: DeviceHash,
    prefix: Prefix,
    networks: Vec<NetworkTag>,
    /// The number of the last push.
    seq: u32,
    messages: Rate,
    changes: Rate,
    refusals: Refusals,
}

impl Room {
    /// Lets a link manage the room, or answers why not. Returns whether the link
    /// belongs to the room from here on.
    pub fn handle_manage(&mut self, now: Instant, managing: Managing) -> bool {
        self.now = now;
        self.begin_step();
        let Managing {
            link,
            id,
            invite,
            device,
            prefix,
            networks,
            address,
        } = managing;
        let steward = Steward {
            invite,
            device,
            prefix,
            networks,
            seq: 0,
            messages: Rate::new(MESSAGES_PER_S, MESSAGES_BURST),
            changes: self.config.room_changes,
            refusals: Refusals::default(),
        };
        let authority = self.authority_of_steward(&steward, Some(address));
        let authority = authority.and_then(|authority| {
            if self.stewards.len() >= STEWARDS {
                self.give_way(authority.role)?;
            }
            Ok(authority)
        });
        let is_in = match authority {
            Ok(authority) => {
                self.audit(Act {
                    actor: authority.actor,
                    prefix: Some(prefix),
                    action: "room.manage",
                    target: None,
                    detail: None,
                });
                self.stewards.insert(link, steward);
                self.links.insert(link, Seat::Steward);
                let managed = Managed {
                    room: self.describe(),
                    role: authority.role,
                    permissions: authority.permissions.to_vec(),
                };
                self.reply(link, id, Reply::Managed(Box::new(managed)));
                true
            }
            Err(error) => {
                self.note_refusal("room.manage", prefix, &error);
                self.refuse(link, id, error);
                false
            }
        };
        self.settle();
        is_in
    }

    /// Closes the link of the first steward who is no host, for one who is.
    ///
    /// # Errors
    /// `full` where nobody gives way.
    fn give_way(&mut self, role: Role) -> Result<(), ErrorBody> {
        let mut stewards = self.stewards.iter();
        let lower = stewards.find(|(_, steward)| {
            let authority = self.authority_of_steward(steward, None);
            authority.is_ok_and(|authority| may_act_on(role, authority.role))
        });
        let link = lower.map(|(link, _)| *link).ok_or(ErrorCode::Full)?;
        self.forget_steward(link);
        self.close(link, CloseCode::TakenOver);
        Ok(())
    }

    /// Works out what a steward may do at present: what its invite gives, less
    /// what was taken from its device since. `address` is asked about once.
    fn authority_of_steward(
        &self,
        steward: &Steward,
        address: Option<IpAddr>,
    ) -> Result<Authority, ErrorBody> {
        let claim = Claim::Invite(steward.invite);
        let known = self.invites.by_hash(&steward.invite);
        let invite = known.ok_or_else(|| wrong(&claim))?.id;
        let candidate = self.candidate(Visitor {
            member: None,
            prefix: steward.prefix,
            networks: steward.networks.clone(),
            name: steward_name(),
            device: steward.device,
            claim,
            distrusted: false,
            address: None,
            consent: None,
            choice: None,
            relay_host: Arc::from(""),
        })?;
        // There is no lobby to wait in.
        if let Verdict::Banned { until } | Verdict::NetworkOnly { until } = candidate.verdict {
            return Err(ErrorBody::from(ErrorCode::Banned).until(until));
        }
        if let Some(address) = address {
            self.check_bans(&candidate, address)?;
        }
        if !candidate.role.is_host() || candidate.is_suspect() {
            return Err(ErrorCode::Forbidden.into());
        }
        Ok(Authority {
            actor: Actor::Invite(invite),
            prefix: Some(steward.prefix),
            role: candidate.role,
            permissions: candidate.permissions,
        })
    }

    /// Works out what the steward of a link may do at present.
    pub(super) fn authority_of_link(&self, link: LinkId) -> Result<Authority, ErrorBody> {
        let steward = self.stewards.get(&link).ok_or(ErrorCode::Forbidden)?;
        self.authority_of_steward(steward, None)
    }

    /// Takes a message of somebody who manages the room.
    pub(super) fn hear_steward(&mut self, link: LinkId, message: Result<RequestFrame, Malformed>) {
        self.begin_step();
        let now = self.now;
        let Some(steward) = self.stewards.get_mut(&link) else {
            return;
        };
        if steward.messages.take(now).is_err() {
            return self.cut(link, CloseCode::Rate);
        }
        match message {
            Err(Malformed::Unreadable) => self.cut(link, CloseCode::Protocol),
            Err(Malformed::Refused { id, error }) => self.refuse(link, id, *error),
            Ok(RequestFrame { id, .. }) if self.owes(link, id) => {
                self.cut(link, CloseCode::Protocol)
            }
            Ok(RequestFrame { id, request }) => self.serve_steward(link, id, request),
        }
    }

    fn serve_steward(&mut self, link: LinkId, id: u32, request: Request) {
        let Some(mut steward) = self.stewards.remove(&link) else {
            return;
        };
        let to = ReplyTo::Link { link, id };
        let authority = self.authority_of_steward(&steward, None);
        let prefix = steward.prefix;
        let deed = deed_of(&request, None);
        let actor = authority.as_ref().map_or(Actor::Room, |one| one.actor);
        let mut refusals = std::mem::take(&mut steward.refusals);
        self.stewards.insert(link, steward);
        let answer =
            authority.and_then(|authority| self.answer_steward(&authority, to, link, request));
        if let Some(deed) = deed {
            self.record((actor, Some(prefix)), deed, &answer, Some(&mut refusals));
        }
        if let Some(steward) = self.stewards.get_mut(&link) {
            steward.refusals = refusals;
        }
        self.answer(to, answer);
    }

    fn answer_steward(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        link: LinkId,
        request: Request,
    ) -> Answer {
        match request {
            Request::RoomUpdate(update) => {
                self.pace_steward(link)?;
                self.change_room(authority, to, update)
            }
            Request::InviteCreate(create) => self.invite_for(authority, create),
            Request::InviteList(_) => self.invites_for(authority),
            Request::InviteRevoke(revoke) => self.revoke_for(authority, to, &revoke),
            Request::BanList(_) => self.bans_for(authority),
            Request::BanLift(lift) => self.lift_for(authority, lift.ban),
            Request::SessionEnd(end) => {
                if end.countdown_s > 0 {
                    self.pace_steward(link)?;
                }
                self.end_for(authority, to, end)
            }
            Request::SessionEndCancel(_) => {
                self.pace_steward(link)?;
                self.cancel_end_for(authority)
            }
            Request::Leave(_) => {
                self.answer(to, Ok(Some(Reply::Done)));
                self.forget_steward(link);
                self.close(link, CloseCode::Normal);
                Ok(None)
            }
            _ => Err(ErrorCode::BadRequest.into()),
        }
    }

    /// Counts a change of the room by a steward.
    fn pace_steward(&mut self, link: LinkId) -> Result<(), ErrorBody> {
        let now = self.now;
        let steward = self.stewards.get_mut(&link).ok_or(ErrorCode::NotFound)?;
        steward.changes.take(now).map_err(too_fast)
    }

    /// Forgets somebody who managed the room, and what it still waited for.
    pub(super) fn forget_steward(&mut self, link: LinkId) {
        if let Some(steward) = self.stewards.remove(&link) {
            let mut invites = self.invites.by_hash(&steward.invite).into_iter();
            if let Some(invite) = invites.next().map(|invite| invite.id) {
                let who = (Actor::Invite(invite), Some(steward.prefix));
                self.audit_left_out(who, &steward.refusals);
            }
        }
        self.hashings.forget(link);
    }

    /// Closes the links of those who may not manage the room any more.
    pub(super) fn settle_stewards(&mut self) {
        let dismissed: Vec<LinkId> = self
            .stewards
            .iter()
            .filter(|(_, steward)| self.authority_of_steward(steward, None).is_err())
            .map(|(link, _)| *link)
            .collect();
        for link in dismissed {
            self.forget_steward(link);
            self.close(link, CloseCode::Removed);
        }
    }

    /// Closes the links of all who manage the room.
    pub(super) fn close_stewards(&mut self, code: CloseCode) {
        for link in std::mem::take(&mut self.stewards).into_keys() {
            self.hashings.forget(link);
            self.close(link, code);
        }
    }

    /// Tells those who manage the room something.
    pub(super) fn tell_stewards(&mut self, notice: &Arc<Notice>) {
        for (link, steward) in &mut self.stewards {
            steward.seq += 1;
            self.outputs.push_back(Output::Push {
                link: *link,
                seq: Some(steward.seq),
                notice: Arc::clone(notice),
            });
        }
    }
}

/// Whoever manages a room is seen by nobody and needs no name.
fn steward_name() -> DisplayName {
    DisplayName::new("-").expect("a visible character is a name")
}
