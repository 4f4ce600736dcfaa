//! Every way in which a policy folder changes, each within a second.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/process.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod process;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use plimsoll::api::pdp::Pdp;
use plimsoll::app::App;
use plimsoll::config::{Config, DataConfig};
use plimsoll::model::Vocabulary;
use plimsoll::policy::publisher::Publisher;
use plimsoll::policy::source::SourceSet;
use plimsoll::proto::decision_service_client::DecisionServiceClient;
use plimsoll::proto::{Action, Decision, EvaluateRequest, EvaluateResponse, Party};
use plimsoll::signals::{Cache, Limits, Observations, Secrets};
use plimsoll::telemetry::DecisionMetrics;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// How long the tests of other rooms wait too.
const PATIENCE: Duration = Duration::from_secs(30);

/// A policy that always decides so.
fn policy(name: &str, decision: &str) -> String {
    format!(
        "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {{name: {name}}}\n\
         score: {{range: [0, 1], direction: trust, missing: 0, factors: {{a: {{value: 1, curve: {{linear: {{to: 1}}}}}}}}}}\n\
         levels: {{any: {{from: 0}}}}\n\
         rules: [{{name: all, when: \"true\", decision: {decision}}}]\n"
    )
}

struct Served {
    app: App,
    client: DecisionServiceClient<Channel>,
    runtime: Runtime,
    /// May not be there yet.
    policies: PathBuf,
    folder: TempDir,
}

impl Served {
    /// Serves a folder that `fill` has made, or has not.
    fn new(fill: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::new().unwrap();
        let policies = folder.path().join("policies");
        fill(&policies);
        let mut config =
            Config { policies: policies.clone(), data: DataConfig::Memory, ..Config::default() };
        config.listen.grpc = "127.0.0.1:0".to_owned();
        config.listen.http = "127.0.0.1:0".to_owned();
        config.server.workers = 1;
        let app = App::start(&config).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = format!("http://{}", app.grpc_address().unwrap());
        let client = runtime.block_on(DecisionServiceClient::connect(address)).unwrap();
        Served { app, client, runtime, policies, folder }
    }

    fn with_one_policy() -> Self {
        Self::new(|folder| {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("session.yaml"), policy("session", "allow")).unwrap();
        })
    }

    fn ask(&mut self, policy: &str) -> Result<EvaluateResponse, Status> {
        let request = EvaluateRequest {
            subject: Some(Party { r#type: "user".into(), id: "u1".into(), properties: None }),
            action: Some(Action { name: "read".into(), properties: None }),
            resource: Some(Party { r#type: "file".into(), id: "f1".into(), properties: None }),
            policy: policy.to_owned(),
            ..EvaluateRequest::default()
        };
        self.runtime.block_on(self.client.evaluate(request)).map(tonic::Response::into_inner)
    }

    /// Asks until the answer is such.
    fn until(
        &mut self,
        policy: &str,
        is_so: impl Fn(&Result<EvaluateResponse, Status>) -> bool,
    ) -> Result<EvaluateResponse, Status> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(policy);
            if is_so(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "it is still {answer:?}");
        }
    }

    /// The folder as it is now decides so, and every decision names its revision.
    fn comes_to_decide(&mut self, policy: &str, decision: Decision) {
        let answer = self.until(policy, |answer| {
            answer.as_ref().is_ok_and(|answer| answer.decision() == decision)
        });
        let revision = SourceSet::read(&self.policies).revision;
        assert_eq!(answer.unwrap().policy.unwrap().revision, revision);
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.policies.join(name), text).unwrap();
    }
}

#[test]
fn an_edit_in_place() {
    let mut served = Served::with_one_policy();
    served.comes_to_decide("", Decision::Allow);
    served.write("session.yaml", &policy("session", "deny"));
    served.comes_to_decide("", Decision::Deny);
}

#[test]
fn an_editors_rename() {
    let mut served = Served::with_one_policy();
    let beside = served.policies.join(".session.yaml.swp");
    fs::write(&beside, policy("session", "deny")).unwrap();
    fs::rename(beside, served.policies.join("session.yaml")).unwrap();
    served.comes_to_decide("", Decision::Deny);
}

/// As the kubelet does it: files are links through `..data`, which is swapped.
#[test]
fn a_config_maps_swapped_link() {
    let version = |folder: &Path, name: &str, decision: &str| {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("session.yaml"), policy("session", decision)).unwrap();
    };
    let mut served = Served::new(|folder| {
        fs::create_dir(folder).unwrap();
        version(folder, "..2026_01", "allow");
        symlink("..2026_01", folder.join("..data")).unwrap();
        symlink("..data/session.yaml", folder.join("session.yaml")).unwrap();
    });
    served.comes_to_decide("", Decision::Allow);
    version(&served.policies, "..2026_02", "deny");
    symlink("..2026_02", served.policies.join("..data_tmp")).unwrap();
    fs::rename(served.policies.join("..data_tmp"), served.policies.join("..data")).unwrap();
    fs::remove_dir_all(served.policies.join("..2026_01")).unwrap();
    served.comes_to_decide("", Decision::Deny);
}

#[test]
fn a_file_that_comes_and_goes() {
    let mut served = Served::with_one_policy();
    assert_eq!(served.ask("extra").unwrap_err().code(), Code::NotFound);
    served.write("extra.yaml", &policy("extra", "allow"));
    served.comes_to_decide("extra", Decision::Allow);
    fs::remove_file(served.policies.join("extra.yaml")).unwrap();
    let gone = served.until("extra", Result::is_err).unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "{gone:?}");
    served.comes_to_decide("", Decision::Allow);
}

#[test]
fn a_file_below_a_folder_that_is_new() {
    let mut served = Served::with_one_policy();
    fs::create_dir_all(served.policies.join("team/a")).unwrap();
    served.write("team/a/extra.yaml", &policy("extra", "deny"));
    served.comes_to_decide("extra", Decision::Deny);
}

#[test]
fn a_folder_that_comes_later() {
    let mut served = Served::new(|_| {});
    assert_eq!(served.ask("").unwrap_err().code(), Code::Unavailable);
    assert!(!served.app.readiness.is_ready());
    let beside = served.folder.path().join("beside");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("session.yaml"), policy("session", "allow")).unwrap();
    fs::rename(&beside, &served.policies).unwrap();
    served.comes_to_decide("", Decision::Allow);
    let deadline = Instant::now() + PATIENCE;
    while !served.app.readiness.is_ready() {
        assert!(Instant::now() < deadline, "it decides, and is not ready");
    }
}

/// Nothing left to decide by is a mistake, not a wish.
#[test]
fn a_folder_that_is_taken_away_changes_nothing() {
    let mut served = Served::with_one_policy();
    let revision = served.ask("").unwrap().policy.unwrap().revision;
    fs::remove_dir_all(&served.policies).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while served.app.publisher.state().refused.is_none() {
        assert!(Instant::now() < deadline, "it is not noticed");
    }
    let answer = served.ask("").unwrap();
    assert_eq!(answer.decision(), Decision::Allow);
    assert_eq!(answer.policy.unwrap().revision, revision);
}

#[test]
fn an_edit_with_a_mistake_is_kept_out_and_told_as_check_tells_it() {
    let mut served = Served::with_one_policy();
    let good = served.ask("").unwrap().policy.unwrap().revision;
    served.write("session.yaml", &policy("session", "denny"));
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        if let Some(refused) = served.app.publisher.state().refused {
            break refused;
        }
        assert!(Instant::now() < deadline, "it is not noticed");
    };
    let mut check = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    check.arg("check").arg(&served.policies);
    let (status, _, told) = process::run(&mut check, PATIENCE);
    assert!(!status.success());
    assert_eq!(refused.text.trim(), told.trim());
    assert!(told.contains("deny"), "it suggests what is meant: {told}");
    assert_eq!(refused.revision, SourceSet::read(&served.policies).revision);
    assert_eq!(served.ask("").unwrap().policy.unwrap().revision, good);
    // As before, byte for byte.
    served.write("session.yaml", &policy("session", "allow"));
    let deadline = Instant::now() + PATIENCE;
    while served.app.publisher.state().refused.is_some() {
        assert!(Instant::now() < deadline, "it is still refused");
    }
    assert_eq!(served.ask("").unwrap().policy.unwrap().revision, good);
}

/// Between the first load and the first look lies time in which files change.
#[test]
fn an_edit_before_watching_begins() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("session.yaml");
    fs::write(&file, policy("session", "allow")).unwrap();
    let pdp = Arc::new(Pdp::new(
        Arc::new(Cache::new(Limits::default(), Secrets::random().unwrap())),
        Arc::new(Vocabulary::new()),
        Arc::new(DecisionMetrics::default()),
        Arc::new(Observations::new(1)),
        "session",
    ));
    let publisher = Publisher::new(folder.path().to_owned(), pdp);
    assert!(publisher.load());
    fs::write(&file, policy("session", "deny")).unwrap();
    let revision = SourceSet::read(folder.path()).revision;
    let (stop, stopped) = channel();
    let (published, seen) = channel();
    std::thread::scope(|scope| {
        let publisher = &publisher;
        scope.spawn(move || publisher.watch(&stopped, || published.send(()).unwrap()));
        seen.recv_timeout(PATIENCE).unwrap();
        assert_eq!(publisher.state().revision.as_deref(), Some(&*revision));
        drop(stop);
    });
}
