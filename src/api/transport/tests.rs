use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::BytesMut;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::api::ext_authz::{CheckAnswer, CheckService, Checker, Front, encode};

const PATIENCE: Duration = Duration::from_secs(30);

/// Says yes, after saying on which thread.
struct Yes(Mutex<Sender<ThreadId>>);

impl Checker for Yes {
    fn check(&self, message: &[u8], answer: &mut BytesMut) -> Result<(), Status> {
        assert!(message.is_empty(), "a fault, for a test");
        let _ = self.0.lock().unwrap().send(thread::current().id());
        let ok = CheckAnswer::Ok { set: &[], remove: &[], response_headers: &[] };
        encode(&ok, |_| {}, answer);
        Ok(())
    }
}

fn start(listen: &[Listen], workers: usize) -> (Server, Receiver<ThreadId>) {
    let (sender, threads) = channel();
    let check = CheckService::new(Arc::new(Yes(Mutex::new(sender))), 1 << 20);
    let (_, health) = tonic_health::server::health_reporter();
    let front = Front::new(check, tonic::service::Routes::new(health));
    let options = Options { workers, ..Options::default() };
    (Listeners::bind(listen).unwrap().serve(front, options).unwrap(), threads)
}

fn loopback() -> Listen {
    "127.0.0.1:0".parse().unwrap()
}

async fn connect(address: &Listen) -> Channel {
    match address.clone() {
        Listen::Tcp(address) => {
            Endpoint::new(format!("http://{address}")).unwrap().connect().await.unwrap()
        }
        Listen::Unix { path, .. } => Endpoint::from_static("http://unix")
            .connect_with_connector(tower::service_fn(move |_| {
                let path = path.clone();
                async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
            }))
            .await
            .unwrap(),
    }
}

async fn check(channel: &Channel) -> Result<CheckResponse, Status> {
    let mut client = AuthorizationClient::new(channel.clone());
    client.check(CheckRequest::default()).await.map(tonic::Response::into_inner)
}

async fn shutdown(server: Server, patience: Duration) -> usize {
    tokio::task::spawn_blocking(move || server.shutdown(patience)).await.unwrap()
}

#[tokio::test]
async fn checks_and_other_services_share_a_port() {
    let (server, _) = start(&[loopback()], 2);
    let channel = connect(&server.addresses()[0]).await;
    assert_eq!(check(&channel).await.unwrap().status.unwrap().code, 0);
    let mut health = HealthClient::new(channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();
    assert!(server.is_whole());
    drop((health, channel));
    assert_eq!(shutdown(server, PATIENCE).await, 0);
}

#[tokio::test]
async fn what_nobody_serves_is_unimplemented() {
    let (server, _) = start(&[loopback()], 1);
    let channel = connect(&server.addresses()[0]).await;
    let mut client =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel);
    let none = client.server_reflection_info(tokio_stream::empty()).await;
    assert_eq!(none.err().map(|status| status.code()), Some(Code::Unimplemented));
    drop(client);
    shutdown(server, PATIENCE).await;
}

#[tokio::test]
async fn connections_are_dealt_in_turn() {
    let (server, threads) = start(&[loopback()], 2);
    let mut seen = Vec::new();
    let mut channels = Vec::new();
    for _ in 0..4 {
        let channel = connect(&server.addresses()[0]).await;
        check(&channel).await.unwrap();
        seen.push(threads.recv().unwrap());
        channels.push(channel);
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(seen[..2], seen[2..]);
    drop(channels);
    assert_eq!(shutdown(server, PATIENCE).await, 0);
}

/// An Envoy keeps its connection open for ever.
#[tokio::test]
async fn idle_connections_drain_at_once() {
    let (server, _) = start(&[loopback()], 2);
    let address = server.addresses()[0].clone();
    let channel = connect(&address).await;
    check(&channel).await.unwrap();
    assert_eq!(shutdown(server, PATIENCE).await, 0);
    assert!(check(&channel).await.is_err());
}

#[tokio::test]
async fn what_does_not_drain_is_overrun() {
    let (server, _) = start(&[loopback()], 1);
    let Listen::Tcp(address) = server.addresses()[0] else { panic!() };
    // A health watch stays open as long as both ends live.
    let channel = connect(&server.addresses()[0]).await;
    let mut health = HealthClient::new(channel);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap();
    assert_eq!(shutdown(server, Duration::ZERO).await, 1);
    assert!(watch.message().await.is_err());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plimsoll.sock");
    let listen = Listen::Unix { path: path.clone(), mode: Some(0o600) };
    let (server, _) = start(&[listen.clone(), loopback()], 1);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let channel = connect(&server.addresses()[0]).await;
    assert_eq!(check(&channel).await.unwrap().status.unwrap().code, 0);
    let error = Listeners::bind(std::slice::from_ref(&listen)).unwrap_err();
    assert!(error.to_string().contains("plimsoll.sock"), "{error}");
    drop(channel);
    assert_eq!(shutdown(server, PATIENCE).await, 0);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced_and_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listen = Listen::Unix { path: path.clone(), mode: None };
    drop(Listeners::bind(std::slice::from_ref(&listen)).unwrap());
    assert!(!path.exists());
    std::fs::File::create(&path).unwrap().write_all(b"precious").unwrap();
    assert!(Listeners::bind(&[listen]).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_failed_bind_names_the_address() {
    let first = Listeners::bind(&[loopback()]).unwrap();
    let taken = first.addresses()[0].clone();
    let error = Listeners::bind(&[loopback(), taken.clone()]).unwrap_err();
    assert_eq!(error.to_string(), format!("can't listen on {taken}"));
}

#[test]
fn addresses_are_parsed() {
    for text in ["127.0.0.1:9191", "[::]:9191", "unix:/run/plimsoll.sock"] {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
    }
    for text in ["", "9191", "localhost", "unix:", "127.0.0.1"] {
        assert!(text.parse::<Listen>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_panic_costs_one_request_on_its_connection() {
    let (server, _) = start(&[loopback()], 1);
    let channel = connect(&server.addresses()[0]).await;
    let mut client = AuthorizationClient::new(channel.clone());
    let faulty = CheckRequest { attributes: Some(Default::default()) };
    for _ in 0..3 {
        let (faulty, good) = tokio::join!(client.check(faulty.clone()), check(&channel));
        assert_eq!(faulty.unwrap_err().code(), Code::Internal);
        assert_eq!(good.unwrap().status.unwrap().code, 0);
    }
    assert!(server.is_whole());
    drop((client, channel));
    assert_eq!(shutdown(server, PATIENCE).await, 0);
}
