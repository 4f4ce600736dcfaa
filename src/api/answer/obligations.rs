//! Obligations that are expressions: evaluated when an answer carries them.

use std::sync::Arc;

use bumpalo::Bump;
use bumpalo::collections::{String as BumpString, Vec as BumpVec};
use serde_json::{Map, Value as Json};

use crate::api::json;
use crate::api::pdp::Decided;
use crate::engine::{Expr, Obligations};
use crate::model::Value;

/// The headers that rules oblige to set. A header whose value is not known, or
/// can't stand in a header, is left out.
pub fn obligation_headers<'v: 'a, 'a>(
    decided: &Decided<'_, 'v>,
    arena: &'a Bump,
) -> BumpVec<'a, (&'v str, &'a str)> {
    let mut headers: BumpVec<'a, (&'v str, &'a str)> = BumpVec::new_in(arena);
    for (name, expr) in each(decided, |obligations| &obligations.headers) {
        // Of several rules that set it, the first one's word counts.
        if headers.iter().all(|(n, _)| *n != &**name)
            && let Some(text) = header_text(decided.eval(expr), arena)
        {
            headers.push((name, text));
        }
    }
    headers
}

/// The claims that rules put into a trust token. A claim whose value is not
/// known is left out.
pub fn obligation_claims(decided: &Decided<'_, '_>) -> Map<String, Json> {
    let mut claims = Map::new();
    for (name, expr) in each(decided, |obligations| &obligations.claims) {
        if !claims.contains_key(&**name)
            && let Some(value) = json::of_value(decided.eval(expr))
        {
            claims.insert(name.to_string(), value);
        }
    }
    claims
}

/// Those of all rules that oblige, in document order.
fn each<'v>(
    decided: &Decided<'_, 'v>,
    of: impl Fn(&'v Obligations) -> &'v Vec<(Arc<str>, Expr)>,
) -> impl Iterator<Item = &'v (Arc<str>, Expr)> {
    let policy = decided.policy;
    let obliging = decided.outcome.obliging(policy);
    obliging.filter_map(|at| policy.rules.get(at)).flat_map(move |rule| of(&rule.obligations))
}

/// A value as a header carries it: visible ASCII and spaces only, as a signal
/// may hold anything that some source has sent.
fn header_text<'a>(value: Value<'_>, arena: &'a Bump) -> Option<&'a str> {
    let text = match value {
        Value::Number(x) => bumpalo::format!(in arena, "{}", x),
        Value::Bool(b) => bumpalo::format!(in arena, "{}", b),
        Value::Text(text) => BumpString::from_str_in(text.trim_matches([' ', '\t']), arena),
        Value::Address(ip) => bumpalo::format!(in arena, "{}", ip),
        _ => return None,
    };
    let visible = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    (visible && !text.is_empty()).then(|| text.into_bump_str())
}
