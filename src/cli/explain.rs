//! `plimsoll explain`: one decision, factor by factor.

mod draw;
mod remote;
mod shape;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use self::shape::Shape;
use super::check::{Checked, check, show};
use super::client::Proof;
use super::style;
use crate::api::answer::Answer;
use crate::engine::Snapshot;
use crate::model::{Timestamp, suggest};
use crate::policy::diagnostic::{Diagnostics, SourceFile};
use crate::policy::publisher::feed_specs;
use crate::policy::source::Document;
use crate::policy::testing::{self, PolicyTest};
use crate::signals::Feeds;
pub(super) use remote::{answer, decision};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["test", "request"]))]
pub(super) struct Args {
    /// The policy folder, or a single file
    #[arg(long, value_name = "FOLDER", default_value = "policies")]
    policies: PathBuf,
    /// The policy that decides; a request may name it itself
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Explains a policy test: its name, or a part of it that only one has
    #[arg(long, value_name = "TEST")]
    test: Option<String>,
    /// Explains the request of a file, or of standard input with `-`: JSON or
    /// YAML with `request`, `signals`, `given` and `now`, as in a policy test
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Asks a running server, which has its own policies and signals
    #[arg(long, value_name = "ADDRESS", requires = "request", conflicts_with = "policies")]
    server: Option<String>,
    #[command(flatten)]
    proof: Proof,
    /// Prints the answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (answer, shape) = match (&args.test, &args.request, &args.server) {
        (Some(test), _, _) => {
            let checked = check(&args.policies)?;
            let snapshot = good(&checked)?;
            let test = find(&checked, snapshot, test, args.policy.as_deref())?;
            decide(test, &checked, snapshot)?
        }
        (None, Some(file), Some(server)) => {
            let answer =
                remote::ask(&args.proof.reach(server)?, &read(file)?, args.policy.as_deref())
                    .with_context(|| format!("`{}`", file.display()))?;
            let shape = Shape::of_answer(&answer);
            (answer, shape)
        }
        (None, Some(file), None) => {
            let checked = check(&args.policies)?;
            let snapshot = good(&checked)?;
            let case = request(args, file, snapshot)?;
            decide(&case, &checked, snapshot)?
        }
        (None, None, _) => anyhow::bail!("say what to explain: --test or --request"),
    };
    if args.json {
        style::print(&format!("{}\n", serde_json::to_string_pretty(&answer)?));
    } else {
        style::print(&draw::draw(&answer, &shape));
    }
    Ok(ExitCode::SUCCESS)
}

fn good(checked: &Checked) -> anyhow::Result<&Snapshot> {
    if checked.diagnostics.has_errors() {
        show(&checked.diagnostics);
        anyhow::bail!("the policies have errors, so nothing was decided");
    }
    checked.snapshot.as_ref().context("there are no policies")
}

fn decide(
    test: &PolicyTest,
    checked: &Checked,
    snapshot: &Snapshot,
) -> anyhow::Result<(Answer, Shape)> {
    testing::decide(test, snapshot, &checked.vocabulary, |decided| {
        (Answer::of(decided), Shape::of(decided))
    })
    .map_err(|why| anyhow::anyhow!("can't be decided: {why}"))
}

/// The test of that name, or the only one whose name has it as a part.
fn find<'c>(
    checked: &'c Checked,
    snapshot: &Snapshot,
    name: &str,
    policy: Option<&str>,
) -> anyhow::Result<&'c PolicyTest> {
    let of_policy = |test: &&PolicyTest| {
        policy.is_none_or(|wanted| snapshot.policy(test.policy).is_some_and(|p| *p.name == *wanted))
    };
    let tests: Vec<&PolicyTest> = checked.tests.iter().filter(of_policy).collect();
    let exact: Vec<&PolicyTest> = tests.iter().copied().filter(|t| t.name == name).collect();
    let part: Vec<&PolicyTest> = tests.iter().copied().filter(|t| t.name.contains(name)).collect();
    let found = if exact.is_empty() { part } else { exact };
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let near = suggest(name, tests.iter().map(|t| t.name.as_str()));
            let mend = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            anyhow::bail!("no policy test is called `{name}`{mend}")
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|test| {
                    let of = snapshot.policy(test.policy).map_or("", |p| &p.name);
                    format!("\n  {of}: {}", test.name)
                })
                .collect();
            anyhow::bail!("several policy tests are called `{name}`; name one:{}", names.concat())
        }
    }
}

/// A request that a file asks, with the folder's own lists where it gives none.
fn request(args: &Args, path: &Path, snapshot: &Snapshot) -> anyhow::Result<PolicyTest> {
    let file = Arc::new(SourceFile::new(shown(path), read(path)?));
    let mut diagnostics = Diagnostics::default();
    let only = match snapshot.policies.as_slice() {
        [only] => &*only.name,
        // As where nothing is configured.
        _ if snapshot.find("session").is_some() => "session",
        _ => "",
    };
    let policy = args.policy.as_deref().unwrap_or(only);
    let now = Timestamp::now();
    let case = Document::plain(&file, &mut diagnostics).and_then(|document| {
        testing::read_request(&document, policy, now, snapshot, &mut diagnostics)
    });
    show(&diagnostics);
    let mut case = case
        .filter(|_| !diagnostics.has_errors())
        .with_context(|| format!("the request in `{}` can't be read", shown(path)))?;
    let feeds = Feeds::new(feed_specs(snapshot, &args.policies), None);
    feeds.reload(now);
    case.fill_feeds(&feeds.load());
    Ok(case)
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path)
            .with_context(|| format!("`{}` can't be read", path.display()));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input can't be read")?;
    Ok(text)
}
