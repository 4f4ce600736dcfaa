//! A client for applications: asks for decisions and reports signals over gRPC.
//!
//! `examples/client.rs` is a whole program with it.

mod reach;

use std::time::Duration;

use serde_json::{Map, Value as Json};
use tonic::{Code, Request, Status};

use crate::api::json;
use crate::proto::decision_service_client::DecisionServiceClient;
use crate::proto::evaluate_result::Result as ItemResult;
use crate::proto::signal_service_client::SignalServiceClient;
use crate::proto::{
    Action, Entity, EvaluateBatchRequest, EvaluateRequest, EvaluateResponse, Party, Report,
    ReportRequest, ReportResponse,
};

pub use reach::{Channel, Reach, ShowToken};

/// How long a call may take where nothing else is said: far more than a decision
/// needs, far less than a person waits.
const DEADLINE: Duration = Duration::from_secs(1);

/// A connection to Plimsoll, made again by itself where it breaks. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Client {
    decisions: DecisionServiceClient<Channel>,
    signals: SignalServiceClient<Channel>,
    deadline: Duration,
}

/// Why there is no answer. A caller lets nothing pass on any of these.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{address}` can't be connected to: {why}")]
    Address { address: String, why: String },
    #[error("the token has characters that can't stand in a header")]
    Token,
    /// Nobody is there, or no policy is loaded yet: worth another try.
    #[error("no decision can be had: {0}")]
    Unavailable(String),
    #[error("there was no answer within the deadline")]
    Deadline,
    /// The question is wrong, and says where; it will be the next time.
    #[error("{0}")]
    Question(String),
    #[error("{0}")]
    Other(Box<Status>),
}

/// A question: who wants to do what to which.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    subject: Party,
    action: String,
    resource: Party,
    entities: Map<String, Json>,
    context: Map<String, Json>,
    policy: String,
    enforces_limits: bool,
}

impl Ask {
    /// `kind` is the subject's entity kind: `user`, mostly.
    pub fn about(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Ask { subject: party(kind, id), ..Ask::default() }
    }

    #[must_use]
    pub fn to(mut self, action: impl Into<String>) -> Self {
        self.action = action.into();
        self
    }

    #[must_use]
    pub fn on(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.resource = party(kind, id);
        self
    }

    /// Names a further entity that this is about: a device, a session, an address.
    #[must_use]
    pub fn with_entity(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.entities.insert(kind.into(), Json::String(id.into()));
        self
    }

    /// Tells policies `context.NAME`.
    #[must_use]
    pub fn with_context(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }

    /// Names the policy, in place of the server's default.
    #[must_use]
    pub fn under(mut self, policy: impl Into<String>) -> Self {
        self.policy = policy.into();
        self
    }

    /// Promises to enforce the limits of a `restrict`, which else comes as a `deny`.
    #[must_use]
    pub fn enforcing_limits(mut self) -> Self {
        self.enforces_limits = true;
        self
    }
}

impl From<Ask> for EvaluateRequest {
    fn from(ask: Ask) -> Self {
        let mut context = ask.context;
        if !ask.entities.is_empty() {
            context.insert("entities".to_owned(), Json::Object(ask.entities));
        }
        EvaluateRequest {
            subject: Some(ask.subject),
            action: Some(Action { name: ask.action, properties: None }),
            resource: Some(ask.resource),
            context: Some(json::to_struct(context)),
            policy: ask.policy,
            enforces_limits: ask.enforces_limits,
            http: None,
        }
    }
}

impl Client {
    /// Connects with the first call. `address` is a URL, as `http://127.0.0.1:9191`.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When `address` is no URL.
    pub fn new(address: &str) -> Result<Self, ClientError> {
        Self::reaching(&Reach::new(address))
    }

    /// As [`new`](Self::new), by TLS, with a certificate or with a token.
    ///
    /// # Errors
    /// When the address is none, or a certificate, a key or the token can't be used.
    pub fn reaching(reach: &Reach) -> Result<Self, ClientError> {
        let (channel, token) = (reach.endpoint()?.connect_lazy(), reach.show_token()?);
        Ok(Client {
            decisions: DecisionServiceClient::with_interceptor(channel.clone(), token.clone()),
            signals: SignalServiceClient::with_interceptor(channel, token),
            deadline: DEADLINE,
        })
    }

    /// How long each call may take; one second where nothing is said.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// # Errors
    /// When there is no decision.
    pub async fn evaluate(&self, ask: Ask) -> Result<EvaluateResponse, ClientError> {
        let request = self.request(EvaluateRequest::from(ask));
        let answer = self.decisions.clone().evaluate(request).await;
        answer.map(tonic::Response::into_inner).map_err(ClientError::from)
    }

    /// Answers in the order of the questions, each with its own error. At most 1000.
    ///
    /// # Errors
    /// When there is no answer to any of them.
    pub async fn evaluate_batch(
        &self,
        asks: impl IntoIterator<Item = Ask>,
    ) -> Result<Vec<Result<EvaluateResponse, ClientError>>, ClientError> {
        let requests = asks.into_iter().map(EvaluateRequest::from).collect();
        let request = self.request(EvaluateBatchRequest { requests });
        let answer = self.decisions.clone().evaluate_batch(request).await?;
        let results = answer.into_inner().results.into_iter();
        Ok(results
            .map(|each| match each.result {
                Some(ItemResult::Response(answer)) => Ok(answer),
                Some(ItemResult::Error(why)) => Err(ClientError::Question(why)),
                None => Err(ClientError::Question("an answer of no kind".to_owned())),
            })
            .collect())
    }

    /// Reports signals of one entity, observed now. What is wrong with one of them is
    /// in the answer's `rejected`.
    ///
    /// # Errors
    /// When nothing was taken in.
    pub async fn report(
        &self,
        kind: impl Into<String>,
        id: impl Into<String>,
        signals: impl IntoIterator<Item = (&str, Json)>,
    ) -> Result<ReportResponse, ClientError> {
        let signals = signals.into_iter();
        let report = Report {
            entity: Some(Entity { r#type: kind.into(), id: id.into() }),
            signals: signals.map(|(name, value)| (name.to_owned(), json::to_wire(value))).collect(),
            observed_at: None,
        };
        let request =
            self.request(ReportRequest { reports: vec![report], ..ReportRequest::default() });
        let answer = self.signals.clone().report(request).await;
        answer.map(tonic::Response::into_inner).map_err(ClientError::from)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // Told to the server as well, which then stops.
        request.set_timeout(self.deadline);
        request
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let text = || status.message().to_owned();
        match status.code() {
            Code::Unavailable => ClientError::Unavailable(text()),
            // A deadline that passes on this side is told as a cancellation.
            Code::DeadlineExceeded | Code::Cancelled => ClientError::Deadline,
            Code::InvalidArgument | Code::NotFound => ClientError::Question(text()),
            _ => ClientError::Other(Box::new(status)),
        }
    }
}

fn party(kind: impl Into<String>, id: impl Into<String>) -> Party {
    Party { r#type: kind.into(), id: id.into(), properties: None }
}
