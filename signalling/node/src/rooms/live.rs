//! What the operator does in a meeting that goes on: as a host does it, by the
//! same functions, and answered when it has taken effect and is kept.
//!
//! Where nobody is in the room, there is nobody to act on: `not_found`.

use conclave_signalling_core::output::{OperatorReply, Reply};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::room::{LiveSession, OperatorRequest};
use conclave_signalling_wire::ids::{KnockId, ParticipantId, RoomId, SessionId};
use conclave_signalling_wire::lobby::{LobbyAdmit, LobbyDeny, LobbyResults, LobbyUpdate};
use conclave_signalling_wire::moderation::{
    MediaMute, Muted, OverrideEffect, ParticipantRemove, ParticipantToLobby, RemovedOk, Target,
};
use conclave_signalling_wire::objects::{Permission, Role, Source};
use conclave_signalling_wire::request::{ParticipantRename, Request};
use conclave_signalling_wire::session::{Attendance, AttendanceGet, SessionEnd, SessionEndCancel};
use conclave_signalling_wire::text::{DisplayName, Prose, RoleName, Slug};

use crate::rooms::orders::unexpected;
use crate::rooms::{Rooms, RoomsError};

/// Whom of those who wait something concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knocks {
    /// These, at most 200.
    These(Vec<KnockId>),
    /// Everybody who is on the list.
    All,
}

impl Knocks {
    fn words(self) -> (Option<Vec<KnockId>>, Option<u32>) {
        match self {
            Knocks::These(knocks) => (Some(knocks), None),
            Knocks::All => (None, Some(u32::MAX)),
        }
    }
}

impl Rooms {
    /// Finds the room of a meeting that goes on.
    pub fn find_session(&self, session: SessionId) -> Option<(RoomId, Slug)> {
        let id = self.registry.room_of_session(session)?;
        Some((id, self.registry.directory.slug_of(id)?))
    }

    /// Returns the meeting that goes on and who is there; `None` while nobody is.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn participants(
        &self,
        slug: &Slug,
        by: Actor,
    ) -> Result<Option<LiveSession>, RoomsError> {
        if !self.registry.is_live(self.find(slug)?.id) {
            return Ok(None);
        }
        match self.ask(slug, OperatorRequest::Live, by).await? {
            OperatorReply::Live(live) => Ok(live.map(|live| *live)),
            _ => Err(unexpected()),
        }
    }

    /// Mutes a participant, or stops what it shares. Returns whether any of the
    /// sources was open.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; [`RoomsError::Refused`] with `not_found`,
    /// `bad_request`, or `not_available` where it is not known whether media stopped.
    pub async fn participant_mute(
        &self,
        slug: &Slug,
        participant: ParticipantId,
        sources: Vec<Source>,
        by: Actor,
    ) -> Result<bool, RoomsError> {
        let target = Target::Participant { participant };
        match self.act(slug, MediaMute { target, sources }, by).await? {
            Reply::Muted(Muted { participants }) => Ok(!participants.is_empty()),
            _ => Err(unexpected()),
        }
    }

    /// Mutes everybody but these. Returns who was not muted before.
    ///
    /// # Errors
    /// As [`Rooms::participant_mute`].
    pub async fn mute_all(
        &self,
        slug: &Slug,
        except: Vec<ParticipantId>,
        sources: Vec<Source>,
        by: Actor,
    ) -> Result<Vec<ParticipantId>, RoomsError> {
        let target = Target::AllExcept {
            participants: except,
        };
        match self.act(slug, MediaMute { target, sources }, by).await? {
            Reply::Muted(Muted { participants }) => Ok(participants),
            _ => Err(unexpected()),
        }
    }

    /// Removes a participant with all its pages, and bans it if the order says so.
    ///
    /// # Errors
    /// As [`Rooms::participant_mute`].
    pub async fn participant_remove(
        &self,
        slug: &Slug,
        order: ParticipantRemove,
        by: Actor,
    ) -> Result<RemovedOk, RoomsError> {
        match self.act(slug, order, by).await? {
            Reply::Removed(removed) => Ok(removed),
            _ => Err(unexpected()),
        }
    }

    /// Gives a participant a role, and a custom role based on it or none. `rev` is
    /// that of the participant that was seen. Returns the one that it has then.
    ///
    /// # Errors
    /// As [`Rooms::participant_mute`]; `forbidden` where the room lets no guest be
    /// a co-host; `conflict` where `rev` is another.
    pub async fn participant_role(
        &self,
        slug: &Slug,
        participant: ParticipantId,
        (role, custom_role): (Role, Option<RoleName>),
        rev: Option<u32>,
        by: Actor,
    ) -> Result<u32, RoomsError> {
        let request = OperatorRequest::SetRole {
            participant,
            role,
            custom_role,
            rev,
        };
        self.revise(slug, request, by).await
    }

    /// Makes an exception for a participant, or takes it back. `rev` is that of
    /// the participant that was seen. Returns the one that it has then.
    ///
    /// # Errors
    /// As [`Rooms::participant_role`]; `bad_request` for a permission of which
    /// there is no exception, or for more than a day.
    pub async fn participant_override(
        &self,
        slug: &Slug,
        participant: ParticipantId,
        (key, effect, ttl_s): (Permission, OverrideEffect, Option<u32>),
        rev: Option<u32>,
        by: Actor,
    ) -> Result<u32, RoomsError> {
        let request = OperatorRequest::Override {
            participant,
            key,
            effect,
            ttl_s,
            rev,
        };
        self.revise(slug, request, by).await
    }

    /// Renames a participant. Returns the `rev` that it has then.
    ///
    /// # Errors
    /// As [`Rooms::participant_mute`].
    pub async fn participant_rename(
        &self,
        slug: &Slug,
        participant: ParticipantId,
        name: DisplayName,
        by: Actor,
    ) -> Result<u32, RoomsError> {
        match self
            .act(slug, ParticipantRename { participant, name }, by)
            .await?
        {
            Reply::Renamed(renamed) => Ok(renamed.rev),
            _ => Err(unexpected()),
        }
    }

    /// Sends a participant back to the lobby.
    ///
    /// # Errors
    /// As [`Rooms::participant_mute`].
    pub async fn participant_to_lobby(
        &self,
        slug: &Slug,
        participant: ParticipantId,
        by: Actor,
    ) -> Result<(), RoomsError> {
        self.act(slug, ParticipantToLobby { participant }, by)
            .await
            .map(drop)
    }

    /// Returns who waits in the lobby, the longest first.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn lobby(&self, slug: &Slug, by: Actor) -> Result<LobbyUpdate, RoomsError> {
        match self.ask(slug, OperatorRequest::Lobby, by).await? {
            OperatorReply::Lobby(list) => Ok(list),
            _ => Err(unexpected()),
        }
    }

    /// Admits those who wait, as what they come with or as `as_role`.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `locked`; `forbidden` for a role that one of
    /// them may not have; `bad_request` for too many.
    pub async fn lobby_admit(
        &self,
        slug: &Slug,
        knocks: Knocks,
        as_role: Option<Role>,
        by: Actor,
    ) -> Result<LobbyResults, RoomsError> {
        let (knocks, all_up_to_rev) = knocks.words();
        let admit = LobbyAdmit {
            knocks,
            all_up_to_rev,
            as_role,
        };
        match self.act(slug, admit, by).await? {
            Reply::Lobby(results) => Ok(results),
            _ => Err(unexpected()),
        }
    }

    /// Sends those away who wait, for `block_s` seconds at most a day.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `bad_request` for too many or too long.
    pub async fn lobby_deny(
        &self,
        slug: &Slug,
        knocks: Knocks,
        (reason, block_s): (Option<Prose>, u32),
        by: Actor,
    ) -> Result<LobbyResults, RoomsError> {
        let (knocks, all_up_to_rev) = knocks.words();
        let deny = LobbyDeny {
            knocks,
            all_up_to_rev,
            reason,
            block_s,
        };
        match self.act(slug, deny, by).await? {
            Reply::Lobby(results) => Ok(results),
            _ => Err(unexpected()),
        }
    }

    /// Ends the meeting that goes on, at once or after a countdown of at most 60
    /// seconds. Ended at once, nobody is in it any more when this returns.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found` while nobody is in the room;
    /// `bad_request` for a longer countdown.
    pub async fn end(&self, slug: &Slug, end: SessionEnd, by: Actor) -> Result<(), RoomsError> {
        self.act(slug, end, by).await.map(drop)
    }

    /// Calls the end off that was announced.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found` where none was.
    pub async fn end_cancel(&self, slug: &Slug, by: Actor) -> Result<(), RoomsError> {
        self.act(slug, SessionEndCancel {}, by).await.map(drop)
    }

    /// Tells everybody in the room something.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found` while nobody is in the room.
    pub async fn announce(&self, slug: &Slug, message: Prose, by: Actor) -> Result<(), RoomsError> {
        let request = OperatorRequest::Announce(message);
        self.ask(slug, request, by).await.map(drop)
    }

    /// Returns who takes part in the meeting that goes on.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found` while nobody is in the room.
    pub async fn attendance_live(
        &self,
        slug: &Slug,
        with_csv: bool,
        by: Actor,
    ) -> Result<Attendance, RoomsError> {
        match self.act(slug, AttendanceGet { csv: with_csv }, by).await? {
            Reply::Attendance(attendance) => Ok(attendance),
            _ => Err(unexpected()),
        }
    }

    async fn revise(
        &self,
        slug: &Slug,
        request: OperatorRequest,
        by: Actor,
    ) -> Result<u32, RoomsError> {
        match said(self.ask(slug, request, by).await?) {
            Reply::Revised(revised) => Ok(revised.rev),
            _ => Err(unexpected()),
        }
    }

    /// Has the room do what hosts do, in their words.
    pub(super) async fn act(
        &self,
        slug: &Slug,
        verb: impl Into<Request>,
        by: Actor,
    ) -> Result<Reply, RoomsError> {
        let request = OperatorRequest::act(verb);
        Ok(said(self.ask(slug, request, by).await?))
    }
}

fn said(reply: OperatorReply) -> Reply {
    match reply {
        OperatorReply::Said(reply) => *reply,
        _ => Reply::Done,
    }
}
