//! A server under attack, and somebody who asks it all the while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request as Asked};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use crate::support::PATIENCE;
use crate::support::client::Request;
use crate::support::house::identities;
use crate::support::plimsoll::Plimsoll;

pub const MIB: u64 = 1 << 20;

pub struct House {
    pub plimsoll: Plimsoll,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

impl House {
    /// With these keys below `server`.
    pub fn open(server: &Value) -> Self {
        let mut settings = identities();
        settings["server"] = server.clone();
        Self::configured(&settings)
    }

    pub fn configured(settings: &Value) -> Self {
        let plimsoll = Plimsoll::serve("tests/envoy/policies", settings);
        let (grpc, http) = (plimsoll.grpc.parse().unwrap(), plimsoll.http.parse().unwrap());
        House { plimsoll, grpc, http }
    }

    /// A metric's value, by its name and labels as they are written.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.plimsoll.ask(&Request::get("/metrics")).body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    pub fn refused(&self, cause: &str) -> u64 {
        self.metric(&format!("plimsoll_refused_requests_total{{cause=\"{cause}\"}}"))
    }

    pub fn refused_connections(&self, cause: &str) -> u64 {
        self.metric(&format!("plimsoll_refused_connections_total{{cause=\"{cause}\"}}"))
    }

    /// Waits until the metric is as it should be.
    pub fn wait_for(&self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        wait_for(what, || is(self));
    }

    /// Nothing that was refused or given up is held still.
    pub fn wait_until_nothing_is_held(&self) {
        self.wait_for("nothing is held", |house| {
            house.metric("plimsoll_body_bytes_in_flight") == 0
                // The scrape itself.
                && house.metric("plimsoll_requests_in_flight") == 1
        });
    }

    /// Resident memory now, and at most so far (bytes).
    pub fn memory(&self) -> (u64, u64) {
        let status = format!("/proc/{}/status", self.plimsoll.process.id());
        let status = std::fs::read_to_string(status).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Prints how much memory it took, which must be below `bound` (MiB).
    pub fn assert_memory_below(&self, what: &str, before: u64, bound: u64) {
        let (now, most) = self.memory();
        println!(
            "{what}: resident {} MiB before, {} MiB after, at most {} MiB (bound {bound})",
            before / MIB,
            now / MIB,
            most / MIB
        );
        assert!(most <= bound * MIB, "{what}: {} MiB of {bound}", most / MIB);
    }
}

pub fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// A check of a request with this `x-risk`.
pub fn check(risk: &str, body: Vec<u8>) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: "app.test".to_owned(),
        headers: [("x-risk".to_owned(), risk.to_owned())].into(),
        raw_body: body,
        ..HttpRequest::default()
    };
    let request = Some(Asked { time: None, http: Some(http) });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

/// Whether the request may pass.
pub async fn ask(
    client: &mut AuthorizationClient<Channel>,
    risk: &str,
) -> Result<bool, tonic::Status> {
    let answer = client.check(check(risk, Vec::new())).await?.into_inner();
    Ok(answer.status.unwrap().code == 0)
}

/// Asks without a pause, and expects the right answer each time.
pub struct Asker {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    thread: Option<JoinHandle<Duration>>,
}

impl Asker {
    pub fn start(house: &House) -> Self {
        let endpoint = Endpoint::new(format!("http://{}", house.grpc)).unwrap();
        Self::asking(move || async move { endpoint.connect().await.unwrap() })
    }

    pub fn asking<F: Future<Output = Channel>>(
        connect: impl FnOnce() -> F + Send + 'static,
    ) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = AuthorizationClient::new(connect().await);
                let mut longest = Duration::ZERO;
                while !stopped.load(Relaxed) {
                    let began = Instant::now();
                    let low = tokio::time::timeout(PATIENCE, ask(&mut client, "low")).await;
                    let high = tokio::time::timeout(PATIENCE, ask(&mut client, "high")).await;
                    assert!(low.expect("an answer in time").unwrap());
                    assert!(!high.expect("an answer in time").unwrap());
                    longest = longest.max(began.elapsed() / 2);
                    counted.fetch_add(2, Relaxed);
                }
                longest
            })
        });
        let asker = Asker { stop, answers, thread: Some(thread) };
        asker.goes_on();
        asker
    }

    /// Waits for more right answers.
    pub fn goes_on(&self) {
        let enough = self.answers.load(Relaxed) + 20;
        wait_for("others are answered", || {
            let thread = self.thread.as_ref().unwrap();
            assert!(!thread.is_finished(), "who asked got no answer, or a wrong one");
            self.answers.load(Relaxed) >= enough
        });
    }

    /// All answers were right; how long one took at most.
    pub fn stop(mut self) -> Duration {
        self.goes_on();
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().expect("all answers are right")
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// The limits that tests have in common: times short enough to wait for, and so long that
/// who means it keeps to them on a machine that does much else.
pub fn short() -> Value {
    json!({
        "handshake_seconds": 4.0,
        "header_seconds": 4.0,
        "request_seconds": 4.0,
    })
}

/// `short`, and these.
pub fn short_and(more: &Value) -> Value {
    let mut all = short();
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}
