//! How a server is reached, and how a client proves itself to it.

use std::fmt;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::ClientError;

/// A server's address, with what proves the server and the client to each other.
#[derive(Clone, Default)]
pub struct Reach {
    address: String,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    token: Option<String>,
}

/// Shows nothing secret.
impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A channel on which each call shows the token, if there is one.
pub type Channel = InterceptedService<tonic::transport::Channel, ShowToken>;

/// Puts the token into each call.
#[derive(Clone)]
pub struct ShowToken(Option<MetadataValue<Ascii>>);

impl fmt::Debug for ShowToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShowToken")
    }
}

impl Interceptor for ShowToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Reach {
    /// `address` is `http://host:port`, `https://host:port` or `unix:/path`.
    pub fn new(address: impl Into<String>) -> Self {
        Reach { address: address.into(), ..Reach::default() }
    }

    /// Who vouches for a server at `https://`, as PEM. Whom the system trusts, where
    /// nothing is said.
    #[must_use]
    pub fn with_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// The certificate that the server is shown, with its chain, and its key, as PEM.
    #[must_use]
    pub fn with_certificate(mut self, pem: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((pem.into(), key.into()));
        self
    }

    /// The token that each call shows.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn ca(&self) -> Option<&[u8]> {
        self.ca.as_deref()
    }

    /// The certificate and its key.
    pub fn certificate(&self) -> Option<(&[u8], &[u8])> {
        self.identity.as_ref().map(|(cert, key)| (&**cert, &**key))
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Where to connect to.
    ///
    /// # Errors
    /// When the address is none, or certificates stand beside an address without TLS.
    pub fn endpoint(&self) -> Result<Endpoint, ClientError> {
        let wrong = |why: String| ClientError::Address { address: self.address.clone(), why };
        let endpoint = Endpoint::new(self.address.clone()).map_err(|why| wrong(told(&why)))?;
        let endpoint = endpoint.tcp_nodelay(true);
        if !self.address.starts_with("https://") {
            if self.ca.is_some() || self.identity.is_some() {
                return Err(wrong("certificates are for https://".to_owned()));
            }
            return Ok(endpoint);
        }
        let mut tls = match &self.ca {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((cert, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        endpoint.tls_config(tls).map_err(|why| wrong(told(&why)))
    }

    /// What calls show.
    ///
    /// # Errors
    /// When the token can't stand in a header.
    pub fn show_token(&self) -> Result<ShowToken, ClientError> {
        let Some(token) = &self.token else { return Ok(ShowToken(None)) };
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| ClientError::Token)?;
        // Not in a debug line either.
        value.set_sensitive(true);
        Ok(ShowToken(Some(value)))
    }
}

/// An error with what is behind it: tonic's own says "transport error".
fn told(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut source = why.source();
    while let Some(why) = source {
        text = format!("{text}: {why}");
        source = why.source();
    }
    text
}
