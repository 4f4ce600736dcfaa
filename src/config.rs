//! The configuration: one YAML file, every key settable by environment.

mod data;
mod server;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Yaml};
use serde::{Deserialize, Serialize};

pub use data::DataConfig;
pub use server::ServerConfig;
pub use tokens::{CallerJwtConfig, CallerRule, ClaimValue, JwtAlgorithm, JwtConfig, TokenTrust};

/// Environment variables that set keys begin with this; `__` goes a level down:
/// `PLIMSOLL_LISTEN__GRPC=127.0.0.1:9191`.
const ENV_PREFIX: &str = "PLIMSOLL_";

/// `PLIMSOLL_TOKEN` is what commands show a server, `PLIMSOLL_SERVER` where it is: no keys of its own.
const OF_COMMANDS: &[&str] = &["token", "server"];

/// The variables that set keys. Kubernetes tells a pod of a Service named `plimsoll`, or
/// `plimsoll-x`, by `PLIMSOLL_PORT`, `PLIMSOLL_X_SERVICE_HOST`,
/// `PLIMSOLL_PORT_9191_TCP_ADDR` and the like; no key of ours is called so.
fn environment() -> Env {
    let of_kubernetes = |name: &str| {
        let name = format!("_{}_", name.to_ascii_lowercase());
        !name.contains("__") && (name.contains("_port_") || name.contains("_service_"))
    };
    let own = Env::prefixed(ENV_PREFIX).ignore(OF_COMMANDS);
    own.filter(move |name| !of_kubernetes(name.as_str())).split("__").lowercase(true)
}

/// Everything that can be configured. An unknown key is an error that names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub listen: ListenConfig,
    pub tls: Option<TlsConfig>,
    pub auth: Option<AuthConfig>,
    /// The policy folder; may come into being later.
    pub policies: PathBuf,
    /// Where signals and what was learned are kept: a folder of its own, or `memory`.
    pub data: DataConfig,
    /// The policy that a request meets which names none.
    pub default_policy: String,
    pub identity: IdentityConfig,
    pub jwt: Option<JwtConfig>,
    pub ext_authz: ExtAuthzConfig,
    pub forward_auth: ForwardAuthConfig,
    pub signals: SignalsConfig,
    pub server: ServerConfig,
    pub telemetry: TelemetryConfig,
    pub readiness: ReadinessConfig,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// gRPC: an address, or `unix:/path`.
    pub grpc: String,
    /// HTTP: an address, or `unix:/path`.
    pub http: String,
    /// Under which URL callers reach HTTP, for the AuthZEN metadata. Without one,
    /// it is what the request for the metadata came to.
    pub public_url: Option<String>,
    /// The mode of Unix sockets, in octal: `"660"`. Left out, the umask decides.
    pub unix_mode: Option<String>,
    /// The owner of Unix sockets, as numbers: `"1000"`, `"1000:1000"` or `":1000"`.
    pub unix_owner: Option<String>,
}

/// TLS for listeners. The files are read anew when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and what is above it, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// Clients must show a certificate that one of these has signed.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Which listeners; all unless told.
    #[serde(default = "all_listeners")]
    pub listeners: Vec<Listener>,
}

/// A listener, by its key below `listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    Grpc,
    Http,
}

/// Who may do what. Left out, everybody may do everything, which is only taken
/// where nobody but this machine can connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Callers that prove themselves by a client certificate.
    pub callers: Vec<CallerConfig>,
    /// A file of tokens, a line each: `name sha256hex permission,permission`.
    /// Read anew when it changes.
    pub tokens: Option<PathBuf>,
    /// Callers that prove themselves by a signed token of an identity provider.
    pub jwt: Option<CallerJwtConfig>,
    /// What callers on loopback and Unix sockets may do without proof.
    pub local: Vec<Permission>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        AuthConfig { callers: Vec::new(), tokens: None, jwt: None, local: vec![Permission::Decide] }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerConfig {
    /// A URI or DNS name of the certificate; `spiffe://prod/edge/*` is all below.
    pub name: String,
    pub permissions: Vec<Permission>,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Ask for decisions.
    Decide,
    /// Report signals.
    Report,
    /// Look into what is known and was decided.
    Review,
    /// Announce changes of entities, which softens what speaks against them.
    Announce,
    /// Make Plimsoll forget, and all else.
    Admin,
}

fn all_listeners() -> Vec<Listener> {
    vec![Listener::Grpc, Listener::Http]
}

/// For each entity kind, where its id comes from: tried in order. What is not
/// named here is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdentityConfig(pub BTreeMap<String, Vec<IdentitySource>>);

/// One source of an entity's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IdentitySource {
    /// The identity in the peer's certificate, as the proxy attests it.
    Principal {},
    /// A claim of a token that Envoy's `jwt_authn` has verified.
    JwtMetadata {
        claim: String,
        /// Under which key `jwt_authn` puts the payload (`payload_in_metadata`).
        #[serde(default = "payload_key")]
        payload: String,
    },
    /// A claim of a token that is verified here, as `jwt` says.
    Jwt { claim: String },
    /// A header, lower case: only where the proxy sets it and clients can't.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// The address of the connection's other end.
    Connection {},
    /// The address in `x-forwarded-for` that the outermost of so many trusted
    /// proxies has seen.
    ForwardedFor { trusted_hops: usize },
    /// The client certificate in `x-forwarded-client-cert` that the outermost of so
    /// many trusted proxies has seen.
    ForwardedClientCert { trusted_hops: usize, field: CertificateField },
    /// A context extension of Envoy's route.
    ContextExtension(String),
}

/// What of a client certificate is the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateField {
    /// Its first URI name.
    Uri,
    /// Its first DNS name.
    Dns,
    Subject,
    /// The SHA-256 of the certificate, in hexadecimal digits.
    Hash,
}

fn payload_key() -> String {
    "payload".to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtAuthzConfig {
    /// Which `x-plimsoll-*` headers the upstream is sent, through Envoy and by
    /// forward-auth.
    pub headers: Vec<AnswerHeader>,
    /// A larger message is refused (bytes).
    pub max_message: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardAuthConfig {
    /// The application enforces the limits in `x-plimsoll-limits`. Without that, a
    /// `restrict` is a `deny`. Stands here since all else in such a request may be a client's.
    pub enforces_limits: bool,
}

/// A header of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerHeader {
    Decision,
    Score,
    Level,
    Confidence,
    Id,
    Policy,
    Revision,
    Factors,
    Limits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalsConfig {
    /// The cache never holds more entities than this.
    pub max_entities: usize,
    /// Nor more bytes than this.
    pub max_bytes: usize,
    /// How many observations may wait to be learned; more are counted and dropped.
    pub observation_queue: usize,
    /// How many links between entities and values of their identifiers are kept; of entities
    /// that have any a quarter as many, of values half as many.
    pub max_links: usize,
    /// How many entities can be labelled.
    pub max_labels: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// As in `RUST_LOG`: `info`, `plimsoll=debug`.
    pub log: String,
    pub log_format: LogFormat,
    /// Traces and metrics to an OpenTelemetry collector. Takes a build with the
    /// feature `otlp`.
    pub otlp: Option<OtlpConfig>,
}

/// Export by OTLP over gRPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// The collector, as a URL: `http://127.0.0.1:4317`, or `https:`.
    pub endpoint: String,
    #[serde(default = "yes")]
    pub traces: bool,
    #[serde(default = "yes")]
    pub metrics: bool,
    /// The share of requests, from 0 to 1, that begin a trace where the caller brings
    /// none. A trace that the caller brings is sampled as the caller says.
    #[serde(default)]
    pub sample: f64,
    /// How often metrics are sent (seconds).
    #[serde(default = "ten_seconds")]
    pub interval_seconds: f64,
    /// How many spans may wait to be sent; more are counted and dropped.
    #[serde(default = "queue")]
    pub queue: usize,
    /// Sent with each export: a token, say.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// More attributes of the resource, such as `deployment.environment.name`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> f64 {
    10.0
}

fn queue() -> usize {
    4096
}

/// What `/ready` and gRPC health wait for, beside the first policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadinessConfig {
    /// Lists of the catalog that must be loaded.
    pub lists: Vec<String>,
    /// How many reported signals must have been accepted.
    pub first_signals: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    /// For this machine only: both listeners on loopback, where without `auth`
    /// everybody may do everything. See docs/security.md before opening a port.
    fn default() -> Self {
        Config {
            listen: ListenConfig::default(),
            tls: None,
            auth: None,
            policies: PathBuf::from("policies"),
            data: DataConfig::default(),
            default_policy: "session".to_owned(),
            identity: IdentityConfig::default(),
            jwt: None,
            ext_authz: ExtAuthzConfig::default(),
            forward_auth: ForwardAuthConfig::default(),
            signals: SignalsConfig::default(),
            server: ServerConfig::default(),
            telemetry: TelemetryConfig::default(),
            readiness: ReadinessConfig::default(),
        }
    }
}

impl Default for ListenConfig {
    fn default() -> Self {
        ListenConfig {
            grpc: "127.0.0.1:9191".to_owned(),
            http: "127.0.0.1:9192".to_owned(),
            public_url: None,
            unix_mode: None,
            unix_owner: None,
        }
    }
}

impl Default for IdentityConfig {
    /// Only what the proxy itself attests.
    fn default() -> Self {
        let claim = |claim: &str| IdentitySource::JwtMetadata {
            claim: claim.to_owned(),
            payload: payload_key(),
        };
        IdentityConfig(BTreeMap::from([
            ("user".to_owned(), vec![claim("sub"), IdentitySource::Principal {}]),
            ("session".to_owned(), vec![claim("sid")]),
            ("address".to_owned(), vec![IdentitySource::Connection {}]),
        ]))
    }
}

impl Default for ExtAuthzConfig {
    fn default() -> Self {
        use AnswerHeader::{Decision, Id, Level, Limits, Policy, Score};
        ExtAuthzConfig {
            headers: vec![Decision, Score, Level, Id, Policy, Limits],
            max_message: 1024 * 1024,
        }
    }
}

impl Default for SignalsConfig {
    fn default() -> Self {
        SignalsConfig {
            max_entities: 4_000_000,
            max_bytes: 2 * 1024 * 1024 * 1024,
            observation_queue: 65_536,
            max_links: 4_000_000,
            max_labels: 1_000_000,
        }
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig { log: "info".to_owned(), log_format: LogFormat::Text, otlp: None }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file `{path}` can't be read: {why}")]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{0}")]
    Wrong(Box<figment::Error>),
    #[error("`{key}`: {why}")]
    Value { key: &'static str, why: String },
}

impl Config {
    /// Reads the file, if one is given, and the environment over it.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|why| ConfigError::Unreadable { path: path.to_owned(), why })?;
            // Replaces whole entries: the default sources of an entity kind are
            // not mixed with those that the file names.
            figment = figment.merge(Yaml::string(&text));
        }
        let config: Config = figment
            .merge(environment())
            .extract()
            .map_err(|why| ConfigError::Wrong(Box::new(why)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, why: &str| Err(ConfigError::Value { key, why: why.to_owned() });
        if matches!(&self.data, DataConfig::Folder(path) if path.as_os_str().is_empty()) {
            return wrong("data", "is a folder, or `memory` to keep nothing");
        }
        if self.signals.max_entities == 0 || self.signals.max_bytes == 0 {
            return wrong("signals", "`max_entities` and `max_bytes` must be above zero");
        }
        if self.signals.observation_queue == 0 {
            return wrong("signals.observation_queue", "must be above zero");
        }
        if self.signals.max_links < 4 || self.signals.max_labels == 0 {
            return wrong("signals", "`max_links` must be at least 4, `max_labels` above zero");
        }
        self.server.check()?;
        if let Some(otlp) = &self.telemetry.otlp {
            if !(0.0..=1.0).contains(&otlp.sample) {
                return wrong("telemetry.otlp.sample", "is from 0 to 1");
            }
            if !(0.1..=86_400.0).contains(&otlp.interval_seconds) {
                return wrong("telemetry.otlp.interval_seconds", "is from 0.1 to 86400");
            }
            if !(1..=1_000_000).contains(&otlp.queue) {
                return wrong("telemetry.otlp.queue", "is from 1 to 1000000");
            }
        }
        if let Some(url) = &self.listen.public_url {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if !host.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@', ' '])) {
                return wrong("listen.public_url", "is a http(s) URL without query and fragment");
            }
        }
        let ca = self.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
        if ca.is_none() && self.auth.as_ref().is_some_and(|auth| !auth.callers.is_empty()) {
            return wrong("auth.callers", "certificates prove nothing without `tls.client_ca`");
        }
        tokens::check(self)?;
        for sources in self.identity.0.values() {
            for source in sources {
                if matches!(source, IdentitySource::Jwt { .. }) && self.jwt.is_none() {
                    return wrong("identity", "a source `jwt` needs `jwt`: keys, issuer, audience");
                }
                if let IdentitySource::ForwardedFor { trusted_hops: 0 }
                | IdentitySource::ForwardedClientCert { trusted_hops: 0, .. } = source
                {
                    return wrong(
                        "identity",
                        "`forwarded_for` and `forwarded_client_cert` need `trusted_hops` of at \
                         least 1: with none, any client could say who it is",
                    );
                }
            }
        }
        Ok(())
    }
}
