//! `plimsoll check`: everything that is wrong with a policy folder.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::PolicyFolder;
use super::style::{self, say};
use crate::engine::Snapshot;
use crate::model::Vocabulary;
use crate::policy::compile::compile;
use crate::policy::diagnostic::Diagnostics;
use crate::policy::source::SourceSet;
use crate::policy::testing::{self, PolicyTest};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    folder: PolicyFolder,
    /// Prints the findings as JSON
    #[arg(long)]
    json: bool,
    /// Counts warnings as errors
    #[arg(long)]
    strict: bool,
}

/// A folder that was read, with whatever was found.
pub(super) struct Checked {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) tests: Vec<PolicyTest>,
    pub(super) diagnostics: Diagnostics,
    pub(super) vocabulary: Vocabulary,
}

/// Reads and compiles a folder and its tests.
pub(super) fn check(folder: &Path) -> anyhow::Result<Checked> {
    std::fs::metadata(folder)
        .with_context(|| format!("the policy folder `{}` can't be read", folder.display()))?;
    let set = SourceSet::read(folder);
    let vocabulary = Vocabulary::new();
    let (snapshot, mut diagnostics) = compile(&set, &vocabulary);
    let tests = match &snapshot {
        Some(snapshot) => testing::read(&set, snapshot, &mut diagnostics),
        None => Vec::new(),
    };
    Ok(Checked { snapshot, tests, diagnostics, vocabulary })
}

/// Shows what was found, on standard error.
pub(super) fn show(diagnostics: &Diagnostics) {
    let coloured = std::io::stderr().is_terminal();
    if !diagnostics.is_empty() {
        style::complain(format_args!("{}", diagnostics.render(coloured)));
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = check(&args.folder.policies)?;
    let bad = checked.diagnostics.has_errors() || (args.strict && !checked.diagnostics.is_empty());
    if args.json {
        say!("{}", serde_json::to_string_pretty(&checked.diagnostics)?);
    } else {
        show(&checked.diagnostics);
        if let (Some(snapshot), false) = (&checked.snapshot, bad) {
            say!(
                "{}ok{}: {} policies, {} signals, {} tests, revision {}",
                style::GOOD,
                style::PLAIN,
                snapshot.policies.len(),
                snapshot.catalog.signals().len(),
                checked.tests.len(),
                snapshot.revision,
            );
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
