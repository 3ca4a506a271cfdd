//! Values of options with their units.

use std::time::Duration;

/// Reads a time: `30s`, `40ms`, `1.5s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let seconds =
        with_unit(text, &units).ok_or("a time is a number with ms, s or m, such as 40ms or 30s")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Reads a time as milliseconds.
pub(crate) fn milliseconds(text: &str) -> Result<f64, String> {
    duration(text).map(|time| time.as_secs_f64() * 1_000.0)
}

/// Reads a share: `2%`, `0.1%`, or `0.02`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = with_unit(text, &[("%", 0.01), ("", 1.0)]).filter(|share| *share <= 1.0);
    share.ok_or_else(|| "a share is 0% to 100%, such as 2%".to_owned())
}

/// Reads how often something is in a second: `20/s` or `20`.
pub(crate) fn per_second(text: &str) -> Result<f64, String> {
    let rate =
        with_unit(text, &[("/s", 1.0), ("", 1.0)]).filter(|rate| (0.01..=10_000.0).contains(rate));
    rate.ok_or_else(|| "a number per second, 0.01/s to 10000/s, such as 20/s".to_owned())
}

/// Reads a bitrate: `2Mbit`, `500kbit`, `1500k`, `2M`.
pub(crate) fn bitrate(text: &str) -> Result<u64, String> {
    let units = [
        ("mbit/s", 1e6),
        ("kbit/s", 1e3),
        ("mbit", 1e6),
        ("kbit", 1e3),
        ("m", 1e6),
        ("k", 1e3),
    ];
    let rate = with_unit(&text.to_ascii_lowercase(), &units).map(|rate| rate as u64);
    let rate = rate.filter(|rate| (10_000..=1_000_000_000).contains(rate));
    rate.ok_or_else(|| "a bitrate is 10kbit to 1000Mbit, such as 2Mbit or 500kbit".to_owned())
}

/// Reads a number that is not negative, with the first unit that fits.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))?;
    let number: f64 = number.trim_end().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(milliseconds("40ms"), Ok(40.0));
        assert_eq!(share("2%"), Ok(0.02));
        assert_eq!(per_second("20/s"), Ok(20.0));
        assert_eq!(bitrate("2Mbit"), Ok(2_000_000));
        assert_eq!(bitrate("1500k"), Ok(1_500_000));
    }

    #[test]
    fn what_is_no_value_says_how_one_looks() {
        assert!(duration("30").is_err() && duration("-1s").is_err() && duration("NaNs").is_err());
        assert!(share("200%").is_err() && share("x").is_err());
        assert!(per_second("0/s").is_err());
        assert!(bitrate("2").unwrap_err().contains("2Mbit"));
    }
}
