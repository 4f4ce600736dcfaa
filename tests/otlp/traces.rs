use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use super::collector::{Collector, Received, TOKEN, attribute, hex};
use super::support::client::Request;
use super::support::plimsoll::Plimsoll;
use super::{Caller, serve, set_header};

pub const CHECK: &str = "envoy.service.auth.v3.Authorization/Check";

fn otlp(collector: &Collector) -> Value {
    json!({"endpoint": collector.endpoint, "metrics": false, "headers": {"authorization": TOKEN},
           "resource": {"deployment.environment.name": "test"}})
}

fn traceparent(trace: u8, sampled: bool) -> String {
    format!("00-{}-b7ad6b716920333{}-0{}", trace_id(trace), trace % 10, u8::from(sampled))
}

fn trace_id(trace: u8) -> String {
    format!("0af7651916cd43dd8448eb211c80{trace:04x}")
}

fn of(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

fn assert_continues(span: &Span, trace: u8) {
    assert_eq!(hex(&span.trace_id), trace_id(trace), "{span:?}");
    assert_eq!(hex(&span.parent_span_id), format!("b7ad6b716920333{}", trace % 10));
    assert_eq!(span.span_id.len(), 8);
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
}

#[test]
fn a_check_continues_the_calls_trace_before_the_clients() {
    let mut collector = Collector::start();
    let plimsoll = serve(&otlp(&collector));
    let mut caller = Caller::of(&plimsoll);

    let (call, client) = (traceparent(1, true), traceparent(2, true));
    let answer = caller.check(
        &[("traceparent", &call), ("tracestate", "vendor=1")],
        &[("traceparent", &client), ("x-risk", "low")],
    );
    let span = collector.next_named(CHECK);
    assert_continues(&span, 1);
    assert_eq!(span.trace_state, "vendor=1");
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(of(&span, "rpc.system").as_deref(), Some("grpc"));
    assert_eq!(of(&span, "plimsoll.policy").as_deref(), Some("session"));
    assert_eq!(of(&span, "plimsoll.decision").as_deref(), Some("allow"));
    assert_eq!(of(&span, "plimsoll.score").as_deref(), Some("10.5"));
    assert_eq!(of(&span, "plimsoll.level").as_deref(), Some("low"));
    assert_eq!(of(&span, "plimsoll.rule").as_deref(), Some("anyone"));
    for (key, header) in
        [("plimsoll.id", "x-plimsoll-id"), ("plimsoll.revision", "x-plimsoll-revision")]
    {
        assert_eq!(of(&span, key), set_header(&answer, header), "{key}");
    }

    caller.check(&[], &[("traceparent", &client), ("tracestate", "vendor=2")]);
    let span = collector.next_named(CHECK);
    assert_continues(&span, 2);
    assert_eq!(span.trace_state, "vendor=2");
}

#[test]
fn what_the_caller_does_not_sample_leaves_nothing() {
    let mut collector = Collector::start();
    let plimsoll = serve(&otlp(&collector));
    let mut caller = Caller::of(&plimsoll);
    // Spans leave in the order in which they ended.
    caller.check(&[("traceparent", &traceparent(3, false))], &[]);
    caller.check(&[], &[("traceparent", "00-not-a-trace-01")]);
    caller.check(&[], &[]);
    caller.check(&[("traceparent", &traceparent(4, true))], &[]);
    assert_continues(&collector.next_named(CHECK), 4);
}

#[test]
fn a_share_begins_traces_of_its_own() {
    let mut collector = Collector::start();
    let mut settings = otlp(&collector);
    settings["sample"] = json!(1.0);
    let plimsoll = serve(&settings);
    let mut caller = Caller::of(&plimsoll);
    caller.check(&[("traceparent", &traceparent(5, false))], &[]);
    caller.check(&[], &[("x-risk", "high")]);
    let span = collector.next_named(CHECK);
    assert_ne!(hex(&span.trace_id), trace_id(5), "the caller's word counts");
    assert!(span.parent_span_id.is_empty() && span.trace_id.iter().any(|byte| *byte != 0));
    assert_eq!(of(&span, "plimsoll.decision").as_deref(), Some("deny"));
    assert!(span.status.is_none(), "a denial is no error");
}

#[test]
fn refusals_and_their_log_lines_belong_to_the_trace() {
    let mut collector = Collector::start();
    let plimsoll = serve(&otlp(&collector));
    let path = |sampled| {
        Request::get("/forward-auth/no_such")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/")
            .header("traceparent", traceparent(6, sampled))
    };
    assert_eq!(plimsoll.ask(&path(true)).status, 403);
    let span = collector.next_named("HTTP /forward-auth");
    assert_continues(&span, 6);
    assert_eq!(of(&span, "error.type").as_deref(), Some("unknown_policy"));
    let message = "a proxy asks for a policy that there is not";
    let line = plimsoll.wait_for(message, 0);
    assert_eq!(line["trace_id"], trace_id(6));
    assert_eq!(line["span_id"], hex(&span.span_id));

    let logged = plimsoll.process.logged();
    assert_eq!(plimsoll.ask(&path(false)).status, 403);
    let line = plimsoll.wait_for(message, logged);
    assert_eq!(line["trace_id"], trace_id(6), "also where nothing is recorded");
    assert_eq!(line["span_id"], "b7ad6b7169203336");
}

fn post(plimsoll: &Plimsoll, path: &str, body: &Value, trace: u8) -> Value {
    let request = Request::post(path, body.to_string())
        .header("content-type", "application/json")
        .header("traceparent", traceparent(trace, true));
    let answer = plimsoll.ask(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn reports_authzen_and_reloads_have_spans() {
    let mut collector = Collector::start();
    let plimsoll = serve(&otlp(&collector));

    let reload = collector.next_span();
    assert_eq!(reload.name, "plimsoll.policy.reload");
    assert_eq!(reload.kind(), SpanKind::Internal);
    assert_eq!(of(&reload, "plimsoll.policy.errors").as_deref(), Some("0"));

    let report =
        |signal: &str| json!({"entity": {"type": "user", "id": "u1"}, "signals": {signal: 1}});
    let reports = json!({"reports": [report("alarms"), report("alarmz")]});
    post(&plimsoll, "/v1/signals", &reports, 1);
    let span = collector.next_span();
    assert_eq!(span.name, "POST /v1/signals");
    assert_continues(&span, 1);
    assert_eq!(of(&span, "plimsoll.signals.accepted").as_deref(), Some("1"));
    assert_eq!(of(&span, "plimsoll.signals.rejected").as_deref(), Some("1"));

    let question = json!({
        "subject": {"type": "user", "id": "u1"},
        "action": {"name": "read"},
        "resource": {"type": "page", "id": "p"},
    });
    post(&plimsoll, "/access/v1/evaluation", &question, 2);
    let span = collector.next_span();
    assert_eq!(span.name, "POST /access/v1/evaluation");
    assert_continues(&span, 2);
    assert_eq!(of(&span, "plimsoll.score").as_deref(), Some("10"));

    let mut batch = question;
    batch["evaluations"] = json!([{}, {}]);
    post(&plimsoll, "/access/v1/evaluations", &batch, 3);
    for _ in 0..2 {
        let span = collector.next_span();
        assert_eq!((&*span.name, span.kind()), ("plimsoll.decide", SpanKind::Internal));
        assert_continues(&span, 3);
    }

    let text = plimsoll.text_of("session.yaml");
    plimsoll.put("session.yaml", &text.replace("user.alarms", "user.alarmz"));
    let span = collector.next_span();
    assert_eq!(span.name, "plimsoll.policy.reload");
    assert_eq!(of(&span, "error.type").as_deref(), Some("refused"));
    assert_eq!(of(&span, "plimsoll.policy.errors").as_deref(), Some("1"));
}

#[test]
fn the_native_api_continues_a_trace_and_the_resource_says_who_exports() {
    let collector = Collector::start();
    let plimsoll = serve(&otlp(&collector));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut call = tonic::Request::new(plimsoll::proto::EvaluateRequest {
        policy: "strict".to_owned(),
        ..Default::default()
    });
    call.metadata_mut().insert("traceparent", traceparent(7, true).parse().unwrap());
    runtime.block_on(async {
        let url = format!("http://{}", plimsoll.grpc);
        let channel = tonic::transport::Endpoint::new(url).unwrap().connect().await.unwrap();
        let mut client =
            plimsoll::proto::decision_service_client::DecisionServiceClient::new(channel);
        // Whether it is answered or refused for want of a subject: there is a span.
        let _answer = client.evaluate(call).await;
    });
    let (span, resource) = collector.wait_for("the span", |received| match received {
        Received::Spans { spans, resource } => spans
            .into_iter()
            .find(|span| span.name == "plimsoll.v1.DecisionService/Evaluate")
            .map(|span| (span, resource)),
        Received::Metrics(_) => None,
    });
    assert_continues(&span, 7);
    for (key, value) in [
        ("service.name", "plimsoll"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("deployment.environment.name", "test"),
    ] {
        assert_eq!(attribute(&resource, key).as_deref(), Some(value));
    }
}

#[test]
fn what_is_left_is_sent_when_the_process_ends() {
    let mut collector = Collector::start();
    let mut plimsoll = serve(&otlp(&collector));
    let mut caller = Caller::of(&plimsoll);
    for trace in 1..=9 {
        caller.check(&[("traceparent", &traceparent(trace, true))], &[]);
    }
    plimsoll.process.signal(rustix::process::Signal::TERM);
    drop(caller);
    assert!(plimsoll.process.wait_for_end().success());
    for trace in 1..=9 {
        assert_continues(&collector.next_named(CHECK), trace);
    }
}
