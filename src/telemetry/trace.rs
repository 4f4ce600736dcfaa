//! Traces: what a caller's trace is told of a decision.
//!
//! The hot side only notes when something began and ended and what came of it,
//! into a bounded queue. A cold thread makes spans of it and sends them. Without
//! export nothing is read or noted; a request that isn't sampled costs the look
//! for one header.

mod context;
mod record;

use std::time::{SystemTime, UNIX_EPOCH};

use arrayvec::ArrayString;
use crossbeam_queue::ArrayQueue;
use http::HeaderMap;

use super::counters::Counter;
use crate::engine::{DecidedBy, Outcome, Policy, Snapshot};

pub use context::{Hex, Parent};
pub use record::Operation;
pub(super) use record::{Decided, Ended, Taken, What};

/// Takes spans in, where they are wanted at all.
#[derive(Debug, Default)]
pub struct Traces(Option<Recorder>);

#[derive(Debug)]
struct Recorder {
    ended: ArrayQueue<Ended>,
    dropped: Counter,
    /// The share of requests without a trace of their own that begin one.
    sample: f64,
}

impl Traces {
    /// Records; `queue` spans may wait to be sent, more are counted and dropped.
    /// `sample` is the share, in [0, 1], of requests that begin a trace where the
    /// caller brings none. A caller's own trace is taken up as the caller samples it.
    pub fn recording(queue: usize, sample: f64) -> Self {
        let ended = ArrayQueue::new(queue.max(1));
        Traces(Some(Recorder { ended, dropped: Counter::default(), sample }))
    }

    /// The caller's trace, out of a call's headers. Not looked for where nothing is recorded.
    pub fn parent(&self, headers: &HeaderMap) -> Option<Parent> {
        self.0.as_ref()?;
        let header = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
        Parent::parse(header(Parent::HEADER)?, || header(Parent::STATE_HEADER))
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A span that begins now and ends when it is dropped; none where it isn't sampled.
    pub fn begin(
        &self,
        operation: Operation,
        parent: impl FnOnce() -> Option<Parent>,
    ) -> Option<Span<'_>> {
        let recorder = self.0.as_ref()?;
        let parent = parent();
        let sampled = match &parent {
            Some(parent) => parent.sampled,
            None => recorder.sample > 0.0 && fastrand::f64() < recorder.sample,
        };
        sampled.then(|| recorder.span(operation, parent))
    }

    /// As `begin`, of a reading of the policies: so rare that all are recorded.
    pub fn begin_reload(&self) -> Option<Span<'_>> {
        self.0.as_ref().map(|recorder| recorder.span(Operation::Reload, None))
    }

    /// How many spans wait.
    pub fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |recorder| recorder.ended.len())
    }

    /// How many were dropped since the start, as too many waited.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |recorder| recorder.dropped.read())
    }

    #[cfg(any(feature = "otlp", test))]
    pub(super) fn take(&self) -> Option<Ended> {
        self.0.as_ref()?.ended.pop()
    }
}

impl Recorder {
    fn span(&self, operation: Operation, parent: Option<Parent>) -> Span<'_> {
        // A new id is no secret; all zeros would be no id.
        let trace = parent.as_ref().map_or_else(|| fastrand::u128(1..), |parent| parent.trace);
        let ended = Ended {
            trace,
            span: fastrand::u64(1..),
            parent: parent.as_ref().map(|parent| parent.span),
            state: parent.and_then(|parent| parent.state),
            operation,
            began: now(),
            ended: 0,
            what: What::Nothing,
        };
        Span { recorder: self, ended: Some(ended) }
    }
}

/// One operation on its way.
#[derive(Debug)]
pub struct Span<'t> {
    recorder: &'t Recorder,
    /// Taken when it is dropped.
    ended: Option<Ended>,
}

impl Span<'_> {
    /// Notes a decision. `id` is its text.
    pub fn decided(&mut self, snapshot: &Snapshot, policy: &Policy, outcome: &Outcome, id: &str) {
        let rule = match outcome.decided_by {
            DecidedBy::Rule(at) => policy.rules.get(at).map(|rule| rule.name.clone()),
            DecidedBy::Default | DecidedBy::MinConfidence => None,
        };
        self.note(What::Decided(Decided {
            id: ArrayString::from(id).unwrap_or_default(),
            policy: policy.name.clone(),
            revision: snapshot.revision.clone(),
            decision: outcome.decision,
            score: outcome.score,
            confidence: outcome.confidence,
            level: policy.levels.get(outcome.level).map(|level| level.name.clone()),
            rule,
        }));
    }

    /// Notes that nothing was decided, and why.
    pub fn refused(&mut self, cause: &'static str) {
        self.note(What::Refused(cause));
    }

    /// Notes what became of reported signals.
    pub fn taken(&mut self, accepted: u64, ignored: u64, rejected: u64) {
        self.note(What::Taken(Taken { accepted, ignored, rejected }));
    }

    /// Notes what came of reading the policies anew.
    pub fn reloaded(&mut self, revision: &str, errors: usize) {
        self.note(What::Reloaded { revision: revision.into(), errors });
    }

    /// For log lines.
    pub fn trace_id(&self) -> Hex<u128> {
        Hex(self.ended.as_ref().map_or(0, |ended| ended.trace))
    }

    pub fn span_id(&self) -> Hex<u64> {
        Hex(self.ended.as_ref().map_or(0, |ended| ended.span))
    }

    fn note(&mut self, what: What) {
        if let Some(ended) = &mut self.ended {
            ended.what = what;
        }
    }
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        let Some(mut ended) = self.ended.take() else { return };
        if std::thread::panicking() {
            ended.what = What::Refused("panicked");
        }
        ended.ended = now();
        if self.recorder.ended.push(ended).is_err() {
            self.recorder.dropped.add(1);
        }
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Operation, Parent, Traces, What};

    fn parent(text: &str) -> Option<Parent> {
        Parent::parse(text.as_bytes(), || Some(b"k=v"))
    }

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn the_callers_trace_is_continued_as_the_caller_samples_it() {
        let traces = Traces::recording(8, 1.0);
        assert!(traces.begin(Operation::Check, || parent(UNSAMPLED)).is_none());
        drop(traces.begin(Operation::Check, || parent(SAMPLED)));
        let ended = traces.take().unwrap();
        assert_eq!(ended.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(ended.parent, Some(0xb7ad_6b71_6920_3331));
        assert_eq!(ended.state.as_deref(), Some("k=v"));
        assert!(ended.ended >= ended.began && ended.began > 0);
    }

    #[test]
    fn without_a_caller_the_share_counts() {
        let never = Traces::recording(8, 0.0);
        assert!(never.begin(Operation::Check, || None).is_none());
        assert!(never.begin_reload().is_some());
        let always = Traces::recording(8, 1.0);
        drop(always.begin(Operation::Check, || None));
        let ended = always.take().unwrap();
        assert!(ended.trace != 0 && ended.parent.is_none());
        let off = Traces::default();
        assert!(off.begin_reload().is_none());
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let traces = Traces::recording(2, 1.0);
        for _ in 0..5 {
            drop(traces.begin(Operation::Check, || None));
        }
        assert_eq!((traces.waiting(), traces.dropped()), (2, 3));
    }

    #[test]
    fn a_panic_ends_a_span_as_refused() {
        let traces = Traces::recording(2, 1.0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _span = traces.begin(Operation::Check, || None);
            panic!("as meant");
        }));
        assert!(caught.is_err());
        assert!(matches!(traces.take().unwrap().what, What::Refused("panicked")));
    }
}
