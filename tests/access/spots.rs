//! Every door, tried by those who may not pass it.

use std::io::Write as _;
use std::net::SocketAddr;

use http::Request;
use plimsoll::api::transport::Listen;
use plimsoll::app::App;
use plimsoll::config::AuthConfig;
use tonic::transport::Channel;
use tonic_reflection::pb::{v1, v1alpha};
use tower::{Service as _, ServiceExt as _};

use super::auth::{config, plain, stop};
use super::{raw, served};

/// A token for each permission, and none for anything else.
const TOKENS: &str = "\
d 18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4 decide
r 454349e422f05297191ead13e21d3db520e5abef52055e4964b82fb213f593a1 report
v 4c94485e0c21ae6c41ce1dfe7b6bfaceea5ab68e40a2476f50208e526f506080 review
x 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 announce
a ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb admin
";

/// Everything that has no permission in front of it, `Known` among it: tests are on this machine.
const OPEN: &[&str] = &[
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
    "/live",
    "/ready",
    "/status",
    "/metrics",
    "/.well-known/",
];

/// Whose business the rest is.
const HOLDERS: &[(&str, &str)] = &[
    ("/envoy.service.auth.v3.Authorization/", "d"),
    ("/plimsoll.v1.DecisionService/", "d"),
    ("/plimsoll.v1.SignalService/Report", "r"),
    ("/plimsoll.v1.SignalService/Get", "v"),
    ("/plimsoll.v1.SignalService/Forget", "a"),
    ("/plimsoll.v1.ReviewService/Label", "v"),
    ("/plimsoll.v1.ReviewService/Announce", "x"),
    ("/plimsoll.v1.ReviewService/Withdraw", "x"),
    ("/plimsoll.v1.ReviewService/ListAnnounced", "x"),
    ("/access/v1/", "d"),
    ("/forward-auth", "d"),
    ("/v1/signals", "r"),
    ("/v1/labels", "v"),
    ("/v1/expected", "x"),
    ("/console", "v"),
];

struct House {
    app: App,
    _folder: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        std::fs::write(&tokens, TOKENS).unwrap();
        let mut config = config();
        // Not even to decide, for being here.
        config.auth =
            Some(AuthConfig { tokens: Some(tokens), local: Vec::new(), ..AuthConfig::default() });
        House { app: App::start(&config).unwrap(), _folder: folder }
    }

    fn grpc(&self) -> SocketAddr {
        let Some(Listen::Tcp(address)) = self.app.grpc_address() else { panic!("no TCP") };
        *address
    }
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// Nothing proved who it was.
    Unproven,
    Denied,
    In,
}

/// An empty message. How it is answered is no matter here, only by whom.
async fn call(channel: &mut Channel, path: &str, token: Option<&str>) -> Came {
    let mut request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("x-plimsoll-token", token);
    }
    let body = tonic::body::Body::new(http_body_util::Full::from(vec![0; 5]));
    let request = request.body(body).unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    match response.headers().get("grpc-status").map(|code| code.as_bytes()) {
        Some(b"16") => Came::Unproven,
        Some(b"7") => Came::Denied,
        _ => Came::In,
    }
}

fn ask(base: &str, path: &str, token: Option<&str>) -> Came {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.get(format!("{base}{path}"));
    if let Some(token) = token {
        request = request.header("x-plimsoll-token", token);
    }
    let response = request.call().unwrap();
    // forward-auth says 403 of its own, with a decision.
    let is_gate = response.headers().get("cache-control").is_none();
    match response.status().as_u16() {
        401 => Came::Unproven,
        403 if is_gate => Came::Denied,
        _ => Came::In,
    }
}

fn judge(path: &str, came: &[(Option<&str>, Came)]) {
    let open = OPEN.iter().any(|start| path.starts_with(start));
    let holder = HOLDERS.iter().find(|(start, _)| path.starts_with(start)).map(|(_, token)| *token);
    assert!(open != holder.is_some(), "say here whose business {path} is");
    for (token, came) in came {
        let expected = match token {
            _ if open => Came::In,
            None => Came::Unproven,
            token if *token == holder => Came::In,
            Some(_) => Came::Denied,
        };
        assert_eq!(*came, expected, "{path} with the token {token:?}");
    }
}

const CALLERS: [Option<&str>; 6] = [None, Some("d"), Some("r"), Some("v"), Some("x"), Some("a")];

#[tokio::test]
async fn all_that_is_served_is_shut_to_those_without_the_permission() {
    let house = House::open();
    let mut channel = plain(house.app.grpc_address().unwrap()).await;
    for path in served::grpc_methods(&[
        plimsoll::proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
    ]) {
        let mut came = Vec::new();
        for token in CALLERS {
            came.push((token, call(&mut channel, &path, token).await));
        }
        judge(&path, &came);
    }
    // What nobody serves is nobody's but an administrator's to find out.
    for path in ["/plimsoll.v1.SignalService/New", "/x.Y/Z", "//plimsoll.v1.SignalService/Report"] {
        for token in [None, Some("d"), Some("r"), Some("v"), Some("x")] {
            assert_ne!(call(&mut channel, path, token).await, Came::In, "{path} {token:?}");
        }
    }
    drop(channel);

    let base = format!("http://{}", house.app.http_address().unwrap());
    tokio::task::spawn_blocking(move || {
        for path in served::http_routes() {
            let came = CALLERS.map(|token| (token, ask(&base, &path, token)));
            judge(&path, &came);
        }
        for path in ["/nothing", "/live/", "/v1/%73ignals", "/access", "//status"] {
            for token in [None, Some("d"), Some("r"), Some("v"), Some("x")] {
                assert_ne!(ask(&base, path, token), Came::In, "{path} {token:?}");
            }
        }
    })
    .await
    .unwrap();
    stop(house.app).await;
}

/// Without its slash a path names no method: it is reset as no HTTP/2, in front of all doors.
#[test]
fn a_path_without_its_slash_is_no_method() {
    const RST_STREAM: u8 = 3;
    let house = House::open();
    for (path, answer) in [
        ("/plimsoll.v1.SignalService/Forget", raw::HEADERS),
        ("plimsoll.v1.SignalService/Forget", RST_STREAM),
        ("grpc.health.v1.Health/Check", RST_STREAM),
        ("", RST_STREAM),
        ("http://localhost/grpc.health.v1.Health/Check", RST_STREAM),
    ] {
        let mut stream = raw::open_wide(house.grpc());
        stream.write_all(&raw::call(1, path)).unwrap();
        let on_first = |all: &[u8]| raw::frames(all).into_iter().find(|(_, on)| *on == 1);
        let answered = raw::read_until(&mut stream, |all| on_first(all).is_some());
        assert_eq!(on_first(&answered), Some((answer, 1)), "{path:?}");
    }
    house.app.shutdown();
}
