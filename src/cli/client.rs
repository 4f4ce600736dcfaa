//! Asking a server that runs, by gRPC.

use anyhow::Context as _;
use serde_json::{Map, Value as Json};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::api::json;
use crate::api::question::{Question, QuestionParty};
use crate::proto::{Action, EvaluateRequest, HttpRequest, Party};

/// Where `serve` answers gRPC unless it is told otherwise.
pub(super) const DEFAULT_SERVER: &str = "127.0.0.1:9191";

#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// Where the server answers gRPC: an address with a port, or unix:/path
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_SERVER)]
    pub(super) server: String,
}

/// Runs one command's calls on this thread.
pub(super) fn block_on<T>(calls: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(calls)
}

pub(super) async fn connect(server: &str) -> anyhow::Result<Channel> {
    let written = server.starts_with("unix:") || server.contains("://");
    let uri = if written { server.to_owned() } else { format!("http://{server}") };
    let endpoint = Endpoint::from_shared(uri).with_context(|| {
        format!("`--server {server}`: expected an address with a port, or unix:/path")
    })?;
    endpoint.connect().await.with_context(|| {
        format!(
            "no server answers at `{server}`: start one with `plimsoll serve`, \
             or name its gRPC address with --server"
        )
    })
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
