//! Near words, and author's words made fit to show.

/// Longer words are cut when they are quoted.
const MAX_QUOTED: usize = 60;

/// The candidate that `word` was probably meant to be: the nearest within a
/// third of its letters (transposed neighbours count as one), else none.
pub fn suggest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Nobody mistypes a hundred letters, and the distance is quadratic in them.
    if word.is_empty() || word.len() > 100 {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 2 * allowed + 2)
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `usr.auth-count` for `user.auth_count` is one slip, not two.
fn distance(word: &str, candidate: &str) -> usize {
    let plain = |text: &str| text.replace(['-', ' '], "_");
    strsim::damerau_levenshtein(&plain(word), &plain(candidate))
}

/// A word of the author's in backticks, cut where it is long.
pub fn quoted(word: &str) -> String {
    match word.char_indices().nth(MAX_QUOTED) {
        Some((cut, _)) => format!("`{}…`", word.get(..cut).unwrap_or(word)),
        None => format!("`{word}`"),
    }
}

/// Escapes control characters: a policy must not be able to drive the terminal
/// or to forge a line of the log.
pub(super) fn printable(text: String) -> String {
    if !text.chars().any(is_unsafe) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, and those that reorder what is shown (Unicode bidi).
pub(super) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}
