//! The areas and curves of scores whose truth is known.

use serde::Serialize;

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

/// How well a score ranks attacks above all else.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curves {
    pub(super) attacks: usize,
    pub(super) average_precision: f64,
    pub(super) roc_auc: f64,
    pub(super) detections: Vec<Detection>,
    pub(super) precision_recall: Vec<Point>,
    pub(super) roc: Vec<Point>,
}

/// Shares of attacks at which the price is told.
const DETECTED: [f64; 4] = [0.5, 0.8, 0.9, 0.95];

impl Curves {
    /// Those of risks, each with whether it was an attack, riskiest first. `None` where
    /// there is nothing to tell apart.
    pub(super) fn of(scored: &[(f64, bool)]) -> Option<Self> {
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
        Some(Curves {
            attacks,
            average_precision: average,
            roc_auc: area / (attacks as f64 * others as f64),
            detections,
            precision_recall,
            roc,
        })
    }
}
