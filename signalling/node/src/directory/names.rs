//! Names that rooms are about to have: what is free is looked at and taken in one step.
//!
//! One path of the API finds a room by its slug or by what another system calls
//! it. A room whose slug is the external id of another would be found in its
//! place, and get what is meant for that one.

use std::collections::BTreeSet;
use std::sync::Arc;

use conclave_signalling_wire::text::Slug;

use super::{Directory, Doors};

/// What is taken by rooms that are not there yet.
#[derive(Default)]
pub(super) struct Held {
    slugs: BTreeSet<Slug>,
    external_ids: BTreeSet<String>,
}

/// What whoever makes a room may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    /// How many rooms there may be then, if there is a bound.
    pub(crate) rooms_max: Option<usize>,
    /// Whether another room may be hidden by it.
    pub(crate) may_hide: bool,
}

/// Why a room cannot be called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Another room is found by its slug.
    Slug,
    /// Another room is found by its external id.
    ExternalId,
    /// There are as many rooms as there may be.
    Full,
}

impl Doors {
    fn is_slug_free(&self, slug: &Slug, may_hide: bool) -> bool {
        let hides = self.by_external_id.contains_key(slug.as_str())
            || self.held.external_ids.contains(slug.as_str());
        !self.by_slug.contains_key(slug) && !self.held.slugs.contains(slug) && (may_hide || !hides)
    }

    /// Returns whether nobody but `room` is called so.
    fn is_external_free(&self, external_id: &str, room: &Slug) -> bool {
        let is_slug_of_other = Slug::new(external_id).is_ok_and(|slug| {
            slug != *room && (self.by_slug.contains_key(&slug) || self.held.slugs.contains(&slug))
        });
        let owner = self.by_external_id.get(external_id);
        owner.is_none_or(|owner| owner == room)
            && !self.held.external_ids.contains(external_id)
            && !is_slug_of_other
    }

    /// Returns how many rooms there are, with those that are about to be.
    fn count(&self) -> usize {
        let is_new = |slug: &&Slug| !self.by_slug.contains_key(*slug);
        self.by_slug.len() + self.held.slugs.iter().filter(is_new).count()
    }
}

impl Directory {
    /// Keeps a place and names for a room that is about to be made, until that is dropped: when
    /// the room is there, or is not made.
    ///
    /// With `may_hide` its slug may be the external id of another room, which then is found by
    /// its own slug and its identifier only.
    ///
    /// # Errors
    /// [`Taken`].
    pub(crate) fn hold_new(
        self: &Arc<Self>,
        slug: &Slug,
        external_id: Option<&str>,
        Making {
            rooms_max,
            may_hide,
        }: Making,
    ) -> Result<HeldNames, Taken> {
        let mut doors = self.write();
        if !doors.is_slug_free(slug, may_hide) {
            return Err(Taken::Slug);
        }
        if external_id.is_some_and(|external_id| !doors.is_external_free(external_id, slug)) {
            return Err(Taken::ExternalId);
        }
        if rooms_max.is_some_and(|max| doors.count() >= max) {
            return Err(Taken::Full);
        }
        doors.held.slugs.insert(slug.clone());
        doors
            .held
            .external_ids
            .extend(external_id.map(str::to_owned));
        Ok(HeldNames {
            directory: Arc::clone(self),
            slug: Some(slug.clone()),
            external_id: external_id.map(str::to_owned),
        })
    }

    /// Keeps other rooms from being called so by another system until that is dropped: when
    /// `room` is called so, or was not changed.
    ///
    /// # Errors
    /// [`Taken::ExternalId`].
    pub(crate) fn hold_external(
        self: &Arc<Self>,
        external_id: &str,
        room: &Slug,
    ) -> Result<HeldNames, Taken> {
        let mut doors = self.write();
        if !doors.is_external_free(external_id, room) {
            return Err(Taken::ExternalId);
        }
        doors.held.external_ids.insert(external_id.to_owned());
        Ok(HeldNames {
            directory: Arc::clone(self),
            slug: None,
            external_id: Some(external_id.to_owned()),
        })
    }
}

/// Names that are kept. See [`Directory::hold_new`].
pub(crate) struct HeldNames {
    directory: Arc<Directory>,
    slug: Option<Slug>,
    external_id: Option<String>,
}

impl Drop for HeldNames {
    fn drop(&mut self) {
        let mut doors = self.directory.write();
        if let Some(slug) = &self.slug {
            doors.held.slugs.remove(slug);
        }
        if let Some(external_id) = &self.external_id {
            doors.held.external_ids.remove(external_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_signalling_core::settings::Settings;
    use conclave_signalling_wire::ids::RoomId;
    use conclave_signalling_wire::objects::Preset;

    use super::*;
    use crate::directory::Door;

    const fn up_to(rooms: usize) -> Making {
        Making {
            rooms_max: Some(rooms),
            may_hide: false,
        }
    }

    fn slug(name: &str) -> Slug {
        Slug::new(name).unwrap()
    }

    fn with(names: &[(&str, Option<&str>)]) -> Arc<Directory> {
        let directory = Arc::new(Directory::default());
        for (number, (name, external_id)) in (0..).zip(names) {
            let settings = Settings {
                external_id: external_id.map(str::to_owned),
                ..Settings::new(Preset::Meeting, *name)
            };
            directory.put(
                slug(name),
                Door::new(RoomId::new(number, [0; 10]), &settings),
            );
        }
        directory
    }

    #[test]
    fn of_rooms_that_are_made_at_once_none_is_found_by_the_name_of_another() {
        let directory = with(&[("standup", Some("lms-1"))]);
        let hold =
            |name: &str, external_id| directory.hold_new(&slug(name), external_id, up_to(100));
        assert_eq!(hold("standup", None).err(), Some(Taken::Slug));
        assert_eq!(hold("lms-1", None).err(), Some(Taken::Slug));
        assert_eq!(hold("third", Some("lms-1")).err(), Some(Taken::ExternalId));
        assert_eq!(
            hold("third", Some("standup")).err(),
            Some(Taken::ExternalId)
        );
        let third = hold("third", Some("lms-3")).ok();
        assert!(third.is_some());
        assert_eq!(hold("third", None).err(), Some(Taken::Slug));
        assert_eq!(hold("lms-3", None).err(), Some(Taken::Slug));
        assert_eq!(hold("fourth", Some("third")).err(), Some(Taken::ExternalId));
        assert_eq!(hold("fourth", Some("lms-3")).err(), Some(Taken::ExternalId));
        let standup = slug("standup");
        let change = |external_id| directory.hold_external(external_id, &standup);
        assert_eq!(change("third").err(), Some(Taken::ExternalId));
        assert_eq!(change("lms-3").err(), Some(Taken::ExternalId));
        assert!(change("standup").is_ok());
        assert!(change("lms-1").is_ok());
        drop(third);
        assert!(change("third").is_ok() && hold("lms-3", None).is_ok());
        assert!(hold("own", Some("own")).is_ok());
    }

    #[test]
    fn rooms_that_are_made_at_once_are_counted_as_well() {
        let directory = with(&[("one", None)]);
        let hold = |name: &str| directory.hold_new(&slug(name), None, up_to(2));
        let two = hold("two");
        assert!(two.is_ok());
        assert_eq!(hold("three").err(), Some(Taken::Full));
        // It is there before it is no longer held, and is one nevertheless.
        let settings = Settings::new(Preset::Meeting, "two");
        directory.put(slug("two"), Door::new(RoomId::new(9, [0; 10]), &settings));
        let more = directory.hold_new(&slug("three"), None, up_to(3));
        assert!(more.is_ok());
        drop((two, more));
        assert_eq!(hold("three").err(), Some(Taken::Full));
        let unbounded = Making {
            rooms_max: None,
            may_hide: false,
        };
        assert!(directory.hold_new(&slug("three"), None, unbounded).is_ok());
    }

    #[test]
    fn who_may_hides_a_room_that_another_system_calls_so_but_takes_no_slug() {
        let directory = with(&[("standup", Some("lms-1"))]);
        let hold = |name: &str| {
            let making = Making {
                may_hide: true,
                ..up_to(100)
            };
            directory.hold_new(&slug(name), None, making)
        };
        assert!(hold("lms-1").is_ok());
        assert_eq!(hold("standup").err(), Some(Taken::Slug));
    }
}
