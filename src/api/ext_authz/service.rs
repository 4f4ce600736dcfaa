//! The gRPC side of a check, straight on HTTP/2.
//!
//! One unary method whose request is one message needs none of what a general
//! gRPC server does: the message is taken from the body's frame as it came, the
//! checker answers before anything is awaited again, and the answer goes out as
//! headers, one DATA frame and trailers.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use super::body::CheckBody;
use super::encode::{CheckAnswer, encode};
use super::received::{Received, Waiting};
use crate::api::load::Load;
use crate::telemetry::Parent;

/// The path of the one method.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// A message is preceded by a flag, whether it is compressed, and its length in four bytes.
const PREFIX: usize = 5;

/// Room kept for one answer in a thread's buffer.
const ANSWER_ROOM: usize = 4096;

/// What decides a check.
pub trait Checker: Send + Sync + 'static {
    /// Reads the `CheckRequest` in `message` and appends a `CheckResponse` to `answer`.
    ///
    /// An `Err` reaches Envoy as a failed call, which its `failure_mode_allow` may let through:
    /// it is for faults of our own, never for what a client can send.
    fn check(&self, message: &[u8], answer: &mut BytesMut) -> Result<(), Status>;

    /// The trace that a call belongs to, by its metadata.
    fn parent(&self, _metadata: &HeaderMap) -> Option<Parent> {
        None
    }

    /// [`check`](Self::check), as part of the caller's trace.
    fn check_traced(
        &self,
        message: &[u8],
        _parent: Option<Parent>,
        answer: &mut BytesMut,
    ) -> Result<(), Status> {
        self.check(message, answer)
    }

    /// Answers, in place of [`check`](Self::check), a message of more bytes than are taken.
    ///
    /// An HTTP client can cause one, by its headers or its body. A failed call
    /// (`RESOURCE_EXHAUSTED`) would let it past an Envoy that allows on failure, so it is denied.
    fn deny_oversized(&self, answer: &mut BytesMut) -> Result<(), Status> {
        let denied = CheckAnswer::Denied { status: 413, headers: &[], body: "" };
        encode(&denied, |_| {}, answer);
        Ok(())
    }
}

/// `envoy.service.auth.v3.Authorization` as a service.
///
/// A clone doesn't share its reference count, only the checker: each connection has a clone, so
/// that no check writes to memory that another core writes to.
#[derive(Debug)]
pub struct CheckService<C> {
    own: Arc<Own<C>>,
}

#[derive(Debug)]
struct Own<C> {
    checker: Arc<C>,
    max_message: usize,
    load: Arc<Load>,
}

impl<C: Checker> CheckService<C> {
    /// A service that refuses messages of more than `max_message` bytes.
    pub fn new(checker: Arc<C>, max_message: usize) -> Self {
        Self { own: Arc::new(Own { checker, max_message, load: Arc::default() }) }
    }

    /// What is waited for counts in `load`.
    #[must_use]
    pub fn limited(self, load: Arc<Load>) -> Self {
        let checker = Arc::clone(&self.own.checker);
        Self { own: Arc::new(Own { checker, max_message: self.own.max_message, load }) }
    }
}

impl<C: Checker> Clone for CheckService<C> {
    fn clone(&self) -> Self {
        let own = &*self.own;
        Self::new(Arc::clone(&own.checker), own.max_message).limited(Arc::clone(&own.load))
    }
}

impl<C> NamedService for CheckService<C> {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl<C, B> Service<Request<B>> for CheckService<C>
where
    C: Checker,
    B: Body<Data = Bytes> + Unpin,
{
    type Response = Response<CheckBody>;
    type Error = Infallible;
    type Future = CheckFuture<C, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shed = || self.own.load.admit().err().map(|shed| Status::from(shed).into_http());
        let refused = refuse(&request).or_else(shed).map(Box::new);
        let (head, body) = request.into_parts();
        let encoding = head.headers.get("grpc-encoding");
        CheckFuture {
            own: Arc::clone(&self.own),
            body,
            received: Received::Nothing,
            waiting: None,
            compresses: encoding.is_some_and(|name| name != "identity"),
            refused,
            parent: self.own.checker.parent(&head.headers),
        }
    }
}

/// Why a request is no gRPC call of the method, if it is none.
fn refuse<B>(request: &Request<B>) -> Option<Response<CheckBody>> {
    let headers = request.headers();
    let is_grpc = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]));
    if !is_grpc || request.method() != http::Method::POST {
        let mut response = Response::new(CheckBody::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Some(response);
    }
    if request.uri().path() != CHECK_PATH {
        return Some(Status::unimplemented("no such method").into_http());
    }
    // Who doesn't announce that it reads trailers couldn't tell an answer from half of one.
    if headers.get(header::TE).is_none_or(|te| te != "trailers") {
        return Some(Status::invalid_argument("`te: trailers` is missing").into_http());
    }
    None
}

/// What a body's prefix announced.
enum Message<'a> {
    Whole(&'a [u8]),
    /// Longer than is taken; it isn't waited for.
    Oversized,
}

/// One check on its way.
#[derive(Debug)]
pub struct CheckFuture<C, B> {
    own: Arc<Own<C>>,
    body: B,
    received: Received,
    /// Nothing for nearly all: their message is there when they are first looked at.
    waiting: Option<Box<Waiting>>,
    compresses: bool,
    /// Boxed, so that the many that aren't refused stay small.
    refused: Option<Box<Response<CheckBody>>>,
    parent: Option<Parent>,
}

impl<C: Checker, B: Body<Data = Bytes> + Unpin> Future for CheckFuture<C, B> {
    type Output = Result<Response<CheckBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(response) = self.refused.take() {
            return Poll::Ready(Ok(*response));
        }
        let status = match ready!(self.poll_message(cx)) {
            Ok(()) => match self.check() {
                Ok(answer) => return Poll::Ready(Ok(answered(answer))),
                Err(status) => status,
            },
            Err(status) => status,
        };
        Poll::Ready(Ok(status.into_http()))
    }
}

impl<C: Checker, B: Body<Data = Bytes> + Unpin> CheckFuture<C, B> {
    /// Takes in the body; ready when it has ended or is known to be wrong.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while !self.body.is_end_stream() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return self.wait(cx).map(Err);
            };
            match frame {
                None => break,
                Some(Err(_)) => {
                    return Poll::Ready(Err(Status::cancelled("the request broke off")));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.received.push(data);
                    }
                    if let Some(waiting) = &self.waiting
                        && let Err(shed) = waiting.holds(&self.received)
                    {
                        return Poll::Ready(Err(shed.into()));
                    }
                }
            }
            // Judged as it comes: no more is ever held than one message may be long.
            match self.message() {
                Ok(Some(Message::Oversized)) => return Poll::Ready(Ok(())),
                Ok(_) => {}
                Err(status) => return Poll::Ready(Err(status)),
            }
        }
        Poll::Ready(match self.message() {
            Ok(Some(_)) => Ok(()),
            Ok(None) if self.received.as_slice().is_empty() => {
                Err(Status::internal("no message in the request"))
            }
            Ok(None) => Err(Status::internal("the message is cut short")),
            Err(status) => Err(status),
        })
    }

    /// Waits for the rest of the body; ready with why it does so no longer.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let waiting = match &mut self.waiting {
            Some(waiting) => waiting,
            None => match Waiting::begin(&self.own.load, &mut self.received) {
                Ok(waiting) => self.waiting.insert(Box::new(waiting)),
                Err(shed) => return Poll::Ready(shed.into()),
            },
        };
        ready!(waiting.poll_end(cx));
        Poll::Ready(Status::deadline_exceeded("the request took too long to come in"))
    }

    /// The message without its prefix; `None` while there is more to come.
    fn message(&self) -> Result<Option<Message<'_>>, Status> {
        let received = self.received.as_slice();
        let Some(([flag, length @ ..], message)) = received.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        match flag {
            0 => {}
            1 if self.compresses => {
                let mut status = Status::unimplemented("compressed messages are not taken");
                let identity = tonic::metadata::MetadataValue::from_static("identity");
                status.metadata_mut().insert("grpc-accept-encoding", identity);
                return Err(status);
            }
            1 => return Err(Status::internal("a compressed message without `grpc-encoding`")),
            _ => return Err(Status::internal("not a gRPC message")),
        }
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.own.max_message {
            return Ok(Some(Message::Oversized));
        }
        match message.len() {
            here if here < length => Ok(None),
            here if here > length => Err(Status::internal("more than one message")),
            _ => Ok(Some(Message::Whole(message))),
        }
    }

    /// Decides, and returns the answer with its prefix. A panic costs this request and no other.
    fn check(&mut self) -> Result<Bytes, Status> {
        thread_local! {
            /// Answers are cut from one buffer, which is used again once they have gone out.
            static ANSWERS: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(16 * ANSWER_ROOM));
        }
        let parent = self.parent.take();
        let checker = &*self.own.checker;
        let message = self.message()?;
        ANSWERS.with_borrow_mut(|answers| {
            answers.reserve(ANSWER_ROOM);
            answers.put_bytes(0, PREFIX);
            let checked = catch_unwind(AssertUnwindSafe(|| match message {
                Some(Message::Whole(message)) => checker.check_traced(message, parent, answers),
                Some(Message::Oversized) => checker.deny_oversized(answers),
                None => Err(Status::internal("no message in the request")),
            }));
            let answer = answers.split();
            checked.unwrap_or_else(|_| {
                self.own.load.count_panic();
                Err(Status::internal("the check failed"))
            })?;
            prefixed(answer)
        })
    }
}

fn prefixed(mut answer: BytesMut) -> Result<Bytes, Status> {
    let length = answer.len().checked_sub(PREFIX).and_then(|length| u32::try_from(length).ok());
    match (length, answer.first_chunk_mut::<PREFIX>()) {
        (Some(length), Some([_, place @ ..])) => *place = length.to_be_bytes(),
        _ => return Err(Status::internal("the answer has no length")),
    }
    Ok(answer.freeze())
}

fn answered(answer: Bytes) -> Response<CheckBody> {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let mut response = Response::new(CheckBody::answer(answer));
    *response.headers_mut() = headers;
    response
}

/// The trailers of a call that went well.
pub(super) fn ok_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}
