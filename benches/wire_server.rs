//! Plimsoll's wire without a policy: what transport, decoding and encoding cost.
//!
//! Answers every check with four headers and dynamic metadata, the shape of a
//! real answer, so that what remains between this and `plimsoll serve` is the
//! deciding. Measured by `benches/compare.py`.
//!
//!     wire_server serve 127.0.0.1:9292      checks straight on HTTP/2, as Plimsoll serves them
//!     wire_server tonic 127.0.0.1:9292      the same checker under tonic's own unary handler

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bumpalo::Bump;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{Request, Response};
use plimsoll::api::ext_authz::{
    CheckAnswer, CheckService, Checker, Front, HeaderToSet, decode, encode, metadata_claim,
};
use plimsoll::api::transport::{Listeners, Options};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::service::Routes;
use tower::Service;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Trivial;

impl Checker for Trivial {
    fn check(&self, message: &[u8], answer: &mut BytesMut) -> Result<(), Status> {
        thread_local!(static ARENA: RefCell<Bump> = RefCell::new(Bump::with_capacity(16 * 1024)));
        ARENA.with_borrow_mut(|arena| {
            arena.reset();
            let request = decode(message, arena).map_err(|e| Status::internal(e.to_string()))?;
            let jwt = "envoy.filters.http.jwt_authn";
            let claim = metadata_claim(request.metadata, jwt, &["payload", "sub"], arena);
            let http = request.http.unwrap_or_default();
            let known = claim.is_some() && http.header("x-device-id").is_some();
            let level = if known { "low" } else { "high" };
            let ok = CheckAnswer::Ok {
                set: &[
                    HeaderToSet { name: "x-plimsoll-score", value: "212.5" },
                    HeaderToSet { name: "x-plimsoll-level", value: level },
                    HeaderToSet {
                        name: "x-plimsoll-decision",
                        value: "01JZ6Q3M7WV0X9A8T4K2N5B1C6",
                    },
                    HeaderToSet { name: "x-plimsoll-revision", value: "9f8e7d6c5b4a3921" },
                ],
                remove: &["x-plimsoll-reasons"],
                response_headers: &[],
            };
            encode(
                &ok,
                |fields| {
                    fields.number("score", 212.5);
                    fields.text("level", level);
                    fields.text("decision_id", "01JZ6Q3M7WV0X9A8T4K2N5B1C6");
                    fields.text("policy", "session");
                    fields.text("revision", "9f8e7d6c5b4a3921");
                    fields.list("factors", |factors| {
                        for (name, points) in [("new_device", 120.0), ("geo", 60.5), ("hour", 32.0)]
                        {
                            factors.object(|factor| {
                                factor.text("name", name);
                                factor.number("points", points);
                            });
                        }
                    });
                },
                answer,
            );
            Ok(())
        })
    }
}

/// The alternative that was measured against serving straight on HTTP/2.
#[derive(Clone)]
struct UnderTonic;

#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

impl UnaryService<Bytes> for UnderTonic {
    type Response = Bytes;
    type Future = Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let mut answer = BytesMut::with_capacity(1024);
        let checked = Trivial.check(request.get_ref(), &mut answer);
        ready(checked.map(|()| tonic::Response::new(answer.freeze())))
    }
}

impl NamedService for UnderTonic {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl Service<Request<tonic::body::Body>> for UnderTonic {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(Raw).unary(UnderTonic, request).await) })
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let _server = match arguments.as_slice() {
        ["serve", address] => {
            let check = CheckService::new(Arc::new(Trivial), 1 << 20);
            let front = Front::new(check, Routes::default());
            Listeners::bind(&[address.parse()?])?.serve(front, Options::default())?
        }
        ["tonic", address] => {
            let routes = Routes::new(UnderTonic).prepare();
            Listeners::bind(&[address.parse()?])?.serve(routes, Options::default())?
        }
        // `cargo bench` and `cargo test --benches` start every bench: there is nothing to do then.
        _ => return Ok(()),
    };
    loop {
        std::thread::park();
    }
}
