//! The command line.

mod check;
mod serve;
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
    /// Checks a policy folder and tells everything that is wrong with it
    Check(check::Args),
    /// Serves decisions
    Serve(serve::Args),
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
        Command::Check(args) => check::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Test(args) => test::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("{}error:{} {error:#}", style::BAD, style::PLAIN);
            ExitCode::FAILURE
        }
    }
}

/// Colours, shown where a terminal can show them.
mod style {
    use anstyle::{AnsiColor, Reset, Style};

    pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
    pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
    pub(super) const FAINT: Style = Style::new().dimmed();
    pub(super) const PLAIN: Reset = Reset;
}
