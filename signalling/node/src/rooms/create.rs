//! Making rooms.

use std::net::IpAddr;
use std::sync::Arc;

use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry, Invite};
use conclave_signalling_core::settings::{PasswordHash, Settings, UpdateError};
use conclave_signalling_store::NewRoom as StoredRoom;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{InviteId, RoomId, SessionId};
use conclave_signalling_wire::invite::{RoomCreate, RoomCreated};
use conclave_signalling_wire::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use conclave_signalling_wire::objects::{LobbyMode, Preset, Role};
use conclave_signalling_wire::room::{Patch, RoomUpdate};
use conclave_signalling_wire::secret::{InviteSecret, SecretText};
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use rand::Rng;
use tokio::time::Instant;
use tracing::error;

use crate::config::RoomsCreate;
use crate::directory::{Door, HeldNames, Making, Taken};
use crate::door::{Refusal, count_try, limited};
use crate::hashing::{Busy, busy};
use crate::registry::Registry;
use crate::rooms::{CreatedRoom, NewRoom, Origin, RoomCopy, RoomsError};

/// Who makes a room, and where it is written.
pub(super) struct Maker {
    pub(super) by: Actor,
    /// From where, if over a link.
    pub(super) address: Option<IpAddr>,
    /// What is written down with it.
    pub(super) origin: Origin,
    /// Of the configuration file.
    pub(super) digest: Option<String>,
}

impl From<Actor> for Maker {
    fn from(by: Actor) -> Self {
        Maker {
            by,
            address: None,
            origin: Origin::default(),
            digest: None,
        }
    }
}

/// Makes a room for a link, if the server lets anybody do so.
pub(crate) async fn create_over_link(
    registry: &Arc<Registry>,
    address: IpAddr,
    create: RoomCreate,
) -> Result<RoomCreated, Refusal> {
    count_try(registry, address)?;
    if registry.tuning().rooms_create != RoomsCreate::Anyone {
        return Err(Box::new(ErrorCode::Forbidden.into()));
    }
    if registry.is_draining() {
        return Err(Box::new(ErrorCode::NotAvailable.into()));
    }
    let now = Instant::now().into_std();
    registry.creations.take(now, address).map_err(limited)?;
    let room = NewRoom {
        slug: None,
        preset: Preset::Meeting,
        update: RoomUpdate {
            title: Some(create.title),
            password: create.password.map_or(Patch::Keep, Patch::Set),
            ..RoomUpdate::default()
        },
    };
    let session = SessionId::new(registry.time().unix_ms(), random());
    let maker = Maker {
        address: Some(address),
        origin: Origin {
            prefix: Some(Prefix::from(address)),
            request_id: None,
        },
        ..Maker::from(Actor::Link(session))
    };
    match super::create::create(registry, room, maker).await {
        Ok(created) => Ok(RoomCreated {
            slug: created.slug,
            secret: created.host_secret,
        }),
        Err(RoomsError::Refused(error)) => Err(error),
        Err(RoomsError::Full) => Err(Box::new(ErrorCode::NotAvailable.into())),
        Err(error) => {
            error!(%error, "a room could not be made");
            Err(Box::new(busy()))
        }
    }
}

pub(super) async fn create(
    registry: &Arc<Registry>,
    room: NewRoom,
    maker: Maker,
) -> Result<CreatedRoom, RoomsError> {
    let NewRoom {
        slug,
        preset,
        update,
    } = room;
    if preset == Preset::HighSecurity {
        // It promises encryption that is not there.
        return Err(ErrorBody::from(ErrorCode::NotAvailable)
            .field("preset")
            .into());
    }
    let slug = slug.unwrap_or_else(|| Slug::generated(random()));
    let mut settings = Settings::new(preset, slug.as_str());
    settings.apply(&update).map_err(refused)?;
    let held = hold(registry, &slug, &settings, maker.by)?;
    if let Patch::Set(password) = update.password {
        settings.set_password(Some(hash(registry, maker.address, password).await?));
        if update.lobby.is_none() {
            settings.lobby = LobbyMode::Off;
        }
    }
    make(registry, (slug, settings, held), "room.create", None, maker).await
}

/// Makes a room with the policies of another.
pub(super) async fn duplicate(
    registry: &Arc<Registry>,
    model: &Slug,
    copy: RoomCopy,
    maker: Maker,
) -> Result<CreatedRoom, RoomsError> {
    let door = registry.directory.find(model);
    let door = door.ok_or(RoomsError::UnknownRoom)?;
    let known = registry.store.room(door.id, registry.time()).await?;
    let mut settings = known.ok_or(RoomsError::UnknownRoom)?.settings.copied();
    let RoomCopy {
        slug,
        title,
        tags,
        external_id,
    } = copy;
    let update = RoomUpdate {
        title,
        tags,
        external_id: external_id.map_or(Patch::Keep, Patch::Set),
        ..RoomUpdate::default()
    };
    settings.apply(&update).map_err(refused)?;
    let slug = slug.unwrap_or_else(|| Slug::generated(random()));
    let held = hold(registry, &slug, &settings, maker.by)?;
    let detail = Some(format!("of {}", door.id));
    make(
        registry,
        (slug, settings, held),
        "room.duplicate",
        detail,
        maker,
    )
    .await
}

/// Makes a room of what it will be, and a host invite with it.
async fn make(
    registry: &Arc<Registry>,
    (slug, mut settings, held): (Slug, Settings, HeldNames),
    action: &str,
    detail: Option<String>,
    maker: Maker,
) -> Result<CreatedRoom, RoomsError> {
    // It has not changed yet.
    settings.rev = 1;
    let now = registry.time();
    let host_secret = InviteSecret::new(random());
    let id = RoomId::new(now.unix_ms(), random());
    let door = Door::new(id, &settings);
    let stored = StoredRoom {
        id,
        slug: slug.clone(),
        settings,
        invites: vec![host_invite(now, maker.by, &host_secret)],
        config_digest: maker.digest,
        created_at: now,
    };
    let audit = AuditEntry {
        at: now,
        actor: maker.by,
        action: action.to_owned(),
        target: Some(id.to_string()),
        room: Some(id),
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail,
    };
    let audit = maker.origin.sign(audit);
    keep(Arc::clone(registry), stored, door, (audit, held)).await?;
    Ok(CreatedRoom {
        id,
        slug,
        host_secret,
    })
}

/// Keeps a place and its names for a room. What is configured is made. Whoever has the machine
/// knows what other systems call rooms, and may want to hide one.
fn hold(
    registry: &Registry,
    slug: &Slug,
    settings: &Settings,
    by: Actor,
) -> Result<HeldNames, RoomsError> {
    let making = Making {
        rooms_max: Some(registry.config.rooms_max).filter(|_| by != Actor::Configuration),
        may_hide: matches!(by, Actor::Configuration | Actor::Operator),
    };
    let external_id = settings.external_id.as_deref();
    let held = registry.directory.hold_new(slug, external_id, making);
    Ok(held?)
}

impl From<Taken> for RoomsError {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Slug => RoomsError::SlugTaken,
            Taken::ExternalId => RoomsError::ExternalIdTaken,
            Taken::Full => RoomsError::Full,
        }
    }
}

/// Keeps a room and makes it known, even if whoever asked for it is gone meanwhile.
async fn keep(
    registry: Arc<Registry>,
    room: StoredRoom,
    door: Door,
    (audit, held): (AuditEntry, HeldNames),
) -> Result<(), RoomsError> {
    let keeping = tokio::spawn(async move {
        let slug = room.slug.clone();
        registry.store.create_room(room, audit).await?;
        registry.directory.put(slug, door);
        drop(held);
        Ok(())
    });
    // It is never aborted, and a panic in it is as good as a store that failed.
    let is_gone = |_| ErrorCode::NotAvailable;
    keeping.await.map_err(is_gone)?
}

async fn hash(
    registry: &Registry,
    address: Option<IpAddr>,
    password: SecretText,
) -> Result<PasswordHash, RoomsError> {
    let chars = password.reveal().chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Err(ErrorBody::bad("password").into());
    }
    let turn = match address {
        Some(address) => registry.pool.turn_of(address).await,
        None => registry.pool.turn().await,
    };
    let turn = turn.map_err(|Busy| busy())?;
    Ok(turn.hash(password).await.map_err(|Busy| busy())?)
}

/// Returns the invite of a host link: without limits.
fn host_invite(now: Timestamp, by: Actor, secret: &InviteSecret) -> Invite {
    Invite {
        id: InviteId::new(now.unix_ms(), random()),
        hash: InviteHash::from(secret),
        role: Role::Host,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        devices: Vec::new(),
        uses: 0,
        not_before: None,
        expires_at: None,
        bypass_lobby: true,
        bind_device: false,
        note: None,
        created_by: by,
        maker: None,
        vouched: true,
        created_at: now,
        last_used_at: None,
        revoked_at: None,
    }
}

fn refused(error: UpdateError) -> ErrorBody {
    match error {
        UpdateError::Bad(field) => ErrorBody::bad(field),
        UpdateError::Conflict => ErrorBody::from(ErrorCode::Conflict).field("rev"),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
