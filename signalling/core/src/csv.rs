//! Tables as text that a spreadsheet opens (RFC 4180), and does not run.

/// Writes one row and its line end.
///
/// Every cell is quoted, so that a spreadsheet that separates by semicolons
/// finds no cell inside another. A cell that a spreadsheet would take for a
/// formula begins with an apostrophe, which makes it text.
pub fn row<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (place, text) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        cell(out, text);
    }
    out.push_str("\r\n");
}

fn cell(out: &mut String, text: &str) {
    out.push('"');
    if is_formula(text) {
        out.push('\'');
    }
    for character in text.chars() {
        if character == '"' {
            out.push('"');
        }
        out.push(character);
    }
    out.push('"');
}

/// Returns whether a spreadsheet may take a text for a formula. Some look past
/// what is invisible in front, and some read the wide forms as the narrow ones.
fn is_formula(text: &str) -> bool {
    let is_invisible = |character: char| {
        character.is_whitespace()
            || character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown = text.trim_start_matches(is_invisible);
    // A tab or a line end in front begins another cell where quotes are not understood.
    text.starts_with(['\t', '\r', '\n'])
        || shown.starts_with([
            '=', '+', '-', '@', '\u{2212}', '＝', '＋', '－', '＠', '|', '%',
        ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(cells: &[&str]) -> String {
        let mut out = String::new();
        row(&mut out, cells.iter().copied());
        out
    }

    /// Reads a row as RFC 4180 says, where every cell is quoted.
    fn read(row: &str) -> Option<Vec<String>> {
        let mut cells = Vec::new();
        let mut rest = row.strip_suffix("\r\n")?;
        loop {
            rest = rest.strip_prefix('"')?;
            let mut cell = String::new();
            loop {
                let end = rest.find('"')?;
                cell.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                let Some(after) = rest.strip_prefix('"') else {
                    break;
                };
                cell.push('"');
                rest = after;
            }
            cells.push(cell);
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => return rest.is_empty().then_some(cells),
            }
        }
    }

    #[test]
    fn cells_are_quoted_and_quotes_doubled() {
        assert_eq!(
            written(&["Ada", "a \"b\", c", "", "one\r\ntwo"]),
            "\"Ada\",\"a \"\"b\"\", c\",\"\",\"one\r\ntwo\"\r\n"
        );
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r1",
            "\n1",
            " =1",
            "\u{feff}=cmd|' /C calc'!A0",
            "\u{200b}@x",
            "＝1+1",
            "\u{2212}1",
            "|x",
            "%x",
        ] {
            assert_eq!(written(&[text]), format!("\"'{text}\"\r\n"), "{text:?}");
        }
        for text in ["Ada", "1 + 1", "a=b", "'x", "\"=x"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read_and_begins_with_no_formula(
            cells in prop::collection::vec("[\\x00-\\x7f＝＠\u{feff}]{0,12}", 1..5),
        ) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let read = read(&written(&cells)).expect("a row as RFC 4180 says");
            prop_assert_eq!(read.len(), cells.len());
            for (read, cell) in read.iter().zip(&cells) {
                prop_assert!(!is_formula(read));
                prop_assert_eq!(read.strip_prefix('\'').filter(|_| is_formula(cell)).unwrap_or(read), *cell);
            }
        }
    }
}
