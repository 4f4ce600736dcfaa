//! Lists by URL, end to end: a server of lists, and a process that is started again
//! without it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::idp::{Behaviour, Idp, Served};
use super::support::PATIENCE;
use super::support::client::Request;
use super::support::plimsoll::Plimsoll;
use super::{POLICIES, ask};

/// The policies of the other tests, with the list from this server.
fn policies(folder: &Path, url: &str) -> String {
    let read = |name: &str| fs::read_to_string(Path::new(POLICIES).join(name)).unwrap();
    let ca = folder.join("ca.pem");
    let list = format!("{{type: cidr, url: \"{url}\", every: 1s, ca: \"{}\"}}", ca.display());
    let catalog = read("catalog.yaml");
    let changed = catalog.replace("{type: cidr, path: feeds/malicious.netset}", &list);
    assert_ne!(changed, catalog);
    format!("{changed}\n---\n{}", read("session.yaml"))
}

fn serves(body: &str, etag: &'static str) -> Behaviour {
    let body = body.as_bytes().to_vec();
    Behaviour::Serves(Served { body, etag: Some(etag), ..Served::default() })
}

fn until<T: std::fmt::Debug>(mut look: impl FnMut() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if is_so(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{seen:?}");
    }
}

fn status(plimsoll: &Plimsoll) -> Value {
    plimsoll.ask(&Request::get("/status")).json()
}

fn metric(plimsoll: &Plimsoll, name: &str) -> f64 {
    let page = plimsoll.ask(&Request::get("/metrics")).body;
    let sample = format!("{name}{{list=\"malicious_addresses\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&*sample));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// What is decided about somebody who comes from 192.0.2.1.
fn lets_through(plimsoll: &Plimsoll) -> bool {
    ask(plimsoll, "u1")["decision"].as_bool().unwrap()
}

#[test]
fn a_list_by_url_is_followed_and_outlives_its_server() {
    let (server, ca) = Idp::vouched_for(Behaviour::Answers(503, Vec::new()));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("ca.pem"), ca).unwrap();
    let text = policies(folder.path(), &server.url());
    let data = folder.path().join("data");
    let settings = json!({"data": data, "readiness": {"lists": ["malicious_addresses"]}});

    // Never fetched: not ready, and the list says nothing.
    let plimsoll = Plimsoll::serve_text(&text, &settings);
    let waits = |plimsoll: &Plimsoll| status(plimsoll)["waits_for"][0].to_string();
    until(|| waits(&plimsoll), |waits| waits.contains("503") && waits.contains("not loaded yet"));
    assert!(lets_through(&plimsoll));
    assert_eq!(status(&plimsoll)["degraded"], json!(["lists.malicious_addresses"]));
    assert_eq!(metric(&plimsoll, "plimsoll_list_failing"), 1.0);

    server.behave(serves("192.0.2.0/24\n", "\"1\""));
    until(|| status(&plimsoll), |told| told["stage"] == "ready");
    assert!(!lets_through(&plimsoll));
    let told = status(&plimsoll);
    assert_eq!(told["feeds"][0]["entries"], 1, "{told}");
    assert!(told["feeds"][0]["as_of"].is_string(), "{told}");
    assert_eq!(told["degraded"], json!([]));
    plimsoll.wait_for("a list was fetched", 0);

    server.behave(serves("198.51.100.0/24\n203.0.113.0/24\n", "\"2\""));
    until(|| lets_through(&plimsoll), |through| *through);
    assert_eq!(metric(&plimsoll, "plimsoll_list_entries"), 2.0);
    server.behave(serves("192.0.2.1\n", "\"3\""));
    until(|| lets_through(&plimsoll), |through| !through);

    // What breaks later changes nothing, and is told.
    let logged = plimsoll.process.logged();
    server.behave(Behaviour::Answers(200, b"<html>sorry</html>".to_vec()));
    until(|| metric(&plimsoll, "plimsoll_list_failing"), |failing| *failing == 1.0);
    plimsoll.wait_for("a feed can't be used", logged);
    let told = status(&plimsoll);
    assert_eq!((&told["stage"], &told["feeds"][0]["entries"]), (&json!("ready"), &json!(1)));
    assert!(told["feeds"][0]["error"].as_str().unwrap().contains("it is a page"), "{told}");
    assert!(!lets_through(&plimsoll));

    drop(plimsoll);
    drop(server);
    let plimsoll = Plimsoll::serve_text(&text, &settings);
    until(|| status(&plimsoll), |told| told["stage"] == "ready");
    assert!(!lets_through(&plimsoll), "as before, without the server");
    until(|| metric(&plimsoll, "plimsoll_list_failing"), |failing| *failing == 1.0);
    // Its age goes on, since the server last confirmed it.
    until(|| metric(&plimsoll, "plimsoll_list_age_seconds"), |age| *age > 1.0);
    drop(plimsoll);

    // Where nothing is kept, a restart begins without.
    let nothing_kept = json!({"data": "memory"});
    let plimsoll = Plimsoll::serve_text(&text, &nothing_kept);
    until(|| metric(&plimsoll, "plimsoll_list_failing"), |failing| *failing == 1.0);
    assert!(lets_through(&plimsoll));
}
