//! The examples in Python, with stubs made of `proto/` as they say, against the real
//! server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are outside what the lints know as tests"
)]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};
use support::PATIENCE;
use support::plimsoll::Plimsoll;
use support::process::run;
use support::tokens;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// `PYTHON`, or what `make test` has installed.
fn python() -> Command {
    let python: PathBuf = match std::env::var_os("PYTHON") {
        Some(python) => python.into(),
        None => Path::new(ROOT).join(".venv/bin/python"),
    };
    assert!(python.exists(), "{} is not there: `make python` installs it", python.display());
    let mut command = Command::new(python);
    // No proxy stands between a test and its server.
    for name in ["http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(name);
    }
    command.current_dir(ROOT).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What a script comes to: its exit code and what it says.
fn script(
    name: &str,
    stubs: Option<&TempDir>,
    token: Option<&str>,
    args: &[&str],
) -> (i32, String) {
    let mut command = python();
    command.arg(format!("examples/python/{name}")).args(args);
    if let Some(stubs) = stubs {
        command.env("PYTHONPATH", stubs.path());
    }
    if let Some(token) = token {
        command.env("PLIMSOLL_TOKEN", token);
    }
    let (status, out, err) = run(&mut command, PATIENCE);
    assert!(!err.contains("Traceback"), "{err}");
    (status.code().unwrap(), out)
}

/// Stubs, as the example's own words make them.
fn stubs() -> TempDir {
    let folder = TempDir::new().unwrap();
    let into = folder.path().display();
    let mut command = python();
    command.args(["-m", "grpc_tools.protoc", "-I", "proto"]);
    command.args([format!("--python_out={into}"), format!("--grpc_python_out={into}")]);
    for entry in std::fs::read_dir(Path::new(ROOT).join("proto/plimsoll/v1")).unwrap() {
        let path = entry.unwrap().path();
        command.arg(path.strip_prefix(ROOT).unwrap());
    }
    let (status, _, err) = run(&mut command, PATIENCE);
    assert!(status.success(), "{err}");
    folder
}

#[test]
fn the_client_reports_and_asks() {
    let stubs = stubs();
    let plimsoll = Plimsoll::serve("tests/authzen/policies", &json!({}));
    let ask = |args: &[&str]| {
        script("client.py", Some(&stubs), None, &[&[&*plimsoll.grpc, "alice"], args].concat())
    };
    let (code, said) = ask(&["read", "alarms=7"]);
    let told = "DECISION_ALLOW: score 0 is low\nsignals taken in: 1\nDECISION_ALLOW: score 70 is low\n  There are alarms about your account\n";
    assert_eq!((code, said.as_str()), (0, told), "a reported signal counts at once");
    let (code, said) = ask(&["sell", "alarms=9"]);
    assert_eq!(code, 1, "{said}");
    let last = "DECISION_DENY: score 90 is high\n  There are alarms about your account\n";
    assert!(said.ends_with(last), "{said}");
    let (code, said) = ask(&["read", "alarm=1"]);
    assert!(code == 0 && said.contains("rejected alarm: "), "{said}");
}

#[test]
fn a_client_that_may_not_ask_is_told_so() {
    let stubs = stubs();
    let plimsoll = serve_guarded("tests/authzen/policies");
    let ask = |token| {
        script("client.py", Some(&stubs), token, &[&plimsoll.grpc, "alice", "read", "alarms=1"])
    };
    let (code, said) = ask(None);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("no decision: UNAUTHENTICATED: "), "{said}");
    let (code, said) = ask(Some("secret"));
    assert!(code == 0 && said.contains("signals taken in: 1"), "{said}");
}

fn serve_guarded(policies: &str) -> Plimsoll {
    let folder = TempDir::new().unwrap();
    let tokens = tokens::write(folder.path(), &[("app", "secret", "decide,report,review")]);
    let auth = json!({"auth": {"tokens": tokens, "local": []}});
    Plimsoll::serve(policies, &auth)
}

/// The session in docs/callers.md, word by word, with a script in the place of grpcurl.
#[test]
fn the_documented_session_goes_as_documented() {
    let (open, guarded) = (Plimsoll::serve("policies", &json!({})), serve_guarded("policies"));
    let session = session();
    assert!(session.len() >= 6, "only {} commands are documented", session.len());
    for (words, shown) in &session {
        let with_token = words.iter().any(|word| word.starts_with("x-plimsoll-token: "));
        let server = if with_token { &guarded } else { &open };
        let words: Vec<&str> = words.iter().map(|w| at(w, &server.grpc)).collect();
        let (code, said, err) = reflect(&words);
        assert_eq!(code, 0, "{words:?}: {said}{err}");
        match *words.last().unwrap() {
            "list" => {
                let own = |lines: &mut dyn Iterator<Item = String>| -> Vec<String> {
                    // There are two of them, and each client sees its own.
                    lines.filter(|line| !line.starts_with("grpc.reflection.")).collect()
                };
                let documented = own(&mut shown.iter().cloned());
                assert_eq!(own(&mut said.lines().map(str::to_owned)), documented);
            }
            "plimsoll.v1.EvaluateRequest" => assert!(said.contains("subject = 1"), "{said}"),
            "plimsoll.v1.SignalService" => assert!(said.contains("rpc Forget ("), "{said}"),
            "plimsoll.v1.DecisionService/Evaluate" => {
                let answer: Json = serde_json::from_str(&said).unwrap();
                assert_eq!(answer["policy"]["name"], "session", "{answer}");
            }
            "plimsoll.v1.SignalService/Report" => {
                let answer: Json = serde_json::from_str(&said).unwrap();
                assert_eq!(answer["accepted"], "1", "{answer}");
            }
            "plimsoll.v1.SignalService/Get" => {
                let answer: Json = serde_json::from_str(&said).unwrap();
                assert_eq!(answer["signals"][0]["name"], "auth_count", "{answer}");
            }
            other => panic!("nothing checks `{other}`"),
        }
        // Reflection is open to who is on this machine.
        if with_token && words.last().unwrap().contains('/') {
            // Without it, or with another one, nothing is shown.
            for header in ["x-other: secret", "x-plimsoll-token: guessed"] {
                let words: Vec<&str> = words
                    .iter()
                    .map(|word| if word.starts_with("x-plimsoll-token") { header } else { *word })
                    .collect();
                let (code, said, err) = reflect(&words);
                assert_eq!((code, &*said), (1, ""), "{words:?}");
                assert!(err.contains("Code: UNAUTHENTICATED"), "{err}");
            }
        }
    }
}

fn at<'w>(word: &'w str, server: &'w str) -> &'w str {
    if word == "127.0.0.1:9191" { server } else { word }
}

fn reflect(words: &[&str]) -> (i32, String, String) {
    let mut command = python();
    let (status, out, err) = run(command.arg("examples/python/reflect.py").args(words), PATIENCE);
    assert!(!err.contains("Traceback"), "{err}");
    (status.code().unwrap(), out, err)
}

/// Each documented call of grpcurl: its words, and what is shown after it.
fn session() -> Vec<(Vec<String>, Vec<String>)> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/callers.md")).unwrap();
    let mut session = Vec::new();
    for command in text.split("\n    $ ").skip(1).filter_map(|c| c.strip_prefix("grpcurl ")) {
        let block = command.split("\n\n").next().unwrap();
        let (words, shown) = shell_words(block);
        let shown = shown.lines().map(|line| line.trim().to_owned());
        session.push((words, shown.filter(|line| !line.is_empty()).collect()));
    }
    session
}

/// The words up to the line's end, as a shell splits them; quotes are single ones.
fn shell_words(text: &str) -> (Vec<String>, &str) {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' => quoted = !quoted,
            '\\' if !quoted && chars.peek().is_some_and(|(_, c)| *c == '\n') => {
                chars.next();
            }
            '\n' if !quoted => {
                words.push(word);
                return (words.into_iter().filter(|w| !w.is_empty()).collect(), &text[at..]);
            }
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            char => word.push(char),
        }
    }
    words.push(word);
    (words.into_iter().filter(|w| !w.is_empty()).collect(), "")
}
