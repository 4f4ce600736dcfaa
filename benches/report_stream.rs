//! What one `ReportStream` costs the thread that serves it, over loopback:
//! `cargo bench --bench report_stream`. Prints signals a second of CPU time.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use plimsoll::api::ext_authz::{CheckService, Checker, Front};
use plimsoll::api::grpc_routes;
use plimsoll::api::health::Readiness;
use plimsoll::api::identity::PassedOn;
use plimsoll::api::pdp::{Pdp, Published};
use plimsoll::api::transport::{Listeners, Options};
use plimsoll::model::Vocabulary;
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::proto::{Entity, Report, ReportRequest};
use plimsoll::signals::{Cache, Feeds, Limits, Observations, Secrets};
use plimsoll::telemetry::DecisionMetrics;
use prost::Message;
use tokio_stream::StreamExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ENTITIES: usize = 100_000;
const REPORTS: usize = 500;
const SIGNALS: usize = 10;
const MESSAGES: usize = 1000;

struct Nobody;

impl Checker for Nobody {
    fn check(&self, _: &[u8], _: &mut BytesMut) -> Result<(), tonic::Status> {
        Err(tonic::Status::unimplemented("not here"))
    }

    fn deny_oversized(&self, _: &mut BytesMut) -> Result<(), tonic::Status> {
        Err(tonic::Status::unimplemented("not here"))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let pdp = pdp()?;
    let messages: Vec<ReportRequest> = (0..ENTITIES / REPORTS).map(message).collect();
    decode_alone(&messages);

    let routes = grpc_routes(&pdp, &Readiness::new(), PassedOn::default())?;
    let front = Front::new(CheckService::new(Arc::new(Nobody), 1024), routes);
    let options = Options { workers: 1, ..Options::default() };
    let server = Listeners::bind(&["127.0.0.1:0".parse()?])?.serve(front, options)?;
    let address = server.addresses().first().ok_or("no address")?;
    let address = format!("http://{address}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for round in 0..5 {
        let (before, began) = (served_for(), Instant::now());
        let accepted = runtime.block_on(send(&address, messages.clone()))?;
        let cpu = served_for().saturating_sub(before).as_secs_f64();
        let wall = began.elapsed().as_secs_f64();
        println!(
            "round {round}: {accepted} signals, {:.2} M/s of the thread's CPU time, {:.2} M/s of time passed",
            accepted as f64 / cpu / 1e6,
            accepted as f64 / wall / 1e6,
        );
    }
    server.shutdown(Duration::from_secs(5));
    Ok(())
}

fn pdp() -> Result<Arc<Pdp>, Box<dyn Error>> {
    let mut catalog =
        "apiVersion: plimsoll/v1\nkind: Catalog\nentities: {user: {}}\nsignals:\n".to_owned();
    for n in 0..SIGNALS {
        catalog.push_str(&format!("  user.some_signal_{n}: {{type: number}}\n"));
    }
    let cache = Arc::new(Cache::new(Limits::default(), Secrets::random()?));
    let vocabulary = Arc::new(Vocabulary::new());
    let (observations, metrics) =
        (Arc::new(Observations::new(16)), Arc::new(DecisionMetrics::default()));
    let pdp = Arc::new(Pdp::new(cache, vocabulary, metrics, observations, "main"));
    let set = SourceSet::from_memory([("catalog.yaml", catalog)]);
    let snapshot = compile(&set, &pdp.vocabulary).0.ok_or("the catalog doesn't compile")?;
    let feeds = Arc::new(Feeds::new(Vec::new(), None));
    pdp.publish(Arc::new(Published::new(snapshot, feeds, &pdp.metrics)));
    Ok(pdp)
}

fn message(number: usize) -> ReportRequest {
    let reports = (0..REPORTS).map(|n| {
        let entity = Entity { r#type: "user".into(), id: format!("user-{}", number * REPORTS + n) };
        let signals = (0..SIGNALS).map(|n| {
            let kind = Some(prost_types::value::Kind::NumberValue(n as f64 + 0.5));
            (format!("some_signal_{n}"), prost_types::Value { kind })
        });
        Report { entity: Some(entity), signals: signals.collect(), observed_at: None }
    });
    ReportRequest { reports: reports.collect(), ..ReportRequest::default() }
}

fn decode_alone(messages: &[ReportRequest]) {
    let encoded: Vec<Vec<u8>> = messages.iter().map(Message::encode_to_vec).collect();
    let began = Instant::now();
    for bytes in &encoded {
        let decoded = ReportRequest::decode(&bytes[..]);
        assert!(black_box(decoded).is_ok());
    }
    let signals = (messages.len() * REPORTS * SIGNALS) as f64;
    println!(
        "prost's decoding alone: {:.0} ns a signal",
        began.elapsed().as_nanos() as f64 / signals
    );
}

async fn send(address: &str, messages: Vec<ReportRequest>) -> Result<u64, Box<dyn Error>> {
    let mut client = SignalServiceClient::connect(address.to_owned()).await?;
    let endless = messages.into_iter().cycle().take(MESSAGES).collect::<Vec<_>>();
    let mut answers = client.report_stream(tokio_stream::iter(endless)).await?.into_inner();
    let mut accepted = 0;
    while let Some(answer) = answers.next().await {
        accepted += answer?.accepted;
    }
    Ok(accepted)
}

/// The CPU time that the serving thread has taken.
fn served_for() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let times = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let taken = times.split(' ').next()?.parse::<u64>().ok()?;
        name.starts_with("plimsoll-rpc").then_some(taken)
    });
    Duration::from_nanos(nanos.sum())
}
