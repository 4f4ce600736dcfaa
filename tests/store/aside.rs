//! An entry that can't be read is kept aside: nothing is written over it, and it is told.

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use jiff::Timestamp;
use plimsoll::proto::{Entity, ForgetRequest};
use serde_json::json;
use tempfile::TempDir;

use crate::links::{label_as_fraud, serve_links};
use crate::support::plimsoll::Plimsoll;
use crate::{by_grpc, end, metric, report_durably, score, serve, status, until};

/// Cuts off the end of the entry of that id; gives its key and what is left of it.
fn damage(data: &TempDir, room: &str, id: &str) -> (Vec<u8>, Vec<u8>) {
    let database = Database::builder(data.path()).open().unwrap();
    let entries = database.keyspace(room, KeyspaceCreateOptions::default).unwrap();
    let mut all = entries.iter().map(|entry| entry.into_inner().unwrap());
    let (key, value) = all.find(|(key, _)| key.get(3..) == Some(id.as_bytes())).unwrap();
    let (key, value) = (key.to_vec(), value[..value.len() - 1].to_vec());
    entries.insert(key.as_slice(), value.as_slice()).unwrap();
    database.persist(PersistMode::SyncAll).unwrap();
    (key, value)
}

/// What lies aside, and what the room has of a key.
fn found(data: &TempDir, room: &str, key: &[u8]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let database = Database::builder(data.path()).open().unwrap();
    let open = |name| database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
    let aside = open("aside").iter().map(|entry| entry.into_inner().unwrap().1.to_vec());
    (aside.collect(), open(room).get(key).unwrap().map(|value| value.to_vec()))
}

/// Waits until one entry is told to lie aside, wherever that is told.
fn is_told(server: &Plimsoll, kind: &str, id: &str) {
    let told = until(|| status(server), |status| status["store"]["aside"] == 1);
    assert_eq!(told["store"]["unreadable"], 1, "{told}");
    assert!(told["degraded"].as_array().unwrap().contains(&json!("store")), "{told}");
    assert!(told["store"]["error"].is_null(), "{told}");
    assert_eq!(metric(server, "plimsoll_store_unreadable_total"), 1.0);
    server.wait_for("it was set aside", 0);
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        line["fields"]["kind"] == kind && line["fields"]["id"] == id
    };
    assert_eq!(server.process.count(line), 1);
}

#[test]
fn a_damaged_profile_is_kept_aside() {
    let data = TempDir::new().unwrap();
    let first = serve(data.path());
    until(|| score(&first, "ann", "d1"), |score| *score == 50.0);
    end(first);
    let (key, damaged) = damage(&data, "profiles", "ann");

    let second = serve(data.path());
    score(&second, "ann", "d2");
    is_told(&second, "user", "ann");
    until(|| score(&second, "ann", "d2"), |score| *score == 50.0);
    end(second);
    let (aside, learned) = found(&data, "profiles", &key);
    assert_eq!(aside, std::slice::from_ref(&damaged));
    assert!(learned.is_some_and(|learned| learned != damaged), "learned anew");

    // What lies there from an earlier start is told as well, and goes with who is forgotten.
    let third = serve(data.path());
    let told = status(&third);
    assert_eq!((&told["store"]["aside"], &told["store"]["unreadable"]), (&json!(1), &json!(0)));
    by_grpc(&third, async |mut client| {
        let entity = Some(Entity { r#type: "user".to_owned(), id: "ann".to_owned() });
        client.forget(ForgetRequest { entity }).await.unwrap();
    });
    assert_eq!(status(&third)["store"]["aside"], 0);
    end(third);
    assert_eq!(found(&data, "profiles", &key), (vec![], None));
}

#[test]
fn a_damaged_label_is_kept_aside() {
    let data = TempDir::new().unwrap();
    let first = serve_links(&data);
    label_as_fraud(&first, "mallory", Timestamp::now());
    label_as_fraud(&first, "other", Timestamp::now());
    until(|| metric(&first, "plimsoll_labels"), |labels| *labels == 2.0);
    end(first);
    // A verdict that is none.
    let (key, _) = damage(&data, "labels", "mallory");

    let second = serve_links(&data);
    is_told(&second, "user", "mallory");
    until(|| metric(&second, "plimsoll_labels"), |labels| *labels == 1.0);
    label_as_fraud(&second, "mallory", Timestamp::now());
    until(|| metric(&second, "plimsoll_labels"), |labels| *labels == 2.0);
    end(second);
    let (aside, label) = found(&data, "labels", &key);
    assert_eq!((aside.len(), aside[0].len()), (1, 4));
    assert_eq!(label.map(|label| label.len()), Some(5), "labelled anew");
}

#[test]
fn damaged_links_are_kept_aside() {
    let data = TempDir::new().unwrap();
    let first = serve_links(&data);
    report_durably(&first, "ann", &json!({"address_key": "k1"}));
    until(|| metric(&first, "plimsoll_links"), |links| *links == 1.0);
    end(first);
    let (key, damaged) = damage(&data, "links", "ann");

    let second = serve_links(&data);
    is_told(&second, "user", "ann");
    report_durably(&second, "ann", &json!({"address_key": "k1"}));
    until(|| metric(&second, "plimsoll_links"), |links| *links == 1.0);
    end(second);
    let (aside, links) = found(&data, "links", &key);
    assert_eq!(aside, std::slice::from_ref(&damaged));
    assert!(links.is_some_and(|links| links.len() == damaged.len() + 1), "linked anew");
}

#[test]
fn a_store_of_a_version_that_set_nothing_aside_is_opened() {
    let data = TempDir::new().unwrap();
    let first = serve(data.path());
    report_durably(&first, "ann", &json!({"standing": 10}));
    end(first);
    {
        let database = Database::builder(data.path()).open().unwrap();
        let aside = database.keyspace("aside", KeyspaceCreateOptions::default).unwrap();
        database.delete_keyspace(aside).unwrap();
        assert!(!database.keyspace_exists("aside"));
    }
    let second = serve(data.path());
    assert_eq!(score(&second, "ann", "d1"), 30.0);
    assert_eq!(status(&second)["store"]["aside"], 0);
}
