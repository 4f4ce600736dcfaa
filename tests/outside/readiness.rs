use std::fs;
use std::time::Instant;

use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::support::PATIENCE;
use super::support::client::Request;
use super::support::plimsoll::Plimsoll;
use super::{POLICIES, ask, report};

fn status(plimsoll: &Plimsoll) -> Value {
    plimsoll.ask(&Request::get("/status")).json()
}

/// What `/ready` says: nothing where it is ready. Health must say the same.
fn waits(plimsoll: &Plimsoll) -> Option<String> {
    let ready = plimsoll.ask(&Request::get("/ready"));
    (ready.status != 200).then(|| {
        assert_eq!(ready.status, 503, "{ready:?}");
        ready.json()["detail"].as_str().unwrap().to_owned()
    })
}

fn health(plimsoll: &Plimsoll) -> ServingStatus {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("http://{}", plimsoll.grpc);
        let channel = tonic::transport::Endpoint::new(url).unwrap().connect().await.unwrap();
        let request = HealthCheckRequest { service: String::new() };
        HealthClient::new(channel).check(request).await.unwrap().into_inner().status()
    })
}

/// Waits until `/ready` says this.
fn until(plimsoll: &Plimsoll, expected: impl Fn(Option<&str>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waits = waits(plimsoll);
        if expected(waits.as_deref()) {
            return;
        }
        assert!(Instant::now() < deadline, "{waits:?}");
    }
}

#[test]
fn a_required_list_is_waited_for() {
    let settings = json!({"readiness": {"lists": ["malicious_addresses"]}});
    let plimsoll = Plimsoll::without(POLICIES, "feeds/malicious.netset", &settings);
    until(&plimsoll, |waits| waits.is_some_and(|w| w.contains("`malicious_addresses`")));
    assert_eq!(health(&plimsoll), ServingStatus::NotServing);
    // It decides for those who ask all the same.
    assert_eq!(ask(&plimsoll, "u1")["decision"], true);
    let told = status(&plimsoll);
    assert_eq!(told["stage"], "starting");
    assert!(told["waits_for"][0].as_str().unwrap().contains("No such file"), "{told}");
    assert_eq!(told["degraded"], json!(["lists.malicious_addresses"]));

    let list = plimsoll.policies().join("feeds/malicious.netset");
    fs::create_dir_all(list.parent().unwrap()).unwrap();
    fs::write(&list, "192.0.2.0/24\n").unwrap();
    until(&plimsoll, |waits| waits.is_none());
    assert_eq!(health(&plimsoll), ServingStatus::Serving);
    let told = status(&plimsoll);
    assert_eq!((&told["stage"], &told["waits_for"]), (&json!("ready"), &json!([])));

    // What fails later is told, and not a reason to take a server away.
    fs::remove_file(&list).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while status(&plimsoll)["degraded"] != json!(["lists.malicious_addresses"]) {
        assert!(Instant::now() < deadline, "it is not noticed");
    }
    assert_eq!(waits(&plimsoll), None);
}

#[test]
fn a_list_that_no_catalog_has_is_told() {
    let settings = json!({"readiness": {"lists": ["malicious_adresses"]}});
    let plimsoll = Plimsoll::serve(POLICIES, &settings);
    until(&plimsoll, |waits| {
        waits.is_some_and(|waits| {
            waits.contains("no list `malicious_adresses`")
                && waits.contains("did you mean `malicious_addresses`?")
        })
    });
    // A catalog that has it is as good as a mended configuration.
    let text = plimsoll.text_of("catalog.yaml");
    let both =
        format!("{text}  malicious_adresses: {{type: cidr, path: feeds/malicious.netset}}\n");
    plimsoll.put("catalog.yaml", &both);
    until(&plimsoll, |waits| waits.is_none());
}

#[test]
fn the_first_signals_are_waited_for() {
    let settings = json!({"readiness": {"first_signals": 2}});
    let plimsoll = Plimsoll::serve(POLICIES, &settings);
    until(&plimsoll, |waits| waits.is_some_and(|w| w.contains("0 of the first 2 signals")));
    assert_eq!(health(&plimsoll), ServingStatus::NotServing);
    report(&plimsoll, "u1", "alarms", &json!(1), 0);
    until(&plimsoll, |waits| waits.is_some_and(|w| w.contains("1 of the first 2 signals")));
    report(&plimsoll, "u1", "alarms", &json!(2), 0);
    until(&plimsoll, |waits| waits.is_none());
    assert_eq!(health(&plimsoll), ServingStatus::Serving);
}

#[test]
fn the_first_policy_is_waited_for_and_a_bad_one_is_told() {
    let plimsoll = Plimsoll::without(POLICIES, "session.yaml", &json!({}));
    assert_eq!(waits(&plimsoll).as_deref(), Some("no policy is loaded yet"));
    assert_eq!(health(&plimsoll), ServingStatus::NotServing);
    let told = status(&plimsoll);
    assert_eq!(told["waits_for"], json!(["no policy is loaded yet"]));
    assert_eq!(told["degraded"], json!(["policy"]));
    assert!(told["policy"]["revision"].is_null() && told["policy"]["loaded_at"].is_null());
    assert!(told["policy"]["refused"]["text"].as_str().unwrap().contains("no policy"), "{told}");

    let text = fs::read_to_string(format!("{POLICIES}/session.yaml")).unwrap();
    plimsoll.put("session.yaml", &text);
    until(&plimsoll, |waits| waits.is_none());
    let told = status(&plimsoll);
    assert!(told["policy"]["revision"].is_string() && told["policy"]["loaded_at"].is_string());
    assert_eq!((&told["degraded"], &told["policy"]["refused"]), (&json!([]), &Value::Null));
}

/// A Service named `plimsoll` puts these into each pod of its namespace.
#[test]
fn what_kubernetes_says_of_a_service_is_no_configuration() {
    let links = [
        "env",
        "PLIMSOLL_PORT=tcp://10.0.0.1:9191",
        "PLIMSOLL_PORT_9191_TCP_ADDR=10.0.0.1",
        "PLIMSOLL_SERVICE_HOST=10.0.0.1",
        "PLIMSOLL_SERVICE_PORT_GRPC=9191",
        "PLIMSOLL_REPLICAS_PORT=tcp://10.0.0.1:9191",
        // Our own still count.
        "PLIMSOLL_SERVER__DRAIN_SECONDS=1",
    ];
    let plimsoll = Plimsoll::serve_by(&links, POLICIES, &json!({}));
    plimsoll.wait_for("ready", 0);
}
