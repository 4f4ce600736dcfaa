//! The server's process, where it is on this machine: by `/proc`, so on Linux only.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Ticks a second in `/proc/PID/stat`: the kernel's interface has 100 on every
/// architecture that there are servers on, whatever its own timer does.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
}

impl Process {
    /// A process that can be seen.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let process = Process { pid };
        process.cpu_seconds().map(|_| process)
    }

    /// Who listens at the other end: at `peer`, or at the path in `address`.
    pub(super) fn listening(address: &str, peer: Option<SocketAddr>) -> Option<Self> {
        let inode = match (address.strip_prefix("unix:"), peer) {
            (Some(path), _) => unix_inode(&fs::read_to_string("/proc/net/unix").ok()?, path),
            (None, Some(peer)) => ["/proc/net/tcp", "/proc/net/tcp6"]
                .iter()
                .find_map(|table| tcp_inode(&fs::read_to_string(table).ok()?, peer.port())),
            (None, None) => None,
        }?;
        let pids = fs::read_dir("/proc").ok()?.flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.find(|pid| holds(*pid, &inode)).and_then(Process::of)
    }

    /// User and system time of all its threads.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        stat_seconds(&fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?)
    }

    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    }
}

/// `utime` and `stime`, the 14th and 15th field. The 2nd, the name, may hold anything.
fn stat_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// The inode of the socket that listens on a port.
fn tcp_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = fields.get(3) == Some(&LISTEN) && fields.get(1)?.ends_with(&port);
        listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

/// The inode of the socket that listens at a path.
fn unix_inode(table: &str, path: &str) -> Option<String> {
    /// Set on a socket that listens.
    const ACCEPTS: &str = "00010000";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = fields.get(3) == Some(&ACCEPTS) && fields.get(7) == Some(&path);
        listens.then(|| fields.get(6).map(|inode| (*inode).to_owned()))?
    })
}

/// Whether a process has the socket open.
fn holds(pid: u32, inode: &str) -> bool {
    let socket = format!("socket:[{inode}]");
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut links = open.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    links.any(|link| link == Path::new(&socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 5 0 1 1 1";
        assert_eq!(stat_seconds(stat), Some(3.0));
        assert_eq!(stat_seconds("nothing"), None);
    }

    #[test]
    fn listening_sockets_are_told_from_open_ones() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:23E7 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 11 1\n\
             1: 0100007F:23E7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1\n";
        assert_eq!(tcp_inode(table, 9191).as_deref(), Some("22"));
        assert_eq!(tcp_inode(table, 9192), None);
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000: 00000003 00000000 00000000 0001 03 33 /run/p.sock\n\
             0000: 00000002 00000000 00010000 0001 01 44 /run/p.sock\n";
        assert_eq!(unix_inode(table, "/run/p.sock").as_deref(), Some("44"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_by_the_port_it_listens_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = Process::listening(&address.to_string(), Some(address)).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert!(found.resident_bytes().unwrap() > 0);
    }
}
