//! Bans that the operator makes on those who may not be there.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{InviteId, ParticipantId};
use conclave_signalling_wire::moderation::{BanScope, RemovedOk};
use conclave_signalling_wire::request::{BanOrder, ParticipantRemove};
use conclave_signalling_wire::text::Prose;

use crate::digest::NetworkTag;
use crate::output::Reply;
use crate::room::Room;
use crate::room::inviting::Unseen;
use crate::room::requests::{Answer, ReplyTo};
use crate::room::rights::Authority;

/// A ban to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBan {
    /// On whom.
    pub on: BanOn,
    /// A name for those who see the list; of a participant its own.
    pub name: Option<Prose>,
    /// Why.
    pub reason: Option<Prose>,
    /// Seconds that it lasts, 60 to 31,536,000, of a network at most 86,400; a
    /// day, without it.
    pub ttl_s: Option<u32>,
    /// Whether who matches by the network alone is refused and does not wait.
    pub strict: bool,
}

/// Whom a ban is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanOn {
    /// Somebody in the room, who is removed.
    Participant(ParticipantId),
    /// Who came by an invite for one person. It is taken back, and who is in the
    /// room by it removed.
    Invite(InviteId),
    /// Everybody from a network, as bans remember it.
    Network(NetworkTag),
}

impl NewBan {
    /// Returns the removal that a ban on a participant is.
    pub(super) fn as_removal(&self) -> Option<ParticipantRemove> {
        let BanOn::Participant(participant) = self.on else {
            return None;
        };
        Some(ParticipantRemove {
            participant,
            reason: self.reason.clone(),
            message: None,
            ban: Some(BanOrder {
                scope: BanScope::Room,
                ttl_s: self.ttl_s,
                strict: self.strict,
            }),
        })
    }
}

impl Room {
    /// Makes a ban. Of a participant see [`NewBan::as_removal`].
    pub(super) fn ban_for(&mut self, by: &Authority, to: ReplyTo, new: NewBan) -> Answer {
        let NewBan {
            on,
            name,
            reason,
            ttl_s,
            strict,
        } = new;
        let (invite, network) = match on {
            BanOn::Invite(invite) => (Some(invite), None),
            BanOn::Network(network) => (None, Some(network)),
            BanOn::Participant(_) => return Err(ErrorCode::BadRequest.into()),
        };
        let unseen = Unseen {
            invite,
            network,
            name: name.map(|name| name.as_str().to_owned()),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            ttl_s,
            strict,
        };
        let ban = self.ban_unseen(by.actor, unseen)?;
        if let Some(invite) = invite {
            self.take_back(invite, by.actor);
            self.remove_holders(by, invite);
        }
        self.deeds.outcome = Some(format!("as {ban}"));
        let removed = RemovedOk {
            ban: Some(ban),
            removals: 0,
        };
        self.once_stopped(to, Reply::Removed(removed))
    }
}

/// Says what a ban is on, for the audit log.
pub(super) fn detail(new: &NewBan) -> (Option<String>, String) {
    let strict = if new.strict { " strict" } else { "" };
    match new.on {
        BanOn::Participant(who) => (Some(who.to_string()), format!("device{strict}")),
        BanOn::Invite(invite) => (Some(invite.to_string()), format!("invite{strict}")),
        BanOn::Network(_) => (None, format!("network{strict}")),
    }
}

/// Returns the refusal of an invite that there is not.
pub(super) fn no_invite() -> ErrorBody {
    ErrorBody::from(ErrorCode::NotFound).field("invite")
}
