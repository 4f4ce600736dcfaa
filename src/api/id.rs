//! Decision ids: UUIDs of version 7 (RFC 9562), sortable by time.

use std::fmt;

use crate::model::Timestamp;

/// Names one decision in answers, logs and reviews.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecisionId(u128);

/// `xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx`
const LENGTH: usize = 36;

/// An id as text, on the stack.
#[derive(Clone, Copy)]
pub struct DecisionIdText([u8; LENGTH]);

impl DecisionId {
    /// A new id. Its random part tells apart the ids of one millisecond; it is no secret.
    pub fn new(now: Timestamp) -> Self {
        let millis = now.millis().max(0).unsigned_abs() & 0xffff_ffff_ffff;
        let random = fastrand::u128(..);
        let version_7 = 0x7u128 << 76;
        let variant = 0b10u128 << 62;
        let random_bits = random & ((0xfff << 64) | ((1 << 62) - 1));
        DecisionId(u128::from(millis) << 80 | version_7 | variant | random_bits)
    }

    pub fn text(self) -> DecisionIdText {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; LENGTH];
        let mut shift = 128;
        for (at, byte) in text.iter_mut().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                continue;
            }
            shift -= 4;
            let digit = (self.0 >> shift) & 0xf;
            *byte = DIGITS.get(digit as usize).copied().unwrap_or(b'0');
        }
        DecisionIdText(text)
    }
}

impl DecisionIdText {
    pub fn as_str(&self) -> &str {
        // Only digits and dashes were put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::DecisionId;
    use crate::model::Timestamp;

    #[test]
    fn ids_are_uuids_of_version_7() {
        let id = DecisionId::new(Timestamp::from_millis(0x0190_0000_0000)).to_string();
        assert_eq!(id.len(), 36);
        assert!(id.starts_with("01900000-0000-7"), "{id}");
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert_ne!(id, DecisionId::new(Timestamp::from_millis(0x0190_0000_0000)).to_string());
    }
}
