//! What is reported decides the next request.

use serde_json::json;

use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::proto::{Entity, Report, ReportRequest};

use crate::House;
use crate::support::client::Request;

#[test]
fn a_report_over_grpc_changes_the_next_decision() {
    let house = House::new();
    let request = Request::get("/").header("x-login", "alice");
    assert_eq!(house.send(&request).upstream_saw("x-plimsoll-score").as_deref(), Some("0"));

    let report = |alarms: f64| ReportRequest {
        reports: vec![Report {
            entity: Some(Entity { r#type: "user".to_owned(), id: "alice".to_owned() }),
            signals: [("alarms".to_owned(), prost_types::Value::from(alarms))].into(),
            observed_at: None,
        }],
        sequence: 7,
        durable: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("http://{}", house.plimsoll.grpc);
    let mut signals = runtime.block_on(SignalServiceClient::connect(address)).unwrap();

    let receipt = runtime.block_on(signals.report(report(9.0))).unwrap().into_inner();
    assert_eq!((receipt.accepted, receipt.sequence), (1, 7), "{receipt:?}");
    let denied = house.send(&request);
    assert_eq!(denied.status, 403, "{denied:?}");
    assert_eq!(denied.json()["reasons"], json!(["There are alarms about your account"]));
    // About her only.
    assert_eq!(house.send(&Request::get("/").header("x-login", "bob")).status, 200);

    let reports = tokio_stream::iter([report(5.0), report(1.0)]);
    runtime.block_on(async {
        let mut receipts = signals.report_stream(reports).await.unwrap().into_inner();
        while let Some(receipt) = receipts.message().await.unwrap() {
            assert_eq!(receipt.accepted, 1, "{receipt:?}");
        }
    });
    assert_eq!(house.send(&request).upstream_saw("x-plimsoll-score").as_deref(), Some("10"));
}

#[test]
fn so_does_one_over_http() {
    let house = House::new();
    let request = Request::get("/").header("x-login", "alice");
    let report = |signals: serde_json::Value| {
        let report = json!({"entity": {"type": "user", "id": "alice"}, "signals": signals});
        let body = json!({"reports": [report]}).to_string();
        let post = Request::post("/v1/signals", body).header("content-type", "application/json");
        house.plimsoll.ask(&post)
    };
    let receipt = report(json!({"alarms": 5}));
    assert_eq!(receipt.json()["accepted"], 1, "{receipt:?}");
    assert_eq!(house.send(&request).status, 401);
    // What is wrong is named, and keeps nothing back.
    let receipt = report(json!({"alarms": 1, "alarmz": 2})).json();
    assert_eq!(receipt["accepted"], 1, "{receipt}");
    assert_eq!(receipt["rejected"][0]["signal"], "alarmz", "{receipt}");
    assert_eq!(house.send(&request).upstream_saw("x-plimsoll-score").as_deref(), Some("10"));
}
