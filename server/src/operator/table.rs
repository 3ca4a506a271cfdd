//! Columns for people.

use serde_json::Value;

/// Returns rows under their headings, each column as wide as its widest cell.
pub(super) fn text(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(headings.get(column).map_or(0, |heading| heading.len()))
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let headings: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    let mut text = String::new();
    for row in [&headings].into_iter().chain(rows) {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line: Vec<String> = cells.collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Returns members of the entries of a list, each under its heading.
pub(super) fn rows(columns: &[(&str, &str)], entries: &[Value]) -> String {
    let headings: Vec<&str> = columns.iter().map(|(_, heading)| *heading).collect();
    let row = |entry: &Value| {
        let cells = columns.iter().map(|(member, _)| cell(&entry[*member]));
        cells.collect()
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    text(&headings, &rows)
}

/// Returns a member of an answer as a cell.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [["a", "b", "c"], ["longer", "é", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            text(&["ONE", "TWO", "THREE"], &rows),
            "ONE     TWO  THREE\na       b    c\nlonger  é\n"
        );
    }
}
