//! Who took part in a session, and for how long each was there and spoke.
//!
//! It lives in memory while the session lasts; what it says of somebody who
//! comes, goes or becomes another is kept. The stays of one device are one
//! person; who keeps its place after a lost link is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_signalling_wire::ids::{InviteId, SessionId};
use conclave_signalling_wire::limits::ATTENDEES;
use conclave_signalling_wire::objects::{Identity, Participant, Role};
use conclave_signalling_wire::session::{Attendance, Attendee};
use conclave_signalling_wire::time::Timestamp;

use crate::csv;
use crate::digest::DeviceHash;
use crate::record::{AttendanceRecord, EndReason, STAYS_MAX, SessionRecord, Stay};

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
    /// What is kept of it; the talk is without that since the last report.
    record: AttendanceRecord,
    /// How many participants it is at present.
    seats: u32,
}

impl Person {
    fn present_ms(&self, now: Timestamp) -> u64 {
        let stays = self.record.stays.iter();
        stays
            .map(|stay| between(stay.from, stay.to.unwrap_or(now)))
            .sum()
    }

    /// Takes over what somebody is. Returns whether that is news.
    fn take_face(&mut self, face: &Participant) -> bool {
        let record = &mut self.record;
        let is_new = (record.participant, record.role, record.identity)
            != (face.id, face.role, face.identity)
            || record.name != face.name;
        record.participant = face.id;
        record.name.clone_from(&face.name);
        record.role = face.role;
        record.identity = face.identity;
        is_new
    }

    fn begin_stay(&mut self, now: Timestamp) {
        self.record.visits = self.record.visits.saturating_add(1);
        let stays = &mut self.record.stays;
        let is_full = stays.len() >= STAYS_MAX;
        match stays.last_mut() {
            Some(last) if is_full => last.to = None,
            _ => stays.push(Stay {
                from: now,
                to: None,
            }),
        }
    }

    fn end_stay(&mut self, now: Timestamp) {
        if let Some(last) = self.record.stays.last_mut() {
            last.to = Some(now);
        }
    }
}

/// Somebody who comes in.
pub(crate) struct Comer<'a> {
    pub(crate) device: DeviceHash,
    /// The invite by which it comes.
    pub(crate) invite: Option<InviteId>,
    pub(crate) face: &'a Participant,
}

/// See the module. Bounded by [`ATTENDEES`].
#[derive(Default)]
pub(crate) struct Attendances {
    /// The session that goes on, as it is kept.
    session: Option<SessionRecord>,
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
    /// Begins a session. Returns what is to be kept of it.
    pub(crate) fn begin(&mut self, now: Timestamp, id: SessionId) -> SessionRecord {
        *self = Attendances::default();
        let begun = SessionRecord {
            id,
            started_at: now,
            ended_at: None,
            ended: None,
            peak: 0,
            people: 0,
        };
        self.session.insert(begun).clone()
    }

    /// Returns the session that goes on, as it is kept.
    pub(crate) fn session(&self) -> Option<&SessionRecord> {
        self.session.as_ref()
    }

    /// Ends the session, and forgets who took part. Returns what is to be kept of it.
    pub(crate) fn end(&mut self, now: Timestamp, reason: EndReason) -> Option<SessionRecord> {
        let ended = std::mem::take(self).session?;
        Some(SessionRecord {
            ended_at: Some(now),
            ended: Some(reason),
            ..ended
        })
    }

    /// Takes account of how many are there. Returns what is to be kept of the
    /// session where there were never so many before, or never so many devices.
    pub(crate) fn count(&mut self, present: usize) -> Option<SessionRecord> {
        let listed = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        let people = listed.saturating_add(self.more);
        let session = self.session.as_mut()?;
        let peak = session.peak.max(u32::try_from(present).unwrap_or(u32::MAX));
        let is_news = (peak, people) != (session.peak, session.people);
        (session.peak, session.people) = (peak, people);
        is_news.then(|| session.clone())
    }

    /// Records that somebody came in. Returns what is to be kept of it.
    pub(crate) fn came(&mut self, now: Timestamp, comer: Comer<'_>) -> Option<&AttendanceRecord> {
        let session = self.session.as_ref()?.id;
        let Comer {
            device,
            invite,
            face,
        } = comer;
        let place = match self.places.get(&device) {
            Some(place) => *place,
            None if self.people.len() >= ATTENDEES => {
                self.more = self.more.saturating_add(1);
                return None;
            }
            None => {
                let place = self.people.len();
                self.places.insert(device, place);
                let record = AttendanceRecord {
                    session,
                    device,
                    participant: face.id,
                    name: face.name.clone(),
                    role: face.role,
                    identity: face.identity,
                    invite,
                    stays: Vec::new(),
                    talk_ms: 0,
                    visits: 0,
                };
                self.people.push(Person { record, seats: 0 });
                place
            }
        };
        let person = self.people.get_mut(place)?;
        person.take_face(face);
        person.record.invite = invite;
        if person.seats == 0 {
            person.begin_stay(now);
        }
        person.seats += 1;
        Some(&person.record)
    }

    /// Records what somebody who is there became. Returns what is to be kept of
    /// it, if that is news.
    pub(crate) fn became(
        &mut self,
        device: &DeviceHash,
        face: &Participant,
    ) -> Option<&AttendanceRecord> {
        let person = self.people.get_mut(*self.places.get(device)?)?;
        person.take_face(face).then_some(&person.record)
    }

    /// Records that somebody went. Returns what is to be kept of it, where its
    /// device is gone with it.
    pub(crate) fn left(
        &mut self,
        now: Timestamp,
        device: &DeviceHash,
        face: &Participant,
    ) -> Option<&AttendanceRecord> {
        let place = *self.places.get(device)?;
        let talked_ms = self.talking_ms(now, place);
        let person = self.people.get_mut(place)?;
        person.seats = person.seats.checked_sub(1)?;
        if person.seats > 0 {
            return None;
        }
        person.take_face(face);
        person.end_stay(now);
        person.record.talk_ms += talked_ms;
        self.speaking.remove(&place);
        Some(&person.record)
    }

    /// Records who speaks from now on.
    pub(crate) fn speak(&mut self, now: Timestamp, devices: impl IntoIterator<Item = DeviceHash>) {
        for place in std::mem::take(&mut self.speaking) {
            let since = self.since_report(now);
            if let Some(person) = self.people.get_mut(place) {
                person.record.talk_ms += since;
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
        let record = &person.record;
        let stays = &record.stays;
        Attendee {
            name: face.map_or(&record.name, |face| &face.name).clone(),
            role: face.map_or(record.role, |face| face.role),
            identity: face.map_or(record.identity, |face| face.identity),
            joined_at: stays.first().map_or(now, |stay| stay.from),
            left_at: stays.last().and_then(|stay| stay.to),
            present_s: whole_s(person.present_ms(now)),
            talk_s: whole_s(record.talk_ms + self.talking_ms(now, place)),
            visits: record.visits,
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
