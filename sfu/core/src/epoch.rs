//! An instant for tests to count from.

use std::time::Instant;

/// Returns some instant.
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made otherwise"
)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
