//! How the signals that a look-up asked for were found.

use super::time::Seconds;

/// Upper bounds of the ages that are told apart: from a second to 30 days.
pub const AGE_BOUNDS: [Seconds; 9] =
    [1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0];

/// Counts of one look-up, gathered on its stack: metrics take them in at one go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SignalUse {
    pub present: u32,
    /// Nothing is known.
    pub missing: u32,
    /// Something is known that is too old to count.
    pub stale: u32,
    /// Of those present: one count a bound, and one for what is older than all.
    pub ages: [u32; AGE_BOUNDS.len() + 1],
    /// Of those present.
    pub age_sum: Seconds,
}

impl SignalUse {
    /// Notes a signal that was used.
    pub fn used(&mut self, age: Seconds) {
        self.present += 1;
        self.age_sum += age;
        let at = AGE_BOUNDS.iter().position(|bound| age <= *bound).unwrap_or(AGE_BOUNDS.len());
        if let Some(count) = self.ages.get_mut(at) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SignalUse;

    #[test]
    fn ages_fall_into_their_buckets() {
        let mut found = SignalUse::default();
        for age in [0.0, 1.0, 1.5, 1e9] {
            found.used(age);
        }
        assert_eq!(found.present, 4);
        assert_eq!(found.ages, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
