//! The gRPC port: checks go straight to their service, all else through a router.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tonic::service::Routes;
use tower::Service;

use super::body::CheckBody;
use super::others::{Answered, Others};
use super::service::{CHECK_PATH, CheckFuture, CheckService, Checker};
use crate::api::access::{Access, DECIDE, Door, Refusal, grpc_need};
use crate::api::load::Load;
use crate::api::transport::{ForPeer, Peer};

/// Checks, and beside them whatever other gRPC services there are.
#[derive(Debug)]
pub struct Front<C> {
    check: CheckService<C>,
    others: Others,
    door: Door,
}

impl<C: Checker> Front<C> {
    pub fn new(check: CheckService<C>, routes: Routes) -> Self {
        Self { check, others: Others::new(routes), door: Door::default() }
    }

    /// What calls hold counts in `load`.
    #[must_use]
    pub fn limited(self, load: &Arc<Load>) -> Self {
        let check = self.check.limited(Arc::clone(load));
        Self { check, others: self.others.limited(Arc::clone(load)), ..self }
    }

    /// Lets in only who may come in.
    #[must_use]
    pub fn guarded(self, access: Option<Arc<Access>>) -> Self {
        Self { door: Door::new(access), ..self }
    }
}

impl<C: Checker> Clone for Front<C> {
    fn clone(&self) -> Self {
        let (check, others) = (self.check.clone(), self.others.clone());
        Self { check, others, door: self.door.clone() }
    }
}

impl<C: Checker> ForPeer for Front<C> {
    fn for_peer(&self, peer: &Peer) -> Self {
        Self { door: self.door.for_peer(peer), ..self.clone() }
    }
}

impl<C, B> Service<Request<B>> for Front<C>
where
    C: Checker,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<FrontBody>;
    type Error = Infallible;
    type Future = FrontFuture<C, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        if path == CHECK_PATH {
            return match self.door.admit(DECIDE, request.headers(), true) {
                Ok(()) => FrontFuture::Check(self.check.call(request)),
                Err(refusal) => refused(&refusal),
            };
        }
        if let Err(refusal) = self.door.admit(grpc_need(path), request.headers(), true) {
            self.door.audit(path, &refusal);
            return refused(&refusal);
        }
        request.extensions_mut().insert(self.door.caller());
        FrontFuture::Other(self.others.call(request))
    }
}

/// The answer to a caller who is turned away.
fn refused<C, B>(refusal: &Refusal) -> FrontFuture<C, B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    FrontFuture::Refused(Some(Box::new(refusal.status().into_http())))
}

/// One call on its way.
pub enum FrontFuture<C, B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Check(CheckFuture<C, B>),
    Other(Answered),
    Refused(Option<Box<Response<tonic::body::Body>>>),
}

impl<C, B> Future for FrontFuture<C, B>
where
    C: Checker,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = Result<Response<FrontBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            FrontFuture::Check(check) => {
                Pin::new(check).poll(cx).map_ok(|response| response.map(FrontBody::Check))
            }
            FrontFuture::Other(other) => {
                other.as_mut().poll(cx).map(|response| Ok(response.map(FrontBody::Other)))
            }
            FrontFuture::Refused(refused) => {
                let response = refused.take().map_or_else(Response::default, |refused| *refused);
                Poll::Ready(Ok(response.map(FrontBody::Other)))
            }
        }
    }
}

/// What a call answers with.
#[derive(Debug)]
pub enum FrontBody {
    Check(CheckBody),
    Other(tonic::body::Body),
}

impl Body for FrontBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match &mut *self {
            FrontBody::Check(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            FrontBody::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            FrontBody::Check(body) => body.is_end_stream(),
            FrontBody::Other(body) => body.is_end_stream(),
        }
    }
}
