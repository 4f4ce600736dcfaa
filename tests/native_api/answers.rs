//! Asking in this process, as `explain` and the HTTP callers do.

use plimsoll::api::answer::Answer;
use plimsoll::api::ask::{Refusal, ask};
use plimsoll::api::pdp::Pdp;
use plimsoll::api::question::Question;
use plimsoll::model::Timestamp;
use serde_json::{Value, json};

use super::support::{pdp, publish};

fn question(action: &str) -> Question {
    let body = json!({
        "subject": {"type": "user", "id": "u1"},
        "action": {"name": action},
        "resource": {"type": "account", "id": "a1"},
        "context": {"entities": {"device": "d1"}, "amount": 5},
    });
    Question::from_json(&body).unwrap()
}

fn answer(pdp: &Pdp, action: &str) -> Value {
    let published = pdp.published();
    let published = published.as_ref().unwrap();
    let answer =
        ask(pdp, published, &question(action), Timestamp::now(), None, Answer::of).unwrap();
    serde_json::to_value(answer).unwrap()
}

#[test]
fn the_names_in_json_are_fixed() {
    let pdp = pdp();
    publish(&pdp);
    let mut json = answer(&pdp, "pay");
    for changing in ["/id", "/policy/revision"] {
        *json.pointer_mut(changing).unwrap() = Value::Null;
    }
    let factor = |name: &str| json!({"name": name, "value": 0.0, "contribution": 0.0, "basis": "assumed", "freshness": 0.0});
    assert_eq!(
        json,
        json!({
            "id": null, "decision": "step_up", "score": 0.0, "shown_score": 0.0, "level": "low", "confidence": 0.0,
            "policy": {"name": "main", "revision": null},
            "factors": [factor("habit"), factor("managed")],
            "adjustments": [],
            "reasons": ["habit", "managed"],
            "reason_user": ["Please confirm", "not known: habit"],
            "reason_admin": ["Please confirm", "not known: user.auth_count", "not known: device.managed"],
            "obligations": {
                "review": false, "revoke_session": false, "headers": {"x-level": "low"},
                "token": {"claims": {"lvl": "low", "trust": 0.0}},
            },
            "limits": [],
            "step_up": {"acr_values": ["gold", "silver"], "amr": ["hwk"], "max_age": 300.0},
            "unknown": ["user.auth_count", "device.managed", "address.reports"],
            "rule": "paying",
            "rules": ["known_actions", "paying"],
            "shadow_rules": ["strict_pay"],
            "dimensions": {"person": 0.0, "machine": 0.0},
            "shadows": [{"policy": "stern", "decision": "deny", "score": 1.0, "level": "grim", "confidence": 0.0}],
            "shadow_decision": "deny",
            "limits_not_enforced": false,
        })
    );
    let other = answer(&pdp, "wipe");
    assert_eq!(other["decision"], "deny");
    for absent in ["step_up", "rule", "shadow_decision"] {
        assert_eq!(other.get(absent), None, "{absent}");
    }
}

#[test]
fn a_panic_costs_one_question() {
    let pdp = pdp();
    publish(&pdp);
    let published = pdp.published();
    let published = published.as_ref().unwrap();
    let failed = ask(&pdp, published, &question("read"), Timestamp::now(), None, |_| -> () {
        panic!("as told")
    });
    assert_eq!(failed, Err(Refusal::Panicked));
    assert_eq!(pdp.metrics.refused.panicked.read(), 1);
    assert_eq!(answer(&pdp, "read")["decision"], "allow");
}
