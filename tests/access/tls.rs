use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use plimsoll::api::ext_authz::{CheckService, Checker, Front};
use plimsoll::api::health::{HealthService, Readiness, Stage};
use plimsoll::api::http::HttpServer;
use plimsoll::api::transport::{Listen, Listeners, Options, Server, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Status;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;

use super::support::{Authority, Files, channel, shake_hands};

struct Nobody;

impl Checker for Nobody {
    fn check(&self, _: &[u8], _: &mut BytesMut) -> Result<(), Status> {
        Err(Status::unimplemented("not here"))
    }
}

struct House {
    tls: Arc<Tls>,
    readiness: Readiness,
    server: Server,
}

impl House {
    fn open(files: &Files) -> Self {
        let tls = Arc::new(Tls::new(&files.config()).unwrap());
        let readiness = Readiness::new();
        let health = HealthService::new(readiness.clone(), &[]);
        let routes = Routes::new(HealthServer::new(health));
        let front = Front::new(CheckService::new(Arc::new(Nobody), 1024), routes);
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let options = Options { workers: 1, ..Options::default() };
        let server = listeners.secured(Some(Arc::clone(&tls))).serve(front, options).unwrap();
        House { tls, readiness, server }
    }

    fn address(&self) -> &Listen {
        &self.server.addresses()[0]
    }

    /// Two looks must agree before a change is taken up.
    fn look(&self) {
        self.tls.renew().look();
        self.tls.renew().look();
    }

    async fn close(self) {
        self.readiness.set(Stage::Draining);
        let patience = Duration::from_secs(30);
        tokio::task::spawn_blocking(move || self.server.shutdown(patience)).await.unwrap();
    }
}

async fn is_answered(channel: Channel) -> bool {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok()
}

#[tokio::test]
async fn grpc_is_served_over_tls_and_not_without() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue(&["localhost"]), None);
    let house = House::open(&files);
    assert!(is_answered(channel(house.address(), &authority, None).await.unwrap()).await);
    // Not speaking TLS.
    let plain = tonic::transport::Endpoint::new(format!("http://{}", house.address())).unwrap();
    let answered = match plain.connect().await {
        Ok(channel) => is_answered(channel).await,
        Err(_) => false,
    };
    assert!(!answered);
    // Not knowing who signed.
    assert!(channel(house.address(), &Authority::new(), None).await.is_err());
    // Not speaking HTTP/2.
    assert!(shake_hands(house.address(), &authority, None, &["http/1.1"]).await.is_err());
    house.close().await;
}

#[tokio::test]
async fn a_client_without_a_good_certificate_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let files = Files::new(&authority.issue(&["localhost"]), Some(&authority.cert));
    let house = House::open(&files);
    let known = authority.issue(&["spiffe://test/envoy"]);
    let good = channel(house.address(), &authority, Some(&known)).await.unwrap();
    assert!(is_answered(good).await);
    for pair in [None, Some(other.issue(&["spiffe://test/envoy"]))] {
        let answered = match channel(house.address(), &authority, pair.as_ref()).await {
            Ok(channel) => is_answered(channel).await,
            Err(_) => false,
        };
        assert!(!answered, "certificate: {}", pair.is_some());
    }
    house.close().await;
}

#[tokio::test]
async fn a_swapped_certificate_is_for_new_connections_and_streams_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.issue(&["localhost"]), None);
    let house = House::open(&files);
    let mut health = HealthClient::new(channel(house.address(), &old, None).await.unwrap());
    let mut stream = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();

    files.swap(&new.issue(&["localhost"]));
    house.look();
    assert!(is_answered(channel(house.address(), &new, None).await.unwrap()).await);
    assert!(channel(house.address(), &old, None).await.is_err());
    house.readiness.set(Stage::Ready);
    assert!(stream.message().await.unwrap().is_some(), "the old stream goes on");
    assert_eq!(house.tls.renew().state().renewed, 1);
    drop((stream, health));
    house.close().await;
}

#[tokio::test]
async fn garbage_keeps_the_good_certificate() {
    let authority = Authority::new();
    let pair = authority.issue(&["localhost"]);
    let files = Files::new(&pair, Some(&authority.cert));
    let house = House::open(&files);
    let client = authority.issue(&["client.test"]);
    let other = authority.issue(&["localhost"]);
    for (name, garbage) in [
        ("cert.pem", "garbage"),
        ("cert.pem", ""),
        // Another's certificate, to which the key doesn't belong.
        ("cert.pem", &other.cert),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        // With no CA at all, nobody would have to prove anything.
        ("ca.pem", ""),
    ] {
        files.write(name, garbage);
        house.look();
        let error = house.tls.renew().state().error;
        assert!(error.is_some(), "{name}: {garbage:?}");
        let channel = channel(house.address(), &authority, Some(&client)).await.unwrap();
        assert!(is_answered(channel).await, "{name}: {garbage:?}");
        files.swap(&pair);
        files.write("ca.pem", &authority.cert);
        house.look();
        assert_eq!(house.tls.renew().state().error, None, "{name}: {garbage:?}");
    }
    std::fs::remove_file(files.path("ca.pem")).unwrap();
    house.look();
    assert!(house.tls.renew().state().error.is_some());
    house.close().await;
}

#[tokio::test]
async fn http_is_served_over_tls_in_both_versions() {
    let authority = Authority::new();
    let files = Files::new(&authority.issue(&["localhost"]), Some(&authority.cert));
    let tls = Arc::new(Tls::new(&files.config()).unwrap());
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
    let server = HttpServer::start(listeners.secured(Some(tls)), router).unwrap();
    let address = server.addresses()[0].clone();
    let client = authority.issue(&["client.test"]);

    let h2 = shake_hands(&address, &authority, Some(&client), &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(h2.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut h1 = shake_hands(&address, &authority, Some(&client), &["http/1.1"]).await.unwrap();
    h1.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    h1.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");

    // Without a certificate nothing is answered.
    let answered = match shake_hands(&address, &authority, None, &["http/1.1"]).await {
        Err(_) => false,
        Ok(mut stream) => {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            stream.read(&mut [0; 16]).await.is_ok_and(|read| read > 0)
        }
    };
    assert!(!answered);
    server.shutdown(Duration::ZERO).await;
}

#[test]
fn what_cannot_be_used_at_the_start_is_told() {
    let authority = Authority::new();
    let (one, two) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let files = Files::new(&one, None);
    files.write("key.pem", &two.key);
    let error = Tls::new(&files.config()).unwrap_err();
    assert!(error.contains("cert.pem"), "{error}");
    std::fs::remove_file(files.path("key.pem")).unwrap();
    let error = Tls::new(&files.config()).unwrap_err();
    assert!(error.contains("key.pem"), "{error}");
}
