//! Parts of the documentation that are written from the code.

use std::fmt::Write as _;

use crate::config::{KEYS, Key};

/// Returns the table of all settings, in Markdown.
pub(crate) fn settings() -> String {
    let mut table = String::from("| key | meaning | default | SIGHUP |\n|---|---|---|---|\n");
    for Key {
        path,
        kind,
        default,
        about,
        is_live,
    } in KEYS
    {
        let name = match kind {
            crate::config::Kind::Tables => format!("`[[{path}]]`"),
            _ => format!("`{path}`"),
        };
        let reload = if *is_live { "applies" } else { "restart" };
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {name} | {about} | {default} | {reload} |");
    }
    table
}

/// Asserts that a page has `text` between its marks of that name. With
/// `CONCLAVE_WRITE_DOCS` in the environment it is written there first.
#[cfg(test)]
pub(crate) fn assert_written(page: &std::path::Path, name: &str, text: &str) {
    let (begin, end) = (
        format!("<!-- generated: {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let was = std::fs::read_to_string(page).unwrap();
    let (head, rest) = was.split_once(&begin).expect("the page has a first mark");
    let (_, tail) = rest.split_once(&end).expect("the page has a last mark");
    let wanted = format!("{head}{begin}{text}{end}{tail}");
    if std::env::var_os("CONCLAVE_WRITE_DOCS").is_some() {
        std::fs::write(page, &wanted).unwrap();
        return;
    }
    assert!(
        was == wanted,
        "{} differs from the code; CONCLAVE_WRITE_DOCS=1 cargo test -p conclave writes it",
        page.display()
    );
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_documentation_lists_every_setting() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        assert_written(&page, "settings", &settings());
    }
}
