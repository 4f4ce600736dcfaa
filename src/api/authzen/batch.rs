//! Several questions in one request, with defaults for what they have in common.

use serde_json::{Map, Value};

use crate::api::question::{Question, QuestionError};

/// How many evaluations a request may have.
const MAX_EVALUATIONS: usize = 1000;

/// How many values the defaults may come to when each evaluation has them: a small
/// request must not make much work.
const MAX_DEFAULT_VALUES: usize = 1_000_000;

/// The parts of a question, with what the standard requires of each.
const PARTS: [(&str, &[&str]); 4] = [
    ("subject", &["type", "id"]),
    ("action", &["name"]),
    ("resource", &["type", "id"]),
    ("context", &[]),
];

#[derive(Debug)]
pub(super) struct Batch<'b> {
    defaults: &'b Map<String, Value>,
    evaluations: &'b [Value],
    semantic: Semantic,
}

/// After which decision no more are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// What is wrong with a batch as a whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    #[error("`{place}`: expected {expected}")]
    WrongType { place: &'static str, expected: &'static str },
    #[error("`evaluations`: {found} of them, at most {MAX_EVALUATIONS}")]
    TooMany { found: usize },
    #[error(
        "defaults of {values} values for {evaluations} evaluations, at most \
         {MAX_DEFAULT_VALUES} in all"
    )]
    TooMuch { values: usize, evaluations: usize },
    #[error(
        "`options.evaluations_semantic`: expected `execute_all`, `deny_on_first_deny` or \
         `permit_on_first_permit`"
    )]
    Semantic,
}

impl<'b> Batch<'b> {
    /// Reads a request. Without evaluations it is a single one, and there is no batch.
    pub(super) fn of(body: &'b Value) -> Result<Option<Self>, BatchError> {
        let wrong = |place, expected| BatchError::WrongType { place, expected };
        let body = body.as_object().ok_or_else(|| wrong("request", "an object"))?;
        let semantic = semantic(body)?;
        let evaluations = match body.get("evaluations") {
            None => return Ok(None),
            Some(Value::Array(evaluations)) if evaluations.is_empty() => return Ok(None),
            Some(Value::Array(evaluations)) => evaluations,
            Some(_) => return Err(wrong("evaluations", "a list")),
        };
        if evaluations.len() > MAX_EVALUATIONS {
            return Err(BatchError::TooMany { found: evaluations.len() });
        }
        let mut values = 0;
        for (part, _) in PARTS {
            let Some(default) = body.get(part) else { continue };
            if !default.is_object() {
                return Err(wrong(part, "an object"));
            }
            values += count(default);
        }
        let times = evaluations.len();
        if values.saturating_mul(times) > MAX_DEFAULT_VALUES {
            return Err(BatchError::TooMuch { values, evaluations: times });
        }
        Ok(Some(Batch { defaults: body, evaluations, semantic }))
    }

    pub(super) fn len(&self) -> usize {
        self.evaluations.len()
    }

    /// In the order of the request, each with what is wrong with it.
    pub(super) fn questions(&self) -> impl Iterator<Item = Result<Question, QuestionError>> {
        self.evaluations.iter().map(|evaluation| match evaluation {
            Value::Object(own) => Question::from_json(&Value::Object(self.whole(own))),
            other => Question::from_json(other),
        })
    }

    /// An evaluation's own part stands for the whole default, of which only the
    /// required fields are taken where it has none: properties are never mixed.
    fn whole(&self, own: &Map<String, Value>) -> Map<String, Value> {
        let mut whole = Map::new();
        for (part, required) in PARTS {
            let value = match (own.get(part), self.defaults.get(part)) {
                (Some(Value::Object(own)), Some(Value::Object(default))) => {
                    let mut merged = own.clone();
                    for field in required {
                        if let (None, Some(value)) = (own.get(*field), default.get(*field)) {
                            merged.insert((*field).to_owned(), value.clone());
                        }
                    }
                    Value::Object(merged)
                }
                (Some(own), _) => own.clone(),
                (None, Some(default)) => default.clone(),
                (None, None) => continue,
            };
            whole.insert(part.to_owned(), value);
        }
        whole
    }

    /// Whether this decision ends the batch. An evaluation that failed is a denial.
    pub(super) fn ends_with(&self, decision: bool) -> bool {
        match self.semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !decision,
            Semantic::PermitOnFirstPermit => decision,
        }
    }
}

/// How many values there are in one. Its depth is bounded by the parser's own limit.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn semantic(body: &Map<String, Value>) -> Result<Semantic, BatchError> {
    let options = match body.get("options") {
        None => return Ok(Semantic::default()),
        Some(Value::Object(options)) => options,
        Some(_) => {
            return Err(BatchError::WrongType { place: "options", expected: "an object" });
        }
    };
    match options.get("evaluations_semantic").map(Value::as_str) {
        None => Ok(Semantic::default()),
        Some(Some("execute_all")) => Ok(Semantic::ExecuteAll),
        Some(Some("deny_on_first_deny")) => Ok(Semantic::DenyOnFirstDeny),
        Some(Some("permit_on_first_permit")) => Ok(Semantic::PermitOnFirstPermit),
        Some(_) => Err(BatchError::Semantic),
    }
}
