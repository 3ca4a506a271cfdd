//! What the operator of the server asks, on the command line, by the
//! configuration or by a key of the API.
//!
//! What a host can do in the room goes the same way as a host's: a verb of the
//! protocol, on an authority that stands above hosts. It sees everybody, is seen
//! by nobody, and is not slowed down: the API counts its calls itself.

mod bans;
mod invites;
mod live;

use std::sync::Arc;
use std::time::Instant;

use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{BanId, InviteId, ParticipantId};
use conclave_signalling_wire::moderation::{OverrideEffect, RoomRevised};
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::request::{
    BanLift, BanList, ChatClear, InviteCreate, InviteList, InviteRevoke, PermOverride, Request,
    RoleSet, RoomUpdate, SessionAnnounce,
};
use conclave_signalling_wire::text::{Prose, RoleName};

use crate::digest::InviteHash;
use crate::output::{OperatorReply, Output, Reply};
use crate::record::Actor;
use crate::room::Room;
use crate::room::audit::Act;
use crate::room::deeds::{Deed, deed_of};
use crate::room::requests::{Answer, ReplyTo};
use crate::room::rights::Authority;

pub use bans::{BanOn, NewBan};
pub use invites::InvitePatch;
pub use live::{ChatPage, LiveParticipant, LiveSession};

/// Messages of one page of the chat.
const CHAT_PAGE: usize = 100;

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
    /// To see one.
    ShowInvite(InviteId),
    /// To change one.
    ChangeInvite {
        /// Which.
        invite: InviteId,
        /// How.
        patch: Box<InvitePatch>,
    },
    /// To take an invite back.
    RevokeInvite {
        /// Which.
        invite: InviteId,
        /// Whether who came in by it is removed.
        remove_holders: bool,
    },
    /// To take all invites back that somebody made, and to remove their holders:
    /// the word of who is no longer trusted.
    RevokeMadeBy(Actor),
    /// That nobody stays who came by a token of an embedding site, of this key:
    /// its word is worth nothing any more.
    RevokeSite(Arc<str>),
    /// To see the bans.
    Bans,
    /// To make one.
    Ban(Box<NewBan>),
    /// To lift a ban.
    LiftBan(BanId),
    /// To see the meeting that goes on.
    Live,
    /// To give a participant a role.
    SetRole {
        /// To whom.
        participant: ParticipantId,
        /// Which.
        role: Role,
        /// A custom role based on it.
        custom_role: Option<RoleName>,
        /// The `rev` of the participant that was seen; whatever it is, without it.
        rev: Option<u32>,
    },
    /// To make an exception for a participant, or to take it back.
    Override {
        /// For whom.
        participant: ParticipantId,
        /// Of what.
        key: Permission,
        /// Which.
        effect: OverrideEffect,
        /// Seconds that it lasts, at most 86,400; for the session, without it.
        ttl_s: Option<u32>,
        /// The `rev` of the participant that was seen; whatever it is, without it.
        rev: Option<u32>,
    },
    /// To see who waits in the lobby.
    Lobby,
    /// To read messages that are not private.
    Chat {
        /// After which number; 0 for the first.
        after: u32,
        /// How many, 1 to 100.
        limit: usize,
    },
    /// To clear the chat.
    ClearChat(ChatClear),
    /// That everybody in the room is told something.
    Announce(Prose),
    /// To do what hosts do, in their words: `media.mute`, `participant.*`,
    /// `lobby.admit` and `.deny`, `session.*`, `attendance.get`, `chat.delete`,
    /// `.clear` and `.export`, and what has a request of its own here. Any other
    /// verb is a bad request.
    Act(Box<Request>),
    /// That everybody leaves for good. The shell deletes what was kept.
    Delete,
}

impl OperatorRequest {
    /// Returns a request to do what hosts do; see [`OperatorRequest::Act`].
    pub fn act(verb: impl Into<Request>) -> Self {
        OperatorRequest::Act(Box::new(verb.into()))
    }
}

impl Room {
    /// Does what the operator, or by `by` a key or the configuration, wants. The
    /// answer is [`Output::Operator`] with the same `ticket`, perhaps later.
    pub fn handle_operator(
        &mut self,
        now: Instant,
        ticket: u64,
        by: Actor,
        request: OperatorRequest,
    ) {
        self.now = now;
        self.begin_step();
        let to = ReplyTo::Operator { ticket };
        match self.look(by, &request) {
            Some(seen) => self.tell_operator(ticket, Ok(seen)),
            None => {
                let request = self.in_words(request);
                let deed = deed_for(&request);
                let answer = self.obey(&Authority::of_operator(by), to, request);
                if let Some(deed) = deed {
                    self.record((by, None), deed, &answer, None);
                }
                self.answer(to, answer);
            }
        }
        self.settle();
    }

    /// Answers who only looks.
    fn look(&mut self, by: Actor, request: &OperatorRequest) -> Option<OperatorReply> {
        match request {
            OperatorRequest::Live => Some(OperatorReply::Live(self.live().map(Box::new))),
            OperatorRequest::Lobby => Some(OperatorReply::Lobby(self.lobby.list(self.now))),
            OperatorRequest::Chat { after, limit } => {
                let (messages, has_more) = self.chat_after(*after, (*limit).clamp(1, CHAT_PAGE));
                // Whoever reads what others wrote is seen to have done so.
                self.audit(Act {
                    actor: by,
                    prefix: None,
                    action: "chat.read",
                    target: None,
                    detail: Some(format!("after {after}")),
                });
                Some(OperatorReply::Chat(Box::new(ChatPage {
                    messages,
                    has_more,
                })))
            }
            _ => None,
        }
    }

    /// Writes a request as the verb that hosts have for it, where they have one.
    fn in_words(&self, request: OperatorRequest) -> OperatorRequest {
        let seen = |participant: &ParticipantId| {
            let key = self.ids.get(participant);
            let member = key.and_then(|key| self.members.get(key));
            member.map_or(0, |member| member.face.rev)
        };
        match request {
            OperatorRequest::Update(update) => OperatorRequest::act(*update),
            OperatorRequest::Invite(create) => OperatorRequest::act(*create),
            OperatorRequest::Invites => OperatorRequest::act(InviteList {}),
            OperatorRequest::RevokeInvite {
                invite,
                remove_holders,
            } => OperatorRequest::act(InviteRevoke {
                invite,
                remove_holders,
            }),
            OperatorRequest::Bans => OperatorRequest::act(BanList {}),
            OperatorRequest::Ban(new) => match new.as_removal() {
                Some(removal) => OperatorRequest::act(removal),
                None => OperatorRequest::Ban(new),
            },
            OperatorRequest::LiftBan(ban) => OperatorRequest::act(BanLift { ban }),
            OperatorRequest::SetRole {
                participant,
                role,
                custom_role,
                rev,
            } => OperatorRequest::act(RoleSet {
                rev: rev.unwrap_or_else(|| seen(&participant)),
                participant,
                role,
                custom_role,
            }),
            OperatorRequest::Override {
                participant,
                key,
                effect,
                ttl_s,
                rev,
            } => OperatorRequest::act(PermOverride {
                rev: rev.unwrap_or_else(|| seen(&participant)),
                participant,
                key,
                effect,
                ttl_s,
            }),
            OperatorRequest::ClearChat(clear) => OperatorRequest::act(clear),
            OperatorRequest::Announce(message) => OperatorRequest::act(SessionAnnounce { message }),
            request => request,
        }
    }

    fn obey(&mut self, by: &Authority, to: ReplyTo, request: OperatorRequest) -> Answer {
        match request {
            OperatorRequest::Show => Ok(Some(Reply::RoomRevised(RoomRevised {
                rev: self.settings.rev,
            }))),
            OperatorRequest::MakeHostInvite { hash } => self.make_host_invite(by, hash),
            OperatorRequest::ShowInvite(invite) => self.show_invite(invite),
            OperatorRequest::ChangeInvite { invite, patch } => self.change_invite(invite, *patch),
            OperatorRequest::RevokeMadeBy(maker) => self.revoke_made_by(by, to, maker),
            OperatorRequest::RevokeSite(site) => self.revoke_site(by, to, &site),
            OperatorRequest::Ban(new) => self.ban_for(by, to, *new),
            OperatorRequest::Act(verb) => self.act_for(by, to, *verb),
            OperatorRequest::Delete => {
                self.delete();
                Ok(Some(Reply::Done))
            }
            // Those are written as verbs, or answered by looking.
            OperatorRequest::Update(_)
            | OperatorRequest::Invite(_)
            | OperatorRequest::Invites
            | OperatorRequest::RevokeInvite { .. }
            | OperatorRequest::Bans
            | OperatorRequest::LiftBan(_)
            | OperatorRequest::Live
            | OperatorRequest::SetRole { .. }
            | OperatorRequest::Override { .. }
            | OperatorRequest::Lobby
            | OperatorRequest::Chat { .. }
            | OperatorRequest::ClearChat(_)
            | OperatorRequest::Announce(_) => Err(ErrorCode::BadRequest.into()),
        }
    }

    /// Does what hosts do, by the functions that do it for them.
    fn act_for(&mut self, by: &Authority, to: ReplyTo, verb: Request) -> Answer {
        match verb {
            Request::RoomUpdate(update) => self.change_room(by, to, update),
            Request::InviteCreate(create) => self.invite_for(by, create),
            Request::InviteList(_) => self.invites_for(by),
            Request::InviteRevoke(revoke) => self.revoke_for(by, to, &revoke),
            Request::BanList(_) => self.bans_for(by),
            Request::BanLift(lift) => self.lift_for(by, lift.ban),
            Request::RoleSet(set) => self.set_role_for(by, to, set),
            Request::PermOverride(order) => self.override_for(by, to, order),
            Request::MediaMute(mute) => self.mute_for(by, to, mute),
            Request::ParticipantRemove(order) => self.remove_for(by, to, order),
            Request::ParticipantRename(rename) => self.rename_for(by, rename),
            Request::ParticipantToLobby(order) => self.send_back_for(by, to, order),
            Request::LobbyAdmit(admit) => self.admit_for(by, to, admit),
            Request::LobbyDeny(deny) => self.deny_for(by, to, deny),
            Request::AttendanceGet(get) => self.attendance_for(by, get),
            Request::ChatDelete(delete) => self.delete_chat_for(by, delete),
            Request::ChatClear(clear) => self.clear_chat_for(by, clear),
            Request::ChatExport(export) => self.export_chat_for(by, export),
            Request::SessionEnd(end) => self.end_for(by, to, end),
            Request::SessionEndCancel(_) => self.cancel_end_for(by),
            Request::SessionAnnounce(_) if self.session.is_none() => {
                Err(ErrorCode::NotFound.into())
            }
            Request::SessionAnnounce(announce) => {
                self.announce_to_all(None, announce.message);
                Ok(Some(Reply::Done))
            }
            _ => Err(ErrorCode::BadRequest.into()),
        }
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
            Some(Reply::Done) | None => OperatorReply::Done,
            Some(reply) => OperatorReply::Said(Box::new(reply)),
        });
        self.tell_operator(ticket, answer);
    }

    fn tell_operator(&mut self, ticket: u64, answer: Result<OperatorReply, ErrorBody>) {
        self.outputs.push_back(Output::Operator {
            ticket,
            answer: Box::new(answer),
        });
    }
}

/// Describes a request for the audit log; `None` for what changes nothing, and
/// for what writes its entries itself.
fn deed_for(request: &OperatorRequest) -> Option<Deed> {
    let deed = |action, target, detail| Deed {
        action,
        target,
        detail: Some(detail),
        is_reading: false,
    };
    match request {
        OperatorRequest::Act(verb) => deed_of(verb, None),
        OperatorRequest::Ban(new) => {
            let (target, detail) = bans::detail(new);
            Some(deed("ban.create", target, detail))
        }
        OperatorRequest::ChangeInvite { invite, patch } => {
            let target = Some(invite.to_string());
            Some(deed("invite.update", target, patch.members()))
        }
        _ => None,
    }
}
