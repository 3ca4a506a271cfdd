//! An API key as it is kept.

use std::collections::BTreeSet;

use conclave_signalling_core::record::Actor;
use conclave_signalling_core::settings::Network;
use conclave_signalling_wire::ids::{KeyId, RoomId};
use conclave_signalling_wire::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! scopes {
    ($($(#[doc = $doc:literal])* $scope:ident = $name:literal;)*) => {
        /// One thing that a key may do (`spec/permissions.md`, section 4).
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Scope {$(
            $(#[doc = $doc])*
            #[serde(rename = $name)]
            $scope,
        )*}

        impl Scope {
            /// All of them.
            pub const ALL: &[Scope] = &[$(Scope::$scope,)*];

            /// Returns its name.
            pub const fn name(self) -> &'static str {
                match self {$(Scope::$scope => $name,)*}
            }

            /// Returns what it allows.
            pub const fn about(self) -> &'static str {
                match self {$(Scope::$scope => concat!($($doc,)*).trim_ascii(),)*}
            }
        }
    };
}

scopes! {
    /// See rooms, their invites and their bans.
    RoomsRead = "rooms:read";
    /// Make, change and delete rooms, invites, personal links and bans.
    RoomsWrite = "rooms:write";
    /// See sessions, who is in them or waits, and attendance.
    SessionsRead = "sessions:read";
    /// Act in live sessions: end, lock, announce, mute, remove, admit.
    SessionsAct = "sessions:act";
    /// Read the text of chats.
    ContentRead = "content:read";
    /// Read and verify the audit log.
    AuditRead = "audit:read";
    /// See API keys.
    KeysRead = "keys:read";
    /// Make, change and end API keys, none of which may do more than its maker.
    KeysWrite = "keys:write";
    /// See webhooks and their deliveries.
    WebhooksRead = "webhooks:read";
    /// Make, change and delete webhooks.
    WebhooksWrite = "webhooks:write";
    /// See settings, limits, embedding sites and statistics of the server.
    SystemRead = "system:read";
    /// Change settings and embedding sites of the server.
    SystemWrite = "system:write";
}

impl Scope {
    /// Returns whether it is about the whole server, so that a key that is for
    /// some rooms cannot have it.
    pub const fn is_of_server(self) -> bool {
        matches!(
            self,
            Scope::AuditRead | Scope::SystemRead | Scope::SystemWrite
        )
    }
}

/// The rooms for which a key or a webhook holds: those named, and those with one of the tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoomFilter {
    /// These rooms.
    pub rooms: BTreeSet<RoomId>,
    /// Rooms with one of these tags.
    pub tags: BTreeSet<String>,
}

/// SHA-256 of the secret part of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(redacted)")
    }
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its identifier, which is part of its text.
    pub id: KeyId,
    /// What it is for, in the words of who made it. Sealed at rest.
    pub name: String,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The former secret, and until when it holds as well.
    pub former: Option<(KeyHash, Timestamp)>,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Where; `None` for every room.
    pub rooms: Option<RoomFilter>,
    /// From where it may be used; empty for everywhere.
    pub networks: Vec<Network>,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Option<Timestamp>,
    /// When it was ended. Kept, so that the audit log can name it.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From where it was used last, as a /24 or a /48.
    pub last_used_prefix: Option<String>,
    /// Rises by one with each change.
    pub rev: u32,
}
