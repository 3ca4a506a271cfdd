//! What the operator asks of a room that exists. The room does it itself,
//! whether somebody is in it or not.

use std::sync::Arc;

use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::output::OperatorReply;
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::room::OperatorRequest;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::invite::{InviteCreate, InviteCreated, InviteRevoke, Invites};
use conclave_signalling_wire::moderation::{BanLift, Bans};
use conclave_signalling_wire::objects::Room;
use conclave_signalling_wire::room::{Patch, RoomUpdate};
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::Slug;
use tokio::sync::oneshot;

use crate::directory::Door;
use crate::inbox::ToRoom;
use crate::rooms::{Rooms, RoomsError};

impl Rooms {
    /// Returns a room as its participants see it.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available` if it cannot be asked.
    pub async fn show(&self, slug: &Slug, by: Actor) -> Result<Room, RoomsError> {
        match self.ask(slug, OperatorRequest::Show, by).await? {
            OperatorReply::Room(room) => Ok(*room),
            _ => Err(unexpected()),
        }
    }

    /// Changes a room and returns what it is then.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; [`RoomsError::ExternalIdTaken`];
    /// [`RoomsError::Refused`] with `bad_request`, `conflict` or `not_available`.
    pub async fn update(
        &self,
        slug: &Slug,
        update: RoomUpdate,
        by: Actor,
    ) -> Result<Room, RoomsError> {
        self.find(slug)?;
        let directory = &self.registry.directory;
        let held = match &update.external_id {
            Patch::Set(external_id) => Some(directory.hold_external(external_id, slug)?),
            Patch::Keep | Patch::Clear => None,
        };
        let request = OperatorRequest::Update(Box::new(update));
        let (rooms, slug) = (self.clone(), slug.clone());
        // To its end even if whoever asked is gone meanwhile: until then nobody
        // else may take the name.
        let changing = tokio::spawn(async move {
            let changed = rooms.ask(&slug, request, by).await;
            drop(held);
            changed
        });
        // It is never aborted.
        match changing.await.map_err(|_| unexpected())?? {
            OperatorReply::Room(room) => Ok(*room),
            _ => Err(unexpected()),
        }
    }

    /// Deletes a room with all that is kept of it but its audit records.
    /// Whoever is in it is closed with 4410.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or those of the store.
    pub async fn delete(&self, slug: &Slug, by: Actor) -> Result<(), RoomsError> {
        let door = self.find(slug)?;
        let (done, deleted) = oneshot::channel();
        let origin = self.origin.clone();
        self.enter(slug, &door, ToRoom::Delete { by, origin, done })?;
        deleted.await.map_err(|_| unexpected())?
    }

    /// Sees to it that a host invite with this secret lets hosts in: the room
    /// of a development server has the same link at each start.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn host_invite(
        &self,
        slug: &Slug,
        secret: InviteSecret,
        by: Actor,
    ) -> Result<(), RoomsError> {
        let hash = InviteHash::from(&secret);
        let request = OperatorRequest::MakeHostInvite { hash };
        self.ask(slug, request, by).await.map(drop)
    }

    /// Makes an invite.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; [`RoomsError::Refused`].
    pub async fn invite(
        &self,
        slug: &Slug,
        invite: InviteCreate,
        by: Actor,
    ) -> Result<InviteCreated, RoomsError> {
        let request = OperatorRequest::Invite(Box::new(invite));
        match self.ask(slug, request, by).await? {
            OperatorReply::Invited(created) => Ok(*created),
            _ => Err(unexpected()),
        }
    }

    /// Returns the invites of a room, the newest first.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn invites(&self, slug: &Slug, by: Actor) -> Result<Invites, RoomsError> {
        let request = OperatorRequest::Invites;
        match self.ask(slug, request, by).await? {
            OperatorReply::Invites(invites) => Ok(invites),
            _ => Err(unexpected()),
        }
    }

    /// Takes an invite back.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; [`RoomsError::Refused`] with `not_found`.
    pub async fn revoke_invite(
        &self,
        slug: &Slug,
        revoke: InviteRevoke,
        by: Actor,
    ) -> Result<(), RoomsError> {
        let request = OperatorRequest::RevokeInvite {
            invite: revoke.invite,
            remove_holders: revoke.remove_holders,
        };
        self.ask(slug, request, by).await.map(drop)
    }

    /// Returns the bans of a room.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn bans(&self, slug: &Slug, by: Actor) -> Result<Bans, RoomsError> {
        match self.ask(slug, OperatorRequest::Bans, by).await? {
            OperatorReply::Bans(bans) => Ok(bans),
            _ => Err(unexpected()),
        }
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; [`RoomsError::Refused`] with `not_found`.
    pub async fn lift_ban(&self, slug: &Slug, lift: BanLift, by: Actor) -> Result<(), RoomsError> {
        let request = OperatorRequest::LiftBan(lift.ban);
        self.ask(slug, request, by).await.map(drop)
    }

    pub(super) async fn ask(
        &self,
        slug: &Slug,
        request: OperatorRequest,
        by: Actor,
    ) -> Result<OperatorReply, RoomsError> {
        let door = self.find(slug)?;
        let (done, answered) = oneshot::channel();
        let order = ToRoom::Order {
            request: Box::new(request),
            by,
            origin: self.origin.clone(),
            done,
        };
        self.enter(slug, &door, order)?;
        Ok(answered.await.map_err(|_| unexpected())??)
    }

    pub(super) fn find(&self, slug: &Slug) -> Result<Arc<Door>, RoomsError> {
        let door = self.registry.directory.find(slug);
        door.ok_or(RoomsError::UnknownRoom)
    }

    fn enter(&self, slug: &Slug, door: &Door, message: ToRoom) -> Result<(), RoomsError> {
        let entered = self.registry.enter(door.id, slug, message);
        let full = || ErrorBody::from(ErrorCode::NotAvailable).retry_after_s(1);
        entered.map(drop).ok_or_else(|| full().into())
    }
}

/// The room ended before it answered, or answered something else.
pub(super) fn unexpected() -> RoomsError {
    ErrorCode::NotAvailable.into()
}
