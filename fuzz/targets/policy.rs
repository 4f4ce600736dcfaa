//! Any bytes as a policy folder: loading ends, and what loads evaluates.

use plimsoll::engine::{Evaluation, PolicyId, evaluate};
use plimsoll::model::{Timestamp, View, Vocabulary};
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;

pub fn run(bytes: &[u8]) {
    let set = SourceSet::from_memory([("policy.yaml", bytes)]);
    let (snapshot, diagnostics) = compile(&set, &Vocabulary::new());
    assert_eq!(snapshot.is_none(), diagnostics.has_errors());
    diagnostics.render(false);
    let Some(snapshot) = snapshot else { return };
    let mut evaluation = Evaluation::new();
    for at in 0..snapshot.policies.len() {
        let id = PolicyId(at as u16);
        let mut view =
            View::new(snapshot.slots.len(), Timestamp::from_millis(1_780_304_400_000), true);
        evaluate(&snapshot, id, &mut view, &mut evaluation);
        let outcome = evaluation.outcome(id).unwrap();
        let range = snapshot.policies[at].range;
        assert!((range.min..=range.max).contains(&outcome.score));
    }
}
