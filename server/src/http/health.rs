//! Whether this process lives, and whether it should be given new work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

use crate::tls::Live;

/// What readiness depends on.
#[derive(Debug)]
pub(crate) struct Readiness {
    serving: AtomicBool,
    draining: AtomicBool,
    events_lost: AtomicBool,
    certificate: Arc<Live>,
}

impl Readiness {
    /// Begins as not ready.
    pub(crate) fn new(certificate: Arc<Live>) -> Self {
        Readiness {
            serving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            events_lost: AtomicBool::new(false),
            certificate,
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

    /// Returns whether the process is about to end.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Returns when the certificate ends, in seconds since 1970, if there is one.
    pub(crate) fn certificate_ends_s(&self) -> Option<u64> {
        let ends = self.certificate.validity()?.not_after;
        let since = ends.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    }

    /// Says that the control plane missed what the media plane did. Meetings
    /// go on, but what participants are told may be wrong for good.
    pub(crate) fn set_events_lost(&self) {
        self.events_lost.store(true, Ordering::Relaxed);
    }

    /// Returns why no new work should come, in words; empty when ready.
    pub(crate) fn reasons(&self, now: SystemTime) -> Vec<&'static str> {
        let certificate = self.certificate.validity();
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
            (certificate.is_none(), "there is no TLS certificate yet"),
            (
                certificate.is_some_and(|validity| validity.has_ended(now)),
                "the TLS certificate has expired",
            ),
        ];
        checks
            .into_iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, reason)| reason)
            .collect()
    }

    /// Returns what somebody should look at before it becomes a reason, in words.
    pub(crate) fn warnings(&self, now: SystemTime) -> Vec<String> {
        let certificate = self.certificate.validity();
        let ending = certificate.filter(|validity| validity.ends_soon(now));
        ending
            .filter(|validity| !validity.has_ended(now))
            .map(|validity| {
                let days = validity.days_left(now);
                format!("the TLS certificate ends soon: {days} whole days are left")
            })
            .into_iter()
            .collect()
    }

    /// Answers `/readyz`: 200 or 503, with the reasons, with what will be one,
    /// and with the end of the certificate in seconds since 1970.
    pub(crate) fn answer(&self, now: SystemTime) -> Response {
        let reasons = self.reasons(now);
        let status = match reasons.is_empty() {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        let report = json!({
            "ready": reasons.is_empty(),
            "reasons": reasons,
            "warnings": self.warnings(now),
            "tls_not_after_s": self.certificate_ends_s(),
        });
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
        let now = SystemTime::now();
        assert_eq!(
            Readiness::new(Live::empty()).reasons(now),
            [
                "media sockets are not bound yet",
                "there is no TLS certificate yet"
            ]
        );
        let live = Live::for_tests();
        let readiness = Readiness::new(Arc::clone(&live));
        readiness.set_serving();
        assert!(readiness.reasons(now).is_empty() && readiness.warnings(now).is_empty());
        assert_eq!(readiness.answer(now).status(), StatusCode::OK);

        let end = live.validity().unwrap().not_after;
        let before = end - Duration::from_secs(7 * 24 * 3600);
        assert!(readiness.reasons(before).is_empty());
        assert_eq!(
            readiness.warnings(before),
            ["the TLS certificate ends soon: 7 whole days are left"]
        );
        assert_eq!(readiness.reasons(end), ["the TLS certificate has expired"]);
        assert!(readiness.warnings(end).is_empty());

        readiness.set_draining();
        readiness.set_events_lost();
        assert_eq!(
            readiness.reasons(now),
            ["draining", "events of the media plane were lost"]
        );
        assert_eq!(
            readiness.answer(now).status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
