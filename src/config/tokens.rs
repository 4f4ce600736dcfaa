//! How tokens are verified: those of end users, and those of callers.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, Permission};
use crate::fetch::check_url;

/// How tokens of end users are verified, for identity sources `jwt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// The key set (RFC 7517): a file, read anew when it changes, or an `https://`
    /// URL. `http://` is taken of this machine only.
    pub jwks: String,
    /// Who vouches for the URL's server, as PEM; left out, whom the system trusts.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How often the URL is fetched: `"5m"`, from a second to a day. A key that is not
    /// known has it fetched at once, at most every 10 seconds.
    #[serde(default = "five_minutes")]
    pub refresh: String,
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be, or have among others.
    pub audience: String,
    /// Others are not taken, whatever a token says of itself.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The header that the token is in.
    #[serde(default = "authorization")]
    pub header: String,
    /// The cookie that the token is in where that header has none.
    #[serde(default)]
    pub cookie: Option<String>,
    /// Claims that policies read as `subject.properties.NAME` where a caller passes a token on.
    #[serde(default)]
    pub claims: Vec<String>,
}

/// How callers prove themselves by a token of an identity provider. The first keys
/// are those of `jwt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerJwtConfig {
    pub jwks: String,
    #[serde(default)]
    pub ca: Option<PathBuf>,
    #[serde(default = "five_minutes")]
    pub refresh: String,
    pub issuer: String,
    pub audience: String,
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that is the caller's name, in the log: `sub`.
    #[serde(default = "sub")]
    pub name_claim: String,
    /// A claim that lists permissions, as a list or with spaces between. Words in it
    /// that are none of ours are passed over.
    #[serde(default)]
    pub permissions_claim: Option<String>,
    /// What claims give: all rules count that are met.
    #[serde(default)]
    pub rules: Vec<CallerRule>,
}

/// Permissions for tokens with a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerRule {
    pub claim: String,
    /// What the claim is, or has among others.
    pub value: ClaimValue,
    pub permissions: Vec<Permission>,
}

/// A claim's value, as written in YAML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimValue {
    Text(String),
    Number(i64),
    Bool(bool),
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    RS256,
    ES256,
    EdDSA,
}

/// What a token must be to be believed: what both kinds of tokens have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTrust {
    /// The key of `jwks`, for the log and `/status`.
    pub key: &'static str,
    pub jwks: String,
    pub ca: Option<PathBuf>,
    pub refresh: Duration,
    pub issuer: String,
    pub audience: String,
    pub algorithms: Vec<JwtAlgorithm>,
}

impl TokenTrust {
    /// The URL that keys are fetched from; nothing where they are in a file.
    pub fn url(&self) -> Option<&str> {
        is_url(&self.jwks).then_some(&*self.jwks)
    }
}

impl JwtConfig {
    /// # Errors
    /// What is wrong with `refresh`.
    pub fn trust(&self) -> Result<TokenTrust, String> {
        Ok(TokenTrust {
            key: "jwt.jwks",
            jwks: self.jwks.clone(),
            ca: self.ca.clone(),
            refresh: span(&self.refresh)?,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            algorithms: self.algorithms.clone(),
        })
    }
}

impl CallerJwtConfig {
    /// # Errors
    /// What is wrong with `refresh`.
    pub fn trust(&self) -> Result<TokenTrust, String> {
        Ok(TokenTrust {
            key: "auth.jwt.jwks",
            jwks: self.jwks.clone(),
            ca: self.ca.clone(),
            refresh: span(&self.refresh)?,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            algorithms: self.algorithms.clone(),
        })
    }
}

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    if let Some(jwt) = &config.jwt {
        let wrong = |why| ConfigError::Value { key: "jwt", why };
        check_trust(&jwt.trust().map_err(wrong)?).map_err(wrong)?;
    }
    if let Some(jwt) = config.auth.as_ref().and_then(|auth| auth.jwt.as_ref()) {
        let wrong = |why| ConfigError::Value { key: "auth.jwt", why };
        check_trust(&jwt.trust().map_err(wrong)?).map_err(wrong)?;
        if jwt.permissions_claim.is_none() && jwt.rules.is_empty() {
            let why = "`permissions_claim` or `rules` must say what callers may do";
            return Err(wrong(why.to_owned()));
        }
    }
    Ok(())
}

fn check_trust(trust: &TokenTrust) -> Result<(), String> {
    if trust.algorithms.is_empty() {
        return Err("`algorithms` names none of RS256, ES256, EdDSA".to_owned());
    }
    if trust.issuer.is_empty() || trust.audience.is_empty() {
        return Err("`issuer` and `audience` can't be empty".to_owned());
    }
    let Some(url) = trust.url() else {
        return match trust.ca {
            Some(_) => Err("`ca` is for a `jwks` by URL".to_owned()),
            None => Ok(()),
        };
    };
    check_url(url, "the keys").map_err(|why| format!("`jwks`: {why}"))
}

fn is_url(jwks: &str) -> bool {
    jwks.starts_with("https://") || jwks.starts_with("http://")
}

fn span(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| span.try_into().ok());
    span.filter(|span: &Duration| (1..=86_400).contains(&span.as_secs()))
        .ok_or_else(|| format!("`refresh`: `{text}` is no time from \"1s\" to \"24h\""))
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn five_minutes() -> String {
    "5m".to_owned()
}

fn sub() -> String {
    "sub".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{JwtAlgorithm, TokenTrust, check_trust, span};
    use std::time::Duration;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let check = |jwks: &str| {
            check_trust(&TokenTrust {
                key: "jwt.jwks",
                jwks: jwks.to_owned(),
                ca: None,
                refresh: Duration::from_secs(300),
                issuer: "i".to_owned(),
                audience: "a".to_owned(),
                algorithms: vec![JwtAlgorithm::ES256],
            })
        };
        for good in [
            "https://idp.test/keys",
            "http://127.0.0.1:80/keys",
            "http://[::1]/keys",
            "http://localhost:1/k",
            "/etc/keys.json",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "http://idp.test/keys",
            "http://127.0.0.1.evil.test/keys",
            "http://localhost@evil.test/keys",
            "https://user:password@idp.test/keys",
            "https://",
            "https:///keys",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refresh_is_a_time_from_a_second_to_a_day() {
        assert_eq!(span("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(span("1h 30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "5", "0s", "-5m", "2d", "25h", "soon"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
