//! Catalog documents: the union of all of them is what can be known.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::curve::read_share;
use super::measures::Measures;
use super::signal;
use crate::engine::{GeoDecl, GeoDecls, ListDecl};
use crate::model::{
    EntityDecl, EntityKind, ExpectedDecl, Identifier, Measured, PathPattern, Route, RouteProperty,
    SignalDecl, SignalType, Type, Vocabulary,
};
use crate::policy::cel;
use crate::policy::diagnostic::{Diagnostics, Place, quoted};
use crate::policy::source::{Document, Entry, Kind, Names, Node, check_metadata};

/// Entity kinds that are known without being declared.
const BUILT_IN_KINDS: [&str; 4] = ["user", "device", "session", "address"];

/// Names that expressions use for something else.
const TAKEN: [&str; 15] = [
    "subject",
    "action",
    "resource",
    "context",
    "request",
    "lists",
    "now",
    "score",
    "level",
    "confidence",
    "factors",
    "dimensions",
    "thresholds",
    "policy",
    "geo",
];

/// All catalogs together, with the places that diagnostics want.
#[derive(Debug, Default)]
pub(super) struct Catalogs<'a> {
    pub(super) entities: Vec<EntityDecl>,
    pub(super) signals: Vec<Declared<'a>>,
    by_name: HashMap<(EntityKind, &'a str), usize>,
    pub(super) context: HashMap<&'a str, Type>,
    pub(super) lists: Vec<ListDecl>,
    pub(super) geo: GeoDecls,
    pub(super) routes: Vec<Route>,
    pub(super) peer_groups: Vec<&'a str>,
    /// The list of addresses behind which somebody may be anywhere.
    pub(super) travel_anywhere: Option<usize>,
    /// What a request's user agent is, for `rarity`.
    pub(super) user_agent: Option<(Node<'a>, cel::Expr)>,
    /// Up to which risk requests teach.
    pub(super) teaches_up_to: Option<f64>,
    /// What links entities.
    pub(super) links: Vec<Identifier>,
    /// Changes that may be announced.
    pub(super) expected: Vec<ExpectedDecl>,
    places: HashMap<String, Place>,
}

/// A signal with what is compiled once all names are known.
#[derive(Debug)]
pub(super) struct Declared<'a> {
    pub(super) decl: SignalDecl,
    pub(super) observe: Option<(Node<'a>, cel::Expr)>,
}

impl Declared<'_> {
    /// What is learned of the signal whether or not a policy asks.
    pub(super) fn learned(&self, catalogs: &Catalogs<'_>, measures: &mut Measures<'_>) {
        let (kind, signal) = (self.decl.kind, self.decl.id);
        let Some(entity) = catalogs.entities.iter().find(|e| e.kind == kind) else { return };
        let name = format!("{}.{}", entity.name, self.decl.name);
        // Where there are too many, whoever asks for one is told.
        if let Some(baseline) = self.decl.learn.baseline {
            let of = Measured::Baseline { signal, baseline };
            measures.want(kind, format!("baseline({name})"), of);
        }
        if let Some(quantiles) = self.decl.learn.quantiles {
            let of = Measured::Quantiles { signal, quantiles };
            measures.want(kind, format!("quantiles({name})"), of);
        }
        if let Some(familiar) = self.decl.learn.familiar {
            let of = Measured::Familiar { signal, familiar };
            measures.want(kind, format!("familiar({name})"), of);
        }
    }
}

impl<'a> Catalogs<'a> {
    pub(super) fn read(
        documents: Vec<&'a Document>,
        vocabulary: &Vocabulary,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut catalogs = Catalogs::default();
        for name in BUILT_IN_KINDS {
            if let Some(kind) = vocabulary.kind(name) {
                catalogs.entities.push(EntityDecl { kind, name: name.into(), forget_after: None });
            }
        }
        let allowed = [
            "metadata",
            "entities",
            "signals",
            "context",
            "resources",
            "lists",
            "geo",
            "peer_groups",
            "travel",
            "links",
            "expected",
            "user_agent",
            "learning",
        ];
        let all: Vec<_> = documents
            .into_iter()
            .filter_map(|document| document.fields(diagnostics, &allowed))
            .collect();
        // Entities of all documents come first: any catalog may add signals to them.
        for fields in &all {
            check_metadata(fields, diagnostics);
            if let Some(node) = fields.get("entities") {
                catalogs.read_entities(node, vocabulary, diagnostics);
            }
        }
        for fields in &all {
            if let Some(node) = fields.get("signals") {
                catalogs.read_signals(node, vocabulary, diagnostics);
            }
            if let Some(node) = fields.get("context") {
                catalogs.read_context(node, diagnostics);
            }
            if let Some(node) = fields.get("resources") {
                catalogs.read_routes(node, diagnostics);
            }
            if let Some(node) = fields.get("lists") {
                catalogs.read_lists(node, diagnostics);
            }
            if let Some(node) = fields.get("geo") {
                catalogs.read_geo(node, diagnostics);
            }
            if let Some(node) = fields.get("peer_groups") {
                catalogs.read_peer_groups(node, diagnostics);
            }
        }
        for fields in &all {
            if let Some(node) = fields.get("links") {
                catalogs.read_links(node, vocabulary, diagnostics);
            }
            if let Some(node) = fields.get("user_agent") {
                if catalogs.user_agent.is_some() {
                    diagnostics.error(node, "`user_agent` is declared twice");
                }
                catalogs.user_agent = node.expression(diagnostics).map(|expr| (node, expr));
            }
            if let Some(node) = fields.get("expected") {
                catalogs.read_expected(node, vocabulary, diagnostics);
            }
            if let Some(node) = fields.get("travel") {
                catalogs.read_travel(node, diagnostics);
            }
            if let Some(node) = fields.get("learning") {
                catalogs.read_learning(node, diagnostics);
            }
        }
        catalogs
    }

    fn read_learning(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        let Some(fields) = node.mapping(diagnostics, &["risk_up_to"]) else { return };
        let Some(node) = fields.required("risk_up_to", diagnostics) else { return };
        if self.teaches_up_to.is_some() {
            diagnostics.error(node, "`learning` is declared twice");
        }
        self.teaches_up_to = read_share(node, diagnostics);
    }

    pub(super) fn entity(&self, name: &str) -> Option<&EntityDecl> {
        self.entities.iter().find(|e| *e.name == *name)
    }

    pub(super) fn signal(&self, kind: EntityKind, name: &str) -> Option<&SignalDecl> {
        self.by_name.get(&(kind, name)).and_then(|at| self.signals.get(*at)).map(|s| &s.decl)
    }

    /// `user.auth_count` for every signal, for suggestions.
    pub(super) fn signal_names(&self) -> Vec<String> {
        self.signals
            .iter()
            .filter_map(|signal| {
                let entity = self.entities.iter().find(|e| e.kind == signal.decl.kind)?;
                Some(format!("{}.{}", entity.name, signal.decl.name))
            })
            .collect()
    }

    /// Tells a name that stands twice, in whichever document.
    pub(super) fn once(
        &mut self,
        what: &str,
        entry: &Entry<'_>,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let key = format!("{what} {}", entry.key);
        if let Some(first) = self.places.get(&key) {
            diagnostics
                .error(entry.key_place(), format!("{what} {} is declared twice", quoted(entry.key)))
                .also(first, "first declared here");
            return false;
        }
        self.places.insert(key, entry.key_place());
        true
    }

    fn read_entities(
        &mut self,
        node: Node<'a>,
        vocabulary: &Vocabulary,
        diagnostics: &mut Diagnostics,
    ) {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            let Some(name) = entry.name(diagnostics, Names::Plain) else { continue };
            if !self.once("entity", &entry, diagnostics) {
                continue;
            }
            if TAKEN.contains(&name) {
                diagnostics
                    .error(entry.key_place(), format!("`{name}` can't name an entity kind"))
                    .help("expressions use that name for something else");
                continue;
            }
            let forget_after = entry
                .node
                .mapping(diagnostics, &["forget_after"])
                .and_then(|fields| fields.get("forget_after"))
                .and_then(|node| node.duration(diagnostics));
            if let Some(known) = self.entities.iter_mut().find(|e| *e.name == *name) {
                known.forget_after = forget_after;
                continue;
            }
            match vocabulary.kind(name) {
                Some(kind) => {
                    self.entities.push(EntityDecl { kind, name: name.into(), forget_after });
                }
                None => {
                    diagnostics.error(
                        entry.key_place(),
                        format!("more than {} entity kinds", Vocabulary::MAX_KINDS),
                    );
                }
            }
        }
    }

    fn read_signals(
        &mut self,
        node: Node<'a>,
        vocabulary: &Vocabulary,
        diagnostics: &mut Diagnostics,
    ) {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            if !self.once("signal", &entry, diagnostics) {
                continue;
            }
            let Some((entity, name)) = entry.key.split_once('.') else {
                diagnostics
                    .error(
                        entry.key_place(),
                        format!("signal {} says no entity kind", quoted(entry.key)),
                    )
                    .help(format!("write `user.{}`, say", entry.key));
                continue;
            };
            let Some(kind) = self.entity(entity).map(|e| e.kind) else {
                let names: Vec<_> = self.entities.iter().map(|e| e.name.clone()).collect();
                diagnostics
                    .error(entry.key_place(), format!("unknown entity kind {}", quoted(entity)))
                    .help("declare it under `entities`")
                    .did_you_mean(entity, names.iter().map(|n| &**n));
                continue;
            };
            if !is_name(name) || name == "id" || (entity == "address" && name == "ip") {
                diagnostics
                    .error(entry.key_place(), format!("{} can't name a signal", quoted(entry.key)))
                    .help(
                        "signal names match `[a-z][a-z0-9_]*`; `id` and `address.ip` are built in",
                    );
                continue;
            }
            if let Some(declared) = signal::read(kind, name, &entry, vocabulary, diagnostics) {
                self.by_name.insert((kind, name), self.signals.len());
                self.signals.push(declared);
            }
        }
    }

    fn read_context(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        let types: Vec<(&str, Type)> = SignalType::ALL
            .iter()
            .filter(|(_, ty)| !matches!(ty, SignalType::Counter | SignalType::Event))
            .map(|(name, ty)| (*name, ty.value_type()))
            .collect();
        for entry in node.entries(diagnostics).unwrap_or_default() {
            if !self.once("context key", &entry, diagnostics) {
                continue;
            }
            if let Some(ty) = entry.node.one_of(diagnostics, &types) {
                self.context.insert(entry.key, ty);
            }
        }
    }

    fn read_routes(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        for item in node.items(diagnostics).unwrap_or_default() {
            let Some(fields) =
                item.mapping(diagnostics, &["match", "type", "action", "properties"])
            else {
                continue;
            };
            let matching = fields
                .required("match", diagnostics)
                .and_then(|m| m.mapping(diagnostics, &["path", "method"]));
            let kind =
                fields.required("type", diagnostics).and_then(|node| node.string(diagnostics));
            let action = fields.get("action").and_then(|node| node.string(diagnostics));
            let mut properties = Vec::new();
            for entry in fields
                .get("properties")
                .and_then(|node| node.entries(diagnostics))
                .unwrap_or_default()
            {
                let value = match entry.node.kind() {
                    Kind::Bool => entry.node.bool(diagnostics).map(RouteProperty::Bool),
                    Kind::Number => entry.node.number(diagnostics).map(RouteProperty::Number),
                    _ => entry.node.string(diagnostics).map(|t| RouteProperty::Text(t.into())),
                };
                properties.extend(value.map(|value| (Arc::from(entry.key), value)));
            }
            let Some(matching) = matching else { continue };
            let method = matching.get("method").and_then(|node| node.string(diagnostics));
            let path = matching.required("path", diagnostics).and_then(|node| {
                match PathPattern::parse(node.string(diagnostics)?) {
                    Ok(pattern) => Some(pattern),
                    Err(why) => {
                        diagnostics.error(node, why);
                        None
                    }
                }
            });
            if let (Some(path), Some(kind)) = (path, kind) {
                self.routes.push(Route {
                    path,
                    method: method.map(Arc::from),
                    kind: kind.into(),
                    action: action.map(Arc::from),
                    properties,
                });
            }
        }
    }

    fn read_geo(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        let Some(fields) = node.mapping(diagnostics, &["city", "asn", "optional"]) else { return };
        let optional =
            fields.get("optional").and_then(|node| node.bool(diagnostics)).unwrap_or(false);
        for (key, place) in [("city", &mut self.geo.city), ("asn", &mut self.geo.asn)] {
            let Some(node) = fields.get(key) else { continue };
            if place.is_some() {
                diagnostics.error(node, format!("the geo database `{key}` is declared twice"));
            }
            let path = node.string(diagnostics).map(PathBuf::from);
            *place = path.map(|path| GeoDecl { path, optional });
        }
    }

    fn read_peer_groups(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            let name = entry.name(diagnostics, Names::Plain);
            if !self.once("peer group", &entry, diagnostics) {
                continue;
            }
            let Some(fields) = entry.node.mapping(diagnostics, &["by", "discover"]) else {
                continue;
            };
            let mut named = Vec::new();
            if let Some(by) = fields.get("by") {
                named.extend(by.items(diagnostics).unwrap_or_default());
            }
            if let Some(discover) = fields.get("discover")
                && let Some(fields) = discover.mapping(diagnostics, &["over", "every"])
            {
                if let Some(every) = fields.get("every") {
                    every.duration(diagnostics);
                }
                if let Some(over) = fields.required("over", diagnostics) {
                    named.extend(over.items(diagnostics).unwrap_or_default());
                }
            }
            if fields.get("by").is_some() == fields.get("discover").is_some() {
                diagnostics.error(entry.node, "a peer group has either `by` or `discover`");
            }
            for node in named {
                self.check_signal_name(node, diagnostics);
            }
            self.peer_groups.extend(name);
        }
    }

    fn check_signal_name(&self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        let Some(text) = node.string(diagnostics) else { return };
        let known = text.split_once('.').is_some_and(|(entity, name)| {
            self.entity(entity).is_some_and(|e| self.signal(e.kind, name).is_some())
        });
        if !known {
            let names = self.signal_names();
            diagnostics
                .error(node, format!("unknown signal {}", quoted(text)))
                .did_you_mean(text, names.iter().map(String::as_str));
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !cel::is_reserved(text)
}
