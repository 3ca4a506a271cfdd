//! The bans of a room: who may not come in.

use std::collections::BTreeMap;

use conclave_signalling_wire::ids::{BanId, InviteId};
use conclave_signalling_wire::limits::BANS;
use conclave_signalling_wire::moderation::{BanInfo, BanKey};
use conclave_signalling_wire::time::Timestamp;

use crate::digest::{DeviceHash, NetworkTag};
use crate::record::Ban;

/// What the bans say about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Free,
    /// It shares a network with somebody who was banned, as many may: it waits.
    NetworkOnly {
        /// Until when.
        until: Timestamp,
    },
    /// It does not come in.
    Banned {
        /// Until when.
        until: Timestamp,
    },
}

/// By what somebody is recognised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits<'a> {
    pub(crate) invite: Option<InviteId>,
    pub(crate) device: &'a DeviceHash,
    pub(crate) networks: &'a [NetworkTag],
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct BanList {
    bans: BTreeMap<BanId, Ban>,
}

impl BanList {
    pub(crate) fn new(bans: Vec<Ban>) -> Self {
        BanList {
            bans: bans.into_iter().map(|ban| (ban.id, ban)).collect(),
        }
    }

    /// Judges somebody: the ban that says most, among equals the one that ends last.
    pub(crate) fn judge(&self, now: Timestamp, who: Traits<'_>) -> Verdict {
        let live = self.bans.values().filter(|ban| now < ban.expires_at);
        let (mut banned, mut shared) = (None, None);
        for ban in live {
            let is_same =
                ban.device == Some(*who.device) || ban.invite.is_some() && ban.invite == who.invite;
            let is_near = now < ban.network_until
                && ban.network.is_some_and(|tag| who.networks.contains(&tag));
            if is_same {
                banned = banned.max(Some(ban.expires_at));
            } else if is_near && ban.strict {
                banned = banned.max(Some(ban.network_until));
            } else if is_near {
                shared = shared.max(Some(ban.network_until));
            }
        }
        match (banned, shared) {
            (Some(until), _) => Verdict::Banned { until },
            (None, Some(until)) => Verdict::NetworkOnly { until },
            (None, None) => Verdict::Free,
        }
    }

    /// Adds one. Where the room has as many as it may, the one that ends soonest
    /// gives way and is returned: whoever is removed is kept out whatever was before.
    pub(crate) fn add(&mut self, ban: Ban) -> Option<BanId> {
        let is_full = self.bans.len() >= BANS;
        let soonest = self.bans.values().min_by_key(|known| known.expires_at);
        let gone = soonest.filter(|_| is_full).map(|known| known.id);
        if let Some(gone) = gone {
            self.bans.remove(&gone);
        }
        self.bans.insert(ban.id, ban);
        gone
    }

    /// Ends one. Returns it, if there was one.
    pub(crate) fn lift(&mut self, id: BanId) -> Option<Ban> {
        self.bans.remove(&id)
    }

    /// Forgets those that have ended, and returns them.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<BanId> {
        let ended = self.bans.extract_if(.., |_, ban| ban.expires_at <= now);
        ended.map(|(id, _)| id).collect()
    }

    /// Describes those that hold, the newest first.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<BanInfo> {
        let live = self.bans.values().rev().filter(|ban| now < ban.expires_at);
        live.map(|ban| ban.describe(now)).collect()
    }
}

impl Ban {
    /// Describes it at `now` for those who see the list: by what it knows somebody by kind only.
    pub fn describe(&self, now: Timestamp) -> BanInfo {
        let keys = [
            self.invite.map(|_| BanKey::Invite),
            self.device.map(|_| BanKey::Device),
            self.network
                .filter(|_| now < self.network_until)
                .map(|_| BanKey::Network),
        ];
        BanInfo {
            id: self.id,
            keys: keys.into_iter().flatten().collect(),
            name: self.name.clone(),
            reason: self.reason.clone(),
            strict: self.strict,
            created_at: self.created_at,
            expires_at: self.expires_at,
            by: self.by.participant(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Actor;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000);
    const HERE: NetworkTag = NetworkTag {
        key: 1,
        tag: [7; 16],
    };
    const THERE: NetworkTag = NetworkTag {
        key: 1,
        tag: [8; 16],
    };

    fn ban(number: u64, strict: bool) -> Ban {
        Ban {
            id: BanId::new(number, [0; 10]),
            invite: Some(InviteId::new(1, [0; 10])),
            device: Some(DeviceHash([1; 32])),
            network: Some(HERE),
            network_until: Timestamp::from_unix_ms(2_000_000),
            strict,
            name: None,
            reason: None,
            by: Actor::Operator,
            created_at: NOW,
            expires_at: Timestamp::from_unix_ms(3_000_000),
        }
    }

    fn judge(
        bans: &BanList,
        now: u64,
        invite: Option<u64>,
        device: u8,
        network: NetworkTag,
    ) -> Verdict {
        let who = Traits {
            invite: invite.map(|number| InviteId::new(number, [0; 10])),
            device: &DeviceHash([device; 32]),
            networks: &[THERE, network],
        };
        bans.judge(Timestamp::from_unix_ms(now), who)
    }

    #[test]
    fn the_device_and_the_invite_are_refused_and_the_network_waits() {
        let bans = BanList::new(vec![ban(1, false)]);
        let banned = Verdict::Banned {
            until: Timestamp::from_unix_ms(3_000_000),
        };
        assert_eq!(judge(&bans, 1_000_000, None, 1, THERE), banned);
        assert_eq!(judge(&bans, 1_000_000, Some(1), 2, THERE), banned);
        assert_eq!(judge(&bans, 1_000_000, Some(2), 2, THERE), Verdict::Free);
        let until = Timestamp::from_unix_ms(2_000_000);
        assert_eq!(
            judge(&bans, 1_999_999, None, 2, HERE),
            Verdict::NetworkOnly { until }
        );
        assert_eq!(judge(&bans, 2_000_000, None, 2, HERE), Verdict::Free);
        assert_eq!(judge(&bans, 2_999_999, None, 1, HERE), banned);
        assert_eq!(judge(&bans, 3_000_000, None, 1, HERE), Verdict::Free);
    }

    #[test]
    fn a_strict_one_refuses_the_network_too() {
        let bans = BanList::new(vec![ban(1, true)]);
        let until = Timestamp::from_unix_ms(2_000_000);
        assert_eq!(
            judge(&bans, 1_000_000, None, 2, HERE),
            Verdict::Banned { until }
        );
    }

    #[test]
    fn a_room_has_a_bound_on_them_and_the_one_that_ends_first_gives_way() {
        let mut bans = BanList::new((0..BANS as u64).map(|number| ban(number, false)).collect());
        let short = Ban {
            expires_at: Timestamp::from_unix_ms(2_999_999),
            ..ban(5000, false)
        };
        let first = BanId::new(0, [0; 10]);
        assert_eq!(bans.add(short.clone()), Some(first));
        assert_eq!(bans.add(ban(5001, false)), Some(short.id));
        let end = Timestamp::from_unix_ms(3_000_000);
        assert_eq!(bans.list(NOW).len(), BANS);
        assert!(bans.list(end).is_empty());
        assert_eq!(bans.expire(end).len(), BANS);
        assert_eq!(bans.add(ban(5000, false)), None);
        assert!(bans.lift(BanId::new(5000, [0; 10])).is_some());
        assert!(bans.lift(BanId::new(5000, [0; 10])).is_none());
    }

    #[test]
    fn the_list_names_by_what_it_knows_somebody_and_not_the_value() {
        let bans = BanList::new(vec![ban(1, false), ban(2, false)]);
        let list = bans.list(NOW);
        assert_eq!(list[0].id, BanId::new(2, [0; 10]));
        assert_eq!(
            list[0].keys,
            [BanKey::Invite, BanKey::Device, BanKey::Network]
        );
        let later = bans.list(Timestamp::from_unix_ms(2_000_000));
        assert_eq!(later[0].keys, [BanKey::Invite, BanKey::Device]);
    }
}
