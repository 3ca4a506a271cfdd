//! What somebody who misspelt a word may have meant.

/// Returns the candidate that looks most like `word`, the first among equals.
pub fn nearest_of<'a>(
    word: &str,
    candidates: impl DoubleEndedIterator<Item = &'a str>,
) -> Option<&'a str> {
    let likeness = |candidate: &str| {
        // Somebody who forgets the section still means the setting of that name.
        let leaf = candidate.rsplit('.').next().unwrap_or(candidate);
        strsim::jaro_winkler(word, candidate).max(0.95 * strsim::jaro_winkler(word, leaf))
    };
    candidates
        .rev()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}
