//! Invites: links for one or for many, and rooms to invite to.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{InviteId, ParticipantId};
use crate::objects::{Permission, Role, Room};
use crate::request::Credential;
use crate::secret::{DeviceKey, InviteSecret, SecretText};
use crate::text::{DisplayName, Prose, RoleName, Slug, Title};
use crate::time::Timestamp;

/// Data of `invite.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteCreate {
    /// As what its holder comes in: below the maker's own role; a host may invite hosts.
    pub role: Role,
    /// A custom role of the room, based on `role`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub custom_role: Option<RoleName>,
    /// The name of its holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub name: Option<DisplayName>,
    /// Whether its holder keeps this name.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub name_locked: bool,
    /// How many may use it; null for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = crate::limits::INVITE_USES)))]
    pub max_uses: Option<u32>,
    /// From when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub not_before: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub expires_at: Option<Timestamp>,
    /// Whether its holder need not wait in the lobby.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub bypass_lobby: bool,
    /// Whether it holds only for the device that uses it first.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub bind_device: bool,
    /// For those who see the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub note: Option<Prose>,
}

/// `ok` of `invite.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteCreated {
    /// The invite.
    pub invite: InviteInfo,
    /// The secret of its link, `<public url>/r/<slug>#i=<secret>`. It is not kept and never shown again.
    pub secret: InviteSecret,
}

/// Data of `invite.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteList {}

/// `ok` of `invite.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invites {
    /// The newest first; the sender's own unless it may see all.
    pub invites: Vec<InviteInfo>,
}

/// Data of `invite.revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteRevoke {
    /// Which.
    pub invite: InviteId,
    /// Whether who came in by it is removed.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub remove_holders: bool,
}

/// How an invite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// It lets its holder in.
    Active,
    /// It is for later.
    NotYet,
    /// It has expired.
    Expired,
    /// It was used as often as it may.
    UsedUp,
    /// It was taken back.
    Revoked,
}

/// An invite without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteInfo {
    /// Its identifier.
    pub id: InviteId,
    /// As what its holder comes in.
    pub role: Role,
    /// The custom role of its holder.
    pub custom_role: Option<RoleName>,
    /// The name of its holder.
    pub name: Option<DisplayName>,
    /// Whether its holder keeps this name.
    pub name_locked: bool,
    /// How many may use it.
    pub max_uses: Option<u32>,
    /// How many have.
    pub uses: u32,
    /// From when.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Whether its holder need not wait in the lobby.
    pub bypass_lobby: bool,
    /// Whether it holds only for the device that uses it first.
    pub bind_device: bool,
    /// For those who see the list.
    pub note: Option<String>,
    /// How it stands.
    pub state: InviteState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; null for the operator of the server.
    pub created_by: Option<ParticipantId>,
    /// When it let somebody in last.
    pub last_used_at: Option<Timestamp>,
}

/// Data of `room.manage`: the policies of a room without being in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RoomManage {
    /// The room's name in links.
    pub room: Slug,
    /// An invite of a host or a co-host.
    pub credential: Credential,
    /// As in `join`.
    pub device_key: DeviceKey,
}

/// `ok` of `room.manage`. The link then takes `room.update`, `invite.*`, `ban.*` and `leave`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Managed {
    /// The room.
    pub room: Room,
    /// The role of the credential.
    pub role: Role,
    /// What the link may do.
    pub permissions: Vec<Permission>,
}

/// Data of `room.create`, where the server allows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoomCreate {
    /// Its name for people.
    pub title: Title,
    /// Its password; with one the lobby begins off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub password: Option<SecretText>,
}

/// `ok` of `room.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomCreated {
    /// The room's name in links.
    pub slug: Slug,
    /// The secret of the host link, shown this once.
    pub secret: InviteSecret,
}
