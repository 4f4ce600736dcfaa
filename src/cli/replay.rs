//! `plimsoll replay`: a file of events through the real engine, with the file's time.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use super::style;
use crate::replay::{
    Delay, Event, Measured, Scenario, Traffic, Verdicts, Within, World, generate, places, plots,
};

/// The bar on a terminal moves so often (events).
const TELL_EVERY: u64 = 20_000;
/// So many bad lines are told one by one.
const MOST_TOLD: u64 = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events, a JSON object a line; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "generate")]
    events: Option<PathBuf>,
    /// The policy folder
    #[arg(long, value_name = "FOLDER", default_value = "policies")]
    policies: PathBuf,
    /// The policy that decides where a request names none
    #[arg(long, value_name = "NAME", default_value = "session")]
    policy: String,
    /// Where addresses are, as JSON: `{"192.0.2.0/24": {"country": "DE", "lat": 52.5, "lon":
    /// 13.4, "radius_km": 50}}`. Left out: the policies' own databases say
    #[arg(long, value_name = "FILE")]
    geo: Option<PathBuf>,
    /// Writes one decision a line to this file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Writes the report and its plots into this folder
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    /// Makes up labelled traffic, and writes it to this file, and for takeovers where its
    /// addresses are beside it
    #[arg(long, value_name = "FILE", conflicts_with = "events")]
    generate: Option<PathBuf>,
    /// What is made up
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Traffic::Takeovers)]
    traffic: Traffic,
    /// People in made-up traffic who do no harm
    #[arg(long, default_value_t = 1000)]
    users: u32,
    /// Days of made-up traffic
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// Attacks of each kind in made-up traffic
    #[arg(long, default_value_t = 50)]
    attacks: u32,
    /// The same seed makes the same traffic, and the same replay
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.generate {
        let Args { traffic, users, days, attacks, seed, .. } = *args;
        anyhow::ensure!(users > 0 && days > 0, "--users and --days are above zero");
        let mut file = BufWriter::new(create(path)?);
        let events = generate(&Scenario { traffic, users, days, attacks, seed }, &mut file)?;
        file.flush()?;
        if traffic != Traffic::Takeovers {
            style::print(&format!("{events} events in {}\n", path.display()));
            return Ok(ExitCode::SUCCESS);
        }
        let mut geo = path.clone().into_os_string();
        geo.push(".geo.json");
        let geo = PathBuf::from(geo);
        serde_json::to_writer_pretty(BufWriter::new(create(&geo)?), &places())?;
        let (path, geo) = (path.display(), geo.display());
        style::print(&format!("{events} events in {path}, where addresses are in {geo}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(path) = &args.events else { anyhow::bail!("say which events to replay") };
    let mut world = World::new(&args.policies, &args.policy, args.seed)?;
    if let Some(path) = &args.geo {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))?;
        let places =
            serde_json::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
        world.set_places(places).map_err(|network| {
            anyhow::anyhow!("`{}`: `{network}` is no address or network", path.display())
        })?;
    }
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("`{}`", path.display()))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let mut output = args.decisions.as_deref().map(open).transpose()?;

    let began = Instant::now();
    let mut progress = Progress::new(size);
    let (mut tally, mut verdicts) = (Tally::default(), Verdicts::default());
    let mut line = String::new();
    loop {
        line.clear();
        let read = input.read_line(&mut line).context("the events can't be read")?;
        if read == 0 {
            break;
        }
        progress.on(read as u64);
        if line.trim().is_empty() {
            continue;
        }
        tally.events += 1;
        let event = match Event::parse(&line) {
            Ok(event) => event,
            Err(why) => {
                tally.bad(progress.lines, &why);
                continue;
            }
        };
        match world.step(&event) {
            Ok(Some(decided)) => {
                tally.decisions += 1;
                if let Some(output) = &mut output {
                    serde_json::to_writer(&mut *output, &decided)?;
                    output.write_all(b"\n")?;
                }
                if let Within::Request { truth: Some(truth), .. } = &event.within {
                    verdicts.add(&decided, truth);
                }
            }
            Ok(None) => {}
            Err(why) => tally.bad(progress.lines, &why),
        }
    }
    if let Some(mut output) = output {
        output.flush()?;
    }
    progress.end();
    let seconds = began.elapsed().as_secs_f64();
    let mut told = format!(
        "{} events, {} decisions, {} refused lines, in {seconds:.1} s: {:.0} events/s\n",
        tally.events,
        tally.decisions,
        tally.refused,
        tally.events as f64 / seconds.max(1e-9),
    );
    let measured = verdicts.measure();
    if let Some(measured) = &measured {
        told.push_str(&text(measured));
    }
    if let Some(folder) = &args.report {
        let measured = measured.context("there is no truth in the events, so no report")?;
        let plots = plots(&measured, folder)?;
        let file = folder.join("report.json");
        std::fs::write(&file, serde_json::to_string_pretty(&measured)? + "\n")
            .with_context(|| format!("`{}`", file.display()))?;
        for path in plots.iter().chain([&file]) {
            told.push_str(&format!("{}\n", path.display()));
        }
    }
    // Decisions on standard output are for another program.
    if args.decisions.as_deref() == Some(Path::new("-")) {
        eprint!("{told}");
    } else {
        style::print(&told);
    }
    Ok(if tally.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Debug, Default)]
struct Tally {
    events: u64,
    decisions: u64,
    refused: u64,
}

impl Tally {
    fn bad(&mut self, line: u64, why: &impl std::fmt::Display) {
        self.refused += 1;
        if self.refused <= MOST_TOLD {
            eprintln!("line {line}: {why}");
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
#[derive(Debug)]
struct Progress {
    size: u64,
    read: u64,
    lines: u64,
    shown: bool,
}

impl Progress {
    fn new(size: u64) -> Self {
        Progress { size, read: 0, lines: 0, shown: std::io::stderr().is_terminal() }
    }

    fn on(&mut self, bytes: u64) {
        self.read += bytes;
        self.lines += 1;
        if self.shown && self.size > 0 && self.lines.is_multiple_of(TELL_EVERY) {
            let done = (self.read * 40 / self.size).min(40) as usize;
            eprint!("\r[{}{}] {} events", "#".repeat(done), "-".repeat(40 - done), self.lines);
        }
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn text(measured: &Measured) -> String {
    let mut text = format!(
        "{} requests with a truth, {} of attacks\naverage precision {:.3}, ROC AUC {:.4}\n",
        measured.requests, measured.attacks, measured.average_precision, measured.roc_auc
    );
    for detection in &measured.detections {
        text.push_str(&format!(
            "{:5.1} % of attacks at risk {:.3}: {:.2} % of others asked again\n",
            detection.detected * 100.0,
            detection.risk,
            detection.reauthenticated * 100.0
        ));
    }
    text.push_str(&format!(
        "the policy's own decisions stopped {:.1} % of attack requests and {:.2} % of others\n",
        measured.stopped_attacks * 100.0,
        measured.stopped_others * 100.0
    ));
    if measured.episodes > 0 {
        let (stopped, all) = (measured.episodes_stopped, measured.episodes);
        text.push_str(&format!("{stopped} of {all} attacks stopped{}\n", delay(measured.delay)));
    }
    for (name, kind) in &measured.kinds {
        text.push_str(&format!(
            "  {name}: {} of {}{}\n    {:.1} % of its {} requests stopped, average precision {:.3}, ROC AUC {:.4}\n",
            kind.stopped,
            kind.episodes,
            delay(kind.delay),
            kind.stopped_requests * 100.0,
            kind.requests,
            kind.average_precision,
            kind.roc_auc,
        ));
    }
    text
}

fn delay(delay: Option<Delay>) -> String {
    let Some(delay) = delay else { return String::new() };
    format!(
        ", half of them by request {} and within {}, nine in ten by request {} and within {}",
        delay.requests_median,
        time(delay.seconds_median),
        delay.requests_90,
        time(delay.seconds_90)
    )
}

fn time(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(std::io::stdout().lock())));
    }
    Ok(Box::new(BufWriter::new(create(path)?)))
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("`{}` can't be written", path.display()))
}
