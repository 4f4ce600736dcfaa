//! Fetching a key set: bounded in time and size, and of the named server only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Proxy};

use super::verifier::MAX_KEY_SET;
use crate::api::renewed::read_file;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// For all of it, however slowly it comes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn fetch(url: &str, ca: Option<&Path>) -> Result<Vec<u8>, String> {
    let is_secure = url.starts_with("https://");
    // Read anew each time, so that a CA file may change.
    let tls = if is_secure { Some(tls(ca)?) } else { None };
    let config = Agent::config_builder()
        .https_only(is_secure)
        // Whoever could redirect could name other keys.
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_PATIENCE))
        .timeout_global(Some(PATIENCE))
        .max_response_header_size(64 * 1024)
        // `http://` is of this machine only.
        .proxy(if is_secure { Proxy::try_from_env() } else { None })
        .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
        .accept("application/jwk-set+json, application/json");
    let config = match tls {
        Some(tls) => config.tls_config(tls),
        None => config,
    };
    let mut response = config.build().new_agent().get(url).call().map_err(|why| why.to_string())?;
    if response.status() != 200 {
        return Err(format!("it answers {}", response.status()));
    }
    let body = response.body_mut().with_config().limit(MAX_KEY_SET);
    body.read_to_vec().map_err(|why| why.to_string())
}

fn tls(ca: Option<&Path>) -> Result<TlsConfig, String> {
    let roots = match ca {
        Some(path) => authorities(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    if roots.is_empty() {
        return Err("nobody is trusted to vouch for the server: name a CA in `ca`".to_owned());
    }
    let roots: Vec<_> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read_file(path, MAX_KEY_SET)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    all.map_err(|why| format!("`{}`: {why}", path.display()))
}
