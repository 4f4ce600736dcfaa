//! A server as its own process, on ports that are free.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::plimsoll;

pub(crate) struct Server {
    process: Child,
    pub(crate) grpc: String,
}

impl Server {
    /// Starts it. It has loaded its policies once it tells where it listens.
    pub(crate) fn start(policies: &Path) -> Self {
        Self::configured(policies, None)
    }

    /// As [`start`](Self::start), with a configuration file.
    pub(crate) fn configured(policies: &Path, config: Option<&Path>) -> Self {
        let mut command = plimsoll(&["serve", "--policies", policies.to_str().unwrap()]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        Self::run(&mut command)
    }

    /// With what a client would show to another server in its environment.
    pub(crate) fn with_token(policies: &Path) -> Self {
        let mut command = plimsoll(&["serve", "--policies", policies.to_str().unwrap()]);
        Self::run(command.env("PLIMSOLL_TOKEN", "secret"))
    }

    fn run(command: &mut std::process::Command) -> Self {
        let mut process = command
            .env("PLIMSOLL_DATA", "memory")
            .env("PLIMSOLL_LISTEN__GRPC", "127.0.0.1:0")
            .env("PLIMSOLL_LISTEN__HTTP", "127.0.0.1:0")
            .env("PLIMSOLL_DEFAULT_POLICY", "door")
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let told = log.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("gRPC address=")?;
            Some(address.trim().to_owned())
        });
        // The rest is read too, so that the server is never held up by a full pipe.
        std::thread::spawn(move || log.count());
        // None: it ended before it listened.
        Server { process, grpc: told.unwrap() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
