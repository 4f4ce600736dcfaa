//! A store that can't be used ends the start, and is left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use serde_json::json;
use tempfile::TempDir;

use crate::{end, refused, report_durably, score, serve};

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

/// A store with something in it, that no process has open.
fn filled() -> TempDir {
    let data = TempDir::new().unwrap();
    let server = serve(data.path());
    report_durably(&server, "ann", &json!({"standing": 10}));
    end(server);
    data
}

fn is_told(said: &str, data: &Path, why: &str) {
    assert!(said.contains(data.to_str().unwrap()) && said.contains(why), "{why:?} not in {said}");
}

#[test]
fn a_second_process_is_told_that_the_folder_is_taken() {
    let data = TempDir::new().unwrap();
    let first = serve(data.path());
    is_told(&refused(data.path()), data.path(), "another process has the store");
    report_durably(&first, "ann", &json!({"standing": 10}));
    assert_eq!(score(&first, "ann", "d1"), 30.0);
}

#[test]
fn whoever_makes_a_store_has_its_folder_from_the_first_moment() {
    let data = TempDir::new().unwrap();
    let lock = fs::File::create(data.path().join("plimsoll.lock")).unwrap();
    lock.lock().unwrap();
    is_told(&refused(data.path()), data.path(), "another process has the store");
    drop(lock);
    serve(data.path());
}

#[test]
fn a_start_that_is_killed_while_it_makes_the_store_is_made_good_by_the_next() {
    // As much as a store has of itself when it is cut off: nothing, folders, all but its format.
    let nothing = TempDir::new().unwrap();
    let folders = TempDir::new().unwrap();
    fs::create_dir_all(folders.path().join("keyspaces/0/tables")).unwrap();
    let unnamed = TempDir::new().unwrap();
    drop(Database::builder(unnamed.path()).open().unwrap());
    for data in [nothing, folders, unnamed] {
        fs::write(data.path().join("unfinished"), "").unwrap();
        let mut server = serve(data.path());
        report_durably(&server, "ann", &json!({"standing": 10}));
        assert!(!data.path().join("unfinished").exists());
        server.process.kill();
        assert_eq!(score(&serve(data.path()), "ann", "d1"), 30.0);
    }
}

#[test]
fn a_newer_version_is_refused() {
    let data = filled();
    {
        let database = Database::builder(data.path()).open().unwrap();
        let meta = database.keyspace("meta", KeyspaceCreateOptions::default).unwrap();
        meta.insert("format", 7u32.to_be_bytes()).unwrap();
        database.persist(PersistMode::SyncAll).unwrap();
    }
    let said = refused(data.path());
    is_told(&said, data.path(), "was written by a newer version (format 7, this one reads 1)");
    // Neither is it made into something else: put right, all is there.
    {
        let database = Database::builder(data.path()).open().unwrap();
        let meta = database.keyspace("meta", KeyspaceCreateOptions::default).unwrap();
        meta.insert("format", 1u32.to_be_bytes()).unwrap();
        database.persist(PersistMode::SyncAll).unwrap();
    }
    assert_eq!(score(&serve(data.path()), "ann", "d1"), 30.0);
}

#[test]
fn a_damaged_record_is_refused() {
    let data = filled();
    {
        let database = Database::builder(data.path()).open().unwrap();
        let entities = database.keyspace("entities", KeyspaceCreateOptions::default).unwrap();
        let key = entities.first_key_value().unwrap().key().unwrap();
        entities.insert(key, "short").unwrap();
        database.persist(PersistMode::SyncAll).unwrap();
    }
    is_told(
        &refused(data.path()),
        data.path(),
        "is damaged (the record of user `ann` can't be read)",
    );
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    for file in ["version", "keyspaces"] {
        let data = filled();
        let path = data.path().join(file);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::write(&path, "?").unwrap();
        }
        let before = files(data.path());
        is_told(&refused(data.path()), data.path(), "is damaged (");
        let after = files(data.path());
        assert!(before == after, "of {file}: {:?} became {:?}", before.keys(), after.keys());
    }
}

#[test]
fn a_table_whose_bytes_have_changed_is_refused() {
    let data = filled();
    {
        let database = Database::builder(data.path()).open().unwrap();
        let entities = database.keyspace("entities", KeyspaceCreateOptions::default).unwrap();
        entities.rotate_memtable_and_wait().unwrap();
    }
    let tables: Vec<_> = files(data.path())
        .into_iter()
        .filter(|(path, bytes)| {
            let needle = b"ann";
            path.components().any(|part| part.as_os_str() == "tables")
                && bytes.windows(needle.len()).any(|window| window == needle)
        })
        .collect();
    assert!(!tables.is_empty());
    for (path, mut bytes) in tables {
        let at = bytes.windows(3).position(|window| window == b"ann").unwrap();
        bytes[at + 3] ^= 0x40;
        fs::write(path, bytes).unwrap();
    }
    is_told(&refused(data.path()), data.path(), "is damaged (");
}

#[test]
fn a_store_without_its_marker_is_not_made_anew() {
    let data = filled();
    fs::remove_file(data.path().join("version")).unwrap();
    let before = files(data.path());
    is_told(&refused(data.path()), data.path(), "`version` is not there");
    assert!(before == files(data.path()));
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let data = TempDir::new().unwrap();
    fs::write(data.path().join("letter.txt"), "dear").unwrap();
    is_told(&refused(data.path()), data.path(), "has files that are no store");
    assert_eq!(files(data.path()).len(), 1);
    // Nor is a file a folder.
    let file = data.path().join("letter.txt");
    is_told(&refused(&file), &file, "can't be opened");
}
