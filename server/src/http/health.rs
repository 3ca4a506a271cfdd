//! Whether this process lives, and whether it should be given new work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// What readiness depends on.
#[derive(Debug)]
pub(crate) struct Readiness {
    serving: AtomicBool,
    draining: AtomicBool,
    events_lost: AtomicBool,
    certificate_end: SystemTime,
}

impl Readiness {
    /// Begins as not ready.
    pub(crate) fn new(certificate_end: SystemTime) -> Self {
        Readiness {
            serving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            events_lost: AtomicBool::new(false),
            certificate_end,
        }
    }

    /// Says that media sockets are bound and connections are accepted.
    pub(crate) fn set_serving(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    /// Says that the process is about to end.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Says that the control plane missed what the media plane did. Meetings
    /// go on, but what participants are told may be wrong for good.
    pub(crate) fn set_events_lost(&self) {
        self.events_lost.store(true, Ordering::Relaxed);
    }

    /// Returns why no new work should come, in words; empty when ready.
    pub(crate) fn reasons(&self, now: SystemTime) -> Vec<&'static str> {
        let checks = [
            (
                !self.serving.load(Ordering::Relaxed),
                "media sockets are not bound yet",
            ),
            (self.draining.load(Ordering::Relaxed), "draining"),
            (
                self.events_lost.load(Ordering::Relaxed),
                "events of the media plane were lost",
            ),
            (
                now >= self.certificate_end,
                "the TLS certificate has expired",
            ),
        ];
        checks
            .into_iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, reason)| reason)
            .collect()
    }

    /// Answers `/readyz`: 200 or 503, with the reasons.
    pub(crate) fn answer(&self, now: SystemTime) -> Response {
        let reasons = self.reasons(now);
        let status = match reasons.is_empty() {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        let report = json!({ "ready": reasons.is_empty(), "reasons": reasons });
        let content_type = [(header::CONTENT_TYPE, "application/json")];
        (status, content_type, format!("{report}\n")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn readiness_needs_everything_and_says_what_is_missing() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let before = end - Duration::from_secs(1);
        let readiness = Readiness::new(end);
        assert_eq!(
            readiness.reasons(before),
            ["media sockets are not bound yet"]
        );
        readiness.set_serving();
        assert!(readiness.reasons(before).is_empty());
        assert_eq!(readiness.answer(before).status(), StatusCode::OK);
        assert_eq!(readiness.reasons(end), ["the TLS certificate has expired"]);
        readiness.set_draining();
        readiness.set_events_lost();
        assert_eq!(
            readiness.reasons(before),
            ["draining", "events of the media plane were lost"]
        );
        assert_eq!(
            readiness.answer(before).status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
