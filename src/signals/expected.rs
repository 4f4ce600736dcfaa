//! Announced changes: windows of time in which an entity is expected to behave
//! otherwise. They stand in the entity's record, as a set of texts under a signal that
//! no catalog can declare: so they are read without a lock, kept, and forgotten, as all
//! that is known of it, and whoever may only report signals can't announce.
//!
//! A window is over by the comparison of times wherever it is read. What is over is
//! dropped when something else is announced of the entity, or by [`Cache::tidy_expected`].

#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cache::{Cache, MAX_ID, Refused, Written};
use super::record::{Record, RecordBuilder};
use crate::model::{
    Catalog, EntityKind, ExpectedDecl, ExpectedField, PackedSet, Seconds, SignalId, Timestamp,
    Value, suggest,
};
pub use window::Window;

/// So many windows of one entity may be in force or to come.
pub const MAX_WINDOWS: usize = 8;
/// So many values one window may name.
const MAX_VALUES: usize = 16;
/// Bytes of an announcement's id, and of each value.
const MAX_NAME: usize = 64;
/// Bytes of a reference, and of who announced.
const MAX_TEXT: usize = 256;
/// No window begins later than that from now (seconds).
const MAX_AHEAD: Seconds = 366.0 * 86_400.0;

/// Something that is announced of one entity.
#[derive(Clone, Debug)]
pub struct Announcement<'a> {
    /// The entity's kind and id.
    pub kind: &'a str,
    pub entity: &'a str,
    pub window: Window<'a>,
}

/// Why nothing was announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnnounced {
    /// What is wrong where.
    #[error("`{place}`: {why}")]
    Wrong { place: &'static str, why: String },
    #[error(
        "{MAX_WINDOWS} windows of this entity are in force or to come: withdraw one, or announce one that covers several"
    )]
    TooMany,
    #[error("there is no room: {0}")]
    NoRoom(Refused),
}

fn wrong<T>(place: &'static str, why: impl Into<String>) -> Result<T, NotAnnounced> {
    Err(NotAnnounced::Wrong { place, why: why.into() })
}

/// The kind of an entity of which something may be announced.
///
/// # Errors
/// Where the catalog doesn't know it.
pub fn announced_kind(catalog: &Catalog, kind: &str) -> Result<EntityKind, NotAnnounced> {
    if let Some(known) = catalog.entity(kind) {
        return Ok(known.kind);
    }
    let near = near(kind, catalog.entities.iter().map(|e| &*e.name));
    wrong("entity.type", format!("unknown entity kind `{}`{near}", cut(kind)))
}

impl Cache {
    /// Announces a window, in place of the one that has its id.
    ///
    /// # Errors
    /// Where the announcement is not as the catalog wants it, or there is no room.
    pub fn announce(
        &self,
        catalog: &Catalog,
        asked: &Announcement<'_>,
        now: Timestamp,
    ) -> Result<Option<Written>, NotAnnounced> {
        let declared = check(catalog, asked, now)?;
        let mut room = true;
        let (_, written) = self
            .update(declared.kind, asked.entity, now, |record| {
                let mut windows = kept(record, declared.signal, now, Some(asked.window.id));
                room = windows.len() < MAX_WINDOWS;
                if room {
                    windows.push(asked.window.packed());
                    put(record, declared.signal, now, &windows);
                }
            })
            .map_err(NotAnnounced::NoRoom)?;
        if room { Ok(written) } else { Err(NotAnnounced::TooMany) }
    }

    /// Withdraws a window. Says whether there was one of that id.
    pub fn withdraw_expected(
        &self,
        catalog: &Catalog,
        (kind, entity): (EntityKind, &str),
        id: &str,
        now: Timestamp,
    ) -> (bool, Option<Written>) {
        let Some(signal) = signal_of(catalog, kind) else { return (false, None) };
        let withdrawn = self.update(kind, entity, now, |record| {
            let all = kept(record, signal, now, None);
            let left = kept(record, signal, now, Some(id));
            let found = left.len() < all.len();
            if found {
                put(record, signal, now, &left);
            }
            found
        });
        withdrawn.unwrap_or((false, None))
    }

    /// Shows the windows of an entity that are not over, by their beginning.
    pub fn expected_of<R>(
        &self,
        catalog: &Catalog,
        (kind, entity): (EntityKind, &str),
        now: Timestamp,
        show: impl Fn(&Window<'_>) -> R,
    ) -> Vec<R> {
        let held = self.read(kind, entity);
        let record = held.as_ref().and_then(|held| held.record());
        let (Some(record), Some(signal)) = (record, signal_of(catalog, kind)) else {
            return Vec::new();
        };
        let mut windows: Vec<Window<'_>> =
            windows(record, signal).filter(|window| window.until > now).collect();
        windows.sort_by_key(|window| (window.from, window.until));
        windows.iter().map(show).collect()
    }

    /// Drops what is over, and counts by kind of change what is in force: a look at all
    /// records, for a cold thread.
    pub fn tidy_expected(&self, catalog: &Catalog, now: Timestamp) -> BTreeMap<Arc<str>, u64> {
        let mut in_force: BTreeMap<Arc<str>, u64> =
            catalog.expected.iter().map(|declared| (declared.name.clone(), 0)).collect();
        let mut over: Vec<(EntityKind, SignalId, Box<str>)> = Vec::new();
        if in_force.is_empty() {
            return in_force;
        }
        self.each_record(|record| {
            let Some(signal) = signal_of(catalog, record.kind()) else { return };
            let mut any_over = false;
            for window in windows(record, signal) {
                any_over |= window.until <= now;
                if window.is_in_force(now)
                    && let Some(count) = in_force.get_mut(window.change)
                {
                    *count += 1;
                }
            }
            if any_over {
                over.push((record.kind(), signal, record.id().into()));
            }
        });
        for (kind, signal, id) in over {
            // A record that shrinks finds room.
            let _shrunk = self.derive(kind, &id, now, |record| {
                let left = kept(record, signal, now, None);
                put(record, signal, now, &left);
            });
        }
        in_force
    }
}

/// Whether something of the record is announced that is not over.
pub(super) fn is_announced(record: Record<'_>, signal: SignalId, now: Timestamp) -> bool {
    windows(record, signal).any(|window| window.until > now)
}

/// What an expression reads: see [`ExpectedField`].
pub(super) fn read<'r>(
    windows: PackedSet<'r>,
    change: &str,
    value: Option<Value<'_>>,
    field: ExpectedField,
    now: Timestamp,
) -> Value<'r> {
    let mut last: Option<Window<'r>> = None;
    for window in windows.members().filter_map(Window::unpack) {
        if window.change == change
            && window.is_in_force(now)
            && value.is_none_or(|value| window.names(value))
            && last.as_ref().is_none_or(|last| window.until > last.until)
        {
            last = Some(window);
        }
    }
    match (field, last) {
        (ExpectedField::InForce, last) => Value::Bool(last.is_some()),
        (ExpectedField::Until, Some(last)) => Value::Timestamp(last.until),
        (ExpectedField::Reference, Some(last)) if !last.reference.is_empty() => {
            Value::Text(last.reference)
        }
        (ExpectedField::Until | ExpectedField::Reference, _) => Value::Missing,
    }
}

fn signal_of(catalog: &Catalog, kind: EntityKind) -> Option<SignalId> {
    catalog.expected.iter().find(|declared| declared.kind == kind).map(|declared| declared.signal)
}

/// What a record holds of announced windows; nothing where nothing is announced.
pub(super) fn packed_windows(record: Record<'_>, signal: SignalId) -> Option<PackedSet<'_>> {
    match record.signal(signal)?.value {
        Value::Set(packed) => Some(packed),
        _ => None,
    }
}

fn windows(record: Record<'_>, signal: SignalId) -> impl Iterator<Item = Window<'_>> {
    let packed = packed_windows(record, signal).into_iter();
    packed.flat_map(PackedSet::members).filter_map(Window::unpack)
}

/// The windows that are not over, without the one of that id.
fn kept(
    record: &RecordBuilder<'_>,
    signal: SignalId,
    now: Timestamp,
    without: Option<&str>,
) -> Vec<String> {
    let packed = PackedSet::from_packed(record.set_of(signal).unwrap_or_default());
    let kept = packed.members().filter_map(|member| Some((member, Window::unpack(member)?)));
    kept.filter(|(_, window)| window.until > now && without != Some(window.id))
        .map(|(member, _)| member.to_owned())
        .collect()
}

fn put(record: &mut RecordBuilder<'_>, signal: SignalId, now: Timestamp, windows: &[String]) {
    if windows.is_empty() {
        record.unset(signal);
        return;
    }
    let packed = PackedSet::pack(windows.iter().map(String::as_str));
    record.replace(signal, now, Value::Set(PackedSet::from_packed(&packed)));
}

/// What the catalog says of the change, where all is as it wants it.
fn check<'c>(
    catalog: &'c Catalog,
    asked: &Announcement<'_>,
    now: Timestamp,
) -> Result<&'c ExpectedDecl, NotAnnounced> {
    let Announcement { kind: kind_name, entity, window } = asked;
    let kind = announced_kind(catalog, kind_name)?;
    let Some(declared) = catalog.expected.iter().find(|d| *d.name == *window.change) else {
        if catalog.expected.is_empty() {
            return wrong(
                "change",
                "no catalog declares a change that may be announced: add `expected: {travel: {entity: user, at_most: 30d}}`, say",
            );
        }
        let near = near(window.change, catalog.expected.iter().map(|d| &*d.name));
        return wrong("change", format!("unknown kind of change `{}`{near}", cut(window.change)));
    };
    if declared.kind != kind {
        let of = catalog.entities.iter().find(|e| e.kind == declared.kind);
        let of = of.map_or("", |entity| &*entity.name);
        let why = format!("`{}` is announced of entities of kind `{of}`", declared.name);
        return wrong("entity.type", why);
    }
    if entity.is_empty() || entity.len() > MAX_ID || entity.contains('\0') {
        return wrong("entity.id", format!("1 to {MAX_ID} bytes are wanted, without a zero"));
    }
    let texts = [
        ("id", window.id, 1, MAX_NAME),
        ("reference", window.reference, 0, MAX_TEXT),
        ("by", window.by, 0, MAX_TEXT),
    ];
    let values = window.values().map(|value| ("values", value, 1, MAX_NAME));
    for (place, text, least, most) in texts.into_iter().chain(values) {
        if !(least..=most).contains(&text.len()) || text.chars().any(char::is_control) {
            let why = format!("{least} to {most} bytes are wanted, without control characters");
            return wrong(place, why);
        }
    }
    if window.values().count() > MAX_VALUES {
        return wrong("values", format!("at most {MAX_VALUES} are taken"));
    }
    let Window { from, until, .. } = *window;
    if until <= from {
        return wrong("until", "it is not after `from`");
    }
    if until <= now {
        return wrong("until", "it is in the past: what is over needs no announcement");
    }
    if from.seconds_since(now) > MAX_AHEAD || from < Timestamp::EPOCH {
        return wrong("from", "it is more than a year ahead, or before 1970");
    }
    if until.seconds_since(from) > declared.at_most {
        let days = declared.at_most / 86_400.0;
        let why = format!(
            "a window of `{}` is of at most {days} days: let it end earlier, or raise `at_most` in the catalog",
            declared.name
        );
        return wrong("until", why);
    }
    Ok(declared)
}

fn near<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    suggest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}
