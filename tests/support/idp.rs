//! An endpoint for keys or lists: a real HTTPS server, that can fail in the ways such
//! servers do.

#![allow(dead_code, reason = "each test program uses its part")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub enum Behaviour {
    Answers(u16, Vec<u8>),
    /// Answers 304 to who has this version.
    Serves(Served),
    /// Says that there is more to come, and closes the connection.
    CutsOff(Vec<u8>),
    /// Begins, and never goes on.
    Stalls(Vec<u8>),
    /// Sends elsewhere, where good keys are.
    Redirects(String),
    /// Takes the request and never answers.
    Hangs,
    /// Takes the connection and never shakes hands.
    HangsBeforeTls,
}

#[derive(Clone, Debug, Default)]
pub struct Served {
    pub body: Vec<u8>,
    pub etag: Option<&'static str>,
    pub modified: Option<&'static str>,
    pub media: Option<&'static str>,
    pub encoding: Option<&'static str>,
    /// Who shows another token gets 401.
    pub token: Option<String>,
}

pub struct Idp {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    connections: Mutex<u64>,
    requests: Mutex<Vec<Request<()>>>,
    came: Condvar,
}

impl Idp {
    /// Serves with a certificate of a new authority, whose own is given, as PEM.
    pub fn vouched_for(behaviour: Behaviour) -> (Self, String) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap().pem();
        (Self::start(&cert, &key.serialize_pem(), behaviour), ca)
    }

    /// Serves with a certificate and its key, as PEM.
    pub fn start(cert: &str, key: &str, behaviour: Behaviour) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            connections: Mutex::new(0),
            requests: Mutex::default(),
            came: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock().unwrap() += 1;
                serving.came.notify_all();
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&serving));
                tokio::spawn(async move {
                    if matches!(shared.behaviour(), Behaviour::HangsBeforeTls) {
                        std::future::pending::<()>().await;
                    }
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|request| answer(request, Arc::clone(&shared)));
                    let http = hyper::server::conn::http1::Builder::new();
                    // Who hangs up is tested too.
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Idp { address, shared, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}/keys", self.address.port())
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// The requests so far, each without its body.
    pub fn requests(&self) -> Vec<Request<()>> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u64 {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until somebody has connected more than `before` times.
    pub fn wait_for_more_than(&self, before: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut connections = self.shared.connections.lock().unwrap();
        while *connections <= before {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nobody has asked for keys");
            connections = self.shared.came.wait_timeout(connections, left).unwrap().0;
        }
    }
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }
}

type Body = BoxBody<Bytes, Infallible>;

fn whole(body: Vec<u8>) -> Body {
    Full::from(body).boxed()
}

impl Served {
    fn answer(self, asked: &http::request::Parts) -> http::Result<Response<Body>> {
        let header = |name| asked.headers.get(name).map(|value| value.to_str().unwrap());
        let response = Response::builder();
        if let Some(token) = &self.token
            && header("authorization") != Some(&format!("Bearer {token}"))
        {
            return response.status(401).body(whole(Vec::new()));
        }
        let had = (header("if-none-match"), header("if-modified-since"));
        let is_had = match had.0 {
            Some(etag) => Some(etag) == self.etag,
            None => had.1.is_some() && had.1 == self.modified,
        };
        if is_had {
            return response.status(304).body(whole(Vec::new()));
        }
        [
            ("etag", self.etag),
            ("last-modified", self.modified),
            ("content-type", self.media),
            ("content-encoding", self.encoding),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .fold(response, |response, (name, value)| response.header(name, value))
        .body(whole(self.body))
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    assert_eq!(request.method(), "GET");
    let (head, _) = request.into_parts();
    shared.requests.lock().unwrap().push(Request::from_parts(head.clone(), ()));
    let response = Response::builder();
    let response = match shared.behaviour() {
        Behaviour::Answers(status, body) => response.status(status).body(whole(body)),
        Behaviour::Redirects(to) => {
            response.status(302).header("location", to).body(whole(Vec::new()))
        }
        Behaviour::Serves(served) => served.answer(&head),
        Behaviour::CutsOff(begin) => {
            let length = begin.len() + 1000;
            let begin = futures_util::stream::iter([Ok(Frame::data(Bytes::from(begin)))]);
            response.header("content-length", length).body(StreamBody::new(begin).boxed())
        }
        Behaviour::Stalls(begin) => {
            let begin = futures_util::stream::iter([Ok(Frame::data(Bytes::from(begin)))]);
            let stalls = futures_util::StreamExt::chain(begin, futures_util::stream::pending());
            response.body(StreamBody::new(stalls).boxed())
        }
        Behaviour::Hangs | Behaviour::HangsBeforeTls => std::future::pending().await,
    };
    Ok(response.unwrap())
}
