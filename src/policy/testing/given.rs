//! What a test gives: signals, the request, and what would come from elsewhere.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::announced::{self, GivenWindow};
use super::history::{self, Past};
use crate::api::question::{Question, QuestionHttp};
use crate::engine::{PolicyId, Snapshot};
use crate::model::{GeoField, Reading, SlotId, Timestamp, Type, Value, suggest};
use crate::policy::cel;
use crate::policy::diagnostic::{Diagnostics, quoted};
use crate::policy::source::{Entry, Fields, Node};
use crate::signals::{Geo, GeoTable, List, Loaded, OwnedPlace};

/// A test's input.
#[derive(Debug)]
pub struct Given {
    /// By entity kind.
    pub(super) signals: Vec<(String, Vec<GivenSignal>)>,
    pub(super) question: Question,
    /// Whether the test says itself what is done to what; else an HTTP request's
    /// route does.
    pub(super) names_resource: bool,
    pub(super) loaded: Loaded,
    pub(super) learned: Vec<(SlotId, Literal)>,
    pub(super) policies: Vec<GivenPolicy>,
    /// What was announced.
    pub(super) expected: Vec<GivenWindow>,
    /// What happened before.
    pub(super) history: Vec<Past>,
}

#[derive(Debug)]
pub(super) struct GivenSignal {
    pub(super) name: String,
    pub(super) value: Json,
    pub(super) at: Timestamp,
    pub(super) place: crate::policy::diagnostic::Place,
}

/// The value of a learned function.
#[derive(Debug)]
pub(super) enum Literal {
    Bool(bool),
    Number(f64),
    /// In seconds.
    Duration(f64),
}

/// The result of a composed policy.
#[derive(Debug)]
pub(super) struct GivenPolicy {
    pub(super) id: PolicyId,
    pub(super) score: f64,
    pub(super) confidence: f64,
}

impl Literal {
    pub(super) fn reading(&self) -> Reading<'static> {
        Reading::from(match self {
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Number(x) => Value::number(*x),
            Literal::Duration(x) => Value::Duration(*x),
        })
    }
}

impl Given {
    pub(super) fn read(
        test: &Fields<'_>,
        now: Timestamp,
        snapshot: &Snapshot,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let before = diagnostics.len();
        let signals = test
            .get("signals")
            .map(|node| read_signals(node, now, snapshot, diagnostics))
            .unwrap_or_default();
        let allowed = ["lists", "geo", "learned", "policies", "http", "expected"];
        let given = test.get("given").and_then(|node| node.mapping(diagnostics, &allowed));
        let get = |key: &str| given.as_ref().and_then(|fields| fields.get(key));
        let lists = read_lists(get("lists"), snapshot, diagnostics);
        let geo = read_geo(get("geo"), diagnostics);
        let learned = read_learned(get("learned"), snapshot, diagnostics);
        let policies = read_policies(get("policies"), snapshot, diagnostics);
        let expected = announced::read(get("expected"), snapshot, diagnostics);
        let http = get("http").and_then(|node| read_http(node, diagnostics));

        let history = test.get("history");
        let history = history.map(|node| history::read(node, now, snapshot, diagnostics));
        let history = history.unwrap_or_default();

        let request = test.get("request");
        let body = request.map_or(Json::Object(Map::new()), Node::to_json);
        let names_resource = body.get("resource").is_some() || body.get("action").is_some();
        let mut question = match Question::from_json(&with_defaults(body)) {
            Ok(question) => question,
            Err(why) => {
                let place = request.map_or_else(|| test.node().place(), Node::place);
                diagnostics.error(&place, why.to_string());
                return None;
            }
        };
        question.http = http;
        name_entities(&mut question, &signals);
        (diagnostics.len() == before).then(|| Given {
            signals,
            question,
            names_resource,
            loaded: Loaded::new(lists, geo),
            learned,
            policies,
            expected,
            history,
        })
    }
}

/// What is asked, with what is left out, about the entities that the signals mean.
pub(super) fn question(
    body: Json,
    signals: &[(String, Vec<GivenSignal>)],
) -> Result<Question, String> {
    let mut question = Question::from_json(&with_defaults(body)).map_err(|why| why.to_string())?;
    name_entities(&mut question, signals);
    Ok(question)
}

/// A test may leave out what doesn't matter to it.
fn with_defaults(mut body: Json) -> Json {
    if let Json::Object(map) = &mut body {
        for (key, default) in [
            ("subject", serde_json::json!({"type": "user", "id": "test-user"})),
            ("action", serde_json::json!({"name": "access"})),
            ("resource", serde_json::json!({"type": "resource", "id": "test-resource"})),
        ] {
            map.entry(key).or_insert(default);
        }
    }
    body
}

/// Signals of an entity that the request doesn't name are about one that it means.
fn name_entities(question: &mut Question, signals: &[(String, Vec<GivenSignal>)]) {
    let subject = question.subject.kind.clone();
    let entities = question.context.entry("entities").or_insert_with(|| Json::Object(Map::new()));
    let Json::Object(entities) = entities else { return };
    for (kind, _) in signals {
        if *kind != subject && !entities.contains_key(kind) {
            // An address is an address, also where nobody cares which.
            let id =
                if kind == "address" { "192.0.2.1".to_owned() } else { format!("test-{kind}") };
            entities.insert(kind.clone(), Json::String(id));
        }
    }
}

pub(super) fn read_signals(
    node: Node<'_>,
    now: Timestamp,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<(String, Vec<GivenSignal>)> {
    let mut all = Vec::new();
    for entity in node.entries(diagnostics).unwrap_or_default() {
        if snapshot.catalog.entity(entity.key).is_none() {
            let names = snapshot.catalog.entities.iter().map(|e| &*e.name);
            let near = suggest(entity.key, names).map(str::to_owned);
            let error = diagnostics
                .error(entity.key_place(), format!("unknown entity kind {}", quoted(entity.key)));
            if let Some(near) = near {
                error.help(format!("did you mean `{near}`?"));
            }
            continue;
        }
        let mut signals = Vec::new();
        for entry in entity.node.entries(diagnostics).unwrap_or_default() {
            if snapshot.catalog.signal(entity.key, entry.key).is_none() {
                unknown_signal(entity.key, &entry, snapshot, diagnostics);
                continue;
            }
            let (value, at) = value_and_time(entry.node, now, diagnostics);
            let (name, place) = (entry.key.to_owned(), entry.node.place());
            signals.push(GivenSignal { name, value, at, place });
        }
        all.push((entity.key.to_owned(), signals));
    }
    all
}

fn unknown_signal(
    entity: &str,
    entry: &Entry<'_>,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) {
    let kind = snapshot.catalog.entity(entity).map(|e| e.kind);
    let names = snapshot.catalog.signals().iter().filter(|s| Some(s.kind) == kind);
    let near = suggest(entry.key, names.map(|s| &*s.name)).map(str::to_owned);
    let name = format!("{entity}.{}", entry.key);
    let error = diagnostics.error(entry.key_place(), format!("unknown signal {}", quoted(&name)));
    if let Some(near) = near {
        error.help(format!("did you mean `{near}`?"));
    }
}

/// A value, or `{value, at}` where it was observed before now.
fn value_and_time(
    node: Node<'_>,
    now: Timestamp,
    diagnostics: &mut Diagnostics,
) -> (Json, Timestamp) {
    let json = node.to_json();
    if json.get("value").is_none() {
        return (json, now);
    }
    let Some(fields) = node.mapping(diagnostics, &["value", "at"]) else { return (json, now) };
    let at = fields.get("at").and_then(|node| node.timestamp(diagnostics)).unwrap_or(now);
    (fields.get("value").map_or(Json::Null, Node::to_json), at)
}

fn read_lists(
    node: Option<Node<'_>>,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<Option<Arc<List>>> {
    let mut lists = vec![None; snapshot.lists.len()];
    let entries = node.and_then(|node| node.entries(diagnostics)).unwrap_or_default();
    for entry in entries {
        let at = snapshot.lists.iter().position(|list| *list.name == *entry.key);
        let Some((at, declared)) = at.and_then(|at| Some((at, snapshot.lists.get(at)?))) else {
            let near = suggest(entry.key, snapshot.lists.iter().map(|l| &*l.name));
            let near = near.map(str::to_owned);
            let error =
                diagnostics.error(entry.key_place(), format!("unknown list {}", quoted(entry.key)));
            if let Some(near) = near {
                error.help(format!("did you mean `{near}`?"));
            }
            continue;
        };
        let mut texts = Vec::new();
        for item in entry.node.items(diagnostics).unwrap_or_default() {
            texts.extend(item.string(diagnostics));
        }
        let (list, bad) = List::from_entries(declared.kind, texts.iter().copied());
        if let Some(line) = bad.first.first() {
            diagnostics.error(entry.node, format!("not an entry of such a list: {}", line.why));
        }
        if let Some(place) = lists.get_mut(at) {
            *place = Some(Arc::new(list));
        }
    }
    lists
}

fn read_geo(node: Option<Node<'_>>, diagnostics: &mut Diagnostics) -> Geo {
    let mut table = GeoTable::default();
    let names: Vec<&str> = GeoField::ALL.iter().map(|(name, _)| *name).collect();
    let entries = node.and_then(|node| node.entries(diagnostics)).unwrap_or_default();
    for entry in entries {
        let Some(fields) = entry.node.mapping(diagnostics, &names) else { continue };
        let mut text =
            |key: &str| fields.get(key).and_then(|n| n.string(diagnostics)).map(str::to_owned);
        let (country, city, org) = (text("country"), text("city"), text("org"));
        let mut number = |key: &str| fields.get(key).and_then(|n| n.number(diagnostics));
        let place = OwnedPlace {
            country,
            city,
            org,
            asn: number("asn").map(|x| x as u32),
            latitude: number("lat"),
            longitude: number("lon"),
            radius_km: number("radius_km"),
        };
        if !table.insert(entry.key, place) {
            diagnostics.error(
                entry.key_place(),
                format!("{} is no address or network", quoted(entry.key)),
            );
        }
    }
    Geo::table(table)
}

fn read_learned(
    node: Option<Node<'_>>,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<(SlotId, Literal)> {
    let mut learned = Vec::new();
    let entries = node.and_then(|node| node.entries(diagnostics)).unwrap_or_default();
    for entry in entries {
        // The text need not be written just as the policy has it.
        let name = cel::parse(entry.key).map_or(entry.key.to_owned(), |ast| ast.to_string());
        let at =
            snapshot.slots.iter().position(|slot| *slot.name == *name && slot.source.is_learned());
        let found = at.and_then(|at| Some((u32::try_from(at).ok()?, snapshot.slots.get(at)?)));
        let Some((id, slot)) = found else {
            let learnable = snapshot.slots.iter().filter(|slot| slot.source.is_learned());
            let near = suggest(&name, learnable.map(|s| &*s.name)).map(str::to_owned);
            let error =
                diagnostics.error(entry.key_place(), format!("no policy asks {}", quoted(&name)));
            if let Some(near) = near {
                error.help(format!("did you mean `{near}`?"));
            }
            continue;
        };
        let literal = match slot.ty {
            Type::Bool => entry.node.bool(diagnostics).map(Literal::Bool),
            Type::Duration => entry.node.duration(diagnostics).map(Literal::Duration),
            _ if entry.node.to_json() == "infinity" => Some(Literal::Number(f64::INFINITY)),
            _ => entry.node.number(diagnostics).map(Literal::Number),
        };
        learned.extend(literal.map(|literal| (SlotId(id), literal)));
    }
    learned
}

fn read_policies(
    node: Option<Node<'_>>,
    snapshot: &Snapshot,
    diagnostics: &mut Diagnostics,
) -> Vec<GivenPolicy> {
    let mut policies = Vec::new();
    let entries = node.and_then(|node| node.entries(diagnostics)).unwrap_or_default();
    for entry in entries {
        let Some(id) = snapshot.find(entry.key) else {
            let near = suggest(entry.key, snapshot.by_name.keys().map(|n| &**n));
            let near = near.map(str::to_owned);
            let error = diagnostics
                .error(entry.key_place(), format!("unknown policy {}", quoted(entry.key)));
            if let Some(near) = near {
                error.help(format!("did you mean `{near}`?"));
            }
            continue;
        };
        let Some(fields) = entry.node.mapping(diagnostics, &["score", "confidence"]) else {
            continue;
        };
        let score = fields.required("score", diagnostics).and_then(|n| n.number(diagnostics));
        let confidence = fields.get("confidence").and_then(|node| {
            let confidence = node.number(diagnostics)?;
            if !(0.0..=1.0).contains(&confidence) {
                diagnostics.error(node, format!("`{confidence}` is not in [0, 1]"));
            }
            Some(confidence)
        });
        if let Some(score) = score {
            policies.push(GivenPolicy { id, score, confidence: confidence.unwrap_or(1.0) });
        }
    }
    policies
}

fn read_http(node: Node<'_>, diagnostics: &mut Diagnostics) -> Option<QuestionHttp> {
    let allowed = ["method", "path", "host", "scheme", "headers"];
    let fields = node.mapping(diagnostics, &allowed)?;
    let mut text = |key: &str, default: &str| {
        let text = fields.get(key).and_then(|n| n.string(diagnostics));
        text.unwrap_or(default).to_owned()
    };
    let (method, path) = (text("method", "GET"), text("path", "/"));
    let (host, scheme) = (text("host", "example.com"), text("scheme", "https"));
    let mut headers = Vec::new();
    if let Some(node) = fields.get("headers") {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            if let Some(value) = entry.node.string(diagnostics) {
                headers.push((entry.key.to_owned(), value.to_owned()));
            }
        }
    }
    Some(QuestionHttp { method, path, host, scheme, headers })
}
