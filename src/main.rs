//! The `plimsoll` binary: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser as _;
use plimsoll::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    plimsoll::cli::run(Cli::parse())
}
