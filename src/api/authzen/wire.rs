//! Answers as AuthZEN has them.

use serde::Serialize;

use super::status;
use crate::api::answer::Answer;
use crate::api::ask::Refusal;

/// An evaluation response.
#[derive(Debug, Serialize)]
pub(super) struct Evaluated {
    /// For `allow`, and for `restrict` where the caller enforces limits.
    pub(super) decision: bool,
    context: Context,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Context {
    Answered(Box<Answered>),
    Failed { error: Failure },
}

#[derive(Debug, Serialize)]
struct Answered {
    #[serde(flatten)]
    answer: Answer,
    /// Of a step-up: where OAuth has them, beside all else that `step_up` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<Vec<String>>,
}

/// Why one of a batch was not evaluated.
#[derive(Debug, Serialize)]
struct Failure {
    /// What it would have been answered with on its own.
    status: u16,
    message: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Evaluations {
    pub(super) evaluations: Vec<Evaluated>,
}

impl From<Answer> for Evaluated {
    fn from(answer: Answer) -> Self {
        let acr_values = answer.step_up.as_ref().map(|step_up| step_up.acr_values.clone());
        Evaluated {
            decision: answer.decision.permits(),
            context: Context::Answered(Box::new(Answered { answer, acr_values })),
        }
    }
}

impl Evaluated {
    pub(super) fn failed(why: &Refusal) -> Self {
        let error = Failure { status: status(why).as_u16(), message: why.to_string() };
        Evaluated { decision: false, context: Context::Failed { error } }
    }
}
