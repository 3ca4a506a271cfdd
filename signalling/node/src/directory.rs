//! What is known of every room without asking it: enough to answer whoever may
//! not come in, so that guesses never reach a room.

mod names;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use conclave_signalling_core::settings::{PasswordHash, Settings};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::limits::NAME_CHARS;
use conclave_signalling_wire::objects::LobbyMode;
use conclave_signalling_wire::reply::{Needs, RoomSummary};
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;

use crate::hashing::Hashing;

pub(crate) use names::{HeldNames, Making, Taken};

/// What a join without an invite needs.
pub(crate) enum Lock {
    /// Nothing.
    Open {
        /// But perhaps agreement to this.
        consent_text: Option<String>,
    },
    /// The password.
    Password {
        hash: PasswordHash,
        /// Which of the passwords that the room has had.
        rev: u32,
    },
    /// The room cannot be read: to those outside it does not exist.
    Damaged,
}

/// One room, as seen from its door: some 4 KiB at most, mostly much less.
pub(crate) struct Door {
    pub(crate) id: RoomId,
    pub(crate) title: String,
    pub(crate) has_lobby: bool,
    /// When it is closed for newcomers, which hides it.
    closes_at: Option<Timestamp>,
    pub(crate) tags: Vec<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) lock: Lock,
}

impl Door {
    /// Takes of the settings what is needed before a room is asked.
    pub(crate) fn new(id: RoomId, settings: &Settings) -> Self {
        let lock = match &settings.password {
            None => Lock::Open {
                consent_text: settings.consent_text.clone(),
            },
            Some(hash) => Lock::Password {
                hash: hash.clone(),
                rev: settings.password_rev,
            },
        };
        Door {
            id,
            title: settings.title.clone(),
            has_lobby: settings.lobby == LobbyMode::On,
            closes_at: settings.closes_at,
            tags: settings.tags.clone(),
            external_id: settings.external_id.clone(),
            lock,
        }
    }

    /// Makes the door of a room that cannot be read, so that it can still be deleted.
    pub(crate) fn damaged(id: RoomId) -> Self {
        Door {
            id,
            title: String::new(),
            has_lobby: false,
            closes_at: None,
            tags: Vec::new(),
            external_id: None,
            lock: Lock::Damaged,
        }
    }

    /// Returns what comparing with its password costs.
    fn cost(&self) -> Option<Hashing> {
        match &self.lock {
            Lock::Password { hash, .. } => Hashing::of(hash),
            Lock::Open { .. } | Lock::Damaged => None,
        }
    }

    /// Returns whether it asks for no password.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.lock, Lock::Open { .. })
    }

    /// Returns whether it is closed for newcomers.
    pub(crate) fn is_closed(&self, now: Timestamp) -> bool {
        self.closes_at.is_some_and(|closes_at| closes_at <= now)
    }
}

/// Says what a join will need, and nothing of the relay. A room with a password,
/// or a closed one, answers like one that does not exist.
pub(crate) fn describe(now: Timestamp, door: Option<&Door>) -> RoomSummary {
    let door = door.filter(|door| !door.is_closed(now));
    let open = door.and_then(|door| match &door.lock {
        Lock::Open { consent_text } => Some((door, consent_text)),
        Lock::Password { .. } | Lock::Damaged => None,
    });
    RoomSummary {
        title: open.map(|(door, _)| door.title.clone()),
        consent_text: open.and_then(|(_, text)| text.clone()),
        needs: open.map_or(Needs::Password, |_| Needs::None),
        lobby: open.is_some_and(|(door, _)| door.has_lobby),
        recording: false,
        name_chars: NAME_CHARS as u32,
        relay: false,
        connection_test: None,
    }
}

/// All rooms that there are.
#[derive(Default)]
pub(crate) struct Directory {
    doors: RwLock<Doors>,
    hasher: RandomState,
}

#[derive(Default)]
struct Doors {
    by_slug: BTreeMap<Slug, Arc<Door>>,
    by_id: BTreeMap<RoomId, Slug>,
    by_external_id: BTreeMap<String, Slug>,
    held: names::Held,
    /// How many passwords there are of each cost.
    costs: BTreeMap<Hashing, usize>,
}

impl Doors {
    fn put(&mut self, slug: Slug, door: Door) {
        if let Some(cost) = door.cost() {
            *self.costs.entry(cost).or_default() += 1;
        }
        let (id, external_id) = (door.id, door.external_id.clone());
        let former = self.by_slug.insert(slug.clone(), Arc::new(door));
        self.forget(former.as_deref());
        if let Some(external_id) = external_id {
            self.by_external_id.insert(external_id, slug.clone());
        }
        self.by_id.insert(id, slug);
    }

    fn remove(&mut self, slug: &Slug) {
        let former = self.by_slug.remove(slug);
        self.forget(former.as_deref());
    }

    fn forget(&mut self, door: Option<&Door>) {
        self.discount(door);
        let Some(door) = door else {
            return;
        };
        self.by_id.remove(&door.id);
        if let Some(external_id) = &door.external_id {
            self.by_external_id.remove(external_id);
        }
    }

    fn discount(&mut self, door: Option<&Door>) {
        let Some(cost) = door.and_then(Door::cost) else {
            return;
        };
        if let Some(count) = self.costs.get_mut(&cost) {
            *count -= 1;
            if *count == 0 {
                self.costs.remove(&cost);
            }
        }
    }
}

impl Directory {
    /// Adds a room.
    pub(crate) fn put(&self, slug: Slug, door: Door) {
        self.write().put(slug, door);
    }

    /// Changes what is known of a room, if it still exists.
    pub(crate) fn refresh(&self, slug: &Slug, id: RoomId, settings: &Settings) {
        let mut doors = self.write();
        if doors.by_slug.get(slug).is_some_and(|door| door.id == id) {
            doors.put(slug.clone(), Door::new(id, settings));
        }
    }

    /// Forgets a room, but not another one that has its slug by now.
    pub(crate) fn remove(&self, slug: &Slug, id: RoomId) {
        let mut doors = self.write();
        if doors.by_slug.get(slug).is_some_and(|door| door.id == id) {
            doors.remove(slug);
        }
    }

    /// Returns what comparing a password with that of a room that does not
    /// exist has to cost: always the same for one slug, and as often so as with
    /// rooms that do. Passwords that were hashed at another cost would tell them
    /// apart otherwise. `None` without any password.
    pub(crate) fn cost_of(&self, slug: &Slug) -> Option<Hashing> {
        let doors = self.read();
        let total: usize = doors.costs.values().sum();
        // A fraction of the whole, so that a new room moves few slugs to another cost.
        let hash = u128::from(self.hasher.hash_one(slug));
        let mut place = (hash * total as u128) >> 64;
        doors.costs.iter().find_map(|(cost, count)| {
            let is_here = place < *count as u128;
            place = place.saturating_sub(*count as u128);
            is_here.then_some(*cost)
        })
    }

    pub(crate) fn find(&self, slug: &Slug) -> Option<Arc<Door>> {
        self.read().by_slug.get(slug).cloned()
    }

    /// Returns the slug of a room.
    pub(crate) fn slug_of(&self, id: RoomId) -> Option<Slug> {
        self.read().by_id.get(&id).cloned()
    }

    /// Returns the slug of the room that another system calls so.
    pub(crate) fn find_external(&self, external_id: &str) -> Option<Slug> {
        self.read().by_external_id.get(external_id).cloned()
    }

    /// Returns all rooms, by slug.
    pub(crate) fn list(&self) -> Vec<(Slug, Arc<Door>)> {
        let doors = self.read();
        doors
            .by_slug
            .iter()
            .map(|(slug, door)| (slug.clone(), Arc::clone(door)))
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().by_slug.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Doors> {
        self.doors.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Doors> {
        self.doors.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::objects::Preset;

    const NOW: Timestamp = Timestamp::from_unix_ms(1000);

    fn settings() -> Settings {
        Settings {
            consent_text: Some("Agree".to_owned()),
            ..Settings::new(Preset::Meeting, "Welcome")
        }
    }

    #[test]
    fn a_room_with_a_password_does_not_show() {
        let mut settings = settings();
        settings.set_password(Some(PasswordHash("$argon2id$".to_owned())));
        let door = Door::new(RoomId::new(0, [0; 10]), &settings);
        assert!(!door.is_open());
        assert_eq!(describe(NOW, Some(&door)), describe(NOW, None));
        assert_eq!(describe(NOW, None).needs, Needs::Password);
    }

    #[test]
    fn neither_does_a_damaged_one() {
        let door = Door::damaged(RoomId::new(0, [0; 10]));
        assert!(!door.is_open());
        assert_eq!(describe(NOW, Some(&door)), describe(NOW, None));
    }

    #[test]
    fn rooms_that_do_not_exist_cost_what_others_do() {
        let directory = Directory::default();
        let unknown: Vec<_> = (0..1000)
            .map(|number| Slug::new(&format!("nowhere-{number}")).unwrap())
            .collect();
        let costs = || -> Vec<_> { unknown.iter().map(|slug| directory.cost_of(slug)).collect() };
        assert!(costs().iter().all(Option::is_none));
        let put = |name: &str, memory: u32| {
            let mut settings = settings();
            let hash = format!("$argon2id$v=19$m={memory},t=1,p=1$c2FsdA$aGFzaA");
            settings.set_password(Some(PasswordHash(hash)));
            let slug = Slug::new(name).unwrap();
            let door = Door::new(RoomId::new(0, [0; 10]), &settings);
            directory.put(slug, door);
        };
        for (name, memory) in [("old", 64), ("older", 64), ("oldest", 64), ("new", 128)] {
            put(name, memory);
        }
        let first = costs();
        assert_eq!(first, costs());
        let old = Some(Hashing {
            m_kib: 64,
            t: 1,
            p: 1,
        });
        let count = first.iter().filter(|cost| **cost == old).count();
        assert!((650..850).contains(&count), "{count}");
        // A password that is changed costs what new ones do.
        for name in ["old", "older", "oldest"] {
            put(name, 128);
        }
        assert!(!costs().contains(&old));
    }

    #[test]
    fn a_room_without_one_does() {
        let mut settings = settings();
        settings.closes_at = Some(Timestamp::from_unix_ms(1001));
        let door = Door::new(RoomId::new(0, [0; 10]), &settings);
        let summary = describe(NOW, Some(&door));
        assert_eq!(summary.title.as_deref(), Some("Welcome"));
        assert_eq!(summary.consent_text.as_deref(), Some("Agree"));
        assert_eq!((summary.needs, summary.lobby), (Needs::None, true));
        let later = Timestamp::from_unix_ms(1001);
        assert_eq!(describe(later, Some(&door)), describe(later, None));
    }

    #[test]
    fn only_a_room_that_exists_is_changed() {
        let directory = Directory::default();
        let slug = Slug::new("welcome").unwrap();
        let [id, other] = [0, 1].map(|byte| RoomId::new(0, [byte; 10]));
        directory.refresh(&slug, id, &settings());
        assert_eq!(directory.len(), 0);
        directory.put(slug.clone(), Door::new(id, &settings()));
        let changed = Settings::new(Preset::Meeting, "Other");
        let title = || directory.find(&slug).map(|door| door.title.clone());
        directory.refresh(&slug, other, &changed);
        directory.remove(&slug, other);
        assert_eq!(title().as_deref(), Some("Welcome"));
        directory.refresh(&slug, id, &changed);
        assert_eq!(title().as_deref(), Some("Other"));
        directory.remove(&slug, id);
        assert_eq!(title(), None);
    }
}
