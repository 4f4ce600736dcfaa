//! Discovery: the metadata of the decision point.

use serde_json::json;

use crate::House;
use crate::support::client::Request;

const METADATA: &str = "/.well-known/authzen-configuration";

#[test]
fn c_6_3_and_c_6_5_the_metadata_is_of_the_public_url() {
    for url in ["https://pdp.test/plimsoll", "https://pdp.test/plimsoll/"] {
        let house = House::serving("tests/authzen/policies".into(), Some(url));
        let path = format!("{METADATA}/plimsoll");
        let answer = house.send(&Request::get(path).header("x-request-id", "r1"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-request-id"), Some("r1"));
        let expected = json!({
            "policy_decision_point": "https://pdp.test/plimsoll",
            "access_evaluation_endpoint": "https://pdp.test/plimsoll/access/v1/evaluation",
            "access_evaluations_endpoint": "https://pdp.test/plimsoll/access/v1/evaluations",
        });
        assert_eq!(answer.json(), expected);
        // Elsewhere it would be another decision point's, which clients must refuse
        // (RFC 8615, and section 9.2.3 of the standard).
        for elsewhere in [METADATA, "/.well-known/authzen-configuration/other"] {
            let answer = house.send(&Request::get(elsewhere));
            assert_eq!(answer.status, 404, "{elsewhere}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.ends_with("/.well-known/authzen-configuration/plimsoll"), "{detail}");
        }
    }
}

#[test]
fn an_identifier_without_a_path_has_its_metadata_at_the_root() {
    for url in ["https://pdp.test", "https://pdp.test/"] {
        let house = House::serving("tests/authzen/policies".into(), Some(url));
        assert_eq!(house.send(&Request::get(METADATA)).status, 200, "{url}");
        let answer = house.send(&Request::get(format!("{METADATA}/plimsoll")));
        assert_eq!(answer.status, 404, "{url}");
    }
}

#[test]
fn a_path_of_several_parts_stands_behind() {
    let house = House::serving("tests/authzen/policies".into(), Some("https://pdp.test/a/b"));
    let answer = house.send(&Request::get(format!("{METADATA}/a/b")));
    assert_eq!(answer.json()["policy_decision_point"], "https://pdp.test/a/b");
}

#[test]
fn without_one_it_is_of_what_was_asked() {
    let house = House::new();
    let answer = house.send(&Request::get(METADATA));
    let metadata = answer.json();
    assert_eq!(metadata["policy_decision_point"], "http://app.test");
    assert_eq!(metadata["access_evaluation_endpoint"], "http://app.test/access/v1/evaluation");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}
