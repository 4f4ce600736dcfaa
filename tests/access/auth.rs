//! A whole Plimsoll with `auth`, asked as callers ask.

use std::path::PathBuf;

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use plimsoll::api::transport::Listen;
use plimsoll::app::App;
use plimsoll::config::{AuthConfig, CallerConfig, Config, DataConfig, Permission};
use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::proto::{Entity, ForgetRequest, ReportRequest};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::processes::tokens;
use super::support::{Authority, Files, channel};

pub fn config() -> Config {
    let policies = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut config = Config { policies, data: DataConfig::Memory, ..Config::default() };
    config.listen.grpc = "127.0.0.1:0".to_owned();
    config.listen.http = "127.0.0.1:0".to_owned();
    config.server.workers = 1;
    config
}

pub async fn plain(address: &Listen) -> Channel {
    let endpoint = tonic::transport::Endpoint::new(format!("http://{address}")).unwrap();
    endpoint.connect().await.unwrap()
}

async fn check(channel: Channel) -> Result<(), Status> {
    AuthorizationClient::new(channel).check(CheckRequest::default()).await.map(drop)
}

fn with_token<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

async fn report(channel: Channel, token: Option<&str>) -> Option<Code> {
    let request = with_token(ReportRequest::default(), token);
    SignalServiceClient::new(channel).report(request).await.err().map(|status| status.code())
}

async fn forget(channel: Channel, token: Option<&str>) -> Option<Code> {
    let entity = Some(Entity { r#type: "user".to_owned(), id: "u1".to_owned() });
    let request = with_token(ForgetRequest { entity }, token);
    SignalServiceClient::new(channel).forget(request).await.err().map(|status| status.code())
}

pub async fn stop(app: App) {
    tokio::task::spawn_blocking(move || app.shutdown()).await.unwrap();
}

#[test]
fn an_open_port_without_auth_is_refused_with_the_lines_that_mend_it() {
    for (key, address) in [("grpc", "0.0.0.0:0"), ("http", "[::]:0"), ("http", "0.0.0.0:9192")] {
        let mut config = config();
        match key {
            "grpc" => config.listen.grpc = address.to_owned(),
            _ => config.listen.http = address.to_owned(),
        }
        let error = App::start(&config).unwrap_err().to_string();
        for part in [&*format!("`listen.{key}`"), address, "127.0.0.1:", "auth:", "tokens:"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        config.auth = Some(AuthConfig::default());
        if !address.ends_with(":9192") {
            App::start(&config).unwrap();
        }
    }
}

#[tokio::test]
async fn tokens_open_what_their_lines_say() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = tokens::write(
        folder.path(),
        &[("feed", "secret", "report"), ("root", "other", "admin,report")],
    );
    let mut config = config();
    config.auth = Some(AuthConfig { tokens: Some(tokens), ..AuthConfig::default() });
    let app = App::start(&config).unwrap();
    let address = app.grpc_address().unwrap().clone();
    let channel = plain(&address).await;

    assert!(check(channel.clone()).await.is_ok(), "a proxy on this machine may decide");
    assert_eq!(report(channel.clone(), None).await, Some(Code::Unauthenticated));
    assert_eq!(report(channel.clone(), Some("wrong")).await, Some(Code::Unauthenticated));
    assert_eq!(report(channel.clone(), Some("secret")).await, None);
    assert_eq!(forget(channel.clone(), Some("secret")).await, Some(Code::PermissionDenied));
    assert_eq!(forget(channel.clone(), Some("other")).await, None);
    drop(channel);

    let base = format!("http://{}", app.http_address().unwrap());
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let post = |token: Option<&str>| {
            let mut request =
                agent.post(format!("{base}/v1/signals")).content_type("application/json");
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let mut response = request.send(r#"{"reports": []}"#).unwrap();
            let kind = response.headers().get("content-type").cloned().unwrap();
            let challenge = response.headers().get("www-authenticate").cloned();
            let body = response.body_mut().read_to_string().unwrap();
            (response.status().as_u16(), kind, challenge, body)
        };
        let (status, kind, challenge, body) = post(None);
        assert_eq!((status, kind.to_str().unwrap()), (401, "application/problem+json"));
        assert_eq!(challenge.unwrap(), "Bearer");
        assert!(body.contains("`report`"), "{body}");
        assert_eq!(post(Some("wrong")).0, 401);
        assert_eq!(post(Some("secret")).0, 200);
        for open in ["/live", "/ready", "/status"] {
            assert_eq!(agent.get(format!("{base}{open}")).call().unwrap().status(), 200, "{open}");
        }
        let metrics = agent.get(format!("{base}/metrics")).call().unwrap();
        metrics.into_body().read_to_string().unwrap()
    });
    let metrics = asked.await.unwrap();
    let counted = r#"plimsoll_refused_requests_total{cause="permission_denied"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    stop(app).await;
}

#[tokio::test]
async fn certificates_open_what_their_names_may() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue(&["localhost"]), Some(&authority.cert));
    let mut config = config();
    config.tls = Some(files.config());
    let may = |name: &str, permission| CallerConfig {
        name: name.to_owned(),
        permissions: vec![permission],
    };
    config.auth = Some(AuthConfig {
        callers: vec![
            may("spiffe://test/envoy/*", Permission::Decide),
            may("feed.test", Permission::Report),
        ],
        tokens: None,
        jwt: None,
        local: Vec::new(),
    });
    let app = App::start(&config).unwrap();
    let address = app.grpc_address().unwrap().clone();
    let open = async |name: &str| {
        let pair = authority.issue(&[name]);
        channel(&address, &authority, Some(&pair)).await.unwrap()
    };
    let envoy = open("spiffe://test/envoy/edge").await;
    assert!(check(envoy.clone()).await.is_ok());
    assert_eq!(report(envoy, None).await, Some(Code::PermissionDenied));
    let feed = open("feed.test").await;
    let denied = check(feed.clone()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert!(denied.message().contains("`decide`") && denied.message().contains("feed.test"));
    assert_eq!(report(feed, None).await, None);
    stop(app).await;
}
