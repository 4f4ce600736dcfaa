//! Asking a server that runs, and its answer as ours are.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value as Json};

use crate::api::answer::{
    Answer, AnswerAdjustment, AnswerCounterfactual, AnswerFactor, AnswerIncident,
    AnswerObligations, AnswerPolicy, AnswerShadow, AnswerStepUp, AnswerToken,
};
use crate::api::json;
use crate::api::question::{Question, QuestionHttp};
use crate::cli::client::{Reach, block_on, connect, evaluate_request, refused};
use crate::engine::Basis;
use crate::model::{Decision, Severity};
use crate::proto;
use crate::proto::decision_service_client::DecisionServiceClient;

/// Evaluates the request of a file under the server's policies.
pub(super) fn ask(server: &Reach, text: &str, policy: Option<&str>) -> anyhow::Result<Answer> {
    let question = question(text, policy)?;
    block_on(async {
        let mut client = DecisionServiceClient::new(connect(server).await?);
        let answered = client.evaluate(evaluate_request(question)).await;
        let response = answered.map_err(|status| refused(&status))?;
        answer(response.into_inner())
    })
}

fn question(text: &str, policy: Option<&str>) -> anyhow::Result<Question> {
    let read: Json = serde_yaml::from_str(text).context("neither JSON nor YAML")?;
    let given = read.get("given").and_then(Json::as_object);
    let foreign = |key: &&String| *key != "http";
    if read.get("signals").is_some() {
        bail!("`signals`: the server has its own; report these with `plimsoll signals set`");
    }
    if let Some(key) = given.and_then(|given| given.keys().find(foreign)) {
        bail!("`given.{key}`: the server has its own; leave it out, or leave --server out");
    }
    if read.get("now").is_some() {
        bail!("`now`: the server has its own clock; leave it out, or leave --server out");
    }
    let request = read.get("request").context("the key `request` is missing")?;
    let mut question = Question::from_json(request)?;
    if let Some(http) = given.and_then(|given| given.get("http")) {
        question.http = Some(self::http(http)?);
    }
    let named = policy.or_else(|| read.get("policy").and_then(Json::as_str));
    if let Some(policy) = named {
        policy.clone_into(&mut question.policy);
    }
    Ok(question)
}

fn http(http: &Json) -> anyhow::Result<QuestionHttp> {
    let http = http.as_object().context("`given.http`: expected an object")?;
    let text = |key: &str, default: &str| match http.get(key) {
        None => Ok(default.to_owned()),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(_) => bail!("`given.http.{key}`: expected a string"),
    };
    let mut headers = Vec::new();
    if let Some(all) = http.get("headers") {
        for (name, value) in all.as_object().into_iter().flatten() {
            let value = value.as_str();
            let value = value.with_context(|| format!("`given.http.headers.{name}`: no string"))?;
            headers.push((name.clone(), value.to_owned()));
        }
    }
    Ok(QuestionHttp {
        method: text("method", "GET")?,
        path: text("path", "/")?,
        host: text("host", "example.com")?,
        scheme: text("scheme", "https")?,
        headers,
    })
}

/// The answer that the server gave.
pub(in crate::cli) fn answer(response: proto::EvaluateResponse) -> anyhow::Result<Answer> {
    let decided = decision(response.decision()).context("the answer has no decision")?;
    let shadow_decision = decision(response.shadow_decision());
    let policy = response.policy.unwrap_or_default();
    let factors = response.factors.into_iter().map(|factor| AnswerFactor {
        basis: match factor.basis() {
            proto::Basis::Live => Basis::Live,
            proto::Basis::Assumed => Basis::Assumed,
            proto::Basis::Skipped | proto::Basis::Unspecified => Basis::Skipped,
        },
        name: factor.name,
        value: factor.value,
        contribution: factor.contribution,
        freshness: factor.freshness,
    });
    let adjustments = response.adjustments.into_iter();
    let shadows = response.shadows.into_iter().filter_map(|shadow| {
        Some(AnswerShadow {
            decision: decision(shadow.decision())?,
            policy: shadow.policy,
            score: shadow.score,
            level: shadow.level,
            confidence: shadow.confidence,
        })
    });
    Ok(Answer {
        id: response.id,
        decision: decided,
        score: response.score,
        shown_score: response.shown_score,
        level: response.level,
        confidence: response.confidence,
        policy: AnswerPolicy { name: policy.name, revision: policy.revision },
        factors: factors.collect(),
        adjustments: adjustments
            .map(|a| AnswerAdjustment { name: a.name, contribution: a.contribution })
            .collect(),
        reasons: response.reasons,
        reason_user: response.reason_user,
        reason_admin: response.reason_admin,
        obligations: obligations(response.obligations.unwrap_or_default())?,
        limits: response.limits,
        step_up: response.step_up.map(|step_up| AnswerStepUp {
            acr_values: step_up.acr_values,
            amr: step_up.amr,
            max_age: step_up.max_age,
        }),
        counterfactual: response.counterfactual.and_then(counterfactual),
        unknown: response.unknown,
        rule: (!response.rule.is_empty()).then_some(response.rule),
        rules: response.rules,
        shadow_rules: response.shadow_rules,
        dimensions: response.dimensions.into_iter().collect(),
        shadows: shadows.collect(),
        shadow_decision,
        limits_not_enforced: response.limits_not_enforced,
    })
}

fn counterfactual(other: proto::Counterfactual) -> Option<AnswerCounterfactual> {
    Some(AnswerCounterfactual {
        decision: decision(other.decision())?,
        factor: other.factor,
        value: other.value,
        needs: (!other.needs.is_empty()).then_some(other.needs),
        text: other.text,
    })
}

fn obligations(obligations: proto::Obligations) -> anyhow::Result<AnswerObligations> {
    let severity = Severity::ALL.iter().find(|(name, _)| *name == obligations.incident_severity);
    let claims: Map<String, Json> = json::of_struct(obligations.token_claims, "token_claims")?;
    Ok(AnswerObligations {
        review: obligations.review,
        revoke_session: obligations.revoke_session,
        incident: severity.map(|(severity, _)| AnswerIncident { severity }),
        headers: obligations.headers.into_iter().collect(),
        token: AnswerToken { claims },
    })
}

/// A decision of the wire's; nothing where it says none.
pub(in crate::cli) fn decision(decision: proto::Decision) -> Option<Decision> {
    match decision {
        proto::Decision::Unspecified => None,
        proto::Decision::Allow => Some(Decision::Allow),
        proto::Decision::Restrict => Some(Decision::Restrict),
        proto::Decision::StepUp => Some(Decision::StepUp),
        proto::Decision::Deny => Some(Decision::Deny),
    }
}
