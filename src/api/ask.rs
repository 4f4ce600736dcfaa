//! Putting a question to the decision point, for every caller that names its
//! entities itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::pdp::{Decided, Pdp, Published, Unanswered, with_arena};
use super::question::Question;
use crate::engine::Snapshot;
use crate::model::{Timestamp, suggest};
use crate::telemetry::{DecisionMetrics, Span};

/// Why a question was not answered. Its text is safe to send to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no policy is loaded yet")]
    NoPolicy,
    #[error("unknown policy `{name}`{hint}")]
    UnknownPolicy { name: String, hint: String },
    /// Says at which place.
    #[error("{0}")]
    Malformed(String),
    #[error("the evaluation failed")]
    Panicked,
}

impl Refusal {
    /// Counts it by its cause.
    pub fn count(&self, metrics: &DecisionMetrics) {
        let refused = &metrics.refused;
        let counter = match self {
            Refusal::NoPolicy => &refused.no_policy,
            Refusal::UnknownPolicy { .. } => &refused.unknown_policy,
            Refusal::Malformed(_) => &refused.malformed,
            Refusal::Panicked => &refused.panicked,
        };
        counter.add(1);
    }

    /// Its cause, as metrics name it.
    fn cause(&self) -> &'static str {
        match self {
            Refusal::NoPolicy => "no_policy",
            Refusal::UnknownPolicy { .. } => "unknown_policy",
            Refusal::Malformed(_) => "malformed",
            Refusal::Panicked => "panicked",
        }
    }
}

/// Decides `question` and hands the decision to `encode`. A refusal is counted,
/// and `span` told what came of it.
pub fn ask<R>(
    pdp: &Pdp,
    published: &Published,
    question: &Question,
    now: Timestamp,
    mut span: Option<Span<'_>>,
    encode: impl FnOnce(&Decided<'_, '_>) -> R,
) -> Result<R, Refusal> {
    let snapshot = &published.snapshot;
    let answered = guarded(|| {
        with_arena(|arena| {
            let request = question
                .request(snapshot, &pdp.vocabulary, now, arena)
                .map_err(|why| Refusal::Malformed(why.to_string()))?;
            let encode = |decided: &Decided<'_, '_>| {
                decided.tell(span.as_mut());
                encode(decided)
            };
            pdp.decide(published, &question.policy, &request, arena, encode)
                .map_err(|why| refusal(why, snapshot))
        })
    });
    answered.unwrap_or(Err(Refusal::Panicked)).inspect_err(|why| {
        why.count(&pdp.metrics);
        if let Some(span) = &mut span {
            span.refused(why.cause());
        }
    })
}

/// A panic costs the one who asked, and nobody else. The hook has logged it.
pub(super) fn guarded<R>(of: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(of)).ok()
}

fn refusal(why: Unanswered, snapshot: &Snapshot) -> Refusal {
    match why {
        Unanswered::NoPolicy => Refusal::NoPolicy,
        Unanswered::UnknownPolicy(name) => {
            let mut names: Vec<&str> = snapshot.by_name.keys().map(|name| &**name).collect();
            names.sort_unstable();
            let hint = match suggest(&name, names) {
                Some(near) => format!(": did you mean `{near}`?"),
                None => String::new(),
            };
            Refusal::UnknownPolicy { name, hint }
        }
    }
}
