//! Combining values in [0, 1], with each one's part in the result.

use crate::model::Combine;

/// zeta(1.5), the sum over all i of 1 / i^1.5: what `ranked` divides by, so
/// that infinitely many values of 1 combine to 1.
pub(super) const ZETA_1_5: f64 = 2.612_375_348_685_488;

/// One value to combine. `part` is written: its share of the result.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Term {
    /// In [0, 1]; nothing where it is left out.
    pub(super) c: Option<f64>,
    pub(super) weight: f64,
    pub(super) part: f64,
}

/// Combines the terms that have a value and writes each one's `part`; the parts
/// sum to the result. In the modes that don't add, a part is what the term adds
/// to those that rank before it. Nothing where no term has a value.
///
/// `order` is scratch space.
pub(super) fn combine(mode: Combine, terms: &mut [Term], order: &mut Vec<u16>) -> Option<f64> {
    for term in terms.iter_mut() {
        term.part = 0.0;
    }
    match mode {
        Combine::WeightedSum => {
            let weight: f64 = terms.iter().filter(|t| t.c.is_some()).map(|t| t.weight).sum();
            if weight <= 0.0 {
                return None;
            }
            let mut sum = 0.0;
            for term in terms.iter_mut() {
                if let Some(c) = term.c {
                    term.part = term.weight * c / weight;
                    sum += term.part;
                }
            }
            Some(sum)
        }
        Combine::Max | Combine::Min => {
            let mut found: Option<(usize, f64)> = None;
            for (at, term) in terms.iter().enumerate() {
                let Some(c) = term.c else { continue };
                let better = found.is_none_or(|(_, extreme)| match mode {
                    Combine::Max => c > extreme,
                    _ => c < extreme,
                });
                if better {
                    found = Some((at, c));
                }
            }
            let (at, c) = found?;
            if let Some(term) = terms.get_mut(at) {
                term.part = c;
            }
            Some(c)
        }
        Combine::NoisyOr => {
            rank(terms, order, |t, c| t.weight * c);
            let mut rest = 1.0;
            for at in order.iter() {
                if let Some(term) = terms.get_mut(usize::from(*at)) {
                    let p = term.weight * term.c.unwrap_or(0.0);
                    term.part = rest * p;
                    rest *= 1.0 - p;
                }
            }
            (!order.is_empty()).then_some(1.0 - rest)
        }
        Combine::Ranked => {
            rank(terms, order, |_, c| c);
            let mut sum = 0.0;
            for (place, at) in order.iter().enumerate() {
                if let Some(term) = terms.get_mut(usize::from(*at)) {
                    let i = (place + 1) as f64;
                    term.part = term.c.unwrap_or(0.0) / (i * i.sqrt()) / ZETA_1_5;
                    sum += term.part;
                }
            }
            (!order.is_empty()).then_some(sum)
        }
    }
}

/// The numbers of the terms that have a value, largest `key` first, ties in document order.
fn rank(terms: &[Term], order: &mut Vec<u16>, key: impl Fn(&Term, f64) -> f64) {
    order.clear();
    order.extend(
        terms
            .iter()
            .enumerate()
            .filter(|(_, t)| t.c.is_some())
            .filter_map(|(at, _)| u16::try_from(at).ok()),
    );
    let key_at =
        |at: u16| terms.get(usize::from(at)).and_then(|t| t.c.map(|c| key(t, c))).unwrap_or(0.0);
    order.sort_unstable_by(|a, b| key_at(*b).total_cmp(&key_at(*a)).then(a.cmp(b)));
}
