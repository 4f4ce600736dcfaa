//! `plimsoll serve`: answers until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::Config;
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
