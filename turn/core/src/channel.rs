//! Channels of an allocation (RFC 8656, section 12): a number for a peer, both ways unique.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::permission::Permissions;
use crate::table::Table;

/// Fixed by RFC 8656, section 12.
pub(crate) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// The peer's address is that of its permission, which therefore stays as long as the channel.
#[derive(Clone, Copy, Debug)]
struct Channel {
    expires: Instant,
    number: u16,
    port: u16,
    permission: u8,
}

/// Why a channel was not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindError {
    /// The number belongs to another peer, or the peer to another number.
    Conflict,
    /// All places are taken.
    Full,
}

/// The channels of one allocation. No table by number: a client chooses its numbers, and a table as wide as their
/// range would be larger than all the rest of an allocation.
#[derive(Debug)]
pub(crate) struct Channels {
    table: Table<Channel>,
}

impl Channels {
    pub(crate) const fn new() -> Self {
        Channels {
            table: Table::new(),
        }
    }

    /// Returns whether `number` can be bound to `port` of the peer at `permission` (`None`: an address without
    /// one), or is already. Call [`Channels::purge`] before.
    pub(crate) fn check(
        &self,
        number: u16,
        permission: Option<u8>,
        port: u16,
        max: u8,
    ) -> Result<(), BindError> {
        let is_peer =
            |channel: &Channel| Some(channel.permission) == permission && channel.port == port;
        let mut known = false;
        for (_, channel) in self.table.iter() {
            match (channel.number == number, is_peer(channel)) {
                (true, true) => known = true,
                (false, false) => {}
                _ => return Err(BindError::Conflict),
            }
        }
        if known || self.table.len() < usize::from(max) {
            Ok(())
        } else {
            Err(BindError::Full)
        }
    }

    /// Binds what [`Channels::check`] allowed, for 600 s from `now`.
    pub(crate) fn bind(&mut self, now: Instant, number: u16, permission: u8, port: u16, max: u8) {
        let expires = now + CHANNEL_LIFETIME;
        let known = self
            .table
            .find(|channel| channel.number == number)
            .map(|(index, _)| index);
        match known.and_then(|index| self.table.get_mut(index)) {
            Some(channel) => channel.expires = expires,
            None => {
                let bound = self.table.insert(
                    Channel {
                        expires,
                        number,
                        port,
                        permission,
                    },
                    max,
                );
                debug_assert!(bound.is_some(), "checked before");
            }
        }
    }

    /// Returns the peer of a channel that lives at `now`, if its permission does as well.
    pub(crate) fn peer(
        &self,
        now: Instant,
        number: u16,
        permissions: &Permissions,
    ) -> Result<SocketAddr, NoPeer> {
        let (_, channel) = self
            .table
            .find(|channel| channel.number == number)
            .ok_or(NoPeer::NoChannel)?;
        if channel.expires <= now {
            return Err(NoPeer::NoChannel);
        }
        let ip = permissions
            .live(now, channel.permission)
            .ok_or(NoPeer::NoPermission)?;
        Ok(SocketAddr::new(ip, channel.port))
    }

    /// Returns the number of the channel that `port` of the peer at `permission` has at `now`.
    pub(crate) fn number(&self, now: Instant, permission: u8, port: u16) -> Option<u16> {
        let is_meant = |channel: &Channel| {
            channel.permission == permission && channel.port == port && now < channel.expires
        };
        let (_, channel) = self.table.find(is_meant)?;
        Some(channel.number)
    }

    /// Forgets what has expired.
    pub(crate) fn purge(&mut self, now: Instant) {
        self.forget(|channel| channel.expires <= now);
    }

    /// Forgets the channels whose peers are of one family: its relayed address is gone.
    pub(crate) fn forget_family(&mut self, is_v4: bool, permissions: &Permissions) {
        self.forget(|channel| {
            permissions
                .ip(channel.permission)
                .is_none_or(|ip| ip.is_ipv4() == is_v4)
        });
    }

    /// Returns whether a channel needs the address of the permission at `index`.
    pub(crate) fn uses(&self, index: u8) -> bool {
        self.table
            .iter()
            .any(|(_, channel)| channel.permission == index)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    fn forget(&mut self, which: impl Fn(&Channel) -> bool) {
        for index in 0..=u8::MAX {
            if self.table.get(index).is_some_and(&which) {
                self.table.remove(index);
            }
        }
    }
}

/// Why a channel leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPeer {
    /// It is not bound, or no longer.
    NoChannel,
    /// The permission of its peer has expired.
    NoPermission,
}
