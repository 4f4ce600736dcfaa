//! Reading what people write: durations, and words that are nearly right.

use super::time::Seconds;

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

/// The seconds of `30s`, `5m`, `24h`, `28d`, `1.5h`: what durations and time windows are written in.
pub fn parse_duration(text: &str) -> Option<Seconds> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    // Rust's own syntax of numbers is wider: signs, exponents, a bare dot.
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let plain = match number.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(number),
    };
    let seconds = number.parse::<f64>().ok().filter(|_| plain)? * scale;
    seconds.is_finite().then_some(seconds)
}
