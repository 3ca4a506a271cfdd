//! What callers ask for: a new key, or a change to one.

use std::collections::BTreeSet;

use conclave_signalling_core::settings::Network;
use conclave_signalling_wire::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::access::level::Level;
use crate::access::record::{RoomFilter, Scope};

/// A key that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyDraft")]
pub struct Draft {
    /// What it is for: 1 to 100 characters.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")
    )]
    pub name: String,
    /// A level whose scopes it gets.
    #[serde(default)]
    pub level: Option<Level>,
    /// Scopes, on top of those of the level.
    #[serde(default)]
    pub scopes: BTreeSet<Scope>,
    /// For which rooms; null for every room, absent for those of its maker.
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "Option<RoomFilter>")]
    pub rooms: Option<Option<RoomFilter>>,
    /// From where, such as `192.0.2.0/24`; empty for everywhere, absent for where its maker is for.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>", length(max = 64))]
    pub networks: Option<Vec<Network>>,
    /// Until when; null for ever, absent for as long as its maker.
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "Option<Timestamp>")]
    pub expires_at: Option<Option<Timestamp>>,
}

/// A change to a key; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KeyPatch")]
pub struct Patch {
    /// What it is for: 1 to 100 characters.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")
    )]
    pub name: Option<String>,
    /// All of its scopes.
    pub scopes: Option<BTreeSet<Scope>>,
    /// For which rooms, whole; null for every room.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<RoomFilter>")]
    pub rooms: Option<Option<RoomFilter>>,
    /// From where, all of them; empty for everywhere.
    #[schemars(with = "Option<Vec<String>>", length(max = 64))]
    pub networks: Option<Vec<Network>>,
    /// Until when; null for ever.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<Timestamp>")]
    pub expires_at: Option<Option<Timestamp>>,
}

impl Patch {
    pub(super) fn is_about_rights(&self) -> bool {
        self.scopes.is_some()
            || self.rooms.is_some()
            || self.networks.is_some()
            || self.expires_at.is_some()
    }
}

/// Reads a member that is there, be it null.
fn said<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
