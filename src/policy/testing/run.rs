//! Running tests: the real ingest, look-up and engine, on a cache of its own.

use std::borrow::Cow;
use std::sync::Arc;

use bumpalo::Bump;

use super::PolicyTest;
use super::announced;
use super::expect::Mismatch;
use super::given::{Given, GivenPolicy, GivenSignal};
use super::history;
use crate::api::pdp::Decided;
use crate::api::resource;
use crate::engine::{Evaluation, Snapshot, evaluate};
use crate::model::{PolicyField, Reading, SlotId, Source, Timestamp, Value, View, Vocabulary};
use crate::signals::{
    Cache, Kinds, Limits, Observations, Report, ReportedValue, Secrets, Sources, Verdict, ingest,
    look_up,
};

/// What became of a test: passed where nothing differs.
#[derive(Debug)]
pub struct TestResult {
    pub mismatches: Vec<Mismatch>,
    /// The score, for people.
    pub score: f64,
}

/// Runs one test.
///
/// # Errors
/// Why it could not be run: a given signal that is refused, say.
pub fn run(
    test: &PolicyTest,
    snapshot: &Snapshot,
    vocabulary: &Vocabulary,
) -> Result<TestResult, String> {
    decide(test, snapshot, vocabulary, |decided| TestResult {
        mismatches: test.expect.compare(snapshot, test.policy, decided.view, decided.outcome),
        score: decided.outcome.score,
    })
}

/// Decides what a test asks, and hands the decision to `of`.
///
/// # Errors
/// Why it could not be decided.
pub fn decide<R>(
    test: &PolicyTest,
    snapshot: &Snapshot,
    vocabulary: &Vocabulary,
    of: impl FnOnce(&Decided<'_, '_>) -> R,
) -> Result<R, String> {
    let secrets = Secrets::random().map_err(|why| format!("no randomness: {why}"))?;
    let cache = Arc::new(Cache::new(Limits::default(), secrets));
    let given = &test.given;
    let arena = Bump::new();
    let mut request = given
        .question
        .request(snapshot, vocabulary, test.now, &arena)
        .map_err(|why| why.to_string())?;
    if let Some(http) = request.http.filter(|_| !given.names_resource) {
        let about = resource::of(&snapshot.routes, http.method, http.path);
        request.action = about.action;
        request.resource = about.resource;
        request.properties = about.with(request.properties, &arena);
    }
    history::happen(given, snapshot, vocabulary, &cache, test.now)?;
    report(test, given, &request, snapshot, vocabulary, &cache)?;
    announced::announce(&given.expected, &request.entities, snapshot, vocabulary, &cache)?;

    let policy = snapshot.policy(test.policy).ok_or("the policy is gone")?;
    let mut readings: Vec<(SlotId, Reading<'_>)> =
        given.learned.iter().map(|(slot, literal)| (*slot, literal.reading())).collect();
    for composed in &given.policies {
        readings.extend(results(composed, snapshot));
    }
    let records = cache.fetch(&request.entities, Kinds::ALL, test.now);
    let sources = Sources { cache: &cache, records: &records, feeds: &given.loaded, arena: &arena };
    let mut view = View::new(snapshot.slots.len(), test.now, request.enforces_limits);
    look_up(&snapshot.slots, &policy.reads, &request, &readings, &sources, &mut view);
    let mut evaluation = Evaluation::new();
    evaluate(snapshot, test.policy, &mut view, &mut evaluation);
    let decided = Decided::of(snapshot, test.policy, &view, &evaluation);
    Ok(of(&decided.ok_or("nothing was evaluated")?))
}

/// Puts the given signals into the cache by the way that all reports take.
fn report(
    test: &PolicyTest,
    given: &Given,
    request: &crate::model::Request<'_>,
    snapshot: &Snapshot,
    vocabulary: &Vocabulary,
    cache: &Cache,
) -> Result<(), String> {
    for (kind, signals) in &given.signals {
        let id = vocabulary.find_kind(kind).and_then(|kind| request.entities.get(kind));
        let Some(id) = id else { return Err(format!("the request names no `{kind}`")) };
        let about = (kind.as_str(), id);
        report_signals(snapshot, cache, &Observations::new(1), about, signals, None, test.now)?;
    }
    Ok(())
}

/// Reports signals of one entity; `at` stands in for the times that they say themselves.
pub(super) fn report_signals(
    snapshot: &Snapshot,
    cache: &Cache,
    observations: &Observations,
    (kind, id): (&str, &str),
    signals: &[GivenSignal],
    at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), String> {
    for signal in signals {
        let report = Report {
            kind: Cow::Borrowed(kind),
            id: Cow::Borrowed(id),
            signals: vec![(Cow::Borrowed(&signal.name), ReportedValue::from_json(&signal.value))],
            observed_at: Some(at.unwrap_or(signal.at)),
        };
        let outcome = ingest(&snapshot.catalog, cache, observations, &report, now);
        if let Verdict::Rejected(why) = outcome.verdict(0) {
            let (line, _) = signal.place.file.line_column(signal.place.span.start);
            return Err(format!("line {line}: {why}"));
        }
    }
    Ok(())
}

/// A composed policy's slots, as its given score fills them.
fn results<'s>(given: &GivenPolicy, snapshot: &'s Snapshot) -> Vec<(SlotId, Reading<'s>)> {
    let Some(policy) = snapshot.policy(given.id) else { return Vec::new() };
    let mut readings = Vec::new();
    for (at, slot) in snapshot.slots.iter().enumerate() {
        let Source::Policy { policy: of, field } = slot.source else { continue };
        let (true, Ok(id)) = (of == given.id.0, u32::try_from(at)) else { continue };
        let value = match field {
            PolicyField::Score => Value::Number(given.score),
            PolicyField::Level => Value::Text(policy.level_name(policy.level_of(given.score))),
            PolicyField::Confidence => Value::Number(given.confidence),
            PolicyField::Risk => Value::Number(policy.risk(given.score)),
        };
        readings.push((SlotId(id), Reading { value, freshness: given.confidence }));
    }
    readings
}
