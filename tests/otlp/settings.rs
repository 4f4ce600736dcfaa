//! What can't be exported to is told at the start, with the key.

use plimsoll::app::{App, StartError};
use plimsoll::config::Config;

fn start(otlp: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plimsoll.yaml");
    let listen = "data: memory\nlisten: {grpc: '127.0.0.1:0', http: '127.0.0.1:0'}";
    std::fs::write(&file, format!("{listen}\ntelemetry: {{otlp: {otlp}}}\n")).unwrap();
    match Config::load(Some(&file)) {
        Err(why) => why.to_string(),
        Ok(config) => match App::start(&config) {
            Err(why @ StartError::Config { .. }) => why.to_string(),
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn mistakes_name_their_key() {
    for (otlp, told) in [
        ("{endpoint: 'localhost:4317'}", "`telemetry.otlp`: endpoint: is a URL"),
        ("{endpoint: 'http://a b'}", "`telemetry.otlp`: endpoint: "),
        ("{endpoint: 'http://h', sample: 2}", "`telemetry.otlp.sample`: is from 0 to 1"),
        ("{endpoint: 'http://h', interval_seconds: 0}", "`telemetry.otlp.interval_seconds`"),
        ("{endpoint: 'http://h', queue: 0}", "`telemetry.otlp.queue`"),
        ("{endpoint: 'http://h', headers: {'a b': c}}", "headers: `a b` is no name"),
        ("{endpoint: 'http://h', colour: red}", "colour"),
        ("{traces: true}", "endpoint"),
    ] {
        let why = start(otlp);
        assert!(why.contains(told), "{otlp}: {why}");
    }
    let secret = start(r#"{endpoint: 'http://h', headers: {token: "se\ncret"}}"#);
    assert!(secret.contains("the value of `token`") && !secret.contains("cret\""), "{secret}");
}
