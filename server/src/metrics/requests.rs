//! Requests of the API, by how they ended and how long they took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;

use super::page::Page;

/// How a request ended, as the label says it. An answer of 1xx is no end.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
/// Upper bounds of the buckets in milliseconds, and as the label says them: a
/// read, a change that is kept on a disk, a slow disk, and what somebody waits for.
const BOUNDS: [(u128, &str); 5] = [
    (5, "0.005"),
    (25, "0.025"),
    (100, "0.1"),
    (500, "0.5"),
    (2500, "2.5"),
];

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    classes: [AtomicU64; CLASSES.len()],
    /// Each for itself; the last is of those that are in no bucket.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    duration_us: AtomicU64,
}

/// Counts a request, until its answer begins.
pub(crate) async fn count(
    State(requests): State<Arc<Requests>>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    requests.note(response.status(), began.elapsed());
    response
}

impl Requests {
    fn note(&self, status: StatusCode, lasted: Duration) {
        let class = usize::from(status.as_u16() / 100).checked_sub(2);
        if let Some(class) = class.and_then(|class| self.classes.get(class)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = BOUNDS
            .iter()
            .position(|(bound, _)| lasted.as_millis() < *bound);
        if let Some(bucket) = self.buckets.get(bucket.unwrap_or(BOUNDS.len())) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let us = u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX);
        self.duration_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Writes them.
    pub(super) fn write(&self, page: &mut Page) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let classes = CLASSES.iter().zip(&self.classes);
        let classes = classes.map(|(class, count)| (class, read(count)));
        page.by("conclave_api_requests_total", classes);
        let mut so_far = 0;
        let counts = self.buckets.iter().map(|count| {
            so_far += read(count);
            so_far
        });
        let bounds = BOUNDS.iter().map(|(_, label)| *label).chain(["+Inf"]);
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let seconds = Duration::from_micros(read(&self.duration_us)).as_secs_f64();
        page.histogram("conclave_api_request_seconds", &buckets, seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_in_their_class_and_in_all_buckets_that_hold_them() {
        let requests = Requests::default();
        for (status, ms) in [(200, 1), (204, 5), (404, 99), (503, 60_000), (101, 1)] {
            let status = StatusCode::from_u16(status).unwrap();
            requests.note(status, Duration::from_millis(ms));
        }
        let mut page = Page::default();
        requests.write(&mut page);
        let text = page.into_text();
        let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "conclave_api_requests_total{class=\"2xx\"} 2",
                "conclave_api_requests_total{class=\"3xx\"} 0",
                "conclave_api_requests_total{class=\"4xx\"} 1",
                "conclave_api_requests_total{class=\"5xx\"} 1",
                "conclave_api_request_seconds_bucket{le=\"0.005\"} 2",
                "conclave_api_request_seconds_bucket{le=\"0.025\"} 3",
                "conclave_api_request_seconds_bucket{le=\"0.1\"} 4",
                "conclave_api_request_seconds_bucket{le=\"0.5\"} 4",
                "conclave_api_request_seconds_bucket{le=\"2.5\"} 4",
                "conclave_api_request_seconds_bucket{le=\"+Inf\"} 5",
                "conclave_api_request_seconds_sum 60.106",
                "conclave_api_request_seconds_count 5",
            ]
        );
    }
}
