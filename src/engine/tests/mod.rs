//! The engine, driven on views that are filled by hand.

mod combining;
mod counterfactual;
mod expected;
mod missing;
mod properties;
mod replay;
mod rules;

use crate::engine::{Evaluation, Outcome, Snapshot, evaluate};
use crate::model::{Reading, SlotId, Timestamp, Value, View, Vocabulary};
use crate::policy::compile::compile;
use crate::policy::source::SourceSet;

/// Signals of every type that the tests' policies read.
const CATALOG: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
entities: {session: {forget_after: 12h}}
expected:
  travel: {entity: user, at_most: 30d}
  on_call: {entity: user, at_most: 14d}
signals:
  user.a: {type: number}
  user.b: {type: number}
  user.c: {type: number}
  user.d: {type: number}
  user.e: {type: number}
  user.managed: {type: bool}
  user.ported_at: {type: timestamp}
  user.role: {type: enum, values: [member, lead, admin]}
  session.acr: {type: string}
  session.amr: {type: set}
  session.authenticated_at: {type: timestamp}
"#;

/// 2026-06-01T09:00:00Z
const NOW: Timestamp = Timestamp::from_millis(1_780_304_400_000);

/// Compiles the tests' catalog with the given documents; panics with the diagnostics.
fn compiled(documents: &str) -> Snapshot {
    let set = SourceSet::from_memory([("catalog.yaml", CATALOG), ("policy.yaml", documents)]);
    let (snapshot, diagnostics) = compile(&set, &Vocabulary::new());
    snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)))
}

/// A policy named `p` whose score is the plain sum of the given body.
fn policy(body: &str) -> Snapshot {
    let body = body.trim_matches('\n');
    compiled(&format!(
        "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {{name: p}}\n{body}\n"
    ))
}

/// One request: the slots that have a value.
struct Asked<'v> {
    snapshot: &'v Snapshot,
    view: View<'v>,
    evaluation: Evaluation,
}

impl<'v> Asked<'v> {
    fn of(snapshot: &'v Snapshot, slots: &[(&str, Value<'v>)]) -> Self {
        let mut asked = Asked {
            snapshot,
            view: View::new(snapshot.slots.len(), NOW, false),
            evaluation: Evaluation::new(),
        };
        for (name, value) in slots {
            asked = asked.with(name, Reading::from(*value));
        }
        asked
    }

    fn with(mut self, name: &str, reading: Reading<'v>) -> Self {
        // A slot that no expression reads has no number.
        if let Some(at) = self.snapshot.slots.iter().position(|slot| *slot.name == *name) {
            self.view.fill(SlotId(u32::try_from(at).unwrap()), reading);
        }
        self
    }

    fn enforcing(mut self) -> Self {
        self.view.enforces_limits = true;
        self
    }

    fn outcome(&mut self) -> &Outcome {
        self.outcome_of("p")
    }

    fn outcome_of(&mut self, policy: &str) -> &Outcome {
        let id = self.snapshot.find("p").unwrap();
        evaluate(self.snapshot, id, &mut self.view, &mut self.evaluation);
        let id = self.snapshot.find(policy).unwrap();
        self.evaluation.outcome(id).unwrap()
    }
}

/// The contributions and the range's minimum, summed as people would.
fn sum_of_parts(snapshot: &Snapshot, outcome: &Outcome) -> f64 {
    let policy = snapshot.policy(outcome.policy.unwrap()).unwrap();
    policy.range.min
        + outcome.prior
        + outcome.factors.iter().map(|f| f.contribution).sum::<f64>()
        + outcome.expected.iter().map(|e| e.contribution).sum::<f64>()
        + outcome.adjustments.iter().map(|a| a.contribution).sum::<f64>()
}
