//! `/forward-auth`: nginx's `auth_request`, Traefik's ForwardAuth and Caddy's
//! `forward_auth`. The proxy asks with a request of its own, and says in headers
//! what it was asked for.
//!
//! Those headers are believed, and only here: the endpoint is for the proxy alone.
//!
//! nginx knows three answers, 2xx, 401 and 403, and turns all else into a failure
//! of its own. So whatever a client can cause is one of these, a malformed path
//! among it; 503 is left for a decision point that can't decide.

mod answer;
mod original;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use tracing::field::display;

use super::ask::guarded;
use super::ext_authz::Header;
use super::http::Problem;
use super::identity::{Evidence, Identified, Identity};
use super::path::{normalise, normalise_host};
use super::pdp::{Pdp, Published, Unanswered, with_arena};
use super::resource;
use super::trace::trace_ids;
use crate::config::AnswerHeader;
use crate::model::{Http, Party, Request, Timestamp};
use crate::telemetry::{Operation, Span};
use answer::{answer, bad_token, refusal};
use original::Original;

/// Answers proxies that ask over HTTP.
#[derive(Debug)]
pub struct ForwardAuth {
    pub pdp: Arc<Pdp>,
    pub identity: Identity,
    /// Which of ours an answer carries that lets a request through.
    pub headers: Vec<AnswerHeader>,
    /// Whether the application enforces limits.
    pub enforces_limits: bool,
}

/// The routes, with and without the policy in the path. Its query is not read: some
/// proxies put the client's there.
pub fn forward_auth_router(own: ForwardAuth) -> Router {
    Router::new()
        .route("/forward-auth", any(by_default))
        .route("/forward-auth/{policy}", any(by_policy))
        .with_state(Arc::new(own))
}

async fn by_default(State(own): State<Arc<ForwardAuth>>, request: HttpRequest) -> Response {
    own.check("", request.headers())
}

async fn by_policy(
    State(own): State<Arc<ForwardAuth>>,
    Path(policy): Path<String>,
    request: HttpRequest,
) -> Response {
    own.check(&policy, request.headers())
}

impl ForwardAuth {
    fn check(&self, policy: &str, headers: &HeaderMap) -> Response {
        let checked = guarded(|| with_arena(|arena| self.decide(policy, headers, arena)));
        checked.unwrap_or_else(|| {
            self.pdp.metrics.refused.panicked.add(1);
            refusal("Access can't be decided", None)
        })
    }

    fn decide(&self, policy: &str, map: &HeaderMap, arena: &Bump) -> Response {
        let mut span =
            self.pdp.traces.begin(Operation::ForwardAuth, || self.pdp.traces.parent(map));
        let published = self.pdp.published();
        let Some(published) = published.as_deref() else {
            self.pdp.metrics.refused.no_policy.add(1);
            note(span.as_mut(), "no_policy");
            return Problem::unavailable(Unanswered::NoPolicy.to_string()).into_response();
        };
        let headers = gather(map, arena);
        let accept = header(headers, "accept").and_then(Header::text);
        let refuse = |why: &str, span: Option<&mut Span<'_>>| {
            self.pdp.metrics.refused.malformed.add(1);
            note(span, "malformed");
            refusal(why, accept)
        };
        let original = match Original::of(headers) {
            Ok(original) => original,
            Err(why) => return refuse(&why.to_string(), span.as_mut()),
        };
        let path = match normalise(original.target, arena) {
            Ok(path) => path,
            Err(why) => return refuse(&why.to_string(), span.as_mut()),
        };
        let address = original.address;
        let evidence = Evidence { headers, address, ..Evidence::default() };
        let identified = match self.identity.of(&evidence, arena) {
            Ok(identified) => identified,
            Err(why) if why.by_token => {
                self.pdp.metrics.refused.malformed.add(1);
                note(span.as_mut(), "malformed");
                return bad_token(&why.to_string(), accept);
            }
            Err(why) => return refuse(&why.to_string(), span.as_mut()),
        };
        let request = self.request(published, &original, path, headers, &identified, arena);
        let decided = self.pdp.decide(published, policy, &request, arena, |decided| {
            decided.tell(span.as_mut());
            answer(decided, &self.headers, accept, arena)
        });
        decided.unwrap_or_else(|why| {
            // The proxy's configuration is wrong. It must not let requests pass
            // that this policy should have stopped.
            self.pdp.metrics.refused.unknown_policy.add(1);
            note(span.as_mut(), "unknown_policy");
            let (trace_id, span_id) = trace_ids(span.as_ref(), headers).unzip();
            let (trace_id, span_id) = (trace_id.map(display), span_id.map(display));
            tracing::error!(%why, trace_id, span_id, "a proxy asks for a policy that there is not");
            refusal("The service is not set up rightly", accept)
        })
    }

    fn request<'r>(
        &self,
        published: &'r Published,
        original: &Original<'r>,
        path: &'r str,
        headers: &'r [Header<'r>],
        identified: &Identified<'r>,
        arena: &'r Bump,
    ) -> Request<'r> {
        let about = resource::of(&published.snapshot.routes, original.method, path);
        let mut texts = BumpVec::with_capacity_in(headers.len(), arena);
        texts.extend(headers.iter().map(|h| (h.name, h.shown(arena))));
        let kind = if identified.subject.is_empty() { "" } else { "user" };
        Request {
            now: Timestamp::now(),
            subject: Party { kind, id: identified.subject },
            action: about.action,
            resource: about.resource,
            http: Some(Http {
                method: original.method,
                path,
                host: normalise_host(original.host, arena),
                scheme: original.scheme,
                headers: texts.into_bump_slice(),
            }),
            entities: identified.entities,
            address: identified.address,
            properties: about.with(&[], arena),
            enforces_limits: self.enforces_limits,
        }
    }
}

fn note(span: Option<&mut Span<'_>>, cause: &'static str) {
    if let Some(span) = span {
        span.refused(cause);
    }
}

/// The headers, each name once, as Envoy's check has them.
fn gather<'r>(map: &'r HeaderMap, arena: &'r Bump) -> &'r [Header<'r>] {
    let mut headers = BumpVec::with_capacity_in(map.keys_len(), arena);
    for name in map.keys() {
        let mut values = map.get_all(name).iter();
        let first = values.next().map(|value| value.as_bytes()).unwrap_or_default();
        let mut joined: Option<BumpVec<'r, u8>> = None;
        for value in values {
            let joined =
                joined.get_or_insert_with(|| BumpVec::from_iter_in(first.iter().copied(), arena));
            joined.push(b',');
            joined.extend_from_slice_copy(value.as_bytes());
        }
        let repeated = joined.is_some();
        let value = joined.map_or(first, |joined| joined.into_bump_slice());
        headers.push(Header { name: name.as_str(), value, repeated });
    }
    headers.into_bump_slice()
}

fn header<'r>(headers: &'r [Header<'r>], name: &str) -> Option<&'r Header<'r>> {
    headers.iter().find(|header| header.name == name)
}
