//! When a certificate is renewed, and when a failure is tried again.

use std::time::{Duration, SystemTime};

use crate::tls::Validity;

/// The first pause after a failure. Whoever signs allows few failed proofs an
/// hour (Let's Encrypt five), so pauses grow fast.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// The least pause when we were told that we ask too often.
const LIMITED_PAUSE: Duration = Duration::from_secs(3600);
/// The least time between two certificates, for one that comes nearly over.
const LEAST: Duration = Duration::from_secs(600);

/// Returns when a certificate is due for renewal: after two thirds of its
/// life and up to a thirtieth more, of which `spread` says how much, from 0 to
/// 1. Servers that were set up together are so not renewed together.
pub(super) fn renewal(validity: Validity, spread: f64) -> SystemTime {
    let life = validity.life();
    validity.not_before + life * 2 / 3 + (life / 30).mul_f64(spread.clamp(0.0, 1.0))
}

/// Returns how long to wait for the renewal of a certificate that came at `now`.
pub(super) fn until_renewal(validity: Validity, now: SystemTime, spread: f64) -> Duration {
    let due = renewal(validity, spread);
    due.duration_since(now).unwrap_or_default().max(LEAST)
}

/// Returns how long to wait after so many failures on end, of which the last
/// was or was not that we ask too often. `spread` as in [`renewal`].
pub(super) fn pause(failures: u32, is_limited: bool, spread: f64) -> Duration {
    let doubled_twice = 4_u32.saturating_pow(failures.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(doubled_twice).min(LONGEST_PAUSE);
    let least = if is_limited {
        LIMITED_PAUSE
    } else {
        FIRST_PAUSE
    };
    pause.max(least).mul_f64(1.0 + spread.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life_and_a_little_more() {
        let start = SystemTime::UNIX_EPOCH;
        let validity = Validity {
            not_before: start,
            not_after: start + DAY * 90,
        };
        assert_eq!(renewal(validity, 0.0), start + DAY * 60);
        assert_eq!(renewal(validity, 1.0), start + DAY * 63);
        assert_eq!(until_renewal(validity, start + DAY, 0.0), DAY * 59);
        assert_eq!(until_renewal(validity, start + DAY * 89, 0.0), LEAST);
    }

    #[test]
    fn pauses_grow_fourfold_to_six_hours_and_are_long_when_we_ask_too_often() {
        let minutes = |failures, is_limited| pause(failures, is_limited, 0.0).as_secs() / 60;
        let pauses: Vec<_> = (1..=7).map(|failures| minutes(failures, false)).collect();
        assert_eq!(pauses, [1, 4, 16, 64, 256, 360, 360]);
        assert_eq!(minutes(u32::MAX, false), 360);
        assert_eq!(minutes(1, true), 60);
        assert_eq!(pause(1, false, 1.0), FIRST_PAUSE * 5 / 4);
    }
}
