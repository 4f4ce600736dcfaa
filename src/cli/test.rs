//! `plimsoll test`: runs the policy tests of a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::PolicyFolder;
use super::check::{check, show};
use super::style::{self, say};
use crate::engine::Snapshot;
use crate::policy::testing::{self, PolicyTest};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    folder: PolicyFolder,
    /// Runs only the tests whose policy or name contains this
    #[arg(long)]
    only: Option<String>,
    /// Writes the results as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = check(&args.folder.policies)?;
    show(&checked.diagnostics);
    let Some(snapshot) = checked.snapshot.filter(|_| !checked.diagnostics.has_errors()) else {
        anyhow::bail!("the policies have errors, so no test was run");
    };
    let mut report = Report::new("plimsoll");
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for test in &checked.tests {
        let policy = policy_name(&snapshot, test);
        if let Some(only) = &args.only
            && !test.name.contains(only)
            && !policy.contains(only)
        {
            continue;
        }
        let problem = match testing::run(test, &snapshot, &checked.vocabulary) {
            Ok(result) if result.mismatches.is_empty() => None,
            Ok(result) => Some(
                result
                    .mismatches
                    .iter()
                    .map(|m| format!("{}: expected {}, found {}", m.what, m.expected, m.found))
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            Err(why) => Some(format!("could not be run: {why}")),
        };
        match &problem {
            None => passed += 1,
            Some(problem) => {
                failed += 1;
                tell(test, policy, problem);
            }
        }
        note(&mut report, test, policy, problem.as_deref());
    }
    if let Some(path) = &args.junit {
        let text = report.to_string()?;
        std::fs::write(path, text)
            .with_context(|| format!("`{}` can't be written", path.display()))?;
    }
    anyhow::ensure!(passed + failed > 0, "there is no test to run");
    let style = if failed == 0 { style::GOOD } else { style::BAD };
    say!("{style}{passed} passed, {failed} failed{}", style::PLAIN);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn policy_name<'s>(snapshot: &'s Snapshot, test: &PolicyTest) -> &'s str {
    snapshot.policy(test.policy).map_or("", |policy| &policy.name)
}

fn tell(test: &PolicyTest, policy: &str, problem: &str) {
    let (line, _) = test.place.file.line_column(test.place.span.start);
    say!(
        "{}failed{} {policy}: {} {}{}:{line}{}",
        style::BAD,
        style::PLAIN,
        test.name,
        style::FAINT,
        test.place.file.path,
        style::PLAIN,
    );
    for line in problem.lines() {
        say!("    {line}");
    }
}

fn note(report: &mut Report, test: &PolicyTest, policy: &str, problem: Option<&str>) {
    let mut status = match problem {
        None => TestCaseStatus::success(),
        Some(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if let Some(problem) = problem {
        status.set_message(problem);
    }
    let case = TestCase::new(test.name.as_str(), status);
    let suite = report.test_suites.iter_mut().find(|suite| suite.name.as_str() == policy);
    match suite {
        Some(suite) => {
            suite.add_test_case(case);
        }
        None => {
            let mut suite = TestSuite::new(policy);
            suite.add_test_case(case);
            report.add_test_suite(suite);
        }
    }
}
