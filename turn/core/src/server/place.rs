//! Who may allocate once more: the quotas, and how fast places in them are taken.

use std::time::Instant;

use conclave_turn_wire::error::ErrorCode;

use super::Server;
use super::message::Call;
use crate::auth::Identity;
use crate::limits::{Pace, SourcePrefix};
use crate::quota::{Place, QuotaError, QuotaLimits};
use crate::seed;

/// How many times what it may hold somebody allocates one after the other: a session on two ICE restarts.
const BURST: u32 = 3;
/// Half of what the pace can count to at its interval.
const BURST_MAX: u32 = (1 << 30) / INTERVAL_MS;
/// How often it makes one in the long run. Ports rest five minutes: a hundred sessions that allocate and let go as fast as
/// they may leave ports for others.
const INTERVAL_MS: u32 = 500;
/// At 20,000 sessions few share a bucket, and hardly one of them is near its pace.
const SLOTS: usize = 1 << 16;
/// Sources that have their connection tested at the same time are fewer.
const TEST_SLOTS: usize = 1 << 13;

/// How fast places in the quotas are taken.
pub(super) struct Takings {
    sessions: Pace,
    /// By source.
    tests: Pace,
}

impl Takings {
    /// Lets each make [`BURST`] times what it may hold, one after the other.
    pub(super) fn new(now: Instant, seed: &[u8; 32], quotas: &QuotaLimits) -> Takings {
        let pace = |purpose, slots, held: u32| {
            let key = seed::sip_key(seed, purpose);
            let burst = held.saturating_mul(BURST).clamp(1, BURST_MAX);
            Pace::new(now, key, slots, burst, INTERVAL_MS)
        };
        let tests = "conclave turn pace of connection tests";
        Takings {
            sessions: pace(
                "conclave turn pace of allocations",
                SLOTS,
                quotas.per_session,
            ),
            tests: pace(tests, TEST_SLOTS, quotas.tests_per_source),
        }
    }
}

impl Server {
    /// Takes a place in the quotas, at the pace of the session, or of the source of a connection test.
    pub(super) fn take_place(&mut self, call: &Call<'_>) -> Result<Place, ErrorCode> {
        let (now, source) = (call.now.instant, call.from.client.0.ip());
        let identity = call.login.identity;
        let place = self.quotas.take(identity, source).map_err(code_of)?;
        let may = match identity {
            Identity::Session(session) => self.takings.sessions.take(now, &session),
            Identity::Test(_) => self.takings.tests.take(now, &SourcePrefix::of(source)),
            // Whom the operator knows has the quota and no pace.
            Identity::User(_) => true,
        };
        if may {
            return Ok(place);
        }
        self.quotas.give(place);
        Err(ErrorCode::AllocationQuotaReached)
    }
}

fn code_of(error: QuotaError) -> ErrorCode {
    match error.stun_code() {
        486 => ErrorCode::AllocationQuotaReached,
        _ => ErrorCode::InsufficientCapacity,
    }
}
