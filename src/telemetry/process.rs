//! What the system knows of this process: by `/proc`, so on Linux only.
//! Elsewhere the metrics have no points.

use std::fs;

use super::family::{Family, Value, single};
use super::names;

/// Ticks a second in `/proc/self/stat`: the kernel's interface has 100 on every
/// architecture that there are servers on, whatever its own timer does.
const TICKS: f64 = 100.0;

pub(super) fn families() -> Vec<Family> {
    let text = |name: &str| fs::read_to_string(format!("/proc/{name}")).unwrap_or_default();
    let (stat, status, limits) = (text("self/stat"), text("self/status"), text("self/limits"));
    let memory = field(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024.0);
    // One of them is what counts them.
    let open = fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1));
    let started = booted(&text("stat")).zip(ticks(&stat, 22)).map(|(at, since)| at + since / TICKS);
    let cpu = ticks(&stat, 14).zip(ticks(&stat, 15)).map(|(user, system)| (user + system) / TICKS);
    vec![
        single(names::PROCESS_CPU, cpu.map(Value::Number)),
        single(names::PROCESS_MEMORY, memory.map(Value::Number)),
        single(names::PROCESS_FDS, open.map(|open| Value::Number(open as f64))),
        single(names::PROCESS_MAX_FDS, field(&limits, "Max open files").map(Value::Number)),
        single(names::PROCESS_THREADS, field(&status, "Threads:").map(Value::Number)),
        single(names::PROCESS_START, started.map(Value::Number)),
    ]
}

/// The number after `name` on its line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// A field of `/proc/PID/stat` (proc(5)), counted from 1. The 2nd, the name, may
/// hold anything.
fn ticks(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// When the machine was started, since 1970.
fn booted(stat: &str) -> Option<f64> {
    field(stat, "btime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_place_and_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 5 0 1234 1 1";
        assert_eq!((ticks(stat, 14), ticks(stat, 15)), (Some(250.0), Some(50.0)));
        assert_eq!(ticks(stat, 22), Some(1234.0));
        assert_eq!(ticks("nothing", 14), None);
        assert_eq!(field("VmHWM:\t1 kB\nVmRSS:\t  64 kB\n", "VmRSS:"), Some(64.0));
        let limits = "Limit  Soft Limit  Hard Limit\nMax open files   1024   4096  files\n";
        assert_eq!(field(limits, "Max open files"), Some(1024.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let value = |family: &Family| match family.points.first().map(|point| &point.value) {
            Some(Value::Number(x)) => *x,
            other => panic!("{}: {other:?}", family.name.name),
        };
        let families = families();
        assert!(families.iter().all(|family| value(family) >= 0.0));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let started = value(families.last().unwrap());
        assert!((now.as_secs_f64() - started).abs() < 3600.0, "{started}");
    }
}
