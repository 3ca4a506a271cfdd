//! Who took part, and how long each spoke.

use std::collections::BTreeMap;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::AttendanceGet;

use crate::member::Member;
use crate::output::Reply;
use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn list_attendance(&mut self, asker: Asker, get: AttendanceGet) -> Answer {
        self.require(asker.key, Permission::AttendanceExport)?;
        // A list of two thousand is as much work as telling a small meeting something.
        self.pace(asker.key)?;
        // Somebody asks, so a meeting goes on.
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
    pub(super) fn note_present(&mut self, key: MemberKey) {
        let now = self.time();
        if let Some(member) = self.members.get(&key) {
            self.attendances.came(now, member.device, &member.face);
        }
    }

    /// Writes down that somebody is gone.
    pub(super) fn note_absent(&mut self, member: &Member) {
        let now = self.time();
        self.attendances.left(now, &member.device, &member.face);
    }

    /// Writes down who speaks from now on.
    pub(super) fn note_speakers(&mut self, speakers: &[(MemberKey, u8)]) {
        let now = self.time();
        let members = speakers.iter().filter_map(|(key, _)| self.members.get(key));
        self.attendances
            .speak(now, members.map(|member| member.device));
    }
}
