//! From documents to a snapshot: every mistake at once, or a whole that can be published.

mod adjustments;
mod catalog;
mod curve;
mod expected;
mod expression;
mod functions;
mod learned;
mod linked;
mod lists;
mod measures;
mod methods;
mod names;
mod never;
mod operators;
mod reasons;
mod rules;
mod score;
mod signal;
mod slots;
mod trust;
mod usual;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use catalog::Catalogs;
use expression::{Expressions, Stage};
use measures::Measures;
use slots::Slots;
use trust::{CompiledPolicy, Head};

use super::cel;
use super::diagnostic::{Diagnostics, quoted};
use super::source::{Document, DocumentKind, Node, SourceSet};
use crate::engine::{PolicyId, Snapshot};
use crate::model::{Catalog, SlotId, TEACHES_UP_TO, Type, Vocabulary};

/// What others can know of a policy before it is compiled.
#[derive(Debug)]
struct Composable {
    id: PolicyId,
    levels: Arc<[Arc<str>]>,
}

/// Compiles all documents of a folder. There is a snapshot only where no
/// diagnostic is an error.
pub fn compile(set: &SourceSet, vocabulary: &Vocabulary) -> (Option<Snapshot>, Diagnostics) {
    let mut diagnostics = set.diagnostics.clone();
    let (catalog_documents, policy_documents) = split(&set.documents);
    let catalogs = Catalogs::read(catalog_documents, vocabulary, &mut diagnostics);

    let mut heads: Vec<Head<'_>> = Vec::new();
    let mut names: HashMap<&str, Composable> = HashMap::new();
    for document in policy_documents {
        let Some(head) = trust::head(document, &mut diagnostics) else { continue };
        if let Some(first) =
            names.get(head.name).and_then(|known| heads.get(usize::from(known.id.0)))
        {
            diagnostics
                .error(&head.place, format!("policy {} stands twice", quoted(head.name)))
                .also(&first.place, "first here");
            continue;
        }
        let Ok(id) = u16::try_from(heads.len()) else {
            diagnostics.error(&head.place, "too many policies");
            break;
        };
        names.insert(head.name, Composable { id: PolicyId(id), levels: head.level_names() });
        heads.push(head);
    }

    let mut slots = Slots::new(Measures::new(vocabulary));
    let mut signals = compile_observations(&catalogs, &names, &mut slots, &mut diagnostics);
    let mut compiled: Vec<Option<CompiledPolicy>> = Vec::new();
    for (at, head) in heads.iter().enumerate() {
        let mut expressions =
            Expressions::new(&catalogs, &names, &mut slots, &mut diagnostics, head.node);
        let shadow_of =
            u16::try_from(at).ok().and_then(|me| expressions.shadowed(head, PolicyId(me)));
        let mut policy = expressions.policy(head);
        if let Some(policy) = &mut policy {
            policy.policy.shadow_of = shadow_of;
        }
        compiled.push(policy);
    }
    check_shadows(&heads, &compiled, &mut diagnostics);
    let orders = order_compositions(&heads, &compiled, &mut diagnostics);
    if diagnostics.has_errors() {
        return (None, diagnostics);
    }
    let policies: Vec<CompiledPolicy> = compiled.into_iter().flatten().collect();
    let mut observed = BTreeSet::new();
    let mut plan = slots.measures.plan();
    plan.links.identifiers.clone_from(&catalogs.links);
    for signal in &mut signals {
        signal.teaches = plan.learns(signal.id);
        plan.delays.extend(signal.learn.delay.map(|delay| (signal.id, delay)));
        if let (true, Some(slot)) = (signal.teaches, signal.observe) {
            slots.close(slot, &mut observed);
        }
    }
    let presences = slots.measures.presences();
    for from in presences.iter().filter_map(|presence| presence.from) {
        let places = [from.latitude, from.longitude, from.radius].into_iter().chain(from.excused);
        for slot in places {
            slots.close(slot, &mut observed);
        }
    }
    for context in presences.iter().filter_map(|presence| presence.context) {
        for slot in context.slots() {
            slots.close(slot, &mut observed);
        }
    }
    let snapshot = Snapshot {
        revision: set.revision.as_str().into(),
        catalog: Arc::new(
            Catalog::new(catalogs.entities.clone(), signals)
                .expecting(catalogs.expected.clone())
                .teaching_up_to(catalogs.teaches_up_to.unwrap_or(TEACHES_UP_TO)),
        ),
        context: catalogs.context.iter().map(|(key, ty)| (Arc::from(*key), *ty)).collect(),
        lists: catalogs.lists.clone(),
        geo: catalogs.geo.clone(),
        routes: catalogs.routes.clone(),
        plan: Arc::new(plan),
        presences,
        by_name: names.iter().map(|(name, known)| (Arc::from(*name), known.id)).collect(),
        slots: slots.finish(),
        policies: link(policies, &orders, &observed),
    };
    (Some(snapshot), diagnostics)
}

fn split(documents: &[Document]) -> (Vec<&Document>, Vec<&Document>) {
    let of = |kind| documents.iter().filter(move |d| d.kind == kind).collect();
    (of(DocumentKind::Catalog), of(DocumentKind::TrustPolicy))
}

/// Compiles what requests teach: `observe` and `user_agent` must be something that look-up
/// fills.
fn compile_observations<'a>(
    catalogs: &Catalogs<'a>,
    names: &HashMap<&'a str, Composable>,
    slots: &mut Slots<'a>,
    diagnostics: &mut Diagnostics,
) -> Vec<crate::model::SignalDecl> {
    let mut wrong_agent = None;
    let mut observed = |(node, ast): &(Node<'a>, cel::Expr), slots: &mut Slots<'a>| {
        let mut expressions = Expressions::new(catalogs, names, slots, diagnostics, *node);
        let typed = expressions.compile(*node, ast, Stage::Value)?;
        if let crate::engine::Expr::Slot(slot) = typed.expr {
            return Some((slot, typed.ty));
        }
        diagnostics
            .error(*node, "only what look-up reads can be observed")
            .help("name a part of the request or `geo(address.ip).country`, say");
        None
    };
    if let Some(agent) = &catalogs.user_agent
        && let Some((slot, ty)) = observed(agent, slots)
    {
        slots.user_agent = Some(slot);
        wrong_agent = (!matches!(ty, Type::Text | Type::Any)).then_some((agent.0, ty));
    }
    let mut signals = Vec::new();
    for declared in &catalogs.signals {
        let mut decl = declared.decl.clone();
        decl.observe = declared.observe.as_ref().and_then(|it| Some(observed(it, slots)?.0));
        declared.learned(catalogs, &mut slots.measures);
        signals.push(decl);
    }
    if let Some((node, ty)) = wrong_agent {
        diagnostics.error(node, format!("a user agent is a text, and this is a {ty}"));
    }
    signals
}

/// A shadow is of an enforced policy, and no enforced policy reads a shadow.
fn check_shadows(
    heads: &[Head<'_>],
    compiled: &[Option<CompiledPolicy>],
    diagnostics: &mut Diagnostics,
) {
    let is_shadow =
        |id: PolicyId| heads.get(usize::from(id.0)).is_some_and(|head| head.shadow_of.is_some());
    for (head, policy) in heads.iter().zip(compiled) {
        let Some(policy) = policy else { continue };
        match (policy.policy.shadow_of, &head.shadow_of) {
            (Some(of), Some((_, place))) if is_shadow(of) => {
                diagnostics.error(place, "a policy can't be a shadow of a shadow");
            }
            _ => {}
        }
        for (id, place) in &policy.composes {
            if is_shadow(*id) && head.shadow_of.is_none() {
                diagnostics.error(place, "an enforced policy can't read a shadow policy");
            }
        }
    }
}

/// For each policy, those that it composes, each after those that it needs itself.
fn order_compositions(
    heads: &[Head<'_>],
    compiled: &[Option<CompiledPolicy>],
    diagnostics: &mut Diagnostics,
) -> Vec<Vec<PolicyId>> {
    let mut walk = Walk { compiled, path: Vec::new(), order: Vec::new(), cycles: BTreeSet::new() };
    let mut orders = Vec::new();
    for at in 0..heads.len() {
        walk.order.clear();
        if let Ok(id) = u16::try_from(at) {
            walk.visit(PolicyId(id));
        }
        // The policy itself comes last.
        walk.order.pop();
        orders.push(walk.order.clone());
    }
    for cycle in &walk.cycles {
        let names: Vec<&str> = cycle
            .iter()
            .filter_map(|id| heads.get(usize::from(id.0)))
            .map(|head| head.name)
            .collect();
        let Some(first) = cycle.first().and_then(|id| compiled.get(usize::from(id.0))) else {
            continue;
        };
        let next = cycle.get(1).or(cycle.first());
        let place = first
            .as_ref()
            .and_then(|p| p.composes.iter().find(|(id, _)| Some(id) == next))
            .map(|(_, place)| place);
        if let Some(place) = place {
            diagnostics.error(
                place,
                format!("policies read each other in a circle: `{}`", names.join("` → `")),
            );
        }
    }
    orders
}

struct Walk<'c> {
    compiled: &'c [Option<CompiledPolicy>],
    path: Vec<PolicyId>,
    order: Vec<PolicyId>,
    /// Each begun at its smallest member, so that it is told once.
    cycles: BTreeSet<Vec<PolicyId>>,
}

impl Walk<'_> {
    fn visit(&mut self, id: PolicyId) {
        if let Some(at) = self.path.iter().position(|p| *p == id) {
            let mut cycle = self.path.get(at..).unwrap_or_default().to_vec();
            let smallest =
                cycle.iter().enumerate().min_by_key(|(_, id)| **id).map_or(0, |(i, _)| i);
            cycle.rotate_left(smallest);
            self.cycles.insert(cycle);
            return;
        }
        if self.order.contains(&id) {
            return;
        }
        self.path.push(id);
        if let Some(Some(policy)) = self.compiled.get(usize::from(id.0)) {
            for (composed, _) in &policy.composes {
                self.visit(*composed);
            }
        }
        self.path.pop();
        self.order.push(id);
    }
}

/// Ties policies together: what is evaluated before, what with, what is read in all.
fn link(
    compiled: Vec<CompiledPolicy>,
    orders: &[Vec<PolicyId>],
    observed: &BTreeSet<SlotId>,
) -> Vec<crate::engine::Policy> {
    let results: BTreeSet<_> = compiled.iter().flat_map(|c| c.results.iter().copied()).collect();
    let mut policies: Vec<_> = compiled.into_iter().map(|c| c.policy).collect();
    let own_reads: Vec<Vec<SlotId>> = policies.iter().map(|p| p.reads.clone()).collect();
    let shadows: Vec<(PolicyId, PolicyId)> = policies
        .iter()
        .enumerate()
        .filter_map(|(at, p)| Some((p.shadow_of?, PolicyId(u16::try_from(at).ok()?))))
        .collect();
    for (at, policy) in policies.iter_mut().enumerate() {
        let me = PolicyId(u16::try_from(at).unwrap_or(u16::MAX));
        policy.shadows = shadows.iter().filter(|(of, _)| *of == me).map(|(_, id)| *id).collect();
        policy.results =
            results.iter().filter(|(of, _, _)| *of == me).map(|(_, f, s)| (*f, *s)).collect();
        let before = orders.get(at).cloned().unwrap_or_default();
        // A shadow may compose what it is a shadow of, so all that it needs comes after.
        let mut after: Vec<PolicyId> = Vec::new();
        for shadow in &policy.shadows {
            let needed = orders.get(usize::from(shadow.0)).into_iter().flatten();
            for id in needed.chain([shadow]) {
                if *id != me && !before.contains(id) && !after.contains(id) {
                    after.push(*id);
                }
            }
        }
        // What requests teach is read whichever policy is asked.
        let mut reads = observed.clone();
        for id in before.iter().chain(&after).chain([&me]) {
            reads.extend(own_reads.get(usize::from(id.0)).into_iter().flatten());
        }
        policy.reads = reads.into_iter().collect();
        policy.before = before;
        policy.after = after;
    }
    policies
}
