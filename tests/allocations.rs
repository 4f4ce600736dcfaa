//! Evaluation allocates nothing once its output has grown to the snapshot's size.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use plimsoll::engine::{Evaluation, evaluate};
use plimsoll::model::{Reading, SlotId, Timestamp, Type, Value, View, Vocabulary};
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "only a global allocator sees every allocation")]
// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends may allocate after its locals are gone.
        let _gone = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
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

#[test]
fn evaluation_allocates_nothing() {
    let set = SourceSet::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"));
    let (snapshot, diagnostics) = compile(&set, &Vocabulary::new());
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    assert_eq!(snapshot.policies.len(), 5, "all five policies are measured");
    let now = Timestamp::from_millis(1_780_304_400_000);
    let mut evaluation = Evaluation::new();
    for name in snapshot.by_name.values() {
        for known in [true, false] {
            let mut view = View::new(snapshot.slots.len(), now, known);
            for (at, slot) in snapshot.slots.iter().enumerate().filter(|_| known) {
                let value = match slot.ty {
                    Type::Bool => Value::Bool(true),
                    Type::Number => Value::Number(7.0),
                    Type::Text | Type::Any => Value::Text("x"),
                    Type::Timestamp => Value::Timestamp(Timestamp::EPOCH),
                    _ => Value::Missing,
                };
                view.fill(SlotId(u32::try_from(at).unwrap()), Reading::from(value));
            }
            // Regular expressions and outcomes make their buffers on first use.
            evaluate(&snapshot, *name, &mut view, &mut evaluation);
            let before = ALLOCATIONS.get();
            evaluate(&snapshot, *name, &mut view, &mut evaluation);
            assert_eq!(ALLOCATIONS.get() - before, 0, "{name:?}, all known: {known}");
        }
    }
}
