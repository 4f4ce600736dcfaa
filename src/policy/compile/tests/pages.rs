//! The parts of policies that other pages show compile too, and do what these say: each
//! page's parts are put into the documents below, which have what the page leaves out.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::reference::{blocks, holds};

/// What all catalogs and all policies below have.
const CATALOG: &str = "{apiVersion: plimsoll/v1, kind: Catalog}";
const POLICY: &str = "
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: page}
score: {direction: risk, missing: 0, prior: 0, combine: noisy_or}
levels: {low: {from: 0}}
";

/// What else the catalog, the policy and the test have that a page's parts belong into.
const LEARNING: [&str; 3] = [
    "{signals: {user.transfer_amount: {type: event, learn: {baseline: {half_life: 60d}}}}, context: {amount: number}}",
    r#"
score:
  factors:
    unusual: {value: 'deviation(context.amount, user.transfer_amount)', curve: {linear: {from: 2, to: 6}}}
    listed: {value: address.ip in lists.malicious_addresses || address.ip in lists.corporate_network, weight: 0.5}
    breached: {value: subject.id in lists.breached_logins, weight: 0.5}
"#,
    "{name: sixty transfers of 50, request: {subject: {type: user, id: u1}, context: {amount: 5000}}, expect: {score: 100, reasons: [unusual]}}",
];

const LINKS: [&str; 3] = [
    "{signals: {user.address_key: {type: string}}}",
    r#"
score:
  factors:
    cluster: {value: cluster_size(user), curve: {linear: {from: 1, to: 5}}}
    device: {value: 'shared_by(device.id, user, "30d")', curve: {linear: {from: 1, to: 3}}, weight: 0.1}
    address: {value: 'shared_by(address.ip, user, "1d")', curve: {linear: {from: 1, to: 3}}, weight: 0.1}
"#,
    r"
name: one address, one device
history:
  - {at: 2026-05-20T09:00:00Z, signals: {user: {address_key: a1}}, request: {subject: {type: user, id: ada}, context: {entities: {device: d1}}}}
  - {at: 2026-05-21T09:00:00Z, signals: {user: {address_key: a1}}, request: {subject: {type: user, id: bob}}}
  - {at: 2026-05-22T09:00:00Z, request: {subject: {type: user, id: eve}, context: {entities: {device: d1}}}}
request: {subject: {type: user, id: ada}, context: {entities: {device: d1}}}
expect: {score: {near: 52.5, within: 1e-6}, reasons: [cluster, device]}
",
];

const EXPECTED_CHANGE: [&str; 3] = [
    "{signals: {user.department: {type: string}, user.country: {type: string, observe: geo(address.ip).country, learn: {familiar: {keep: 4}}}}, lists: {corporate_network: {type: cidr, path: corporate.netset}}}",
    r#"
score:
  factors:
    new_country: {value: '!familiar(user.country, geo(address.ip).country)'}
    impossible_travel: {value: 'travel_speed(user, geo(address.ip))', curve: {linear: {from: 500, to: 1000}}}
    unusual_hour: {value: unusual_hour(user), weight: 0.1}
rules: [{name: all, when: 'true', decision: allow}]
"#,
    r#"
name: on the journey that was announced, and in the office
now: 2026-05-05T09:00:00Z
given:
  learned: {"familiar(user.country, geo(address.ip).country)": false}
  geo: {203.0.113.0/24: {country: JP}}
  lists: {corporate_network: [203.0.113.0/24]}
request: {subject: {type: user, id: u1}, context: {entities: {address: 203.0.113.5}}}
expect: {score: 20, decision: step_up, rules: [all, nobody_home]}
"#,
];

/// Puts what a part has into a document.
fn merge(into: &mut Json, part: Json) {
    match (into, part) {
        (Json::Object(into), Json::Object(part)) => {
            for (key, value) in part {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (Json::Array(into), Json::Array(part)) => into.extend(part),
        (into, part) => *into = part,
    }
}

fn read(text: &str) -> Json {
    serde_yaml::from_str(text).unwrap()
}

/// Compiles a page's parts, and runs its test: how many parts there were.
#[track_caller]
fn parts_hold(page: &str, rest: [&str; 3]) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mut documents = [CATALOG, POLICY, "{}"].map(read);
    for (document, rest) in documents.iter_mut().zip(rest) {
        merge(document, read(rest));
    }
    let mut count = 0;
    for (info, line, text) in blocks(&text) {
        let at = match info.as_str() {
            "yaml catalog" => 0,
            "yaml policy" => 1,
            "yaml test" => 2,
            other => {
                assert!(!other.starts_with("yaml"), "{page}:{line}: what is `{other}` a part of?");
                continue;
            }
        };
        merge(&mut documents[at], read(&text));
        count += 1;
    }
    let [catalog, policy, test] = documents;
    let tests = json!({
        "apiVersion": "plimsoll/v1", "kind": "PolicyTest", "policy": "page",
        "now": "2026-06-01T09:00:00Z", "tests": [test],
    });
    assert_eq!(holds(page, &format!("{catalog}\n---\n{policy}\n---\n{tests}\n")), 1);
    count
}

#[test]
fn learning() {
    assert_eq!(parts_hold("learning.md", LEARNING), 2);
}

#[test]
fn links() {
    assert_eq!(parts_hold("links.md", LINKS), 1);
}

#[test]
fn expected_change() {
    assert_eq!(parts_hold("expected-change.md", EXPECTED_CHANGE), 4);
}
