//! Taking in a batch of reports, and telling what became of each signal.

use serde::Serialize;

use super::super::pdp::Pdp;
use crate::model::{Catalog, Timestamp};
use crate::signals::{Cache, Marks, NotDurable, Observations, Report, Verdict, ingest};
use crate::telemetry::Span;

/// How many signals are taken in before others have their turn.
const CHUNK: usize = 256;
/// How many rejections, and how many ignored signals, an answer lists: it must
/// stay below what clients read.
const MAX_LISTED: usize = 10_000;
/// A report of more signals is refused: it would be taken in at one go.
const MAX_SIGNALS: usize = 1024;

/// What became of a batch. What is not listed was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// How many signals are in the cache now.
    pub accepted: u64,
    pub ignored: Vec<Listed>,
    pub rejected: Vec<Listed>,
    /// How many more were ignored or rejected than are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// How many were ignored in all.
    #[serde(skip)]
    pub ignored_count: u64,
    /// What was accepted is on disk.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub durable: bool,
}

/// A signal, or a whole report, that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The report's place in the batch, from 0.
    pub report: u32,
    /// Nothing where the whole report was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    pub reason: String,
}

impl Receipt {
    /// Tells the batch's span, where it has one.
    pub fn tell(&self, span: Option<&mut Span<'_>>) {
        if let Some(span) = span {
            let ignored = self.ignored_count;
            let listed = (self.rejected.len() + self.ignored.len()) as u64;
            span.taken(self.accepted, ignored, (listed + self.unlisted).saturating_sub(ignored));
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A batch on its way in.
#[derive(Debug)]
pub struct Intake<'i> {
    catalog: &'i Catalog,
    cache: &'i Cache,
    observations: &'i Observations,
    now: Timestamp,
    receipt: Receipt,
    written: Marks,
    /// The number of the next report.
    report: u32,
    since_yield: usize,
}

impl<'i> Intake<'i> {
    pub fn new(catalog: &'i Catalog, pdp: &'i Pdp, now: Timestamp) -> Self {
        let (cache, observations) = (&*pdp.cache, &*pdp.observations);
        let (receipt, written) = (Receipt::default(), Marks::default());
        Intake { catalog, cache, observations, now, receipt, written, report: 0, since_yield: 0 }
    }

    /// Takes the next report.
    pub fn take(&mut self, report: &Report<'_>) {
        let signals = report.signals.len();
        if signals > MAX_SIGNALS {
            return self.refuse(format!("{signals} signals in one report; at most {MAX_SIGNALS}"));
        }
        self.since_yield += signals + 1;
        let outcome = ingest(self.catalog, self.cache, self.observations, report, self.now);
        if let Some(why) = &outcome.refused {
            return self.refuse(why.to_string());
        }
        self.receipt.accepted += outcome.accepted as u64;
        if let Some(written) = outcome.written {
            self.written.include(written);
        }
        for (place, verdict) in outcome.exceptions {
            let name = report.signals.get(place).map(|(name, _)| name.as_ref());
            self.list(name, verdict);
        }
        self.report += 1;
    }

    /// Refuses the next report as a whole.
    pub fn refuse(&mut self, reason: String) {
        self.since_yield += 1;
        let listed = Listed { report: self.report, signal: None, reason };
        push(&mut self.receipt.rejected, listed, &mut self.receipt.unlisted);
        self.report += 1;
    }

    fn list(&mut self, signal: Option<&str>, verdict: Verdict) {
        let receipt = &mut self.receipt;
        let (list, reason) = match verdict {
            Verdict::Accepted => return,
            Verdict::IgnoredOlder => {
                receipt.ignored_count += 1;
                (&mut receipt.ignored, "a later observation is known".to_owned())
            }
            Verdict::Rejected(why) => (&mut receipt.rejected, why.to_string()),
        };
        // A name may be as long as the sender likes.
        let signal = signal.map(|name| name.chars().take(100).collect());
        let listed = Listed { report: self.report, signal, reason };
        push(list, listed, &mut receipt.unlisted);
    }

    /// Whether the thread should be lent to others before the next report.
    pub fn is_time_to_yield(&mut self) -> bool {
        let due = self.since_yield >= CHUNK;
        if due {
            self.since_yield = 0;
        }
        due
    }

    /// The receipt; where `durable`, once all is on disk.
    ///
    /// # Errors
    /// When it can't be had on disk.
    pub async fn finish(self, pdp: &Pdp, durable: bool) -> Result<Receipt, NotDurable> {
        if durable {
            pdp.durable()?.wait(&self.written).await?;
        }
        Ok(Receipt { durable, ..self.receipt })
    }
}

fn push(list: &mut Vec<Listed>, listed: Listed, unlisted: &mut u64) {
    if list.len() < MAX_LISTED {
        list.push(listed);
    } else {
        *unlisted += 1;
    }
}
