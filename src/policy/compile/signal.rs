//! One declared signal.

use std::sync::Arc;

use super::catalog::Declared;
use crate::model::{
    Baseline, EntityKind, Familiar, Freshness, Learn, Quantiles, Season, Seconds, SignalDecl,
    SignalType, Vocabulary,
};
use crate::policy::diagnostic::{Diagnostics, quoted};
use crate::policy::source::{Entry, Fields, Node};

/// Reads the declaration at `entry`.
pub(super) fn read<'a>(
    kind: EntityKind,
    name: &str,
    entry: &Entry<'a>,
    vocabulary: &Vocabulary,
    diagnostics: &mut Diagnostics,
) -> Option<Declared<'a>> {
    let allowed = [
        "type",
        "values",
        "unit",
        "description",
        "fresh_for",
        "half_life",
        "observe",
        "learn",
        "pii",
    ];
    let fields = entry.node.mapping(diagnostics, &allowed)?;
    let ty = fields
        .required("type", diagnostics)
        .and_then(|node| node.one_of(diagnostics, &SignalType::ALL))?;
    let mut values: Vec<Arc<str>> = Vec::new();
    match (fields.get("values"), ty) {
        (Some(node), SignalType::Enum) => {
            for item in node.items(diagnostics).unwrap_or_default() {
                let Some(value) = item.string(diagnostics) else { continue };
                if values.iter().any(|v| **v == *value) {
                    diagnostics.error(item, format!("{} stands twice", quoted(value)));
                }
                values.push(value.into());
            }
            if values.is_empty() {
                diagnostics.error(node, "an enum needs at least one value");
            }
        }
        (Some(node), _) => {
            diagnostics.error(node, "only an `enum` has `values`");
        }
        (None, SignalType::Enum) => {
            diagnostics.error(entry.node, "an enum needs `values`");
        }
        (None, _) => {}
    }
    let positive = |key: &str, diagnostics: &mut Diagnostics| {
        let node = fields.get(key)?;
        let seconds = node.duration(diagnostics)?;
        if seconds <= 0.0 {
            diagnostics.error(node, format!("`{key}` must be above zero"));
            return None;
        }
        Some(seconds)
    };
    let freshness = Freshness {
        fresh_for: positive("fresh_for", diagnostics),
        half_life: positive("half_life", diagnostics),
    };
    if let Some(node) = fields.get("description") {
        node.string(diagnostics);
    }
    let unit = fields.get("unit").and_then(|node| node.string(diagnostics)).map(Arc::from);
    let pii = fields.get("pii").and_then(|node| node.bool(diagnostics)).unwrap_or(false);
    let observe = fields
        .get("observe")
        .and_then(|node| node.expression(diagnostics).map(|expr| (node, expr)));
    let learn =
        fields.get("learn").map(|node| read_learn(node, ty, diagnostics)).unwrap_or_default();
    let Some(id) = vocabulary.signal(kind, name, ty) else {
        diagnostics
            .error(entry.key_place(), format!("more than {} signals", Vocabulary::MAX_SIGNALS));
        return None;
    };
    let decl = SignalDecl {
        kind,
        name: name.into(),
        id,
        ty,
        values,
        unit,
        freshness,
        pii,
        observe: None,
        learn,
        teaches: false,
    };
    Some(Declared { decl, observe })
}

/// `learn`: checked whole. A trend is declared here and answers "missing" until
/// there is something that learns it.
fn read_learn(node: Node<'_>, ty: SignalType, diagnostics: &mut Diagnostics) -> Learn {
    let mut learn = Learn::default();
    let allowed = ["baseline", "quantiles", "trend", "familiar", "from", "delay"];
    let Some(fields) = node.mapping(diagnostics, &allowed) else { return learn };
    let number = matches!(
        ty,
        SignalType::Number | SignalType::Counter | SignalType::Event | SignalType::Duration
    );
    if let Some(node) = fields.get("baseline") {
        learn.baseline = read_baseline(node, diagnostics);
        if !number {
            diagnostics
                .error(node, format!("a baseline is of numbers, and this is a {}", ty.name()));
        }
    }
    if let Some(node) = fields.get("quantiles") {
        learn.quantiles = read_quantiles(node, diagnostics);
        if !number {
            diagnostics
                .error(node, format!("quantiles are of numbers, and this is a {}", ty.name()));
        }
    }
    if let Some(node) = fields.get("from") {
        let from = [("permitted", false), ("all", true)];
        learn.from_denied = node.one_of(diagnostics, &from).unwrap_or(false);
    }
    if let Some(node) = fields.get("delay") {
        learn.delay = node.duration(diagnostics);
    }
    if let Some(node) = fields.get("trend")
        && let Some(fields) = node.mapping(diagnostics, &["window"])
        && let Some(node) = fields.get("window")
    {
        node.duration(diagnostics);
    }
    if let Some(node) = fields.get("familiar")
        && let Some(fields) = node.mapping(diagnostics, &["keep", "forget_after"])
    {
        let keep = match fields.get("keep") {
            None => Some(16),
            Some(node) => match node.count(diagnostics) {
                Some(keep @ 1..=16) => u8::try_from(keep).ok(),
                Some(_) => {
                    diagnostics.error(node, "`keep` is from 1 to 16");
                    None
                }
                None => None,
            },
        };
        let forget_after = match fields.get("forget_after") {
            None => Some(90.0 * 86_400.0),
            Some(node) => node.duration(diagnostics),
        };
        if let (Some(keep), Some(forget_after)) = (keep, forget_after) {
            learn.familiar = Some(Familiar { keep, forget_after });
        }
    }
    learn
}

fn read_baseline(node: Node<'_>, diagnostics: &mut Diagnostics) -> Option<Baseline> {
    let fields = node.mapping(diagnostics, &["half_life", "season"])?;
    let half_life = read_half_life(&fields, diagnostics);
    let season = fields.get("season").and_then(|node| node.one_of(diagnostics, &Season::ALL));
    Some(Baseline { half_life: half_life?, season })
}

fn read_quantiles(node: Node<'_>, diagnostics: &mut Diagnostics) -> Option<Quantiles> {
    let fields = node.mapping(diagnostics, &["half_life"])?;
    read_half_life(&fields, diagnostics).map(|half_life| Quantiles { half_life })
}

/// Two weeks, where nothing is said.
fn read_half_life(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Seconds> {
    let Some(node) = fields.get("half_life") else { return Some(14.0 * 86_400.0) };
    let seconds = node.duration(diagnostics)?;
    if seconds <= 0.0 {
        diagnostics.error(node, "`half_life` must be above zero");
        return None;
    }
    Some(seconds)
}
