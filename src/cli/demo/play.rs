//! Plays the story: reports, asks, and keeps what was answered.

use std::time::Duration;

use super::show;
use super::story::{Chapter, Report, Step};
use crate::api::answer::Answer;
use crate::api::json::to_wire;
use crate::cli::client::{Channel, Reach, connect, evaluate_request, refused};
use crate::cli::{explain, style};
use crate::proto::decision_service_client::DecisionServiceClient;
use crate::proto::signal_service_client::SignalServiceClient;
use crate::proto::{self, Entity, ReportRequest};

pub(super) struct Player {
    signals: SignalServiceClient<Channel>,
    decisions: DecisionServiceClient<Channel>,
}

/// A step with its answer.
#[derive(Debug)]
pub(super) struct Played {
    /// Counted from 1.
    pub(super) chapter: usize,
    pub(super) step: Step,
    pub(super) answer: Answer,
}

impl Played {
    /// Whether it was decided as the story says.
    pub(super) fn as_told(&self) -> bool {
        let (decision, level) = self.step.expects;
        self.answer.decision == decision && self.answer.level == level
    }
}

impl Player {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let channel = connect(&Reach::new(format!("http://{address}"))).await?;
        Ok(Player {
            signals: SignalServiceClient::new(channel.clone()),
            decisions: DecisionServiceClient::new(channel),
        })
    }

    /// Plays all of it, and shows each step as it is answered.
    pub(super) async fn play(
        &self,
        story: Vec<Chapter>,
        pace: Duration,
    ) -> anyhow::Result<Vec<Played>> {
        let mut all: Vec<Played> = Vec::new();
        for (at, chapter) in story.into_iter().enumerate() {
            show::chapter(at + 1, chapter.title);
            for step in chapter.steps {
                // Nobody watches; but whoever wants it without pauses wants its end.
                if style::is_unheard() && !pace.is_zero() {
                    return Ok(all);
                }
                self.report(&step.reports).await?;
                let answer = self.ask(&step).await?;
                let played = Played { chapter: at + 1, step, answer };
                // A score moves only within one chapter and one policy.
                let before = all.last().filter(|last| {
                    last.chapter == played.chapter
                        && last.answer.policy.name == played.answer.policy.name
                });
                show::step(&played, before.map(|last| last.answer.score));
                all.push(played);
                tokio::time::sleep(pace).await;
            }
        }
        Ok(all)
    }

    async fn report(&self, reports: &[Report]) -> anyhow::Result<()> {
        if reports.is_empty() {
            return Ok(());
        }
        let reports = reports.iter().map(|report| proto::Report {
            entity: Some(Entity { r#type: report.kind.to_owned(), id: report.id.to_owned() }),
            signals: report
                .signals
                .iter()
                .map(|(name, value)| (name.clone(), to_wire(value.clone())))
                .collect(),
            observed_at: None,
        });
        let request = ReportRequest { reports: reports.collect(), ..ReportRequest::default() };
        let reported = self.signals.clone().report(request).await;
        let reported = reported.map_err(|status| refused(&status))?.into_inner();
        if let Some(rejected) = reported.rejected.first() {
            anyhow::bail!("the signal `{}` was rejected: {}", rejected.signal, rejected.reason);
        }
        anyhow::ensure!(reported.ignored == 0, "{} signals were ignored", reported.ignored);
        Ok(())
    }

    async fn ask(&self, step: &Step) -> anyhow::Result<Answer> {
        let request = evaluate_request(step.asks.clone());
        let answered = self.decisions.clone().evaluate(request).await;
        explain::answer(answered.map_err(|status| refused(&status))?.into_inner())
    }
}
