//! Behind the real Envoy, with and without spans of its own.

use serde_json::{Value, json};

use super::collector::{Collector, Received, TOKEN, attribute, hex};
use super::support::client::Request;
use super::support::envoy::Options;
use super::support::house::House;
use super::traces::CHECK;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

fn settings(collector: &Collector) -> Value {
    let headers = json!({"authorization": TOKEN});
    let otlp = json!({"endpoint": collector.endpoint, "metrics": false, "headers": headers});
    json!({"telemetry": {"otlp": otlp}})
}

fn request() -> Request {
    Request::get("/").header("traceparent", format!("00-{TRACE}-{CLIENT}-01"))
}

#[test]
fn a_clients_trace_goes_through_an_envoy_that_traces_nothing() {
    let mut collector = Collector::start();
    let house = House::configured(&Options::default(), &settings(&collector));
    assert_eq!(house.send(&request()).status, 200);
    let span = collector.next_named(CHECK);
    assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE, CLIENT));
}

#[test]
fn a_check_is_a_child_of_envoys_own_call() {
    let collector = Collector::start();
    let address = collector.endpoint.trim_start_matches("http://").parse().unwrap();
    let options = Options { traces_to: Some(address), ..Options::default() };
    let house = House::configured(&options, &settings(&collector));
    assert_eq!(house.send(&request()).status, 200);
    let (mut ours, mut envoys) = (None, Vec::new());
    let (ours, parent) = collector.wait_for("Envoy's span and ours", |received| {
        if let Received::Spans { spans, resource } = received {
            match attribute(&resource, "service.name").as_deref() {
                Some("plimsoll") => {
                    ours = ours.take().or_else(|| spans.into_iter().find(|s| s.name == CHECK));
                }
                Some("envoy") => envoys.extend(spans),
                other => panic!("{other:?}"),
            }
        }
        let ours = ours.clone()?;
        let parent = envoys.iter().find(|span| span.span_id == ours.parent_span_id)?;
        Some((ours, parent.clone()))
    });
    assert_eq!(hex(&ours.trace_id), TRACE);
    assert_eq!(parent.trace_id, ours.trace_id);
    assert!(parent.name.contains("ext_authz") || parent.name.contains("Check"), "{parent:?}");
}
