//! Who took part in a session, and for how long each was there and spoke.
//!
//! It lives in memory while the session lasts. The stays of one device are one
//! person; who keeps its place after a lost link is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_signalling_wire::limits::ATTENDEES;
use conclave_signalling_wire::objects::{Identity, Participant, Role};
use conclave_signalling_wire::session::{Attendance, Attendee};
use conclave_signalling_wire::text::DisplayName;
use conclave_signalling_wire::time::Timestamp;

use crate::csv;
use crate::digest::DeviceHash;

/// Silence of the media plane after which somebody who spoke is taken to have
/// stopped: it reports changes of loudness several times a second.
const GAP_MAX: Duration = Duration::from_secs(2);
/// Bytes of a list, about, as JSON and CSV together. Below what may wait to be
/// written to one client: it would be closed as a slow consumer.
const LIST_BYTES: usize = 768 * 1024;
/// Bytes of one person in JSON, and as many in CSV, but for the name.
const PERSON_BYTES: usize = 180;

/// One device.
struct Person {
    name: DisplayName,
    role: Role,
    identity: Identity,
    joined_at: Timestamp,
    left_at: Option<Timestamp>,
    /// How many participants it is at present.
    seats: u32,
    /// Since when it is there; without meaning while it is not.
    since: Timestamp,
    /// Milliseconds, without those since then.
    present_ms: u64,
    /// Milliseconds, without those since the last report.
    talk_ms: u64,
    visits: u32,
}

impl Person {
    fn present_ms(&self, now: Timestamp) -> u64 {
        match self.seats {
            0 => self.present_ms,
            _ => self.present_ms + between(self.since, now),
        }
    }

    fn take_face(&mut self, face: &Participant) {
        self.name = face.name.clone();
        self.role = face.role;
        self.identity = face.identity;
    }
}

/// See the module. Bounded by [`ATTENDEES`].
#[derive(Default)]
pub(crate) struct Attendances {
    /// In the order in which they first came.
    people: Vec<Person>,
    places: BTreeMap<DeviceHash, usize>,
    /// Arrivals of those who are not listed.
    more: u32,
    /// Who spoke at the last report of the media plane.
    speaking: BTreeSet<usize>,
    reported_at: Option<Timestamp>,
}

impl Attendances {
    /// Records that somebody came in.
    pub(crate) fn came(&mut self, now: Timestamp, device: DeviceHash, face: &Participant) {
        let Some(place) = self.places.get(&device).copied() else {
            if self.people.len() >= ATTENDEES {
                self.more = self.more.saturating_add(1);
                return;
            }
            self.places.insert(device, self.people.len());
            self.people.push(Person {
                name: face.name.clone(),
                role: face.role,
                identity: face.identity,
                joined_at: now,
                left_at: None,
                seats: 1,
                since: now,
                present_ms: 0,
                talk_ms: 0,
                visits: 1,
            });
            return;
        };
        let Some(person) = self.people.get_mut(place) else {
            return;
        };
        person.take_face(face);
        if person.seats == 0 {
            person.since = now;
            person.left_at = None;
            person.visits = person.visits.saturating_add(1);
        }
        person.seats += 1;
    }

    /// Records that somebody went.
    pub(crate) fn left(&mut self, now: Timestamp, device: &DeviceHash, face: &Participant) {
        let Some(place) = self.places.get(device).copied() else {
            return;
        };
        let talked_ms = self.talking_ms(now, place);
        let Some(person) = self.people.get_mut(place) else {
            return;
        };
        person.take_face(face);
        if person.seats == 1 {
            person.present_ms = person.present_ms(now);
            person.talk_ms += talked_ms;
            person.left_at = Some(now);
            self.speaking.remove(&place);
        }
        person.seats = person.seats.saturating_sub(1);
    }

    /// Records who speaks from now on.
    pub(crate) fn speak(&mut self, now: Timestamp, devices: impl IntoIterator<Item = DeviceHash>) {
        for place in std::mem::take(&mut self.speaking) {
            let since = self.since_report(now);
            if let Some(person) = self.people.get_mut(place) {
                person.talk_ms += since;
            }
        }
        self.reported_at = Some(now);
        let places = devices.into_iter();
        self.speaking = places
            .filter_map(|device| self.places.get(&device).copied())
            .collect();
    }

    /// Lists who took part. `present` has what those are at present who are there.
    pub(crate) fn list(
        &self,
        now: Timestamp,
        since: Timestamp,
        present: &BTreeMap<DeviceHash, &Participant>,
        with_csv: bool,
    ) -> Attendance {
        let faces: BTreeMap<usize, &Participant> = present
            .iter()
            .filter_map(|(device, face)| Some((*self.places.get(device)?, *face)))
            .collect();
        let mut room = LIST_BYTES;
        let mut people = Vec::new();
        for (place, person) in self.people.iter().enumerate() {
            let attendee = self.describe(now, place, person, faces.get(&place).copied());
            let bytes = PERSON_BYTES + attendee.name.as_str().len();
            let Some(rest) = room.checked_sub(bytes * (1 + usize::from(with_csv))) else {
                break;
            };
            room = rest;
            people.push(attendee);
        }
        let left_out = u32::try_from(self.people.len() - people.len()).unwrap_or(u32::MAX);
        Attendance {
            since,
            csv: with_csv.then(|| table(&people)),
            people,
            more: self.more.saturating_add(left_out),
        }
    }

    fn describe(
        &self,
        now: Timestamp,
        place: usize,
        person: &Person,
        face: Option<&Participant>,
    ) -> Attendee {
        Attendee {
            name: face.map_or(&person.name, |face| &face.name).clone(),
            role: face.map_or(person.role, |face| face.role),
            identity: face.map_or(person.identity, |face| face.identity),
            joined_at: person.joined_at,
            left_at: person.left_at,
            present_s: whole_s(person.present_ms(now)),
            talk_s: whole_s(person.talk_ms + self.talking_ms(now, place)),
            visits: person.visits,
        }
    }

    /// Returns for how long somebody has been speaking since the last report.
    fn talking_ms(&self, now: Timestamp, place: usize) -> u64 {
        match self.speaking.contains(&place) {
            true => self.since_report(now),
            false => 0,
        }
    }

    fn since_report(&self, now: Timestamp) -> u64 {
        let gap_max = u64::try_from(GAP_MAX.as_millis()).unwrap_or(u64::MAX);
        let since = self.reported_at.map_or(0, |at| between(at, now));
        since.min(gap_max)
    }
}

fn between(from: Timestamp, to: Timestamp) -> u64 {
    to.unix_ms().saturating_sub(from.unix_ms())
}

fn whole_s(ms: u64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}

/// As it is in messages.
fn role_word(role: Role) -> &'static str {
    match role {
        Role::Host => "host",
        Role::CoHost => "co_host",
        Role::Presenter => "presenter",
        Role::Attendee => "attendee",
        Role::Viewer => "viewer",
    }
}

/// As it is in messages.
fn identity_word(identity: Identity) -> &'static str {
    match identity {
        Identity::Guest => "guest",
        Identity::Invited => "invited",
        Identity::Verified => "verified",
    }
}

fn table(people: &[Attendee]) -> String {
    let mut out = String::new();
    csv::row(
        &mut out,
        [
            "name",
            "role",
            "identity",
            "joined_at",
            "left_at",
            "present_s",
            "talk_s",
            "visits",
        ],
    );
    for person in people {
        let left_at = person.left_at.map(|at| at.to_string()).unwrap_or_default();
        csv::row(
            &mut out,
            [
                person.name.as_str(),
                role_word(person.role),
                identity_word(person.identity),
                &person.joined_at.to_string(),
                &left_at,
                &person.present_s.to_string(),
                &person.talk_s.to_string(),
                &person.visits.to_string(),
            ],
        );
    }
    out
}

#[cfg(test)]
mod tests;
