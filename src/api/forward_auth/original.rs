//! What a proxy says that it was asked for.

use axum::http::Method;

use super::header;
use crate::api::ext_authz::Header;

/// The request that the client made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Original<'r> {
    pub(super) method: &'r str,
    /// As the client sent it, with the query.
    pub(super) target: &'r str,
    /// Empty where it is not told, as are the next.
    pub(super) host: &'r str,
    pub(super) scheme: &'r str,
    pub(super) address: &'r str,
}

/// Why that can't be made out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OriginalError {
    #[error("the proxy does not say which {0} it was asked for")]
    Absent(&'static str),
    #[error("which request was made is told twice")]
    Twice,
    #[error("the header {0} is not text")]
    NotText(&'static str),
    #[error("the method is none")]
    Method,
    #[error("the URL is none")]
    Url,
}

impl<'r> Original<'r> {
    /// A proxy passes a client's headers on beside its own, and each writes other
    /// ones: nginx `x-original-*`, Traefik and Caddy `x-forwarded-*`. Where both are
    /// there, one of them is the client's, and nobody can tell which.
    pub(super) fn of(headers: &'r [Header<'r>]) -> Result<Self, OriginalError> {
        let find = |name| single(headers, name);
        let (uri, url) = (find("x-original-uri")?, find("x-original-url")?);
        let (method, forwarded_method) = (find("x-original-method")?, find("x-forwarded-method")?);
        let forwarded_uri = find("x-forwarded-uri")?;
        let original = uri.is_some() || url.is_some() || method.is_some();
        let forwarded = forwarded_uri.is_some() || forwarded_method.is_some();
        if original && forwarded || uri.is_some() && url.is_some() {
            return Err(OriginalError::Twice);
        }
        let method = method.or(forwarded_method).ok_or(OriginalError::Absent("method"))?;
        if method.is_empty() || Method::from_bytes(method.as_bytes()).is_err() {
            return Err(OriginalError::Method);
        }
        let mut found = Original {
            method,
            target: uri.or(forwarded_uri).unwrap_or_default(),
            host: find("x-forwarded-host")?.unwrap_or_default(),
            scheme: find("x-forwarded-proto")?.unwrap_or_default(),
            address: nearest(headers)?,
        };
        if let Some(url) = url {
            (found.scheme, found.host, found.target) = split(url).ok_or(OriginalError::Url)?;
        } else if uri.or(forwarded_uri).is_none() {
            return Err(OriginalError::Absent("path"));
        }
        Ok(found)
    }
}

/// A header that proxies set: twice, one of them is somebody else's.
fn single<'r>(
    headers: &'r [Header<'r>],
    name: &'static str,
) -> Result<Option<&'r str>, OriginalError> {
    let Some(header) = header(headers, name) else { return Ok(None) };
    if header.repeated {
        return Err(OriginalError::Twice);
    }
    header.text().map(Some).ok_or(OriginalError::NotText(name))
}

/// Whom the proxy that asks has been connected with: the last one in the list.
fn nearest<'r>(headers: &'r [Header<'r>]) -> Result<&'r str, OriginalError> {
    const NAME: &str = "x-forwarded-for";
    let Some(header) = header(headers, NAME) else { return Ok("") };
    let text = header.text().ok_or(OriginalError::NotText(NAME))?;
    Ok(text.rsplit(',').next().unwrap_or_default().trim())
}

/// Scheme, host and the rest of a URL.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end)?;
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    Some((scheme, authority, if target.is_empty() { "/" } else { target }))
}

#[cfg(test)]
mod tests;
