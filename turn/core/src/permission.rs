//! Permissions of an allocation (RFC 8656, section 9): one per address of a peer, whatever its port.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::table::Table;

/// Fixed by RFC 8656, section 9.
pub(crate) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
struct Permission {
    ip: IpAddr,
    expires: Instant,
}

/// The peers that may reach an allocation, and that it may reach.
#[derive(Debug)]
pub(crate) struct Permissions {
    table: Table<Permission>,
}

impl Permissions {
    pub(crate) const fn new() -> Self {
        Permissions {
            table: Table::new(),
        }
    }

    /// Installs or refreshes the permission of `ip` for 300 s; `None` when `max` are there.
    pub(crate) fn grant(&mut self, now: Instant, ip: IpAddr, max: u8) -> Option<u8> {
        let expires = now + PERMISSION_LIFETIME;
        if let Some(index) = self.index_of(ip) {
            self.table.get_mut(index)?.expires = expires;
            return Some(index);
        }
        self.table.insert(Permission { ip, expires }, max)
    }

    /// Returns whether all of `ips`, each there once, can be granted, so that a request is granted whole or not at all.
    pub(crate) fn has_room_for(&self, ips: &[IpAddr], max: u8) -> bool {
        let fresh = ips.iter().filter(|ip| self.index_of(**ip).is_none());
        self.table.len() + fresh.count() <= usize::from(max)
    }

    /// Returns the address of a permission that lives at `now`.
    pub(crate) fn live(&self, now: Instant, index: u8) -> Option<IpAddr> {
        self.table
            .get(index)
            .filter(|permission| now < permission.expires)
            .map(|permission| permission.ip)
    }

    /// Returns the place of the permission for `ip`, if it lives at `now`.
    pub(crate) fn find(&self, now: Instant, ip: IpAddr) -> Option<u8> {
        self.index_of(ip)
            .filter(|index| self.live(now, *index).is_some())
    }

    /// Forgets what has expired, but what `in_use` needs for its address.
    pub(crate) fn purge(&mut self, now: Instant, in_use: impl Fn(u8) -> bool) {
        let mut expired = [0u8; 256];
        let mut count = 0;
        for (index, permission) in self.table.iter() {
            if permission.expires <= now && !in_use(index) {
                expired[count] = index;
                count += 1;
            }
        }
        for index in &expired[..count] {
            self.table.remove(*index);
        }
    }

    /// Returns the address at `index`, expired or not.
    pub(crate) fn ip(&self, index: u8) -> Option<IpAddr> {
        self.table.get(index).map(|permission| permission.ip)
    }

    /// Forgets the permissions of one family: its relayed address is gone.
    pub(crate) fn forget_family(&mut self, is_v4: bool) {
        for index in 0..=u8::MAX {
            if self.ip(index).is_some_and(|ip| ip.is_ipv4() == is_v4) {
                self.table.remove(index);
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// Returns the place of the permission for `ip`, expired or not.
    pub(crate) fn index_of(&self, ip: IpAddr) -> Option<u8> {
        let (index, _) = self.table.find(|permission| permission.ip == ip)?;
        Some(index)
    }
}
