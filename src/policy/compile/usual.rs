//! Functions that ask what is usual for a number.

use super::expression::Expressions;
use crate::model::{EntityKind, MeasureId, Measured, SignalType, SlotId, Source, Type};
use crate::policy::cel::{self, ExprKind};
use crate::policy::diagnostic::quoted;

impl Expressions<'_, '_> {
    pub(super) fn deviation(&mut self, value: &cel::Expr, signal: &cel::Expr) -> Option<Source> {
        let decl = self.signal_decl(signal)?;
        let (kind, id, baseline) = (decl.kind, decl.id, decl.learn.baseline);
        let Some(baseline) = baseline else {
            let name = quoted(&signal.to_string());
            self.error(signal, format!("{name} does not learn what is usual"))
                .help("declare it in the catalog: `learn: {baseline: {half_life: 14d}}`");
            return None;
        };
        let of = Measured::Baseline { signal: id, baseline };
        let measure = self.learn(signal, kind, format!("baseline({signal})"), of)?;
        let value = self.number_argument(value, "a deviation")?;
        Some(Source::Deviation { kind, measure, value })
    }

    pub(super) fn percentile(&mut self, value: &cel::Expr, signal: &cel::Expr) -> Option<Source> {
        let (kind, measure, _) = self.quantiles(signal)?;
        let value = self.number_argument(value, "a percentile")?;
        Some(Source::Percentile { kind, measure, value })
    }

    pub(super) fn quantile(&mut self, signal: &cel::Expr, share: &cel::Expr) -> Option<Source> {
        let (kind, measure, ty) = self.quantiles(signal)?;
        let ExprKind::Number(share) = share.kind else { return None };
        let ty = if ty == SignalType::Duration { Type::Duration } else { Type::Number };
        Some(Source::Quantile { kind, measure, share, ty })
    }

    /// How the values of a signal are spread.
    fn quantiles(&mut self, signal: &cel::Expr) -> Option<(EntityKind, MeasureId, SignalType)> {
        let decl = self.signal_decl(signal)?;
        let (kind, id, ty, quantiles) = (decl.kind, decl.id, decl.ty, decl.learn.quantiles);
        let Some(quantiles) = quantiles else {
            let name = quoted(&signal.to_string());
            self.error(signal, format!("{name} does not learn how its values are spread"))
                .help("declare it in the catalog: `learn: {quantiles: {half_life: 14d}}`");
            return None;
        };
        let of = Measured::Quantiles { signal: id, quantiles };
        let measure = self.learn(signal, kind, format!("quantiles({signal})"), of)?;
        Some((kind, measure, ty))
    }

    fn number_argument(&mut self, value: &cel::Expr, what: &str) -> Option<SlotId> {
        let (slot, ty) = self.argument(value)?;
        if !matches!(ty, Type::Number | Type::Duration | Type::Any) {
            self.error(value, format!("{what} is of numbers, and this is a {ty}"));
            return None;
        }
        Some(slot)
    }
}
