//! Handing profiles to where they outlive the process, and taking them from there
//! when their entity is observed again.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::{Learner, span};
use crate::learn::kept::{InCommon, Kept, KeptMeasure, Shelf, Unread};
use crate::learn::profile::Profile;
use crate::learn::words;
use crate::model::{EntityKind, Measure, MeasureId, Measured, Timestamp};
use crate::signals::Summary;

/// So many profiles that could not be read are tried again at once.
const AT_ONCE: usize = 256;

/// A shelf, and what it has yet to be told.
#[derive(Debug)]
pub(super) struct Keeping {
    shelf: Box<dyn Shelf>,
    changed: HashSet<(EntityKind, Box<str>)>,
    common_changed: bool,
    unread: NotRead,
    labels: Labels,
    /// Some labels are of kinds that the catalog has not named yet.
    labels_unnamed: bool,
    /// Where the links that are not back yet begin.
    links_from: Option<Vec<u8>>,
    /// Profiles that time changes, or links, came back at the last look: there may be more.
    profiles_came: bool,
    links_came: bool,
}

/// What could not be read when it was needed. It is not written over: what is learned
/// meanwhile goes once it can be read, and is there.
#[derive(Debug, Default)]
struct NotRead {
    profiles: HashSet<(EntityKind, Box<str>)>,
    common: Vec<InCommon>,
}

/// How far the labels that are kept are back.
#[derive(Debug, Default)]
enum Labels {
    /// The catalog has not named the kinds yet.
    #[default]
    Unnamed,
    /// Those from a key on are not.
    From(Vec<u8>),
    Back,
}

impl Learner {
    /// Keeps profiles on `shelf`, and goes on from what is there.
    pub fn keep_on(&mut self, mut shelf: Box<dyn Shelf>) {
        let mut unread = NotRead::default();
        for of in InCommon::ALL {
            match shelf.find_common(of) {
                Ok(kept) => self.common.restore(of, kept.unwrap_or_default().measures),
                Err(Unread) => unread.common.push(of),
            }
        }
        self.links.keep_from_now();
        self.keeping = Some(Keeping {
            shelf,
            changed: HashSet::new(),
            common_changed: false,
            unread,
            labels: Labels::default(),
            labels_unnamed: false,
            links_from: None,
            profiles_came: false,
            links_came: false,
        });
    }

    /// The catalog has named the kinds, or others: labels that are kept can be put back.
    pub(super) fn begin_labels(&mut self) {
        if let Some(keeping) = &mut self.keeping
            && (matches!(keeping.labels, Labels::Unnamed) || keeping.labels_unnamed)
        {
            keeping.labels_unnamed = false;
            keeping.labels = Labels::From(Vec::new());
        }
        self.restore_labels();
    }

    /// Whether labels that are kept are not back yet: until they are, nobody teaches.
    pub fn lacks_labels(&self) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| matches!(keeping.labels, Labels::From(_)))
    }

    /// Puts back the labels that are kept, all together, or as far as they can be read.
    pub(super) fn restore_labels(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        while let Labels::From(from) = &keeping.labels {
            let Ok(page) = keeping.shelf.labels(from) else { return };
            for (kind, id, label) in &page.entries {
                self.links.restore_label(*kind, id, label);
            }
            keeping.labels_unnamed |= page.unnamed;
            keeping.labels = page.next.map_or(Labels::Back, Labels::From);
        }
    }

    /// Whether some of what is kept, and stands in memory, is not back yet.
    pub fn is_catching_up(&self) -> bool {
        let left = |keeping: &Keeping| keeping.profiles_came || keeping.links_came;
        self.keeping.as_ref().is_some_and(left)
    }

    /// Has the links that are kept put back: the plan says what they are.
    pub(super) fn restore_links(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            keeping.links_from = Some(Vec::new());
            self.links.begin_restoring();
        }
    }

    /// Puts some more of the links back.
    pub(super) fn restore_some_links(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        keeping.links_came = false;
        let Some(from) = &keeping.links_from else { return };
        let Ok(page) = keeping.shelf.links(from) else { return };
        for (kind, id, links) in &page.entries {
            self.links.restore(&self.plan.links, *kind, id, links);
        }
        keeping.links_from = page.next;
        keeping.links_came = keeping.links_from.is_some();
        if keeping.links_from.is_none() {
            self.links.end_restoring();
        }
    }

    /// Labels are kept as they come: a person gave them.
    pub(super) fn keep_labels(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            self.links.keep_labels(&mut *keeping.shelf);
        }
    }

    /// The place of the entity's profile: the one that is kept, or a new one.
    pub(super) fn find_or_take(&mut self, kind: EntityKind, id: &str, at: Timestamp) -> usize {
        if self.keeping.is_some() && self.profiles.find(kind, id).is_none() {
            if self.profiles.is_full() {
                // One goes for the new one: with all that was learned of it.
                self.keep();
            }
            self.take(kind, id, at);
        }
        self.profiles.find_or_make(kind, id, at)
    }

    /// Takes a profile from the shelf, where it is there.
    fn take(&mut self, kind: EntityKind, id: &str, now: Timestamp) {
        let Some(keeping) = &mut self.keeping else { return };
        let kept = match keeping.shelf.find(kind, id) {
            Ok(Some(kept)) => kept,
            Ok(None) => return,
            Err(Unread) => return self.note_unread(kind, id),
        };
        self.put_back(kind, id, kept, now);
    }

    /// Puts a profile that was kept in the place of the one there is.
    fn put_back(&mut self, kind: EntityKind, id: &str, kept: Kept, now: Timestamp) {
        if self.profiles.is_full() && self.profiles.find(kind, id).is_none() {
            // One goes for it: with all that was learned of it.
            self.keep();
        }
        let Some(keeping) = &mut self.keeping else { return };
        let seen = words::from_seconds(kept.seen);
        if now.millis() >= seen.millis().saturating_add(span(self.bounds.retention)) {
            keeping.shelf.remove(kind, id);
            // What was learned meanwhile stays.
            keeping.changed.insert((kind, id.into()));
            return;
        }
        let mut profile = Profile::new(kind, id, seen);
        let ids = kept.measures.iter().map(|kept| kept.measure);
        profile.rewrite(
            &mut self.scratch,
            ids,
            |_| false,
            |head, _, out| {
                let kept = kept.measures.iter().find(|kept| kept.measure.0 == head.measure)?;
                out.extend_from_slice(&kept.words);
                Some(kept.time)
            },
        );
        // Looked at once time goes on: much may have become due meanwhile.
        profile.due = now.millis();
        self.timers.push(Reverse((profile.due, self.profiles.hash(kind, id))));
        let place = self.profiles.find_or_make(kind, id, seen);
        if let Some(made) = self.profiles.get_mut(place) {
            *made = profile;
        }
    }

    /// Takes the profiles of entities of whom the cache says something that time changes.
    pub(super) fn take_restored(&mut self, now: Timestamp) {
        let Some(keeping) = &mut self.keeping else { return };
        let restored = keeping.shelf.restored();
        keeping.profiles_came = !restored.is_empty();
        for (kind, id) in restored {
            if self.profiles.find(kind, &id).is_none() {
                self.take(kind, &id, now);
            }
            self.close_windows(kind, &id, now);
        }
    }

    /// Says of windows of which nothing is known here that nothing is in them: what a record
    /// says would stay so for ever, where the profile was lost.
    fn close_windows(&mut self, kind: EntityKind, id: &str, now: Timestamp) {
        let is_unread = |keeping: &Keeping| keeping.unread.profiles.contains(&(kind, id.into()));
        if self.keeping.as_ref().is_some_and(is_unread) {
            return;
        }
        let profile = self.profiles.find(kind, id).and_then(|place| self.profiles.get(place));
        let knows = |measure: &Measure| {
            profile.is_some_and(|p| p.measures().any(|(head, _)| head.measure == measure.id.0))
        };
        let is_window = |measure: &&Measure| {
            measure.kind == kind && matches!(measure.of, Measured::Window { .. })
        };
        let lost = self.plan.measures().iter().filter(is_window).filter(|measure| !knows(measure));
        // A refused write is counted by the cache.
        let _refused = self.cache.derive(kind, id, now, |record| {
            for measure in lost {
                if record.tells(measure.id) {
                    record.summarise(measure.id, &Summary::Window(0.0));
                }
            }
        });
    }

    fn note_unread(&mut self, kind: EntityKind, id: &str) {
        let Some(keeping) = &mut self.keeping else { return };
        let unread = &mut keeping.unread.profiles;
        // One that is not in memory is read again when its entity is observed.
        if unread.len() >= self.bounds.max_profiles.saturating_mul(2) {
            unread.retain(|(kind, id)| self.profiles.find(*kind, id).is_some());
        }
        unread.insert((kind, id.into()));
    }

    /// Tries again what could not be read. What was learned for longer stays: what is kept
    /// takes the place of what was learned meanwhile.
    pub(super) fn read_again(&mut self, now: Timestamp) {
        let Some(keeping) = &mut self.keeping else { return };
        while let Some(of) = keeping.unread.common.last().copied() {
            let Ok(kept) = keeping.shelf.find_common(of) else { return };
            self.common.restore(of, kept.unwrap_or_default().measures);
            keeping.unread.common.pop();
            keeping.common_changed = true;
        }
        if keeping.unread.profiles.is_empty() {
            return;
        }
        let some: Vec<_> = keeping.unread.profiles.iter().take(AT_ONCE).cloned().collect();
        for entity in some {
            let Some(keeping) = &mut self.keeping else { return };
            let Ok(kept) = keeping.shelf.find(entity.0, &entity.1) else { return };
            keeping.unread.profiles.remove(&entity);
            match kept {
                Some(kept) => {
                    let ids = kept.measures.iter().map(|kept| kept.measure).collect();
                    self.put_back(entity.0, &entity.1, kept, now);
                    // The cache was told what was learned meanwhile.
                    if let Some(place) = self.profiles.find(entity.0, &entity.1) {
                        self.changed = ids;
                        self.tell_passed(place, now);
                    }
                }
                None => {
                    keeping.changed.insert(entity.clone());
                    self.close_windows(entity.0, &entity.1, now);
                }
            }
        }
    }

    pub(super) fn note_changed(&mut self, kind: EntityKind, id: &str) {
        if let Some(keeping) = &mut self.keeping {
            keeping.changed.insert((kind, id.into()));
            keeping.common_changed = true;
        }
    }

    pub(super) fn note_removed(&mut self, kind: EntityKind, id: &str) {
        if let Some(keeping) = &mut self.keeping {
            let entity = (kind, id.into());
            keeping.changed.remove(&entity);
            keeping.unread.profiles.remove(&entity);
            keeping.shelf.remove(kind, id);
        }
    }

    /// Puts what has changed since the last time onto the shelf; what is large now and then.
    pub fn keep(&mut self) {
        self.keep_all(false);
    }

    /// Puts all that has changed onto the shelf, at the end.
    pub fn keep_at_once(&mut self) {
        self.keep_all(true);
        // Of who came before all links were back, some are known only with the others.
        while self.links.is_restoring() {
            self.restore_some_links();
            let Some(keeping) = &mut self.keeping else { return };
            if !keeping.links_came {
                self.links.keep(&mut *keeping.shelf);
                return;
            }
        }
    }

    fn keep_all(&mut self, at_once: bool) {
        let Some(keeping) = &mut self.keeping else { return };
        for (kind, id) in keeping.changed.drain() {
            if keeping.unread.profiles.contains(&(kind, id.clone())) {
                continue;
            }
            let place = self.profiles.find(kind, &id);
            let Some(profile) = place.and_then(|place| self.profiles.get(place)) else { continue };
            let measures = profile.measures().map(|(head, words)| KeptMeasure {
                measure: MeasureId(head.measure),
                time: head.time,
                words: words.to_vec(),
            });
            let seen = words::seconds(profile.seen());
            keeping.shelf.put(kind, &id, &Kept { seen, measures: measures.collect() });
        }
        self.links.keep(&mut *keeping.shelf);
        if std::mem::take(&mut keeping.common_changed) {
            let measures = self.common.kept_usual();
            if !keeping.unread.common.contains(&InCommon::Usual) {
                keeping.shelf.put_common(InCommon::Usual, &Kept { seen: 0, measures });
            }
            if !keeping.unread.common.contains(&InCommon::Spreads)
                && let Some(measures) = self.common.kept_spreads()
            {
                keeping.shelf.put_common(InCommon::Spreads, &Kept { seen: 0, measures });
            }
        }
        if !keeping.unread.common.contains(&InCommon::Crowds)
            && let Some(measures) = self.common.kept_crowds(at_once)
        {
            keeping.shelf.put_common(InCommon::Crowds, &Kept { seen: 0, measures });
        }
    }

    /// Forgets all that was learned of an entity, and what the cache was told of it.
    pub(super) fn forget(&mut self, kind: EntityKind, id: &str, now: Timestamp) {
        if let Some(place) = self.profiles.find(kind, id) {
            self.profiles.remove(place);
        }
        self.note_removed(kind, id);
        self.waiting.forget(kind, id);
        self.links.forget(&self.plan.links, kind, id);
        if let Some(keeping) = &mut self.keeping {
            keeping.shelf.put_label(kind, id, None);
            keeping.shelf.put_links(kind, id, &[]);
            // Labels and links of others name it as well, and who asked is about to be told.
            self.links.keep_labels(&mut *keeping.shelf);
            self.links.keep(&mut *keeping.shelf);
        }
        // It may have been told once more, between the forgetting there and here.
        let Some(held) = self.cache.read(kind, id) else { return };
        if held.record().is_some_and(|record| record.cells().len() == 0) {
            self.cache.forget(kind, id);
        } else {
            // A refused write is counted by the cache.
            let _refused = self.cache.update(kind, id, now, |record| record.unlearn());
        }
    }
}
