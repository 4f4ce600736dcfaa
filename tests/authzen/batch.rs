//! Batch, Core and Properties: several decisions in one request.

use serde_json::{Value, json};

use crate::{EVALUATIONS, House, question, record, user, with, without};

#[test]
fn c_3_2_1_a_batch_is_answered_item_by_item() {
    let body = json!({
        "subject": user("alice"),
        "action": {"name": "read"},
        "evaluations": [{"resource": record("record-1")}, {"resource": record("record-2")}],
    });
    assert_eq!(House::new().decide_all(&body), [true, true]);
}

#[test]
fn c_3_2_2_and_c_3_3_2_answers_keep_the_order() {
    let body = json!({
        "subject": user("bob"),
        "resource": record("record-1"),
        "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "write"}}],
    });
    assert_eq!(House::new().decide_all(&body), [true, false]);
}

#[test]
fn c_3_2_3_resource_and_c_3_2_4_subject_properties_count_for_each() {
    let house = House::new();
    let status = |id: &str, status: &str| json!({"type": "record", "id": id, "properties": {"status": status}});
    let resources = json!({
        "subject": user("alice"),
        "action": {"name": "write"},
        "evaluations": [
            {"resource": status("record-1", "active")},
            {"resource": status("record-2", "archived")},
        ],
    });
    assert_eq!(house.decide_all(&resources), [true, false]);
    let subjects = json!({
        "action": {"name": "write"},
        "resource": status("record-2", "archived"),
        "evaluations": [
            {"subject": user("alice")},
            {"subject": {"type": "user", "id": "bob", "properties": {"role": "admin"}}},
        ],
    });
    assert_eq!(house.decide_all(&subjects), [false, true]);
}

#[test]
fn c_3_2_5_defaults_are_optional() {
    let body = json!({"evaluations": [question("alice", "read"), question("bob", "write")]});
    assert_eq!(House::new().decide_all(&body), [true, false]);
}

#[test]
fn c_3_2_6_context_is_inherited_unless_an_item_has_its_own() {
    let body = json!({
        "subject": user("alice"),
        "action": {"name": "read"},
        "context": {"amount": 5000},
        "evaluations": [
            {"resource": record("record-1")},
            {"resource": record("record-2"), "context": {"amount": 5, "source": "batch-override"}},
        ],
    });
    assert_eq!(House::new().decide_all(&body), [false, true]);
}

#[test]
fn c_3_2_7_an_items_own_part_borrows_required_fields_only() {
    let house = House::new();
    let mut body = json!({
        "subject": user("alice"),
        "action": {"name": "write"},
        "resource": {"type": "record"},
        "evaluations": [
            {"resource": {"id": "record-1", "properties": {"status": "active"}}},
            {"resource": {"type": "record", "id": "record-2", "properties": {"status": "archived"}}},
        ],
    });
    assert_eq!(house.decide_all(&body), [true, false]);
    // Properties of the default are not mixed into an item's own resource.
    body["resource"] = json!({"type": "record", "properties": {"status": "archived"}});
    body["evaluations"] = json!([{"resource": {"id": "record-1"}}]);
    assert_eq!(house.decide_all(&body), [true]);
}

#[test]
fn c_3_3_1_as_many_answers_as_questions_and_no_more_than_are_taken() {
    let house = House::new();
    let batch =
        |of: usize| with(question("bob", "read"), "evaluations", vec![json!({}); of].into());
    assert_eq!(house.decide_all(&batch(1000)), vec![true; 1000]);
    let (status, why) = house.refused(EVALUATIONS, &batch(1001));
    assert_eq!((status, &*why), (400, "`evaluations`: 1001 of them, at most 1000"));
}

#[test]
fn c_3_4_1_one_failed_item_does_not_fail_the_rest() {
    let house = House::new();
    let body = json!({
        "subject": user("alice"),
        "action": {"name": "read"},
        "evaluations": [
            {"resource": record("record-1")},
            {},
            {"resource": "record-1"},
            "record-1",
            {"resource": record("record-1"), "context": {"policy": "sesion"}},
            {"resource": record("record-1"), "context": {"amount": "a lot"}},
            {"resource": record("record-1")},
        ],
    });
    let answer = house.ask(EVALUATIONS, &body);
    let errors: Vec<_> = answer["evaluations"].as_array().unwrap().iter().collect();
    let decisions: Vec<_> = errors.iter().map(|e| e["decision"] == true).collect();
    assert_eq!(decisions, [true, false, false, false, false, false, true]);
    for (at, message) in [
        (1, "`resource` is missing"),
        (2, "`resource`: expected an object, found a string"),
        (3, "`request`: expected an object, found a string"),
        (4, "unknown policy `sesion`: did you mean `session`?"),
        (5, "`context.amount`: expected a number, found a string"),
    ] {
        let error = &errors[at]["context"]["error"];
        assert_eq!(*error, json!({"status": 400, "message": message}));
    }
}

#[test]
fn c_3_4_2_no_and_c_3_4_3_empty_evaluations_are_a_single_one() {
    let house = House::new();
    for body in
        [question("alice", "read"), with(question("alice", "read"), "evaluations", json!([]))]
    {
        let answer = house.ask(EVALUATIONS, &body);
        assert_eq!((&answer["decision"], &answer["evaluations"]), (&json!(true), &Value::Null));
        let (status, why) = house.refused(EVALUATIONS, &without(body, "/subject"));
        assert_eq!((status, &*why), (400, "`subject` is missing"));
    }
}

#[test]
fn all_three_semantics() {
    let house = House::new();
    let batch = |semantic: Value, actions: &[&str]| {
        let items: Vec<Value> = actions.iter().map(|a| json!({"action": {"name": a}})).collect();
        json!({
            "subject": user("bob"),
            "resource": record("record-1"),
            "options": {"evaluations_semantic": semantic, "unknown": 1},
            "evaluations": items,
        })
    };
    for (semantic, actions, decisions) in [
        ("execute_all", &["read", "write", "read"][..], &[true, false, true][..]),
        ("deny_on_first_deny", &["read", "write", "read"], &[true, false]),
        ("deny_on_first_deny", &["read", "read"], &[true, true]),
        ("permit_on_first_permit", &["write", "read", "write"], &[false, true]),
        ("permit_on_first_permit", &["write", "write"], &[false, false]),
        // What failed is a denial.
        ("deny_on_first_deny", &["read", "", "read"], &[true, false]),
    ] {
        assert_eq!(house.decide_all(&batch(json!(semantic), actions)), decisions, "{semantic}");
    }
    for wrong in [json!("first_come"), json!(null), json!(1)] {
        let (status, why) = house.refused(EVALUATIONS, &batch(wrong, &["read"]));
        assert_eq!(status, 400);
        assert!(why.starts_with("`options.evaluations_semantic`: expected"), "{why}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_a_status() {
    let house = House::new();
    let batch = with(question("bob", "read"), "evaluations", json!([{}]));
    for (field, value) in [
        ("evaluations", json!({})),
        ("evaluations", json!(null)),
        ("options", json!("execute_all")),
        ("subject", json!("bob")),
        ("context", json!([])),
    ] {
        let (status, why) = house.refused(EVALUATIONS, &with(batch.clone(), field, value));
        assert_eq!(status, 400);
        assert!(why.starts_with(&format!("`{field}`: expected")), "{why}");
    }
}

/// Each evaluation is asked with the defaults: few bytes would make much work.
#[test]
fn large_defaults_are_for_few_evaluations() {
    let house = House::new();
    let many: serde_json::Map<String, Value> =
        (0..2000).map(|at| (format!("k{at}"), json!(at))).collect();
    let batch = |of: usize| {
        let body = with(question("bob", "read"), "evaluations", vec![json!({}); of].into());
        with(body, "context", Value::Object(many.clone()))
    };
    let (status, why) = house.refused(EVALUATIONS, &batch(1000));
    assert_eq!(status, 400);
    assert!(why.ends_with("values for 1000 evaluations, at most 1000000 in all"), "{why}");
    let few = house.ask(EVALUATIONS, &batch(2));
    let error = &few["evaluations"][1]["context"]["error"]["message"];
    assert_eq!(*error, "more than 1024 properties");
}
