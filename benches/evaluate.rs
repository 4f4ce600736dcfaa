//! Evaluation and look-up by themselves: nanoseconds, allocations, and, under
//! valgrind, instructions.
//!
//!     cargo bench --bench evaluate
//!     make bench-instructions
#![allow(clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use plimsoll::engine::{Evaluation, PolicyId, Snapshot, evaluate};
use plimsoll::model::{Reading, SlotId, Timestamp, Type, Value, View, Vocabulary};
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;

/// Counts what is allocated.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "only a global allocator sees every allocation")]
// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What callgrind counts: its name is what `--toggle-collect` looks for.
#[inline(never)]
fn measured_evaluate<'v>(
    snapshot: &'v Snapshot,
    policy: PolicyId,
    view: &mut View<'v>,
    evaluation: &mut Evaluation,
) {
    evaluate(snapshot, policy, view, evaluation);
    black_box(evaluation.outcome(policy).map(|outcome| outcome.score));
}

fn load(folder: &str) -> Snapshot {
    let set = SourceSet::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let (snapshot, diagnostics) = compile(&set, &Vocabulary::new());
    snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)))
}

/// A view with a value in every slot.
fn filled<'v>(snapshot: &Snapshot, now: Timestamp) -> View<'v> {
    let mut view = View::new(snapshot.slots.len(), now, false);
    for (at, slot) in snapshot.slots.iter().enumerate() {
        if matches!(slot.source, plimsoll::model::Source::Policy { .. }) {
            continue;
        }
        let value = match slot.ty {
            Type::Bool => Value::Bool(true),
            Type::Number => Value::Number(17.0),
            Type::Text | Type::Any => Value::Text("totp"),
            Type::Timestamp => Value::Timestamp(Timestamp::from_millis(now.millis() - 86_400_000)),
            Type::Duration => Value::Duration(60.0),
            _ => Value::Missing,
        };
        view.fill(SlotId(at as u32), Reading::from(value));
    }
    view
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `--count` is for valgrind: few calls, of the first policy or of the one named.
    let counting = arguments.iter().position(|a| a == "--count");
    let calls: u32 = if counting.is_some() { 100 } else { 300_000 };
    let only = counting.map(|at| arguments.get(at + 1).map_or("20 factors", |name| name));
    let now = Timestamp::from_millis(1_780_304_400_000);
    for (name, folder, policy) in [
        ("20 factors", "benches/policies", "session"),
        ("reputation", "policies", "reputation"),
        ("session with insider", "policies", "session"),
    ]
    .into_iter()
    .filter(|(name, _, _)| only.is_none_or(|only| *name == only))
    {
        let snapshot = load(folder);
        let policy = snapshot.find(policy).unwrap();
        let empty = filled(&snapshot, now);
        let mut evaluation = Evaluation::new();
        let mut view = empty.clone();
        measured_evaluate(&snapshot, policy, &mut view, &mut evaluation);
        // Results of composed policies stay filled; what is evaluated anew is the rest.
        let before = ALLOCATIONS.load(Relaxed);
        let began = Instant::now();
        for _ in 0..calls {
            measured_evaluate(&snapshot, policy, black_box(&mut view), &mut evaluation);
        }
        let took = began.elapsed().as_nanos() as f64 / f64::from(calls);
        let allocations = ALLOCATIONS.load(Relaxed) - before;
        let factors = snapshot.policy(policy).unwrap().factors.len();
        println!(
            "{name:<24} {factors:>3} factors {took:>8.0} ns {allocations:>6} allocations in {calls} calls"
        );
    }
}
