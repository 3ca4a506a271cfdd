//! Who took part, and how long each spoke.

use std::collections::BTreeMap;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::request::AttendanceGet;

use crate::attendance::Comer;
use crate::member::Member;
use crate::output::Reply;
use crate::record::{Actor, AttendanceRecord, Change, EndReason};
use crate::room::Room;
use crate::room::arrive::Way;
use crate::room::requests::{Answer, Asker};
use crate::room::rights::Authority;

impl Room {
    pub(super) fn list_attendance(&mut self, asker: Asker, get: AttendanceGet) -> Answer {
        let authority = self.authority_of(asker.key)?;
        authority.require(Permission::AttendanceExport)?;
        // A list of two thousand is as much work as telling a small meeting something.
        self.pace(asker.key)?;
        self.attendance_for(&authority, get)
    }

    /// Lists on anybody's authority who took part.
    pub(super) fn attendance_for(&self, by: &Authority, get: AttendanceGet) -> Answer {
        by.require(Permission::AttendanceExport)?;
        let since = self.session_since.ok_or(ErrorCode::NotFound)?;
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_unstable_by_key(|member| member.arrival);
        let present: BTreeMap<_, _> = members
            .into_iter()
            .map(|member| (member.device, &member.face))
            .collect();
        let list = self.attendances.list(self.time(), since, &present, get.csv);
        Ok(Some(Reply::Attendance(list)))
    }

    /// Writes down that somebody came in.
    pub(super) fn note_present(&mut self, key: MemberKey, way: Way) {
        let now = self.time();
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let comer = Comer {
            device: member.device,
            invite: member.invite,
            face: &member.face,
        };
        let attended = self.attendances.came(now, comer).cloned();
        if let Some(session) = self.attendances.count(self.members.len()) {
            self.persist(Change::Session(Box::new(session)));
        }
        self.keep_attendance(attended);
        self.tell_joined(key, way);
    }

    /// Writes down that somebody is gone.
    pub(super) fn note_absent(&mut self, member: &Member, reason: LeftReason) {
        let now = self.time();
        let attended = self.attendances.left(now, &member.device, &member.face);
        let attended = attended.cloned();
        self.keep_attendance(attended);
        self.tell_left(member, reason);
    }

    /// Writes down that somebody was `from` and is something else.
    pub(super) fn note_role(&mut self, key: MemberKey, from: Role, by: Actor) {
        self.note_became(key);
        if let Some(face) = self.members.get(&key).map(|member| member.face.clone()) {
            self.tell_role(from, &face, by);
        }
    }

    /// Writes down who somebody is since its name or its role is another.
    pub(super) fn note_became(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let attended = self.attendances.became(&member.device, &member.face);
        let attended = attended.cloned();
        self.keep_attendance(attended);
    }

    /// Writes down that the session is over: everybody is gone.
    pub(super) fn note_over(&mut self) {
        let (reason, by) = self.over.take().unwrap_or(match self.last_gone {
            _ if self.is_deleted => (EndReason::Deleted, None),
            Some(LeftReason::Ended) => (EndReason::Ended, None),
            _ => (EndReason::Empty, None),
        });
        let now = self.time();
        if let Some(ended) = self.attendances.end(now, reason) {
            self.persist(Change::Session(Box::new(ended.clone())));
            self.tell_session_ended(&ended, by);
        }
    }

    fn keep_attendance(&mut self, attended: Option<AttendanceRecord>) {
        if let Some(attended) = attended {
            self.persist(Change::Attended(Box::new(attended)));
        }
    }

    /// Writes down who speaks from now on.
    pub(super) fn note_speakers(&mut self, speakers: &[(MemberKey, u8)]) {
        let now = self.time();
        let members = speakers.iter().filter_map(|(key, _)| self.members.get(key));
        self.attendances
            .speak(now, members.map(|member| member.device));
    }
}
