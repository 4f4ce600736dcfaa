//! A decision point in this process, whose answers show what its rules have seen.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use plimsoll::api::authzen::authzen_router;
use plimsoll::api::forward_auth::{ForwardAuth, forward_auth_router};
use plimsoll::api::identity::{Identity, PassedOn};
use plimsoll::api::pdp::{Pdp, Published};
use plimsoll::config::{AnswerHeader, IdentityConfig};
use plimsoll::model::Vocabulary;
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::signals::{Cache, Feeds, Limits, Observations, Secrets};
use plimsoll::telemetry::DecisionMetrics;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const POLICY: &str = r#"
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}, address: {}}
context: {amount: number}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: main}
score:
  range: [0, 100]
  direction: risk
  missing: 0
  factors:
    nothing: {value: 'request.headers["x-score"]', curve: {map: {some: 0.5, else: 0}}, reason: {admin: "{value}"}}
levels: {low: {from: 0}, high: {from: 90}}
rules:
  - name: reads
    when: 'action.name in ["read", "GET"]'
    decision: allow
    headers: {x-path: request.path, x-user: user.id, x-address: address.ip}
  - {name: large, when: 'context.amount > 100', unknown: skip, decision: deny}
  - {name: risky, when: 'request.headers["x-risk"].contains("high")', unknown: skip, decision: deny}
"#;

pub struct House {
    router: Router,
    runtime: Runtime,
}

impl House {
    pub fn open() -> Self {
        let vocabulary = Arc::new(Vocabulary::new());
        let set = SourceSet::from_memory([("policy.yaml", POLICY)]);
        let (snapshot, diagnostics) = compile(&set, &vocabulary);
        let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
        let metrics = Arc::new(DecisionMetrics::default());
        let published = Published::new(snapshot, Arc::new(Feeds::new(Vec::new(), None)), &metrics);
        let identity: IdentityConfig = serde_json::from_value(serde_json::json!({
            "user": [{"header": "x-login"}],
            "address": [{"connection": {}}],
        }))
        .unwrap();
        let identity = Identity::new(&identity, &vocabulary).unwrap();
        let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
        // Nobody learns here: what a queue can't take is dropped.
        let observations = Arc::new(Observations::new(1));
        let pdp = Arc::new(Pdp::new(cache, vocabulary, metrics, observations, "main"));
        pdp.publish(Arc::new(published));
        let forward_auth = ForwardAuth {
            pdp: Arc::clone(&pdp),
            identity,
            headers: vec![AnswerHeader::Decision],
            enforces_limits: false,
        };
        let router =
            authzen_router(pdp, PassedOn::default(), None).merge(forward_auth_router(forward_auth));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        House { router, runtime }
    }

    /// Asks as over HTTP, from the decoded head on.
    pub fn send(&self, request: Request<Body>) -> (u16, HeaderMap, Vec<u8>) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            (head.status.as_u16(), head.headers, body)
        })
    }
}
