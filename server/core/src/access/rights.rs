//! What a key may do, and whether that is more than another may.

use std::collections::BTreeSet;
use std::net::IpAddr;

use conclave_signalling_core::settings::Network;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::time::Timestamp;
use thiserror::Error;

use super::networks::{common, is_within};
use super::record::{KeyRecord, RoomFilter, Scope};

/// Everything that a decision is made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What.
    pub scopes: BTreeSet<Scope>,
    /// Where; `None` for every room.
    pub rooms: Option<RoomFilter>,
    /// From where; `None` for everywhere, an empty list for nowhere.
    pub networks: Option<Vec<Network>>,
    /// Until when; `None` for ever.
    pub expires_at: Option<Timestamp>,
    /// Whether they were taken back.
    pub is_revoked: bool,
}

/// Why something is not done, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Denied {
    /// The key was ended: 401.
    #[error("the key was revoked")]
    Revoked,
    /// The key's time is over: 401.
    #[error("the key has expired")]
    Expired,
    /// It is not for use from there: 403.
    #[error("the key may not be used from this network")]
    Network,
    /// It may not do this anywhere: 403, naming the scope.
    #[error("the key lacks the scope {}", .0.name())]
    Scope(Scope),
    /// It knows of no such room: 404.
    #[error("there is no such room")]
    Room,
}

/// In what rights go beyond those of who gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Beyond {
    /// They have a scope more.
    #[error("the scope {} is not held by who gives it", .0.name())]
    Scope(Scope),
    /// They are for more rooms.
    #[error("the rooms go beyond those of who gives them")]
    Rooms,
    /// They may be used from more places.
    #[error("the networks go beyond those of who gives them")]
    Networks,
    /// They last longer.
    #[error("the end is after that of who gives it")]
    Expiry,
}

impl Beyond {
    /// Returns the member of a key that goes too far.
    pub const fn member(self) -> &'static str {
        match self {
            Beyond::Scope(_) => "scopes",
            Beyond::Rooms => "rooms",
            Beyond::Networks => "networks",
            Beyond::Expiry => "expires_at",
        }
    }
}

impl RoomFilter {
    /// Returns whether a room with these tags is one of them.
    pub fn holds<T: AsRef<str>>(&self, room: RoomId, tags: &[T]) -> bool {
        self.rooms.contains(&room) || tags.iter().any(|tag| self.tags.contains(tag.as_ref()))
    }

    /// Returns whether every room of this one is in `outer`, whatever tags
    /// rooms have or will have. That a room has a tag at the moment does not
    /// put it there: it would stay when the tag goes.
    pub fn is_within(&self, outer: &RoomFilter) -> bool {
        self.rooms.is_subset(&outer.rooms) && self.tags.is_subset(&outer.tags)
    }
}

impl Rights {
    /// Returns those of who has the server's files.
    pub fn of_operator() -> Self {
        Rights {
            scopes: Scope::ALL.iter().copied().collect(),
            rooms: None,
            networks: None,
            expires_at: None,
            is_revoked: false,
        }
    }

    /// Returns none.
    pub fn none() -> Self {
        Rights {
            scopes: BTreeSet::new(),
            rooms: Some(RoomFilter::default()),
            networks: Some(Vec::new()),
            expires_at: None,
            is_revoked: true,
        }
    }

    /// Returns what a record says, whoever made it.
    pub fn written(key: &KeyRecord) -> Self {
        Rights {
            scopes: key.scopes.clone(),
            rooms: key.rooms.clone(),
            networks: (!key.networks.is_empty()).then(|| key.networks.clone()),
            expires_at: key.expires_at,
            is_revoked: key.revoked_at.is_some(),
        }
    }

    /// Decides on everything at once: whether the key holds at `now`, may be
    /// used from `address` (`None`: from this machine by its files), has the
    /// scope, and reaches the room with its tags if one is asked about.
    ///
    /// # Errors
    /// The first reason against it, in the order of [`Denied`].
    pub fn decide<T: AsRef<str>>(
        &self,
        scope: Scope,
        room: Option<(RoomId, &[T])>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Denied> {
        self.holds(address, now)?;
        self.allows(scope)?;
        match room {
            Some((room, tags)) if !self.reaches(room, tags) => Err(Denied::Room),
            _ => Ok(()),
        }
    }

    /// Decides whether anything at all may be done with the key.
    ///
    /// # Errors
    /// [`Denied::Revoked`], [`Denied::Expired`] or [`Denied::Network`].
    pub fn holds(&self, address: Option<IpAddr>, now: Timestamp) -> Result<(), Denied> {
        self.lives(now)?;
        let is_there = |address: IpAddr| match &self.networks {
            None => true,
            Some(networks) => networks.iter().any(|network| network.contains(address)),
        };
        match address {
            Some(address) if !is_there(address) => Err(Denied::Network),
            _ => Ok(()),
        }
    }

    /// Decides whether the key has not ended.
    ///
    /// # Errors
    /// [`Denied::Revoked`] or [`Denied::Expired`].
    pub fn lives(&self, now: Timestamp) -> Result<(), Denied> {
        if self.is_revoked {
            return Err(Denied::Revoked);
        }
        match self.expires_at {
            Some(end) if end <= now => Err(Denied::Expired),
            _ => Ok(()),
        }
    }

    /// Decides whether the key has a scope.
    ///
    /// # Errors
    /// [`Denied::Scope`].
    pub fn allows(&self, scope: Scope) -> Result<(), Denied> {
        if self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(Denied::Scope(scope))
        }
    }

    /// Returns whether a room with these tags is one of those for which the key is.
    pub fn reaches<T: AsRef<str>>(&self, room: RoomId, tags: &[T]) -> bool {
        self.rooms
            .as_ref()
            .is_none_or(|filter| filter.holds(room, tags))
    }

    /// Decides whether `given` is no more than these. Whether either was taken
    /// back is not asked.
    ///
    /// # Errors
    /// In what it goes beyond.
    pub fn cover(&self, given: &Rights) -> Result<(), Beyond> {
        if let Some(scope) = given.scopes.difference(&self.scopes).next() {
            return Err(Beyond::Scope(*scope));
        }
        let rooms = match (&given.rooms, &self.rooms) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(given), Some(own)) => given.is_within(own),
        };
        if !rooms {
            return Err(Beyond::Rooms);
        }
        let networks = match (&given.networks, &self.networks) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(given), Some(own)) => given
                .iter()
                .all(|inner| own.iter().any(|outer| is_within(inner, outer))),
        };
        if !networks {
            return Err(Beyond::Networks);
        }
        match (given.expires_at, self.expires_at) {
            (_, None) => Ok(()),
            (Some(given), Some(own)) if given <= own => Ok(()),
            _ => Err(Beyond::Expiry),
        }
    }

    /// Returns what both allow: what is left of a key when the one that made
    /// it was given less.
    #[must_use]
    pub fn meet(&self, other: &Rights) -> Rights {
        let rooms = match (&self.rooms, &other.rooms) {
            (None, rooms) | (rooms, None) => rooms.clone(),
            (Some(one), Some(other)) => Some(RoomFilter {
                rooms: &one.rooms & &other.rooms,
                tags: &one.tags & &other.tags,
            }),
        };
        let networks = match (&self.networks, &other.networks) {
            (None, networks) | (networks, None) => networks.clone(),
            (Some(one), Some(other)) => Some(common(one, other)),
        };
        let expires_at = match (self.expires_at, other.expires_at) {
            (None, end) | (end, None) => end,
            (Some(one), Some(other)) => Some(one.min(other)),
        };
        Rights {
            scopes: &self.scopes & &other.scopes,
            rooms,
            networks,
            expires_at,
            is_revoked: self.is_revoked || other.is_revoked,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
