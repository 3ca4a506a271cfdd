//! A report as one HTML file.

use std::fmt::Write;

use super::chart;
use super::escape::escape;
use super::table::is_figure;
use super::view::{Mood, Table, View};

/// Colours by the reader's wish, and for paper. Lines differ in dash as well as
/// in colour, for those who cannot tell the colours apart.
const STYLE: &str = include_str!("page.css");

/// Returns the page.
pub(crate) fn render(view: &View) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = escape(&view.title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    );
    if let Some((mood, verdict)) = &view.verdict {
        let _ = writeln!(
            out,
            "<p class=\"verdict {}\">{}</p>",
            class(*mood),
            escape(verdict)
        );
    }
    out.push_str("</header>\n<main>\n");
    if let Some((first, rest)) = view.tables.split_first() {
        out.push_str("<section class=\"tables\">\n");
        table(&mut out, first);
        out.push_str("</section>\n");
        notes(&mut out, &view.notes);
        out.push_str("<section class=\"charts\" aria-label=\"Over time\">\n");
        for one in &view.charts {
            chart::draw(&mut out, one);
            out.push('\n');
        }
        out.push_str("</section>\n<section class=\"tables\">\n");
        for one in rest {
            table(&mut out, one);
        }
        out.push_str("</section>\n");
    }
    facts(&mut out, &view.facts);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn notes(out: &mut String, notes: &[String]) {
    for note in notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
}

fn facts(out: &mut String, facts: &[(String, String)]) {
    out.push_str("<section>\n<h2>How it was measured</h2>\n<dl>\n");
    for (name, value) in facts {
        let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    out.push_str("</dl>\n</section>\n");
}

fn table(out: &mut String, table: &Table) {
    let _ = write!(
        out,
        "<div class=\"wide\"><table>\n<caption>{}</caption>\n<thead><tr>",
        escape(&table.title)
    );
    for (column, head) in table.columns.iter().enumerate() {
        let cells = || table.rows.iter().filter_map(|row| row.get(column));
        let numeric = column > 0 && cells().all(|cell| is_figure(&cell.text));
        let class = if numeric { " class=\"figure\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escape(head));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let text = escape(&cell.text);
            if column == 0 {
                let _ = write!(out, "<th scope=\"row\">{text}</th>");
                continue;
            }
            let figure = if is_figure(&cell.text) { "figure " } else { "" };
            let _ = write!(
                out,
                "<td class=\"{figure}{}\">{text}</td>",
                class(cell.mood)
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn class(mood: Mood) -> &'static str {
    match mood {
        Mood::Plain => "plain",
        Mood::Good => "good",
        Mood::Bad => "bad",
    }
}
