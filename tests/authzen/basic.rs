//! Basic, Core and Properties: one decision.

use serde_json::json;

use crate::support::client::Request;
use crate::{EVALUATION, House, question, user, with, without};

#[test]
fn c_2_2_1_permits_and_c_2_2_2_denies() {
    let house = House::new();
    for (who, action, decision) in [
        ("alice", "read", true),
        ("alice", "write", true),
        ("bob", "read", true),
        ("bob", "write", false),
    ] {
        assert_eq!(house.decide(&question(who, action)), decision, "{who} {action}");
    }
}

#[test]
fn c_2_2_3_context_is_optional() {
    let context = json!({"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"});
    assert!(House::new().decide(&with(question("alice", "read"), "context", context)));
}

#[test]
fn c_2_2_4_to_c_2_2_7_properties_decide() {
    let house = House::new();
    let archived =
        json!({"type": "record", "id": "record-2", "properties": {"status": "archived"}});
    let archive = with(question("alice", "write"), "resource", archived);
    assert!(!house.decide(&archive), "c-2-2-4");
    let admin = json!({"type": "user", "id": "bob", "properties": {"role": "admin"}});
    assert!(house.decide(&with(archive, "subject", admin)), "c-2-2-5");
    let delete = |soft: bool| {
        let action = json!({"name": "delete", "properties": {"soft": soft}});
        house.decide(&with(question("alice", "delete"), "action", action))
    };
    assert!(delete(true), "c-2-2-6");
    assert!(!delete(false), "c-2-2-7");
}

#[test]
fn c_2_2_8_more_properties_and_c_2_2_9_unknown_fields_do_no_harm() {
    let house = House::new();
    assert!(house.decide(&json!({
        "subject": {"type": "user", "id": "alice", "properties": {"department": "Sales", "role": "manager"}},
        "action": {"name": "read", "properties": {"method": "GET"}},
        "resource": {"type": "record", "id": "record-1", "properties": {"status": "active", "owner": "bob"}},
    })));
    let unknown = with(question("alice", "read"), "foo", json!("bar"));
    assert!(house.decide(&with(unknown, "futureField", json!({"nested": true}))));
}

#[test]
fn c_2_4_1_missing_fields_and_c_2_4_2_sub_fields_are_named() {
    let house = House::new();
    for pointer in [
        "/subject",
        "/action",
        "/resource",
        "/subject/type",
        "/subject/id",
        "/action/name",
        "/resource/type",
        "/resource/id",
    ] {
        let (status, why) = house.refused(EVALUATION, &without(question("alice", "read"), pointer));
        let place = pointer.trim_start_matches('/').replace('/', ".");
        assert_eq!((status, why), (400, format!("`{place}` is missing")));
    }
}

#[test]
fn c_2_4_3_another_content_type_is_refused() {
    let house = House::new();
    let body = question("alice", "read").to_string();
    for kind in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", ""] {
        let request = Request::post(EVALUATION, &*body).header("content-type", kind);
        assert_eq!(house.send(&request).status, 400, "{kind}");
    }
    assert_eq!(house.send(&Request::post(EVALUATION, &*body)).status, 400);
    let request =
        Request::post(EVALUATION, body).header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(house.send(&request).status, 200);
}

#[test]
fn c_2_4_4_malformed_and_c_2_4_5_empty_bodies_are_refused() {
    let house = House::new();
    let deep = "[".repeat(100_000);
    for body in ["", "{", "{\"subject\":", "null", "[]", "{} {}", "\u{feff}{}", "{'a': 1}", &deep] {
        assert_eq!(house.post_text(EVALUATION, body).status, 400, "{body:.20}");
    }
}

#[test]
fn c_2_4_6_wrong_types_are_refused() {
    let house = House::new();
    let question = || question("alice", "read");
    for body in [
        with(question(), "subject", json!("alice")),
        with(question(), "subject", json!(null)),
        with(question(), "subject", json!({"type": "user", "id": 7})),
        with(question(), "action", json!({"name": 123})),
        with(question(), "action", json!(["read"])),
        with(question(), "resource", json!({"type": {}, "id": "1"})),
        with(question(), "resource", json!({"type": "a", "id": "1", "properties": []})),
        with(question(), "context", json!("now")),
    ] {
        let (status, why) = house.refused(EVALUATION, &body);
        assert_eq!(status, 400, "{body}");
        assert!(why.contains("expected a"), "{why}");
    }
}

#[test]
fn c_2_5_1_the_request_id_comes_back_and_c_2_5_2_needs_not_be_there() {
    let house = House::new();
    for (body, status) in [(question("alice", "read").to_string(), 200), ("{".to_owned(), 400)] {
        let request = Request::post(EVALUATION, body)
            .header("content-type", "application/json")
            .header("x-request-id", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716");
        let answer = house.send(&request);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-request-id"), Some("bfe9eb29-ab87-4ca3-be83-a1d5d8305716"));
    }
    let answer = house.post(EVALUATION, &question("alice", "read"));
    assert_eq!((answer.status, answer.header("x-request-id")), (200, None));
}

#[test]
fn c_2_6_the_same_question_has_the_same_answer() {
    let house = House::new();
    let body = with(question("bob", "write"), "subject", user("bob"));
    assert!((0..10).all(|_| !house.decide(&body)));
}
