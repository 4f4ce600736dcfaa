//! Author's words made fit to show.

/// Longer words are cut when they are quoted.
const MAX_QUOTED: usize = 60;

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
