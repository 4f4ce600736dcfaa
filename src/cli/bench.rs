//! `plimsoll bench`: a load generator that says what a server took, and what it
//! cost the server.

mod call;
mod envoy;
mod load;
mod process;
mod tally;
mod tls;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value as Json, json};

use self::call::{Call, Connection};
use self::load::{Load, Until};
use self::process::Process;
use self::tally::Tally;
use super::client::{DEFAULT_SERVER, Proof};
use super::style::{self, say};
use crate::model::parse_duration;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the server answers gRPC: an address with a port, https://..., or unix:/path
    #[arg(long, visible_alias = "server", value_name = "ADDRESS", default_value = DEFAULT_SERVER)]
    address: String,
    #[command(flatten)]
    proof: Proof,
    /// What is asked: Envoy's check (1.2 kB), or the native Evaluate
    #[arg(long, value_enum, default_value_t = call::Service::Check)]
    service: call::Service,
    /// The policy that decides; left out, the server's default
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    policy: String,
    /// How many users ask, each time one at random: u-0000000000, u-0000000001, ...
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..10_000_000_000))]
    users: u64,
    /// How many connections are open
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// How many requests are under way at once on each connection
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    streams: u32,
    /// For how long: 10s, 5m
    #[arg(long, default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// How many requests in all, in place of a duration
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    requests: Option<u64>,
    /// Requests a second, as far as the streams suffice; latencies count from when
    /// a request was due. Left out, each answer makes room for the next request
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Threads that generate load
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// The server's process, to tell its CPU time; left out, it is looked for
    #[arg(long)]
    pid: Option<u32>,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = parse_duration(text).filter(|seconds| (0.001..=86_400.0 * 7.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected such as 10s or 5m".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e7).contains(rate));
    rate.ok_or_else(|| "expected requests a second, above zero".to_owned())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(args.threads))
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure(args))?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&measured.json(args))?);
    } else {
        measured.show(args);
    }
    let answered = measured.tally.answered();
    Ok(if answered > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Measured {
    tally: Tally,
    seconds: f64,
    server: Option<Server>,
}

/// What the load cost the server.
struct Server {
    pid: u32,
    cpu_seconds: f64,
    resident_bytes: Option<u64>,
}

async fn measure(args: &Args) -> anyhow::Result<Measured> {
    let call = Call::new(args.service, &args.policy, args.users);
    let reach = args.proof.reach(&args.address)?;
    let mut connections = Vec::new();
    for _ in 0..args.connections {
        let connection = Connection::open(&reach).await.with_context(|| {
            format!("no server answers at `{}`: name its gRPC address with --address", args.address)
        })?;
        connections.push(connection);
    }
    let peer: Option<SocketAddr> = connections.first().and_then(Connection::local_peer);
    let process = match args.pid {
        Some(pid) => Some(Process::of(pid).with_context(|| format!("no process {pid} is seen"))?),
        None => Process::listening(&args.address, peer),
    };
    let before = process.as_ref().and_then(Process::cpu_seconds);
    let until = match args.requests {
        Some(requests) => Until::Requests(requests),
        None => Until::Elapsed(args.duration),
    };
    let load = Load { until, rate: args.rate, streams: args.streams };
    let (tally, elapsed) = load.run(call, connections).await;
    let server = process.and_then(|process| {
        let cpu_seconds = process.cpu_seconds()? - before?;
        Some(Server { pid: process.pid, cpu_seconds, resident_bytes: process.resident_bytes() })
    });
    Ok(Measured { tally, seconds: elapsed.as_secs_f64(), server })
}

impl Measured {
    fn rate(&self) -> f64 {
        self.tally.answered() as f64 / self.seconds
    }

    fn show(&self, args: &Args) {
        let (bold, faint, plain) = (style::BOLD, style::FAINT, style::PLAIN);
        let tally = &self.tally;
        let pace = match args.rate {
            Some(rate) => format!("{rate} requests a second"),
            None => "as fast as answers come".to_owned(),
        };
        say!(
            "{bold}{}{plain} on {}, {} connections x {} streams, {pace}",
            args.service.name(),
            args.address,
            args.connections,
            args.streams
        );
        say!(
            "answers    {} in {:.1} s, {bold}{:.0} a second{plain}",
            tally.answered(),
            self.seconds,
            self.rate()
        );
        let decisions: Vec<String> =
            tally.decisions().map(|(name, count)| format!("{name} {count}")).collect();
        say!("decisions  {}", decisions.join(", "));
        if tally.errors.is_empty() {
            say!("errors     none");
        }
        for (kind, count) in &tally.errors {
            say!("errors     {}{count}{plain} {kind}", style::BAD);
        }
        let latencies: Vec<String> =
            tally.latencies().map(|(name, micros)| format!("{name} {}", shown(micros))).collect();
        say!("latency    {}", latencies.join("  "));
        match &self.server {
            None => {
                say!("{faint}server     not on this machine, or not ours to see: say --pid{plain}")
            }
            Some(server) => {
                let resident = server.resident_bytes.map_or_else(String::new, |bytes| {
                    format!(", {:.0} MB resident", bytes as f64 / 1e6)
                });
                let each = server.cpu_seconds / tally.answered().max(1) as f64;
                say!(
                    "server     {bold}{:.2} us of CPU a request{plain}, {:.2} cores{resident} {faint}(pid {}){plain}",
                    each * 1e6,
                    server.cpu_seconds / self.seconds,
                    server.pid
                );
            }
        }
    }

    fn json(&self, args: &Args) -> Json {
        let tally = &self.tally;
        let map = |pairs: &mut dyn Iterator<Item = (String, Json)>| Json::Object(pairs.collect());
        let count = |(name, count): (&str, u64)| (name.to_owned(), json!(count));
        let micros = |(name, micros): (&str, f64)| (name.to_owned(), json!(micros));
        json!({
            "service": args.service.name(),
            "address": args.address,
            "connections": args.connections,
            "streams": args.streams,
            "rate": args.rate,
            "seconds": self.seconds,
            "answers": tally.answered(),
            "answers_per_second": self.rate(),
            "decisions": map(&mut tally.decisions().map(count)),
            "errors": map(&mut tally.errors.iter().map(|(kind, n)| (kind.clone(), json!(n)))),
            "latency_us": map(&mut tally.latencies().map(micros)),
            "server": self.server.as_ref().map(|server| json!({
                "pid": server.pid,
                "cpu_seconds": server.cpu_seconds,
                "cpu_us_per_request": server.cpu_seconds / tally.answered().max(1) as f64 * 1e6,
                "resident_bytes": server.resident_bytes,
            })),
        })
    }
}

fn shown(micros: f64) -> String {
    if micros < 1000.0 { format!("{micros:.0} us") } else { format!("{:.2} ms", micros / 1e3) }
}
