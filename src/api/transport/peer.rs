//! Who is at the other end of a connection.

use std::net::{IpAddr, SocketAddr};

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The other end, as far as the connection itself tells. The same for all that
/// comes over it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Nothing on a Unix socket.
    pub address: Option<IpAddr>,
    /// URIs and DNS names of the client's certificate, which a configured CA
    /// has signed. DNS names in lower case.
    pub names: Vec<String>,
}

impl Peer {
    pub(in crate::api) fn at(address: Option<SocketAddr>) -> Self {
        // ::ffff:127.0.0.1 is 127.0.0.1.
        Peer { address: address.map(|a| a.ip().to_canonical()), names: Vec::new() }
    }

    /// Adds the names of a certificate that the handshake has verified.
    pub(in crate::api) fn certified(&mut self, certificate: &CertificateDer<'_>) {
        if let Ok(certificate) = EndEntityCert::try_from(certificate) {
            self.names.extend(certificate.valid_uri_names().map(str::to_owned));
            self.names.extend(certificate.valid_dns_names().map(str::to_ascii_lowercase));
        }
    }

    /// Whether it is on this machine: a Unix socket, or a loopback address.
    pub fn is_local(&self) -> bool {
        self.address.is_none_or(|address| address.is_loopback())
    }
}

/// A service that is told whom it serves: each connection has its own.
pub trait ForPeer: Clone {
    #[must_use]
    fn for_peer(&self, peer: &Peer) -> Self {
        let _ = peer;
        self.clone()
    }
}

impl ForPeer for tonic::service::Routes {}
