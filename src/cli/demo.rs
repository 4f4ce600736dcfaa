//! `plimsoll demo`: the real server, the shipped policies, and a story told by
//! real calls.

mod play;
mod show;
mod story;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use tempfile::TempDir;

use self::play::Player;
use super::serve::stopped;
use super::style::{self, say};
use crate::app::App;
use crate::config::{Config, DataConfig};

/// The policies of this repository, so that the command works from anywhere.
static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// How long a step stands before the next one.
const PACE: Duration = Duration::from_millis(1500);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tells the story without pauses and ends; fails unless it goes as told
    #[arg(long)]
    once: bool,
    /// Seconds between the steps [default: 1.5, with --once 0]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pace: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "expected seconds, from 0 to 3600".to_owned())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("plimsoll-demo-").tempdir()?;
    POLICIES.extract(folder.path()).context("the policies can't be written to a folder")?;
    let app = start(&folder)?;
    let pace = args.pace.unwrap_or(if args.once { Duration::ZERO } else { PACE });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(tell(args, &app, &folder, pace));
    // Its connection ends with it, so that nothing has to be drained.
    drop(runtime);
    app.shutdown();
    told
}

/// The server, on ports that are free.
fn start(folder: &TempDir) -> anyhow::Result<App> {
    let mut config = Config::default();
    folder.path().clone_into(&mut config.policies);
    config.data = DataConfig::Memory;
    "127.0.0.1:0".clone_into(&mut config.listen.grpc);
    "127.0.0.1:0".clone_into(&mut config.listen.http);
    config.server.drain_seconds = 2.0;
    let app = App::start(&config)?;
    if let Some(refused) = app.publisher.state().refused {
        anyhow::bail!("the built-in policies were refused:\n{}", refused.text);
    }
    Ok(app)
}

async fn tell(
    args: &Args,
    app: &App,
    folder: &TempDir,
    pace: Duration,
) -> anyhow::Result<ExitCode> {
    let grpc = app.grpc_address().context("gRPC isn't served")?.to_string();
    let http = app.http_address().context("HTTP isn't served")?.to_string();
    show::opening(&grpc, &http);
    let player = Player::connect(&grpc).await?;
    let story = async {
        let result = player.play(story::story(jiff::Timestamp::now()), pace).await;
        result.inspect(|steps| show::summary(steps))
    };
    // One for the whole time: between two, a signal would be lost.
    let stop = stopped()?;
    tokio::pin!(stop);
    let steps = tokio::select! {
        steps = story => steps?,
        // Nobody has seen that it goes as told.
        _ = &mut stop => return Ok(ExitCode::FAILURE),
    };
    if style::is_unheard() && !args.once {
        return Ok(ExitCode::SUCCESS);
    }
    let as_told = steps.iter().all(|step| step.as_told());
    if args.once {
        return Ok(if as_told { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    show::hints(&grpc, &http, folder.path());
    stop.await;
    say!("{}stopping{}", style::FAINT, style::PLAIN);
    Ok(ExitCode::SUCCESS)
}
