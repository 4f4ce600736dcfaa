//! Signed tokens of end users and of callers, with keys that come by HTTPS.

use std::time::{Duration, Instant};

use plimsoll::app::App;
use plimsoll::client::{Ask, Client};
use plimsoll::config::{
    AuthConfig, CallerRule, ClaimValue, Config, IdentityConfig, IdentitySource, Permission,
};
use plimsoll::proto::ReportRequest;
use plimsoll::proto::signal_service_client::SignalServiceClient;
use serde_json::{Value as Json, json};
use tonic::{Code, Request};

use super::auth::{config, plain};
use super::idp::Behaviour;
use super::provider::{Provider, Signer};

/// A server, with a client for its HTTP side.
struct House {
    app: App,
    agent: ureq::Agent,
}

impl House {
    fn start(config: &Config) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        House { app: App::start(config).unwrap(), agent }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.http_address().unwrap())
    }

    fn get(&self, path: &str) -> String {
        let answer = self.agent.get(self.url(path)).call().unwrap();
        answer.into_body().read_to_string().unwrap()
    }

    fn is_degraded(&self, what: &str) -> bool {
        let status: Json = serde_json::from_str(&self.get("/status")).unwrap();
        status["degraded"].as_array().unwrap().iter().any(|it| it == what)
    }

    /// Asks until the answer is yes.
    fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_so(self) {
            assert!(Instant::now() < deadline, "not so: {what}");
        }
    }

    fn evaluate(&self, subject: Json, action: &str, context: Json) -> Json {
        let body = json!({
            "subject": subject,
            "action": {"name": action},
            "resource": {"type": "record", "id": "r1"},
            "context": context,
        });
        let url = self.url("/access/v1/evaluation");
        let answer = self.agent.post(url).content_type("application/json");
        let mut answer = answer.send(body.to_string()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status(), 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What a proxy is answered for a request with these headers.
    fn forward_auth(&self, headers: &[(&str, &str)]) -> (u16, Option<String>) {
        let mut request = self.agent.get(self.url("/forward-auth"));
        let fixed = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/")];
        for (name, value) in fixed.iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let answer = request.call().unwrap();
        let challenge = answer.headers().get("www-authenticate");
        (answer.status().as_u16(), challenge.map(|value| value.to_str().unwrap().to_owned()))
    }
}

fn of_end_users(provider: &Provider) -> Config {
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/authzen/policies").into();
    let mut config = Config { policies, ..config() };
    let source = |claim: &str| vec![IdentitySource::Jwt { claim: claim.to_owned() }];
    let sources = [("user".to_owned(), source("sub")), ("device".to_owned(), source("device"))];
    config.identity = IdentityConfig(sources.into());
    config.jwt = Some(provider.jwt());
    config
}

#[test]
fn keys_are_fetched_refreshed_and_kept_and_the_status_says_how_they_are() {
    let (old, new) = (Signer::new("a"), Signer::new("b"));
    let provider = Provider::start(&[]);
    provider.idp.behave(Behaviour::Answers(500, Vec::new()));
    let mut config = of_end_users(&provider);
    config.jwt.as_mut().unwrap().cookie = Some("token".to_owned());
    let house = House::start(&config);
    let (old_token, new_token) =
        (old.token(&json!({"sub": "u1"})), new.token(&json!({"sub": "u1"})));
    let ask = |house: &House, token: &str| {
        house.forward_auth(&[("authorization", &format!("Bearer {token}"))])
    };
    // No keys yet: nobody is known, and nobody is turned away for that.
    assert!(house.is_degraded("jwt.jwks"));
    assert_eq!(ask(&house, &old_token).1, None);

    provider.serve(&[&old]);
    house.wait_until("keys were fetched", |house| !house.is_degraded("jwt.jwks"));
    assert_eq!(ask(&house, &old_token).1, None);
    let refused = (401, Some("Bearer error=\"invalid_token\"".to_owned()));
    assert_eq!(ask(&house, &new_token), refused);
    // The cookie is read where the header has no token.
    assert_eq!(house.forward_auth(&[("cookie", &format!("token={new_token}"))]), refused);
    let both = [("authorization", "Basic eDp5"), ("cookie", &*format!("token={old_token}"))];
    assert_eq!(house.forward_auth(&both).1, None);

    provider.idp.behave(Behaviour::Answers(200, b"garbage".to_vec()));
    house.wait_until("it is degraded", |house| house.is_degraded("jwt.jwks"));
    assert_eq!(ask(&house, &old_token).1, None, "the last good keys go on");

    provider.serve(&[&new]);
    house.wait_until("the old key is taken back", |house| ask(house, &old_token) == refused);
    assert_eq!(ask(&house, &new_token).1, None);
    assert!(!house.is_degraded("jwt.jwks"));

    let metrics = house.get("/metrics");
    for sample in [
        r#"plimsoll_tokens_refused_total{cause="unknown_key"}"#,
        r#"plimsoll_tokens_refused_total{cause="no_keys"}"#,
        r#"plimsoll_key_set_fetches_total{outcome="applied"}"#,
        r#"plimsoll_key_set_fetches_total{outcome="failed"}"#,
    ] {
        let line = metrics.lines().find(|line| line.starts_with(sample)).unwrap();
        assert!(!line.ends_with(" 0"), "{line}");
    }
    house.app.shutdown();
}

#[test]
fn an_endpoint_that_hangs_does_not_hold_up_the_start_nor_the_end() {
    let provider = Provider::start(&[]);
    provider.idp.behave(Behaviour::Hangs);
    let began = Instant::now();
    let house = House::start(&of_end_users(&provider));
    provider.idp.wait_for_more_than(0);
    assert!(house.is_degraded("jwt.jwks"));
    let answer = house.evaluate(json!({"type": "user", "id": "u1"}), "read", json!({}));
    assert_eq!(answer["decision"], true);
    house.app.shutdown();
    // The fetch alone would take ten seconds.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

/// In the policy, `alice` may write, and so may whoever has the role `admin`.
#[test]
fn a_token_that_is_passed_on_counts_where_it_is_verified() {
    let signer = Signer::new("a");
    let stranger = Signer::new("a");
    let provider = Provider::start(&[&signer]);
    let house = House::start(&of_end_users(&provider));
    house.wait_until("keys were fetched", |house| !house.is_degraded("jwt.jwks"));
    let token = |claims: Json| signer.token(&claims);
    let user = |id: &str| json!({"type": "user", "id": id});
    let bearer = |token: &str| json!({"type": "jwt", "id": token});
    let boss = json!({"type": "user", "id": "bob", "properties": {"role": "admin"}});

    let alice = token(json!({"sub": "alice"}));
    let bob = token(json!({"sub": "bob"}));
    let admin = token(json!({"sub": "bob", "role": "admin"}));
    let lost = token(json!({"sub": "alice", "device": "lost"}));
    let foreign = stranger.token(&json!({"sub": "alice"}));
    let expired = token(json!({"sub": "alice", "exp": 1_000_000}));
    let with = |token: &str| json!({"token": token});

    for (what, subject, action, context, decision, why) in [
        ("no token", user("alice"), "write", json!({}), true, None),
        ("hers", user("alice"), "write", with(&alice), true, None),
        ("as the subject", bearer(&alice), "write", json!({}), true, None),
        ("another's", bearer(&bob), "write", json!({}), false, None),
        ("both, the same", bearer(&alice), "write", with(&alice), true, None),
        ("both", bearer(&alice), "write", with(&bob), false, Some("has another token")),
        ("somebody else's", user("alice"), "write", with(&bob), false, Some("another user")),
        (
            "not signed by us",
            bearer(&foreign),
            "write",
            json!({}),
            false,
            Some("can't be verified"),
        ),
        ("with a name", user("alice"), "write", with(&foreign), false, Some("can't be verified")),
        ("expired", bearer(&expired), "write", json!({}), false, Some("expired")),
        ("no token at all", bearer("x"), "write", json!({}), false, Some("malformed")),
        ("a role in it", bearer(&admin), "write", json!({}), true, None),
        ("a role beside it", boss.clone(), "write", with(&bob), false, None),
        ("a role without it", boss, "write", json!({}), true, None),
        ("a device in it", bearer(&lost), "read", json!({}), false, None),
        (
            "another device",
            bearer(&lost),
            "read",
            json!({"entities": {"device": "found"}}),
            true,
            Some("another device"),
        ),
    ] {
        let answer = house.evaluate(subject, action, context);
        assert_eq!(answer["decision"], decision, "{what}: {answer}");
        let told = answer["context"]["reason_admin"].to_string();
        let unknown = answer["context"]["unknown"].to_string().contains("context.token");
        assert_eq!(unknown, why.is_some(), "{what}: {answer}");
        assert!(told.contains(why.unwrap_or_default()), "{what}: {answer}");
        assert!(!answer.to_string().contains(&foreign), "{what}: the token is in the answer");
    }

    // By gRPC, the same key of the context.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let evaluate = |token: &str| {
        let ask = Ask::about("user", "alice").to("write").on("record", "r1");
        let ask = ask.with_context("token", token);
        let address = format!("http://{}", house.app.grpc_address().unwrap());
        runtime.block_on(async { Client::new(&address).unwrap().evaluate(ask).await.unwrap() })
    };
    let allow = plimsoll::proto::Decision::Allow;
    let good = evaluate(&alice);
    assert_eq!(
        (good.decision(), good.unknown.contains(&"context.token".to_owned())),
        (allow, false)
    );
    let bad = evaluate(&foreign);
    assert_ne!(bad.decision(), allow);
    assert!(bad.unknown.contains(&"context.token".to_owned()), "{bad:?}");
    house.app.shutdown();
}

#[test]
fn callers_prove_themselves_by_tokens_of_the_provider() {
    let (signer, next) = (Signer::new("a"), Signer::new("b"));
    let provider = Provider::start(&[&signer]);
    let mut config = config();
    let mut callers = provider.callers();
    callers.rules = vec![CallerRule {
        claim: "roles".to_owned(),
        value: ClaimValue::Text("feed".to_owned()),
        permissions: vec![Permission::Report],
    }];
    config.auth =
        Some(AuthConfig { jwt: Some(callers), local: Vec::new(), ..AuthConfig::default() });
    let house = House::start(&config);
    house.wait_until("keys were fetched", |house| !house.is_degraded("auth.jwt.jwks"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let channel = runtime.block_on(plain(house.app.grpc_address().unwrap()));
    let grpc = |token: &str| {
        let mut request = Request::new(ReportRequest::default());
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        let mut client = SignalServiceClient::new(channel.clone());
        let reported = client.report(request);
        runtime.block_on(reported).err().map(|status| (status.code(), status.message().to_owned()))
    };
    let http = |header: &str, value: &str| {
        let request = house.agent.post(house.url("/v1/signals")).content_type("application/json");
        let mut answer = request.header(header, value).send(r#"{"reports": []}"#).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let by_scope = signer.token(&json!({"sub": "feed-1", "scope": "openid report"}));
    let by_role = signer.token(&json!({"sub": "feed-2", "roles": ["x", "feed"]}));
    let neither = signer.token(&json!({"sub": "somebody", "scope": "openid"}));
    let expired = signer.token(&json!({"sub": "feed-1", "scope": "report", "exp": 1_000_000}));
    let elsewhere = signer.token(&json!({"sub": "feed-1", "scope": "report", "aud": "shop"}));
    for good in [&by_scope, &by_role] {
        assert_eq!(grpc(good), None);
        assert_eq!(grpc(good), None, "again, on the same connection");
        assert_eq!(http("authorization", &format!("Bearer {good}")).0, 200);
        assert_eq!(http("x-plimsoll-token", good).0, 200);
    }
    let (code, why) = grpc(&neither).unwrap();
    assert_eq!(code, Code::PermissionDenied);
    assert!(why.contains("`report`") && why.contains("somebody"), "{why}");
    for (token, why) in [(&expired, "expired"), (&elsewhere, "somebody else")] {
        let (code, said) = grpc(token).unwrap();
        assert_eq!(code, Code::Unauthenticated);
        assert!(said.contains(why), "{said}");
        let (status, body) = http("authorization", &format!("Bearer {token}"));
        assert_eq!(status, 401, "{body}");
    }

    // Keys may be rotated by their provider: one that is not known locks nobody out.
    let early = next.token(&json!({"sub": "feed-1", "scope": "report"}));
    for _ in 0..30 {
        assert_eq!(http("x-plimsoll-token", &early).0, 401);
    }

    // A key that is taken back ends what it signed, on open connections too.
    provider.serve(&[&next]);
    house.wait_until("the key is taken back", |_| grpc(&by_scope).is_some());
    let renewed = next.token(&json!({"sub": "feed-1", "scope": "report"}));
    assert_eq!(grpc(&renewed), None);

    // Whoever guesses is soon not listened to.
    for guess in 0..20 {
        http("x-plimsoll-token", &format!("a.b.{guess}"));
    }
    assert_eq!(http("x-plimsoll-token", "a.b.c").0, 429);
    assert_eq!(grpc(&renewed), None, "it has proved itself before");
    drop(channel);
    house.app.shutdown();
}
