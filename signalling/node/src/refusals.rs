//! Who was turned away, for the audit log: counted, not listed, or whoever
//! knocks often would fill the disk.

use std::sync::atomic::{AtomicU64, Ordering};

use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::time::Timestamp;

/// What was refused before a room was asked, since it was written down last.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    bad_credentials: AtomicU64,
    rate_limited: AtomicU64,
}

impl Refusals {
    /// Counts a refusal.
    pub(crate) fn count(&self, code: ErrorCode) {
        if let Some(count) = self.of(code) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns what is to be written down, and begins anew.
    pub(crate) fn take(&self, at: Timestamp) -> impl Iterator<Item = AuditEntry> {
        let codes = [ErrorCode::BadCredentials, ErrorCode::RateLimited].into_iter();
        codes.filter_map(move |code| {
            let count = self.of(code)?.swap(0, Ordering::Relaxed);
            (count > 0).then(|| AuditEntry {
                at,
                actor: Actor::Room,
                action: "join".to_owned(),
                target: None,
                room: None,
                session: None,
                prefix: None,
                outcome: code.name().to_owned(),
                detail: Some(format!("times={count}")),
            })
        })
    }

    fn of(&self, code: ErrorCode) -> Option<&AtomicU64> {
        match code {
            ErrorCode::BadCredentials => Some(&self.bad_credentials),
            ErrorCode::RateLimited => Some(&self.rate_limited),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_summed_up() {
        let refusals = Refusals::default();
        for code in [
            ErrorCode::BadCredentials,
            ErrorCode::BadCredentials,
            ErrorCode::PasswordRequired,
        ] {
            refusals.count(code);
        }
        let entries: Vec<_> = refusals.take(Timestamp::from_unix_ms(7)).collect();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].outcome, "bad_credentials");
        assert_eq!(entries[0].detail.as_deref(), Some("times=2"));
        assert_eq!(refusals.take(Timestamp::from_unix_ms(8)).count(), 0);
    }
}
