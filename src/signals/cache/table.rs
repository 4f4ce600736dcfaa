//! One shard's table: from a key to the entity's record in two steps of memory,
//! the bucket and the record.
//!
//! A bucket is one cache line with four ways: a record pointer, a tag and the
//! time of the last touch each. An entity stays in its way until it is dropped or
//! the table is rebuilt, and its record is swapped in place.
//!
//! Readers take no lock. The shard's one writer publishes a way by its tag
//! (`Release`), after the record; a tag is only a hint, and whoever follows it
//! compares the record's own kind and id. So a reader that meets a way which was
//! given to another entity meanwhile sees that its entity is gone, which is so.
//! A rebuild fills a new table before readers can see it; who still reads the old
//! one sees what was there a moment ago.

use std::mem::{ManuallyDrop, take};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::key::Tag;
// The model checker's own ones when it runs this file: see `model_check`.
use super::primitives::{AtomicU32, Guard, Pointer};
use crate::model::{EntityKind, Timestamp};
use crate::signals::record::{Record, Stored};

pub(super) type Loaded = Guard<Option<Stored>>;

/// How seldom a reader notes that it was there (seconds): the order of eviction
/// needn't be finer, and a busy entity's bucket stays unwritten, hence shared
/// between cores.
const TOUCH_STEP: u32 = 16;

pub(super) const WAYS: usize = 4;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// Freed by the bucket's own `drop`.
    records: [ManuallyDrop<Pointer<Option<Stored>>>; WAYS],
    tags: [AtomicU32; WAYS],
    /// Seconds since the epoch at which the entity was last written or asked for.
    touched: [AtomicU32; WAYS],
}

pub(super) const BUCKET_BYTES: usize = size_of::<Bucket>();

#[derive(Debug)]
pub(super) struct Table {
    buckets: Box<[Bucket]>,
    /// There are `1 << bits` buckets.
    bits: u32,
}

/// One way of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'t> {
    record: &'t Pointer<Option<Stored>>,
    tag: &'t AtomicU32,
    touched: &'t AtomicU32,
}

impl Table {
    /// A table with room for `entities` at half load.
    fn for_entities(entities: usize) -> Self {
        let buckets = (entities * 2).div_ceil(WAYS).next_power_of_two();
        let bits = buckets.ilog2().min(Tag::HASH_BITS);
        Table { buckets: (0..1usize << bits).map(|_| Bucket::default()).collect(), bits }
    }

    pub(super) fn ways(&self) -> usize {
        self.buckets.len() * WAYS
    }

    pub(super) fn entry(&self, at: usize) -> Option<Entry<'_>> {
        self.buckets.get(at / WAYS)?.entry(at % WAYS)
    }

    /// The first entry with this tag: the entity's, but for one in thousands.
    pub(super) fn first(&self, tag: Tag) -> Option<Entry<'_>> {
        self.candidates(tag).next()
    }

    /// The entity's entry and its record.
    pub(super) fn find(&self, tag: Tag, kind: EntityKind, id: &str) -> Option<(Entry<'_>, Loaded)> {
        self.candidates(tag).find_map(|entry| {
            let loaded = entry.load();
            Record::of(loaded.as_ref()?).is_of(kind, id).then_some((entry, loaded))
        })
    }

    fn candidates(&self, tag: Tag) -> impl Iterator<Item = Entry<'_>> {
        let mut ended = false;
        self.probe(tag)
            .take_while(move |bucket| {
                // An entity never stands past a bucket that had room for it.
                let last = ended;
                ended = bucket.tags.iter().any(|tag| tag.load(Acquire) == Tag::EMPTY);
                !last
            })
            .flat_map(move |bucket| {
                (0..WAYS).filter_map(move |way| {
                    bucket.entry(way).filter(|entry| entry.tag.load(Acquire) == tag.word())
                })
            })
    }

    /// The buckets from the tag's own on, each once.
    fn probe(&self, tag: Tag) -> impl Iterator<Item = &Bucket> {
        let start = tag.bucket(self.bits);
        let (before, from) = self.buckets.split_at_checked(start).unwrap_or_default();
        from.iter().chain(before)
    }

    /// Puts a record where there is room for it. Says whether a way was used that
    /// never was before; `None` when the table is full.
    fn insert(&self, tag: Tag, record: Stored, touched: u32) -> Option<bool> {
        let entry = self.probe(tag).find_map(|bucket| {
            (0..WAYS).filter_map(|way| bucket.entry(way)).find(|entry| is_vacant(entry.tag))
        })?;
        let fresh = entry.tag.load(Relaxed) == Tag::EMPTY;
        entry.record.store(Some(record));
        entry.touched.store(touched, Relaxed);
        // Last: who finds the tag finds the record.
        entry.tag.store(tag.word(), Release);
        Some(fresh)
    }

    /// As `insert`, into a table that nobody else sees yet: there are no readers to look for.
    fn fill(&mut self, tag: Tag, record: Stored, touched: u32) -> Option<()> {
        let (start, count) = (tag.bucket(self.bits), self.buckets.len());
        let is_free = |at: &usize| {
            self.buckets.get(*at).is_some_and(|bucket| bucket.tags.iter().any(is_vacant))
        };
        let at = (start..count).chain(0..start).find(is_free)?;
        let bucket = self.buckets.get_mut(at)?;
        let way = bucket.tags.iter().position(is_vacant)?;
        *bucket.records.get_mut(way)? = ManuallyDrop::new(Pointer::new(Some(record)));
        bucket.touched.get(way)?.store(touched, Relaxed);
        bucket.tags.get(way)?.store(tag.word(), Relaxed);
        Some(())
    }
}

/// A pointer that is freed looks through all threads for those that still read by it,
/// and most of an old table's never pointed anywhere.
impl Drop for Bucket {
    fn drop(&mut self) {
        for (record, tag) in self.records.iter_mut().zip(&self.tags) {
            if !is_vacant(tag) {
                drop(ManuallyDrop::into_inner(take(record)));
            }
        }
    }
}

/// Nothing stands behind the tag.
fn is_vacant(tag: &AtomicU32) -> bool {
    matches!(tag.load(Relaxed), Tag::EMPTY | Tag::GONE)
}

impl Bucket {
    fn entry(&self, way: usize) -> Option<Entry<'_>> {
        let (record, tag) = (self.records.get(way)?, self.tags.get(way)?);
        Some(Entry { record, tag, touched: self.touched.get(way)? })
    }
}

impl Entry<'_> {
    /// The present record, kept alive by the guard without counting references.
    pub(super) fn load(&self) -> Loaded {
        self.record.load()
    }

    pub(super) fn store(&self, record: Stored) {
        self.record.store(Some(record));
    }

    pub(super) fn touch(&self, now: u32) {
        if now.saturating_sub(self.touched.load(Relaxed)) >= TOUCH_STEP {
            self.touched.store(now, Relaxed);
        }
    }

    /// Whose entry this is, where it is anyone's, and when it was last touched.
    pub(super) fn occupied(&self) -> Option<(Tag, u32)> {
        let tag = Tag::of_word(self.tag.load(Relaxed))?;
        Some((tag, self.touched.load(Relaxed)))
    }
}

/// A shard's table, and what only the shard's writer knows of it.
#[derive(Debug)]
pub(super) struct Published(Pointer<Arc<Table>>);

#[derive(Debug, Default)]
pub(super) struct Filling {
    live: usize,
    /// Ways that are or once were in use: a look for something absent passes them.
    used: usize,
}

impl Default for Published {
    fn default() -> Self {
        Published(Pointer::new(Arc::new(Table::for_entities(WAYS))))
    }
}

impl Published {
    pub(super) fn load(&self) -> Guard<Arc<Table>> {
        self.0.load()
    }

    /// Adds an entity that isn't there yet, in a larger table if need be.
    pub(super) fn insert(
        &self,
        filling: &mut Filling,
        tag: Tag,
        record: Stored,
        now: Timestamp,
    ) -> bool {
        let table = self.load();
        // Seven tenths full, counting what is gone: probes stay short.
        let crowded = (filling.used + 1) * 10 > table.ways() * 7;
        let table = if crowded { self.rebuild(filling, &table) } else { Guard::into_inner(table) };
        let Some(fresh) = table.insert(tag, record, seconds(now)) else { return false };
        filling.live += 1;
        filling.used += usize::from(fresh);
        true
    }

    /// Takes the entity out of an entry.
    pub(super) fn remove(&self, filling: &mut Filling, entry: Entry<'_>) -> Option<Stored> {
        entry.tag.store(Tag::GONE, Relaxed);
        let record = entry.record.swap(None);
        filling.live -= usize::from(record.is_some());
        record
    }

    pub(super) fn rebuild(&self, filling: &mut Filling, old: &Table) -> Arc<Table> {
        let mut table = Table::for_entities((filling.live + 1).max(WAYS));
        filling.used = 0;
        for entry in (0..old.ways()).filter_map(|at| old.entry(at)) {
            if let Some((tag, touched)) = entry.occupied()
                && let Some(record) = entry.record.load_full()
            {
                filling.used += usize::from(table.fill(tag, record, touched).is_some());
            }
        }
        let table = Arc::new(table);
        self.0.store(table.clone());
        table
    }
}

/// Seconds since the epoch, as entries count them: enough until 2106.
pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.millis().max(0) / 1000).unwrap_or(u32::MAX)
}
