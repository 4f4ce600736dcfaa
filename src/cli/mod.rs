//! The command line.

mod bench;
mod check;
mod client;
mod demo;
mod explain;
mod init;
mod replay;
mod schema;
mod serve;
mod signals;
mod style;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A policy decision point that scores trust.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends load to a server and measures it
    Bench(bench::Args),
    /// Checks a policy folder and tells everything that is wrong with it
    Check(check::Args),
    /// Starts a server and plays a story of five chapters on it
    Demo(demo::Args),
    /// Explains one decision, factor by factor
    Explain(explain::Args),
    /// Writes a policy folder to begin with: a catalog, a policy and its tests
    Init(init::Args),
    /// Replays a file of events through the real engine, with the file's time
    Replay(replay::Args),
    /// Prints the JSON Schema of policy documents, which editors complete and check by
    Schema(schema::Args),
    /// Serves decisions
    Serve(serve::Args),
    /// Reports, shows and forgets signals of a running server
    Signals(signals::Args),
    /// Runs the policy tests of a folder
    Test(test::Args),
}

/// A policy folder, as most commands take it.
#[derive(Debug, clap::Args)]
struct PolicyFolder {
    /// The policy folder, or a single file
    #[arg(default_value = "policies")]
    policies: PathBuf,
}

/// Runs a command. What goes wrong is told on standard error.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Bench(args) => bench::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Signals(args) => signals::run(&args),
        Command::Test(args) => test::run(&args),
    };
    match done.and_then(|code| style::all_was_said().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            style::complain(format_args!("{}error:{} {error:#}", style::BAD, style::PLAIN));
            ExitCode::FAILURE
        }
    }
}
