//! `make envoy-demo`: the script that it runs, with the binary at hand.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::ROOT;
use crate::support::process::run;
use crate::support::{PATIENCE, envoy};

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg("examples/envoy-demo/demo.py").args(args).current_dir(ROOT);
    command.args(["--plimsoll", env!("CARGO_BIN_EXE_plimsoll")]);
    command.env("ENVOY", envoy::binary()).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn it_plays_edits_and_ends() {
    let (status, out, err) = run(&mut demo(&["--once"]), 2 * PATIENCE);
    assert!(status.success(), "{out}{err}");
    assert_eq!(err, "");
    let of_rob = |decision: &str| {
        out.lines()
            .filter(|l| l.contains("rob ") && l.contains("POST /checkout") && l.contains(decision))
            .count()
    };
    assert_eq!((of_rob("allow"), of_rob("step_up")), (1, 1), "{out}");
    assert_eq!(out.lines().filter(|line| line.contains(" deny ")).count(), 4, "{out}");
    assert!(out.ends_with("rob's /checkout: 200 before the edit, 401 after it\n"), "{out}");
    assert!(!out.contains('\x1b'), "no colours where there is no terminal");
}

#[test]
fn what_is_missing_is_named() {
    let (status, _, err) = run(&mut demo(&["--envoy", "/nowhere/envoy"]), PATIENCE);
    assert_eq!(status.code(), Some(1));
    assert_eq!(err, "error: /nowhere/envoy is not there: `make envoy` installs it\n");
}

/// The demo as a person sees it.
struct Shown {
    demo: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Shown {
    fn until(&mut self, what: impl Fn(&str) -> bool) -> String {
        let ended = "it ended before that was shown";
        self.lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| what(line))
            .unwrap_or_else(|| panic!("{ended}"))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // Not killed: it has processes of its own to end.
        let _ = kill_process(Pid::from_child(&self.demo), Signal::INT);
        let _ = self.demo.wait();
    }
}

#[test]
fn edits_show_until_it_is_interrupted() {
    let mut demo = demo(&["--pace", "0.01"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut shown = Shown { demo, lines };
    let opening = shown.until(|line| line.contains("Envoy: http://"));
    let port: u16 = opening.split([':', ',']).nth(3).unwrap().parse().unwrap();
    let policy = shown.until(|line| line.contains("edit the policy"));
    let policy = PathBuf::from(policy.split_whitespace().last().unwrap());
    shown.until(|line| line.contains("rob ") && line.contains("POST /checkout   allow"));
    let text = fs::read_to_string(&policy).unwrap();

    fs::write(&policy, text.replace("buy: 40", "buy: [40")).unwrap();
    shown.until(|line| line.contains("your edit has a mistake"));
    shown.until(|line| line.contains("error:"));
    shown.until(|line| line.contains("rob ") && line.contains("POST /checkout   allow"));
    fs::write(&policy, text.replace("buy: 40", "buy: 20")).unwrap();
    shown.until(|line| line.contains("from here on your edit decides"));
    shown.until(|line| line.contains("rob ") && line.contains("POST /checkout   step_up"));

    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    kill_process(Pid::from_child(&shown.demo), Signal::INT).unwrap();
    shown.until(|line| line == "stopped");
    assert_eq!(shown.demo.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "Envoy has ended");
    assert!(!policy.exists(), "what it wrote is gone");
}
