//! What links entities: the catalog's `links`, and the functions that ask of it.

use super::catalog::Catalogs;
use super::expression::Expressions;
use crate::model::{
    EntityKind, Identifier, IdentifierOf, Linked, Seconds, Sharers, SignalType, Source, Vocabulary,
};
use crate::policy::cel::{self, ExprKind};
use crate::policy::diagnostic::{Diagnostics, quoted};
use crate::policy::source::{Entry, Fields, Node};

/// A value that more entities share links nobody, unless told.
const HUB: u8 = 8;
/// As long as a policy may look back.
const FORGET_AFTER: Seconds = 365.0 * 86_400.0;
/// More identifiers would let one entity have too many links.
const MAX_IDENTIFIERS: usize = 16;

impl<'a> Catalogs<'a> {
    /// `links: {user.address_key: {hub: 8, forget_after: 365d}, device.id: {of: user}}`
    pub(super) fn read_links(
        &mut self,
        node: Node<'a>,
        vocabulary: &Vocabulary,
        diagnostics: &mut Diagnostics,
    ) {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            if !self.once("link", &entry, diagnostics) {
                continue;
            }
            let allowed = ["of", "hub", "forget_after"];
            let Some(fields) = entry.node.mapping(diagnostics, &allowed) else { continue };
            let Some((of, links)) = self.identifier(&entry, &fields, diagnostics) else { continue };
            let hub = match fields.get("hub").map(|node| (node, node.count(diagnostics))) {
                None => Some(HUB),
                Some((_, Some(hub @ 2..=32))) => u8::try_from(hub).ok(),
                Some((node, _)) => {
                    diagnostics.error(node, "`hub` is from 2 to 32 entities");
                    None
                }
            };
            let forget_after = match fields.get("forget_after") {
                None => Some(FORGET_AFTER),
                Some(node) => node.duration(diagnostics).filter(|seconds| {
                    let good = (1.0..=10.0 * FORGET_AFTER).contains(seconds);
                    if !good {
                        diagnostics.error(node, "`forget_after` is from 1 s to 10 years");
                    }
                    good
                }),
            };
            let id = vocabulary.measure(&format!("links({})", entry.key));
            if self.links.len() >= MAX_IDENTIFIERS || id.is_none() {
                diagnostics
                    .error(entry.key_place(), format!("more than {MAX_IDENTIFIERS} identifiers"));
                continue;
            }
            if let (Some(hub), Some(forget_after), Some(id)) = (hub, forget_after, id) {
                let name = entry.key.into();
                self.links.push(Identifier { id, name, of, links, hub, forget_after });
            }
        }
    }

    /// What an identifier is of, and which entities it links.
    fn identifier(
        &self,
        entry: &Entry<'a>,
        fields: &Fields<'a>,
        diagnostics: &mut Diagnostics,
    ) -> Option<(IdentifierOf, EntityKind)> {
        let of = fields.get("of");
        let (entity, name) = entry.key.split_once('.').unwrap_or_default();
        let kind = self.entity(entity).map(|e| e.kind);
        if let (Some(kind), true) = (kind, name == "id" || entry.key == "address.ip") {
            let linked = match of {
                None => "user",
                Some(node) => node.string(diagnostics)?,
            };
            let Some(links) = self.entity(linked).map(|e| e.kind).filter(|links| *links != kind)
            else {
                let at = of.unwrap_or(entry.node);
                diagnostics.error(at, format!("{} can't link {}", entry.key, quoted(linked)));
                return None;
            };
            return Some((IdentifierOf::Own(kind), links));
        }
        if let Some(node) = of {
            diagnostics.error(node, "a signal links the entities that have it: leave `of` out");
        }
        match kind.and_then(|kind| Some((kind, self.signal(kind, name)?))) {
            Some((kind, signal)) if signal.ty == SignalType::Text => {
                Some((IdentifierOf::Signal(signal.id), kind))
            }
            Some((_, signal)) => {
                let text = format!("a {} identifies nobody: a string does", signal.ty.name());
                diagnostics.error(entry.key_place(), text);
                None
            }
            None => {
                let names = self.signal_names();
                diagnostics
                    .error(entry.key_place(), format!("unknown identifier {}", quoted(entry.key)))
                    .help("it is a string signal, or `device.id`, or `address.ip`")
                    .did_you_mean(entry.key, names.iter().map(String::as_str));
                None
            }
        }
    }
}

impl Expressions<'_, '_> {
    /// `shared_by` and `joined_by`
    pub(super) fn shared_by(
        &mut self,
        ast: &cel::Expr,
        who: Sharers,
        identifier: &cel::Expr,
        entity: &cel::Expr,
        window: &cel::Expr,
    ) -> Option<Source> {
        let seconds = self.window(window)?;
        let name = identifier.to_string();
        // An address's id is its text.
        let key = if name == "address.id" { "address.ip" } else { &*name };
        let Some(found) = self.catalogs.links.iter().find(|known| *known.name == *key) else {
            self.error(identifier, format!("{} links nobody", quoted(&name)))
                .help(format!("declare it in the catalog: `links: {{{key}: {{}}}}`"));
            return None;
        };
        let found = found.clone();
        if Some(found.links) != self.entity_kind(entity) {
            self.error(entity, format!("{} links entities of another kind", quoted(&name)))
                .help("the catalog says which: `links: {device.id: {of: user}}`, say");
            return None;
        }
        if seconds > found.forget_after {
            self.error(window, format!("{} is forgotten before that", quoted(&name)))
                .help("the catalog says when: `forget_after`, under `links`");
            return None;
        }
        let kind = match found.of {
            IdentifierOf::Signal(_) => found.links,
            IdentifierOf::Own(kind) => kind,
        };
        let of = Linked::Shared { identifier: found.id, who, window: seconds };
        let asked = match who {
            Sharers::Seen => "shared",
            Sharers::Joined => "joined",
        };
        self.linked(ast, kind, &format!("{asked}({key}, {seconds}s)"), of)
    }

    pub(super) fn linked_to_flagged(
        &mut self,
        ast: &cel::Expr,
        entity: &cel::Expr,
        depth: &cel::Expr,
    ) -> Option<Source> {
        let kind = self.linked_kind(entity)?;
        let ExprKind::Number(depth) = depth.kind else { return None };
        let of = Linked::Distance { depth: depth as u8 };
        self.linked(ast, kind, &format!("flagged({entity}, {})", depth as u8), of)
    }

    pub(super) fn cluster_size(&mut self, ast: &cel::Expr, entity: &cel::Expr) -> Option<Source> {
        let kind = self.linked_kind(entity)?;
        self.linked(ast, kind, &format!("cluster({entity})"), Linked::Cluster)
    }

    pub(super) fn flag_rate(
        &mut self,
        ast: &cel::Expr,
        entity: &cel::Expr,
        window: &cel::Expr,
        delay: &cel::Expr,
    ) -> Option<Source> {
        let kind = self.entity_kind(entity)?;
        let (seconds, late) = (self.window(window)?, self.window(delay)?);
        if late >= seconds {
            self.error(delay, "the delay is as long as the window: nothing is left to count");
            return None;
        }
        let of = Linked::FlagRate { window: seconds, delay: late };
        self.linked(ast, kind, &format!("flag_rate({entity}, {seconds}s, {late}s)"), of)
    }

    /// A kind that something links.
    fn linked_kind(&mut self, entity: &cel::Expr) -> Option<EntityKind> {
        let kind = self.entity_kind(entity)?;
        if !self.catalogs.links.iter().any(|identifier| identifier.links == kind) {
            self.error(entity, format!("nothing links entities of kind {}", quoted(&entity.to_string())))
                .help("declare in the catalog what does: `links: {user.address_key: {}, device.id: {}}`, say");
            return None;
        }
        Some(kind)
    }

    fn linked(
        &mut self,
        ast: &cel::Expr,
        kind: EntityKind,
        name: &str,
        of: Linked,
    ) -> Option<Source> {
        let measure = self.slots.measures.want_linked(kind, name, of);
        if measure.is_none() {
            self.error(ast, "more is to be learned than can be numbered");
        }
        Some(Source::Window { kind, measure: measure? })
    }
}
