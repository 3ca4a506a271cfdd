//! What the page shows.

/// The title of the section of proxies that look at TLS only from outside.
pub(crate) const PASSES_TCP: &str = "A proxy that passes TCP on";
/// The title of the section of proxies for HTTP.
pub(crate) const ENDS_TLS: &str = "A proxy that ends TLS";

const PAGE: &str = include_str!("../../docs/reverse-proxy.md");
const FENCE: &str = "\n```";

/// Returns the first example of a section in a language.
pub(crate) fn example(section: &str, language: &str) -> &'static str {
    let mut blocks = blocks(section).into_iter();
    let found = blocks.find(|(of, _)| *of == language);
    found.map(|(_, text)| text).unwrap()
}

/// Returns the languages of all examples of a section.
pub(crate) fn languages(section: &str) -> Vec<&'static str> {
    let blocks = blocks(section).into_iter();
    blocks.map(|(language, _)| language).collect()
}

fn blocks(section: &str) -> Vec<(&'static str, &'static str)> {
    let mut sections = PAGE.split("\n## ");
    let text = sections.find(|text| text.starts_with(section)).unwrap();
    // Every second part is between two fences.
    let inside = text.split(FENCE).skip(1).step_by(2);
    inside.filter_map(|part| part.split_once('\n')).collect()
}
