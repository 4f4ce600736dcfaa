//! `plimsoll init`: a policy folder to begin with.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::style::{self, say};
use crate::policy::schema::schema;

const FILES: [(&str, &str); 3] = [
    ("catalog.yaml", include_str!("init/catalog.yaml")),
    ("policy.yaml", include_str!("init/policy.yaml")),
    ("tests.yaml", include_str!("init/tests.yaml")),
];

/// What the files point their editor to.
const SCHEMA: &str = "plimsoll.schema.json";

/// Somebody who may not buy yet, with what is known of them.
const QUESTION: &str = r#"{"signals": {"user": {"orders": 9}}, "request": {"subject": {"type": "user", "id": "mia"}, "action": {"name": "buy"}}}"#;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; it is made where it is not there
    #[arg(default_value = "policies")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    let schema = format!("{}\n", serde_json::to_string_pretty(&schema(None))?);
    let files = || FILES.into_iter().chain([(SCHEMA, schema.as_str())]);
    // All or nothing: half a starter would not pass its own check.
    let there: Vec<String> = files()
        .map(|(name, _)| dir.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if !there.is_empty() {
        bail!(
            "{} already there, and nothing is overwritten: name another folder",
            match there.as_slice() {
                [one] => format!("{one} is"),
                more => format!("{} are", more.join(", ")),
            }
        );
    }
    fs::create_dir_all(dir)
        .with_context(|| format!("the folder `{}` can't be made", dir.display()))?;
    for (name, text) in files() {
        let path = dir.join(name);
        // `create_new` holds also against what came in between.
        let written = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("`{}` can't be written", path.display()))?;
        say!("{}wrote{} {}", style::GOOD, style::PLAIN, path.display());
    }
    let folder = dir.display();
    say!("\nNext:");
    say!("  plimsoll check --strict {folder}");
    say!("  plimsoll test {folder}");
    say!("  echo '{QUESTION}' |\n      plimsoll explain --policies {folder} --request -");
    // A server asks `session` where it is told no other.
    say!("  PLIMSOLL_DEFAULT_POLICY=starter plimsoll serve --policies {folder}");
    say!(
        "\nBehind Envoy, `serve --config FILE` takes a file whose `identity` says who a request is about."
    );
    say!(
        "Unless told, that is what `jwt_authn` or a client certificate shows: docs/configuration.md"
    );
    Ok(ExitCode::SUCCESS)
}
