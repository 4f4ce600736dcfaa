//! What a test says was announced: `given: {expected: [{user: u1, kind: travel, ...}]}`.

use crate::engine::Snapshot;
use crate::model::{Entities, Timestamp, Vocabulary};
use crate::policy::diagnostic::{Diagnostics, Place, quoted};
use crate::policy::source::Node;
use crate::signals::{Announcement, Cache, Window};

/// A window that was announced before the test asks.
#[derive(Debug)]
pub(super) struct GivenWindow {
    /// The entity's kind and id; without an id, the one that the request means.
    kind: String,
    id: Option<String>,
    change: String,
    from: Timestamp,
    until: Timestamp,
    values: Vec<String>,
    reference: String,
    place: Place,
}

pub(super) fn read(
    node: Option<Node<'_>>,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<GivenWindow> {
    let mut windows = Vec::new();
    let kinds: Vec<&str> = snapshot.catalog.entities.iter().map(|e| &*e.name).collect();
    let mut allowed = vec!["kind", "from", "until", "values", "reference"];
    allowed.extend(&kinds);
    let items = node.and_then(|node| node.items(diagnostics)).unwrap_or_default();
    for item in items {
        let Some(fields) = item.mapping(diagnostics, &allowed) else { continue };
        let mut entities = kinds.iter().filter_map(|kind| Some((*kind, fields.get(kind)?)));
        let (Some((kind, id)), None) = (entities.next(), entities.next()) else {
            diagnostics
                .error(item, "one entity is wanted, of which this is announced")
                .help("write `user: u1`, or `user: null` for the user that the request means");
            continue;
        };
        let id = match id.is_null() {
            true => None,
            false => id.string(diagnostics).map(str::to_owned),
        };
        let change = fields.required("kind", diagnostics).and_then(|n| n.string(diagnostics));
        let from = fields.required("from", diagnostics).and_then(|n| n.timestamp(diagnostics));
        let until = fields.required("until", diagnostics).and_then(|n| n.timestamp(diagnostics));
        let reference = fields.get("reference").and_then(|n| n.string(diagnostics));
        let mut values = Vec::new();
        for value in fields.get("values").and_then(|n| n.items(diagnostics)).unwrap_or_default() {
            values.extend(value.string(diagnostics).map(str::to_owned));
        }
        let (Some(change), Some(from), Some(until)) = (change, from, until) else { continue };
        if !snapshot.catalog.expected.iter().any(|declared| *declared.name == *change) {
            let names: Vec<_> = snapshot.catalog.expected.iter().map(|d| d.name.clone()).collect();
            diagnostics
                .error(
                    fields.get("kind").unwrap_or(item),
                    format!("unknown kind of change {}", quoted(change)),
                )
                .help("declare it in a catalog, under `expected`")
                .did_you_mean(change, names.iter().map(|n| &**n));
            continue;
        }
        windows.push(GivenWindow {
            kind: kind.to_owned(),
            id,
            change: change.to_owned(),
            from,
            until,
            values,
            reference: reference.unwrap_or_default().to_owned(),
            place: item.place(),
        });
    }
    windows
}

/// Announces them by the way that all announcements take, each when it begins: a test may
/// ask after its end.
///
/// # Errors
/// Why one can't be announced.
pub(super) fn announce(
    windows: &[GivenWindow],
    entities: &Entities<'_>,
    snapshot: &Snapshot,
    vocabulary: &Vocabulary,
    cache: &Cache,
) -> Result<(), String> {
    for (number, given) in windows.iter().enumerate() {
        let meant = vocabulary.find_kind(&given.kind).and_then(|kind| entities.get(kind));
        let Some(entity) = given.id.as_deref().or(meant) else {
            return Err(format!("the request names no `{}`", given.kind));
        };
        let (id, values) = (number.to_string(), Window::join(&given.values));
        let window = Window::new(&id, &given.change, given.from, given.until);
        let window = window.said(&given.reference, "").only(&values);
        let announcement = Announcement { kind: &given.kind, entity, window };
        cache.announce(&snapshot.catalog, &announcement, given.from).map_err(|why| {
            let (line, _) = given.place.file.line_column(given.place.span.start);
            format!("line {line}: {why}")
        })?;
    }
    Ok(())
}
