//! Any bytes as an AuthZEN request, for one evaluation and for several.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::house::House;

thread_local! {
    static HOUSE: House = House::open();
}

pub fn run(bytes: &[u8]) {
    let (status, answer) = post("/access/v1/evaluation", bytes);
    assert!(matches!(status, 200 | 400), "{status}: {answer}");
    if status == 200 {
        evaluated(&answer);
    }
    let (status, answer) = post("/access/v1/evaluations", bytes);
    assert!(matches!(status, 200 | 400), "{status}: {answer}");
    let Ok(question) = serde_json::from_slice::<Value>(bytes) else {
        assert_eq!(status, 400, "{answer}");
        return;
    };
    if status == 400 {
        return;
    }
    match question.get("evaluations").and_then(Value::as_array) {
        Some(asked) if !asked.is_empty() => batch(&question, asked, &answer),
        // Without evaluations it is a single one.
        _ => drop(evaluated(&answer)),
    }
}

/// The decision of an answer, which has one whatever went wrong: then it is a denial.
fn evaluated(answer: &Value) -> bool {
    let decision = answer["decision"].as_bool().unwrap_or_else(|| panic!("{answer}"));
    if !answer["context"]["error"].is_null() {
        assert!(!decision, "what failed is allowed: {answer}");
        assert_eq!(answer["context"]["error"]["status"], 400, "{answer}");
    }
    decision
}

fn batch(question: &Value, asked: &[Value], answer: &Value) {
    let answers = answer["evaluations"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let decisions: Vec<bool> = answers.iter().map(evaluated).collect();
    let ends_with = match question["options"]["evaluations_semantic"].as_str() {
        Some("deny_on_first_deny") => Some(false),
        Some("permit_on_first_permit") => Some(true),
        _ => None,
    };
    let expected = ends_with
        .and_then(|end| decisions.iter().position(|decision| *decision == end))
        .map_or(asked.len(), |end| end + 1);
    assert_eq!(decisions.len(), expected, "as many answers as questions: {answer}");

    // Asked alone, each is answered alike; one that failed is a 400.
    let parts = ["subject", "action", "resource", "context"];
    if parts.iter().any(|part| question.get(part).is_some()) {
        return;
    }
    for ((item, answer), decision) in asked.iter().zip(answers).zip(&decisions).take(4) {
        let (status, alone) = post("/access/v1/evaluation", item.to_string().as_bytes());
        if answer["context"]["error"].is_null() {
            assert_eq!((status, &alone["decision"]), (200, &json!(decision)), "{item}");
        } else {
            assert_eq!(status, 400, "{item}: {alone}");
        }
    }
}

pub fn post(path: &str, body: &[u8]) -> (u16, Value) {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_vec()))
        .unwrap();
    let (status, _, body) = HOUSE.with(|house| house.send(request));
    let answer = serde_json::from_slice(&body).unwrap_or_else(|why| panic!("{why}: {body:?}"));
    (status, answer)
}
