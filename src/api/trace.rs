//! The caller's trace, where a request carries it rather than the call.

use super::ext_authz::Header;
use crate::telemetry::{Hex, Parent, Span};

/// The trace that a request's headers name. Where one came more than once, nobody
/// knows which is meant.
pub(super) fn parent_of(headers: &[Header<'_>]) -> Option<Parent> {
    let find = |name: &str| {
        let mut found = headers.iter().filter(|header| header.name == name);
        found.next().filter(|header| !header.repeated).map(|header| header.value)
    };
    Parent::parse(find(Parent::HEADER)?, || find(Parent::STATE_HEADER))
}

/// For log lines: the ids of the span, or of the caller's where nothing is recorded.
pub(super) fn trace_ids(
    span: Option<&Span<'_>>,
    headers: &[Header<'_>],
) -> Option<(Hex<u128>, Hex<u64>)> {
    let caller = || parent_of(headers).map(|parent| (parent.trace_id(), parent.span_id()));
    span.map(|span| (span.trace_id(), span.span_id())).or_else(caller)
}
