//! How well attacks are told from all else.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::Truth;
use super::world::Decided;

/// Decisions whose truth is known.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// Risk in [0, 1], and whether it was an attack.
    scored: Vec<(f64, bool)>,
    stopped: Counts,
    let_through: Counts,
    episodes: BTreeMap<String, Episode>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    attacks: u64,
    others: u64,
}

/// The requests of one attack.
#[derive(Clone, Copy, Debug)]
struct Episode {
    began: i64,
    requests: u64,
    /// After how many requests and milliseconds it was stopped first.
    stopped: Option<(u64, i64)>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// What it costs to detect so many attacks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// The share of attack requests that is at least as risky as `risk`.
    pub detected: f64,
    pub risk: f64,
    /// The share of other requests that is, too: who is asked to prove themselves again.
    pub reauthenticated: f64,
}

/// Attacks of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stopped {
    pub episodes: usize,
    pub stopped: usize,
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
    /// By kind: what stands before the last dash of their names.
    pub kinds: BTreeMap<String, Stopped>,
    /// Over the attacks that were stopped: the median of requests and seconds until then.
    pub delay_requests: Option<f64>,
    pub delay_seconds: Option<f64>,
    #[serde(skip)]
    pub precision_recall: Vec<Point>,
    #[serde(skip)]
    pub roc: Vec<Point>,
}

/// Shares of attacks at which the price is told.
const DETECTED: [f64; 4] = [0.5, 0.8, 0.9, 0.95];

impl Verdicts {
    pub fn add(&mut self, decided: &Decided, truth: &Truth) {
        let attack = truth.is_attack();
        self.scored.push((decided.risk, attack));
        let stopped = matches!(decided.decision, "deny" | "step_up");
        let counts = if stopped { &mut self.stopped } else { &mut self.let_through };
        *(if attack { &mut counts.attacks } else { &mut counts.others }) += 1;
        if let Truth::Episode(name) = truth {
            let episode = self.episodes.entry(name.clone()).or_insert(Episode {
                began: decided.at,
                requests: 0,
                stopped: None,
            });
            episode.requests += 1;
            if stopped && episode.stopped.is_none() {
                episode.stopped = Some((episode.requests, decided.at - episode.began));
            }
        }
    }

    /// `None` where there is nothing to tell apart.
    pub fn measure(&self) -> Option<Measured> {
        let mut scored = self.scored.clone();
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let attacks = scored.iter().filter(|(_, attack)| *attack).count();
        let others = scored.len() - attacks;
        if attacks == 0 || others == 0 {
            return None;
        }
        let (mut caught, mut alarmed) = (0usize, 0usize);
        let (mut average, mut area) = (0.0, 0.0);
        let mut precision_recall = Vec::new();
        let mut roc = vec![Point { x: 0.0, y: 0.0 }];
        let mut detections: Vec<Detection> = Vec::new();
        // Requests of one risk can't be told apart, so they come in together.
        for tied in scored.chunk_by(|(a, _), (b, _)| a == b) {
            let hits = tied.iter().filter(|(_, attack)| *attack).count();
            let misses = tied.len() - hits;
            area += misses as f64 * (caught as f64 + hits as f64 / 2.0);
            caught += hits;
            alarmed += misses;
            let recall = caught as f64 / attacks as f64;
            let precision = caught as f64 / (caught + alarmed) as f64;
            average += precision * hits as f64 / attacks as f64;
            precision_recall.push(Point { x: recall, y: precision });
            let reauthenticated = alarmed as f64 / others as f64;
            roc.push(Point { x: reauthenticated, y: recall });
            while let Some(wanted) = DETECTED.get(detections.len())
                && recall >= *wanted
            {
                let risk = tied.first().map_or(0.0, |(risk, _)| *risk);
                detections.push(Detection { detected: recall, risk, reauthenticated });
            }
        }
        let stopped: Vec<(u64, i64)> = self.episodes.values().filter_map(|e| e.stopped).collect();
        Some(Measured {
            requests: scored.len(),
            attacks,
            average_precision: average,
            roc_auc: area / (attacks as f64 * others as f64),
            detections,
            stopped_attacks: share(self.stopped.attacks, self.let_through.attacks),
            stopped_others: share(self.stopped.others, self.let_through.others),
            episodes: self.episodes.len(),
            episodes_stopped: stopped.len(),
            kinds: self.kinds(),
            delay_requests: median(stopped.iter().map(|(requests, _)| *requests as f64)),
            delay_seconds: median(stopped.iter().map(|(_, millis)| *millis as f64 / 1e3)),
            precision_recall,
            roc,
        })
    }
}

impl Verdicts {
    fn kinds(&self) -> BTreeMap<String, Stopped> {
        let mut kinds: BTreeMap<String, Stopped> = BTreeMap::new();
        for (name, episode) in &self.episodes {
            let kind = name.rsplit_once('-').map_or(name.as_str(), |(kind, _)| kind);
            let kind = kinds.entry(kind.to_owned()).or_default();
            kind.episodes += 1;
            kind.stopped += usize::from(episode.stopped.is_some());
        }
        kinds
    }
}

fn share(of: u64, rest: u64) -> f64 {
    of as f64 / (of + rest).max(1) as f64
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
