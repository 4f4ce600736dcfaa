//! Asking a server that runs, by gRPC.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value as Json};
use tonic::Status;

use crate::api::json;
use crate::api::question::{Question, QuestionParty};
pub(super) use crate::client::{Channel, Reach};
use crate::proto::{Action, EvaluateRequest, HttpRequest, Party};

/// Where `serve` answers gRPC unless it is told otherwise.
pub(super) const DEFAULT_SERVER: &str = "127.0.0.1:9191";

#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// Where the server answers gRPC: an address with a port, https://..., or unix:/path
    #[arg(long, value_name = "ADDRESS", env = "PLIMSOLL_SERVER", default_value = DEFAULT_SERVER)]
    server: String,
    #[command(flatten)]
    proof: Proof,
}

impl Server {
    pub(super) fn reach(&self) -> anyhow::Result<Reach> {
        self.proof.reach(&self.server)
    }
}

/// What proves the server and us to each other.
#[derive(clap::Args)]
pub(super) struct Proof {
    /// Who vouches for a server at https://, as PEM; left out, whom the system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate that the server is shown, as PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, as PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The token that the server is shown, or @FILE. In a command line everybody on this
    /// machine can read it, in a file or in the environment not
    #[arg(long, value_name = "TOKEN", env = "PLIMSOLL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Shows nothing secret.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("ca", &self.ca)
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

impl Proof {
    /// How the server at this address is reached. An address without a scheme is of
    /// TLS where certificates are named.
    pub(super) fn reach(&self, server: &str) -> anyhow::Result<Reach> {
        let written = server.starts_with("unix:") || server.contains("://");
        let secure = self.ca.is_some() || self.cert.is_some();
        let mut reach = Reach::new(match (written, secure) {
            (true, _) => server.to_owned(),
            (false, true) => format!("https://{server}"),
            (false, false) => format!("http://{server}"),
        });
        if let Some(ca) = &self.ca {
            reach = reach.with_ca(read(ca)?);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            reach = reach.with_certificate(read(cert)?, read(key)?);
        }
        let token = match self.token.as_deref().map(|token| (token, token.strip_prefix('@'))) {
            None | Some(("", _)) => return Ok(reach),
            Some((_, Some(file))) => {
                let text = String::from_utf8(read(Path::new(file))?);
                text.with_context(|| format!("`{file}` is not UTF-8"))?.trim().to_owned()
            }
            Some((token, None)) => token.to_owned(),
        };
        Ok(reach.with_token(token))
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("`{}` can't be read", path.display()))
}

/// Runs one command's calls on this thread.
pub(super) fn block_on<T>(calls: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(calls)
}

pub(super) async fn connect(reach: &Reach) -> anyhow::Result<Channel> {
    let server = reach.address();
    let channel = reach.endpoint()?.connect().await.with_context(|| {
        format!(
            "no server answers at `{server}`: start one with `plimsoll serve`, \
             or name its gRPC address with --server"
        )
    })?;
    Ok(Channel::new(channel, reach.show_token()?))
}

/// What a server said instead of an answer.
pub(super) fn refused(status: &Status) -> anyhow::Error {
    match status.message() {
        "" => anyhow::anyhow!("the server answered {:?}", status.code()),
        text => anyhow::anyhow!("the server answered {:?}: {text}", status.code()),
    }
}

/// A question as the native service is asked it.
pub(super) fn evaluate_request(question: Question) -> EvaluateRequest {
    EvaluateRequest {
        subject: Some(party(question.subject)),
        action: Some(Action {
            name: question.action,
            properties: structure(question.action_properties),
        }),
        resource: Some(party(question.resource)),
        context: structure(question.context),
        policy: question.policy,
        enforces_limits: question.enforces_limits,
        http: question.http.map(|http| HttpRequest {
            method: http.method,
            path: http.path,
            host: http.host,
            scheme: http.scheme,
            headers: http.headers.into_iter().collect(),
        }),
    }
}

fn party(party: QuestionParty) -> Party {
    let properties = structure(party.properties);
    Party { r#type: party.kind, id: party.id, properties }
}

fn structure(map: Map<String, Json>) -> Option<prost_types::Struct> {
    (!map.is_empty()).then(|| json::to_struct(map))
}
