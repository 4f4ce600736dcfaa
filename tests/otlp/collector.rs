//! An OTLP/gRPC collector that keeps what it is sent.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::support::PATIENCE;

/// The token that exports come with, where one is asked for.
pub const TOKEN: &str = "Bearer of-the-collector";

#[derive(Debug)]
pub enum Received {
    Spans { spans: Vec<Span>, resource: Vec<KeyValue> },
    Metrics(Vec<Metric>),
}

pub struct Collector {
    pub endpoint: String,
    received: Receiver<Received>,
    /// Spans of one export that nobody has asked for yet.
    spans: Vec<Span>,
}

#[derive(Clone)]
struct Keep(Sender<Received>);

impl Keep {
    fn takes<T>(&self, request: &Request<T>) -> Result<(), Status> {
        match request.metadata().get("authorization") {
            Some(token) if token == TOKEN => Ok(()),
            _ => Err(Status::unauthenticated("who is this?")),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Keep {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.takes(&request)?;
        for of in request.into_inner().resource_spans {
            let resource = of.resource.unwrap().attributes;
            let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans).collect();
            // The test may be over.
            let _ = self.0.send(Received::Spans { spans, resource });
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Keep {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.takes(&request)?;
        for of in request.into_inner().resource_metrics {
            let metrics = of.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
            let _ = self.0.send(Received::Metrics(metrics));
        }
        Ok(Response::new(Default::default()))
    }
}

impl Collector {
    pub fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    pub fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (send, received) = channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming =
                    TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
                tonic::transport::Server::builder()
                    .add_service(TraceServiceServer::new(Keep(send.clone())))
                    .add_service(MetricsServiceServer::new(Keep(send)))
                    .serve_with_incoming(incoming)
                    .await
                    .unwrap();
            });
        });
        Collector { endpoint, received, spans: Vec::new() }
    }

    /// Waits for what `pick` takes.
    pub fn wait_for<T>(&self, what: &str, mut pick: impl FnMut(Received) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(left) {
                Ok(received) => {
                    if let Some(picked) = pick(received) {
                        return picked;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{what} did not come"),
                Err(RecvTimeoutError::Disconnected) => panic!("the collector has ended"),
            }
        }
    }

    /// The next span, in the order in which they ended.
    pub fn next_span(&mut self) -> Span {
        if self.spans.is_empty() {
            self.spans = self.wait_for("a span", |received| match received {
                Received::Spans { spans, .. } => Some(spans),
                Received::Metrics(_) => None,
            });
            self.spans.reverse();
        }
        self.spans.pop().unwrap()
    }

    /// The next span of that name.
    pub fn next_named(&mut self, name: &str) -> Span {
        loop {
            let span = self.next_span();
            if span.name == name {
                return span;
            }
        }
    }
}

/// An attribute as text, numbers as Rust writes them.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(n) => n.to_string(),
        Value::DoubleValue(x) => x.to_string(),
        other => panic!("{key}: {other:?}"),
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
