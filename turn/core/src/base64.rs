//! Base64 (RFC 4648) of keys, nonces and the random part of a user name.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Appends the standard form (section 4), padded with `=`: what the REST form of credentials calls for.
pub(crate) fn standard(bytes: &[u8], out: &mut String) {
    encode(bytes, STANDARD, out);
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
}

/// Appends the form that is safe in URLs (section 5), without padding.
pub(crate) fn url(bytes: &[u8], out: &mut String) {
    encode(bytes, URL, out);
}

fn encode(bytes: &[u8], alphabet: &[u8; 64], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(word);
        for letter in 0..=chunk.len() {
            let digit = bits >> (18 - 6 * letter) & 0x3f;
            out.push(char::from(alphabet[digit as usize]));
        }
    }
}

/// Reads three digits of the standard form.
pub(crate) fn eighteen_bits(text: &[u8]) -> Option<u32> {
    if text.len() != 3 {
        return None;
    }
    text.iter().try_fold(0, |bits, letter| {
        let digit = STANDARD.iter().position(|known| known == letter)?;
        Some(bits << 6 | digit as u32)
    })
}

/// Reads the form of [`url`] of exactly eight bytes. Each value has one text: the two bits left over must be zero.
pub(crate) fn eight_from_url(text: &str) -> Option<[u8; 8]> {
    if text.len() != 11 {
        return None;
    }
    let mut bits = 0u128;
    for letter in text.bytes() {
        let digit = URL.iter().position(|known| *known == letter)?;
        bits = bits << 6 | digit as u128;
    }
    if bits & 0b11 != 0 {
        return None;
    }
    u64::try_from(bits >> 2).ok().map(u64::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, expected) in vectors {
            let mut text = String::new();
            standard(plain.as_bytes(), &mut text);
            assert_eq!(text, expected);
        }
    }

    proptest! {
        #[test]
        fn eight_bytes_come_back(bytes: [u8; 8]) {
            let mut text = String::new();
            url(&bytes, &mut text);
            prop_assert_eq!(eight_from_url(&text), Some(bytes));
        }

        #[test]
        fn whatever_is_read_has_one_text(text in "[A-Za-z0-9_=+/-]{0,13}") {
            if let Some(bytes) = eight_from_url(&text) {
                let mut again = String::new();
                url(&bytes, &mut again);
                prop_assert_eq!(again, text);
            }
        }
    }
}
