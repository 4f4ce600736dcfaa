//! What our answers add to the standard.

use serde_json::{Value, json};

use crate::{EVALUATION, EVALUATIONS, House, question, with};

#[test]
fn an_answer_says_all_that_led_to_it() {
    let house = House::new();
    let answer = house.ask(EVALUATION, &question("alice", "read"));
    let context = answer["context"].as_object().unwrap();
    for (field, value) in [
        ("decision", json!("allow")),
        ("score", json!(0.0)),
        ("level", json!("low")),
        ("reason_user", json!([])),
        ("reason_admin", json!([])),
        ("limits", json!([])),
    ] {
        assert_eq!(context[field], value, "{field}");
    }
    assert_eq!(context["id"].as_str().unwrap().len(), 36);
    assert!(context["confidence"].is_number());
    assert_eq!(context["policy"]["name"], "session");
    assert!(!context["policy"]["revision"].as_str().unwrap().is_empty());
    assert_eq!(context["factors"][0]["name"], "alarms");
    assert_eq!(context["obligations"]["review"], false);
    assert!(!context.contains_key("acr_values"));
}

#[test]
fn a_step_up_says_what_it_asks_for() {
    let answer = House::new().ask(EVALUATION, &question("alice", "pay"));
    assert_eq!(answer["decision"], false);
    let context = &answer["context"];
    assert_eq!(context["decision"], "step_up");
    assert_eq!(context["acr_values"], json!(["phr", "phrh"]));
    assert_eq!(context["step_up"]["max_age"], 300.0);
    assert_eq!(context["reason_user"], json!(["Please confirm"]));
}

/// With the policies that come with Plimsoll.
#[test]
fn what_alone_stands_in_the_way_is_said_in_the_policy_s_words() {
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let house = House::serving(policies.into(), None);
    let session = json!({
        "new_device": true, "new_country": false, "impossible_travel": false, "idp_risk": "none",
        "mfa_method": "webauthn", "volume_ratio": 1, "privilege_escalations": 0, "attack_signatures": 0,
    });
    let healthy = json!({"managed": true, "os_patched": true, "disk_encrypted": true, "antivirus_active": true});
    let report = |kind: &str, signals: Value| json!({"entity": {"type": kind, "id": "one"}, "signals": signals});
    let reports = json!({"reports": [report("session", session), report("device", healthy)]});
    let taken = house.ask("/v1/signals", &reports);
    assert_eq!((&taken["accepted"], &taken["rejected"]), (&json!(12), &json!([])), "{taken}");

    let entities = json!({"session": "one", "device": "one"});
    let asked = with(question("alice", "read"), "context", json!({"entities": entities}));
    let answer = house.ask(EVALUATION, &asked);
    assert_eq!(answer["context"]["decision"], "step_up", "{answer}");
    assert_eq!(
        answer["context"]["counterfactual"],
        json!({
            "factor": "new_device", "value": 0.0, "needs": "false", "decision": "allow",
            "text": "Confirm this device, and your access returns",
        })
    );
}

#[test]
fn limits_are_for_those_who_enforce_them() {
    let house = House::new();
    let export = question("alice", "export");
    let answer = house.ask(EVALUATION, &export);
    assert_eq!(
        (&answer["decision"], &answer["context"]["decision"]),
        (&json!(false), &json!("deny"))
    );
    for enforces in [json!("limits"), json!(["limits", "more"])] {
        let body = with(export.clone(), "context", json!({"enforces": enforces}));
        let answer = house.ask(EVALUATION, &body);
        assert_eq!(answer["decision"], true);
        assert_eq!(answer["context"]["decision"], "restrict");
        assert_eq!(answer["context"]["limits"], json!(["read_only"]));
    }
}

#[test]
fn the_context_names_policy_and_entities() {
    let house = House::new();
    let asking = |context: Value| with(question("alice", "read"), "context", context);
    assert!(house.decide(&asking(json!({"entities": {"device": "found"}}))));
    assert!(!house.decide(&asking(json!({"entities": {"device": "lost"}}))));
    let answer = house.ask(EVALUATION, &asking(json!({"policy": "strict"})));
    assert_eq!(
        (&answer["decision"], &answer["context"]["policy"]["name"]),
        (&json!(false), &json!("strict"))
    );
    let review = house.ask(EVALUATION, &asking(json!({"amount": 5000})));
    assert_eq!(review["context"]["obligations"]["review"], true);
    for (context, why) in [
        (json!({"policy": "strickt"}), "unknown policy `strickt`: did you mean `strict`?"),
        (json!({"policy": 1}), "`context.policy`: expected a string, found a number"),
        (
            json!({"entities": {"devise": "d"}}),
            "`context.entities.devise`: there is no entity kind of that name: did you mean `device`?",
        ),
    ] {
        assert_eq!(house.refused(EVALUATION, &asking(context)), (400, why.to_owned()));
    }
}

#[test]
fn without_a_policy_there_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::serving(folder.path().to_owned(), None);
    let batch = with(question("alice", "read"), "evaluations", json!([{}, {}]));
    for (path, body) in [(EVALUATION, question("alice", "read")), (EVALUATIONS, batch)] {
        assert_eq!(house.refused(path, &body), (503, "no policy is loaded yet".to_owned()));
    }
}

#[test]
fn a_body_has_bounds() {
    let house = House::new();
    let padded = |bytes: usize| {
        with(question("alice", "read"), "padding", json!("x".repeat(bytes))).to_string()
    };
    assert_eq!(house.post_text(EVALUATION, &padded(1 << 19)).status, 200);
    assert_eq!(house.post_text(EVALUATION, &padded(1 << 20)).status, 413);
}
