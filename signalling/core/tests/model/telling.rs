//! What webhooks are told and what is kept of who was there: both follow from
//! each other and from who is in the room.

use std::collections::{BTreeMap, BTreeSet};

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::{AttendanceRecord, Change, STAYS_MAX, SessionRecord};
use conclave_signalling_wire::ids::{EventId, ParticipantId, RoomId, SessionId};
use conclave_signalling_wire::objects::{Participant, Role};
use serde_json::{Value, json};

use crate::world::World;

/// What somebody knows who is told everything and sees nothing.
#[derive(Default)]
pub(crate) struct Told {
    ids: BTreeSet<EventId>,
    session: Option<SessionId>,
    kept: Option<SessionRecord>,
    /// The most at once, counted anew.
    peak: usize,
    present: BTreeMap<ParticipantId, Value>,
    /// By their knocks. Nobody is told who went by itself.
    waiting: BTreeSet<String>,
    people: BTreeMap<DeviceHash, AttendanceRecord>,
    /// Everything of which it heard.
    pub(crate) kinds: BTreeSet<EventKind>,
}

/// Of what a room tells; the server tells of the rest.
pub(crate) const KINDS: [EventKind; 18] = [
    EventKind::SessionStarted,
    EventKind::SessionEnded,
    EventKind::ParticipantJoined,
    EventKind::ParticipantLeft,
    EventKind::ParticipantRoleChanged,
    EventKind::ParticipantRemoved,
    EventKind::ParticipantBanned,
    EventKind::LobbyWaiting,
    EventKind::LobbyAdmitted,
    EventKind::LobbyDenied,
    EventKind::RoomUpdated,
    EventKind::RoomLocked,
    EventKind::RoomUnlocked,
    EventKind::InviteUsed,
    EventKind::InviteRevoked,
    EventKind::ChatCleared,
    EventKind::HandRaised,
    EventKind::SecurityBanEvaded,
];

fn ensure(is_so: bool, what: &str) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what.to_owned()) }
}

impl Told {
    /// After a crash nothing goes on of what was told.
    pub(crate) fn crash(&mut self) {
        *self = Told {
            ids: std::mem::take(&mut self.ids),
            kinds: std::mem::take(&mut self.kinds),
            ..Told::default()
        };
    }

    pub(crate) fn hear(&mut self, room: RoomId, change: &Change) -> Result<(), String> {
        match change {
            Change::Event(event) => self
                .hear_event(room, event)
                .map_err(|error| format!("{:?} {:?}: {error}", event.kind, event.data)),
            Change::Session(session) => self.hear_session(session),
            Change::Attended(record) => self.hear_attended(record),
            _ => Ok(()),
        }
    }

    fn hear_event(&mut self, room: RoomId, event: &Event) -> Result<(), String> {
        self.kinds.insert(event.kind);
        ensure(event.is_as_listed(), "other members than the table lists")?;
        ensure(event.room == Some(room), "of no room")?;
        ensure(self.ids.insert(event.id), "an identifier came twice")?;
        let name = event.personal.get("name").filter(|name| !name.is_null());
        let is_named = name.is_some_and(|name| event.data.values().any(|value| value == name));
        ensure(!is_named, "a name is no data")?;
        if event.kind == EventKind::SessionStarted {
            ensure(self.session.is_none(), "a session goes on")?;
            self.session = event.session;
        }
        ensure(event.session == self.session, "of another session")?;
        let data = |name: &str| event.data.get(name).cloned().unwrap_or_default();
        let who = || event.participant.ok_or("nobody is meant".to_owned());
        match event.kind {
            EventKind::ParticipantJoined => {
                let before = self.present.insert(who()?, data("role"));
                ensure(before.is_none(), "it is there already")?;
                self.peak = self.peak.max(self.present.len());
            }
            EventKind::ParticipantLeft => {
                let role = self.present.remove(&who()?);
                ensure(role == Some(data("role")), "it was no such thing")?;
            }
            EventKind::ParticipantRoleChanged => {
                let role = self.present.get_mut(&who()?).ok_or("it is not there")?;
                ensure(*role == data("from"), "it was something else")?;
                *role = data("to");
            }
            EventKind::ParticipantRemoved => {
                let role = self.present.get(&who()?);
                ensure(role == Some(&data("role")), "it was no such thing")?;
                ensure(data("removals") != json!(0), "it was never removed")?;
            }
            EventKind::LobbyWaiting => {
                let is_new = self.waiting.insert(data("knock").to_string());
                ensure(is_new, "it waits already")?;
            }
            EventKind::LobbyAdmitted | EventKind::LobbyDenied => {
                let waited = self.waiting.remove(&data("knock").to_string());
                ensure(waited, "it did not wait")?;
            }
            EventKind::RoomUpdated => {
                ensure(data("changed") != json!([]), "nothing was changed")?;
            }
            EventKind::SessionEnded => return self.end(event),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, event: &Event) -> Result<(), String> {
        let kept = self.kept.take().ok_or("the session was not kept")?;
        ensure(self.present.is_empty(), "somebody is there")?;
        ensure(kept.ended_at == Some(event.at), "ended at another time")?;
        let devices = self.people.len();
        let data = |name: &str| event.data.get(name).cloned().unwrap_or_default();
        for (what, kept, counted) in [
            ("peak", kept.peak, self.peak),
            ("people", kept.people, devices),
        ] {
            let is_so = data(what) == json!(kept) && usize::try_from(kept) == Ok(counted);
            ensure(is_so, &format!("{what}: kept {kept}, counted {counted}"))?;
        }
        ensure(data("reason") == json!(kept.ended), "another reason")?;
        let mut people = self.people.values();
        let all_gone = people.all(|one| one.stays.iter().all(|stay| stay.to.is_some()));
        ensure(all_gone, "somebody never went")?;
        (self.session, self.peak) = (None, 0);
        self.people.clear();
        Ok(())
    }

    fn hear_session(&mut self, session: &SessionRecord) -> Result<(), String> {
        ensure(self.session == Some(session.id), "another session is kept")?;
        self.kept = Some(session.clone());
        Ok(())
    }

    fn hear_attended(&mut self, record: &AttendanceRecord) -> Result<(), String> {
        ensure(self.session == Some(record.session), "of another session")?;
        let (stays, visits) = (&record.stays, record.visits as usize);
        let is_bounded = (1..=STAYS_MAX).contains(&stays.len()) && stays.len() <= visits;
        ensure(is_bounded, "stays that cannot be")?;
        let in_order = stays.windows(2).all(|two| {
            let to = two[0].to;
            to.is_some_and(|to| two[0].from <= to && to <= two[1].from)
        });
        ensure(in_order, "stays in disorder")?;
        self.people.insert(record.device, record.clone());
        Ok(())
    }

    fn check(&self, roster: &[&Participant], devices: usize) -> Result<(), String> {
        let role = |role: &Role| json!(role);
        let there: BTreeMap<_, _> = roster
            .iter()
            .map(|face| (face.id, role(&face.role)))
            .collect();
        ensure(there == self.present, "others are there than was told")?;
        ensure(self.session.is_some() != there.is_empty(), "no session")?;
        let people = self.people.values();
        let here = people.filter(|one| one.stays.last().is_some_and(|stay| stay.to.is_none()));
        let mut count = 0;
        for record in here {
            count += 1;
            // Another page of the device may be what was kept last.
            let face = roster.iter().find(|face| face.id == record.participant);
            let is_so =
                face.is_none_or(|face| face.name == record.name && face.role == record.role);
            ensure(is_so, "somebody is kept as another")?;
        }
        ensure(count == devices, "other devices are there than is kept")
    }
}

impl World {
    /// What was told agrees with who is in the room.
    pub(crate) fn check_told(&self) -> Result<(), String> {
        let roster: Vec<_> = self.room.roster().collect();
        let people = self.model.people.values();
        let devices: BTreeSet<_> = people.map(|person| person.device).collect();
        let checked = self.told.check(&roster, devices.len());
        checked.map_err(|error| format!("told: {error}"))
    }
}
