//! The real binary, as people and scripts use it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in helpers too")]

mod bench;
mod closed_pipe;
mod demo;
mod explain;
mod folder;
mod init;
mod reach;
mod replay;
mod server;
mod signals;
mod terminal;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// The binary, without what this test's surroundings would have it do otherwise.
fn plimsoll(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(args).env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

/// What a command came to.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn run(args: &[&str]) -> Ran {
    plimsoll(args).output().unwrap().into()
}

fn run_with_input(args: &[&str], input: &str) -> Ran {
    let mut child = plimsoll(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}
