//! Names of what can be known, interned once and for as long as the process lives.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::expected::ExpectedDecl;
use super::learn::{Learn, MeasureId};
use super::time::Seconds;
use super::value::Type;

/// What signals are about: user, device, session, address, or a kind that the
/// catalog declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKind(pub u8);

/// One signal of one entity kind with one type. Ids are never reused: a record
/// written under an earlier catalog is still read rightly under the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalId(pub u16);

/// The declared type of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalType {
    Bool,
    Number,
    /// A count that only rises, unless its source starts anew.
    Counter,
    /// Each report is one occurrence, with an amount.
    Event,
    Text,
    /// A string out of a declared set.
    Enum,
    Timestamp,
    /// Seconds.
    Duration,
    Location,
    Set,
}

impl SignalType {
    pub const ALL: [(&'static str, SignalType); 10] = [
        ("bool", SignalType::Bool),
        ("number", SignalType::Number),
        ("counter", SignalType::Counter),
        ("event", SignalType::Event),
        ("string", SignalType::Text),
        ("enum", SignalType::Enum),
        ("timestamp", SignalType::Timestamp),
        ("duration", SignalType::Duration),
        ("location", SignalType::Location),
        ("set", SignalType::Set),
    ];

    /// The word that catalogs use.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, ty)| *ty == self).map_or("", |(name, _)| name)
    }

    /// What an expression that names the signal evaluates to.
    pub const fn value_type(self) -> Type {
        match self {
            SignalType::Bool => Type::Bool,
            SignalType::Number | SignalType::Counter | SignalType::Event => Type::Number,
            SignalType::Text | SignalType::Enum => Type::Text,
            SignalType::Timestamp => Type::Timestamp,
            SignalType::Duration => Type::Duration,
            SignalType::Location => Type::Location,
            SignalType::Set => Type::Set,
        }
    }
}

/// How a signal ages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Freshness {
    /// Older values count as missing (seconds).
    pub fresh_for: Option<Seconds>,
    /// Freshness halves with each such span of age (seconds).
    pub half_life: Option<Seconds>,
}

/// The interner of entity kinds and signals: append-only, shared by all
/// snapshots of a process. Read when a policy loads and when a report names a
/// signal, never by a decision.
#[derive(Debug, Default)]
pub struct Vocabulary(RwLock<Interned>);

#[derive(Debug, Default)]
struct Interned {
    kinds: Vec<Arc<str>>,
    signals: Vec<(EntityKind, Arc<str>, SignalType)>,
    by_name: HashMap<(EntityKind, Arc<str>, SignalType), SignalId>,
    measures: Vec<Arc<str>>,
}

impl Vocabulary {
    /// How many kinds and signals fit; a catalog that needs more is refused.
    pub const MAX_KINDS: usize = super::request::MAX_ENTITIES;
    pub const MAX_SIGNALS: usize = u16::MAX as usize;

    pub fn new() -> Self {
        Self::default()
    }

    /// The id of an entity kind, given out on first sight. `None` when full.
    pub fn kind(&self, name: &str) -> Option<EntityKind> {
        let mut interned = self.write();
        if let Some(at) = interned.kinds.iter().position(|k| **k == *name) {
            return u8::try_from(at).ok().map(EntityKind);
        }
        if interned.kinds.len() >= Self::MAX_KINDS {
            return None;
        }
        interned.kinds.push(name.into());
        u8::try_from(interned.kinds.len() - 1).ok().map(EntityKind)
    }

    /// The id of a kind that is already known.
    pub fn find_kind(&self, name: &str) -> Option<EntityKind> {
        let at = self.read().kinds.iter().position(|k| **k == *name)?;
        u8::try_from(at).ok().map(EntityKind)
    }

    pub fn kind_name(&self, kind: EntityKind) -> Option<Arc<str>> {
        self.read().kinds.get(usize::from(kind.0)).cloned()
    }

    /// The id of a signal under its present type, given out on first sight. A
    /// signal whose type changed is another signal: old values are not misread.
    /// `None` when full.
    pub fn signal(&self, kind: EntityKind, name: &str, ty: SignalType) -> Option<SignalId> {
        let mut interned = self.write();
        let key = (kind, Arc::<str>::from(name), ty);
        if let Some(id) = interned.by_name.get(&key) {
            return Some(*id);
        }
        if interned.signals.len() >= Self::MAX_SIGNALS {
            return None;
        }
        let id = SignalId(u16::try_from(interned.signals.len()).ok()?);
        interned.signals.push(key.clone());
        interned.by_name.insert(key, id);
        Some(id)
    }

    /// What an id stands for.
    pub fn describe(&self, id: SignalId) -> Option<(EntityKind, Arc<str>, SignalType)> {
        self.read().signals.get(usize::from(id.0)).cloned()
    }

    /// The id of what is learned under that name, given out on first sight. `None` when full.
    pub fn measure(&self, name: &str) -> Option<MeasureId> {
        let mut interned = self.write();
        let known = interned.measures.iter().position(|m| **m == *name);
        let at = known.unwrap_or(interned.measures.len());
        let id = u16::try_from(at).ok().map(MeasureId)?;
        if known.is_none() {
            interned.measures.push(name.into());
        }
        Some(id)
    }

    pub fn measure_name(&self, id: MeasureId) -> Option<Arc<str>> {
        self.read().measures.get(usize::from(id.0)).cloned()
    }

    // A panic while the lock was held can't leave these append-only tables
    // half-written in a way that matters, so poison is ignored.
    fn read(&self) -> RwLockReadGuard<'_, Interned> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Interned> {
        self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A declared signal.
#[derive(Clone, Debug)]
pub struct SignalDecl {
    pub kind: EntityKind,
    /// Without the entity kind: `auth_count`.
    pub name: Arc<str>,
    pub id: SignalId,
    pub ty: SignalType,
    /// The values of an `enum`; empty for other types.
    pub values: Vec<Arc<str>>,
    /// UCUM unit, for people.
    pub unit: Option<Arc<str>>,
    pub freshness: Freshness,
    /// Leaves the process only pseudonymised.
    pub pii: bool,
    /// The slot whose value a request teaches this signal, where `observe` is declared.
    pub observe: Option<super::view::SlotId>,
    pub learn: Learn,
    /// Whether anything is learned from it.
    pub teaches: bool,
}

/// A declared entity kind.
#[derive(Clone, Debug)]
pub struct EntityDecl {
    pub kind: EntityKind,
    pub name: Arc<str>,
    /// An entity of which nothing was heard for so long is dropped.
    pub forget_after: Option<Seconds>,
}

/// Up to which known risk a request teaches, where the catalog doesn't say.
pub const TEACHES_UP_TO: f64 = 0.5;

/// What can be known: the compiled union of all `Catalog` documents.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub entities: Vec<EntityDecl>,
    /// Changes that may be announced.
    pub expected: Vec<ExpectedDecl>,
    /// Up to which known risk a request teaches that was let through, in [0, 1].
    pub teaches_up_to: f64,
    signals: Vec<SignalDecl>,
    by_name: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
}

impl Default for Catalog {
    /// Of nothing.
    fn default() -> Self {
        Catalog::new(Vec::new(), Vec::new())
    }
}

impl Catalog {
    pub fn new(entities: Vec<EntityDecl>, signals: Vec<SignalDecl>) -> Self {
        let mut by_name: HashMap<Arc<str>, HashMap<Arc<str>, usize>> =
            entities.iter().map(|e| (e.name.clone(), HashMap::new())).collect();
        for (at, signal) in signals.iter().enumerate() {
            if let Some(entity) = entities.iter().find(|e| e.kind == signal.kind) {
                by_name.entry(entity.name.clone()).or_default().insert(signal.name.clone(), at);
            }
        }
        let (expected, teaches_up_to) = (Vec::new(), TEACHES_UP_TO);
        Catalog { entities, expected, teaches_up_to, signals, by_name }
    }

    pub fn entity(&self, name: &str) -> Option<&EntityDecl> {
        self.entities.iter().find(|e| *e.name == *name)
    }

    #[must_use]
    pub fn teaching_up_to(self, risk: f64) -> Self {
        Catalog { teaches_up_to: risk, ..self }
    }

    #[must_use]
    pub fn expecting(self, expected: Vec<ExpectedDecl>) -> Self {
        Catalog { expected, ..self }
    }

    /// The signal `entity.name`.
    pub fn signal(&self, entity: &str, name: &str) -> Option<&SignalDecl> {
        self.signals.get(*self.by_name.get(entity)?.get(name)?)
    }

    pub fn signals(&self) -> &[SignalDecl] {
        &self.signals
    }
}
