//! TLS on a listener: one certificate for all, client certificates where a CA is
//! configured, both taken up anew when their files change.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use simple_asn1::ASN1Block;

use crate::api::renewed::{Renew, Renewed, read_file};
use crate::config::TlsConfig;
use crate::model::Timestamp;

/// No chain, key or set of CAs is longer (bytes).
const MAX_FILE: u64 = 1024 * 1024;

/// The certificate that new connections are shown. Connections that are open
/// keep what they began with.
#[derive(Debug)]
pub struct Tls(Renewed<Configs>);

/// The same certificate, for what each listener speaks.
#[derive(Debug)]
struct Configs {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    ends: Option<Timestamp>,
}

/// What is spoken on a listener, offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/2 only.
    Grpc,
    /// HTTP/2 and HTTP/1.1.
    Http,
}

impl Tls {
    /// As `/status` calls it.
    pub const NAME: &'static str = "tls";

    /// # Errors
    /// When a file can't be read, or the key is not the certificate's.
    pub fn new(config: &TlsConfig) -> Result<Self, String> {
        let mut paths = vec![config.cert.clone(), config.key.clone()];
        paths.extend(config.client_ca.clone());
        let config = config.clone();
        Renewed::new(Self::NAME, paths, move || configs(&config)).map(Tls)
    }

    /// For the one thread that looks after files.
    pub fn renew(&self) -> &dyn Renew {
        &self.0
    }

    /// When the first certificate of what is shown now ends; nothing where that can't be
    /// read.
    pub fn ends(&self) -> Option<Timestamp> {
        self.0.now().ends
    }

    pub(in crate::api) fn config(&self, speaks: Speaks) -> Arc<ServerConfig> {
        let now = self.0.now();
        Arc::clone(match speaks {
            Speaks::Grpc => &now.grpc,
            Speaks::Http => &now.http,
        })
    }
}

fn configs(config: &TlsConfig) -> Result<Configs, String> {
    let chain = certificates(&config.cert)?;
    let ends = chain.iter().filter_map(|certificate| end(certificate)).min();
    let server = server_config(config, chain)?;
    let speaking = |protocols: &[&[u8]]| {
        let mut server = server.clone();
        server.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        Arc::new(server)
    };
    Ok(Configs { grpc: speaking(&[b"h2"]), http: speaking(&[b"h2", b"http/1.1"]), ends })
}

fn server_config(
    config: &TlsConfig,
    chain: Vec<CertificateDer<'static>>,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for ca in certificates(path)? {
                let wrong = |why| format!("`{}`: {why}", path.display());
                roots.add(ca).map_err(wrong)?;
            }
            // Required: a client without a certificate doesn't get past the handshake.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|why| format!("`{}`: {why}", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = read_file(&config.key, MAX_FILE)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|why| format!("`{}` has no private key: {why}", config.key.display()))?;
    builder
        .with_single_cert(chain, key)
        .map_err(|why| format!("`{}`: {why}", config.cert.display()))
}

fn certificates(path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read_file(path, MAX_FILE)?;
    let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("`{}` has no certificate", path.display())),
        Err(why) => Err(format!("`{}`: {why}", path.display())),
    }
}

/// `notAfter` of a certificate (RFC 5280, section 4.1): the second of the two times that
/// are its `validity`.
fn end(certificate: &[u8]) -> Option<Timestamp> {
    let whole = simple_asn1::from_der(certificate).ok()?;
    let parts = |block: &ASN1Block| match block {
        ASN1Block::Sequence(_, parts) => Some(parts.clone()),
        _ => None,
    };
    let signed = parts(parts(whole.first()?)?.first()?)?;
    signed.iter().filter_map(parts).find_map(|validity| match validity.as_slice() {
        [
            ASN1Block::UTCTime(..) | ASN1Block::GeneralizedTime(..),
            ASN1Block::UTCTime(_, end) | ASN1Block::GeneralizedTime(_, end),
        ] => Some(Timestamp::from_millis(end.assume_utc().unix_timestamp() * 1000)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::end;

    /// RFC 5280 writes times otherwise from 2050 on.
    #[test]
    fn the_end_of_a_certificate_is_read_however_it_is_written() {
        let key = KeyPair::generate().unwrap();
        for year in [1999, 2030, 2049, 2050, 2060, 9999] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_before = date_time_ymd(1990, 1, 2);
            params.not_after = date_time_ymd(year, 3, 4);
            let certificate = params.self_signed(&key).unwrap();
            let written: jiff::Timestamp = format!("{year}-03-04T00:00:00Z").parse().unwrap();
            let der = certificate.der();
            assert_eq!(end(der).unwrap().millis(), written.as_millisecond());
            for shorter in 0..der.len() {
                assert_eq!(end(&der[..shorter]), None, "{shorter} bytes");
            }
        }
        assert_eq!(end(b"garbage"), None);
    }
}
