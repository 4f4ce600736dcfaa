//! SIGTERM: what is open is answered, nothing new is begun, and the end is a good one.

use std::convert::Infallible;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::Request as Attributes;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use crate::support::PATIENCE;
use crate::support::client::{Connection, Request};
use crate::support::envoy::NO_ANSWER;
use crate::support::plimsoll::Plimsoll;
use crate::{House, identities};

type Body = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

/// A check in the making: its bytes follow.
fn check() -> (Sender<Result<Frame<Bytes>, Infallible>>, hyper::Request<Body>) {
    let (bytes, body) = channel(4);
    let request = hyper::Request::post("http://plimsoll/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(StreamBody::new(ReceiverStream::new(body)))
        .unwrap();
    (bytes, request)
}

/// A check's message with its length before it.
fn message() -> Bytes {
    let http = HttpRequest { method: "GET".into(), path: "/".into(), ..HttpRequest::default() };
    let request = Some(Attributes { http: Some(http), ..Attributes::default() });
    let attributes = Some(AttributeContext { request, ..AttributeContext::default() });
    let message = CheckRequest { attributes }.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    framed.into()
}

async fn connect(plimsoll: &Plimsoll) -> SendRequest<Body> {
    let stream = tokio::net::TcpStream::connect(&plimsoll.grpc).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn assert_allowed(answer: hyper::Response<Incoming>) {
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    let answer = CheckResponse::decode(&body.to_bytes()[5..]).unwrap();
    assert_eq!(answer.status.as_ref().map(|status| status.code), Some(0), "{answer:?}");
}

fn serve(drain_seconds: f64) -> Plimsoll {
    let mut settings = identities();
    settings["server"] = json!({"drain_seconds": drain_seconds});
    Plimsoll::serve("tests/envoy/policies", &settings)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn open_requests_are_answered() {
    let mut plimsoll = serve(60.0);
    runtime().block_on(async {
        let mut connection = connect(&plimsoll).await;
        let (bytes, request) = check();
        let open = connection.send_request(request);
        let (first, rest) = (message().slice(..9), message().slice(9..));
        bytes.send(Ok(Frame::data(first))).await.unwrap();
        // Answered behind it on the same connection: so that one was begun.
        let (other_bytes, request) = check();
        other_bytes.send(Ok(Frame::data(message()))).await.unwrap();
        drop(other_bytes);
        assert_allowed(connection.send_request(request).await.unwrap()).await;

        plimsoll.process.signal(Signal::TERM);
        plimsoll.wait_for("draining", 0);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&plimsoll.grpc).is_ok() {
            assert!(Instant::now() < deadline, "it still listens");
        }
        // Who asks is told to go elsewhere, and that the process is well.
        assert_eq!(plimsoll.ask(&Request::get("/ready")).status, 503);
        assert_eq!(plimsoll.ask(&Request::get("/live")).status, 200);
        assert!(!plimsoll.process.has_ended());

        bytes.send(Ok(Frame::data(rest))).await.unwrap();
        drop(bytes);
        assert_allowed(open.await.unwrap()).await;
    });
    assert_eq!(plimsoll.process.wait_for_end().code(), Some(0));
}

#[test]
fn a_request_that_never_ends_is_not_waited_for_for_ever() {
    let mut plimsoll = serve(0.2);
    runtime().block_on(async {
        let mut connection = connect(&plimsoll).await;
        let (bytes, request) = check();
        let open = connection.send_request(request);
        let (other_bytes, request) = check();
        other_bytes.send(Ok(Frame::data(message()))).await.unwrap();
        drop(other_bytes);
        assert_allowed(connection.send_request(request).await.unwrap()).await;
        let told = Instant::now();
        plimsoll.process.signal(Signal::TERM);
        assert!(open.await.is_err(), "nobody can have answered");
        assert!(told.elapsed() >= Duration::from_millis(200), "{:?}", told.elapsed());
        drop(bytes);
    });
    plimsoll.wait_for("closed connections that didn't drain", 0);
    assert_eq!(plimsoll.process.wait_for_end().code(), Some(0));
}

/// Envoy's connections are kept for ever; the drain ends them, and no request
/// is lost by it.
#[test]
fn envoys_requests_are_answered_until_nobody_is_there() {
    let mut house = House::new();
    let request = Request::get("/");
    let mut connection = Connection::to(house.envoy.address);
    assert_eq!(connection.send(&request).status, 200);
    house.plimsoll.process.signal(Signal::TERM);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connection.send(&request).status {
            200 => assert!(Instant::now() < deadline, "it does not end"),
            status => {
                assert_eq!(status, NO_ANSWER);
                break;
            }
        }
    }
    assert_eq!(house.plimsoll.process.wait_for_end().code(), Some(0));
    // Gone is gone: no answer came from a process half down.
    assert_eq!(connection.send(&request).status, NO_ANSWER);
}
