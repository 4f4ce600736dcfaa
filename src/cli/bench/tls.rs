//! TLS on a connection of ours.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cli::client::Reach;

/// Shakes hands with the server at `address`, a host and a port.
pub(super) async fn secure(
    stream: TcpStream,
    address: &str,
    reach: &Reach,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).context("the server's name is none")?;
    let connector = TlsConnector::from(Arc::new(config(reach)?));
    connector.connect(name, stream).await.context("the TLS handshake failed")
}

fn config(reach: &Reach) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match reach.ca() {
        Some(pem) => {
            for ca in certificates(pem).context("--ca")? {
                roots.add(ca).context("--ca")?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match reach.certificate() {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).context("--key has no private key")?;
            builder.with_client_auth_cert(certificates(cert).context("--cert")?, key)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?)
}
