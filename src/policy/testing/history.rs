//! What happened before a test asks: reports, requests and labels that are learned, as
//! a server would learn them.

use std::sync::Arc;

use bumpalo::Bump;
use serde_json::Value as Json;

use super::given::{Given, GivenSignal, question, read_signals};
use super::run::report_signals;
use crate::api::label::JsonLabel;
use crate::api::question::Question;
use crate::api::taught::Taught;
use crate::engine::Snapshot;
use crate::learn::{Bounds, Learner};
use crate::model::{Timestamp, View, Vocabulary};
use crate::policy::diagnostic::Diagnostics;
use crate::policy::source::Node;
use crate::signals::{Cache, Kinds, Observations, Sources, look_up};

/// An entry happens so often at most.
const MOST_TIMES: u64 = 10_000;
/// Links are computed in so many rounds at most.
const MOST_ROUNDS: usize = 1000;

/// Something that happened, once or again and again.
#[derive(Debug)]
pub(super) struct Past {
    from: Timestamp,
    every_millis: i64,
    times: u64,
    signals: Vec<(String, Vec<GivenSignal>)>,
    /// A request that was let through.
    request: Option<Question>,
    label: Option<JsonLabel>,
    /// Whom the reports are about.
    about: Question,
}

/// Reads `history`: a list of `{at, every, times, signals, request, label}`.
pub(super) fn read(
    node: Node<'_>,
    now: Timestamp,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<Past> {
    let mut history = Vec::new();
    for item in node.items(diagnostics).unwrap_or_default() {
        let allowed = ["at", "every", "times", "signals", "request", "label"];
        let Some(fields) = item.mapping(diagnostics, &allowed) else { continue };
        let from = fields.required("at", diagnostics).and_then(|node| node.timestamp(diagnostics));
        let every = fields.get("every").and_then(|node| node.duration(diagnostics));
        let times = fields.get("times").and_then(|node| node.count(diagnostics));
        if fields.get("every").is_some() != fields.get("times").is_some() {
            diagnostics.error(item, "`every` and `times` come together");
        }
        let times = times.unwrap_or(1);
        if times == 0 || times > MOST_TIMES {
            diagnostics.error(item, format!("`times` is from 1 to {MOST_TIMES}"));
            continue;
        }
        let Some(from) = from else { continue };
        let every_millis = (every.unwrap_or(0.0).max(0.0) * 1e3) as i64;
        let last = from.millis().saturating_add(every_millis.saturating_mul(times as i64 - 1));
        if last > now.millis() {
            diagnostics.error(item, "this happens after the test's `now`");
            continue;
        }
        let signals = fields.get("signals");
        let signals = signals.map(|node| read_signals(node, from, snapshot, diagnostics));
        let signals = signals.unwrap_or_default();
        let body = fields.get("request").map(Node::to_json);
        let asked = |body: Json, diagnostics: &mut Diagnostics| {
            question(body, &signals).map_err(|why| diagnostics.error(item, why)).ok()
        };
        let request = body.clone().and_then(|body| asked(body, diagnostics));
        let Some(about) = asked(body.unwrap_or_else(|| serde_json::json!({})), diagnostics) else {
            continue;
        };
        let label = fields.get("label").and_then(|node| {
            let label = serde_json::from_value(node.to_json());
            label.map_err(|why| diagnostics.error(node, why.to_string())).ok()
        });
        history.push(Past { from, every_millis, times, signals, request, label, about });
    }
    history
}

/// Lets it all happen, in the order of time, until `now`.
///
/// # Errors
/// Why something can't have happened.
pub(super) fn happen(
    given: &Given,
    snapshot: &Snapshot,
    vocabulary: &Vocabulary,
    cache: &Arc<Cache>,
    now: Timestamp,
) -> Result<(), String> {
    if given.history.is_empty() {
        return Ok(());
    }
    let mut moments: Vec<(i64, &Past)> = Vec::new();
    for past in &given.history {
        moments.extend((0..past.times).map(|n| {
            let after = past.every_millis.saturating_mul(n as i64);
            (past.from.millis().saturating_add(after), past)
        }));
    }
    moments.sort_by_key(|(at, _)| *at);
    let mut learner = Learner::new(Arc::clone(cache), Bounds::default(), 1);
    learner.follow(Arc::clone(&snapshot.plan));
    let (observations, taught) = (Observations::new(4096), Taught::of(snapshot));
    for (at, past) in moments {
        let at = Timestamp::from_millis(at);
        learner.advance(at);
        if let Some(label) = &past.label {
            learner.label(&label.label(vocabulary, &snapshot.catalog, at)?);
        }
        let arena = Bump::new();
        let about = past.about.request(snapshot, vocabulary, at, &arena);
        let about = about.map_err(|why| why.to_string())?;
        for (kind, signals) in &past.signals {
            let id = vocabulary.find_kind(kind).and_then(|kind| about.entities.get(kind));
            let Some(id) = id else { return Err(format!("the request names no `{kind}`")) };
            report_signals(snapshot, cache, &observations, (kind, id), signals, Some(at), at)?;
        }
        if let Some(question) = &past.request {
            let request = question.request(snapshot, vocabulary, at, &arena);
            let request = request.map_err(|why| why.to_string())?;
            let records = cache.fetch(&request.entities, Kinds::ALL, at);
            let feeds = &given.loaded;
            let sources = Sources { cache, records: &records, feeds, arena: &arena };
            let mut view = View::new(snapshot.slots.len(), at, request.enforces_limits);
            // What requests teach is read whichever policy is asked.
            if let Some(policy) = snapshot.policies.first() {
                look_up(&snapshot.slots, &policy.reads, &request, &[], &sources, &mut view);
            }
            taught.observe(snapshot, cache, &request, &view, true, |seen| observations.push(seen));
        }
        while let Some(observation) = observations.pop() {
            learner.observe(&observation);
        }
    }
    for _ in 0..MOST_ROUNDS {
        learner.advance(now);
        if learner.is_settled() {
            break;
        }
    }
    Ok(())
}
