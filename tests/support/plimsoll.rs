//! Plimsoll as users run it: the binary, with a configuration file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Request, Response, send};
use super::process::Process;

/// The binary, without any setting that the environment may hold.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PLIMSOLL_") {
            command.env_remove(name);
        }
    }
    command
}

pub struct Plimsoll {
    pub process: Process,
    /// As logged: an address with a port, or `unix:` and a path.
    pub grpc: String,
    pub http: String,
    folder: TempDir,
}

impl Plimsoll {
    /// Serves a copy of the policies at `from`, a folder below the crate, with
    /// `settings` over those of the tests. `FOLDER` in them is its own folder.
    pub fn serve(from: &str, settings: &Value) -> Self {
        Self::serve_copy(copied(from), settings, &[])
    }

    /// The same with one policy file of this text.
    pub fn serve_text(text: &str, settings: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/policy.yaml"), text).unwrap();
        Self::serve_copy(folder, settings, &[])
    }

    /// The same as arguments of another command, which becomes it.
    pub fn serve_by(through: &[&str], from: &str, settings: &Value) -> Self {
        Self::serve_copy(copied(from), settings, through)
    }

    /// The same with a file left out, named from the policy folder on.
    pub fn without(from: &str, left_out: &str, settings: &Value) -> Self {
        let folder = copied(from);
        fs::remove_file(folder.path().join("policies").join(left_out)).unwrap();
        Self::serve_copy(folder, settings, &[])
    }

    fn serve_copy(folder: TempDir, settings: &Value, through: &[&str]) -> Self {
        let mut config = json!({
            "listen": {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"},
            "policies": "FOLDER/policies",
            "data": "memory",
            "ext_authz": {"headers": [
                "decision", "score", "level", "confidence", "id", "policy", "revision", "factors", "limits",
            ]},
            "telemetry": {"log_format": "json"},
        });
        merge(&mut config, settings);
        let path = folder.path().to_str().unwrap();
        let config = config.to_string().replace("FOLDER", path);
        let file = folder.path().join("plimsoll.yaml");
        fs::write(&file, config).unwrap();
        let mut command = command();
        if let [first, rest @ ..] = through {
            command = over(first, rest, &command);
        }
        command.arg("serve").arg("--config").arg(&file).current_dir(folder.path());
        let process = Process::start("plimsoll", &mut command);
        let address = |which: &str| {
            process.wait_for(which, 0, |line| {
                let fields = &entry(line)["fields"];
                (fields["message"] == which).then(|| fields["address"].as_str().unwrap().to_owned())
            })
        };
        let (grpc, http) = (address("gRPC"), address("HTTP"));
        Plimsoll { process, grpc, http, folder }
    }

    pub fn policies(&self) -> PathBuf {
        self.folder.path().join("policies")
    }

    /// Puts a policy file in place as editors do: written beside, then renamed.
    pub fn put(&self, name: &str, text: &str) {
        let beside = self.folder.path().join("new.yaml");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.policies().join(name)).unwrap();
    }

    pub fn text_of(&self, name: &str) -> String {
        fs::read_to_string(self.policies().join(name)).unwrap()
    }

    /// Asks its HTTP port.
    pub fn ask(&self, request: &Request) -> Response {
        send(self.http.parse::<SocketAddr>().unwrap(), request)
    }

    /// Waits for a log entry with this message, after the first `from` lines.
    pub fn wait_for(&self, message: &str, from: usize) -> Value {
        self.process.wait_for(message, from, |line| {
            let entry = entry(line);
            let said = entry["fields"]["message"].as_str().is_some_and(|m| m.contains(message));
            said.then(|| entry["fields"].clone())
        })
    }
}

/// The same command through another one.
fn over(first: &str, rest: &[&str], command: &Command) -> Command {
    let mut through = Command::new(first);
    through.args(rest).arg(command.get_program());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => through.env(name, value),
            None => through.env_remove(name),
        };
    }
    through
}

/// A folder of its own with a copy of the policies.
fn copied(from: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(from), &folder.path().join("policies"));
    folder
}

/// A line of the log; nothing where it is not ours (a panic's text).
fn entry(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}

fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}

/// Copies a folder with what is below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
