//! One call on one connection.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{envoy, tls};
use crate::api::question::{Question, QuestionParty};
use crate::api::transport::socket::Connection as Socket;
use crate::cli::client::{Reach, evaluate_request};
use crate::cli::explain::decision as of_wire;
use crate::model::Decision;
use crate::proto;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Service {
    Check,
    Evaluate,
}

impl Service {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Service::Check => "check",
            Service::Evaluate => "evaluate",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Service::Check => "/envoy.service.auth.v3.Authorization/Check",
            Service::Evaluate => "/plimsoll.v1.DecisionService/Evaluate",
        }
    }

    /// The decision in an answer.
    fn decision(self, message: &[u8]) -> Result<Option<Decision>, Failure> {
        match self {
            Service::Check => envoy::decision(message),
            Service::Evaluate => {
                let head = EvaluateHead::decode(message);
                head.map(|head| of_wire(head.decision())).ok()
            }
            .ok_or(Failure::Unreadable),
        }
    }
}

/// As much of an `EvaluateResponse` as is looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct EvaluateHead {
    #[prost(enumeration = "proto::Decision", tag = "2")]
    decision: i32,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("connection lost")]
    Connection,
    #[error("http status {0}")]
    Http(u16),
    #[error("grpc status {0}")]
    Grpc(String),
    #[error("answer without a grpc status")]
    NoStatus,
    #[error("unreadable answer")]
    Unreadable,
}

/// A request, of which only the user changes.
#[derive(Debug)]
pub(super) struct Call {
    service: Service,
    framed: Bytes,
    /// Where in the frame the user's id stands.
    places: Vec<usize>,
    users: u64,
    uri: Uri,
}

/// As long as every user's id, and nowhere else in a request.
const SOMEBODY: &str = "u-##########";

impl Call {
    pub(super) fn new(service: Service, policy: &str, users: u64) -> Self {
        let message = match service {
            Service::Check => envoy::request(SOMEBODY, policy),
            Service::Evaluate => evaluate(SOMEBODY, policy),
        };
        let mut framed = BytesMut::with_capacity(message.len() + 5);
        framed.put_u8(0);
        // Requests are small: a few kB and a policy's name.
        framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        framed.put_slice(&message);
        let framed = framed.freeze();
        let places = framed.windows(SOMEBODY.len()).enumerate();
        let places = places.filter(|(_, part)| *part == SOMEBODY.as_bytes());
        let places = places.map(|(at, _)| at).collect();
        let uri =
            Uri::builder().scheme("http").authority("plimsoll").path_and_query(service.path());
        Call { service, framed, places, users, uri: uri.build().unwrap_or_default() }
    }

    /// The next request, framed: of any of the users.
    fn body(&self) -> Bytes {
        self.body_of(fastrand::u64(..self.users))
    }

    fn body_of(&self, user: u64) -> Bytes {
        let mut body = BytesMut::from(&*self.framed);
        let id = format!("u-{user:010}");
        for at in &self.places {
            if let Some(place) = body.get_mut(*at..*at + SOMEBODY.len()) {
                place.copy_from_slice(id.as_bytes());
            }
        }
        body.freeze()
    }
}

fn evaluate(user: &str, policy: &str) -> Vec<u8> {
    let context = serde_json::json!({
        "amount": 120,
        "entities": {"device": format!("d-{user}"), "session": format!("s-{user}"), "address": "203.0.113.9"},
    });
    let party = |kind: &str, id: &str| QuestionParty {
        kind: kind.to_owned(),
        id: id.to_owned(),
        ..QuestionParty::default()
    };
    let question = Question {
        subject: party("user", user),
        action: "transfer".to_owned(),
        resource: party("account", "8231"),
        context: context.as_object().cloned().unwrap_or_default(),
        policy: policy.to_owned(),
        ..Question::default()
    };
    evaluate_request(question).encode_to_vec()
}

/// An open connection; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    local_peer: Option<SocketAddr>,
    token: Option<HeaderValue>,
}

impl Connection {
    pub(super) async fn open(reach: &Reach) -> anyhow::Result<Self> {
        let address = reach.address();
        let token = reach.token().map(|token| format!("Bearer {token}").parse()).transpose();
        let token: Option<HeaderValue> = token.context("the token can't stand in a header")?;
        if let Some(path) = address.strip_prefix("unix:") {
            let sender = shake_hands(Socket::Unix(UnixStream::connect(path).await?)).await?;
            return Ok(Connection { sender, local_peer: None, token });
        }
        let secure = address.strip_prefix("https://");
        let address = secure.or(address.strip_prefix("http://")).unwrap_or(address);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (ours, theirs) = (stream.local_addr()?, stream.peer_addr()?);
        let local_peer = (ours.ip() == theirs.ip()).then_some(theirs);
        let sender = match secure {
            Some(address) => shake_hands(tls::secure(stream, address, reach).await?).await?,
            None => shake_hands(Socket::Tcp(stream)).await?,
        };
        Ok(Connection { sender, local_peer, token })
    }

    /// Where the other end listens, where that is on this machine.
    pub(super) fn local_peer(&self) -> Option<SocketAddr> {
        self.local_peer
    }

    /// Asks once.
    pub(super) async fn ask(&mut self, call: &Call) -> Result<Option<Decision>, Failure> {
        let mut request = Request::post(call.uri.clone())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(call.body()))
            .map_err(|_| Failure::Connection)?;
        if let Some(token) = &self.token {
            request.headers_mut().insert("authorization", token.clone());
        }
        let response = self.sender.send_request(request).await;
        let response = response.map_err(|_| Failure::Connection)?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(Failure::Http(status.as_u16()));
        }
        let early = response.headers().get("grpc-status").cloned();
        let body = response.into_body().collect().await.map_err(|_| Failure::Connection)?;
        let trailers = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
        match trailers.or(early.as_ref()).map(|status| status.as_bytes()) {
            None => return Err(Failure::NoStatus),
            Some(b"0") => {}
            Some(status) => {
                return Err(Failure::Grpc(format!("{:?}", tonic::Code::from_bytes(status))));
            }
        }
        let framed = body.to_bytes();
        let message = framed.get(5..).ok_or(Failure::Unreadable)?;
        call.service.decision(message)
    }
}

/// On a socket of the server's own kind: requests of one wake-up go out together,
/// as they do from a proxy.
async fn shake_hands<S>(socket: S) -> anyhow::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        Builder::new(TokioExecutor::new()).handshake(TokioIo::new(socket)).await?;
    // Ends with the connection; whoever asks next is told.
    tokio::spawn(connection);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::EvaluateRequest;

    #[test]
    fn every_request_is_of_one_of_the_users() {
        for service in [Service::Check, Service::Evaluate] {
            let call = Call::new(service, "session", 3);
            assert!(!call.places.is_empty());
            let body = call.body_of(2);
            assert_eq!(body.len(), call.framed.len());
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains("u-0000000002") && !text.contains(SOMEBODY));
        }
    }

    #[test]
    fn evaluate_names_its_entities() {
        let call = Call::new(Service::Evaluate, "session", 3);
        let request = EvaluateRequest::decode(call.body_of(1).get(5..).unwrap()).unwrap();
        assert_eq!(request.subject.unwrap().id, "u-0000000001");
        assert_eq!(request.policy, "session");
    }
}
