//! `plimsoll schema`: the policy language as JSON Schema, for editors.

use std::process::ExitCode;

use super::style::say;
use crate::policy::schema::schema;
use crate::policy::source::DocumentKind;

/// Prints the JSON Schema of policy documents, which editors complete and check by
///
/// Write it to a file, and point to that in the first line of a policy file:
///
///   plimsoll schema > plimsoll.schema.json
///
///   # yaml-language-server: $schema=plimsoll.schema.json
///
/// The path is relative to the policy file.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The kind of document; left out, all kinds, told apart by `kind`
    #[arg(value_enum)]
    kind: Option<Which>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    Catalog,
    TrustPolicy,
    PolicyTest,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let kind = args.kind.map(|kind| match kind {
        Which::Catalog => DocumentKind::Catalog,
        Which::TrustPolicy => DocumentKind::TrustPolicy,
        Which::PolicyTest => DocumentKind::PolicyTest,
    });
    say!("{}", serde_json::to_string_pretty(&schema(kind))?);
    Ok(ExitCode::SUCCESS)
}
