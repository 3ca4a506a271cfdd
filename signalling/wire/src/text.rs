//! Texts that people choose: names of people and of rooms.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use ts_rs::TS;
use unicode_normalization::UnicodeNormalization;

use crate::limits::{CHAT_CHARS, NAME_CHARS, PROSE_CHARS, ROLE_NAME_CHARS, TITLE_CHARS};

/// Text that does not have the form that its place asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// Nothing visible is left of a name.
    #[error("nothing visible is left")]
    Empty,
    /// It has too many characters.
    #[error("too long")]
    TooLong,
    /// It has a character that is not allowed here.
    #[error("a character is not allowed")]
    Character,
}

/// Reads a string through `parse` without copying it first.
pub(crate) fn parsed<'de, D, T, E, F>(deserializer: D, parse: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
    F: FnOnce(&str) -> Result<T, E>,
{
    struct Text<F>(F);
    impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<R: serde::de::Error>(self, text: &str) -> Result<T, R> {
            (self.0)(text).map_err(R::custom)
        }
    }
    deserializer.deserialize_str(Text(parse))
}

/// Cleans one line: control and bidirectional formatting characters are
/// removed, what remains is in NFC and without white space around it.
fn clean_line(typed: &str, chars_max: usize) -> Result<String, InvalidText> {
    // Removed before normalising: two letters may become neighbours by it.
    let composed: String = typed.chars().filter(|c| !is_hidden(*c)).nfc().collect();
    let line = composed.trim();
    if !line.chars().any(is_visible) {
        return Err(InvalidText::Empty);
    }
    if line.chars().count() > chars_max {
        return Err(InvalidText::TooLong);
    }
    Ok(line.to_owned())
}

/// Cleans text of several lines like [`clean_line`], but for the line breaks.
fn clean_text(typed: &str, chars_max: usize) -> Result<String, InvalidText> {
    let composed: String = typed
        .chars()
        .filter(|c| *c == '\n' || !is_hidden(*c))
        .nfc()
        .collect();
    let text = composed.trim();
    if !text.chars().any(is_visible) {
        return Err(InvalidText::Empty);
    }
    if text.chars().count() > chars_max {
        return Err(InvalidText::TooLong);
    }
    Ok(text.to_owned())
}

macro_rules! cleaned {
    ($($(#[$doc:meta])* $name:ident($clean:ident, $max:expr);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
        #[serde(transparent)]
        #[ts(type = "string")]
        pub struct $name(String);

        impl $name {
            /// Cleans what somebody typed.
            ///
            /// # Errors
            /// [`InvalidText::Empty`] or [`InvalidText::TooLong`] for what is left.
            pub fn new(typed: &str) -> Result<Self, InvalidText> {
                $clean(typed, $max).map($name)
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer, $name::new).map_err(D::Error::custom)
            }
        }
    )*};
}

cleaned! {
    /// The name under which others see a participant: 1 to 64 code points.
    ///
    /// Control and bidirectional formatting characters are removed, what remains is
    /// in NFC and without white space around it.
    DisplayName(clean_line, NAME_CHARS);
    /// The name of a room for people: 1 to 120 code points, cleaned like a [`DisplayName`].
    Title(clean_line, TITLE_CHARS);
    /// The name of a custom role: 1 to 32 code points, cleaned like a [`DisplayName`].
    RoleName(clean_line, ROLE_NAME_CHARS);
    /// A reason, a message or a note: 1 to 500 code points, cleaned like a
    /// [`DisplayName`] but for its line breaks.
    Prose(clean_text, PROSE_CHARS);
    /// What somebody writes in the chat: 1 to 4,000 code points, cleaned like [`Prose`].
    ChatText(clean_text, CHAT_CHARS);
}

/// Text as it was typed, of any length that fits into a message: the room
/// cleans it and says what is wrong with it.
#[derive(Clone, PartialEq, Eq, Serialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct TypedText(String);

impl TypedText {
    /// Takes text as typed.
    pub fn new(typed: impl Into<String>) -> Self {
        TypedText(typed.into())
    }

    /// Cleans it for the chat.
    ///
    /// # Errors
    /// [`InvalidText::Empty`] or [`InvalidText::TooLong`] for what is left.
    pub fn clean(&self) -> Result<ChatText, InvalidText> {
        ChatText::new(&self.0)
    }
}

impl fmt::Debug for TypedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedText(redacted)")
    }
}

impl<'de> Deserialize<'de> for TypedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| {
            Ok::<_, InvalidText>(TypedText::new(text))
        })
    }
}

/// What a client calls its own message: 1 to 64 letters, digits, `-` or `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct ClientId(String);

impl ClientId {
    /// Takes a name as sent.
    ///
    /// # Errors
    /// [`InvalidText`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match text.len() {
            0 => Err(InvalidText::Empty),
            1..=64 if text.bytes().all(allowed) => Ok(ClientId(text.to_owned())),
            1..=64 => Err(InvalidText::Character),
            _ => Err(InvalidText::TooLong),
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, ClientId::new).map_err(D::Error::custom)
    }
}

/// Control characters, line and paragraph separators, what changes the direction
/// of the text that follows (Unicode Standard Annex 9, section 2), and what is not
/// seen at all, by which two names would differ that look the same. Joiners stay:
/// letters and pictures are written with them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a character leaves a mark: joiners and fillers alone are no name.
fn is_visible(c: char) -> bool {
    !(c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'))
}

/// The name of a room in links: `[a-z0-9][a-z0-9-]{2,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct Slug(String);

impl Slug {
    /// Takes a slug as written.
    ///
    /// # Errors
    /// [`InvalidText`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        match text.len() {
            0..3 => return Err(InvalidText::Empty),
            3..=63 => {}
            _ => return Err(InvalidText::TooLong),
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let valid = text
            .bytes()
            .enumerate()
            .all(|(place, byte)| allowed(byte) || byte == b'-' && place > 0);
        if !valid {
            return Err(InvalidText::Character);
        }
        Ok(Slug(text.to_owned()))
    }

    /// Makes a slug that nobody guesses: 16 characters of lower-case base32 (RFC 4648) for 80 random bits.
    pub fn generated(random: [u8; 10]) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let bits = random
            .iter()
            .fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        let slug = (0..16)
            .map(|place| char::from(LETTERS[(bits >> (75 - 5 * place)) as usize & 31]))
            .collect();
        Slug(slug)
    }

    /// Returns the slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Slug {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Slug::new(text)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Slug::new).map_err(D::Error::custom)
    }
}

/// What a client calls itself: 1 to 64 printable ASCII characters, such as `conclave-web/0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct ClientLabel(String);

impl ClientLabel {
    /// Takes a label as sent.
    ///
    /// # Errors
    /// [`InvalidText`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        match text.len() {
            0 => return Err(InvalidText::Empty),
            1..=64 => {}
            _ => return Err(InvalidText::TooLong),
        }
        if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(InvalidText::Character);
        }
        Ok(ClientLabel(text.to_owned()))
    }

    /// Returns the label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ClientLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, ClientLabel::new).map_err(D::Error::custom)
    }
}

/// The identity of an m-line (RFC 9143): 1 to 16 letters, digits, `-` or `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct Mid(String);

impl Mid {
    /// Takes a mid as sent.
    ///
    /// # Errors
    /// [`InvalidText`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        match text.len() {
            0 => return Err(InvalidText::Empty),
            1..=16 => {}
            _ => return Err(InvalidText::TooLong),
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            return Err(InvalidText::Character);
        }
        Ok(Mid(text.to_owned()))
    }

    /// Returns the mid.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Mid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Mid::new).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_composed_trimmed_and_cleaned() {
        let name = |typed: &str| DisplayName::new(typed).map(|name| name.0);
        assert_eq!(
            name("  A\u{200b}d\u{ad}a\tLove\u{2060}la\u{e0041}ce\u{202e} "),
            Ok("AdaLovelace".to_owned())
        );
        assert_eq!(name("Rene\u{301}"), Ok("Ren\u{e9}".to_owned()));
        assert_eq!(name("e\u{200f}\u{301}"), Ok("\u{e9}".to_owned()));
        assert_eq!(name(" \u{200b}\u{2067}\u{7f} "), Err(InvalidText::Empty));
        assert_eq!(name(&"a".repeat(64)), Ok("a".repeat(64)));
        assert_eq!(name(&"a".repeat(65)), Err(InvalidText::TooLong));
        assert_eq!(
            name("\u{1f469}\u{200d}\u{1f680}"),
            Ok("\u{1f469}\u{200d}\u{1f680}".to_owned())
        );
    }

    #[test]
    fn what_is_one_line_stays_one_line() {
        let title = |typed: &str| Title::new(typed).map(|title| title.0);
        assert_eq!(title(" Week\r\n12\u{2028} "), Ok("Week12".to_owned()));
        assert_eq!(title(&"\u{e9}".repeat(120)), Ok("\u{e9}".repeat(120)));
        assert_eq!(title(&"a".repeat(121)), Err(InvalidText::TooLong));
        assert_eq!(title("\n"), Err(InvalidText::Empty));
        let role = |typed: &str| RoleName::new(typed).map(|role| role.0);
        assert_eq!(role("Inter\u{202e}preter"), Ok("Interpreter".to_owned()));
        assert_eq!(role(&"a".repeat(32)), Ok("a".repeat(32)));
        assert_eq!(role(&"a".repeat(33)), Err(InvalidText::TooLong));
        assert_eq!(role("\u{200b}"), Err(InvalidText::Empty));
    }

    #[test]
    fn prose_keeps_its_line_breaks_and_nothing_else_that_is_hidden() {
        let prose = |typed: &str| Prose::new(typed).map(|prose| prose.0);
        assert_eq!(
            prose("\n One\r\n\u{7}two\u{2066}\tthree\n\n"),
            Ok("One\ntwothree".to_owned())
        );
        assert_eq!(prose("e\u{200f}\u{301}"), Ok("\u{e9}".to_owned()));
        assert_eq!(prose(&"a".repeat(500)), Ok("a".repeat(500)));
        assert_eq!(prose(&"a".repeat(501)), Err(InvalidText::TooLong));
        assert_eq!(prose("\n\n\u{200b}"), Err(InvalidText::Empty));
        assert_eq!(
            format!("{:?}", Prose::new("secret").unwrap()),
            "Prose(redacted)"
        );
    }

    #[test]
    fn a_slug_has_the_form_of_the_protocol() {
        for good in ["abc", "welcome", "0-0", "a--", &"a".repeat(63)] {
            assert!(Slug::new(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "-ab", "Abc", "a_c", "a c", "äbc", &"a".repeat(64)] {
            assert!(Slug::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_generated_slug_carries_all_its_bits() {
        assert_eq!(Slug::generated([0; 10]).as_str(), "aaaaaaaaaaaaaaaa");
        assert_eq!(Slug::generated([255; 10]).as_str(), "7777777777777777");
        assert_eq!(Slug::generated(*b"0123456789").as_str(), "gaytemzugu3doobz");
    }

    proptest! {
        #[test]
        fn cleaning_a_name_twice_changes_nothing(typed in any::<String>()) {
            if let Ok(name) = DisplayName::new(&typed) {
                prop_assert_eq!(DisplayName::new(name.as_str()), Ok(name));
            }
        }

        #[test]
        fn cleaning_prose_twice_changes_nothing(typed in "(?s).{0,40}") {
            if let Ok(prose) = Prose::new(&typed) {
                prop_assert!(!prose.as_str().contains('\r'));
                prop_assert_eq!(Prose::new(prose.as_str()), Ok(prose));
            }
            if let Ok(title) = Title::new(&typed) {
                prop_assert!(!title.as_str().contains('\n'));
                prop_assert_eq!(Title::new(title.as_str()), Ok(title));
            }
        }

        #[test]
        fn generated_slugs_are_slugs(random: [u8; 10]) {
            prop_assert!(Slug::new(Slug::generated(random).as_str()).is_ok());
        }
    }
}
