//! The story: who does what, what is reported of it, and how it must be decided.

mod chapters;

use serde_json::{Map, Value as Json};

use crate::api::question::{Question, QuestionParty};
use crate::model::Decision;

pub(super) use chapters::story;

/// A part of the story about one person.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) title: &'static str,
    pub(super) steps: Vec<Step>,
}

/// Something happens, sources report it, somebody asks.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) says: &'static str,
    pub(super) reports: Vec<Report>,
    pub(super) asks: Question,
    pub(super) expects: (Decision, &'static str),
}

#[derive(Debug)]
pub(super) struct Report {
    pub(super) kind: &'static str,
    pub(super) id: &'static str,
    pub(super) signals: Map<String, Json>,
}

/// The range of a shipped policy, for bars: answers don't tell it.
pub(super) fn range(policy: &str) -> (f64, f64) {
    match policy {
        "session" => (0.0, 1000.0),
        "reputation" => (0.0, 1.0),
        _ => (0.0, 100.0),
    }
}

/// Of a shipped policy: whether a high score is bad.
pub(super) fn is_risk(policy: &str) -> bool {
    matches!(policy, "session" | "insider")
}

fn step(says: &'static str) -> Step {
    let asks = Question::default();
    Step { says, reports: Vec::new(), asks, expects: (Decision::Deny, "") }
}

impl Step {
    /// A source reports signals of an entity.
    fn knows(mut self, kind: &'static str, id: &'static str, signals: Json) -> Self {
        let signals = signals.as_object().cloned().unwrap_or_default();
        self.reports.push(Report { kind, id, signals });
        self
    }

    /// An application asks: may this user do that?
    fn asks(mut self, policy: &str, user: &str, action: &str, resource: (&str, &str)) -> Self {
        let party = |kind: &str, id: &str| QuestionParty {
            kind: kind.to_owned(),
            id: id.to_owned(),
            ..QuestionParty::default()
        };
        self.asks = Question {
            subject: party("user", user),
            action: action.to_owned(),
            resource: party(resource.0, resource.1),
            policy: policy.to_owned(),
            ..Question::default()
        };
        self
    }

    fn sensitivity(mut self, sensitivity: &str) -> Self {
        let properties = &mut self.asks.resource.properties;
        properties.insert("sensitivity".to_owned(), sensitivity.into());
        self
    }

    fn context(mut self, context: Json) -> Self {
        self.asks.context = context.as_object().cloned().unwrap_or_default();
        self
    }

    /// After the context: how much is to be transferred.
    fn amount(mut self, amount: u32) -> Self {
        self.asks.context.insert("amount".to_owned(), amount.into());
        self
    }

    fn enforces_limits(mut self) -> Self {
        self.asks.enforces_limits = true;
        self
    }

    fn expects(mut self, decision: Decision, level: &'static str) -> Self {
        self.expects = (decision, level);
        self
    }
}
