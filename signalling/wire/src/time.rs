//! Points in time as messages carry them: RFC 3339, UTC.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

use crate::text::{InvalidText, parsed};

/// The last millisecond of the year 9999, after which RFC 3339 has no form.
const LAST_MS: u64 = 253_402_300_799_999;

/// Milliseconds since 1970, from there to the year 9999.
///
/// Written with seconds, `2026-11-22T10:00:00Z`, or with milliseconds if there
/// are any, `2026-11-22T10:00:00.120Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TS)]
#[ts(type = "string")]
pub struct Timestamp {
    unix_ms: u64,
}

impl Timestamp {
    /// Takes milliseconds since 1970; what is after the year 9999 becomes its last millisecond.
    pub const fn from_unix_ms(unix_ms: u64) -> Self {
        Timestamp {
            unix_ms: if unix_ms < LAST_MS { unix_ms } else { LAST_MS },
        }
    }

    /// Returns milliseconds since 1970.
    pub const fn unix_ms(self) -> u64 {
        self.unix_ms
    }

    /// Returns the same time without its milliseconds.
    pub const fn whole_seconds(self) -> Self {
        Timestamp {
            unix_ms: self.unix_ms - self.unix_ms % 1000,
        }
    }
}

/// Days since 1970 of a date of the Gregorian calendar (Hinnant's `days_from_civil`,
/// here for years from 1970 on).
fn days_from_date(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year / 400 * 146_097 + day_of_era - 719_468
}

/// The reverse of [`days_from_date`].
fn date_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.unix_ms / 1000, self.unix_ms % 1000);
        let (year, month, day) = date_from_days(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if ms > 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidText;

    /// Reads the two forms that [`fmt::Display`] writes, and no other of RFC 3339.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let number = |from: usize, to: usize| -> Result<u64, InvalidText> {
            let digits = text.get(from..to).ok_or(InvalidText::Character)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(InvalidText::Character);
            }
            digits.parse().map_err(|_| InvalidText::Character)
        };
        let ms = match text.len() {
            20 => 0,
            24 => number(20, 23)?,
            _ => return Err(InvalidText::TooLong),
        };
        let days = days_from_date(
            number(0, 4)?.max(1970),
            number(5, 7)?.clamp(1, 12),
            number(8, 10)?.max(1),
        );
        let seconds =
            days * 86_400 + number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
        let time = Timestamp::from_unix_ms(seconds * 1000 + ms);
        // Whatever is out of its range or misses a separator is written in another way.
        if time.to_string() == text {
            Ok(time)
        } else {
            Err(InvalidText::Character)
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, str::parse).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times_are_written_as_known() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_341_600_120, "2026-11-22T10:00:00.120Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_unix_ms(unix_ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_unix_ms(unix_ms)));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-13-22T10:00:00Z",
            "2026-02-30T10:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22 10:00:00Z",
            "2026-11-22T10:00:00.000Z",
            "+026-11-22T10:00:00Z",
            "1969-12-31T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_round_trips(unix_ms in 0..=LAST_MS) {
            let time = Timestamp::from_unix_ms(unix_ms);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,30}", close in "[0-9TZ:.-]{20}|[0-9TZ:.-]{24}") {
            let _ = text.parse::<Timestamp>();
            let _ = close.parse::<Timestamp>();
        }
    }
}
