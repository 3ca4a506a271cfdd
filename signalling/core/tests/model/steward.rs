//! The model of who manages the room from outside, and of the operator.

use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::room::OperatorRequest;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::request::{InviteRevoke, Request};

use crate::model::{Answer, Authority, Model, Refusal, To};
use crate::seen::{Outcome, Seen};
use crate::verbs::{deed, done, require};

impl Model {
    pub(crate) fn hear_steward(
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

    fn pace_steward(&mut self, link: LinkId) -> Result<(), Refusal> {
        let now = self.now;
        let steward = self.stewards.get_mut(&link);
        match steward.is_some_and(|steward| !steward.changes.take(now)) {
            true => Err((ErrorCode::RateLimited, None)),
            false => Ok(()),
        }
    }

    pub(crate) fn obey_steward(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        link: LinkId,
        to: To,
        request: &Request,
    ) -> Answer {
        match request {
            Request::RoomUpdate(update) => {
                self.pace_steward(link)?;
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
            Request::SessionEnd(end) => {
                if end.countdown_s > 0 {
                    self.pace_steward(link)?;
                }
                self.end_by(by, end)
            }
            Request::SessionEndCancel(_) => {
                self.pace_steward(link)?;
                self.cancel_end(by)
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
