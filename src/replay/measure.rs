//! How well attacks are told from all else.

use std::collections::BTreeMap;

use serde::Serialize;

use super::curves::{Curves, Detection, Point};
use super::event::Truth;
use super::world::Decided;

/// Decisions whose truth is known.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    scored: Vec<Scored>,
    /// Names of kinds, in the order in which they came up.
    kinds: Vec<String>,
    episodes: BTreeMap<String, Episode>,
}

#[derive(Clone, Copy, Debug)]
struct Scored {
    /// In [0, 1].
    risk: f64,
    /// `deny` or `step_up`.
    stopped: bool,
    of: Of,
}

/// Whose request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Other,
    /// Of an attack that has no name.
    Unnamed,
    /// Of an attack of a kind, by its place.
    Kind(usize),
}

/// The requests of one attack.
#[derive(Clone, Copy, Debug)]
struct Episode {
    kind: usize,
    began: i64,
    requests: u64,
    /// After how many requests and milliseconds it was stopped first.
    stopped: Option<(u64, i64)>,
}

/// How long attacks went on before the first answer other than `allow`, over those that
/// had one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delay {
    /// By this request, from 1, half of them were stopped, and nine in ten.
    pub requests_median: f64,
    pub requests_90: f64,
    /// Since the attack's first request.
    pub seconds_median: f64,
    pub seconds_90: f64,
}

/// Attacks of one kind, against all requests of no attack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kind {
    pub requests: usize,
    /// The share of its requests that the policy's own decisions stopped.
    pub stopped_requests: f64,
    pub average_precision: f64,
    pub roc_auc: f64,
    pub detections: Vec<Detection>,
    pub episodes: usize,
    pub stopped: usize,
    pub delay: Option<Delay>,
    #[serde(skip)]
    pub precision_recall: Vec<Point>,
    #[serde(skip)]
    pub roc: Vec<Point>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub requests: usize,
    pub attacks: usize,
    /// The area under the precision-recall curve, as the sum of precision at each
    /// further recall.
    pub average_precision: f64,
    /// The probability that an attack is riskier than another request; ties count half.
    pub roc_auc: f64,
    pub detections: Vec<Detection>,
    /// Of the attack requests, those that the policy's own decisions stopped (`deny` or
    /// `step_up`), and of the others.
    pub stopped_attacks: f64,
    pub stopped_others: f64,
    pub episodes: usize,
    pub episodes_stopped: usize,
    pub delay: Option<Delay>,
    /// By kind: what stands before the last dash of their names.
    pub kinds: BTreeMap<String, Kind>,
    #[serde(skip)]
    pub precision_recall: Vec<Point>,
    #[serde(skip)]
    pub roc: Vec<Point>,
}

impl Verdicts {
    pub fn add(&mut self, decided: &Decided, truth: &Truth) {
        let stopped = matches!(decided.decision, "deny" | "step_up");
        let of = match truth {
            Truth::Attack(false) => Of::Other,
            Truth::Attack(true) => Of::Unnamed,
            Truth::Episode(name) => Of::Kind(self.note(name, decided.at, stopped)),
        };
        self.scored.push(Scored { risk: decided.risk, stopped, of });
    }

    /// Notes a request of an attack. Says of which kind.
    fn note(&mut self, name: &str, at: i64, stopped: bool) -> usize {
        if !self.episodes.contains_key(name) {
            let kind = name.rsplit_once('-').map_or(name, |(kind, _)| kind);
            let known = self.kinds.iter().position(|known| known == kind);
            let kind = known.unwrap_or_else(|| {
                self.kinds.push(kind.to_owned());
                self.kinds.len() - 1
            });
            let episode = Episode { kind, began: at, requests: 0, stopped: None };
            self.episodes.insert(name.to_owned(), episode);
        }
        let Some(episode) = self.episodes.get_mut(name) else { return 0 };
        episode.requests += 1;
        if stopped && episode.stopped.is_none() {
            episode.stopped = Some((episode.requests, at - episode.began));
        }
        episode.kind
    }

    /// `None` where there is nothing to tell apart.
    pub fn measure(&self) -> Option<Measured> {
        let mut sorted: Vec<&Scored> = self.scored.iter().collect();
        sorted.sort_by(|a, b| b.risk.total_cmp(&a.risk));
        let risks = |of: &dyn Fn(Of) -> bool| -> Vec<(f64, bool)> {
            let those = sorted.iter().filter(|scored| scored.of == Of::Other || of(scored.of));
            those.map(|scored| (scored.risk, scored.of != Of::Other)).collect()
        };
        let all = Curves::of(&risks(&|_| true))?;
        let kinds = self.kinds.iter().enumerate().filter_map(|(at, name)| {
            let curves = Curves::of(&risks(&|of| of == Of::Kind(at)))?;
            let episodes = || self.episodes.values().filter(|episode| episode.kind == at);
            let kind = Kind {
                requests: curves.attacks,
                stopped_requests: self.stopped(|of| of == Of::Kind(at)),
                average_precision: curves.average_precision,
                roc_auc: curves.roc_auc,
                detections: curves.detections,
                episodes: episodes().count(),
                stopped: episodes().filter(|episode| episode.stopped.is_some()).count(),
                delay: delay(episodes()),
                precision_recall: curves.precision_recall,
                roc: curves.roc,
            };
            Some((name.clone(), kind))
        });
        let kinds: BTreeMap<String, Kind> = kinds.collect();
        Some(Measured {
            requests: self.scored.len(),
            attacks: all.attacks,
            average_precision: all.average_precision,
            roc_auc: all.roc_auc,
            detections: all.detections,
            stopped_attacks: self.stopped(|of| of != Of::Other),
            stopped_others: self.stopped(|of| of == Of::Other),
            episodes: self.episodes.len(),
            episodes_stopped: kinds.values().map(|kind| kind.stopped).sum(),
            delay: delay(self.episodes.values()),
            kinds,
            precision_recall: all.precision_recall,
            roc: all.roc,
        })
    }

    /// The share of some requests that was stopped.
    fn stopped(&self, of: impl Fn(Of) -> bool) -> f64 {
        let (mut all, mut stopped) = (0u64, 0u64);
        for scored in self.scored.iter().filter(|scored| of(scored.of)) {
            all += 1;
            stopped += u64::from(scored.stopped);
        }
        stopped as f64 / all.max(1) as f64
    }
}

fn delay<'e>(episodes: impl Iterator<Item = &'e Episode>) -> Option<Delay> {
    let stopped: Vec<(u64, i64)> = episodes.filter_map(|episode| episode.stopped).collect();
    let requests = || stopped.iter().map(|(requests, _)| *requests as f64);
    let seconds = || stopped.iter().map(|(_, millis)| *millis as f64 / 1e3);
    Some(Delay {
        requests_median: quantile(requests(), 5)?,
        requests_90: quantile(requests(), 9)?,
        seconds_median: quantile(seconds(), 5)?,
        seconds_90: quantile(seconds(), 9)?,
    })
}

/// The least value that at least so many tenths of all don't exceed.
fn quantile(values: impl Iterator<Item = f64>, tenths: usize) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * tenths).div_ceil(10).saturating_sub(1)).copied()
}
