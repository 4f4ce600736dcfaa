//! What a new user does first: `docs/quickstart.md` and the README's minute word by word, and
//! `make envoy-demo`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are outside what the lints know as tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod demo;
mod document;
mod shell;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use document::Document;
use shell::Shell;
use support::envoy;
use support::plimsoll::copy;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The ports that the document names, of which others may be in use here.
const PORTS: [u16; 4] = [8000, 8080, 9191, 9192];

#[test]
fn the_quickstart_goes_as_documented() {
    let clone = clone();
    let text = fs::read_to_string(Path::new(ROOT).join("docs/quickstart.md")).unwrap();
    let document = Document::read("quickstart.md", &text).unwrap();
    // Building is what brought us here; all else is run.
    assert_eq!((document.left_out, document.blocks.len() > 15), (1, true));
    let mut shell = Shell::start(clone.path(), &PORTS);
    for (from, to) in shell.ports() {
        let file = clone.path().join("docs/envoy.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let (from, to) = (format!("port_value: {from}"), format!("port_value: {to}"));
        fs::write(file, text.replace(&from, &to)).unwrap();
    }
    if let Err(why) = document.run(&mut shell) {
        let logs = ["shop/plimsoll.log", "shop/envoy.log"].map(|log| {
            let text = fs::read_to_string(clone.path().join(log)).unwrap_or_default();
            let text: Vec<&str> = text.lines().filter(|line| !line.contains("[info]")).collect();
            format!("{log}:\n{}", text.join("\n"))
        });
        panic!("{why}\n\n{}", logs.join("\n"));
    }
}

#[test]
fn the_readme_s_minute_goes_as_documented() {
    let clone = clone();
    let text = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let (before, rest) = text.split_once("## In a minute\n").unwrap();
    let (minute, _) = rest.split_once("\n## ").unwrap();
    // So that line numbers are those of the file.
    let minute = "\n".repeat(before.lines().count() + 1) + minute;
    let document = Document::read("README.md", &minute).unwrap();
    assert_eq!((document.left_out, document.blocks.len()), (1, 5));
    let mut shell = Shell::start(clone.path(), &PORTS);
    // What is left out: it was built, and its server has the other shell. The policies are
    // as git has them.
    let first = [
        "git init -q . && git add policies",
        "export PATH=$PWD/target/release:$PATH",
        "plimsoll serve 2> serve.log &",
        "curl -sf --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:9192/ready",
    ];
    let ran = shell.run(1, &first.map(str::to_owned));
    assert_eq!((ran.failed, ran.said.as_slice()), (None, &["ready".to_owned()][..]));
    if let Err(why) = document.run(&mut shell) {
        let log = fs::read_to_string(clone.path().join("serve.log")).unwrap();
        panic!("{why}\n\n{log}");
    }
}

/// What a new user has after cloning and building.
fn clone() -> TempDir {
    let folder = TempDir::new().unwrap();
    for part in ["docs", "examples", "policies"] {
        copy(&Path::new(ROOT).join(part), &folder.path().join(part));
    }
    // Fifty milliseconds are for machines that do nothing but this.
    let file = folder.path().join("docs/envoy.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("timeout: 0.05s"), "{text}");
    fs::write(file, text.replace("timeout: 0.05s", "timeout: 20s")).unwrap();
    for (built, at) in [
        (Path::new(env!("CARGO_BIN_EXE_plimsoll")), "target/release/plimsoll"),
        (&envoy::binary(), ".venv/bin/envoy"),
    ] {
        let at = folder.path().join(at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(built, at).unwrap();
    }
    folder
}

/// The runner itself: it must not be content with what is wrong.
fn run(text: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    Document::read("doc.md", text)?.run(&mut Shell::start(folder.path(), &[]))
}

#[test]
fn a_document_that_is_right_passes() {
    let text = "# T\n\n```sh\nname=you\n```\n\n```sh\necho one\necho hello $name, 17\n```\nIt says:\n\n\
                ```text\none\nhello you, …\n```\n\n```sh fails\nfalse\n```\n";
    assert_eq!(run(text), Ok(()));
}

#[test]
fn a_wrong_line_is_named() {
    for (text, named) in [
        (
            "```sh\necho one\necho two\n```\n\n```text\none\n2\n```\n",
            "doc.md:8: shown is `2`, but it says `two`",
        ),
        (
            "```sh\necho one\n```\n\n```text\none\nmore\n```\n",
            "doc.md:7: shown is `more`, but it says nothing more",
        ),
        ("```sh\necho one\n```\n", "doc.md:2: it says `one`, which is not shown"),
        (
            "text\n\n```sh\ntrue\ncat nowhere 2> /dev/null\necho\n```\n",
            "doc.md:5: a command failed (exit code 1)",
        ),
        ("```sh fails\ntrue\n```\n", "doc.md:2: it should fail, and does not"),
        (
            "```sh within=0.1s\ntrue\n```\n\n```text\nlater\n```\n",
            "doc.md:6: shown is `later`, but it says nothing more",
        ),
        ("```yaml\na: 1\n```\n", "doc.md:1: nothing checks a block of `yaml`"),
        ("```text\none\n```\n", "doc.md:1: no command before it says this"),
        ("```sh\ntrue\n", "doc.md:1: the block has no end"),
    ] {
        let why = run(text).unwrap_err();
        assert!(why.starts_with(named), "{named}\n{why}");
    }
}
