//! The decision point: look up, evaluate, and hand the result to an encoder.
//!
//! ```text
//! decode (ext_authz, native, AuthZEN) -> look up -> evaluate -> encode
//! ```
//!
//! Everything between is here, once, for every caller. Nothing waits, nothing
//! locks, and the only thing that leaves is an observation in a bounded queue.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};
use bumpalo::Bump;

use super::id::DecisionId;
use super::taught::Taught;
use crate::engine::{
    Evaluation, Expr, Outcome, Policy, PolicyId, Scope, Snapshot, Trace, evaluate,
};
use crate::model::{Request, Value, View, Vocabulary};
use crate::signals::{
    Cache, Durable, Feeds, Kinds, NotDurable, Observations, Sources, kinds_of, look_up,
};
use crate::telemetry::{DecisionMetrics, PolicyMetrics, Span, Traces};

/// One revision, with everything that decisions under it need: published as a whole.
#[derive(Debug)]
pub struct Published {
    pub snapshot: Snapshot,
    pub feeds: Arc<Feeds>,
    /// By policy: the entity kinds whose records it reads.
    kinds: Vec<Kinds>,
    /// By policy.
    metrics: Vec<Arc<PolicyMetrics>>,
    /// What requests teach.
    taught: Taught,
}

impl Published {
    pub fn new(snapshot: Snapshot, feeds: Arc<Feeds>, metrics: &DecisionMetrics) -> Self {
        let kinds = snapshot
            .policies
            .iter()
            .map(|policy| {
                let mut kinds = kinds_of(&snapshot.slots, &policy.reads);
                for measure in snapshot.plan.measures() {
                    kinds.insert(measure.kind);
                }
                kinds
            })
            .collect();
        let metrics = snapshot.policies.iter().map(|policy| metrics.policy(policy)).collect();
        let taught = Taught::of(&snapshot);
        Published { snapshot, feeds, kinds, metrics, taught }
    }
}

/// Why a request was not evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("no policy is loaded yet")]
    NoPolicy,
    #[error("unknown policy `{0}`")]
    UnknownPolicy(String),
}

/// A decision, with all that an encoder can ask of it.
#[derive(Debug)]
pub struct Decided<'a, 'v> {
    pub id: DecisionId,
    pub snapshot: &'v Snapshot,
    pub policy: &'v Policy,
    pub policy_id: PolicyId,
    pub view: &'a View<'v>,
    pub outcome: &'a Outcome,
    pub evaluation: &'a Evaluation,
}

impl<'a, 'v> Decided<'a, 'v> {
    /// What `evaluation` came to under the policy, with an id of its own; nothing
    /// where it did not evaluate that policy.
    pub fn of(
        snapshot: &'v Snapshot,
        policy_id: PolicyId,
        view: &'a View<'v>,
        evaluation: &'a Evaluation,
    ) -> Option<Self> {
        let (policy, outcome) = (snapshot.policy(policy_id)?, evaluation.outcome(policy_id)?);
        let id = DecisionId::new(view.now);
        Some(Decided { id, snapshot, policy, policy_id, view, outcome, evaluation })
    }

    /// Tells the request's span, where it has one.
    pub fn tell(&self, span: Option<&mut Span<'_>>) {
        if let Some(span) = span {
            span.decided(self.snapshot, self.policy, self.outcome, self.id.text().as_str());
        }
    }

    /// Evaluates an expression of the policy that decided: an obligation's header, say.
    pub fn eval(&self, expr: &'v Expr) -> Value<'v> {
        let scope = Scope { view: self.view, policy: self.policy, progress: self.outcome };
        expr.eval(scope, &mut Trace::default())
    }
}

thread_local! {
    static EVALUATION: RefCell<Evaluation> = RefCell::default();
    static ARENA: RefCell<Bump> = RefCell::new(Bump::with_capacity(8 * 1024));
}

/// Lends the thread's arena, emptied. A call within a call gets one of its own.
pub fn with_arena<R>(of: impl FnOnce(&Bump) -> R) -> R {
    ARENA.with(|arena| match arena.try_borrow_mut() {
        Ok(mut arena) => {
            // A single huge request must not keep its memory for good.
            if arena.allocated_bytes() > 1024 * 1024 {
                *arena = Bump::with_capacity(8 * 1024);
            }
            arena.reset();
            of(&arena)
        }
        Err(_) => of(&Bump::new()),
    })
}

/// Lends the thread's evaluation, as `with_arena` does its arena.
fn with_evaluation<R>(of: impl FnOnce(&mut Evaluation) -> R) -> R {
    EVALUATION.with(|evaluation| match evaluation.try_borrow_mut() {
        Ok(mut evaluation) => of(&mut evaluation),
        Err(_) => of(&mut Evaluation::new()),
    })
}

/// The decision point of a process.
#[derive(Debug)]
pub struct Pdp {
    pub cache: Arc<Cache>,
    pub vocabulary: Arc<Vocabulary>,
    pub metrics: Arc<DecisionMetrics>,
    pub traces: Arc<Traces>,
    default_policy: Arc<str>,
    published: ArcSwapOption<Published>,
    pub observations: Arc<Observations>,
    /// How far a store has come, where there is one.
    durable: Option<Arc<Durable>>,
}

impl Pdp {
    pub fn new(
        cache: Arc<Cache>,
        vocabulary: Arc<Vocabulary>,
        metrics: Arc<DecisionMetrics>,
        observations: Arc<Observations>,
        default_policy: &str,
    ) -> Self {
        Pdp {
            cache,
            vocabulary,
            metrics,
            traces: Arc::default(),
            default_policy: default_policy.into(),
            published: ArcSwapOption::empty(),
            observations,
            durable: None,
        }
    }

    /// Records spans of what it is asked.
    #[must_use]
    pub fn traced(self, traces: Arc<Traces>) -> Self {
        Pdp { traces, ..self }
    }

    /// Has a store that keeps what the cache holds.
    #[must_use]
    pub fn kept(self, durable: Option<Arc<Durable>>) -> Self {
        Pdp { durable, ..self }
    }

    /// Where to wait for the store.
    ///
    /// # Errors
    /// Where there is none.
    pub fn durable(&self) -> Result<&Durable, NotDurable> {
        self.durable.as_deref().ok_or(NotDurable::NoStore)
    }

    /// The policy that a request meets which names none.
    pub fn default_policy(&self) -> &str {
        &self.default_policy
    }

    /// Makes a revision the one that decides, for all requests that begin from now on.
    pub fn publish(&self, published: Arc<Published>) {
        self.published.store(Some(published));
    }

    /// The revision that decides.
    pub fn published(&self) -> Guard<Option<Arc<Published>>> {
        self.published.load()
    }

    /// Decides `request` under the policy of that name (the default where empty)
    /// and hands the decision to `encode`.
    ///
    /// # Errors
    /// When there is no such policy; nothing was evaluated then.
    pub fn decide<R>(
        &self,
        published: &Published,
        policy: &str,
        request: &Request<'_>,
        arena: &Bump,
        encode: impl FnOnce(&Decided<'_, '_>) -> R,
    ) -> Result<R, Unanswered> {
        let began = Instant::now();
        let snapshot = &published.snapshot;
        let name = if policy.is_empty() { &*self.default_policy } else { policy };
        let unknown = || Unanswered::UnknownPolicy(name.chars().take(100).collect());
        let policy_id = snapshot.find(name).ok_or_else(unknown)?;
        let policy = snapshot.policy(policy_id).ok_or_else(unknown)?;
        let at = usize::from(policy_id.0);

        let kinds = published.kinds.get(at).copied().unwrap_or(Kinds::ALL);
        let records = self.cache.fetch(&request.entities, kinds, request.now);
        let loaded = published.feeds.load();
        let sources = Sources { cache: &self.cache, records: &records, feeds: &loaded, arena };
        let mut view = View::new(snapshot.slots.len(), request.now, request.enforces_limits);
        let missed = look_up(&snapshot.slots, &policy.reads, request, &[], &sources, &mut view);

        with_evaluation(|evaluation| {
            evaluate(snapshot, policy_id, &mut view, evaluation);
            let decided = Decided::of(snapshot, policy_id, &view, evaluation);
            let decided = decided.ok_or(Unanswered::NoPolicy)?;
            let answer = encode(&decided);
            self.observe(published, request, &decided);
            if let Some(metrics) = published.metrics.get(at) {
                let unknown = missed.unknown.iter().count() as u64;
                let (outcome, signals) = (decided.outcome, &missed.signals);
                metrics.record(policy, outcome, unknown, signals, began.elapsed());
            }
            Ok(answer)
        })
    }

    /// Leaves what the request teaches.
    fn observe(&self, published: &Published, request: &Request<'_>, decided: &Decided<'_, '_>) {
        let trusted = published.taught.trusts(decided.policy, decided.outcome);
        let push = |observation| self.observations.push(observation);
        let (snapshot, cache, view) = (&published.snapshot, &self.cache, decided.view);
        published.taught.observe(snapshot, cache, request, view, trusted, push);
    }
}
