//! What other machines serve, read over HTTPS: bounded in time and size, and of
//! the named server only. Key sets and lists come by it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Proxy};

/// A file of CA certificates is not longer (bytes).
const MAX_CA: u64 = 1024 * 1024;

/// What a server may say of itself before its answer begins (bytes).
const MAX_HEAD: usize = 64 * 1024;

/// A longer `ETag` or `Last-Modified` is not remembered (bytes).
const MAX_VALIDATOR: usize = 512;

/// How much a server may take of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Length of what is served (bytes).
    pub bytes: u64,
    pub connect: Duration,
    /// Until the answer begins.
    pub begin: Duration,
    /// For all of it, however slowly it comes.
    pub whole: Duration,
}

/// A question to a server.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub url: &'a str,
    /// Who vouches for the server, as PEM; nothing: whom the system trusts.
    pub ca: Option<&'a Path>,
    pub accept: &'a str,
    pub bearer: Option<&'a str>,
    /// The version that is had: what has not changed since is not sent again.
    pub etag: Option<&'a str>,
    pub modified: Option<&'a str>,
    pub bounds: Bounds,
}

/// What a server says.
pub enum Answer {
    /// The version that is had is still the one that it serves.
    Unchanged,
    Content(Content),
}

/// What a server sends.
pub struct Content {
    pub etag: Option<String>,
    pub modified: Option<String>,
    /// As it says; it may lie.
    pub length: Option<u64>,
    /// The media type, in lower case and without parameters.
    pub media_type: Option<String>,
    /// Fails where it is cut off, too long or too slow.
    pub body: Box<dyn Read + Send>,
}

/// Asks. Redirects are not followed: whoever could redirect could name other content.
///
/// # Errors
/// Why there is no answer that could be used, without the URL and without secrets.
pub fn ask(ask: &Ask<'_>) -> Result<Answer, String> {
    let is_secure = ask.url.starts_with("https://");
    if ask.bearer.is_some() && !is_secure {
        return Err("a token is sent over https:// only".to_owned());
    }
    // Read anew each time, so that a CA file may change.
    let tls = if is_secure { Some(tls(ask.ca)?) } else { None };
    let config = Agent::config_builder()
        .https_only(is_secure)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_connect(Some(ask.bounds.connect))
        .timeout_recv_response(Some(ask.bounds.begin))
        .timeout_global(Some(ask.bounds.whole))
        .max_response_header_size(MAX_HEAD)
        // `http://` is of this machine only.
        .proxy(if is_secure { Proxy::try_from_env() } else { None })
        .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
        .accept(ask.accept);
    let config = match tls {
        Some(tls) => config.tls_config(tls),
        None => config,
    };
    let mut request = config.build().new_agent().get(ask.url);
    let had = [("if-none-match", ask.etag), ("if-modified-since", ask.modified)];
    // The second is for servers that know no first (RFC 9110, section 13.1.3).
    if let Some((name, value)) = had.iter().find_map(|(name, value)| Some((*name, (*value)?))) {
        request = request.header(name, value);
    }
    if let Some(token) = ask.bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = request.call().map_err(|why| why.to_string())?;
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
    match response.status().as_u16() {
        200 => {}
        304 if ask.etag.is_some() || ask.modified.is_some() => return Ok(Answer::Unchanged),
        300..=399 => {
            return Err(format!(
                "it answers {}, and redirects are not followed: name where it leads",
                response.status()
            ));
        }
        _ => return Err(format!("it answers {}", response.status())),
    }
    if let Some(coding) = header("content-encoding").filter(|coding| coding != "identity") {
        return Err(format!("it answers in the encoding `{coding}`, which was not asked for"));
    }
    let short = |text: &String| text.len() <= MAX_VALIDATOR;
    let media_type = header("content-type")
        .map(|media| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    Ok(Answer::Content(Content {
        etag: header("etag").filter(short),
        modified: header("last-modified").filter(short),
        length: header("content-length")
            .and_then(|length| length.parse().ok())
            .filter(|length| *length <= ask.bounds.bytes),
        media_type,
        body: Box::new(response.into_body().into_with_config().limit(ask.bounds.bytes).reader()),
    }))
}

/// All that a server sends.
///
/// # Errors
/// As [`ask`], and where it is cut off, too long or too slow.
pub fn whole(question: &Ask<'_>) -> Result<Vec<u8>, String> {
    let Answer::Content(mut content) = ask(question)? else {
        return Err("it answers 304 to what was not conditional".to_owned());
    };
    let mut bytes = Vec::new();
    content.body.read_to_end(&mut bytes).map_err(|why| why.to_string())?;
    Ok(bytes)
}

/// Whether a URL may be fetched. `what` it names goes into the message.
///
/// # Errors
/// Why not, and the mend.
pub fn check_url(url: &str, what: &str) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|why| format!("`{url}` is no URL: {why}"))?;
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
        return Err(format!("`{url}` has no host"));
    };
    if authority.as_str().contains('@') {
        // It would stand in the log.
        return Err("a URL with a password in it is not taken".to_owned());
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_this_machine(host) => Ok(()),
        Some("http") => Err(format!(
            "`{url}`: whoever is on the way could change {what}; \
             use https://, or http:// of this machine"
        )),
        _ => Err(format!("`{url}` is neither https:// nor http:// of this machine")),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Reads a file that holds secrets or keys, of at most `limit` bytes.
///
/// # Errors
/// When it can't be read, or is longer.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let unreadable = |why: std::io::Error| format!("`{}` can't be read: {why}", path.display());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(format!("`{}` is longer than {limit} bytes", path.display()));
    }
    Ok(bytes)
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
    let pem = read_file(path, MAX_CA)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    all.map_err(|why| format!("`{}`: {why}", path.display()))
}
