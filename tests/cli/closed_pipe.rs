//! Readers that have seen enough, as `head -1`, end a command quietly.

use std::process::Stdio;

use crate::folder::folder;
use crate::plimsoll;
use crate::server::Server;

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let folder = folder();
    let policies = folder.path().to_str().unwrap();
    let server = Server::start(folder.path());
    let at = ["--server", &server.grpc];
    let set = ["signals", "set", "user", "u1", "age_days=3"];
    let get = ["signals", "get", "user", "u1"];
    for args in [
        vec!["--help"],
        vec!["check", policies],
        vec!["check", policies, "--json"],
        vec!["test", policies],
        vec!["explain", "--policies", policies, "--test", "old"],
        [&set[..], &at].concat(),
        [&get[..], &at].concat(),
        [&get[..], &at, &["--json"]].concat(),
        [&["signals", "forget", "user", "u1"][..], &at].concat(),
        vec!["bench", "--address", &server.grpc, "--requests", "8", "--connections", "1"],
        vec!["demo", "--once"],
        // Would else go on until it is stopped.
        vec!["demo", "--pace", "0.001"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = plimsoll(&args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .env("PLIMSOLL_TELEMETRY__LOG", "off")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {told}");
        assert!(!told.contains("panicked") && !told.contains("error"), "{args:?}: {told}");
    }
}

#[test]
fn output_that_is_lost_is_an_error() {
    let folder = folder();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let policies = folder.path().to_str().unwrap();
    let output = plimsoll(&["check", policies, "--json"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("can't be written") && !told.contains("panicked"), "{told}");
}
