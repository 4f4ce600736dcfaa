use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use plimsoll::api::health::{Readiness, Stage};
use plimsoll::api::http::{HttpParts, HttpServer, http_router};
use plimsoll::api::pdp::Pdp;
use plimsoll::api::transport::{Listen, Listeners};
use plimsoll::telemetry::{Gauges, Metrics};
use serde_json::{Value, json};

use super::support::{PATIENCE, pdp, publish};

struct House {
    pdp: Arc<Pdp>,
    readiness: Readiness,
    server: HttpServer,
}

struct Got {
    status: u16,
    kind: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn problem(&self) -> Value {
        assert_eq!(self.kind, "application/problem+json", "{}", self.body);
        let body = self.json();
        assert_eq!(body["status"], self.status);
        body
    }
}

fn open(listen: &Listen) -> House {
    let (pdp, readiness) = (pdp(), Readiness::new());
    let metrics = Arc::new(Metrics::new(Arc::clone(&pdp.metrics), Gauges::default));
    let status = Arc::new(|| json!({"revision": "abc"}));
    let parts = HttpParts { pdp: Arc::clone(&pdp), readiness: readiness.clone(), metrics, status };
    let others =
        Router::new().route("/panic", get(|| async { if true { panic!("as told") } else { "" } }));
    let router = http_router(parts, others);
    let listeners = Listeners::bind(std::slice::from_ref(listen)).unwrap();
    let server = HttpServer::start(listeners, router).unwrap();
    House { pdp, readiness, server }
}

fn loopback() -> House {
    open(&"127.0.0.1:0".parse().unwrap())
}

fn loaded() -> House {
    let house = loopback();
    publish(&house.pdp);
    house
}

impl House {
    async fn call(&self, of: impl FnOnce(&ureq::Agent, &str) -> Answered + Send + 'static) -> Got {
        let base = format!("http://{}", self.server.addresses()[0]);
        let called = move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut response = of(&agent, &base).unwrap();
            let kind =
                response.headers().get("content-type").map(|k| k.to_str().unwrap().to_owned());
            Got {
                status: response.status().as_u16(),
                kind: kind.unwrap_or_default(),
                body: response.body_mut().read_to_string().unwrap(),
            }
        };
        tokio::task::spawn_blocking(called).await.unwrap()
    }

    async fn get(&self, path: &'static str) -> Got {
        self.call(move |agent, base| agent.get(format!("{base}{path}")).call()).await
    }

    async fn post(&self, body: impl Into<String>) -> Got {
        self.post_as("application/json", body.into()).await
    }

    async fn post_as(&self, kind: &'static str, body: String) -> Got {
        self.call(move |agent, base| {
            agent.post(format!("{base}/v1/signals")).header("content-type", kind).send(&body)
        })
        .await
    }
}

type Answered = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

#[tokio::test]
async fn reports_are_taken_and_what_is_wrong_is_named() {
    let house = loaded();
    let body = json!({"reports": [
        {"entity": {"type": "user", "id": "u1"}, "signals": {"auth_count": 10, "role": "chief"}},
        {"entity": {"type": "user", "id": "u2"}, "observed_at": "2026-01-01T00:00:00Z", "signals": {
            "home": {"latitude": 52.5, "longitude": 13.4}, "groups": ["a", "b"], "note": null,
            "seen_at": "2026-01-01T00:00:00Z", "span": 5.5,
        }},
        {"entity": {"type": "user", "id": "u2"}, "observed_at": "2025-01-01T00:00:00Z", "signals": {"note": "old"}},
        {"entity": {"type": "user", "id": "u3"}, "observed_at": "yesterday", "signals": {"note": "x"}},
        {"entity": {"type": "device", "id": "d1"}, "signals": {"managed": true, "home": {"x": [1, {}]}}},
        {"entity": {"type": "user", "id": "u4"}, "signals": {"groups": ["a", 1], "note": "a\"b"}},
    ]});
    let got = house.post(body.to_string()).await;
    assert_eq!((got.status, &*got.kind), (200, "application/json"), "{}", got.body);
    assert_eq!(
        got.json(),
        json!({
            "accepted": 8,
            "ignored": [{"report": 2, "signal": "note", "reason": "a later observation is known"}],
            "rejected": [
                {"report": 0, "signal": "role", "reason": "`role`: `chief` is not one of `member`, `admin`"},
                {"report": 3, "reason": "`observed_at`: expected an RFC 3339 time, as `2026-06-01T09:00:00Z`, got `yesterday`"},
                {"report": 4, "signal": "home", "reason": "unknown signal `device.home`"},
                {"report": 5, "signal": "groups", "reason": "`groups`: expected list of strings, got list of other than strings"},
            ],
        })
    );
    assert_eq!(house.pdp.cache.stats().entities, 4);
}

#[tokio::test]
async fn bodies_that_are_no_reports_are_refused_at_their_place() {
    let house = loaded();
    let table = [
        ("", None, "EOF"),
        ("{", None, "EOF"),
        ("[]", None, "invalid"),
        (r#"{"reports": []} x"#, None, "trailing"),
        (r#"{"reports": {}}"#, Some("reports"), "invalid type"),
        (r#"{"report": []}"#, Some("report"), "unknown field `report`"),
        (
            r#"{"reports": [{"entity": {"type": "user", "id": 5}, "signals": {}}]}"#,
            Some("reports[0].entity.id"),
            "invalid type",
        ),
        (
            r#"{"reports": [{"entity": {"type": "user"}, "signals": {}}]}"#,
            Some("reports[0].entity"),
            "missing field `id`",
        ),
        (
            r#"{"reports": [{"entity": {"type": "user", "id": "u"}, "signals": []}]}"#,
            Some("reports[0].signals"),
            "invalid type",
        ),
        (
            r#"{"reports": [{"entity": {"type": "user", "id": "u"}, "signals": {}, "observedAt": ""}]}"#,
            Some("reports[0].observedAt"),
            "unknown field",
        ),
        (
            r#"{"reports": [{"entity": {"type": "user", "id": "u"}, "signals": {"a": 1e999}}]}"#,
            Some("reports[0].signals.a"),
            "number out of range",
        ),
    ];
    for (body, place, detail) in table {
        let got = house.post(body).await;
        assert_eq!(got.status, 400, "{body}");
        let problem = got.problem();
        assert_eq!(problem["place"].as_str(), place, "{body} {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{body} {problem}");
    }
    let deep = format!(
        r#"{{"reports": [{{"entity": {{"type": "user", "id": "u"}}, "signals": {{"a": {}}}}}]}}"#,
        "[".repeat(200_000)
    );
    assert_eq!(house.post(deep).await.status, 400);
    assert_eq!(house.pdp.cache.stats().entities, 0);
}

#[tokio::test]
async fn other_requests_have_their_problems() {
    let house = loopback();
    assert_eq!(house.post(r#"{"reports": []}"#).await.problem()["status"], 503);
    publish(&house.pdp);
    assert_eq!(house.post_as("text/plain", "{}".to_owned()).await.problem()["status"], 415);
    let kind = "application/json; charset=utf-8";
    assert_eq!(house.post_as(kind, r#"{"reports": []}"#.to_owned()).await.status, 200);
    assert_eq!(house.get("/nowhere").await.problem()["status"], 404);
    assert_eq!(house.get("/v1/signals").await.problem()["status"], 405);
    assert_eq!(house.get("/panic").await.problem()["status"], 500);
    assert_eq!(house.pdp.metrics.refused.panicked.read(), 1);
}

/// The client may be cut off while it still sends: so this one looks at the
/// answer only.
#[tokio::test]
async fn too_large_a_body_is_refused() {
    let house = loaded();
    let Listen::Tcp(address) = house.server.addresses()[0] else { panic!("no TCP") };
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let length = 9 << 20;
        write!(
            stream,
            "POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 12];
        let mut sender = stream.try_clone().unwrap();
        // Until the server has had enough.
        let sending = std::thread::spawn(move || while sender.write_all(&[b' '; 65536]).is_ok() {});
        stream.read_exact(&mut head).unwrap();
        drop(stream.shutdown(std::net::Shutdown::Both));
        sending.join().unwrap();
        String::from_utf8(head.to_vec()).unwrap()
    });
    assert_eq!(answer.await.unwrap(), "HTTP/1.1 413");
}

#[tokio::test]
async fn probes_status_and_metrics() {
    let house = loopback();
    assert_eq!(house.get("/live").await.status, 200);
    assert_eq!(house.get("/ready").await.problem()["status"], 503);
    house.readiness.set(Stage::Ready);
    assert_eq!(house.get("/ready").await.status, 200);
    house.readiness.set(Stage::Draining);
    assert_eq!(house.get("/ready").await.problem()["status"], 503);
    assert_eq!(house.get("/live").await.status, 200);
    assert_eq!(house.get("/status").await.json(), json!({"revision": "abc"}));
    let metrics = house.get("/metrics").await;
    assert!(metrics.kind.starts_with("application/openmetrics-text"), "{}", metrics.kind);
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    assert!(metrics.body.contains("plimsoll_refused_requests"));
    assert_eq!(house.server.shutdown(PATIENCE).await, 0);
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let house = open(&Listen::Unix { path: path.clone(), mode: None });
    let socket = path.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(house.server.shutdown(PATIENCE).await, 0);
    assert!(!path.exists());
}

/// A client that sends on must know that nobody reads there any more.
#[tokio::test]
async fn an_answer_before_the_body_was_read_says_that_the_connection_ends() {
    let house = loaded();
    let Listen::Tcp(address) = house.server.addresses()[0].clone() else { panic!("no TCP") };
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let read_to = |stream: &mut TcpStream, end: &str| {
            let (mut answer, mut byte) = (String::new(), [0]);
            while !answer.ends_with(end) {
                assert_eq!(stream.read(&mut byte).unwrap(), 1, "{answer}");
                answer.push(char::from(byte[0]));
            }
            answer.to_ascii_lowercase()
        };
        // Wrong, but read: the connection goes on.
        let read = b"POST /v1/signals HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
        stream.write_all(read).unwrap();
        let answer = read_to(&mut stream, "}");
        assert!(answer.starts_with("http/1.1 400 ") && !answer.contains("connection:"), "{answer}");
        // Nothing to read.
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let answer = read_to(&mut stream, "}");
        assert!(answer.starts_with("http/1.1 404 ") && !answer.contains("connection:"), "{answer}");
        // Five bytes are said to come.
        let unread = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab";
        stream.write_all(unread).unwrap();
        let answer = read_to(&mut stream, "}");
        assert!(answer.starts_with("http/1.1 404 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0, "it ends");
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
}
