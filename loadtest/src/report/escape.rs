//! Text that stands for itself in HTML and SVG, whatever it contains.

use std::borrow::Cow;

/// Returns text that is safe between tags and in quoted attributes.
///
/// Control characters that XML 1.0 does not know become spaces.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let harmless = |character: char| {
        !matches!(character, '&' | '<' | '>' | '"' | '\'')
            && (!character.is_control() || character == '\n' || character == '\t')
    };
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if harmless(other) => out.push(other),
            _ => out.push(' '),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_tag_or_an_attribute_is_escaped() {
        let text = escape("\"><script>alert('&')</script>\u{0}\u{1b}");
        assert_eq!(
            text,
            "&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;  "
        );
        assert!(matches!(escape("1 → 50"), Cow::Borrowed("1 → 50")));
    }
}
