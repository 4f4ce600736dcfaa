//! Spans out of what the hot side has noted.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, status};

use super::resource::{count, number, scope, text};
use crate::telemetry::trace::{Decided, Ended, Operation, Taken, What};

/// Flags of a span in OTLP: sampled, and that it is known whether the parent is remote.
const SAMPLED: u32 = 0x1;
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

pub(super) fn resource_spans(spans: &[Span], resource: &Resource) -> ResourceSpans {
    let scope_spans =
        ScopeSpans { scope: Some(scope()), spans: spans.to_vec(), ..ScopeSpans::default() };
    ResourceSpans {
        resource: Some(resource.clone()),
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    }
}

pub(super) fn span(ended: Ended) -> Span {
    let remote = if ended.parent.is_some() { IS_REMOTE } else { 0 };
    let about = about(ended.operation);
    let mut attributes = about.attributes();
    let status = what(ended.what, &mut attributes);
    Span {
        trace_id: ended.trace.to_be_bytes().to_vec(),
        span_id: ended.span.to_be_bytes().to_vec(),
        trace_state: ended.state.map(String::from).unwrap_or_default(),
        parent_span_id: ended.parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: SAMPLED | HAS_IS_REMOTE | remote,
        name: about.name(),
        kind: about.kind().into(),
        start_time_unix_nano: ended.began,
        end_time_unix_nano: ended.ended,
        attributes,
        status,
        ..Span::default()
    }
}

/// An operation, as the semantic conventions name such.
enum About {
    Grpc { service: &'static str, method: &'static str },
    Http { method: Option<&'static str>, route: &'static str },
    Internal(&'static str),
}

fn about(operation: Operation) -> About {
    let grpc = |service, method| About::Grpc { service, method };
    match operation {
        Operation::Check => grpc("envoy.service.auth.v3.Authorization", "Check"),
        Operation::Evaluate => grpc("plimsoll.v1.DecisionService", "Evaluate"),
        Operation::Report => grpc("plimsoll.v1.SignalService", "Report"),
        Operation::ReportStream => grpc("plimsoll.v1.SignalService", "ReportStream"),
        Operation::ForwardAuth => About::Http { method: None, route: "/forward-auth" },
        Operation::AuthZenEvaluation => {
            About::Http { method: Some("POST"), route: "/access/v1/evaluation" }
        }
        Operation::HttpReport => About::Http { method: Some("POST"), route: "/v1/signals" },
        Operation::BatchItem => About::Internal("plimsoll.decide"),
        Operation::Reload => About::Internal("plimsoll.policy.reload"),
    }
}

impl About {
    fn name(&self) -> String {
        match self {
            About::Grpc { service, method } => format!("{service}/{method}"),
            About::Http { method: Some(method), route } => format!("{method} {route}"),
            About::Http { method: None, route } => format!("HTTP {route}"),
            About::Internal(name) => (*name).to_owned(),
        }
    }

    fn kind(&self) -> SpanKind {
        match self {
            About::Grpc { .. } | About::Http { .. } => SpanKind::Server,
            About::Internal(_) => SpanKind::Internal,
        }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        match self {
            About::Grpc { service, method } => vec![
                text("rpc.system", "grpc"),
                text("rpc.service", *service),
                text("rpc.method", *method),
            ],
            About::Http { method, route } => {
                let method = method.map(|method| text("http.request.method", method));
                method.into_iter().chain([text("http.route", *route)]).collect()
            }
            About::Internal(_) => Vec::new(),
        }
    }
}

/// Adds what came of it. A denial is no error: it is what was asked for.
fn what(what: What, into: &mut Vec<KeyValue>) -> Option<Status> {
    match what {
        What::Nothing => None,
        What::Decided(decided) => {
            into.extend(decision(decided));
            None
        }
        What::Taken(Taken { accepted, ignored, rejected }) => {
            into.extend([
                count("plimsoll.signals.accepted", accepted),
                count("plimsoll.signals.ignored", ignored),
                count("plimsoll.signals.rejected", rejected),
            ]);
            None
        }
        What::Refused(cause) => {
            into.push(text("error.type", cause));
            failed(cause.to_owned())
        }
        What::Reloaded { revision, errors } => {
            into.push(text("plimsoll.revision", revision));
            into.push(count("plimsoll.policy.errors", errors as u64));
            if errors == 0 {
                return None;
            }
            into.push(text("error.type", "refused"));
            failed(format!("{errors} errors: the last good revision goes on"))
        }
    }
}

fn failed(message: String) -> Option<Status> {
    Some(Status { code: status::StatusCode::Error.into(), message })
}

fn decision(decided: Decided) -> impl Iterator<Item = KeyValue> {
    let named = [
        decided.decision.map(|decision| text("plimsoll.decision", decision.name())),
        decided.level.map(|level| text("plimsoll.level", &*level)),
        decided.rule.map(|rule| text("plimsoll.rule", &*rule)),
    ];
    let always = [
        text("plimsoll.id", decided.id.as_str()),
        text("plimsoll.policy", &*decided.policy),
        text("plimsoll.revision", &*decided.revision),
        number("plimsoll.score", decided.score),
        number("plimsoll.confidence", decided.confidence),
    ];
    always.into_iter().chain(named.into_iter().flatten())
}
