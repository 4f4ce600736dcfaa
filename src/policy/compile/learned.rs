//! Functions of learned state: signatures, arguments, call sites as slots.

use super::expression::{Expressions, Typed};
use crate::model::{
    ContextFrom, Count, EntityKind, GeoField, MeasureId, Measured, Membership, Owner, Seconds,
    Sharers, SignalDecl, SignalType, Source, TravelFrom, Type,
};
use crate::policy::cel::{self, ExprKind, Name};
use crate::policy::diagnostic::quoted;

/// The longest window that is counted.
const LONGEST_WINDOW: Seconds = 90.0 * 86_400.0;
/// What was seen at an hour of the day counts half after so long.
const HOURS_HALF_LIFE: Seconds = 30.0 * 86_400.0;
/// So does what requests came from and with.
const CONTEXT_HALF_LIFE: Seconds = 30.0 * 86_400.0;

/// What a function of learned state takes at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// The name of a signal.
    Signal,
    /// A value that look-up can see.
    Value,
    /// The name of an entity kind.
    Entity,
    /// A time window, as a string literal.
    Window,
    /// The name of a peer group.
    Group,
    /// A signal, or a daily `sum`, `rate`, `distinct` of one, or a policy.
    Series,
    /// A number literal.
    Count,
    /// A share of what was observed, as a number literal.
    Share,
    /// `geo(x)`
    Geo,
}

/// Functions of learned state: signatures and what they give.
pub(super) const LEARNED: [(&str, &[&[Takes]], Type); 17] = {
    use Takes::{Count, Entity, Geo, Group, Series, Share, Signal, Value, Window};
    [
        ("deviation", &[&[Signal], &[Value, Signal]], Type::Number),
        ("percentile", &[&[Signal], &[Value, Signal]], Type::Number),
        // Of a duration, it is a duration.
        ("quantile", &[&[Signal, Share]], Type::Number),
        ("peer_deviation", &[&[Signal, Group]], Type::Number),
        ("familiar", &[&[Signal, Value]], Type::Bool),
        ("rarity", &[&[Entity]], Type::Number),
        ("unusual_hour", &[&[Entity]], Type::Number),
        ("travel_speed", &[&[Entity, Geo]], Type::Number),
        ("rate", &[&[Signal, Window]], Type::Number),
        ("sum", &[&[Signal, Window]], Type::Number),
        ("distinct", &[&[Signal, Window]], Type::Number),
        ("trend", &[&[Series]], Type::Number),
        ("shared_by", &[&[Value, Entity, Window]], Type::Number),
        ("joined_by", &[&[Value, Entity, Window]], Type::Number),
        ("linked_to_flagged", &[&[Entity, Count]], Type::Number),
        ("flag_rate", &[&[Entity, Window, Window]], Type::Number),
        ("cluster_size", &[&[Entity]], Type::Number),
    ]
};

impl Expressions<'_, '_> {
    /// A function of learned state: its arguments checked, its call site a slot.
    pub(super) fn learned(
        &mut self,
        ast: &cel::Expr,
        function: &Name,
        args: &[cel::Expr],
        signatures: &[&[Takes]],
        ty: Type,
    ) -> Option<Typed> {
        let Some(signature) = signatures.iter().find(|s| s.len() == args.len()) else {
            let wanted: Vec<String> = signatures.iter().map(|s| s.len().to_string()).collect();
            self.error(
                ast,
                format!(
                    "`{}` takes {} arguments, and {} are given",
                    function.text,
                    wanted.join(" or "),
                    args.len()
                ),
            );
            return None;
        };
        let mut good = true;
        for (arg, takes) in args.iter().zip(*signature) {
            good &= self.learned_argument(arg, *takes);
        }
        if !good {
            return None;
        }
        let mut ty = ty;
        let source = match (function.text.as_str(), args) {
            ("familiar", [signal, value]) => self.familiar(signal, value)?,
            ("deviation", [signal]) => self.deviation(signal, signal)?,
            ("deviation", [value, signal]) => self.deviation(value, signal)?,
            ("percentile", [signal]) => self.percentile(signal, signal)?,
            ("percentile", [value, signal]) => self.percentile(value, signal)?,
            ("quantile", [signal, share]) => {
                let source = self.quantile(signal, share)?;
                if let Source::Quantile { ty: of, .. } = &source {
                    ty = *of;
                }
                source
            }
            ("rarity", [entity]) => self.rarity(ast, entity)?,
            ("unusual_hour", [entity]) => self.unusual_hour(ast, entity)?,
            ("travel_speed", [entity, place]) => self.travel_speed(entity, place)?,
            (count @ ("rate" | "sum" | "distinct"), [signal, window]) => {
                self.window_of(ast, count, signal, window)?
            }
            ("shared_by", [identifier, entity, window]) => {
                self.shared_by(ast, Sharers::Seen, identifier, entity, window)?
            }
            ("joined_by", [identifier, entity, window]) => {
                self.shared_by(ast, Sharers::Joined, identifier, entity, window)?
            }
            ("linked_to_flagged", [entity, depth]) => self.linked_to_flagged(ast, entity, depth)?,
            ("cluster_size", [entity]) => self.cluster_size(ast, entity)?,
            ("flag_rate", [entity, window, delay]) => self.flag_rate(ast, entity, window, delay)?,
            _ => Source::Learned,
        };
        let slot = self.slots.intern(&ast.to_string(), source, ty, true);
        Some(self.slot(slot))
    }

    fn familiar(&mut self, signal: &cel::Expr, value: &cel::Expr) -> Option<Source> {
        let decl = self.signal_decl(signal)?;
        let (kind, id, familiar) = (decl.kind, decl.id, decl.learn.familiar);
        let Some(familiar) = familiar else {
            let name = quoted(&signal.to_string());
            self.error(signal, format!("{name} does not learn what is familiar")).help(
                "declare it in the catalog: `learn: {familiar: {keep: 16, forget_after: 90d}}`",
            );
            return None;
        };
        let of = Measured::Familiar { signal: id, familiar };
        let measure = self.learn(signal, kind, format!("familiar({signal})"), of)?;
        let (value, _) = self.argument(value)?;
        Some(Source::Familiar { kind, measure, value })
    }

    fn unusual_hour(&mut self, ast: &cel::Expr, entity: &cel::Expr) -> Option<Source> {
        let kind = self.entity_kind(entity)?;
        let of = Measured::Hours { half_life: HOURS_HALF_LIFE };
        let measure = self.learn(ast, kind, format!("hours({entity})"), of)?;
        Some(Source::UnusualHour { kind, measure })
    }

    fn rarity(&mut self, ast: &cel::Expr, entity: &cel::Expr) -> Option<Source> {
        let kind = self.entity_kind(entity)?;
        let from = self.context_from();
        let of = Measured::Context { half_life: CONTEXT_HALF_LIFE };
        let measure = self.learn(ast, kind, format!("context({entity})"), of)?;
        self.slots.measures.seen_in(kind, from);
        Some(Source::Rarity { kind, measure, from })
    }

    /// What a request comes from and with: its user agent as the catalog says, else the
    /// header of that name, else what the caller sends.
    fn context_from(&mut self) -> ContextFrom {
        let slots = &mut self.slots;
        let address = slots.intern("address.ip", Source::AddressIp, Type::Address, true);
        let country = slots.geo(address, GeoField::Country, "geo(address.ip).country");
        let asn = slots.geo(address, GeoField::Asn, "geo(address.ip).asn");
        if let Some(user_agent) = slots.user_agent {
            return ContextFrom { address, country, asn, user_agent, otherwise: None };
        }
        let header = Source::Header("user-agent".into());
        let name = r#"request.headers["user-agent"]"#;
        let user_agent = slots.intern(name, header, Type::Text, true);
        let sent = Source::Property { owner: Owner::Context, key: "user_agent".into() };
        let ty = self.catalogs.context.get("user_agent").copied().unwrap_or(Type::Any);
        let otherwise = Some(slots.intern("context.user_agent", sent, ty, true));
        ContextFrom { address, country, asn, user_agent, otherwise }
    }

    fn travel_speed(&mut self, entity: &cel::Expr, place: &cel::Expr) -> Option<Source> {
        let kind = self.entity_kind(entity)?;
        let ExprKind::Call { args, .. } = &place.kind else { return None };
        let address = args.first()?;
        let (ip, _) = self.argument(address)?;
        let mut field = |field, name| self.slots.geo(ip, field, &format!("{place}.{name}"));
        let latitude = field(GeoField::Latitude, "lat");
        let longitude = field(GeoField::Longitude, "lon");
        let radius = field(GeoField::RadiusKm, "radius_km");
        let excused = self.catalogs.travel_anywhere.map(|list| {
            let name = self.catalogs.lists.get(list).map_or("", |list| &*list.name);
            let list = u16::try_from(list).unwrap_or(u16::MAX);
            let source = Source::Listed(Membership { list, value: ip });
            self.slots.intern(&format!("{address} in lists.{name}"), source, Type::Bool, true)
        });
        let from = TravelFrom { latitude, longitude, radius, excused };
        let measure = self.learn(place, kind, format!("place({entity})"), Measured::Place)?;
        self.slots.measures.seen_from(kind, from);
        Some(Source::TravelSpeed { kind, measure, from })
    }

    fn window_of(
        &mut self,
        ast: &cel::Expr,
        count: &str,
        signal: &cel::Expr,
        window: &cel::Expr,
    ) -> Option<Source> {
        let seconds = self.window(window)?;
        if seconds > LONGEST_WINDOW {
            self.error(window, "windows are of at most 90 days");
            return None;
        }
        let decl = self.signal_decl(signal)?;
        let (kind, id, ty) = (decl.kind, decl.id, decl.ty);
        let number = matches!(
            ty,
            SignalType::Number | SignalType::Counter | SignalType::Event | SignalType::Duration
        );
        let count = match (count, ty) {
            ("distinct", _) => Count::Distinct,
            (_, SignalType::Counter) => Count::Increase,
            ("rate", _) => Count::Occurrences,
            _ if number => Count::Total,
            _ => {
                let name = quoted(&signal.to_string());
                self.error(signal, format!("a `sum` is of numbers, and {name} is a {}", ty.name()))
                    .help("`rate` counts reports, and `distinct` different values");
                return None;
            }
        };
        let of = Measured::Window { signal: id, window: seconds, count };
        // One of several ways to write one window.
        let measure = self.learn(ast, kind, format!("{count:?}({signal}, {seconds}s)"), of)?;
        Some(Source::Window { kind, measure })
    }

    pub(super) fn learn(
        &mut self,
        at: &cel::Expr,
        kind: EntityKind,
        name: String,
        of: Measured,
    ) -> Option<MeasureId> {
        let measure = self.slots.measures.want(kind, name, of);
        if measure.is_none() {
            self.error(at, "more is to be learned than can be numbered");
        }
        measure
    }

    /// The signal that an argument names; it was checked before.
    pub(super) fn signal_decl(&self, signal: &cel::Expr) -> Option<&SignalDecl> {
        let names = signal.dotted()?;
        let [entity, name] = names.as_slice() else { return None };
        self.catalogs.signal(self.catalogs.entity(entity)?.kind, name)
    }

    pub(super) fn entity_kind(&self, entity: &cel::Expr) -> Option<EntityKind> {
        let ExprKind::Ident(name) = &entity.kind else { return None };
        self.catalogs.entity(name).map(|entity| entity.kind)
    }

    fn learned_argument(&mut self, arg: &cel::Expr, takes: Takes) -> bool {
        match takes {
            Takes::Value => self.argument(arg).is_some(),
            Takes::Window => self.window(arg).is_some(),
            Takes::Signal => self.signal_argument(arg),
            Takes::Entity => {
                let name = match &arg.kind {
                    ExprKind::Ident(name) => name.as_str(),
                    _ => "",
                };
                let known = self.catalogs.entity(name).is_some();
                if !known {
                    let names: Vec<_> =
                        self.catalogs.entities.iter().map(|e| e.name.clone()).collect();
                    self.error(arg, "an entity kind is wanted here, such as `user`")
                        .did_you_mean(name, names.iter().map(|n| &**n));
                }
                known
            }
            Takes::Group => {
                let name = match &arg.kind {
                    ExprKind::Ident(name) | ExprKind::String(name) => name.as_str(),
                    _ => "",
                };
                let known = self.catalogs.peer_groups.contains(&name);
                if !known {
                    let names = self.catalogs.peer_groups.clone();
                    self.error(arg, format!("unknown peer group {}", quoted(name)))
                        .help("declare it in the catalog, under `peer_groups`")
                        .did_you_mean(name, names);
                }
                known
            }
            Takes::Count => {
                let good = matches!(arg.kind, ExprKind::Number(x) if (1.0..=8.0).contains(&x));
                if !good {
                    self.error(arg, "a number literal from 1 to 8 is wanted here");
                }
                good
            }
            Takes::Share => {
                let good = matches!(arg.kind, ExprKind::Number(x) if x > 0.0 && x < 1.0);
                if !good {
                    self.error(arg, "a share is wanted here: a number literal between 0 and 1")
                        .help("`0.95` asks for the value that 95 % of what was observed is below");
                }
                good
            }
            Takes::Geo => {
                let address = match &arg.kind {
                    ExprKind::Call { function, args } if function.text == "geo" => args.first(),
                    _ => None,
                };
                match address {
                    Some(address) => self.argument(address).is_some(),
                    None => {
                        self.error(arg, "a place is wanted here: `geo(address.ip)`");
                        false
                    }
                }
            }
            Takes::Series => match &arg.kind {
                ExprKind::Call { function, .. }
                    if matches!(function.text.as_str(), "sum" | "rate" | "distinct") =>
                {
                    self.expr(arg).is_some()
                }
                ExprKind::Call { function, args } if function.text == "policy" => {
                    match args.first().map(|a| &a.kind) {
                        Some(ExprKind::String(name))
                            if self.policies.contains_key(name.as_str()) =>
                        {
                            true
                        }
                        _ => {
                            self.error(arg, "unknown policy");
                            false
                        }
                    }
                }
                _ => self.signal_argument(arg),
            },
        }
    }

    /// An argument called *signal* is a name, and checked as such.
    fn signal_argument(&mut self, arg: &cel::Expr) -> bool {
        let names = arg.dotted().unwrap_or_default();
        let known = match names.as_slice() {
            [entity, name] => self
                .catalogs
                .entity(entity)
                .is_some_and(|e| self.catalogs.signal(e.kind, name).is_some()),
            _ => false,
        };
        if !known {
            let text = arg.to_string();
            let all = self.catalogs.signal_names();
            self.error(arg, format!("a signal is wanted here, and {} is none", quoted(&text)))
                .did_you_mean(&text, all.iter().map(String::as_str));
        }
        known
    }
}
