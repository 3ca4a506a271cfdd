//! Who waits before a room.
//!
//! Whatever happens in the room reaches it only as a call: a waiter hears of its
//! own knock and of what the hosts say to the lobby, and of nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::{KnockId, ParticipantId};
use conclave_signalling_wire::limits::{
    LOBBY_ENTRIES, LOBBY_FLOOD_EVERY, LOBBY_FLOOD_PER_MINUTE, LOBBY_GONE_AFTER,
    LOBBY_MESSAGES_BURST, LOBBY_MESSAGES_PER_S, LOBBY_PLACES, LOBBY_PLACES_INVITED,
    LOBBY_PLACES_PER_PREFIX, LOBBY_PLACES_PER_SOURCE,
};
use conclave_signalling_wire::lobby::{
    LobbyEntry, LobbyStatus, LobbyUpdate, Waiting, WaitingState,
};
use conclave_signalling_wire::objects::Identity;
use conclave_signalling_wire::request::DuplicateChoice;
use conclave_signalling_wire::text::DisplayName;
use conclave_signalling_wire::time::Timestamp;

use crate::digest::{DeviceHash, NetworkTag};
use crate::origin::Prefix;
use crate::output::LinkId;
use crate::rate::{PerMinute, Rate};
use crate::room::Claim;

/// Knocks of which is remembered who handled them.
const HANDLED: usize = 200;

/// What somebody who waits has shown at the door.
#[derive(Clone)]
pub(crate) struct Visitor {
    /// The key that it will have; `None` until the shell draws one, after it was
    /// in the room under another.
    pub(crate) member: Option<MemberKey>,
    pub(crate) prefix: Prefix,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) name: DisplayName,
    pub(crate) device: DeviceHash,
    pub(crate) claim: Claim,
    /// Whether knowing the password is not enough at present.
    pub(crate) distrusted: bool,
    /// From where exactly, for the allow-list of the room; `None` if that was
    /// asked already. Never kept.
    pub(crate) address: Option<IpAddr>,
    /// The hash of the text that it agreed to.
    pub(crate) consent: Option<String>,
    /// What it chose where it was in the room already.
    pub(crate) choice: Option<DuplicateChoice>,
    /// The host of its page: see [`crate::relay::Relay`].
    pub(crate) relay_host: Arc<str>,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor")
            .field("member", &self.member)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// What those who admit see of it beyond its name.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    pub(crate) identity: Identity,
    pub(crate) invite_note: Option<String>,
    pub(crate) previous_kick: bool,
    pub(crate) network_banned: bool,
}

/// Whether somebody who waits can be told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here(LinkId),
    Away,
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) visitor: Visitor,
    pub(crate) marks: Marks,
    pub(crate) state: WaitingState,
    since: Timestamp,
    /// The first `lobby_rev` at which it was listed as it is; `None` while others
    /// before it fill the list.
    listed: Option<u32>,
    note: Option<String>,
    presence: Presence,
    /// When its place is given up unless something is heard.
    gone_at: Instant,
    messages: Rate,
}

impl Knock {
    /// Returns the link over which it can be told something.
    pub(crate) fn link(&self) -> Option<LinkId> {
        match self.presence {
            Presence::Here(link) => Some(link),
            Presence::Away => None,
        }
    }

    /// Records that something was heard of it. Returns whether it may say so much.
    pub(crate) fn heard(&mut self, now: Instant) -> bool {
        self.gone_at = now + LOBBY_GONE_AFTER;
        self.messages.take(now).is_ok()
    }

    pub(crate) fn has_note(&self) -> bool {
        self.note.is_some()
    }

    pub(crate) fn gone_at(&self) -> Instant {
        self.gone_at
    }
}

/// What became of a knock that waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// It was admitted or denied; `None` by the room itself.
    Handled(Option<ParticipantId>),
    /// It went away, or never was.
    Gone,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lobby {
    rev: u32,
    knocks: BTreeMap<KnockId, Knock>,
    handled: VecDeque<(KnockId, Option<ParticipantId>)>,
    recent: PerMinute,
    /// When those who admit were told last, and of which `lobby_rev`.
    told: Option<(Instant, u32)>,
    /// Until when knocks come so fast that updates are held back.
    flood_until: Option<Instant>,
}

impl Lobby {
    pub(crate) fn new() -> Self {
        Lobby {
            rev: 0,
            knocks: BTreeMap::new(),
            handled: VecDeque::new(),
            recent: PerMinute::new(LOBBY_FLOOD_PER_MINUTE),
            told: None,
            flood_until: None,
        }
    }

    /// Returns whether there is a place for somebody. The last ones are kept for
    /// those with an invite of their own.
    ///
    /// # Errors
    /// `full`, or `rate_limited` where one network or one neighbourhood has too many places.
    pub(crate) fn has_place(&self, visitor: &Visitor, identity: Identity) -> Result<(), ErrorCode> {
        let kept = match identity {
            Identity::Guest => LOBBY_PLACES_INVITED,
            _ => 0,
        };
        if self.knocks.len() + kept >= LOBBY_PLACES {
            return Err(ErrorCode::Full);
        }
        let (networks, prefix) = (&visitor.networks, visitor.prefix);
        let known = self.knocks.values();
        let near = known.filter(|knock| knock.visitor.prefix == prefix);
        if near.count() >= LOBBY_PLACES_PER_PREFIX {
            return Err(ErrorCode::RateLimited);
        }
        let neighbours = self.knocks.values().filter(|knock| {
            knock
                .visitor
                .networks
                .iter()
                .any(|tag| networks.contains(tag))
        });
        if neighbours.count() >= LOBBY_PLACES_PER_SOURCE {
            return Err(ErrorCode::RateLimited);
        }
        Ok(())
    }

    /// Gives somebody a place. `link` is `None` for who is away.
    pub(crate) fn add(&mut self, now: Instant, knock: KnockId, link: Option<LinkId>, place: Place) {
        self.rev += 1;
        self.count_knock(now);
        let knocked = Knock {
            visitor: place.visitor,
            marks: place.marks,
            state: place.state,
            since: place.since,
            listed: None,
            note: None,
            presence: link.map_or(Presence::Away, Presence::Here),
            gone_at: now + LOBBY_GONE_AFTER,
            messages: Rate::new(LOBBY_MESSAGES_PER_S, LOBBY_MESSAGES_BURST),
        };
        self.knocks.insert(knock, knocked);
        self.note_listed();
    }

    /// Writes down from which number on each is on the list.
    fn note_listed(&mut self) {
        for (place, knock) in self.knocks.values_mut().enumerate() {
            knock.listed = match place < LOBBY_ENTRIES {
                true => knock.listed.or(Some(self.rev)),
                false => None,
            };
        }
    }

    fn count_knock(&mut self, now: Instant) {
        if self.recent.take(now).is_err() {
            self.flood_until = Some(now + LOBBY_FLOOD_EVERY);
        }
    }

    /// Gives somebody its place back as what it shows this time. Returns the
    /// link that it had until then. Whoever admits everybody up to an earlier
    /// `lobby_rev` does not admit it under another name or credential.
    pub(crate) fn take_again(
        &mut self,
        now: Instant,
        knock: KnockId,
        link: LinkId,
        visitor: Visitor,
        marks: Marks,
    ) -> Option<LinkId> {
        let known = self.knocks.get_mut(&knock)?;
        let is_same = known.visitor.name == visitor.name && known.visitor.claim == visitor.claim;
        if !is_same {
            self.rev += 1;
            known.listed = None;
        }
        known.visitor = visitor;
        known.marks = marks;
        known.gone_at = now + LOBBY_GONE_AFTER;
        let before = std::mem::replace(&mut known.presence, Presence::Here(link));
        if !is_same {
            self.note_listed();
            self.count_knock(now);
        }
        match before {
            Presence::Here(old) => Some(old),
            Presence::Away => None,
        }
    }

    /// Finds the place of a device.
    pub(crate) fn of_device(&self, device: &DeviceHash) -> Option<KnockId> {
        let mut known = self.knocks.iter();
        known
            .find(|(_, knock)| knock.visitor.device == *device)
            .map(|(id, _)| *id)
    }

    pub(crate) fn get(&self, knock: KnockId) -> Option<&Knock> {
        self.knocks.get(&knock)
    }

    pub(crate) fn get_mut(&mut self, knock: KnockId) -> Option<&mut Knock> {
        self.knocks.get_mut(&knock)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.knocks.is_empty()
    }

    /// Walks through those who wait, the longest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (KnockId, &Knock)> {
        self.knocks.iter().map(|(id, knock)| (*id, knock))
    }

    /// Names everybody who is on the list since a `lobby_rev` or an earlier one.
    pub(crate) fn listed_up_to(&self, rev: u32) -> Vec<KnockId> {
        let known = self.knocks.iter();
        let listed = known.filter(|(_, knock)| knock.listed.is_some_and(|listed| listed <= rev));
        listed.map(|(id, _)| *id).collect()
    }

    /// Records that the link of somebody who waits broke.
    pub(crate) fn link_lost(&mut self, knock: KnockId) {
        if let Some(knock) = self.knocks.get_mut(&knock) {
            knock.presence = Presence::Away;
        }
    }

    /// Takes somebody out who was admitted or denied by `by`.
    pub(crate) fn handle(&mut self, knock: KnockId, by: Option<ParticipantId>) -> Option<Knock> {
        let known = self.take_out(knock)?;
        if self.handled.len() >= HANDLED {
            self.handled.pop_front();
        }
        self.handled.push_back((knock, by));
        Some(known)
    }

    /// Takes somebody out who goes by itself.
    pub(crate) fn take_out(&mut self, knock: KnockId) -> Option<Knock> {
        let known = self.knocks.remove(&knock)?;
        self.rev += 1;
        self.note_listed();
        Some(known)
    }

    /// Returns what became of a knock.
    pub(crate) fn past(&self, knock: KnockId) -> Past {
        let mut handled = self.handled.iter();
        handled
            .find(|(id, _)| *id == knock)
            .map_or(Past::Gone, |(_, by)| Past::Handled(*by))
    }

    /// Names those of whom nothing was heard for too long.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<KnockId> {
        let overdue = self.knocks.iter().filter(|(_, knock)| knock.gone_at <= now);
        overdue.map(|(id, _)| *id).collect()
    }

    /// Says something to one who waits.
    pub(crate) fn set_note(&mut self, knock: KnockId, note: Option<String>) -> bool {
        let Some(known) = self.knocks.get_mut(&knock) else {
            return false;
        };
        if known.note != note {
            known.note = note;
            self.rev += 1;
        }
        true
    }

    /// Changes what somebody waits for. Returns whether it did.
    pub(crate) fn set_state(&mut self, knock: KnockId, state: WaitingState) -> bool {
        let Some(known) = self.knocks.get_mut(&knock) else {
            return false;
        };
        let changed = known.state != state;
        if changed {
            known.state = state;
            self.rev += 1;
        }
        changed
    }

    /// Forgets everybody who waits.
    pub(crate) fn clear(&mut self) {
        if !self.knocks.is_empty() {
            self.knocks.clear();
            self.rev += 1;
        }
    }

    /// Returns the rev of the newest list.
    pub(crate) fn rev(&self) -> u32 {
        self.rev
    }

    /// Returns when those who admit are to be told of a change, if there is one.
    pub(crate) fn update_due(&self, now: Instant) -> Option<Instant> {
        let (last, rev) = self.told.unwrap_or((now, 0));
        if rev == self.rev {
            return None;
        }
        match self.flood_until {
            Some(until) if self.told.is_some() && now < until => Some(last + LOBBY_FLOOD_EVERY),
            _ => Some(now),
        }
    }

    /// Records that those who admit were told of the newest list.
    pub(crate) fn told(&mut self, now: Instant) {
        self.told = Some((now, self.rev));
    }

    /// Writes the list for those who may admit.
    pub(crate) fn list(&self, now: Instant) -> LobbyUpdate {
        let entries: Vec<LobbyEntry> = self
            .knocks
            .iter()
            .take(LOBBY_ENTRIES)
            .map(|(id, knock)| entry(*id, knock))
            .collect();
        let more = self.knocks.len().saturating_sub(entries.len());
        LobbyUpdate {
            lobby_rev: self.rev,
            entries,
            more: u32::try_from(more).unwrap_or(u32::MAX),
            flood: self.flood_until.is_some_and(|until| now < until),
        }
    }

    /// Writes how one who waits stands.
    pub(crate) fn status(&self, knock: KnockId, message: Option<&str>) -> Option<LobbyStatus> {
        let known = self.knocks.get(&knock)?;
        let waiting = Waiting {
            knock,
            message: message.map(str::to_owned),
            note: known.note.clone(),
            since: known.since,
        };
        Some(match known.state {
            WaitingState::Waiting => LobbyStatus::Waiting(waiting),
            WaitingState::WaitingForHost => LobbyStatus::WaitingForHost(waiting),
        })
    }
}

/// What somebody brings to its place.
pub(crate) struct Place {
    pub(crate) visitor: Visitor,
    pub(crate) marks: Marks,
    pub(crate) state: WaitingState,
    pub(crate) since: Timestamp,
}

fn entry(id: KnockId, knock: &Knock) -> LobbyEntry {
    LobbyEntry {
        knock: id,
        name: knock.visitor.name.clone(),
        identity: knock.marks.identity,
        since: knock.since,
        state: knock.state,
        invite_note: knock.marks.invite_note.clone(),
        previous_kick: knock.marks.previous_kick,
        network_banned: knock.marks.network_banned,
        note: knock.note.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::epoch;
    use std::time::Duration;

    fn knock_id(number: u64) -> KnockId {
        KnockId::new(number, [0; 10])
    }

    fn place(device: u64, network: u8) -> Place {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&device.to_be_bytes());
        Place {
            visitor: Visitor {
                member: Some(MemberKey(device)),
                prefix: Prefix::V4([192, 0, 2]),
                networks: vec![NetworkTag {
                    key: 1,
                    tag: [network; 16],
                }],
                name: DisplayName::new("Bob").unwrap(),
                device: DeviceHash(hash),
                claim: Claim::Open,
                distrusted: false,
                address: None,
                consent: None,
                choice: None,
                relay_host: Arc::from(""),
            },
            marks: Marks {
                identity: Identity::Guest,
                invite_note: None,
                previous_kick: false,
                network_banned: false,
            },
            state: WaitingState::Waiting,
            since: Timestamp::from_unix_ms(device),
        }
    }

    fn knock(lobby: &mut Lobby, now: Instant, number: u64) -> KnockId {
        let id = knock_id(number);
        lobby.add(now, id, Some(LinkId(number)), place(number, number as u8));
        id
    }

    #[test]
    fn one_network_does_not_fill_it() {
        let (now, mut lobby) = (epoch(), Lobby::new());
        for number in 0..LOBBY_PLACES_PER_SOURCE as u64 {
            let place = place(number, 1);
            assert_eq!(lobby.has_place(&place.visitor, Identity::Guest), Ok(()));
            lobby.add(now, knock_id(number), None, place);
        }
        let from = |network| place(0, network).visitor;
        let has_place =
            |lobby: &Lobby, network, identity| lobby.has_place(&from(network), identity);
        let (guest, invited) = (Identity::Guest, Identity::Invited);
        assert_eq!(has_place(&lobby, 1, guest), Err(ErrorCode::RateLimited));
        assert_eq!(has_place(&lobby, 2, guest), Ok(()));
        let fill = |lobby: &mut Lobby, from: u64, to: usize| {
            for number in from..to as u64 {
                let mut place = place(number, 2);
                place.visitor.prefix = Prefix::V4([198, 51, number as u8]);
                lobby.add(now, knock_id(number), None, place);
            }
        };
        let neighbours = LOBBY_PLACES_PER_PREFIX as u64;
        for number in LOBBY_PLACES_PER_SOURCE as u64..neighbours {
            lobby.add(now, knock_id(number), None, place(number, 2));
        }
        // Not even over a network of its own.
        assert_eq!(has_place(&lobby, 3, guest), Err(ErrorCode::RateLimited));
        let elsewhere = |lobby: &Lobby, identity| {
            let mut visitor = from(3);
            visitor.prefix = Prefix::V4([203, 0, 113]);
            lobby.has_place(&visitor, identity)
        };
        assert_eq!(elsewhere(&lobby, guest), Ok(()));
        fill(&mut lobby, neighbours, LOBBY_PLACES - LOBBY_PLACES_INVITED);
        assert_eq!(elsewhere(&lobby, guest), Err(ErrorCode::Full));
        assert_eq!(elsewhere(&lobby, invited), Ok(()));
        let invited_from = (LOBBY_PLACES - LOBBY_PLACES_INVITED) as u64;
        fill(&mut lobby, invited_from, LOBBY_PLACES);
        assert_eq!(elsewhere(&lobby, invited), Err(ErrorCode::Full));
        let list = lobby.list(now);
        assert_eq!((list.entries.len(), list.more), (50, 150));
    }

    #[test]
    fn who_came_after_the_list_was_seen_is_not_on_it() {
        let (now, mut lobby) = (epoch(), Lobby::new());
        let (ada, bob) = (knock(&mut lobby, now, 1), knock(&mut lobby, now, 2));
        let seen = lobby.rev();
        let carl = knock(&mut lobby, now, 3);
        assert_eq!(lobby.listed_up_to(seen), [ada, bob]);
        // Bob comes back under another name.
        let mut place = place(2, 2);
        place.visitor.name = DisplayName::new("Eve").unwrap();
        let old = lobby.take_again(now, bob, LinkId(9), place.visitor, place.marks);
        assert_eq!(old, Some(LinkId(2)));
        assert_eq!(lobby.listed_up_to(seen), [ada]);
        assert_eq!(lobby.listed_up_to(lobby.rev()), [ada, bob, carl]);
    }

    #[test]
    fn who_handled_a_knock_is_remembered_for_a_while() {
        let (now, mut lobby) = (epoch(), Lobby::new());
        let host = ParticipantId::new(1, [1; 10]);
        let first = knock(&mut lobby, now, 1);
        assert!(lobby.handle(first, Some(host)).is_some());
        assert!(lobby.handle(first, None).is_none());
        assert_eq!(lobby.past(first), Past::Handled(Some(host)));
        let left = knock(&mut lobby, now, 2);
        lobby.take_out(left);
        assert_eq!(lobby.past(left), Past::Gone);
        for number in 0..HANDLED as u64 {
            let id = knock(&mut lobby, now, 100 + number);
            lobby.handle(id, Some(host));
        }
        assert_eq!(lobby.past(first), Past::Gone);
    }

    #[test]
    fn a_place_is_given_up_after_a_silence() {
        let (now, mut lobby) = (epoch(), Lobby::new());
        let id = knock(&mut lobby, now, 1);
        let later = now + Duration::from_secs(20);
        assert!(lobby.get_mut(id).is_some_and(|knock| knock.heard(later)));
        lobby.link_lost(id);
        assert!(lobby.overdue(now + LOBBY_GONE_AFTER).is_empty());
        assert_eq!(lobby.overdue(later + LOBBY_GONE_AFTER), [id]);
    }

    #[test]
    fn a_flood_is_told_at_intervals() {
        let (now, mut lobby) = (epoch(), Lobby::new());
        for number in 0..10 {
            knock(&mut lobby, now, number);
            assert_eq!(lobby.update_due(now), Some(now));
            lobby.told(now);
        }
        assert_eq!(lobby.update_due(now), None);
        let soon = now + Duration::from_secs(1);
        knock(&mut lobby, soon, 10);
        assert_eq!(lobby.update_due(soon), Some(now + LOBBY_FLOOD_EVERY));
        assert!(lobby.list(soon).flood);
        let calm = soon + LOBBY_FLOOD_EVERY;
        assert_eq!(lobby.update_due(calm), Some(calm));
        assert!(!lobby.list(calm).flood);
    }
}
