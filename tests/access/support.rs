//! Authorities, certificates and clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use plimsoll::api::transport::Listen;
use plimsoll::config::{Listener, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

/// How long anything may take before a test gives up.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub cert: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), cert }
    }

    /// A certificate for DNS names and, where one has a scheme, URIs.
    pub fn issue(&self, names: &[&str]) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.contains("://") {
                true => SanType::URI((*name).try_into().unwrap()),
                false => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// A folder with a server's certificate, and its configuration.
pub struct Files {
    pub folder: tempfile::TempDir,
}

impl Files {
    pub fn new(pair: &Pair, client_ca: Option<&str>) -> Self {
        let files = Files { folder: tempfile::tempdir().unwrap() };
        files.swap(pair);
        if let Some(ca) = client_ca {
            files.write("ca.pem", ca);
        }
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As careful people replace files: whole, by a rename.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    pub fn swap(&self, pair: &Pair) {
        self.write("key.pem", &pair.key);
        self.write("cert.pem", &pair.cert);
    }

    pub fn config(&self) -> TlsConfig {
        let ca = self.path("ca.pem");
        TlsConfig {
            cert: self.path("cert.pem"),
            key: self.path("key.pem"),
            client_ca: Path::new(&ca).exists().then_some(ca),
            listeners: vec![Listener::Grpc, Listener::Http],
        }
    }
}

/// Shakes hands as a client that trusts `authority`.
pub async fn shake_hands(
    address: &Listen,
    authority: &Authority,
    pair: Option<&Pair>,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.cert.as_bytes()).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let Listen::Tcp(address) = address else { panic!("no TCP") };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A gRPC channel over one handshake; a server that refuses the certificate
/// may say so only when it is first written to.
pub async fn channel(
    address: &Listen,
    authority: &Authority,
    pair: Option<&Pair>,
) -> std::io::Result<Channel> {
    let stream = shake_hands(address, authority, pair, &["h2"]).await?;
    let mut stream = Some(TokioIo::new(stream));
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
            async move { stream.map_err(std::io::Error::from) }
        }))
        .await
        .map_err(std::io::Error::other)
}
