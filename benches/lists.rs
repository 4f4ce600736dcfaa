//! How fast lists load and answer, and what they take, each type in a process of its
//! own: `cargo bench --profile dist --bench lists -- 10000000`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use plimsoll::model::{ListKind, ListSource, Timestamp, Value};
use plimsoll::signals::{FeedSpec, Feeds};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 20_261_121;
const ASKED: usize = 200_000;

const ALL: [(&str, ListKind); 6] = [
    ("cidr v4", ListKind::Cidr),
    ("cidr v6", ListKind::Cidr),
    ("domain", ListKind::Domain),
    ("sha1", ListKind::Sha1),
    ("sha256", ListKind::Sha256),
    ("string", ListKind::Text),
];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    if first.as_deref() == Some("measure") {
        let (at, count) = (arguments.next().unwrap(), arguments.next().unwrap());
        measure(at.parse().unwrap(), count.parse().unwrap(), Path::new(&arguments.next().unwrap()));
        return;
    }
    let count = first.and_then(|count| count.parse().ok()).unwrap_or(10_000_usize);
    println!(
        "{count} entries: file MB, loaded in s, memory MB (bytes an entry), peak of loading and of a reload MB, \
         look-up of an entry and of another ns, the longest while reloading us"
    );
    for (at, (name, _)) in ALL.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        write(at, count, &file);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["measure", &at.to_string(), &count.to_string()])
            .arg(&file)
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
    }
}

/// The n-th thing of a type: what is asked for, and the line that lists it.
fn entry(at: usize, n: u64, line: &mut String) -> Asked {
    let bits = scramble(n);
    line.clear();
    let text = match ALL[at].0 {
        // A quarter are networks.
        "cidr v4" => {
            let ip = Ipv4Addr::from_bits((bits >> 32) as u32);
            let suffix = if bits & 3 == 0 { "/28" } else { "" };
            write!(line, "{ip}{suffix}").unwrap();
            return Asked::Address(ip.into());
        }
        "cidr v6" => {
            let ip = Ipv6Addr::from_bits(1 << 125 | u128::from(bits >> 4) << 64);
            write!(line, "{ip}/64").unwrap();
            return Asked::Address(ip.into());
        }
        "domain" => {
            write!(line, "host-{:x}.example-{}.com", bits >> 24, n % 1000).unwrap();
            return Asked::Text(format!("www.{line}"));
        }
        "string" => {
            write!(line, "watched-{bits:016x}").unwrap();
            return Asked::Text(line.clone());
        }
        _ => format!("user{n}@example.com:{bits:x}"),
    };
    if ALL[at].0 == "sha1" {
        write!(line, "{:X}:{}", Sha1::digest(&text), bits % 1000 + 1).unwrap();
    } else {
        write!(line, "{:x}", Sha256::digest(&text)).unwrap();
    }
    Asked::Text(text)
}

enum Asked {
    Address(IpAddr),
    Text(String),
}

impl Asked {
    fn touch(&self) -> u8 {
        match self {
            Asked::Address(ip) => u8::from(ip.is_ipv4()),
            Asked::Text(text) => text.bytes().fold(0, u8::wrapping_add),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Asked::Address(ip) => Value::Address(*ip),
            Asked::Text(text) => Value::Text(text),
        }
    }
}

/// One number for each, all over (splitmix64).
fn scramble(n: u64) -> u64 {
    let mut z = n.wrapping_add(SEED).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn write(at: usize, count: usize, path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut line = String::new();
    for n in 0..count as u64 {
        entry(at, n, &mut line);
        writeln!(file, "{line}").unwrap();
    }
    file.flush().unwrap();
}

fn measure(at: usize, count: usize, path: &Path) {
    let (name, kind) = ALL[at];
    let mut line = String::new();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut asked = |from: usize| -> Vec<Asked> {
        (0..ASKED).map(|_| entry(at, (from + random.usize(..count)) as u64, &mut line)).collect()
    };
    // Some of the others may be in a network that is listed.
    let (entries, others) = (asked(0), asked(count));
    let source = ListSource::File(path.to_owned());
    let spec = FeedSpec::List { name: "list".into(), kind, source, half_life: None };
    let feeds = Feeds::new(vec![spec], None);

    let before = memory("VmRSS");
    reset_peak();
    let began = Instant::now();
    assert_eq!(feeds.reload(Timestamp::now()), 1, "{:?}", feeds.states());
    let took = began.elapsed().as_secs_f64();
    let peak = memory("VmHWM") - before;
    settle();
    let held = memory("VmRSS") - before;
    let state = feeds.states().remove(0);
    assert_eq!(state.bad_lines.count, 0, "{:?}", state.bad_lines);

    let found = ask(&feeds, &entries);
    assert_eq!(found.1, ASKED, "{name}");
    let not_found = ask(&feeds, &others);
    assert!(not_found.1 < ASKED / 10, "{name}");

    // The same content in another file.
    let beside = path.with_extension("new");
    fs::copy(path, &beside).unwrap();
    fs::rename(&beside, path).unwrap();
    reset_peak();
    let done = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for asked in entries.iter().cycle() {
                if done.load(Relaxed) {
                    break;
                }
                let began = Instant::now();
                assert_eq!(feeds.load().listed(0, asked.value()), Value::Bool(true));
                longest = longest.max(began.elapsed());
            }
            longest
        });
        assert_eq!(feeds.reload(Timestamp::now()), 1);
        done.store(true, Relaxed);
        asking.join().unwrap()
    });
    let file = fs::metadata(path).unwrap().len() as f64 / 1e6;
    println!(
        "{name:<8} {file:>5.0} MB file {took:>6.2} s {held:>5.0} MB ({:>4.1} B) peaks {peak:>5.0} and {:>5.0} MB \
         {:>5.0} and {:>5.0} ns, longest {:>6.0} us",
        held * 1e6 / state.entries as f64,
        memory("VmHWM") - before,
        found.0,
        not_found.0,
        longest.as_secs_f64() * 1e6,
    );
}

/// Nanoseconds each, the best of five rounds, and how many were found.
fn ask(feeds: &Feeds, all: &[Asked]) -> (f64, usize) {
    let loaded = feeds.load();
    let round = || {
        let (mut took, mut found) = (Duration::ZERO, 0);
        for some in all.chunks(64) {
            // A request has just been read, so what it asks for is at hand.
            black_box(some.iter().map(Asked::touch).fold(0, u8::wrapping_add));
            let began = Instant::now();
            found += some
                .iter()
                .filter(|asked| black_box(loaded.listed(0, asked.value())) == Value::Bool(true))
                .count();
            took += began.elapsed();
        }
        (took.as_nanos() as f64 / all.len() as f64, found)
    };
    (0..5).map(|_| round()).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

/// MB of this process.
fn memory(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
}

/// The allocator gives back what is free a moment later, when it is next asked for some.
fn settle() {
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(30));
        black_box((0..100_u8).map(|n| vec![n; 4096]).collect::<Vec<_>>());
    }
}

fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}
