//! Levels: names for sets of scopes that belong together.

use std::collections::BTreeSet;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::record::Scope;

/// A set of scopes with a name (`spec/permissions.md`, section 4). A key may
/// have more scopes than those of its level.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything but what people write to each other.
    #[serde(alias = "instance_admin", alias = "instance-admin")]
    Admin,
    /// Rooms and their sessions, for which rooms has to be said.
    User,
    /// Seeing rooms and sessions and changing nothing.
    #[serde(alias = "read-only")]
    ReadOnly,
    /// The audit log alone.
    Auditor,
}

/// Text that is no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a level: admin, user, read_only or auditor")]
pub struct InvalidLevel;

impl Level {
    /// All of them.
    pub const ALL: [Level; 4] = [Level::Admin, Level::User, Level::ReadOnly, Level::Auditor];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Admin => "admin",
            Level::User => "user",
            Level::ReadOnly => "read_only",
            Level::Auditor => "auditor",
        }
    }

    /// Returns for whom it is.
    pub const fn about(self) -> &'static str {
        match self {
            Level::Admin => "Runs the server: everything but the text of chats.",
            Level::User => "Has rooms: makes, changes and moderates those of its filter.",
            Level::ReadOnly => "Looks: sees rooms and sessions, and changes nothing.",
            Level::Auditor => "Checks: reads and verifies the audit log.",
        }
    }

    /// Returns its scopes.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Level::Admin => &[
                Scope::RoomsRead,
                Scope::RoomsWrite,
                Scope::SessionsRead,
                Scope::SessionsAct,
                Scope::AuditRead,
                Scope::KeysRead,
                Scope::KeysWrite,
                Scope::WebhooksRead,
                Scope::WebhooksWrite,
                Scope::SystemRead,
                Scope::SystemWrite,
            ],
            Level::User => &[
                Scope::RoomsRead,
                Scope::RoomsWrite,
                Scope::SessionsRead,
                Scope::SessionsAct,
            ],
            Level::ReadOnly => &[Scope::RoomsRead, Scope::SessionsRead],
            Level::Auditor => &[Scope::AuditRead],
        }
    }

    /// Returns how it wants to be told for which rooms it is.
    pub const fn rooms(self) -> RoomsOf {
        match self {
            Level::Admin | Level::Auditor => RoomsOf::All,
            Level::User => RoomsOf::Named,
            Level::ReadOnly => RoomsOf::Said,
        }
    }

    /// Returns the level with exactly these scopes.
    pub fn of(scopes: &BTreeSet<Scope>) -> Option<Level> {
        let is_it = |level: &Level| level.scopes().iter().eq(scopes);
        Level::ALL.into_iter().find(is_it)
    }
}

/// For which rooms a key of a level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomsOf {
    /// For all, unless a filter is given.
    All,
    /// It needs a filter.
    Named,
    /// It needs a filter, or the word that it is for all.
    Said,
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        match text {
            "admin" | "instance-admin" | "instance_admin" => Ok(Level::Admin),
            "user" => Ok(Level::User),
            "read_only" | "read-only" => Ok(Level::ReadOnly),
            "auditor" => Ok(Level::Auditor),
            _ => Err(InvalidLevel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_its_scopes_in_the_order_of_the_table() {
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
            assert_eq!(serde_json::json!(level), level.name());
            let scopes: BTreeSet<Scope> = level.scopes().iter().copied().collect();
            assert_eq!(Level::of(&scopes), Some(level), "sorted, each once");
        }
        assert_eq!("instance-admin".parse(), Ok(Level::Admin));
        assert_eq!("owner".parse::<Level>(), Err(InvalidLevel));
    }

    #[test]
    fn who_only_reads_changes_nothing_and_nobody_reads_chats_unasked() {
        for level in Level::ALL {
            assert!(!level.scopes().contains(&Scope::ContentRead));
        }
        for scope in Level::ReadOnly
            .scopes()
            .iter()
            .chain(Level::Auditor.scopes())
        {
            assert!(scope.name().ends_with(":read"), "{scope:?}");
        }
        assert_eq!(Level::Admin.scopes().len(), Scope::ALL.len() - 1);
    }

    #[test]
    fn the_table_in_the_documents_is_this() {
        let mut table = "| scope |".to_owned();
        for level in Level::ALL {
            table.push_str(&format!(" {} |", level.name()));
        }
        table.push_str(" what it allows |\n|---|---|---|---|---|---|\n");
        for scope in Scope::ALL {
            table.push_str(&format!("| `{}` |", scope.name()));
            for level in Level::ALL {
                let has = level.scopes().contains(scope);
                table.push_str(if has { " ● |" } else { " |" });
            }
            table.push_str(&format!(" {} |\n", scope.about()));
        }
        let document = include_str!("../../../../docs/api-keys.md");
        assert!(
            document.contains(&table),
            "docs/api-keys.md should have\n{table}"
        );
    }
}
