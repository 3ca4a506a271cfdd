//! A report as text for a terminal.

use std::fmt::Write;

use super::view::{Cell, Table, View};

/// Columns of a cell at most; what is longer is the last of its row and may hang over.
const NAME_WIDTH_MAX: usize = 48;

/// Returns title, verdict, facts, tables and notes; charts are left to the page.
pub(crate) fn render(view: &View) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", plain(&view.title));
    if let Some((_, verdict)) = &view.verdict {
        let _ = writeln!(out, "{}", plain(verdict));
    }
    out.push('\n');
    let widest = view.facts.iter().map(|(name, _)| width(name)).max();
    for (name, value) in &view.facts {
        let _ = writeln!(
            out,
            "  {}  {}",
            padded(name, widest.unwrap_or(0), false),
            plain(value)
        );
    }
    for table in &view.tables {
        out.push('\n');
        render_table(&mut out, table);
    }
    if !view.notes.is_empty() {
        out.push('\n');
    }
    for note in &view.notes {
        let _ = writeln!(out, "Note: {}", plain(note));
    }
    out
}

fn render_table(out: &mut String, table: &Table) {
    let heads: Vec<Cell> = table.columns.iter().map(Cell::plain).collect();
    let rows: Vec<&[Cell]> = std::iter::once(&*heads)
        .chain(table.rows.iter().map(|row| &**row))
        .collect();
    let last = table.columns.len().saturating_sub(1);
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| width(&cell.text)).max();
            widest.unwrap_or(0).min(NAME_WIDTH_MAX)
        })
        .collect();
    let _ = writeln!(out, "{}", plain(&table.title));
    for row in rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let is_text = column == 0 || column == last && !is_figure(&cell.text);
            line.push_str(&padded(&cell.text, widths[column], !is_text));
            line.push_str("  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// Figures and dashes stand right, words left.
pub(crate) fn is_figure(text: &str) -> bool {
    let first = text.chars().next();
    first.is_none_or(|first| first.is_ascii_digit() || matches!(first, '-' | '–' | '<'))
}

fn width(text: &str) -> usize {
    plain(text).chars().count()
}

fn padded(text: &str, width: usize, right: bool) -> String {
    let text = plain(text);
    if right {
        format!("{text:>width$}")
    } else {
        format!("{text:<width$}")
    }
}

/// Takes out what would move the cursor: a name is not to paint on the terminal.
fn plain(text: &str) -> String {
    let harmless = text.chars().map(|character| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    });
    harmless.collect()
}
