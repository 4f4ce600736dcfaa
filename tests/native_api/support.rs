//! A server in this process, on a port that the system gives out.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use bytes::BytesMut;
use plimsoll::api::ext_authz::{CheckService, Checker, Front};
use plimsoll::api::grpc_routes;
use plimsoll::api::health::{Readiness, Stage};
use plimsoll::api::identity::PassedOn;
use plimsoll::api::pdp::{Pdp, Published};
use plimsoll::api::transport::{Listen, Listeners, Options, Server};
use plimsoll::learn::{self, Bounds, Learner};
use plimsoll::model::Vocabulary;
use plimsoll::policy::compile::compile;
use plimsoll::policy::source::SourceSet;
use plimsoll::proto::decision_service_client::DecisionServiceClient;
use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::signals::{Cache, Feeds, Limits, Observations, Secrets};
use plimsoll::telemetry::DecisionMetrics;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

pub const PATIENCE: Duration = Duration::from_secs(30);

const CATALOG: &str = r"
apiVersion: plimsoll/v1
kind: Catalog
entities: {user: {}, device: {}, session: {}, address: {}}
signals:
  user.auth_count: {type: counter}
  user.role: {type: enum, values: [member, admin]}
  user.seen_at: {type: timestamp}
  user.home: {type: location}
  user.groups: {type: set}
  user.span: {type: duration}
  user.note: {type: string}
  device.managed: {type: bool}
  address.reports: {type: number}
context:
  amount: number
";

const POLICY: &str = r#"
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: main}
score:
  range: [0, 100]
  direction: trust
  precision: 1
  dimensions:
    person:
      weight: 60
      factors:
        habit:
          value: user.auth_count
          curve: {linear: {to: 90}}
          weight: 1
          missing: worst
          reason: {user: "Seldom seen", admin: "Seen {value} times"}
    machine:
      weight: 40
      factors:
        managed: {value: device.managed, weight: 1, missing: worst, reason: {admin: "Not managed"}}
  adjustments:
    - {name: reported, when: "address.reports > 3", unknown: skip, no_better_than: 20, reason: {user: "Bad address"}}
levels: {low: {from: 0}, mid: {from: 40}, high: {from: 80}}
rules:
  - name: known_actions
    when: 'action.name in ["read", "pay", "export"]'
    decision: allow
    headers: {x-level: level, x-note: user.note, x-count: user.auth_count}
    token: {claims: {lvl: level, trust: score, count: user.auth_count}}
  - {name: exporting, when: 'action.name == "export"', decision: restrict, limits: [read_only, watermark]}
  - {name: paying, when: 'action.name == "pay" && score < 90', decision: step_up, acr: [gold, silver], amr: [hwk], max_age: 5m, reason: {user: "Please confirm"}}
  - {name: large, when: 'action.name == "pay" && context.amount > 1000', unknown: skip, decision: deny, review: true, incident: {severity: high}, reason: {user: "Too much", admin: "Too much at {score}"}}
  - {name: strict_pay, when: 'action.name == "pay"', decision: deny, mode: shadow}
---
apiVersion: plimsoll/v1
kind: TrustPolicy
metadata: {name: stern}
shadow_of: main
score:
  range: [0, 1]
  direction: risk
  factors:
    habit: {value: user.auth_count, curve: {linear: {from: 100, to: 0}}, weight: 1, missing: worst}
levels: {fine: {from: 0}, grim: {from: 0.5}}
rules:
  - {name: fine, when: score < 0.5, decision: allow}
"#;

/// Nobody checks here.
struct Nobody;

impl Checker for Nobody {
    fn check(&self, _: &[u8], _: &mut BytesMut) -> Result<(), Status> {
        Err(Status::unimplemented("not here"))
    }

    fn deny_oversized(&self, _: &mut BytesMut) -> Result<(), Status> {
        Err(Status::unimplemented("not here"))
    }
}

pub struct House {
    pub pdp: Arc<Pdp>,
    pub readiness: Readiness,
    server: Server,
    /// The learner ends with it.
    _learning: Sender<()>,
}

pub fn pdp() -> Arc<Pdp> {
    let cache = Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap()));
    let observations = Arc::new(Observations::new(16));
    let metrics = Arc::new(DecisionMetrics::default());
    Arc::new(Pdp::new(cache, Arc::new(Vocabulary::new()), metrics, observations, "main"))
}

/// Compiles and publishes the policies above.
pub fn publish(pdp: &Pdp) {
    let set = SourceSet::from_memory([("catalog.yaml", CATALOG), ("policy.yaml", POLICY)]);
    let (snapshot, diagnostics) = compile(&set, &pdp.vocabulary);
    let snapshot = snapshot.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let feeds = Arc::new(Feeds::new(Vec::new(), None));
    pdp.publish(Arc::new(Published::new(snapshot, feeds, &pdp.metrics)));
}

impl House {
    /// A server with the policies loaded.
    pub fn open() -> Self {
        let house = Self::empty();
        publish(&house.pdp);
        house.readiness.set(Stage::Ready);
        house
    }

    /// A server without policies.
    pub fn empty() -> Self {
        let (pdp, readiness) = (pdp(), Readiness::new());
        let routes = grpc_routes(&pdp, &readiness, PassedOn::default()).unwrap();
        let front = Front::new(CheckService::new(Arc::new(Nobody), 1024), routes);
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let options = Options { workers: 1, ..Options::default() };
        let server = listeners.serve(front, options).unwrap();
        let (learning, stop) = std::sync::mpsc::channel();
        let learner = Learner::new(Arc::clone(&pdp.cache), Bounds::default(), 1);
        let observations = Arc::clone(&pdp.observations);
        std::thread::spawn(move || learn::run(learner, &observations, || None, |_| (), &stop));
        House { pdp, readiness, server, _learning: learning }
    }

    pub fn url(&self) -> String {
        let Listen::Tcp(address) = &self.server.addresses()[0] else { panic!("no TCP") };
        format!("http://{address}")
    }

    pub async fn channel(&self) -> Channel {
        Endpoint::new(self.url()).unwrap().connect().await.unwrap()
    }

    pub async fn decisions(&self) -> DecisionServiceClient<Channel> {
        DecisionServiceClient::new(self.channel().await)
    }

    pub async fn signals(&self) -> SignalServiceClient<Channel> {
        SignalServiceClient::new(self.channel().await)
    }

    /// Stops it as `app` does; returns how many connections were overrun.
    pub async fn drain(self) -> usize {
        self.readiness.set(Stage::Draining);
        tokio::task::spawn_blocking(move || self.server.shutdown(PATIENCE)).await.unwrap()
    }
}
