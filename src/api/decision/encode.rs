//! An answer as protobuf.

use crate::api::answer::{
    Answer, AnswerCounterfactual, AnswerObligations, AnswerShadow, AnswerStepUp,
};
use crate::api::json;
use crate::engine;
use crate::model;
use crate::proto::{
    Adjustment, Basis, Counterfactual, Decision, EvaluateResponse, Factor, Obligations, PolicyRef,
    Shadow, StepUp,
};

impl From<Answer> for EvaluateResponse {
    fn from(answer: Answer) -> Self {
        EvaluateResponse {
            id: answer.id,
            decision: Decision::from(answer.decision).into(),
            score: answer.score,
            level: answer.level,
            confidence: answer.confidence,
            policy: Some(PolicyRef { name: answer.policy.name, revision: answer.policy.revision }),
            factors: answer
                .factors
                .into_iter()
                .map(|factor| Factor {
                    name: factor.name,
                    value: factor.value,
                    contribution: factor.contribution,
                    basis: Basis::from(factor.basis).into(),
                    freshness: factor.freshness,
                })
                .collect(),
            adjustments: answer
                .adjustments
                .into_iter()
                .map(|a| Adjustment { name: a.name, contribution: a.contribution })
                .collect(),
            reasons: answer.reasons,
            reason_user: answer.reason_user,
            reason_admin: answer.reason_admin,
            obligations: Some(answer.obligations.into()),
            limits: answer.limits,
            step_up: answer.step_up.map(StepUp::from),
            counterfactual: answer.counterfactual.map(Counterfactual::from),
            unknown: answer.unknown,
            rule: answer.rule.unwrap_or_default(),
            rules: answer.rules,
            dimensions: answer.dimensions.into_iter().collect(),
            shadows: answer.shadows.into_iter().map(Shadow::from).collect(),
            shadow_decision: answer
                .shadow_decision
                .map_or(Decision::Unspecified, Decision::from)
                .into(),
            shown_score: answer.shown_score,
            shadow_rules: answer.shadow_rules,
            limits_not_enforced: answer.limits_not_enforced,
        }
    }
}

impl From<AnswerObligations> for Obligations {
    fn from(obligations: AnswerObligations) -> Self {
        let claims = obligations.token.claims;
        Obligations {
            review: obligations.review,
            revoke_session: obligations.revoke_session,
            incident_severity: obligations
                .incident
                .map_or_else(String::new, |incident| incident.severity.to_owned()),
            headers: obligations.headers.into_iter().collect(),
            token_claims: (!claims.is_empty()).then(|| json::to_struct(claims)),
        }
    }
}

impl From<AnswerStepUp> for StepUp {
    fn from(step_up: AnswerStepUp) -> Self {
        StepUp { acr_values: step_up.acr_values, amr: step_up.amr, max_age: step_up.max_age }
    }
}

impl From<AnswerCounterfactual> for Counterfactual {
    fn from(other: AnswerCounterfactual) -> Self {
        Counterfactual {
            factor: other.factor,
            value: other.value,
            needs: other.needs.unwrap_or_default(),
            decision: Decision::from(other.decision).into(),
            text: other.text,
        }
    }
}

impl From<AnswerShadow> for Shadow {
    fn from(shadow: AnswerShadow) -> Self {
        Shadow {
            policy: shadow.policy,
            decision: Decision::from(shadow.decision).into(),
            score: shadow.score,
            level: shadow.level,
            confidence: shadow.confidence,
        }
    }
}

impl From<model::Decision> for Decision {
    fn from(decision: model::Decision) -> Self {
        match decision {
            model::Decision::Allow => Decision::Allow,
            model::Decision::Restrict => Decision::Restrict,
            model::Decision::StepUp => Decision::StepUp,
            model::Decision::Deny => Decision::Deny,
        }
    }
}

impl From<engine::Basis> for Basis {
    fn from(basis: engine::Basis) -> Self {
        match basis {
            engine::Basis::Live => Basis::Live,
            engine::Basis::Assumed => Basis::Assumed,
            engine::Basis::Skipped => Basis::Skipped,
        }
    }
}
