//! Numbers as people read them.

/// What stands where nothing was measured.
pub(crate) const NOTHING: &str = "–";

/// Returns a number with as many digits as say something: `46,200`, `37.1`, `0.05`.
pub(crate) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    let size = value.abs();
    let digits = if size >= 99.95 || size == 0.0 {
        0
    } else if size >= 9.995 {
        1
    } else if size >= 0.0995 {
        2
    } else {
        // Small shares of loss are what one looks for.
        4
    };
    let text = format!("{size:.digits$}");
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (&*text, String::new()),
    };
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// Returns what [`figure`] says, or a dash for nothing.
pub(crate) fn figure_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), figure)
}

/// Returns a count with a comma between thousands.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_digits_that_matter() {
        let told: Vec<String> = [0.0, 0.0004, 0.05, 4.649, 37.12, 99.97, 46_200.4, -1_234.0]
            .into_iter()
            .map(figure)
            .collect();
        let expected = [
            "0", "0.0004", "0.0500", "4.65", "37.1", "100", "46,200", "-1,234",
        ];
        assert_eq!(told, expected);
        assert_eq!(figure(f64::NAN), "–");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }
}
