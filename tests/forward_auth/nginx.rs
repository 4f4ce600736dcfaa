//! End to end: a client, the real nginx with the configuration that the
//! documentation gives, Plimsoll's binary, an upstream.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use tempfile::TempDir;

use crate::settings;
use crate::support::client::{Request, Response, send};
use crate::support::plimsoll::Plimsoll;
use crate::support::process::Process;
use crate::support::upstream::Upstream;

const CONFIG: &str = include_str!("../../docs/nginx.conf");

struct House {
    plimsoll: Plimsoll,
    _upstream: Upstream,
    _nginx: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let plimsoll = Plimsoll::serve("tests/envoy/policies", &settings());
        let upstream = Upstream::start();
        let folder = TempDir::new().unwrap();
        // Free a moment ago; nginx can't be asked which port it was given.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let server = CONFIG
            .replace("listen 80;", &format!("listen {address};"))
            .replace("127.0.0.1:9192", &plimsoll.http)
            .replace("127.0.0.1:8080", &upstream.address.to_string());
        assert!(server.contains(&address.to_string()) && server.contains(&plimsoll.http));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        // One process, so that ending it leaves none behind.
        let config = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr notice;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(binary());
        command.arg("-e").arg("stderr").arg("-c").arg(&file).arg("-p").arg(folder.path());
        let nginx = Process::start("nginx", &mut command);
        // Told once the sockets listen.
        nginx.wait_for("that it serves", 0, |line| line.contains("OS: ").then_some(()));
        House { plimsoll, _upstream: upstream, _nginx: nginx, address, _folder: folder }
    }

    fn send(&self, request: &Request) -> Response {
        send(self.address, request)
    }
}

/// `NGINX`, or where Debian's package puts it.
fn binary() -> std::ffi::OsString {
    std::env::var_os("NGINX").unwrap_or_else(|| "/usr/sbin/nginx".into())
}

#[test]
fn nginx_allows_asks_for_more_and_denies() {
    let house = House::new();
    let allowed = house.send(&Request::get("/a?b=c").header("x-risk", "low"));
    assert_eq!(allowed.upstream_saw("x-plimsoll-decision").as_deref(), Some("allow"));
    assert_eq!(allowed.upstream_saw("x-plimsoll-score").as_deref(), Some("10"));
    assert_eq!(allowed.upstream_saw("x-plimsoll-level").as_deref(), Some("low"));
    assert_eq!(allowed.upstream_saw("x-plimsoll-id").map(|id| id.len()), Some(36));
    assert_eq!(allowed.json()["path"], "/a?b=c");

    let more = house.send(&Request::get("/a").header("x-risk", "medium"));
    assert_eq!(more.status, 401);
    let challenge = more.header("www-authenticate").unwrap();
    assert!(challenge.contains("acr_values=\"phr phrh\""), "{challenge}");

    assert_eq!(house.send(&Request::get("/a").header("x-risk", "high")).status, 403);
    assert_eq!(house.send(&Request::get("/strict/a").header("x-risk", "low")).status, 403);
    let posted = house.send(&Request::post("/a", "body").header("x-risk", "low"));
    assert_eq!(posted.json()["body_bytes"], 4);
}

#[test]
fn nginx_passes_on_no_header_that_is_forged() {
    let house = House::new();
    let answer = house.send(
        &Request::get("/a")
            .header("x-login", "alice")
            .header("x-user", "root")
            .header("x-plimsoll-score", "1000")
            .header("x-plimsoll-limits", "none")
            .header("x-plimsoll-factors", "mine")
            .header("x_plimsoll_score", "1000")
            // What was asked for is nginx's to say.
            .header("x-original-uri", "/public")
            .header("x-original-method", "HEAD")
            .header("x-forwarded-uri", "/public")
            .header("x-forwarded-method", "HEAD")
            .header("x-original-url", "http://other.test/public")
            .header("x-forwarded-for", "10.6.6.6"),
    );
    assert_eq!(answer.upstream_saw("x-user").as_deref(), Some("alice"));
    assert_ne!(answer.upstream_saw("x-plimsoll-score").as_deref(), Some("1000"));
    for name in ["x-plimsoll-limits", "x-plimsoll-factors", "x_plimsoll_score"] {
        assert_eq!(answer.upstream_saw(name), None, "{name}");
    }
    let nobody = house.send(&Request::get("/a").header("x-user", "root"));
    assert_eq!(nobody.upstream_saw("x-user"), None);
    // The question can't be asked from outside.
    assert_eq!(house.send(&Request::get("/plimsoll/session")).status, 404);
}

#[test]
fn nginx_denies_what_servers_read_differently() {
    let house = House::new();
    for target in ["/a%2f..%2fadmin", "/a/%252e%252e/b", "/a%5cb"] {
        assert_eq!(house.send(&Request::get(target)).status, 403, "{target}");
    }
}

#[test]
fn nginx_lets_nothing_pass_when_nobody_answers() {
    let House { mut plimsoll, address, _upstream, _nginx, _folder } = House::new();
    plimsoll.process.kill();
    assert_eq!(send(address, &Request::get("/a")).status, 500);
}
