//! All keys, and what may be made of them.
//!
//! Commands change nothing: each returns the record as it is to be kept, and
//! [`Keys::put`] takes it once it is. What a key may do is what its record
//! says *and* what the key that made it may do, up to an operator: so one
//! record that is ended or narrowed ends or narrows everything below it, also
//! after a crash.

mod asked;
mod check;
mod lineage;

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::time::Timestamp;
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use super::level::{Level, RoomsOf};
use super::record::{KeyHash, KeyRecord};
use super::rights::{Beyond, Denied, Rights};
use super::text::KeySecret;
use crate::members::BadMember;

use check::check;

pub use asked::{Draft, Patch};
pub use check::{NAME_CHARS_MAX, NETWORKS_MAX, ROOMS_MAX, TAGS_MAX};

/// Keys at once that have not ended: each is in memory, with what it may do.
pub const KEYS_MAX: usize = 1000;
/// Makers above a key: each is asked whenever one of them changes.
pub const DEPTH_MAX: usize = 8;
/// For how long the former secret holds after a rotation, unless said otherwise.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// For how long at most.
pub const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why a command on keys is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// There is none, or none that the asker knows of.
    #[error("there is no such key")]
    Unknown,
    /// It has ended, which is for ever.
    #[error("the key has ended, and stays so")]
    Ended,
    /// Whoever asks has not the right to give or touch so much.
    #[error(transparent)]
    Beyond(Beyond),
    /// It is neither the asker nor made by it: its new secret would be the
    /// asker's to use in another's name, and after its own end.
    #[error("only a key itself and who made it give it a new secret")]
    Foreign,
    /// Whoever asks has ended in the meantime.
    #[error(transparent)]
    Denied(Denied),
    /// A member that cannot be.
    #[error("{0}")]
    Invalid(BadMember),
    /// There are [`KEYS_MAX`] already.
    #[error("there are too many keys; end some")]
    TooMany,
    /// Keys made by keys made by keys: [`DEPTH_MAX`] are enough.
    #[error("the key was made by too long a row of keys to make another")]
    TooDeep,
}

fn invalid(member: &str, text: impl Into<String>) -> KeyError {
    KeyError::Invalid(BadMember::invalid(member, text))
}

/// What a new key is made of besides what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Its identifier.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Active,
    /// Its time, or that of one that made it, is over.
    Expired,
    /// It, or one that made it, was ended.
    Revoked,
}

impl State {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Expired => "expired",
            State::Revoked => "revoked",
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    record: KeyRecord,
    rights: Rights,
}

/// All keys.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    entries: BTreeMap<KeyId, Entry>,
}

impl Keys {
    /// Takes the keys that are kept.
    pub fn new(records: impl IntoIterator<Item = KeyRecord>) -> Self {
        let entry = |record: KeyRecord| {
            let rights = Rights::none();
            (record.id, Entry { record, rights })
        };
        let mut keys = Keys {
            entries: records.into_iter().map(entry).collect(),
        };
        keys.settle();
        keys
    }

    /// Takes a record that is kept as it is.
    pub fn put(&mut self, record: KeyRecord) {
        let rights = Rights::none();
        self.entries.insert(record.id, Entry { record, rights });
        self.settle();
    }

    /// Notes when and from where a key was used last.
    pub fn touch(&mut self, id: KeyId, now: Timestamp, prefix: &str) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.record.last_used_at = Some(now);
            entry.record.last_used_prefix = Some(prefix.to_owned());
        }
    }

    /// Returns the record of a new key.
    ///
    /// # Errors
    /// It would do more than who makes it, or a member cannot be.
    pub fn make(
        &self,
        by: Actor,
        seed: Seed,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<KeyRecord, KeyError> {
        let maker = self.of_actor(by, now)?;
        let is_live = |entry: &&Entry| entry.rights.lives(now).is_ok();
        if self.entries.values().filter(is_live).count() >= KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        if let Actor::Key(id) = by
            && self.makers(id).count() >= DEPTH_MAX
        {
            return Err(KeyError::TooDeep);
        }
        let of_level = draft.level.map_or(&[][..], Level::scopes);
        let rooms = draft.rooms.clone().unwrap_or_else(|| maker.rooms.clone());
        let how = draft.level.map_or(RoomsOf::All, Level::rooms);
        match (how, &rooms, &draft.rooms) {
            (RoomsOf::Named, None, _) => {
                return Err(invalid(
                    "rooms",
                    "a key of this level needs rooms or tags of rooms",
                ));
            }
            (RoomsOf::Said, None, None) => {
                let text = "say rooms or tags of rooms, or null for every room";
                return Err(invalid("rooms", text));
            }
            _ => {}
        }
        let record = KeyRecord {
            id: seed.id,
            name: draft.name.trim().to_owned(),
            hash: seed.hash,
            former: None,
            scopes: of_level
                .iter()
                .copied()
                .chain(draft.scopes.iter().copied())
                .collect(),
            rooms,
            networks: draft
                .networks
                .clone()
                .unwrap_or_else(|| maker.networks.clone().unwrap_or_default()),
            created_by: by,
            created_at: now,
            expires_at: draft.expires_at.unwrap_or(maker.expires_at),
            revoked_at: None,
            last_used_at: None,
            last_used_prefix: None,
            rev: 1,
        };
        check(&record, now)?;
        maker
            .cover(&Rights::written(&record))
            .map_err(KeyError::Beyond)?;
        Ok(record)
    }

    /// Returns the record of a key with other members.
    ///
    /// # Errors
    /// It would do more than who changes it, or did so before, or more than
    /// who made it; or a member cannot be.
    pub fn change(
        &self,
        by: Actor,
        id: KeyId,
        patch: &Patch,
        now: Timestamp,
    ) -> Result<KeyRecord, KeyError> {
        let mut record = self.mine(by, id, now)?.clone();
        if let Some(name) = &patch.name {
            record.name = name.trim().to_owned();
        }
        if let Some(scopes) = &patch.scopes {
            record.scopes.clone_from(scopes);
        }
        if let Some(rooms) = &patch.rooms {
            record.rooms.clone_from(rooms);
        }
        if let Some(networks) = &patch.networks {
            record.networks.clone_from(networks);
        }
        if let Some(end) = patch.expires_at {
            record.expires_at = end;
        }
        check(&record, now)?;
        if patch.is_about_rights() {
            let given = Rights::written(&record);
            self.of_actor(by, now)?
                .cover(&given)
                .map_err(KeyError::Beyond)?;
            self.above(&record)
                .cover(&given)
                .map_err(KeyError::Beyond)?;
        }
        record.rev = record.rev.wrapping_add(1);
        Ok(record)
    }

    /// Returns the record of a key with a new secret. The one that it has holds
    /// for `overlap` longer, and one that was former then no more.
    ///
    /// # Errors
    /// The key does more than who asks, is none that ends with who asks, or the
    /// overlap is beyond [`OVERLAP_MAX`].
    pub fn rotate(
        &self,
        by: Actor,
        id: KeyId,
        hash: KeyHash,
        overlap: Duration,
        now: Timestamp,
    ) -> Result<KeyRecord, KeyError> {
        let mut record = self.mine(by, id, now)?.clone();
        if let Actor::Key(asker) = by
            && !self.makers(id).any(|maker| maker.id == asker)
        {
            return Err(KeyError::Foreign);
        }
        if overlap > OVERLAP_MAX {
            return Err(invalid(
                "overlap_s",
                "must be 0 to 2592000, which are 30 days",
            ));
        }
        let ms = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
        let until = Timestamp::from_unix_ms(now.unix_ms().saturating_add(ms));
        record.former = (ms > 0).then_some((record.hash, until));
        record.hash = hash;
        record.rev = record.rev.wrapping_add(1);
        Ok(record)
    }

    /// Returns the record of a key that has ended.
    ///
    /// # Errors
    /// The key does more than who asks, or it has ended.
    pub fn end(&self, by: Actor, id: KeyId, now: Timestamp) -> Result<KeyRecord, KeyError> {
        let mut record = self.mine(by, id, now)?.clone();
        record.revoked_at = Some(now);
        record.former = None;
        record.rev = record.rev.wrapping_add(1);
        Ok(record)
    }

    /// Returns the record whose secret this is. For an unknown id and for a
    /// wrong secret it takes the same work to say that there is none.
    pub fn proven(&self, id: KeyId, secret: &KeySecret, now: Timestamp) -> Option<&KeyRecord> {
        const NOBODY: KeyHash = KeyHash([0; 32]);
        let hash = secret.hash();
        let record = self.entries.get(&id).map(|entry| &entry.record);
        let (current, former) = match record {
            None => (NOBODY, NOBODY),
            Some(record) => match record.former {
                Some((former, until)) if now < until => (record.hash, former),
                _ => (record.hash, NOBODY),
            },
        };
        let is_it: Choice = hash.ct_eq(&current) | hash.ct_eq(&former);
        record.filter(|_| bool::from(is_it))
    }

    /// Returns what a key may do. None at all, if there is no such key.
    pub fn rights(&self, id: KeyId) -> Option<&Rights> {
        self.entries.get(&id).map(|entry| &entry.rights)
    }

    /// Returns how a key stands.
    pub fn state(&self, id: KeyId, now: Timestamp) -> State {
        match self.entries.get(&id).map(|entry| entry.rights.lives(now)) {
            Some(Ok(())) => State::Active,
            Some(Err(Denied::Expired)) => State::Expired,
            _ => State::Revoked,
        }
    }

    /// Returns a key, if `by` may see it: one with a filter sees itself and
    /// those whose rooms are among its own.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn show(&self, by: Actor, id: KeyId) -> Result<&KeyRecord, KeyError> {
        let entry = self.entries.get(&id).ok_or(KeyError::Unknown)?;
        if self.sees(by, entry) {
            Ok(&entry.record)
        } else {
            Err(KeyError::Unknown)
        }
    }

    /// Walks through the keys that `by` may see, from the oldest on.
    pub fn list(&self, by: Actor) -> impl Iterator<Item = &KeyRecord> {
        let seen = self
            .entries
            .values()
            .filter(move |entry| self.sees(by, entry));
        seen.map(|entry| &entry.record)
    }

    /// Walks through the keys that have ended at `now`.
    pub fn ended(&self, now: Timestamp) -> impl Iterator<Item = KeyId> {
        let ended = self
            .entries
            .iter()
            .filter(move |(_, entry)| entry.rights.lives(now).is_err());
        ended.map(|(id, _)| *id)
    }

    /// Returns when the next key expires of those that live at `now`.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        let live = self
            .entries
            .values()
            .filter(|entry| entry.rights.lives(now).is_ok());
        live.filter_map(|entry| entry.rights.expires_at).min()
    }
}

#[cfg(test)]
mod tests;
