//! What the operator of the server asks, on the command line or by the
//! configuration.

use std::time::Instant;

use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::ids::{BanId, InviteId};
use conclave_signalling_wire::invite::InviteState;
use conclave_signalling_wire::moderation::RoomRevised;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::request::{
    BanLift, BanList, ChatClear, InviteCreate, InviteList, InviteRevoke, Request, RoomUpdate,
    SessionAnnounce,
};
use conclave_signalling_wire::text::Prose;

use crate::digest::InviteHash;
use crate::invites;
use crate::output::{OperatorReply, Output, Reply};
use crate::permission::PermissionSet;
use crate::record::Actor;
use crate::room::Room;
use crate::room::audit::Act;
use crate::room::deeds::deed_of;
use crate::room::requests::{Answer, ReplyTo};
use crate::room::rights::Authority;

/// What the operator wants. Whether it may is the shell's to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorRequest {
    /// To see the room.
    Show,
    /// To change its policies.
    Update(Box<RoomUpdate>),
    /// To make an invite.
    Invite(Box<InviteCreate>),
    /// That an invite with exactly this hash makes hosts, as for the link that a
    /// development server prints.
    MakeHostInvite {
        /// The hash of its secret.
        hash: InviteHash,
    },
    /// To see the invites.
    Invites,
    /// To take an invite back.
    RevokeInvite {
        /// Which.
        invite: InviteId,
        /// Whether who came in by it is removed.
        remove_holders: bool,
    },
    /// To see the bans.
    Bans,
    /// To lift a ban.
    LiftBan(BanId),
    /// To clear the chat.
    ClearChat(ChatClear),
    /// That everybody in the room is told something.
    Announce(Prose),
    /// That everybody leaves for good. The shell deletes what was kept.
    Delete,
}

impl Room {
    /// Does what the operator, or by `by` the configuration, wants. The answer is
    /// [`Output::Operator`] with the same `ticket`, perhaps later.
    pub fn handle_operator(
        &mut self,
        now: Instant,
        ticket: u64,
        by: Actor,
        request: OperatorRequest,
    ) {
        self.now = now;
        self.begin_step();
        let authority = Authority {
            actor: by,
            prefix: None,
            role: Role::Host,
            permissions: PermissionSet::all(),
        };
        let to = ReplyTo::Operator { ticket };
        let verb = match &request {
            OperatorRequest::Update(update) => Some(Request::from((**update).clone())),
            OperatorRequest::Invite(create) => Some(Request::from((**create).clone())),
            OperatorRequest::Invites => Some(InviteList {}.into()),
            OperatorRequest::RevokeInvite {
                invite,
                remove_holders,
            } => Some(Request::from(InviteRevoke {
                invite: *invite,
                remove_holders: *remove_holders,
            })),
            OperatorRequest::Bans => Some(BanList {}.into()),
            OperatorRequest::LiftBan(ban) => Some(BanLift { ban: *ban }.into()),
            OperatorRequest::ClearChat(clear) => Some(clear.clone().into()),
            OperatorRequest::Announce(message) => {
                let message = message.clone();
                Some(SessionAnnounce { message }.into())
            }
            OperatorRequest::Show
            | OperatorRequest::MakeHostInvite { .. }
            | OperatorRequest::Delete => None,
        };
        let answer = self.obey(&authority, to, request);
        if let Some(deed) = verb.and_then(|verb| deed_of(&verb, None)) {
            self.record((by, None), deed, &answer, None);
        }
        self.answer(to, answer);
        self.settle();
    }

    fn obey(&mut self, authority: &Authority, to: ReplyTo, request: OperatorRequest) -> Answer {
        match request {
            OperatorRequest::Show => Ok(Some(Reply::RoomRevised(RoomRevised {
                rev: self.settings.rev,
            }))),
            OperatorRequest::Update(update) => self.change_room(authority, to, *update),
            OperatorRequest::Invite(create) => self.invite_for(authority, *create),
            OperatorRequest::MakeHostInvite { hash } => self.make_host_invite(authority, hash),
            OperatorRequest::Invites => self.invites_for(authority),
            OperatorRequest::RevokeInvite {
                invite,
                remove_holders,
            } => {
                let order = InviteRevoke {
                    invite,
                    remove_holders,
                };
                self.revoke_for(authority, to, &order)
            }
            OperatorRequest::Bans => self.bans_for(authority),
            OperatorRequest::LiftBan(ban) => self.lift_for(authority, ban),
            OperatorRequest::ClearChat(clear) => self.clear_chat_for(authority, clear),
            OperatorRequest::Announce(message) => {
                self.announce_to_all(None, message);
                Ok(Some(Reply::Done))
            }
            OperatorRequest::Delete => {
                self.delete();
                Ok(Some(Reply::Done))
            }
        }
    }

    fn make_host_invite(&mut self, authority: &Authority, hash: InviteHash) -> Answer {
        if let Some(known) = self.invites.by_hash(&hash) {
            let holds = invites::state(known, self.time()) == InviteState::Active;
            return if holds && known.role == Role::Host {
                Ok(Some(Reply::Done))
            } else {
                Err(ErrorCode::Conflict.into())
            };
        }
        let create = InviteCreate {
            role: Role::Host,
            custom_role: None,
            name: None,
            name_locked: false,
            max_uses: None,
            not_before: None,
            expires_at: None,
            bypass_lobby: false,
            bind_device: false,
            note: None,
        };
        let invite = self.add_invite(authority, hash, create)?;
        self.audit(Act {
            actor: authority.actor,
            prefix: None,
            action: "invite.create",
            target: Some(invite.id.to_string()),
            detail: Some("host".to_owned()),
        });
        Ok(Some(Reply::Done))
    }

    /// Whoever deletes what was kept writes it down, once that is done.
    fn delete(&mut self) {
        self.is_deleted = true;
        self.close_stewards(CloseCode::Ended);
        self.end_meeting(None, None, LeftReason::Ended);
    }

    /// Writes an answer for the operator.
    pub(super) fn answer_operator(&mut self, ticket: u64, answer: Answer) {
        let answer = answer.map(|reply| match reply {
            Some(Reply::RoomRevised(_)) => OperatorReply::Room(Box::new(self.describe())),
            Some(Reply::Invited(created)) => OperatorReply::Invited(created),
            Some(Reply::Invites(invites)) => OperatorReply::Invites(invites),
            Some(Reply::Bans(bans)) => OperatorReply::Bans(bans),
            _ => OperatorReply::Done,
        });
        self.outputs.push_back(Output::Operator {
            ticket,
            answer: Box::new(answer),
        });
    }
}
