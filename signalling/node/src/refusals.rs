//! Who was turned away, for the audit log and for webhooks: counted, not listed,
//! or whoever knocks often would fill the disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::{EventId, RoomId};
use conclave_signalling_wire::time::Timestamp;
use serde_json::json;

/// Rows of one minute. Enough to see who tries and where; what comes from more
/// places at once is summed up in one row for each code.
const ROWS: usize = 32;

/// What was refused before a room was asked, since it was written down last.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: Mutex<HashMap<Row, u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    code: ErrorCode,
    /// `None` for all places that have no row of their own.
    place: Option<(Option<RoomId>, Prefix)>,
}

impl Refusals {
    /// Counts a refusal; `room` if there is one of this name.
    pub(crate) fn count(&self, code: ErrorCode, room: Option<RoomId>, prefix: Prefix) {
        if !matches!(code, ErrorCode::BadCredentials | ErrorCode::RateLimited) {
            return;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = Row {
            code,
            place: Some((room, prefix)),
        };
        if counts.len() >= ROWS && !counts.contains_key(&row) {
            row.place = None;
        }
        *counts.entry(row).or_default() += 1;
    }

    /// Returns what is to be written down, and begins anew.
    pub(crate) fn take(&self) -> Vec<Sum> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = counts.drain().collect();
        rows.sort_by_key(|(row, count)| (row.code.name(), std::cmp::Reverse(*count)));
        let sum = |(row, times)| Sum { row, times };
        rows.into_iter().map(sum).collect()
    }
}

/// Refusals of one kind, of one place or of all that have no row of their own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    row: Row,
    times: u64,
}

impl Sum {
    fn room(&self) -> Option<RoomId> {
        self.row.place.and_then(|(room, _)| room)
    }

    fn network(&self) -> Option<String> {
        self.row.place.map(|(_, prefix)| prefix.to_string())
    }

    /// Writes it for the audit log.
    pub(crate) fn entry(&self, at: Timestamp) -> AuditEntry {
        let room = self.room();
        AuditEntry {
            at,
            actor: Actor::Room,
            action: "join".to_owned(),
            target: room.map(|room| room.to_string()),
            room,
            session: None,
            prefix: self.network(),
            request_id: None,
            outcome: self.row.code.name().to_owned(),
            detail: Some(format!("times={}", self.times)),
        }
    }

    /// Writes it for webhooks.
    pub(crate) fn event(&self, at: Timestamp, random: [u8; 10]) -> Event {
        let kind = match self.row.code {
            ErrorCode::RateLimited => EventKind::SecurityRateLimited,
            _ => EventKind::SecurityLoginFailed,
        };
        let id = EventId::new(at.unix_ms(), random);
        let data = json!({"times": self.times});
        let personal = json!({"network": self.network()});
        Event {
            room: self.room(),
            ..Event::new(id, at, kind, data, personal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn prefix(text: &str) -> Prefix {
        Prefix::from(text.parse::<IpAddr>().unwrap())
    }

    fn taken(refusals: &Refusals) -> Vec<(Option<String>, Option<String>, String)> {
        let sums = refusals.take().into_iter();
        let entries = sums.map(|sum| sum.entry(Timestamp::from_unix_ms(7)));
        entries
            .map(|entry| (entry.target, entry.prefix, entry.detail.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn refusals_are_summed_up_by_room_and_network() {
        let refusals = Refusals::default();
        let room = RoomId::new(0, [0; 10]);
        for (code, address) in [
            (ErrorCode::BadCredentials, "192.0.2.1"),
            (ErrorCode::BadCredentials, "192.0.2.2"),
            (ErrorCode::PasswordRequired, "192.0.2.3"),
        ] {
            refusals.count(code, Some(room), prefix(address));
        }
        let text = |text: &str| text.to_owned();
        let row = (
            Some(room.to_string()),
            Some(text("192.0.2.0/24")),
            text("times=2"),
        );
        assert_eq!(taken(&refusals), [row]);
        assert_eq!(taken(&refusals), []);
    }

    #[test]
    fn webhooks_are_told_each_sum() {
        let refusals = Refusals::default();
        let (room, home) = (RoomId::new(0, [0; 10]), prefix("2001:db8::1"));
        for _ in 0..3 {
            refusals.count(ErrorCode::BadCredentials, Some(room), home);
        }
        refusals.count(ErrorCode::RateLimited, None, home);
        let at = Timestamp::from_unix_ms(7);
        let sums = refusals.take().into_iter();
        let events: Vec<_> = sums.map(|sum| sum.event(at, [1; 10])).collect();
        let told: Vec<_> = events
            .iter()
            .map(|event| (event.kind, event.room, &event.data["times"]))
            .collect();
        assert_eq!(
            told,
            [
                (EventKind::SecurityLoginFailed, Some(room), &json!(3)),
                (EventKind::SecurityRateLimited, None, &json!(1)),
            ]
        );
        for event in &events {
            assert!(event.is_as_listed());
            assert_eq!(event.personal["network"], home.to_string());
        }
    }

    #[test]
    fn many_networks_share_a_row() {
        let refusals = Refusals::default();
        for number in 0..200 {
            let address = format!("198.51.{number}.1");
            refusals.count(ErrorCode::BadCredentials, None, prefix(&address));
        }
        let rows = taken(&refusals);
        assert_eq!(rows.len(), ROWS + 1);
        let rest = (None, None, format!("times={}", 200 - ROWS));
        assert_eq!(rows[0], rest);
    }
}
