//! Export to an OpenTelemetry collector, by OTLP over gRPC.
//!
//! All of it is on a thread of its own, that decisions never wait for. A collector
//! that is away costs the spans that the queue has no room for, no more.

mod metrics;
mod resource;
mod spans;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::runtime::Runtime;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use super::export::{ExportState, Side};
use super::registry::Metrics;
use super::trace::Traces;
use crate::config::OtlpConfig;

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Spans of one export.
const BATCH: usize = 512;
/// How long a connection, and an export, may take.
const CONNECT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long what is left may take to be sent when the process ends.
const LAST: Duration = Duration::from_secs(2);
/// Between attempts on a collector that is away: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Between two words in the log on dropped spans.
const SILENCE: Duration = Duration::from_secs(600);

/// Sends what is recorded.
#[derive(Debug)]
pub struct Exporter {
    runtime: Runtime,
    endpoint: Endpoint,
    headers: MetadataMap,
    resource: Resource,
    interval: Duration,
    traces: Option<Arc<Traces>>,
    metrics: Option<Metrics>,
    state: Arc<ExportState>,
    /// When counting began, in nanoseconds since 1970.
    started: u64,
}

impl Exporter {
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(
        config: &OtlpConfig,
        traces: Option<Arc<Traces>>,
        metrics: Option<Metrics>,
        state: Arc<ExportState>,
    ) -> Result<Self, String> {
        let wrong = |key: &str, why: &str| format!("{key}: {why}");
        let scheme = config.endpoint.split_once("://").map(|(scheme, _)| scheme);
        let endpoint = Endpoint::from_shared(config.endpoint.clone())
            .map_err(|why| wrong("endpoint", &why.to_string()))?
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT);
        let endpoint = match scheme {
            Some("http") => endpoint,
            Some("https") => endpoint
                .tls_config(ClientTlsConfig::new().with_native_roots())
                .map_err(|why| wrong("endpoint", &why.to_string()))?,
            _ => return Err(wrong("endpoint", "is a URL, `http://host:4317` or `https://`")),
        };
        let mut headers = MetadataMap::new();
        for (name, value) in &config.headers {
            let key = name.parse::<MetadataKey<Ascii>>();
            let key = key.map_err(|_| format!("headers: `{name}` is no name of a header"))?;
            // The value may be a secret: it is not told.
            let value = value.parse::<MetadataValue<Ascii>>();
            let mut value =
                value.map_err(|_| format!("headers: the value of `{name}` can't be sent"))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Exporter {
            runtime: runtime.map_err(|why| why.to_string())?,
            endpoint,
            headers,
            resource: resource::resource(&config.resource),
            interval: Duration::from_secs_f64(config.interval_seconds),
            traces,
            metrics,
            state,
            started: nanos(),
        })
    }

    /// Sends until `stop` says so or its sender is gone; then once more what is left.
    pub fn run(self, stop: &Receiver<()>) {
        self.runtime.block_on(async {
            let channel = self.endpoint.connect_lazy();
            let mut spans = Spans::new(&self, channel.clone());
            let mut metrics = MetricsServiceClient::new(channel);
            let stopped = async {
                while stop.try_recv() == Err(TryRecvError::Empty) {
                    tokio::time::sleep(LOOK).await;
                }
            };
            // An export that hangs doesn't hold up the end: its spans are still there.
            tokio::select! {
                () = stopped => {}
                () = self.go_on(&mut spans, &mut metrics) => {}
            }
            spans.retry_at = Instant::now();
            let last = async {
                spans.send().await;
                self.send_metrics(&mut metrics).await;
            };
            // What can't be sent now is lost with the process.
            let _late = tokio::time::timeout(LAST, last).await;
        });
    }

    async fn go_on(&self, spans: &mut Spans<'_>, metrics: &mut MetricsServiceClient<Channel>) {
        let mut due = Instant::now() + self.interval;
        loop {
            tokio::time::sleep(LOOK).await;
            spans.send().await;
            if Instant::now() >= due {
                due = Instant::now() + self.interval;
                self.send_metrics(metrics).await;
            }
        }
    }

    async fn send_metrics(&self, client: &mut MetricsServiceClient<Channel>) {
        let Some(metrics) = &self.metrics else { return };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![metrics::resource_metrics(
                &metrics.families(),
                &self.resource,
                self.started,
                nanos(),
            )],
        };
        let sent = client.export(self.request(request)).await;
        self.note("metrics", sent.as_ref().err(), &self.state.metrics);
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        request
    }

    /// Counts an export. Only a change is told in the log.
    fn note(&self, what: &str, why: Option<&Status>, side: &Side) {
        let endpoint = self.endpoint.uri();
        let mut error = side.error.lock();
        match why {
            None => {
                side.sent.fetch_add(1, Relaxed);
                if error.take().is_some() {
                    tracing::info!(what, %endpoint, "the collector takes exports again");
                }
            }
            Some(why) => {
                side.failed.fetch_add(1, Relaxed);
                let text = told(why);
                if error.replace(text.clone()).is_none() {
                    tracing::warn!(
                        what, %endpoint, why = text,
                        "the collector takes no exports: decisions go on, spans are kept while their queue has room"
                    );
                }
            }
        }
    }
}

/// Spans on their way out.
struct Spans<'e> {
    exporter: &'e Exporter,
    client: TraceServiceClient<Channel>,
    /// Taken from the queue and not yet with the collector.
    batch: Vec<Span>,
    retry_at: Instant,
    pause: Duration,
    /// How many drops were seen, and when that was last told.
    dropped: u64,
    told: Option<Instant>,
}

impl<'e> Spans<'e> {
    fn new(exporter: &'e Exporter, channel: Channel) -> Self {
        Spans {
            exporter,
            client: TraceServiceClient::new(channel),
            batch: Vec::new(),
            retry_at: Instant::now(),
            pause: FIRST_PAUSE,
            dropped: 0,
            told: None,
        }
    }

    /// Sends what waits. What an absent collector doesn't take stays for a later call.
    async fn send(&mut self) {
        let Some(traces) = &self.exporter.traces else { return };
        self.tell_dropped(traces.dropped());
        if Instant::now() < self.retry_at {
            return;
        }
        loop {
            let room = BATCH.saturating_sub(self.batch.len());
            self.batch.extend(std::iter::from_fn(|| traces.take()).take(room).map(spans::span));
            if self.batch.is_empty() {
                return;
            }
            let resource_spans = vec![spans::resource_spans(&self.batch, &self.exporter.resource)];
            let request = self.exporter.request(ExportTraceServiceRequest { resource_spans });
            let sent = self.client.export(request).await;
            let state = &self.exporter.state;
            let passing = sent.as_ref().is_err_and(is_passing);
            let rejected = match &sent {
                Ok(answer) => {
                    let partly = answer.get_ref().partial_success.as_ref();
                    partly.map_or(0, |partly| u64::try_from(partly.rejected_spans).unwrap_or(0))
                }
                Err(_) if passing => 0,
                Err(_) => self.batch.len() as u64,
            };
            state.spans_rejected.fetch_add(rejected, Relaxed);
            self.exporter.note("traces", sent.as_ref().err(), &state.traces);
            if passing {
                self.retry_at = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                return;
            }
            self.batch.clear();
            self.pause = FIRST_PAUSE;
        }
    }

    /// Tells that spans are dropped: now and then, not of each.
    fn tell_dropped(&mut self, dropped: u64) {
        let more = dropped > std::mem::replace(&mut self.dropped, dropped);
        if more && self.told.is_none_or(|at| at.elapsed() > SILENCE) {
            self.told = Some(Instant::now());
            tracing::warn!(dropped, "spans are dropped as their queue is full");
        }
    }
}

/// Which failures are worth another try (OTLP specification, gRPC response).
fn is_passing(why: &Status) -> bool {
    match why.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss
        | Code::ResourceExhausted => true,
        // Of a connection that broke, not of the collector: that would say it again.
        Code::Unknown => std::error::Error::source(why).is_some(),
        _ => false,
    }
}

/// A status with what is behind it: "transport error" alone says little.
fn told(why: &Status) -> String {
    let mut text = format!("{:?}: {}", why.code(), why.message());
    let mut source = std::error::Error::source(why);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text.chars().take(500).collect()
}

fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
