//! What becomes of tokens and of the keys that verify them.

use super::counters::Counter;
use super::family::{Family, counts};
use super::names;

#[derive(Debug, Default)]
pub struct TokenMetrics {
    /// Tokens that were not believed, by cause.
    pub refused: TokenRefusals,
    /// Key sets that were fetched, by what came of it.
    pub fetched: KeyFetches,
}

#[derive(Debug, Default)]
pub struct TokenRefusals {
    pub expired: Counter,
    pub not_yet_valid: Counter,
    pub wrong_issuer: Counter,
    pub wrong_audience: Counter,
    pub unknown_key: Counter,
    /// No key set has been had yet.
    pub no_keys: Counter,
    pub bad_signature: Counter,
    pub malformed: Counter,
    /// Signed in a way that is not taken.
    pub algorithm: Counter,
}

#[derive(Debug, Default)]
pub struct KeyFetches {
    pub applied: Counter,
    pub unchanged: Counter,
    pub failed: Counter,
}

impl TokenMetrics {
    pub(super) fn families(&self) -> [Family; 2] {
        let (refused, fetched) = (&self.refused, &self.fetched);
        let causes: [(&'static str, &Counter); 9] = [
            ("expired", &refused.expired),
            ("not_yet_valid", &refused.not_yet_valid),
            ("wrong_issuer", &refused.wrong_issuer),
            ("wrong_audience", &refused.wrong_audience),
            ("unknown_key", &refused.unknown_key),
            ("no_keys", &refused.no_keys),
            ("bad_signature", &refused.bad_signature),
            ("malformed", &refused.malformed),
            ("algorithm", &refused.algorithm),
        ];
        let outcomes: [(&'static str, &Counter); 3] = [
            ("applied", &fetched.applied),
            ("unchanged", &fetched.unchanged),
            ("failed", &fetched.failed),
        ];
        let read = |(label, counter): (&'static str, &Counter)| (label, counter.read());
        [
            counts(names::TOKENS_REFUSED, "cause", &causes.map(read)),
            counts(names::KEY_FETCHES, "outcome", &outcomes.map(read)),
        ]
    }
}
