//! Dropping what is forgotten, and what there is no room for.

use std::sync::atomic::Ordering::Relaxed;

use super::table::seconds;
use super::{Cache, ENTITY_BYTES, SHARDS};
use crate::model::{Catalog, EntityKind, MAX_ENTITIES, SignalId, Timestamp};
use crate::signals::expected::is_announced;
use crate::signals::record::Record;

/// How many places are looked at between two looks at the limits, and at most
/// under one hold of a shard's lock.
const BATCH: usize = 256;

/// How many places are sampled to learn how old the oldest entities are.
const SAMPLE: usize = 512;

/// Where the last sweep ended.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    shard: usize,
    way: usize,
}

/// What one call of [`Cache::sweep`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub examined: usize,
    pub expired: usize,
    pub evicted: usize,
}

/// Until when entities must have been touched to stay.
struct Cutoffs {
    by_kind: [u32; MAX_ENTITIES],
    /// For any kind, while there is too much.
    eviction: Option<u32>,
    /// What holds announced windows, which stay until they are over.
    expected: [Option<SignalId>; MAX_ENTITIES],
    now: Timestamp,
}

impl Cache {
    /// Looks at up to about `budget` places (a table has about two an entity), going on where the last call ended, and
    /// drops entities of which nothing was heard for their kind's `forget_after`
    /// (a report is hearing, and so is a request about them). While the cache is
    /// past fifteen sixteenths of a limit, the longest untouched go as well, so
    /// that newcomers find room.
    ///
    /// Called from a cold thread. Shard locks are held for one batch at a time.
    pub fn sweep(&self, catalog: &Catalog, now: Timestamp, budget: usize) -> Swept {
        let mut cursor = self.cursor.lock();
        let cutoffs = self.cutoffs(catalog, now);
        let mut swept = Swept::default();
        let mut shards_left = SHARDS + 1;
        while swept.examined < budget && shards_left > 0 {
            let end = self.sweep_batch(&mut cursor, &cutoffs, &mut swept);
            if end {
                cursor.shard = (cursor.shard + 1) % SHARDS;
                cursor.way = 0;
                shards_left -= 1;
            }
        }
        self.counters.expired.fetch_add(swept.expired as u64, Relaxed);
        self.counters.evicted.fetch_add(swept.evicted as u64, Relaxed);
        swept
    }

    /// Sweeps one batch of places. Says whether the shard has no more. (A table
    /// that is rebuilt meanwhile shuffles them; the next round meets what this
    /// one missed.)
    fn sweep_batch(&self, cursor: &mut Cursor, cutoffs: &Cutoffs, swept: &mut Swept) -> bool {
        let Some(shard) = self.shards.get(cursor.shard) else { return true };
        let mut excess = if cutoffs.eviction.is_some() { self.excess() } else { 0 };
        let mut writer = shard.writer.lock();
        let table = shard.table.load();
        let end = table.ways().min(cursor.way + BATCH);
        for entry in (cursor.way..end).filter_map(|at| table.entry(at)) {
            let Some((tag, touched)) = entry.occupied() else { continue };
            let expired = touched < cutoffs.of(tag.kind())
                && !entry
                    .load()
                    .as_ref()
                    .is_some_and(|held| cutoffs.is_announced(Record::of(held)));
            let evicted = excess > 0 && cutoffs.eviction.is_some_and(|cutoff| touched <= cutoff);
            if (expired || evicted) && self.remove(shard, &mut writer, entry) {
                excess = excess.saturating_sub(1);
                swept.expired += usize::from(expired);
                swept.evicted += usize::from(!expired);
            }
        }
        swept.examined += end.saturating_sub(cursor.way);
        cursor.way = end;
        end == table.ways()
    }

    fn cutoffs(&self, catalog: &Catalog, now: Timestamp) -> Cutoffs {
        let mut by_kind = [0; MAX_ENTITIES];
        for entity in &catalog.entities {
            if let Some(after) = entity.forget_after
                && let Some(cutoff) = by_kind.get_mut(usize::from(entity.kind.0))
            {
                *cutoff = seconds(now).saturating_sub(after.clamp(0.0, f64::from(u32::MAX)) as u32);
            }
        }
        let mut expected = [None; MAX_ENTITIES];
        for declared in &catalog.expected {
            if let Some(place) = expected.get_mut(usize::from(declared.kind.0)) {
                *place = Some(declared.signal);
            }
        }
        Cutoffs { by_kind, eviction: self.eviction_cutoff(), expected, now }
    }

    /// How many entities are too many.
    fn excess(&self) -> usize {
        let entities = self.counters.entities.load(Relaxed);
        let bytes = self.counters.bytes.load(Relaxed);
        let mark = |limit: usize| limit - limit / 16;
        let too_many = entities.saturating_sub(mark(self.limits.max_entities));
        let an_entity = (bytes / entities.max(1)).max(ENTITY_BYTES);
        let too_much = bytes.saturating_sub(mark(self.limits.max_bytes)).div_ceil(an_entity);
        too_many.max(too_much)
    }

    /// The time before which the excess was last touched, estimated from a sample.
    fn eviction_cutoff(&self) -> Option<u32> {
        let excess = self.excess();
        if excess == 0 {
            return None;
        }
        let entities = self.counters.entities.load(Relaxed).max(1);
        let a_shard = SAMPLE / SHARDS;
        let mut sample = Vec::with_capacity(SAMPLE);
        for shard in &self.shards {
            let table = shard.table.load();
            let step = (table.ways() / a_shard).max(1);
            sample.extend(
                (0..table.ways())
                    .step_by(step)
                    .filter_map(|at| table.entry(at)?.occupied())
                    .map(|(_, touched)| touched),
            );
        }
        sample.sort_unstable();
        let at = (sample.len() * excess / entities).min(sample.len().saturating_sub(1));
        sample.get(at).copied()
    }
}

impl Cutoffs {
    fn is_announced(&self, record: Record<'_>) -> bool {
        let signal = self.expected.get(usize::from(record.kind().0)).copied().flatten();
        signal.is_some_and(|signal| is_announced(record, signal, self.now))
    }

    fn of(&self, kind: EntityKind) -> u32 {
        self.by_kind.get(usize::from(kind.0)).copied().unwrap_or(0)
    }
}
