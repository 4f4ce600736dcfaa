//! Obligations that are expressions: evaluated when an answer carries them.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::api::json;
use crate::api::pdp::Decided;
use crate::engine::{DecidedBy, Expr, Obligations, Scope, Trace};
use crate::model::Value;

/// The headers that rules oblige to set. A header whose value is not known, or
/// can't stand in a header, is left out.
pub fn obligation_headers(decided: &Decided<'_, '_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    each(
        decided,
        |obligations| &obligations.headers,
        |name, value| {
            if let Some(text) = header_text(value)
                && !headers.iter().any(|(n, _)| *n == *name)
            {
                headers.push((name.to_owned(), text));
            }
        },
    );
    headers
}

/// The claims that rules put into a trust token. A claim whose value is not
/// known is left out.
pub fn obligation_claims(decided: &Decided<'_, '_>) -> Map<String, Json> {
    let mut claims = Map::new();
    each(
        decided,
        |obligations| &obligations.claims,
        |name, value| {
            if let Some(json) = json::of_value(value)
                && !claims.contains_key(name)
            {
                claims.insert(name.to_owned(), json);
            }
        },
    );
    claims
}

/// Evaluates those of all rules that oblige: of the deciding one first, as its
/// word counts where several set the same name.
fn each<'v>(
    decided: &Decided<'_, 'v>,
    of: impl Fn(&'v Obligations) -> &'v Vec<(Arc<str>, Expr)>,
    mut take: impl FnMut(&str, Value<'v>),
) {
    let Decided { policy, view, outcome, .. } = *decided;
    let deciding = match outcome.decided_by {
        DecidedBy::Rule(at) => Some(at),
        _ => None,
    };
    let obliging = || outcome.obliging(policy);
    let first = obliging().filter(|at| Some(*at) == deciding);
    let others = obliging().filter(|at| Some(*at) != deciding);
    let scope = Scope { view, policy, progress: outcome };
    for rule in first.chain(others).filter_map(|at| policy.rules.get(at)) {
        for (name, value) in of(&rule.obligations) {
            take(name, value.eval(scope, &mut Trace::default()));
        }
    }
}

/// A value as a header carries it: visible ASCII and spaces, as a signal may
/// hold anything that some source has sent.
fn header_text(value: Value<'_>) -> Option<String> {
    let text = match value {
        Value::Missing | Value::None => return None,
        Value::Set(set) => set.members().collect::<Vec<_>>().join(","),
        Value::Location { latitude, longitude } => format!("{latitude},{longitude}"),
        other => match json::of_value(other)? {
            Json::String(text) => text,
            // 25, not 25.0.
            Json::Number(x) => x.as_f64().map_or_else(|| x.to_string(), |x| x.to_string()),
            json => json.to_string(),
        },
    };
    let visible = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    let text = text.trim();
    (visible && !text.is_empty()).then(|| text.to_owned())
}
