//! One shell for a whole document, with a person's patience.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::support::PATIENCE;

pub struct Shell {
    bash: Child,
    done: Receiver<()>,
    /// The ports of the document, and those in their place.
    ports: Vec<(String, String)>,
    own: TempDir,
}

/// What a block came to.
pub struct Ran {
    /// Standard output and error, with the document's ports, without blanks at line ends.
    pub said: Vec<String>,
    /// The line of the first command that failed, and its exit code.
    pub failed: Option<(usize, i32)>,
}

impl Shell {
    /// In this folder, and with free ports in the place of these.
    pub fn start(folder: &Path, ports: &[u16]) -> Self {
        let ports: Vec<(String, String)> =
            ports.iter().map(u16::to_string).zip(free_ports(ports.len())).collect();
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // Nothing of the surroundings, and no proxy between us and our own servers.
            if name.starts_with("PLIMSOLL_") || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(&*name);
            }
        }
        let port = |of: &str| {
            let of = |(from, _): &&(String, String)| from == of;
            ports.iter().find(of).map(|(_, to)| format!("127.0.0.1:{to}"))
        };
        // The defaults, of which the document makes use.
        if let (Some(grpc), Some(http)) = (port("9191"), port("9192")) {
            command.env("PLIMSOLL_LISTEN__GRPC", &grpc).env("PLIMSOLL_LISTEN__HTTP", http);
            command.env("PLIMSOLL_SERVER", grpc);
        }
        command.args(["--noprofile", "--norc"]).current_dir(folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bash = command.spawn().unwrap();
        let (tell, done) = channel();
        let out = BufReader::new(bash.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().try_for_each(|_| tell.send(())));
        let own = TempDir::new().unwrap();
        let failed = own.path().join("failed");
        let trap = format!("set -E; trap 'echo \"$LINENO $?\" >> {}' ERR", failed.display());
        writeln!(bash.stdin.as_mut().unwrap(), "{trap}").unwrap();
        Shell { bash, done, ports, own }
    }

    pub fn ports(&self) -> &[(String, String)] {
        &self.ports
    }

    /// Runs the lines of a document from this one on.
    pub fn run(&mut self, line: usize, commands: &[String]) -> Ran {
        let file = |name: &str| -> PathBuf { self.own.path().join(name) };
        let (script, said, failed) = (file("commands"), file("said"), file("failed"));
        let mut text = commands.join("\n") + "\n";
        for (from, to) in &self.ports {
            text = text.replace(from, to);
        }
        // So that line numbers are those of the document.
        fs::write(&script, "\n".repeat(line - 1) + &text).unwrap();
        fs::write(&failed, "").unwrap();
        let run = format!(". {} > {} 2>&1 < /dev/null; echo", script.display(), said.display());
        writeln!(self.bash.stdin.as_mut().unwrap(), "{run}").unwrap();
        let ended = self.done.recv_timeout(PATIENCE);
        let mut text = fs::read_to_string(&said).unwrap_or_default();
        assert!(ended.is_ok(), "the block of line {line} does not end. It said:\n{text}");
        for (from, to) in &self.ports {
            text = text.replace(to, from);
        }
        let failed = fs::read_to_string(&failed).unwrap();
        let failed = failed.lines().next().map(|first| {
            let (line, code) = first.split_once(' ').unwrap();
            (line.parse().unwrap(), code.parse().unwrap())
        });
        Ran { said: text.lines().map(|line| line.trim_end().to_owned()).collect(), failed }
    }
}

impl Drop for Shell {
    /// Ends what the document has not ended.
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.bash), Signal::KILL);
        let _ = self.bash.wait();
    }
}

/// Below those that the system gives to connections, of which it may give any at any time.
fn free_ports(count: usize) -> Vec<String> {
    let from = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (from..).filter(free).take(count).map(|port| port.to_string()).collect()
}
