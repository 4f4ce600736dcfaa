//! `plimsoll serve`: answers until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::{Config, ServerConfig};
use crate::telemetry::init_log;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration; left out, `policies/` is served on loopback
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The policy folder, in place of the configured one
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(args.config.as_deref())?;
    if let Some(policies) = &args.policies {
        config.policies.clone_from(policies);
    }
    init_log(&config.telemetry).map_err(anyhow::Error::msg)?;
    fit_to_files(&mut config.server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anything is served: who sees a port may stop the process at once.
    let stopped = {
        let _inside = runtime.enter();
        stopped()?
    };
    let app = App::start(&config)?;
    if let Some(address) = app.grpc_address() {
        tracing::info!(%address, "gRPC");
    }
    if let Some(address) = app.http_address() {
        tracing::info!(%address, "HTTP");
    }
    let name = runtime.block_on(stopped);
    tracing::info!(signal = name, "draining");
    app.shutdown();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Files that are open beside connections, with room to spare.
const OTHER_FILES: u64 = 128;

/// Every connection is an open file: takes as many as the system gives, and no more connections than that.
/// Past that number none could be accepted, and clients would wait instead of being told.
fn fit_to_files(server: &mut ServerConfig) {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, files) {
        tracing::warn!(%error, "the limit on open files can't be raised");
        files = getrlimit(Resource::Nofile);
    }
    let Some(files) = files.current else { return };
    let most = usize::try_from(files.saturating_sub(OTHER_FILES).max(1)).unwrap_or(usize::MAX);
    if server.max_connections > most {
        tracing::warn!(
            files,
            max_connections = most,
            "the system gives few open files: fewer connections"
        );
        server.max_connections = most;
    }
}

/// Ends when the process is asked to stop, from this call on: no signal is lost
/// before the future is first polled.
pub(super) fn stopped() -> std::io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
