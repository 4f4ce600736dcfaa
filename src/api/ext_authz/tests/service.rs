//! The service by itself: what is a gRPC call and what is not.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use prost::Message;
use tonic::{Code, Status};
use tower::Service;

use crate::api::ext_authz::{CHECK_PATH, CheckBody, CheckService, Checker};

/// Answers with the message; fails or panics when told to.
struct Echo;

impl Checker for Echo {
    fn check(&self, message: &[u8], answer: &mut BytesMut) -> Result<(), Status> {
        answer.put_slice(message);
        match message {
            b"panic" => panic!("as told"),
            b"busy" => Err(Status::unavailable("too much to do")),
            _ => Ok(()),
        }
    }
}

const LIMIT: usize = 64;

/// A body in frames as given.
struct Frames(VecDeque<Bytes>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flag], &length.to_be_bytes()[..], message].concat()
}

fn request(frames: &[&[u8]]) -> Request<Frames> {
    Request::post(CHECK_PATH)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Frames(frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect()))
        .unwrap()
}

async fn call(request: Request<Frames>) -> Response<CheckBody> {
    CheckService::new(Arc::new(Echo), LIMIT).call(request).await.unwrap()
}

fn code(response: &Response<CheckBody>) -> Code {
    assert_eq!(response.status(), 200);
    Status::from_header_map(response.headers()).expect("a status in the headers").code()
}

/// The message of a whole answer.
async fn message(response: Response<CheckBody>) -> Bytes {
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert!(!response.headers().contains_key("grpc-status"));
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    let bytes = whole.to_bytes();
    assert_eq!(bytes[..5], framed(0, &bytes[5..])[..5]);
    bytes.slice(5..)
}

#[tokio::test]
async fn a_message_is_answered_however_it_is_cut() {
    let whole = framed(0, b"hello");
    for cut in 0..=whole.len() {
        let (one, two) = whole.split_at(cut);
        assert_eq!(message(call(request(&[one, b"", two])).await).await, "hello");
    }
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    assert_eq!(message(call(request(&bytes)).await).await, "hello");
    assert_eq!(message(call(request(&[&framed(0, b"")])).await).await, "");
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let two = framed(0, b"one").repeat(2);
    let table: &[(&str, &[&[u8]], Code)] = &[
        ("nothing", &[], Code::Internal),
        ("half a prefix", &[&[0, 0, 0]], Code::Internal),
        ("half a message", &[&[0, 0, 0, 0, 9, b'x']], Code::Internal),
        ("two messages", &[&two], Code::Internal),
        ("two messages in frames", &[&framed(0, b"one"), &framed(0, b"two")], Code::Internal),
        ("compressed without an encoding", &[&framed(1, b"x")], Code::Internal),
        ("a flag that is none", &[&framed(7, b"x")], Code::Internal),
    ];
    for (what, frames, expected) in table {
        assert_eq!(code(&call(request(frames)).await), *expected, "{what}");
    }
    assert_eq!(message(call(request(&[&framed(0, &[b'x'; LIMIT])])).await).await.len(), LIMIT);
}

/// Not a failed call, which an Envoy may take for a yes.
#[tokio::test]
async fn a_message_that_is_too_long_is_denied() {
    let long = framed(0, &[b'x'; LIMIT + 1]);
    let cases: [&[&[u8]]; 3] =
        [&[&long], &[&[0, 0xff, 0xff, 0xff, 0xff]], &[&long[..9], &long[9..]]];
    for frames in cases {
        let answer = message(call(request(frames)).await).await;
        let Some(HttpResponse::DeniedResponse(denied)) =
            CheckResponse::decode(answer).unwrap().http_response
        else {
            panic!("not a denial")
        };
        assert_eq!(denied.status.unwrap().code, 413);
    }
}

#[tokio::test]
async fn compression_is_not_taken_but_may_be_offered() {
    let with = |encoding: &'static str, flag| {
        let mut request = request(&[&framed(flag, b"x")]);
        request.headers_mut().insert("grpc-encoding", encoding.parse().unwrap());
        request
    };
    let refused = call(with("gzip", 1)).await;
    assert_eq!(code(&refused), Code::Unimplemented);
    assert_eq!(refused.headers()["grpc-accept-encoding"], "identity");
    assert_eq!(message(call(with("gzip", 0)).await).await, "x");
    assert_eq!(message(call(with("identity", 0)).await).await, "x");
    assert_eq!(code(&call(with("identity", 1)).await), Code::Internal);
}

#[tokio::test]
async fn what_is_no_grpc_call_is_refused() {
    let good = || request(&[&framed(0, b"x")]);
    for (kind, taken) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=x", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        let mut request = good();
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let expected = if taken { 200 } else { 415 };
        assert_eq!(call(request).await.status(), expected, "{kind}");
    }
    let mut request = good();
    request.headers_mut().remove("content-type");
    assert_eq!(call(request).await.status(), 415);
    let mut request = good();
    *request.method_mut() = http::Method::GET;
    assert_eq!(call(request).await.status(), 415);
    let mut request = good();
    request.headers_mut().remove("te");
    assert_eq!(code(&call(request).await), Code::InvalidArgument);
    let mut request = good();
    *request.uri_mut() = "/envoy.service.auth.v3.Authorization/Other".parse().unwrap();
    assert_eq!(code(&call(request).await), Code::Unimplemented);
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let panicked = call(request(&[&framed(0, b"panic")])).await;
    assert_eq!(code(&panicked), Code::Internal);
    let failed = call(request(&[&framed(0, b"busy")])).await;
    assert_eq!(code(&failed), Code::Unavailable);
    // Nothing of what those two had written is left in the buffer.
    assert_eq!(message(call(request(&[&framed(0, b"next")])).await).await, "next");
}

mod waiting {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::sync::mpsc::{Sender, channel};
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::ReceiverStream;
    use tonic::Code;
    use tower::Service as _;

    use super::{CHECK_PATH, CheckService, Echo, code, framed, message};
    use crate::api::load::{Limits, Load};

    /// A check whose body comes as it is sent.
    fn check(
        load: &Arc<Load>,
    ) -> (Sender<Bytes>, impl Future<Output = http::Response<super::CheckBody>> + Unpin) {
        let (sender, receiver) = channel::<Bytes>(64);
        let frames = ReceiverStream::new(receiver);
        let body = StreamBody::new(frames.map(|data| Ok::<_, std::io::Error>(Frame::data(data))));
        let request = Request::post(CHECK_PATH)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        let mut service = CheckService::new(Arc::new(Echo), 1 << 20).limited(Arc::clone(load));
        let answering = service.call(request);
        (sender, Box::pin(async { answering.await.unwrap() }))
    }

    fn load(limits: Limits) -> Arc<Load> {
        Arc::new(Load::new(limits, Arc::default()))
    }

    /// Lets it look at what has come; it must be waiting then.
    async fn waits(answering: &mut (impl Future + Unpin)) {
        assert!(futures_util::poll!(answering).is_pending());
    }

    #[tokio::test]
    async fn what_is_waited_for_is_held_and_given_back() {
        let load = load(Limits::default());
        let (body, mut answering) = check(&load);
        let whole = framed(0, b"hello");
        body.send(Bytes::copy_from_slice(&whole[..7])).await.unwrap();
        waits(&mut answering).await;
        assert_eq!(load.requests(), 1);
        assert!((7..64).contains(&load.body_bytes()), "{}", load.body_bytes());
        body.send(Bytes::copy_from_slice(&whole[7..])).await.unwrap();
        drop(body);
        assert_eq!(message(answering.await).await, "hello");
        assert_eq!((load.requests(), load.body_bytes()), (0, 0));
    }

    #[tokio::test]
    async fn a_body_without_end_has_a_deadline() {
        let load = load(Limits { request: Duration::from_millis(20), ..Limits::default() });
        let (body, answering) = check(&load);
        body.send(Bytes::from_static(&[0, 0])).await.unwrap();
        assert_eq!(code(&answering.await), Code::DeadlineExceeded);
        drop(body);
        assert_eq!((load.requests(), load.body_bytes()), (0, 0));
    }

    #[tokio::test]
    async fn too_many_that_wait_are_refused_and_whole_ones_are_answered() {
        let load = load(Limits { max_requests: 1, ..Limits::default() });
        let (_first, mut waiting) = check(&load);
        waits(&mut waiting).await;
        let (_second, refused) = check(&load);
        assert_eq!(code(&refused.await), Code::Unavailable);
        let (body, answering) = check(&load);
        body.send(framed(0, b"whole").into()).await.unwrap();
        drop(body);
        assert_eq!(message(answering.await).await, "whole");
    }

    #[tokio::test]
    async fn too_many_bytes_are_refused() {
        let load = load(Limits { max_body_bytes: 10_000, ..Limits::default() });
        let (body, mut answering) = check(&load);
        body.send(Bytes::from_static(&[0, 0, 0, 0xff, 0])).await.unwrap();
        waits(&mut answering).await;
        body.send(Bytes::from_static(&[7; 10_000])).await.unwrap();
        assert_eq!(code(&answering.await), Code::Unavailable);
        assert_eq!(load.body_bytes(), 0);
    }
}
