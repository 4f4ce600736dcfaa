//! `curve`: read, and checked against the type of the value that it maps.

use std::sync::Arc;

use crate::engine::{Curve, MapEntry};
use crate::model::Type;
use crate::policy::diagnostic::{Diagnostics, quoted, suggest};
use crate::policy::source::{Fields, Node};

/// What a curve is given.
pub(super) struct Input {
    pub(super) ty: Type,
    pub(super) choices: Option<Arc<[Arc<str>]>>,
}

pub(super) const CURVES: [&str; 7] =
    ["linear", "log10", "steps", "logistic", "decay", "map", "bool"];

/// The curve at `node`, or the one that goes without saying.
pub(super) fn read(
    node: Option<Node<'_>>,
    at: Node<'_>,
    input: &Input,
    diagnostics: &mut Diagnostics,
) -> Option<Curve> {
    let Some(node) = node else { return implied(at, input, diagnostics) };
    if node.is_string() {
        return match node.string(diagnostics)? {
            "bool" => takes("bool", node, input.ty, &[Type::Bool], diagnostics)
                .then_some(Curve::Bool { yes: 1.0, no: 0.0 }),
            other => {
                let found =
                    diagnostics.error(node, format!("{} needs its settings", quoted(other)));
                found.help(format!("write `{{{other}: {{...}}}}`"));
                if !CURVES.contains(&other) {
                    found.did_you_mean(other, CURVES);
                }
                None
            }
        };
    }
    let fields = node.mapping(diagnostics, &CURVES)?;
    let [entry] = fields.entries() else {
        diagnostics
            .error(node, "a curve is one of its kinds")
            .help(format!("there are `{}`", CURVES.join("`, `")));
        return None;
    };
    let numeric = [Type::Number, Type::Duration];
    let (kind, settings) = (entry.key, entry.node);
    match kind {
        "linear" => {
            let good = takes(kind, node, input.ty, &numeric, diagnostics);
            let fields = settings.mapping(diagnostics, &["from", "to"])?;
            let from = number(&fields, "from", diagnostics).unwrap_or(0.0);
            let to = fields.required("to", diagnostics)?.number(diagnostics)?;
            if from == to {
                diagnostics.error(settings, "`from` and `to` are the same, so there is no slope");
                return None;
            }
            good.then_some(Curve::Linear { from, to })
        }
        "log10" => {
            let good = takes(kind, node, input.ty, &numeric, diagnostics);
            let fields = settings.mapping(diagnostics, &["to"])?;
            let to = fields.required("to", diagnostics)?;
            let value = to.number(diagnostics)?;
            if value <= 1.0 {
                diagnostics.error(to, "`to` must be above 1: the curve divides by its logarithm");
                return None;
            }
            good.then(|| Curve::Log10 { scale: 1.0 / libm::log10(value) })
        }
        "steps" => {
            let good = takes(kind, node, input.ty, &numeric, diagnostics);
            let curve = steps(settings, diagnostics)?;
            good.then_some(curve)
        }
        "logistic" => {
            let good = takes(kind, node, input.ty, &numeric, diagnostics);
            let fields = settings.mapping(diagnostics, &["mid", "slope"])?;
            let mid = fields.required("mid", diagnostics)?.number(diagnostics);
            let slope = fields.required("slope", diagnostics)?.number(diagnostics);
            if slope == Some(0.0) {
                diagnostics.error(settings, "a `slope` of 0 says the same of every value");
                return None;
            }
            good.then_some(Curve::Logistic { mid: mid?, slope: slope? })
        }
        "decay" => {
            let taken = [Type::Duration, Type::Timestamp];
            let good = takes(kind, node, input.ty, &taken, diagnostics);
            let fields = settings.mapping(diagnostics, &["half_life"])?;
            let half_life = fields.required("half_life", diagnostics)?;
            let seconds = half_life.duration(diagnostics)?;
            if seconds <= 0.0 {
                diagnostics.error(half_life, "`half_life` must be above zero");
                return None;
            }
            good.then_some(Curve::Decay { half_life: seconds })
        }
        "map" => {
            let good = takes(kind, node, input.ty, &[Type::Text], diagnostics);
            let curve = map(settings, input, diagnostics)?;
            good.then_some(curve)
        }
        _ => {
            let good = takes(kind, node, input.ty, &[Type::Bool], diagnostics);
            let fields = settings.mapping(diagnostics, &["true", "false"])?;
            let yes = share(&fields, "true", diagnostics).unwrap_or(1.0);
            let no = share(&fields, "false", diagnostics).unwrap_or(0.0);
            good.then_some(Curve::Bool { yes, no })
        }
    }
}

/// Without a curve, a bool is 1 or 0, and a number is itself.
fn implied(at: Node<'_>, input: &Input, diagnostics: &mut Diagnostics) -> Option<Curve> {
    match input.ty {
        Type::Bool => Some(Curve::Bool { yes: 1.0, no: 0.0 }),
        Type::Number => Some(Curve::Identity),
        ty => {
            diagnostics
                .error(at, format!("a factor with a {ty} needs a `curve`"))
                .help("it maps the value to [0, 1]; a number in [0, 1] and a bool need none");
            None
        }
    }
}

fn takes(
    curve: &str,
    node: Node<'_>,
    ty: Type,
    taken: &[Type],
    diagnostics: &mut Diagnostics,
) -> bool {
    if ty == Type::Any || taken.contains(&ty) {
        return true;
    }
    let names: Vec<&str> = taken.iter().map(|t| t.name()).collect();
    diagnostics.error(
        node,
        format!("the curve `{curve}` takes a {}, and the value is a {ty}", names.join(" or a ")),
    );
    false
}

fn number(fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
    fields.get(key)?.number(diagnostics)
}

fn share(fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<f64> {
    read_share(fields.get(key)?, diagnostics)
}

/// A number in [0, 1].
pub(super) fn read_share(node: Node<'_>, diagnostics: &mut Diagnostics) -> Option<f64> {
    let value = node.number(diagnostics)?;
    if (0.0..=1.0).contains(&value) {
        return Some(value);
    }
    diagnostics.error(node, format!("`{value}` is not in [0, 1]"));
    None
}

fn steps(node: Node<'_>, diagnostics: &mut Diagnostics) -> Option<Curve> {
    let fields = node.mapping(diagnostics, &["points", "interpolate"])?;
    let interpolate = fields.get("interpolate").and_then(|n| n.bool(diagnostics)).unwrap_or(false);
    let list = fields.required("points", diagnostics)?;
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut good = true;
    for item in list.items(diagnostics)? {
        let pair = item.items(diagnostics)?;
        let [x, c] = pair.as_slice() else {
            diagnostics.error(item, "a point is a pair: `[x, c]`");
            good = false;
            continue;
        };
        let (Some(x_value), Some(c)) = (x.number(diagnostics), read_share(*c, diagnostics)) else {
            good = false;
            continue;
        };
        if points.last().is_some_and(|(before, _)| *before >= x_value) {
            diagnostics.error(*x, "points must rise in x");
            good = false;
        }
        points.push((x_value, c));
    }
    if points.is_empty() && good {
        diagnostics.error(list, "`steps` needs at least one point");
        return None;
    }
    good.then_some(Curve::Steps { points, interpolate })
}

fn map(node: Node<'_>, input: &Input, diagnostics: &mut Diagnostics) -> Option<Curve> {
    let mut entries: Vec<MapEntry> = Vec::new();
    let mut otherwise = None;
    for entry in node.entries(diagnostics)? {
        let c = read_share(entry.node, diagnostics);
        if entry.key == "else" {
            otherwise = c;
            continue;
        }
        if let Some(choices) = &input.choices
            && !choices.iter().any(|choice| **choice == *entry.key)
        {
            let near = suggest(entry.key, choices.iter().map(|c| &**c)).map(str::to_owned);
            let found = diagnostics
                .error(entry.key_place(), format!("{} is none of its values", quoted(entry.key)));
            if let Some(near) = near {
                found.help(format!("did you mean `{near}`?"));
            }
        }
        entries.push(MapEntry { value: entry.key.into(), c: c.unwrap_or(0.0) });
    }
    if otherwise.is_none() {
        let uncovered: Vec<&str> = match &input.choices {
            Some(choices) => choices
                .iter()
                .map(|c| &**c)
                .filter(|c| !entries.iter().any(|e| *e.value == **c))
                .collect(),
            None => {
                diagnostics
                    .error(node, "a `map` over a string that is no enum needs `else`")
                    .help("add `else: 0.5`, say, for all other values");
                return None;
            }
        };
        if !uncovered.is_empty() {
            diagnostics
                .error(node, format!("the map leaves out `{}`", uncovered.join("`, `")))
                .help("give each a value, or add `else`");
            return None;
        }
    }
    Some(Curve::Map { entries, otherwise })
}
