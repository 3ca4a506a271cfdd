//! What holds after every step.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::TokenHash;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_wire::objects::{Permission, Role, Room};

use crate::client::{Client, Seat};
use crate::compare::same;
use crate::model::at;
use crate::rules::{is_live, outranks, rank};
use crate::world::World;

impl World {
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.check_roster()?;
        self.check_told()?;
        self.check_media()?;
        self.check_tokens()?;
        self.check_hosts()?;
        self.check_store()?;
        for (link, client) in &self.clients {
            self.check_client(*link, client)
                .map_err(|error| format!("{link:?}: {error}"))?;
        }
        self.clients.retain(|link, client| {
            let is_needed = self.tokens.iter().any(|token| token.link == *link);
            is_needed || client.seat != Seat::Closed
        });
        Ok(())
    }

    /// The room has those in it whom the model has, as what the model has them.
    fn check_roster(&self) -> Result<(), String> {
        let mut faces = self.room.roster();
        let mut people: Vec<_> = self.model.people.values().collect();
        people.sort_by_key(|person| person.arrival);
        for person in people {
            let mut face = faces.next().cloned().ok_or("somebody is missing")?;
            face.rev = 0;
            let expected = self.model.face(person);
            if face != expected {
                return Err(format!("expected {expected:?}, got {face:?}"));
            }
        }
        if faces.next().is_some() {
            return Err("somebody is too much".to_owned());
        }
        let is_idle = self.model.people.is_empty()
            && self.model.waiting.is_empty()
            && self.model.stewards.is_empty()
            && self.model.hashing.is_empty();
        let is_held = self.model.held.values();
        let is_held = is_held.filter(|(to, ..)| matches!(to, crate::model::To::Operator(_)));
        let is_idle = is_idle && is_held.count() == 0;
        if self.room.is_idle() != is_idle {
            return Err(format!("idle: expected {is_idle}"));
        }
        if is_idle && self.shard.is_open() {
            return Err("the media plane keeps an empty room".to_owned());
        }
        Ok(())
    }

    /// Nothing is forwarded without the right to it, nothing that is muted or
    /// locked, nothing of who is not there.
    fn check_media(&self) -> Result<(), String> {
        let present = self.model.people.keys().copied();
        if self.shard.is_open() {
            same("in the media plane", present, self.shard.members())?;
        }
        for (key, source) in self.forwarded() {
            let person = self
                .model
                .people
                .get(&key)
                .ok_or("a stranger is forwarded")?;
            let live = person.live.get(&source).map(|live| live.muted);
            let asked = person.asked.get(&source).map(|asked| asked.muted);
            if live != Some(false) && asked != Some(false) {
                return Err(format!(
                    "{source:?} of {key:?} is forwarded: {live:?} {asked:?}"
                ));
            }
            if !self.model.holds(key, Permission::to_publish(source)) {
                return Err(format!(
                    "{source:?} of {key:?} is forwarded without a right"
                ));
            }
        }
        for (key, person) in &self.model.people {
            for source in person.live.keys() {
                let is_open = person.live[source].muted
                    || self.model.holds(*key, Permission::to_publish(*source));
                if !is_open {
                    return Err(format!("{source:?} of {key:?} is open without a right"));
                }
            }
        }
        Ok(())
    }

    /// There is one token for each who is there, and none else.
    fn check_tokens(&mut self) -> Result<(), String> {
        let people = &self.model.people;
        for token in &mut self.tokens {
            let is_there = people.values().any(|person| person.id == token.of);
            token.is_live &= is_there;
        }
        let live = self.tokens.iter().filter(|token| token.is_live);
        let live: Vec<TokenHash> = live.map(|token| TokenHash::from(&token.token)).collect();
        if live.len() != people.len() {
            return Err(format!("{} tokens of {}", live.len(), people.len()));
        }
        same("tokens", live, self.live_tokens.iter().copied())
    }

    /// Nobody is a host without an invite of hosts; the room holds no more than
    /// it may, and one host.
    fn check_hosts(&self) -> Result<(), String> {
        for person in self.model.people.values() {
            let invite = person.invite.and_then(|id| self.model.invites.get(&id));
            let by_invite = invite.is_some_and(|invite| rank(invite.role) == 0);
            let standing = self.model.standing(&person.device);
            let given = standing.and_then(|standing| standing.role);
            // Or because a host handed the meeting over to it.
            let is_lent = person.was_lent || given == Some(Role::Host);
            if rank(person.role) == 0 && !by_invite && !is_lent {
                return Err(format!("{} is a host by nothing", person.id));
            }
        }
        if self.model.people.len() > self.model.participants_max + 1 {
            return Err("too many are in".to_owned());
        }
        Ok(())
    }

    /// What was kept is what the model would need after a crash.
    fn check_store(&self) -> Result<(), String> {
        let (model, store) = (&self.model, &self.store);
        let now = model.now;
        let settings = &store.settings;
        let room = &model.room;
        let kept = (
            settings.rev,
            settings.password_rev,
            settings.locked,
            settings.lobby,
        );
        let expected = (room.rev, model.password_rev, room.locked, room.lobby);
        if kept != expected || settings.password.is_some() != room.password_set {
            return Err(format!(
                "kept settings: expected {expected:?}, got {kept:?}"
            ));
        }
        if model.invites != store.invites {
            let differs = |id| model.invites.get(id) != store.invites.get(id);
            let which = model.invites.keys().filter(|id| differs(id));
            return Err(format!("kept invites: {:?}", which.collect::<Vec<_>>()));
        }
        let bans = model
            .bans
            .iter()
            .filter(|ban| now < ban.expires_at.unix_ms());
        for ban in bans.clone() {
            if store.bans.get(&ban.id) != Some(ban) {
                return Err(format!("kept bans: {:?}", ban.id));
            }
        }
        let kept = store
            .bans
            .values()
            .filter(|ban| now < ban.expires_at.unix_ms());
        same("kept bans", bans.map(|ban| ban.id), kept.map(|ban| ban.id))?;
        let mut devices: Vec<_> = model
            .standings
            .keys()
            .chain(store.standings.keys())
            .collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            let mut kept = store.standings.get(device).cloned();
            let is_in = model.people.values().any(|person| person.device == *device);
            if let Some(kept) = kept.as_mut().filter(|_| !is_in) {
                // Whoever was in when the process died left then.
                kept.left_at = kept.left_at.or(Some(at(self.crashed_at)));
            }
            let kept = kept.filter(|kept| model.counts(kept));
            let expected = model.standing(device).cloned();
            if kept != expected {
                return Err(format!(
                    "kept standing: expected {expected:?}, got {kept:?}"
                ));
            }
        }
        Ok(())
    }

    fn check_client(&self, link: LinkId, client: &Client) -> Result<(), String> {
        match client.seat {
            Seat::Member => match self.model.of_link(link) {
                Some(key) => self.check_member(key, client),
                None => Err("believes that it is in the room".to_owned()),
            },
            Seat::Waiter => self.check_waiter(link, client),
            Seat::Steward => {
                if !self.model.stewards.contains_key(&link) {
                    return Err("believes that it manages the room".to_owned());
                }
                let room = client.room.as_ref().ok_or("knows no room")?;
                same_room(
                    room,
                    self.model.room_of(None),
                    client.is_room_new && self.arrivals == 0,
                )
            }
            Seat::Gate | Seat::Closed => match self.model.knows_link(link) {
                true => Err("does not know that it is in".to_owned()),
                false => Ok(()),
            },
        }
    }

    fn check_member(&self, key: MemberKey, client: &Client) -> Result<(), String> {
        let model = &self.model;
        let person = &model.people[&key];
        let view = client.view.as_ref().ok_or("sees nothing")?;
        let roster = model.roster_of(key);
        let revs = self.room.roster().map(|face| (face.id, face.rev));
        let revs: std::collections::BTreeMap<_, _> = revs.collect();
        same("sees", roster.keys(), view.faces.keys())?;
        for (id, expected) in &roster {
            let mut face = view.faces[id].clone();
            if revs.get(id) != Some(&face.rev) {
                return Err(format!(
                    "sees change {} of {id}, not {:?}",
                    face.rev,
                    revs.get(id)
                ));
            }
            face.rev = 0;
            if face != *expected {
                return Err(format!("sees {face:?} instead of {expected:?}"));
            }
        }
        let may: Vec<Permission> = model.may(person).into_iter().collect();
        if view.permissions != may {
            let extra: Vec<_> = view
                .permissions
                .iter()
                .filter(|one| !may.contains(one))
                .collect();
            let missing: Vec<_> = may
                .iter()
                .filter(|one| !view.permissions.contains(one))
                .collect();
            return Err(format!("may not {extra:?}, may {missing:?}"));
        }
        if (view.role, &view.custom) != (person.role, &person.custom) {
            return Err(format!("believes to be {:?} {:?}", view.role, view.custom));
        }
        let live = person
            .overrides
            .iter()
            .filter(|known| is_live(known, model.now));
        let mut live: Vec<_> = live.cloned().collect();
        let mut known = view.overrides.clone();
        live.sort_by_key(|one| one.key);
        known.sort_by_key(|one| one.key);
        if live != known {
            return Err(format!(
                "knows the exceptions {known:?} instead of {live:?}"
            ));
        }
        // Whoever comes in after the room was shown is not in what was shown.
        let is_new = client.is_room_new && self.arrivals == usize::from(client.is_arrival);
        let sees_all = may.contains(&Permission::RosterSee);
        // Who sees less is shown the room before or after others appear.
        let is_exact = is_new && sees_all && !client.is_changed;
        same_room(&view.room, model.room_of(Some(key)), is_exact)?;
        if client.is_arrival && !sees_all {
            let lock = &view.room.av_lock;
            let named = [&lock.microphone, &lock.camera, &lock.screen];
            let mut named = named.into_iter().flat_map(|lock| &lock.allow);
            if named.any(|id| !view.faces.contains_key(id)) {
                return Err("a lock names somebody whom it does not see".to_owned());
            }
        }
        if let Some(shown) = &client.shown
            && *shown != model.shown(key)
        {
            let expected = model.shown(key);
            return Err(format!("is shown {shown:?} instead of {expected:?}"));
        }
        let queue = model.queue_of(key);
        if client.hands != queue {
            let hands = &client.hands;
            return Err(format!("sees the hands {hands:?} instead of {queue:?}"));
        }
        let count = client.count.map(|count| count as usize);
        if !sees_all && count.is_some_and(|count| count != model.people.len()) {
            return Err(format!("counts {count:?}"));
        }
        if may.contains(&Permission::LobbyManage) && model.now >= model.flood_until + 5_000 {
            self.check_watcher(client)?;
        }
        self.check_powers(key)
    }

    fn check_watcher(&self, client: &Client) -> Result<(), String> {
        let entries = client.lobby.as_ref().map(|list| list.entries.as_slice());
        let entries = entries.unwrap_or_default();
        same(
            "in the lobby",
            self.model.waiting.keys(),
            entries.iter().map(|entry| &entry.knock),
        )?;
        for entry in entries {
            let waiter = &self.model.waiting[&entry.knock];
            let shown = (&entry.name, entry.state, &entry.note, entry.since);
            let since = at(waiter.since).whole_seconds();
            let expected = (&waiter.visitor.name, waiter.state, &waiter.note, since);
            if shown != expected {
                return Err(format!("lobby: expected {expected:?}, got {shown:?}"));
            }
        }
        Ok(())
    }

    /// Who has a right over others has it over lower ranks only.
    fn check_powers(&self, key: MemberKey) -> Result<(), String> {
        let own = self.model.people[&key].role;
        let mut others = self.model.people.values();
        match others.any(|other| outranks(own, other.role) && outranks(other.role, own)) {
            true => Err("rank is no order".to_owned()),
            false => Ok(()),
        }
    }

    fn check_waiter(&self, link: LinkId, client: &Client) -> Result<(), String> {
        let knock = self.model.waiter_of(link).ok_or("believes that it waits")?;
        let waiter = &self.model.waiting[&knock];
        let message = self.model.room.lobby_message.clone();
        let expected = Some((waiter.state, message, waiter.note.clone()));
        if client.status != expected {
            return Err(format!("expected {expected:?}, got {:?}", client.status));
        }
        if client.view.is_some() {
            return Err("waits and sees the room".to_owned());
        }
        Ok(())
    }
}

/// Whom an allow-list names is told with the room and not again when they come
/// and go.
fn same_room(known: &Room, mut expected: Room, is_new: bool) -> Result<(), String> {
    let mut known = known.clone();
    if !is_new {
        for room in [&mut known, &mut expected] {
            let lock = &mut room.av_lock;
            for lock in [&mut lock.microphone, &mut lock.camera, &mut lock.screen] {
                lock.allow.clear();
            }
        }
    }
    if known == expected {
        return Ok(());
    }
    // A room is long: only the lines that differ.
    let (known, expected) = (format!("{known:#?}"), format!("{expected:#?}"));
    let lines = |text: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        let new = text.lines().filter(|line| !other.contains(line));
        new.map(|line| line.trim().to_owned()).collect()
    };
    Err(format!(
        "knows of the room {:?} instead of {:?}",
        lines(&known, &expected),
        lines(&expected, &known)
    ))
}
