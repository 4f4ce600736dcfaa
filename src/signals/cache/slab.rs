//! The slots of one shard: places that stay where they are while records come and go.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU32};

use arc_swap::{ArcSwapAny, Guard};

use super::super::record::Stored;
use crate::model::{EntityKind, Timestamp};

/// How seldom a reader notes that it was there (seconds): the order of eviction
/// needn't be finer, and a busy entity's slot stays unwritten, hence shared
/// between cores.
const TOUCH_STEP: u32 = 16;

const VACANT: u8 = u8::MAX;

/// Where one entity's present record hangs.
#[derive(Debug)]
pub(super) struct Slot {
    record: ArcSwapAny<Option<Stored>>,
    /// Seconds since the epoch at which the entity was last written or asked for.
    touched: AtomicU32,
    /// So that a sweep needn't look into records.
    kind: AtomicU8,
}

impl Slot {
    fn vacant() -> Self {
        Slot {
            record: ArcSwapAny::new(None),
            touched: AtomicU32::new(0),
            kind: AtomicU8::new(VACANT),
        }
    }

    /// The present record, kept alive by the guard without counting references.
    pub(super) fn load(&self) -> Guard<Option<Stored>> {
        self.record.load()
    }

    pub(super) fn store(&self, record: Stored, now: Timestamp) {
        self.record.store(Some(record));
        self.touch(seconds(now));
    }

    pub(super) fn occupy(&self, kind: EntityKind, record: Stored, now: Timestamp) {
        self.record.store(Some(record));
        self.touched.store(seconds(now), Relaxed);
        self.kind.store(kind.0, Relaxed);
    }

    pub(super) fn vacate(&self) -> Option<Stored> {
        self.kind.store(VACANT, Relaxed);
        self.record.swap(None)
    }

    pub(super) fn touch(&self, now: u32) {
        if now.saturating_sub(self.touched.load(Relaxed)) >= TOUCH_STEP {
            self.touched.store(now, Relaxed);
        }
    }

    /// The kind of what is in the slot and when it was last touched.
    pub(super) fn occupied(&self) -> Option<(EntityKind, u32)> {
        match self.kind.load(Relaxed) {
            VACANT => None,
            kind => Some((EntityKind(kind), self.touched.load(Relaxed))),
        }
    }
}

/// Seconds since the epoch, as slots count them: enough until 2106.
pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.millis().max(0) / 1000).unwrap_or(u32::MAX)
}

const FIRST: u32 = 16;
const CHUNKS: usize = 26;

/// Slots in chunks that double: a slot never moves, and its address is a matter
/// of two loads.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: [OnceLock<Box<[Slot]>>; CHUNKS],
}

impl Default for Slab {
    fn default() -> Self {
        Slab { chunks: [const { OnceLock::new() }; CHUNKS] }
    }
}

impl Slab {
    pub(super) fn slot(&self, number: u32) -> Option<&Slot> {
        let (chunk, at) = place(number)?;
        self.chunks.get(chunk)?.get()?.get(at)
    }

    /// The slot, made if it wasn't there; `None` past the last possible one.
    pub(super) fn slot_or_grow(&self, number: u32) -> Option<&Slot> {
        let (chunk, at) = place(number)?;
        let slots = self
            .chunks
            .get(chunk)?
            .get_or_init(|| (0..(FIRST as usize) << chunk).map(|_| Slot::vacant()).collect());
        slots.get(at)
    }
}

/// Chunk `k` has `FIRST << k` slots.
fn place(number: u32) -> Option<(usize, usize)> {
    let shifted = number.checked_add(FIRST)?;
    let chunk = shifted.ilog2() - FIRST.ilog2();
    Some((chunk as usize, (shifted - (FIRST << chunk)) as usize))
}
