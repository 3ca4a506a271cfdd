//! Rooms as the operator sees them: made, changed and deleted from outside.

mod create;
pub(crate) mod embedders;
mod live;
mod orders;
mod records;
mod server;

use std::sync::Arc;

use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_store::{
    Anchor, AuditQuery, AuditRecord, StoreError, Verified, VerifyError,
};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::objects::Preset;
use conclave_signalling_wire::room::RoomUpdate;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::{Slug, Title};
use thiserror::Error;

use crate::directory::Door;
use crate::registry::Registry;

pub use embedders::KnownEmbedder;
pub use live::Knocks;
pub use records::{BanTarget, NewRoomBan};
pub use server::{LiveCounts, ServerLimits, ServerSettings};

pub(crate) use create::create_over_link;

/// The rooms of a node. Every call returns after what it did is kept; a room
/// that exists is changed by itself, whether somebody is in it or not.
#[derive(Clone)]
pub struct Rooms {
    registry: Arc<Registry>,
    origin: Origin,
}

/// How something is asked for: it is written down with what is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// From where, if over the network.
    pub prefix: Option<Prefix>,
    /// By which request to the API.
    pub request_id: Option<Arc<str>>,
}

impl Origin {
    /// Completes a record of what was done.
    pub(crate) fn sign(&self, entry: AuditEntry) -> AuditEntry {
        let own = || self.prefix.map(|prefix| prefix.to_string());
        AuditEntry {
            prefix: entry.prefix.or_else(own),
            request_id: self.request_id.as_deref().map(str::to_owned),
            ..entry
        }
    }
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEntry {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
    /// Whether it asks for a password.
    pub password: bool,
    /// Whether a lobby stands before it.
    pub lobby: bool,
    /// Words by which the operator finds it, in order.
    pub tags: Vec<String>,
    /// What another system calls it.
    pub external_id: Option<String>,
    /// Whether somebody is in it, waits for it or manages it.
    pub is_live: bool,
}

/// A room to be made.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Its name in links; one that nobody guesses, without it.
    pub slug: Option<Slug>,
    /// Its defaults.
    pub preset: Preset,
    /// What differs from them. Without a title it is called like its slug;
    /// with a password its lobby is off unless this says otherwise.
    pub update: RoomUpdate,
}

/// What a copy of a room has of its own.
#[derive(Debug, Clone, Default)]
pub struct RoomCopy {
    /// Its name in links; one that nobody guesses, without it.
    pub slug: Option<Slug>,
    /// Its name for people; that of the other, without it.
    pub title: Option<Title>,
    /// Words by which the operator finds it; those of the other, without them.
    pub tags: Option<Vec<String>>,
    /// What another system calls it.
    pub external_id: Option<String>,
}

/// A room that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedRoom {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// The secret of its host link. It is not kept and never shown again.
    pub host_secret: InviteSecret,
}

/// A room of the configuration file.
#[derive(Debug, Clone)]
pub struct ConfiguredRoom {
    /// Its name in links.
    pub slug: Slug,
    /// Its defaults, if it is made now.
    pub preset: Preset,
    /// What the file says of it.
    pub update: RoomUpdate,
    /// A digest of all that the file says of it. While it stays the same, what
    /// hosts have changed since stays as well.
    pub digest: String,
}

/// What became of a room of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It was made.
    Created(Box<CreatedRoom>),
    /// It was changed to what the file says.
    Changed,
    /// The file says what it said before.
    Unchanged,
}

/// Why something was not done with a room.
#[derive(Debug, Clone, Error)]
pub enum RoomsError {
    /// There is no such room.
    #[error("there is no such room")]
    UnknownRoom,
    /// There is a room of this slug, or one that another system calls so.
    #[error("there is a room of this slug already")]
    SlugTaken,
    /// Another room is called so by another system, or has this slug.
    #[error("another room has this external id already")]
    ExternalIdTaken,
    /// There are as many rooms as there may be.
    #[error("there are as many rooms as there may be")]
    Full,
    /// The room, or what it is to become, does not allow it.
    #[error("{}{}", .0.message, place(.0))]
    Refused(Box<ErrorBody>),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

fn place(error: &ErrorBody) -> String {
    let field = error.field.as_deref();
    field.map_or_else(String::new, |field| format!(" ({field})"))
}

impl From<StoreError> for RoomsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SlugTaken => RoomsError::SlugTaken,
            StoreError::UnknownRoom => RoomsError::UnknownRoom,
            error => RoomsError::Store(error),
        }
    }
}

impl From<ErrorBody> for RoomsError {
    fn from(error: ErrorBody) -> Self {
        RoomsError::Refused(Box::new(error))
    }
}

impl From<ErrorCode> for RoomsError {
    fn from(code: ErrorCode) -> Self {
        ErrorBody::from(code).into()
    }
}

impl Rooms {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Rooms {
            registry,
            origin: Origin::default(),
        }
    }

    /// Returns the same rooms for somebody whose acts are written down with `origin`.
    #[must_use]
    pub fn asked_from(&self, origin: Origin) -> Rooms {
        Rooms {
            registry: Arc::clone(&self.registry),
            origin,
        }
    }

    /// Returns whether the node drains: what begins something is to be refused.
    pub fn is_draining(&self) -> bool {
        self.registry.is_draining()
    }

    /// Returns all rooms, by slug.
    pub fn list(&self) -> Vec<RoomEntry> {
        let doors = self.registry.directory.list().into_iter();
        doors
            .map(|(slug, door)| self.entry_of(slug, &door))
            .collect()
    }

    /// Returns a room as it is in the list.
    pub fn entry(&self, slug: &Slug) -> Option<RoomEntry> {
        let door = self.registry.directory.find(slug)?;
        Some(self.entry_of(slug.clone(), &door))
    }

    /// Returns the name in links of a room.
    pub fn find_id(&self, id: RoomId) -> Option<Slug> {
        self.registry.directory.slug_of(id)
    }

    /// Returns the name in links of the room that another system calls so.
    pub fn find_external(&self, external_id: &str) -> Option<Slug> {
        self.registry.directory.find_external(external_id)
    }

    fn entry_of(&self, slug: Slug, door: &Door) -> RoomEntry {
        RoomEntry {
            id: door.id,
            slug,
            title: door.title.clone(),
            password: !door.is_open(),
            lobby: door.has_lobby,
            tags: door.tags.clone(),
            external_id: door.external_id.clone(),
            is_live: self.registry.is_live(door.id),
        }
    }

    /// Makes a room, and a host invite without limits with it.
    ///
    /// # Errors
    /// [`RoomsError::SlugTaken`]; [`RoomsError::ExternalIdTaken`]; [`RoomsError::Full`]; [`RoomsError::Refused`] with `bad_request`,
    /// or with `not_available` for a preset or value that this server does not have.
    pub async fn create(&self, room: NewRoom, by: Actor) -> Result<CreatedRoom, RoomsError> {
        create::create(&self.registry, room, self.maker(by)).await
    }

    fn maker(&self, by: Actor) -> create::Maker {
        create::Maker {
            origin: self.origin.clone(),
            ..create::Maker::from(by)
        }
    }

    /// Makes a room with the policies of another, its password, its custom roles and its networks
    /// included, and a host invite without limits with it. Invites, bans, chat, locks and a
    /// suspension stay with the other.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; otherwise as [`Rooms::create`].
    pub async fn duplicate(
        &self,
        room: &Slug,
        copy: RoomCopy,
        by: Actor,
    ) -> Result<CreatedRoom, RoomsError> {
        create::duplicate(&self.registry, room, copy, self.maker(by)).await
    }

    /// Makes a room of the configuration file, or changes it to what the file
    /// says if that is new.
    ///
    /// # Errors
    /// As [`Rooms::create`] and [`Rooms::update`].
    pub async fn ensure(&self, room: ConfiguredRoom) -> Result<Ensured, RoomsError> {
        let by = Actor::Configuration;
        let Some(door) = self.registry.directory.find(&room.slug) else {
            let maker = create::Maker {
                digest: Some(room.digest),
                ..create::Maker::from(by)
            };
            let new = NewRoom {
                slug: Some(room.slug),
                preset: room.preset,
                update: room.update,
            };
            let created = create::create(&self.registry, new, maker).await?;
            return Ok(Ensured::Created(Box::new(created)));
        };
        let store = &self.registry.store;
        if store.config_digest(&room.slug).await?.as_ref() == Some(&room.digest) {
            return Ok(Ensured::Unchanged);
        }
        self.update(&room.slug, room.update, by).await?;
        store.set_config_digest(door.id, &room.digest).await?;
        Ok(Ensured::Changed)
    }

    /// Returns records of the audit log.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn audit_tail(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        self.registry.store.audit_tail(query).await
    }

    /// Checks that nobody has changed the audit log.
    ///
    /// # Errors
    /// Where it was changed, or those of the store.
    pub async fn audit_verify(&self, anchors: &[Anchor]) -> Result<Verified, VerifyError> {
        self.registry.store.audit_verify(anchors).await
    }
}
