//! Who was turned away, for the audit log: counted, not listed, or whoever
//! knocks often would fill the disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::time::Timestamp;

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
    pub(crate) fn take(&self, at: Timestamp) -> Vec<AuditEntry> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = counts.drain().collect();
        rows.sort_by_key(|(row, count)| (row.code.name(), std::cmp::Reverse(*count)));
        let entry = |(row, count): (Row, u64)| {
            let (room, prefix) = row.place.unzip();
            let room = room.flatten();
            AuditEntry {
                at,
                actor: Actor::Room,
                action: "join".to_owned(),
                target: room.map(|room| room.to_string()),
                room,
                session: None,
                prefix: prefix.map(|prefix| prefix.to_string()),
                outcome: row.code.name().to_owned(),
                detail: Some(format!("times={count}")),
            }
        };
        rows.into_iter().map(entry).collect()
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
        let entries = refusals.take(Timestamp::from_unix_ms(7)).into_iter();
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
