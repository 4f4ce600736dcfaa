//! Folders as they are mounted, linked and broken.

use std::fs;
use std::path::Path;

use super::HEAD;
use crate::policy::source::SourceSet;

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn paths(dir: &Path, set: &SourceSet) -> Vec<String> {
    let prefix = format!("{}/", dir.display());
    set.files.iter().map(|file| file.path.replace(&prefix, "")).collect()
}

#[test]
fn reads_yaml_below_the_folder_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for path in
        ["b.yml", "a/z.yaml", "a.yaml", ".hidden.yaml", ".git/c.yaml", "list.txt", "x.yaml~"]
    {
        write(dir.path(), path, HEAD);
    }
    let set = SourceSet::read(dir.path());
    assert!(set.diagnostics.is_empty(), "{}", set.diagnostics.render(false));
    assert_eq!(paths(dir.path(), &set), ["a.yaml", "a/z.yaml", "b.yml"]);
    assert_eq!(set.documents.len(), 3);
    assert_eq!(set.revision.len(), 16);
}

#[test]
fn the_revision_follows_paths_and_bytes_only() {
    let revision = |files: &[(&str, &str)]| SourceSet::from_memory(files.iter().copied()).revision;
    let base = revision(&[("a.yaml", "x"), ("b.yaml", "y")]);
    assert_eq!(base, revision(&[("b.yaml", "y"), ("a.yaml", "x")]));
    assert_ne!(base, revision(&[("a.yaml", "x"), ("b.yaml", "z")]));
    assert_ne!(base, revision(&[("a.yaml", "y"), ("b.yaml", "x")]));
    assert_ne!(base, revision(&[("a.yaml", "x"), ("c.yaml", "y")]));
    assert_ne!(revision(&[("ab", "c")]), revision(&[("a", "bc")]));
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", "x");
    write(dir.path(), "b.yaml", "y");
    assert_eq!(SourceSet::read(dir.path()).revision, base);
}

#[test]
fn a_single_file_is_a_set() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", HEAD);
    assert_eq!(SourceSet::read(&dir.path().join("a.yaml")).documents.len(), 1);
}

#[test]
fn a_missing_folder_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let set = SourceSet::read(&dir.path().join("none"));
    assert!(set.diagnostics.has_errors());
    assert!(set.diagnostics.render(false).contains("the folder can't be read"));
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_circles_end() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    // As a ConfigMap is mounted.
    write(dir.path(), "..2026_01/a.yaml", HEAD);
    symlink("..2026_01", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    write(dir.path(), "sub/b.yaml", HEAD);
    symlink("..", dir.path().join("sub/up")).unwrap();
    symlink("sub", dir.path().join("twice")).unwrap();
    symlink(".", dir.path().join("self")).unwrap();
    let set = SourceSet::read(dir.path());
    assert!(set.diagnostics.is_empty(), "{}", set.diagnostics.render(false));
    assert_eq!(paths(dir.path(), &set), ["a.yaml", "sub/b.yaml"]);
}

#[cfg(unix)]
#[test]
fn what_is_no_plain_file_is_told_and_not_waited_for() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere", dir.path().join("dangling.yaml")).unwrap();
    let _socket = UnixListener::bind(dir.path().join("socket.yaml")).unwrap();
    symlink("loop.yaml", dir.path().join("loop.yaml")).unwrap();
    let set = SourceSet::read(dir.path());
    let found: Vec<&str> = set.diagnostics.sorted().iter().map(|d| d.message.as_str()).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found.iter().all(|message| message.starts_with("the file can't be read: ")),
        "{found:?}"
    );
}
