//! Digests as lists of breached logins have them: in hex, whole or without the
//! prefix that their file is named by, and with or without how often each was seen.

/// The longest digest of a list (bytes).
const MAX: usize = 32;

/// A digest read from text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Digest([u8; MAX]),
    /// A line that stands for none, which services put in to hide how many there are:
    /// its count is 0.
    Padding,
}

/// Reads `HEX` or `HEX:COUNT`; `prefix` and `HEX` together have `bytes` bytes.
pub(super) fn read(prefix: &str, entry: &str, bytes: usize) -> Option<Read> {
    let (hex, count) = entry.split_once(':').map_or((entry, None), |(hex, n)| (hex, Some(n)));
    let digest = if prefix.is_empty() {
        decode(hex.as_bytes(), bytes)?
    } else {
        let mut whole = arrayvec::ArrayVec::<u8, { 2 * MAX }>::new();
        whole.try_extend_from_slice(prefix.as_bytes()).ok()?;
        whole.try_extend_from_slice(hex.as_bytes()).ok()?;
        decode(&whole, bytes)?
    };
    match count {
        None => Some(Read::Digest(digest)),
        Some(count) if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) => None,
        Some(count) if count.bytes().all(|b| b == b'0') => Some(Read::Padding),
        Some(_) => Some(Read::Digest(digest)),
    }
}

fn decode(hex: &[u8], bytes: usize) -> Option<[u8; MAX]> {
    let mut digest = [0; MAX];
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != bytes || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The prefix that a file of such a folder is named by: `ABCDE` or `ABCDE.txt`.
pub(super) fn prefix_of(name: &str) -> Option<&str> {
    let prefix = name.strip_suffix(".txt").unwrap_or(name);
    let is_one = (1..=8).contains(&prefix.len()) && prefix.bytes().all(|b| nibble(b).is_some());
    is_one.then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::{Read, prefix_of, read};

    #[test]
    fn digests_are_read_whole_and_in_parts() {
        let mut expected = [0; 32];
        expected[..3].copy_from_slice(&[0xab, 0xcd, 0xef]);
        for (prefix, entry) in
            [("", "abCDef"), ("", "ABCDEF:12"), ("A", "bcdef"), ("abcde", "F:1"), ("ABCDEF", "")]
        {
            assert_eq!(read(prefix, entry, 3), Some(Read::Digest(expected)), "{prefix} {entry}");
        }
        for padding in ["abcdef:0", "abcdef:00"] {
            assert_eq!(read("", padding, 3), Some(Read::Padding));
        }
        for bad in ["", "abcde", "abcdefab", "abcdeg", "abcdef:", "abcdef:x", "abcdef:-1", ":1"] {
            assert_eq!(read("", bad, 3), None, "{bad}");
        }
        assert_eq!(read("abcde", &"f".repeat(70), 32), None);
        for (name, prefix) in [("ABCDE", Some("ABCDE")), ("0f.txt", Some("0f"))] {
            assert_eq!(prefix_of(name), prefix);
        }
        for other in ["", ".txt", "README", "ABCDEF012", "ABCDE.csv"] {
            assert_eq!(prefix_of(other), None, "{other}");
        }
    }
}
