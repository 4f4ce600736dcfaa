//! `plimsoll bench`.

use serde_json::{Value as Json, json};

use crate::folder::folder;
use crate::run;
use crate::server::Server;

fn bench(server: &Server, args: &[&str]) -> Json {
    let common =
        ["bench", "--json", "--connections", "2", "--streams", "4", "--address", &server.grpc];
    let ran = run(&[&common, args].concat());
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn checks_are_sent_counted_and_measured() {
    let folder = folder();
    let server = Server::start(folder.path());
    let result = bench(&server, &["--requests", "300"]);
    assert_eq!(result["answers"], 300, "{result}");
    assert_eq!(result["decisions"], json!({"step_up": 300}));
    assert_eq!(result["errors"], json!({}));
    let latency = |name: &str| result["latency_us"][name].as_f64().unwrap();
    assert!(0.0 < latency("p50") && latency("p50") <= latency("max"));
    if cfg!(target_os = "linux") {
        assert_eq!(result["server"]["pid"], server.pid());
    }
}

#[test]
fn a_rate_is_kept_whatever_answers_take() {
    let folder = folder();
    let server = Server::start(folder.path());
    let result = bench(&server, &["--requests", "100", "--rate", "500", "--service", "evaluate"]);
    assert_eq!(result["answers"], 100, "{result}");
    assert_eq!(result["decisions"], json!({"step_up": 100}));
    // The last of them is due after 198 ms.
    assert!(result["seconds"].as_f64().unwrap() > 0.19, "{result}");
}

#[test]
fn what_fails_is_counted_by_its_kind() {
    let folder = folder();
    let server = Server::start(folder.path());
    let common = ["bench", "--address", &server.grpc, "--requests", "20"];
    let ran = run(&[&common[..], &["--service", "evaluate", "--policy", "nope"]].concat());
    assert_eq!(ran.code, Some(1), "nothing was answered");
    assert!(ran.out.contains("20 grpc status "), "{}", ran.out);
    let none = run(&["bench", "--address", "127.0.0.1:1", "--requests", "1"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("no server answers at `127.0.0.1:1`"), "{}", none.err);
}
