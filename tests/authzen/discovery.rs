//! Discovery: the metadata of the decision point.

use serde_json::json;

use crate::House;
use crate::support::client::Request;

const METADATA: &str = "/.well-known/authzen-configuration";

#[test]
fn c_6_3_and_c_6_5_the_metadata_is_of_the_public_url() {
    for url in ["https://pdp.test/plimsoll", "https://pdp.test/plimsoll/"] {
        let house = House::serving("tests/authzen/policies".into(), Some(url));
        let answer = house.send(&Request::get(METADATA).header("x-request-id", "r1"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-request-id"), Some("r1"));
        let expected = json!({
            "policy_decision_point": "https://pdp.test/plimsoll",
            "access_evaluation_endpoint": "https://pdp.test/plimsoll/access/v1/evaluation",
            "access_evaluations_endpoint": "https://pdp.test/plimsoll/access/v1/evaluations",
        });
        assert_eq!(answer.json(), expected);
    }
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
