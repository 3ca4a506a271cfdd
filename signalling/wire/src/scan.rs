//! A look at JSON before it is parsed.

/// Returns whether arrays and objects of `json` nest at most `limit` deep.
///
/// Brackets inside strings do not count. Text that is no JSON may give either
/// answer: the parser refuses it afterwards.
pub(crate) fn nests_at_most(json: &str, limit: usize) -> bool {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in json.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(nests_at_most("[[{}]]", 3));
        assert!(!nests_at_most("[[{}]]", 2));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert!(nests_at_most(r#"{"a":"[[[[\"[[["}"#, 1));
        assert!(nests_at_most(r#"["\\",[1]]"#, 2));
        assert!(!nests_at_most(r#"["\\",[1]]"#, 1));
    }
}
