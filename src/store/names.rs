//! The numbers that the store gave to kinds, signals and measures, and whom they stand
//! for in this process. A number is never given twice.

use std::sync::Arc;

use crate::model::{EntityKind, MeasureId, SignalId, SignalType, Vocabulary};

const KIND: u8 = b'k';
const SIGNAL: u8 = b's';
const MEASURE: u8 = b'm';

/// A key and a value that are to be written.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

#[derive(Debug, Default)]
pub(super) struct Names {
    kinds: Vec<Option<Arc<str>>>,
    /// How many of the kinds were there at the start: of later ones nothing was kept.
    kinds_read: usize,
    signals: Vec<Option<Signal>>,
    measures: Vec<Option<Arc<str>>>,
    /// By this process's numbers, those of the store that were asked for already.
    of_kinds: Vec<Option<u16>>,
    of_signals: Vec<Option<u16>>,
    of_measures: Vec<Option<u16>>,
    /// Those that are not on disk yet.
    fresh: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Signal {
    kind: u16,
    ty: SignalType,
    name: Arc<str>,
}

impl Names {
    /// Takes in what the store has.
    pub(super) fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(), ()> {
        let &[class, high, low] = key else { return Err(()) };
        let number = usize::from(u16::from_be_bytes([high, low]));
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(Arc::<str>::from).map_err(|_| ());
        match class {
            KIND => {
                put(&mut self.kinds, number, text(value)?);
                self.kinds_read = self.kinds.len();
            }
            MEASURE => put(&mut self.measures, number, text(value)?),
            SIGNAL => {
                let [high, low, rest @ ..] = value else { return Err(()) };
                let rest = text(rest)?;
                let (ty, name) = rest.split_once('\0').ok_or(())?;
                let ty = SignalType::ALL.iter().find(|(word, _)| *word == ty).ok_or(())?.1;
                let kind = u16::from_be_bytes([*high, *low]);
                put(&mut self.signals, number, Signal { kind, ty, name: name.into() });
            }
            _ => return Err(()),
        }
        Ok(())
    }

    /// All kinds: their numbers and names.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (u16, &Arc<str>)> {
        self.kinds.iter().zip(0..).filter_map(|(name, number)| Some((number, name.as_ref()?)))
    }

    pub(super) fn kind_name(&self, number: u16) -> Option<Arc<str>> {
        self.kinds.get(usize::from(number))?.clone()
    }

    /// Whether something may be kept of a kind that this process has not written.
    pub(super) fn was_read(&self, number: u16) -> bool {
        usize::from(number) < self.kinds_read
    }

    pub(super) fn kind(&mut self, kind: EntityKind, vocabulary: &Vocabulary) -> Option<u16> {
        let at = usize::from(kind.0);
        if let Some(Some(number)) = self.of_kinds.get(at) {
            return Some(*number);
        }
        let name = vocabulary.kind_name(kind)?;
        let (number, new) = number_of(&mut self.kinds, &name)?;
        if new {
            self.fresh.push((key(KIND, number), name.as_bytes().to_vec()));
        }
        put(&mut self.of_kinds, at, number);
        Some(number)
    }

    pub(super) fn signal(&mut self, id: SignalId, vocabulary: &Vocabulary) -> Option<u16> {
        let at = usize::from(id.0);
        if let Some(Some(number)) = self.of_signals.get(at) {
            return Some(*number);
        }
        let (kind, name, ty) = vocabulary.describe(id)?;
        let kind = self.kind(kind, vocabulary)?;
        let value = [&kind.to_be_bytes(), ty.name().as_bytes(), b"\0", name.as_bytes()].concat();
        let (number, new) = number_of(&mut self.signals, &Signal { kind, ty, name })?;
        if new {
            self.fresh.push((key(SIGNAL, number), value));
        }
        put(&mut self.of_signals, at, number);
        Some(number)
    }

    pub(super) fn measure(&mut self, id: MeasureId, vocabulary: &Vocabulary) -> Option<u16> {
        let at = usize::from(id.0);
        if let Some(Some(number)) = self.of_measures.get(at) {
            return Some(*number);
        }
        let name = vocabulary.measure_name(id)?;
        let (number, new) = number_of(&mut self.measures, &name)?;
        if new {
            self.fresh.push((key(MEASURE, number), name.as_bytes().to_vec()));
        }
        put(&mut self.of_measures, at, number);
        Some(number)
    }

    /// By the store's numbers this process's, of the signals of a kind. A signal that the
    /// catalog no longer names gets a number as well: what is kept of it stays with its
    /// entity, and is there again when the catalog names it again.
    pub(super) fn signals_of(
        &self,
        number: u16,
        kind: EntityKind,
        vocabulary: &Vocabulary,
    ) -> Vec<Option<SignalId>> {
        let id = |signal: &Option<Signal>| {
            let signal = signal.as_ref().filter(|signal| signal.kind == number)?;
            vocabulary.signal(kind, &signal.name, signal.ty)
        };
        self.signals.iter().map(id).collect()
    }

    /// The same of measures.
    pub(super) fn all_measures(&self, vocabulary: &Vocabulary) -> Vec<Option<MeasureId>> {
        self.measures.iter().map(|name| vocabulary.measure(name.as_ref()?)).collect()
    }

    pub(super) fn kind_id(&self, number: u16, vocabulary: &Vocabulary) -> Option<EntityKind> {
        vocabulary.find_kind(self.kinds.get(usize::from(number))?.as_ref()?)
    }

    pub(super) fn measure_id(&self, number: u16, vocabulary: &Vocabulary) -> Option<MeasureId> {
        vocabulary.measure(self.measures.get(usize::from(number))?.as_ref()?)
    }

    /// What has to be written before anything that uses it.
    pub(super) fn fresh(&self) -> &[Entry] {
        &self.fresh
    }

    /// The first so many are on disk.
    pub(super) fn written(&mut self, count: usize) {
        self.fresh.drain(..count.min(self.fresh.len()));
    }

    /// All of them, for a database that may have lost some.
    pub(super) fn all_fresh(&mut self) {
        self.fresh.clear();
        let text = |name: &Arc<str>| name.as_bytes().to_vec();
        for (name, number) in self.kinds.iter().zip(0..) {
            self.fresh.extend(name.as_ref().map(|name| (key(KIND, number), text(name))));
        }
        for (name, number) in self.measures.iter().zip(0..) {
            self.fresh.extend(name.as_ref().map(|name| (key(MEASURE, number), text(name))));
        }
        for (signal, number) in self.signals.iter().zip(0..) {
            let Some(Signal { kind, ty, name }) = signal else { continue };
            let value = [&kind.to_be_bytes(), ty.name().as_bytes(), b"\0", name.as_bytes()];
            self.fresh.push((key(SIGNAL, number), value.concat()));
        }
    }
}

fn key(class: u8, number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![class, high, low]
}

fn put<T>(into: &mut Vec<Option<T>>, at: usize, value: T) {
    if into.len() <= at {
        into.resize_with(at + 1, || None);
    }
    if let Some(place) = into.get_mut(at) {
        *place = Some(value);
    }
}

/// The number of something, and whether it was given out just now.
fn number_of<T: PartialEq + Clone>(all: &mut Vec<Option<T>>, of: &T) -> Option<(u16, bool)> {
    let known = all.iter().position(|known| known.as_ref() == Some(of));
    let number = u16::try_from(known.unwrap_or(all.len())).ok()?;
    if known.is_none() {
        all.push(Some(of.clone()));
    }
    Some((number, known.is_none()))
}
