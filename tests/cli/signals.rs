//! `plimsoll signals`.

use serde_json::{Value as Json, json};

use crate::folder::folder;
use crate::run;
use crate::server::Server;

#[test]
fn signals_are_set_shown_and_forgotten() {
    let folder = folder();
    let server = Server::start(folder.path());
    let signals = |args: &[&str]| run(&[&["signals"], args, &["--server", &server.grpc]].concat());

    let at = "2026-01-02T03:04:05Z";
    let set = signals(&["set", "user", "u1", "sign_ins=10", "country=DE", "--at", at]);
    assert_eq!(set.code, Some(0), "{}", set.err);
    assert_eq!(set.out, "accepted  user u1: sign_ins, country\n");

    let known = signals(&["get", "user", "u1", "--json"]);
    assert_eq!(known.code, Some(0), "{}", known.err);
    let known: Json = serde_json::from_str(&known.out).unwrap();
    assert_eq!(known["signals"]["country"], json!({"value": "DE", "observed_at": at}));
    let shown = signals(&["get", "user", "u1"]).out;
    assert!(shown.starts_with("user u1\n  country   DE  2026-01-02T03:04:05Z, "), "{shown}");

    let forgotten = signals(&["forget", "user", "u1"]);
    assert_eq!((forgotten.code, forgotten.out.as_str()), (Some(0), "forgotten: user u1\n"));
    let gone = signals(&["get", "user", "u1"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("nothing is known of user u1"), "{}", gone.err);
}

#[test]
fn each_signal_has_its_own_verdict() {
    let folder = folder();
    let server = Server::start(folder.path());
    let set = |args: &[&str]| {
        run(&[&["signals", "set", "user", "u1", "--server", &server.grpc], args].concat())
    };
    assert_eq!(set(&["country=DE"]).code, Some(0));
    let mixed = set(&["age_days=3", "sign_ins=often", "sign_outs=1", "--json"]);
    assert_eq!(mixed.code, Some(1), "{}", mixed.err);
    let told: Json = serde_json::from_str(&mixed.out).unwrap();
    assert_eq!(told["accepted"], json!(["age_days"]));
    let rejected: Vec<&str> = told["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["signal"].as_str().unwrap())
        .collect();
    assert_eq!(rejected, ["sign_ins", "sign_outs"]);
    let older = set(&["country=FR", "--at", "2026-01-01T00:00:00Z"]);
    assert_eq!(older.code, Some(0), "{}", older.err);
    assert_eq!(older.out, "ignored   user u1: country (a later observation is known)\n");
    let bad = set(&["country"]);
    assert_eq!(bad.code, Some(1));
    assert!(bad.err.contains("`country`: expected NAME=VALUE"), "{}", bad.err);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let none = run(&["signals", "get", "user", "u1", "--server", "unix:/nowhere/plimsoll.sock"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("`unix:/nowhere/plimsoll.sock`"), "{}", none.err);
    assert!(none.err.contains("plimsoll serve"), "{}", none.err);
}
