use bumpalo::Bump;
use serde_json::json;

use super::{Question, QuestionError, Written};
use crate::engine::Snapshot;
use crate::model::{Owner, Timestamp, Type, Value, Vocabulary};

fn written(text: &str) -> Option<Question> {
    serde_json::from_str(text).ok().map(|Written(question)| question)
}

fn ask(body: serde_json::Value) -> Result<Question, QuestionError> {
    let question = Question::from_json(&body);
    // Read from its text it is the same question, or none.
    assert_eq!(written(&body.to_string()), question.as_ref().ok().cloned());
    question
}

#[test]
fn a_question_names_its_entities() {
    let question = ask(json!({
        "subject": {"type": "user", "id": "u1", "properties": {"tier": "gold"}},
        "action": {"name": "transfer"},
        "resource": {"type": "account", "id": "a1"},
        "context": {
            "amount": 12.5, "tags": ["a", "b"], "nested": {"deep": true},
            "entities": {"device": "d1", "address": "::ffff:203.0.113.9"},
            "policy": "session", "enforces": "limits",
        },
    }))
    .unwrap();
    let vocabulary = Vocabulary::new();
    let kinds = ["user", "device", "address"].map(|kind| vocabulary.kind(kind).unwrap());
    let snapshot = Snapshot::default();
    let arena = Bump::new();
    let now = Timestamp::EPOCH;
    let request = question.request(&snapshot, &vocabulary, now, &arena).unwrap();
    assert_eq!(question.policy, "session");
    assert!(request.enforces_limits);
    let ids: Vec<_> = kinds.iter().map(|kind| request.entities.get(*kind)).collect();
    assert_eq!(ids, [Some("u1"), Some("d1"), Some("203.0.113.9")]);
    assert_eq!(request.address, Some("203.0.113.9".parse().unwrap()));
    assert_eq!(request.property(Owner::Context, "amount"), Value::Number(12.5));
    assert_eq!(request.property(Owner::Context, "nested.deep"), Value::Bool(true));
    assert_eq!(request.property(Owner::Subject, "tier"), Value::Text("gold"));
    assert!(
        matches!(request.property(Owner::Context, "tags"), Value::Set(set) if set.contains("b"))
    );
    assert_eq!(request.property(Owner::Context, "entities"), Value::Missing);
}

#[test]
fn what_a_text_says_twice_or_besides_is_taken_as_json_takes_it() {
    for text in [
        r#"{"subject": {"type": "user", "id": "a", "id": "b", "name": "c"}, "more": [{}],
            "action": {"name": "\u0064o"}, "resource": {"type": "t", "id": "r"}}"#,
        r#"{"subject": 1, "action": {"name": "do", "id": "x"}, "resource": {"type": "t", "id": "r"},
            "context": {"a": 1, "policy": "p", "a": 2.5, "token": "t"}, "subject": {"type": "user", "id": "a"}}"#,
        r#"{"subject": ["user", "a"], "action": {"name": "do"}, "resource": {"type": "t", "id": "r"}}"#,
        r#"{"subject": {"type": "user", "id": "a"}, "action": {"name": "do", "id": 1},
            "resource": {"type": "t", "id": "r"}, "context": null}"#,
    ] {
        let question = Question::from_json(&serde_json::from_str(text).unwrap()).ok();
        // Where the text alone won't do, JSON is asked.
        if let Some(read) = written(text) {
            assert_eq!(Some(read), question, "{text}");
        } else {
            assert!(text.contains("\"subject\": 1") || question.is_none(), "{text}");
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (body, message) in [
        (json!([]), "`request`: expected an object, found a list"),
        (json!({}), "`subject` is missing"),
        (json!({"subject": 1}), "`subject`: expected an object, found a number"),
        (json!({"subject": {"type": "user"}}), "`subject.id` is missing"),
        (json!({"subject": {"type": "user", "id": ""}}), "`subject.id` is empty"),
        (
            json!({"subject": {"type": "user", "id": "u"}, "resource": {"type": "a", "id": 1}}),
            "`resource.id`: expected a string, found a number",
        ),
    ] {
        assert_eq!(ask(body).unwrap_err().to_string(), message);
    }
}

#[test]
fn declared_context_has_its_type() {
    let mut snapshot = Snapshot::default();
    snapshot.context.insert("amount".into(), Type::Number);
    snapshot.context.insert("at".into(), Type::Timestamp);
    let vocabulary = Vocabulary::new();
    let arena = Bump::new();
    let context = |context: serde_json::Value| {
        let mut question = Question::default();
        question.set_context(context.as_object().unwrap().clone()).unwrap();
        question
    };
    let good = context(json!({"amount": 5, "at": "1970-01-01T00:00:01Z"}));
    let request = good.request(&snapshot, &vocabulary, Timestamp::EPOCH, &arena).unwrap();
    let at = Timestamp::from_millis(1000);
    assert_eq!(request.property(Owner::Context, "at"), Value::Timestamp(at));
    let wrong = context(json!({"amount": "5"}));
    let error = wrong.request(&snapshot, &vocabulary, Timestamp::EPOCH, &arena).unwrap_err();
    assert_eq!(error.to_string(), "`context.amount`: expected a number, found a string");
    let unknown = context(json!({"entities": {"devise": "d"}}));
    let error = unknown.request(&snapshot, &vocabulary, Timestamp::EPOCH, &arena).unwrap_err();
    assert!(error.to_string().contains("no entity kind"), "{error}");
}

/// What is no address names an entity, if it must, and is no address that rules or lists can meet.
#[test]
fn an_invalid_address_is_missing() {
    let vocabulary = Vocabulary::new();
    vocabulary.kind("address").unwrap();
    let snapshot = Snapshot::default();
    for written in
        ["nobody", "127.1", "0x7f000001", "10.0.0.1:80", "[::1]", "10.0.0.1, 10.0.0.2", " 10.0.0.1"]
    {
        let question = ask(json!({
            "subject": {"type": "user", "id": "u1"},
            "action": {"name": "read"},
            "resource": {"type": "account", "id": "a1"},
            "context": {"entities": {"address": written}},
        }))
        .unwrap();
        let arena = Bump::new();
        let request = question.request(&snapshot, &vocabulary, Timestamp::EPOCH, &arena).unwrap();
        assert_eq!(request.address, None, "{written:?}");
    }
}
