//! Evaluation allocates nothing once its output has grown to the snapshot's size, and
//! a check none more for being traced.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use plimsoll::api::check::EnvoyChecker;
use plimsoll::api::ext_authz::Checker as _;
use plimsoll::api::identity::Identity;
use plimsoll::api::pdp::{Pdp, Published};
use plimsoll::config::IdentityConfig;
use plimsoll::engine::{Evaluation, evaluate};
use plimsoll::model::{
    Entities, Http, Party, Reading, SlotId, Timestamp, Type, Value, View, Vocabulary,
};
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::signals::{
    Cache, Feeds, Lifts, Limits, Observations, Secrets, Sources, Summary, kinds_of, look_up,
};
use plimsoll::telemetry::{DecisionMetrics, Traces};
use prost::Message as _;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "only a global allocator sees every allocation")]
// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends may allocate after its locals are gone.
        let _gone = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn evaluation_allocates_nothing() {
    let set = SourceSet::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"));
    let (snapshot, diagnostics) = compile(&set, &Vocabulary::new());
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    assert_eq!(snapshot.policies.len(), 5, "all five policies are measured");
    let now = Timestamp::from_millis(1_780_304_400_000);
    let mut evaluation = Evaluation::new();
    for name in snapshot.by_name.values() {
        for known in [true, false] {
            let mut view = View::new(snapshot.slots.len(), now, known);
            for (at, slot) in snapshot.slots.iter().enumerate().filter(|_| known) {
                let value = match slot.ty {
                    Type::Bool => Value::Bool(true),
                    Type::Number => Value::Number(7.0),
                    Type::Text | Type::Any => Value::Text("x"),
                    Type::Timestamp => Value::Timestamp(Timestamp::EPOCH),
                    _ => Value::Missing,
                };
                view.fill(SlotId(u32::try_from(at).unwrap()), Reading::from(value));
            }
            // Regular expressions and outcomes make their buffers on first use.
            evaluate(&snapshot, *name, &mut view, &mut evaluation);
            let before = ALLOCATIONS.get();
            evaluate(&snapshot, *name, &mut view, &mut evaluation);
            assert_eq!(ALLOCATIONS.get() - before, 0, "{name:?}, all known: {known}");
        }
    }
}

const RARITY: &str = r#"
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  factors: {unlike: {value: rarity(user)}}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: all, when: 'score >= 0', decision: allow}
"#;

#[test]
fn holding_a_context_against_what_is_known_allocates_nothing() {
    let vocabulary = Vocabulary::new();
    let (snapshot, _) = compile(&SourceSet::from_memory([("p.yaml", RARITY)]), &vocabulary);
    let snapshot = snapshot.unwrap();
    let (kind, measure) = snapshot.slots.iter().find_map(|slot| slot.source.measure()).unwrap();
    let now = Timestamp::from_millis(1_780_304_400_000);
    let cache = Cache::new(Limits::default(), Secrets::random().unwrap());
    let lifts = Lifts { weights: [30.0; 7], values: (1..15).map(|n| (n, 4.0)).collect() };
    cache
        .update(kind, "u1", now, |r| r.summarise(measure, &Summary::Context(lifts.into())))
        .unwrap();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 ".repeat(9);
    let headers = [("user-agent", agent.as_str())];
    let mut request = plimsoll::model::Request {
        now,
        subject: Party::default(),
        action: "read",
        resource: Party::default(),
        http: Some(Http { headers: &headers, ..Http::default() }),
        entities: Entities::default(),
        address: Some("2001:db8::7".parse().unwrap()),
        properties: &[],
        enforces_limits: false,
    };
    request.entities.set(kind, "u1");
    let (feeds, arena) = (Feeds::new(Vec::new(), None).load(), bumpalo::Bump::new());
    let reads = &snapshot.policies[0].reads;
    let records = cache.fetch(&request.entities, kinds_of(&snapshot.slots, reads), now);
    let sources = Sources { cache: &cache, records: &records, feeds: &feeds, arena: &arena };
    let mut view = View::new(snapshot.slots.len(), now, false);
    let before = ALLOCATIONS.get();
    look_up(&snapshot.slots, reads, &request, &[], &sources, &mut view);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    let rarity = snapshot.slots.iter().position(|slot| &*slot.name == "rarity(user)").unwrap();
    let reading = view.read(SlotId(u32::try_from(rarity).unwrap()));
    assert!(matches!(reading.value, Value::Number(x) if x > 0.9), "{reading:?}");
}

const POLICY: &str = r#"
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: session}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  factors:
    asked: {value: 'request.headers["x-risk"]', curve: {map: {low: 0.1, else: 0.9}}}
levels: {low: {from: 0}, high: {from: 50}}
rules:
  - {name: all, when: 'score >= 0', decision: allow}
"#;

fn checker(traces: Traces) -> (EnvoyChecker, Arc<Traces>) {
    let vocabulary = Arc::new(Vocabulary::new());
    let set = SourceSet::from_memory([("policy.yaml", POLICY)]);
    let (snapshot, diagnostics) = compile(&set, &vocabulary);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
    let metrics = Arc::new(DecisionMetrics::default());
    let published = Published::new(snapshot, Arc::new(Feeds::new(Vec::new(), None)), &metrics);
    let identity = Identity::new(&IdentityConfig::default(), &vocabulary).unwrap();
    let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
    let observations = Arc::new(Observations::new(8));
    let traces = Arc::new(traces);
    let pdp = Pdp::new(cache, vocabulary, metrics, observations, "session");
    let pdp = pdp.traced(Arc::clone(&traces));
    pdp.publish(Arc::new(published));
    (EnvoyChecker::new(Arc::new(pdp), identity, Vec::new()), traces)
}

/// Allocations of one check whose request has this `traceparent`, and the call that as well.
fn check(checker: &EnvoyChecker, traceparent: Option<&str>) -> u64 {
    let headers = [("x-risk", Some("low")), ("traceparent", traceparent)];
    let headers = headers.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?.to_owned())));
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        headers: headers.collect(),
        ..HttpRequest::default()
    };
    let request = Request { http: Some(http), ..Request::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    let message = CheckRequest { attributes: Some(attributes) }.encode_to_vec();
    let mut metadata = http::HeaderMap::new();
    if let Some(traceparent) = traceparent {
        metadata.insert("traceparent", traceparent.parse().unwrap());
    }
    let mut answer = BytesMut::with_capacity(4096);
    let before = ALLOCATIONS.get();
    let parent = checker.parent(&metadata);
    checker.check_traced(&message, parent, &mut answer).unwrap();
    checker.check(&message, &mut answer).unwrap();
    ALLOCATIONS.get() - before
}

#[test]
fn a_traced_check_allocates_no_more_than_any() {
    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let (plain, _) = checker(Traces::default());
    let (traced, traces) = checker(Traces::recording(8, 0.0));
    // The thread's arena and evaluation grow on first use.
    check(&plain, Some(SAMPLED));
    check(&traced, Some(SAMPLED));
    assert_eq!(traces.waiting(), 2, "by the call's metadata, and by the request's header");
    for traceparent in [None, Some(UNSAMPLED), Some(SAMPLED)] {
        let (without, with) = (check(&plain, traceparent), check(&traced, traceparent));
        assert_eq!(with, without, "{traceparent:?}");
    }
    assert_eq!(traces.waiting(), 4);
    // Where the queue is full, too.
    for _ in 0..8 {
        assert_eq!(check(&traced, Some(SAMPLED)), check(&plain, Some(SAMPLED)));
    }
    assert_eq!((traces.waiting(), traces.dropped()), (8, 12));
}
