//! W3C Trace Context, level 1: which trace a request belongs to.

use std::fmt;

/// Longer vendor data is left out (bytes); the standard asks for at least this much.
const MAX_STATE: usize = 512;

/// The caller's span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) sampled: bool,
    /// Vendors' own data, of sampled requests only.
    pub(super) state: Option<Box<str>>,
}

impl Parent {
    pub const HEADER: &str = "traceparent";
    pub const STATE_HEADER: &str = "tracestate";

    /// Reads a `traceparent`; nothing where it is malformed, which is as if there
    /// were none. `state` is asked for only where the trace is sampled.
    pub fn parse<'h>(traceparent: &[u8], state: impl FnOnce() -> Option<&'h [u8]>) -> Option<Self> {
        // version "-" trace "-" span "-" flags; later versions may go on after that.
        let (fields, rest) = traceparent.split_first_chunk::<55>()?;
        let version = hex(fields.get(..2)?)?;
        let dashes = [2, 35, 52].iter().all(|at| fields.get(*at) == Some(&b'-'));
        let ends = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => matches!(rest, [] | [b'-', ..]),
        };
        if !dashes || !ends {
            return None;
        }
        let trace = hex(fields.get(3..35)?)?;
        let span = u64::try_from(hex(fields.get(36..52)?)?).ok()?;
        let sampled = hex(fields.get(53..55)?)? & 1 == 1;
        if trace == 0 || span == 0 {
            return None;
        }
        let state = sampled.then(state).flatten().filter(|state| state.len() <= MAX_STATE);
        let state = state.and_then(|state| std::str::from_utf8(state).ok()).map(Box::from);
        Some(Parent { trace, span, sampled, state })
    }

    /// For log lines of requests that are not recorded.
    pub fn trace_id(&self) -> Hex<u128> {
        Hex(self.trace)
    }

    pub fn span_id(&self) -> Hex<u64> {
        Hex(self.span)
    }
}

/// Lower case only, as the standard has it.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |all, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(all << 4 | u128::from(digit))
    })
}

/// An id as it is written everywhere: hex digits, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<T>(pub(super) T);

impl fmt::Display for Hex<u128> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for Hex<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Parent;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(text: &str) -> Option<Parent> {
        Parent::parse(text.as_bytes(), || None)
    }

    #[test]
    fn ids_come_back_as_they_were_written() {
        let parent = parse(GOOD).unwrap();
        assert_eq!(parent.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(parent.span_id().to_string(), "b7ad6b7169203331");
        assert!(parent.sampled);
        assert!(!parse(&GOOD.replace("-01", "-fe")).unwrap().sampled, "one bit counts");
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        let future = GOOD.replace("00-0af", "01-0af");
        assert!(parse(&future).is_some() && parse(&format!("{future}-more")).is_some());
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD.replace("00-0af", "ff-0af"),
            &format!("{GOOD}-more"),
            &format!("{future}more"),
            &GOOD.replace("b7ad6b7169203331", "0000000000000000"),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &GOOD.replace("c-b", "cxb"),
            &GOOD.replace("-01", "-0x"),
            "00-0af7651916cd43dd8448eb211c8é319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn vendor_data_is_bounded_and_only_read_where_sampled() {
        let state = |traceparent: &str, state: &str| {
            Parent::parse(traceparent.as_bytes(), || Some(state.as_bytes())).unwrap().state
        };
        assert_eq!(state(GOOD, "a=b").as_deref(), Some("a=b"));
        assert_eq!(state(GOOD, &"a".repeat(513)), None);
        assert_eq!(state(&GOOD.replace("-01", "-00"), "a=b"), None);
    }
}
