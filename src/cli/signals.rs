//! `plimsoll signals`: what a running server knows of an entity.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Map, Value as Json, json};

use super::client::{Server, block_on, connect, refused};
use super::style::{self, say};
use crate::api::json::{of_wire, to_wire};
use crate::proto::signal_service_client::SignalServiceClient;
use crate::proto::{Entity, ForgetRequest, GetRequest, GetResponse, ReportRequest, ReportResponse};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reports signals of an entity
    Set(Set),
    /// Shows what is known of an entity
    Get(Of),
    /// Forgets an entity
    Forget(Of),
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The entity's kind: user, device, session, address
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The entity's id
    id: String,
    #[command(flatten)]
    server: Server,
    /// Prints the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Set {
    #[command(flatten)]
    of: Of,
    /// NAME=VALUE: JSON where it is JSON, else text (a text of digits: code='"007"')
    #[arg(value_name = "NAME=VALUE", required = true)]
    signals: Vec<String>,
    /// When it was observed, such as 2026-06-01T09:00:00Z; left out, now
    #[arg(long, value_name = "TIME")]
    at: Option<jiff::Timestamp>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Set(args) => set(args),
        Command::Get(of) => get(of),
        Command::Forget(of) => forget(of),
    }
}

impl Of {
    fn entity(&self) -> Option<Entity> {
        Some(Entity { r#type: self.kind.clone(), id: self.id.clone() })
    }

    fn name(&self) -> String {
        format!("{} {}", self.kind, self.id)
    }
}

fn set(args: &Set) -> anyhow::Result<ExitCode> {
    let signals = assignments(&args.signals)?;
    let names: Vec<String> = signals.keys().cloned().collect();
    let report = crate::proto::Report {
        entity: args.of.entity(),
        signals: signals.into_iter().map(|(name, value)| (name, to_wire(value))).collect(),
        observed_at: args.at.map(|at| prost_types::Timestamp {
            seconds: at.as_second(),
            nanos: at.subsec_nanosecond(),
        }),
    };
    let response = block_on(async {
        let mut client = SignalServiceClient::new(connect(&args.of.server.reach()?).await?);
        let request = ReportRequest { reports: vec![report], ..ReportRequest::default() };
        let reported = client.report(request).await.map_err(|status| refused(&status))?;
        Ok(reported.into_inner())
    })?;
    let told = Told::of(&names, &response);
    if args.of.json {
        say!("{}", serde_json::to_string_pretty(&told.json())?);
    } else {
        told.show(&args.of.name());
    }
    Ok(if told.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `a=1 b=true c=DE` as JSON.
fn assignments(texts: &[String]) -> anyhow::Result<Map<String, Json>> {
    let mut signals = Map::new();
    for text in texts {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .with_context(|| format!("`{text}`: expected NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Json::String(value.to_owned()));
        let twice = signals.insert(name.to_owned(), value).is_some();
        anyhow::ensure!(!twice, "`{name}` is set twice");
    }
    Ok(signals)
}

/// What became of each signal.
struct Told<'a> {
    accepted: Vec<&'a str>,
    ignored: Vec<&'a str>,
    /// With why; the name is empty where all of it was refused.
    rejected: Vec<(&'a str, &'a str)>,
}

impl<'a> Told<'a> {
    fn of(names: &'a [String], response: &'a ReportResponse) -> Self {
        let rejected: Vec<(&str, &str)> =
            response.rejected.iter().map(|r| (r.signal.as_str(), r.reason.as_str())).collect();
        let ignored: Vec<&str> =
            response.ignored_signals.iter().map(|ignored| ignored.signal.as_str()).collect();
        let all = rejected.iter().any(|(name, _)| name.is_empty());
        let refused = |name: &str| all || rejected.iter().any(|(rejected, _)| *rejected == name);
        let accepted = names.iter().map(String::as_str);
        let accepted = accepted.filter(|name| !refused(name) && !ignored.contains(name)).collect();
        Told { accepted, ignored, rejected }
    }

    fn show(&self, entity: &str) {
        let (good, bad, faint, plain) = (style::GOOD, style::BAD, style::FAINT, style::PLAIN);
        if !self.accepted.is_empty() {
            say!("{good}accepted{plain}  {entity}: {}", self.accepted.join(", "));
        }
        if !self.ignored.is_empty() {
            let names = self.ignored.join(", ");
            say!("{faint}ignored{plain}   {entity}: {names} (a later observation is known)");
        }
        for (name, why) in &self.rejected {
            // Most reasons name their signal themselves.
            let name = if why.contains(name) { String::new() } else { format!("{name}: ") };
            say!("{bad}rejected{plain}  {entity}: {name}{why}");
        }
    }

    fn json(&self) -> Json {
        let rejected = self.rejected.iter();
        let rejected: Vec<Json> =
            rejected.map(|(signal, reason)| json!({"signal": signal, "reason": reason})).collect();
        json!({"accepted": self.accepted, "ignored": self.ignored, "rejected": rejected})
    }
}

fn get(of: &Of) -> anyhow::Result<ExitCode> {
    let known = block_on(async {
        let mut client = SignalServiceClient::new(connect(&of.server.reach()?).await?);
        match client.get(GetRequest { entity: of.entity() }).await {
            Ok(response) => Ok(Some(response.into_inner())),
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(refused(&status)),
        }
    })?;
    let Some(known) = known else {
        anyhow::bail!("nothing is known of {}", of.name());
    };
    let rows = rows(known)?;
    if of.json {
        let signals: Map<String, Json> = rows
            .into_iter()
            .map(|(name, value, at)| {
                let at = at.map(|at| at.to_string());
                (name, json!({"value": value, "observed_at": at}))
            })
            .collect();
        let all = json!({"entity": {"type": of.kind, "id": of.id}, "signals": signals});
        say!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
    let now = jiff::Timestamp::now();
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0).min(40);
    let (names, values) = (width(|r| r.0.len()), width(|r| style::value(&r.1).len()));
    say!("{bold}{}{plain}", of.name());
    for (name, value, at) in &rows {
        let (value, at) = (style::value(value), at.map(|at| observed(at, now)).unwrap_or_default());
        say!("  {name:<names$}  {value:<values$}  {faint}{at}{plain}");
    }
    Ok(ExitCode::SUCCESS)
}

type Row = (String, Json, Option<jiff::Timestamp>);

fn rows(known: GetResponse) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(known.signals.len());
    for signal in known.signals {
        let value = match signal.value {
            Some(value) => of_wire(value, &|| signal.name.clone())?,
            None => Json::Null,
        };
        let at = signal.observed_at.map(|at| jiff::Timestamp::new(at.seconds, at.nanos));
        rows.push((signal.name, value, at.transpose()?));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(rows)
}

fn observed(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let age = now.duration_since(at).as_secs_f64();
    if age < 0.0 { format!("{at}") } else { format!("{at}, {} ago", style::span(age)) }
}

fn forget(of: &Of) -> anyhow::Result<ExitCode> {
    let found = block_on(async {
        let mut client = SignalServiceClient::new(connect(&of.server.reach()?).await?);
        let answered = client.forget(ForgetRequest { entity: of.entity() }).await;
        Ok(answered.map_err(|status| refused(&status))?.into_inner().found)
    })?;
    if of.json {
        say!("{}", json!({"found": found}));
    } else if found {
        say!("forgotten: {}", of.name());
    } else {
        say!("nothing was known of {}", of.name());
    }
    Ok(ExitCode::SUCCESS)
}
