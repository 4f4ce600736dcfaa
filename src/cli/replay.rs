//! `plimsoll replay`: a file of events through the real engine, with the file's time.

mod lines;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;

use self::lines::Lines;
use self::summary::{Tally, text};
use super::style;
use crate::replay::{
    Event, Measured, Scenario, Traffic, Verdicts, Within, World, generate, places, plots,
};

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
    if let Some(decisions) = &args.decisions {
        for read in [Some(path), args.geo.as_ref()].into_iter().flatten() {
            anyhow::ensure!(
                !is_same_file(decisions, read),
                "`--decisions {}` would write over what is read: name another file",
                decisions.display()
            );
        }
    }
    let mut lines = Lines::open(path)?;
    let mut output = args.decisions.as_deref().map(open).transpose()?;

    let began = Instant::now();
    let (mut tally, mut verdicts) = (Tally::default(), Verdicts::default());
    let mut decision = Vec::new();
    while let Some(line) = lines.next().context("the events can't be read")? {
        let event = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => Event::parse(line.trim()).map_err(|why| why.to_string()),
            Err(why) => Err(why.to_string()),
        };
        tally.events += 1;
        let event = match event {
            Ok(event) => event,
            Err(why) => {
                tally.refuse(lines.number, &why);
                continue;
            }
        };
        tally.order.note(lines.number, event.at);
        match world.step(&event) {
            Ok(Some(decided)) => {
                tally.decisions += 1;
                if let Some(output) = &mut output {
                    decision.clear();
                    serde_json::to_writer(&mut decision, &decided)?;
                    decision.push(b'\n');
                    if !heard(output.write_all(&decision))? {
                        lines.end();
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                if let Within::Request { truth: Some(truth), .. } = &event.within {
                    verdicts.add(&decided, truth);
                }
            }
            Ok(None) => {}
            Err(why) => tally.refuse(lines.number, &why),
        }
    }
    lines.end();
    if let Some(mut output) = output
        && !heard(output.flush())?
    {
        return Ok(ExitCode::SUCCESS);
    }
    let mut told = tally.text(began.elapsed().as_secs_f64());
    let measured = verdicts.measure();
    if let Some(measured) = &measured {
        told.push_str(&text(measured));
    }
    // Before what may fail.
    tell(args, &told);
    if let Some(folder) = &args.report {
        let measured = measured.context("there is no truth in the events, so no report")?;
        for path in report(&tally, &measured, folder)? {
            tell(args, &format!("{}\n", path.display()));
        }
    }
    Ok(if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether decisions still have a reader: one that has seen enough, as `head -1`, is no error.
fn heard(written: io::Result<()>) -> anyhow::Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(why) => Err(why).context("decisions can't be written"),
    }
}

fn tell(args: &Args, text: &str) {
    // Decisions on standard output are for another program.
    if args.decisions.as_deref() == Some(Path::new("-")) {
        style::complain(format_args!("{}", text.trim_end()));
    } else {
        style::print(text);
    }
}

/// Writes the report and its plots; says where.
fn report(tally: &Tally, measured: &Measured, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    #[derive(Serialize)]
    struct Report<'r> {
        lines: &'r Tally,
        #[serde(flatten)]
        measured: &'r Measured,
    }
    let mut files = plots(measured, folder)?;
    let file = folder.join("report.json");
    let report = Report { lines: tally, measured };
    std::fs::write(&file, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| format!("`{}`", file.display()))?;
    files.push(file);
    Ok(files)
}

/// Whether two names, which may be links, are of one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path| std::fs::metadata(path).map(|file| (file.dev(), file.ino()));
    file(one).is_ok_and(|one| file(other).is_ok_and(|other| one == other))
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
