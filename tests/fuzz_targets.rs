//! The fuzz targets, run as tests: on good input, and on good input gone bad.
//! `make fuzz` looks further, led by coverage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../fuzz/targets/authzen.rs"]
mod authzen;
#[path = "../fuzz/targets/check_request.rs"]
mod check_request;
#[path = "../fuzz/targets/expression.rs"]
mod expression;
#[path = "../fuzz/targets/forward_auth.rs"]
mod forward_auth;
#[path = "../fuzz/targets/forwarded_client_cert.rs"]
mod forwarded_client_cert;
#[path = "../fuzz/targets/forwarded_for.rs"]
mod forwarded_for;
#[path = "../fuzz/targets/house.rs"]
mod house;
#[path = "../fuzz/targets/jwt.rs"]
mod jwt;
#[path = "../fuzz/targets/list.rs"]
mod list;
#[path = "../fuzz/targets/policy.rs"]
mod policy;

use std::path::Path;

use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use plimsoll::model::{ListKind, Vocabulary};
use plimsoll::policy::cel;
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::signals::List;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;
use serde_json::json;

/// Something done to a text: bytes put in, taken away, changed or said again.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    Repeat(Index, usize),
}

impl Edit {
    fn apply(&self, to: &mut Vec<u8>) {
        if to.is_empty() {
            return;
        }
        match self {
            Edit::Set(at, byte) => *at.get_mut(to) = *byte,
            Edit::Insert(at, bytes) => {
                let at = at.index(to.len());
                to.splice(at..at, bytes.iter().copied());
            }
            Edit::Cut(at, length) => {
                let at = at.index(to.len());
                to.drain(at..to.len().min(at + length));
            }
            Edit::Repeat(at, length) => {
                let at = at.index(to.len());
                let piece = to[at..to.len().min(at + length)].to_vec();
                to.splice(at..at, piece);
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let what_parsers_trip_over = prop::sample::select(vec![
        "\n", "\t", "{", "[", "}", "]", "- ", ": ", "\"", "'", "&a ", "*a", "!x ", "#", "\0", "..",
        "null", ".nan", "1e999", "-0", "(", "!", "&&", "\u{feff}", "\u{2028}", ",", ";", "=", ".",
        "%2f",
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), what_parsers_trip_over)
            .prop_map(|(at, text)| Edit::Insert(at, text.into())),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        (any::<Index>(), 1..256_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

/// One of `seeds`, as it is or with a few edits; or bytes without any sense.
fn gone_bad(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    assert!(!seeds.is_empty() && seeds.iter().all(|seed| !seed.is_empty()));
    let edited = (prop::sample::select(seeds), vec(edit(), 0..6)).prop_map(|(mut bytes, edits)| {
        for edit in &edits {
            edit.apply(&mut bytes);
        }
        bytes
    });
    prop_oneof![9 => edited, 1 => vec(any::<u8>(), 0..512)]
}

fn checks() -> Vec<Vec<u8>> {
    let http = HttpRequest {
        method: "GET".into(),
        path: "/a?b=c".into(),
        host: "app.test".into(),
        headers: [("x-a".into(), "1".into()), ("cookie".into(), "sid=1".into())].into(),
        ..HttpRequest::default()
    };
    let request = Some(Request { http: Some(http), ..Request::default() });
    let context_extensions = [("plimsoll.policy".into(), "session".into())].into();
    let attributes =
        AttributeContext { request, context_extensions, ..AttributeContext::default() };
    vec![CheckRequest { attributes: Some(attributes) }.encode_to_vec()]
}

/// The shipped policies, each with the catalog that it speaks of.
fn policies() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let catalog = read("catalog.yaml");
    ["reputation.yaml", "onboarding.yaml"]
        .map(|name| format!("{catalog}\n---\n{}", read(name)).into_bytes())
        .into()
}

fn expressions() -> Vec<Vec<u8>> {
    [
        r#"user.score / 0 > 1 && !known(context.amount)"#,
        r#"request.headers["x-a"] in ["a", "b"] || address.ip in lists.malicious"#,
        r#"action.name == "post" ? -1.5e3 : days_since(user.created_at)"#,
        r#"policy("insider").score >= thresholds.high && at_or_worse("medium")"#,
        r#"subject.id.matches("^[a-z]+$") && ["a"].exists(x, x == "a")"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// Each is answered with 200, alone or as a batch.
fn questions() -> Vec<Vec<u8>> {
    let question = json!({
        "subject": {"type": "user", "id": "u1", "properties": {"a": {"b": [1, "c", null]}}},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "r1"},
        "context": {"amount": 5, "entities": {"address": "203.0.113.9"}, "policy": "main"},
    });
    let mut denied = question.clone();
    denied["action"]["name"] = json!("write");
    let failed = json!({"subject": {"type": "user"}});
    let batch = |semantic: &str| {
        json!({
            "evaluations": [question, failed, denied, question],
            "options": {"evaluations_semantic": semantic},
        })
    };
    let mut defaults = question.clone();
    defaults["evaluations"] =
        json!([{}, {"action": {"name": "write"}}, {"context": {"amount": 200}}]);
    let mut all = vec![question.clone(), denied.clone(), defaults];
    all.extend(["execute_all", "deny_on_first_deny", "permit_on_first_permit"].map(batch));
    all.iter().map(|question| question.to_string().into_bytes()).collect()
}

/// Each is let through.
fn proxied() -> Vec<Vec<u8>> {
    [
        "x-original-uri: /a?b=c\nx-original-method: GET\nx-forwarded-for: 10.6.6.6, 203.0.113.9\nx-login: u1",
        "x-forwarded-uri: /a/./b\nx-forwarded-method: GET\nx-forwarded-host: App.test:80\n\
         x-forwarded-proto: https\nx-forwarded-for: [2001:db8::1]:80\nx-risk: low\nx-risk: none",
        "x-original-url: https://app.test/a\nx-original-method: GET\nx-plimsoll-score: 0",
    ]
    .map(|lines| lines.as_bytes().to_vec())
    .into()
}

/// Tokens as they come, and in parts, so that edits meet what is inside them.
fn tokens(signed: &[[&str; 3]]) -> Vec<Vec<u8>> {
    let parts = signed.iter().map(|parts| parts.join("\n").into_bytes());
    parts.flat_map(|parts| [jwt::value(&parts), parts]).collect()
}

/// One, two, three and four hops, each with as many as are trusted.
fn forwarded() -> Vec<Vec<u8>> {
    [
        "\x00203.0.113.9",
        "\x0110.6.6.6, 203.0.113.9:80, 192.0.2.1",
        "\x02::ffff:203.0.113.9,[2001:db8::1],\t192.0.2.1 ",
        "\x03unknown, 203.0.113.9, [2001:db8::2]:80, 192.0.2.1, 192.0.2.2",
    ]
    .map(|value| value.as_bytes().to_vec())
    .into()
}

/// Behind one, two and three proxies; each has the field that is read.
fn certificates() -> Vec<Vec<u8>> {
    let hash = "0123456789abcdef".repeat(4);
    [
        format!("\x00By=spiffe://a/b;Hash={hash};Subject=\"CN=web,O=\\\"A\\\"\";URI=spiffe://a/web;DNS=web.test"),
        format!("\x06Hash={hash};Subject=\"CN=a;URI=x\";URI=u1;URI=u2, URI=spiffe://a/b;Hash={hash}"),
        "\x09URI=,Subject=\"CN=one\";DNS=one.test;DNS=two.test,URI=b,URI=c".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

/// One of each type, with what it is asked for as the last line.
fn lists() -> Vec<Vec<u8>> {
    let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    [
        "\x00# addresses\n192.0.2.0/24\n2001:db8::/32 # net\n::ffff:10.0.0.0/104\n192.0.2.7"
            .to_owned(),
        "\x01*.spam.example\nMail.example.\r\n\u{feff}\na.mail.example".to_owned(),
        format!("\x02{sha1}:12\n{}:0\n{sha1}", sha1.to_uppercase()),
        format!("\x03{sha256}\n{sha256}:7\n{sha256}"),
        "\x04one\ntwo words\n# empty\nthree".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

/// Edits of what is bad already would look into few corners.
#[test]
fn seeds_are_good() {
    for seed in checks() {
        let arena = bumpalo::Bump::new();
        assert!(plimsoll::api::ext_authz::decode(&seed, &arena).is_ok());
    }
    for seed in policies() {
        let set = SourceSet::from_memory([("policy.yaml", seed)]);
        let (snapshot, diagnostics) = compile(&set, &Vocabulary::new());
        assert!(snapshot.is_some(), "{}", diagnostics.render(false));
    }
    for seed in expressions() {
        let text = String::from_utf8(seed).unwrap();
        assert!(cel::parse(&text).is_ok(), "{text}");
    }
    for seed in questions() {
        let question: serde_json::Value = serde_json::from_slice(&seed).unwrap();
        let path = match question.get("evaluations") {
            Some(_) => "/access/v1/evaluations",
            None => "/access/v1/evaluation",
        };
        let (status, answer) = authzen::post(path, &seed);
        assert_eq!(status, 200, "{question}: {answer}");
    }
    for seed in proxied() {
        let (asked, status, _) = forward_auth::ask(&seed);
        assert_eq!(status, 200, "{asked:?}");
    }
    for seed in tokens(jwt::GOOD) {
        assert_eq!(jwt::user(&jwt::value(&seed)).unwrap(), "u1");
    }
    for seed in tokens(jwt::SPOILT) {
        assert!(jwt::user(&jwt::value(&seed)).unwrap_err().by_token);
    }
    for seed in forwarded() {
        let (hops, value) = seed.split_first().unwrap();
        let found = forwarded_for::of(usize::from(*hops) + 1, value).unwrap();
        assert!(found.is_some(), "{}", String::from_utf8_lossy(value));
    }
    for seed in lists() {
        let kind = ListKind::ALL[usize::from(seed[0])].1;
        let (list, bad) = List::parse(kind, &seed[1..]);
        assert!(!list.is_empty() && bad.count < 2, "{kind:?}: {bad:?}");
    }
    for seed in certificates() {
        let (first, value) = seed.split_first().unwrap();
        assert_ne!(forwarded_client_cert::of(*first, value).unwrap(), "");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn checks_decode_or_are_refused(bytes in gone_bad(checks())) {
        check_request::run(&bytes);
    }

    #[test]
    fn expressions_parse_or_are_refused(bytes in gone_bad(expressions())) {
        expression::run(&bytes);
    }

    #[test]
    fn forwarded_addresses_are_of_trusted_hops(bytes in gone_bad(forwarded())) {
        forwarded_for::run(&bytes);
    }

    #[test]
    fn lists_are_read_or_told(bytes in gone_bad(lists())) {
        list::run(&bytes);
    }

    #[test]
    fn certificates_are_of_trusted_hops(bytes in gone_bad(certificates())) {
        forwarded_client_cert::run(&bytes);
    }

    #[test]
    fn tokens_are_signed_or_refused(
        bytes in gone_bad([tokens(jwt::GOOD), tokens(jwt::SPOILT)].concat()),
    ) {
        jwt::run(&bytes);
    }

    #[test]
    fn proxies_are_answered_and_clients_not_believed(bytes in gone_bad(proxied())) {
        forward_auth::run(&bytes);
    }
}

proptest! {
    // Each is asked several times.
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn questions_are_answered_one_by_one(bytes in gone_bad(questions())) {
        authzen::run(&bytes);
    }
}

proptest! {
    // Each is a whole catalog.
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn policies_load_or_are_refused(bytes in gone_bad(policies())) {
        policy::run(&bytes);
    }
}
