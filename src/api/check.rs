//! Envoy's check: decode, look up, evaluate, encode.
//!
//! Whatever an HTTP client can cause is a denial with a body. A failed call,
//! which Envoy's `failure_mode_allow` may let through, is only for faults of ours.

use std::fmt::Write as _;
use std::sync::Arc;

use bumpalo::Bump;
use bumpalo::collections::{String as BumpString, Vec as BumpVec};
use bytes::BytesMut;
use http::HeaderMap;
use tonic::Status;
use tracing::field::display;

use super::answer::{AnswerCounterfactual, obligation_headers};
use super::ext_authz::{
    CheckAnswer, CheckRequest, Checker, DecodeError, Header, HeaderToSet, HttpAttributes,
    StructWriter, decode, encode,
};
use super::identity::{Evidence, Identified, Identity};
use super::path::{normalise, normalise_host};
use super::pdp::{Decided, Pdp, Published, Unanswered, with_arena};
use super::problem::{Problem, challenge, wants_html};
use super::resource;
use super::trace::{parent_of, trace_ids};
use crate::config::AnswerHeader;
use crate::engine::{Matched, Subject, reason_texts};
use crate::model::{Decision, Http, Owner, Party, Property, Request, Timestamp, Value};
use crate::telemetry::{Operation, Parent, Span};

/// Everything of ours among the headers; no client's own survives.
const OUR_HEADERS: &str = "x-plimsoll-";

/// Context extensions that speak to us rather than to policies.
const OUR_EXTENSIONS: &str = "plimsoll.";

/// Answers Envoy.
#[derive(Debug)]
pub struct EnvoyChecker {
    pdp: Arc<Pdp>,
    identity: Identity,
    headers: Vec<AnswerHeader>,
}

impl EnvoyChecker {
    pub fn new(pdp: Arc<Pdp>, identity: Identity, headers: Vec<AnswerHeader>) -> Self {
        EnvoyChecker { pdp, identity, headers }
    }

    fn answer(
        &self,
        message: &[u8],
        parent: Option<Parent>,
        arena: &Bump,
        out: &mut BytesMut,
    ) -> Result<(), Status> {
        let check = decode(message, arena);
        let headers = check.as_ref().ok().and_then(|check| check.http).unwrap_or_default().headers;
        // The call's own trace is nearer than the one that the client's request came with.
        let parent = || parent.or_else(|| parent_of(headers));
        let mut span = self.pdp.traces.begin(Operation::Check, parent);
        let answered = self.decide(check, span.as_mut(), arena, out);
        if let (Err(refused), Some(span)) = (&answered, &mut span) {
            span.refused(refused.cause);
        }
        match answered {
            Err(Refused { status: Some(status), .. }) => Err(status),
            _ => Ok(()),
        }
    }

    /// Decides, or says why not; also then there is an answer, unless there is a status.
    fn decide(
        &self,
        check: Result<CheckRequest<'_>, DecodeError>,
        mut span: Option<&mut Span<'_>>,
        arena: &Bump,
        out: &mut BytesMut,
    ) -> Result<(), Refused> {
        let published = self.pdp.published();
        let Some(published) = published.as_deref() else {
            self.pdp.metrics.refused.no_policy.add(1);
            return Err(Refused::no_policy());
        };
        // The proxy passes on what clients send, so what is wrong can be their doing.
        let check = check.map_err(|why| self.refuse(&why.to_string(), None, out))?;
        let http = check.http.unwrap_or_default();
        let path = normalise(http.path, arena)
            .map_err(|why| self.refuse(&why.to_string(), Some(&http), out))?;
        let identified =
            self.identity.of(&Evidence::from(&check), arena).map_err(|why| match why.by_token {
                true => self.refuse_token(&why.to_string(), &http, out),
                false => self.refuse(&why.to_string(), Some(&http), out),
            })?;
        let request = request(published, &check, &http, path, &identified, arena);
        let policy = extension(&check, "plimsoll.policy").unwrap_or_default();
        let decided = self.pdp.decide(published, policy, &request, arena, |decided| {
            self.encode(decided, &http, arena, out);
            decided.tell(span.as_deref_mut());
        });
        decided.map_err(|why| match why {
            Unanswered::NoPolicy => Refused::no_policy(),
            // The route's configuration is wrong. A failed call could let requests
            // pass that this policy should have stopped.
            why @ Unanswered::UnknownPolicy(_) => {
                self.pdp.metrics.refused.unknown_policy.add(1);
                let (trace_id, span_id) = trace_ids(span.as_deref(), http.headers).unzip();
                let (trace_id, span_id) = (trace_id.map(display), span_id.map(display));
                tracing::error!(%why, trace_id, span_id, "a route asks for a policy that there is not");
                deny(500, &["The service is not set up rightly".to_owned()], Some(&http), out);
                Refused { cause: "unknown_policy", status: None }
            }
        })
    }

    /// Denies what can't be understood.
    fn refuse(&self, why: &str, http: Option<&HttpAttributes<'_>>, out: &mut BytesMut) -> Refused {
        self.pdp.metrics.refused.malformed.add(1);
        deny(400, &[why.to_owned()], http, out);
        Refused { cause: "malformed", status: None }
    }

    /// Denies a token that can't be verified (RFC 6750, section 3.1).
    fn refuse_token(&self, why: &str, http: &HttpAttributes<'_>, out: &mut BytesMut) -> Refused {
        self.pdp.metrics.refused.malformed.add(1);
        let problem = Problem {
            status: 401,
            decision: Decision::Deny,
            id: None,
            reasons: &[why.to_owned()],
            remedy: None,
            acr: &[],
            amr: &[],
        };
        encode_problem(&problem, Some("Bearer error=\"invalid_token\""), Some(http), out, |_| {});
        Refused { cause: "malformed", status: None }
    }

    fn encode(
        &self,
        decided: &Decided<'_, '_>,
        http: &HttpAttributes<'_>,
        arena: &Bump,
        out: &mut BytesMut,
    ) {
        let decision = decided.outcome.decision.unwrap_or(Decision::Deny);
        if decision.permits() {
            self.encode_ok(decided, decision, http, arena, out);
        } else {
            encode_denied(decided, decision, http, out);
        }
    }

    fn encode_ok(
        &self,
        decided: &Decided<'_, '_>,
        decision: Decision,
        http: &HttpAttributes<'_>,
        arena: &Bump,
        out: &mut BytesMut,
    ) {
        let mut set: BumpVec<'_, HeaderToSet<'_>> = BumpVec::new_in(arena);
        for header in &self.headers {
            if let Some((name, value)) = our_header(*header, decided, decision, arena) {
                set.push(HeaderToSet { name, value });
            }
        }
        for (name, value) in obligation_headers(decided, arena) {
            // No policy's header takes the place of one of ours.
            if !set.iter().any(|header| header.name == name) {
                set.push(HeaderToSet { name, value });
            }
        }
        let mut remove: BumpVec<'_, &str> = BumpVec::new_in(arena);
        let ours = http.headers.iter().filter(|header| is_ours(header));
        remove.extend(ours.map(|header| header.name));
        // What any rule of the policy may set, the upstream takes as our word: also
        // where no rule sets it now, a client's own must not stand there.
        for rule in &decided.policy.rules {
            let names = rule.obligations.headers.iter().map(|(name, _)| &**name);
            remove.extend(names.filter(|name| http.header(name).is_some()));
        }
        let answer = CheckAnswer::Ok { set: &set, remove: &remove, response_headers: &[] };
        encode(&answer, |metadata| write_metadata(decided, decision, metadata), out);
    }
}

/// Why nothing was decided.
struct Refused {
    /// As metrics name it.
    cause: &'static str,
    /// What the call fails with; none where it has been answered.
    status: Option<Status>,
}

impl Refused {
    fn no_policy() -> Self {
        let status = Status::unavailable(Unanswered::NoPolicy.to_string());
        Refused { cause: "no_policy", status: Some(status) }
    }
}

impl Checker for EnvoyChecker {
    fn check(&self, message: &[u8], answer: &mut BytesMut) -> Result<(), Status> {
        self.check_traced(message, None, answer)
    }

    fn parent(&self, metadata: &HeaderMap) -> Option<Parent> {
        self.pdp.traces.parent(metadata)
    }

    fn check_traced(
        &self,
        message: &[u8],
        parent: Option<Parent>,
        answer: &mut BytesMut,
    ) -> Result<(), Status> {
        with_arena(|arena| self.answer(message, parent, arena, answer))
    }

    fn deny_oversized(&self, answer: &mut BytesMut) -> Result<(), Status> {
        self.pdp.metrics.refused.malformed.add(1);
        deny(413, &["The request is too large".to_owned()], None, answer);
        Ok(())
    }
}

/// The request that policies see.
fn request<'r>(
    published: &'r Published,
    check: &CheckRequest<'r>,
    http: &HttpAttributes<'r>,
    path: &'r str,
    identified: &Identified<'r>,
    arena: &'r Bump,
) -> Request<'r> {
    let about = resource::of(&published.snapshot.routes, http.method, path);
    let mut properties: BumpVec<'r, Property<'r>> = BumpVec::new_in(arena);
    for (key, value) in check.context_extensions {
        if !key.starts_with(OUR_EXTENSIONS) {
            properties.push(Property { owner: Owner::Context, key, value: Value::Text(value) });
        }
    }
    let mut headers = BumpVec::with_capacity_in(http.headers.len(), arena);
    headers.extend(http.headers.iter().map(|h| (h.name, h.shown(arena))));
    let kind = if identified.subject.is_empty() { "" } else { "user" };
    let enforces = extension(check, "plimsoll.enforces") == Some("limits");
    Request {
        now: Timestamp::now(),
        subject: Party { kind, id: identified.subject },
        action: about.action,
        resource: about.resource,
        http: Some(Http {
            method: http.method,
            path,
            host: normalise_host(http.host, arena),
            scheme: http.scheme,
            headers: headers.into_bump_slice(),
        }),
        entities: identified.entities,
        address: identified.address,
        properties: about.with(properties.into_bump_slice(), arena),
        enforces_limits: enforces,
    }
}

fn extension<'r>(check: &CheckRequest<'r>, key: &str) -> Option<&'r str> {
    check.context_extensions.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

/// Also as a server would spell it that reads `_` as `-`.
fn is_ours(header: &Header<'_>) -> bool {
    let name = header.name.as_bytes();
    name.len() >= OUR_HEADERS.len()
        && name.iter().zip(OUR_HEADERS.as_bytes()).all(|(found, ours)| match ours {
            b'-' => matches!(found, b'-' | b'_'),
            ours => found.eq_ignore_ascii_case(ours),
        })
}

/// One of our headers; nothing where it says nothing.
pub(super) fn our_header<'a>(
    header: AnswerHeader,
    decided: &Decided<'a, '_>,
    decision: Decision,
    arena: &'a Bump,
) -> Option<(&'static str, &'a str)> {
    let (policy, outcome) = (decided.policy, decided.outcome);
    let mut text = BumpString::new_in(arena);
    // Writing to a String can't fail.
    let name = match header {
        AnswerHeader::Decision => return Some(("x-plimsoll-decision", decision.name())),
        AnswerHeader::Score => {
            let _ = write!(text, "{:.*}", policy.decimals(), policy.shown(outcome.score));
            "x-plimsoll-score"
        }
        AnswerHeader::Level => {
            text.push_str(policy.level_name(outcome.level));
            "x-plimsoll-level"
        }
        AnswerHeader::Confidence => {
            let _ = write!(text, "{:.2}", outcome.confidence);
            "x-plimsoll-confidence"
        }
        AnswerHeader::Id => {
            text.push_str(decided.id.text().as_str());
            "x-plimsoll-id"
        }
        AnswerHeader::Policy => {
            text.push_str(&policy.name);
            "x-plimsoll-policy"
        }
        AnswerHeader::Revision => {
            text.push_str(&decided.snapshot.revision);
            "x-plimsoll-revision"
        }
        AnswerHeader::Factors => {
            for ranked in &outcome.reasons {
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(reason_name(decided, ranked.subject));
            }
            "x-plimsoll-factors"
        }
        AnswerHeader::Limits => {
            if decision != Decision::Restrict {
                return None;
            }
            for limit in outcome.chosen(policy).map(|c| &c.limits[..]).unwrap_or_default() {
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(limit);
            }
            "x-plimsoll-limits"
        }
    };
    Some((name, text.into_bump_str()))
}

fn reason_name<'v>(decided: &Decided<'_, 'v>, subject: Subject) -> &'v str {
    let policy = decided.policy;
    match subject {
        Subject::Factor(at) => policy.factors.get(at).map_or("", |f| &f.name),
        Subject::Adjustment(at) => policy.adjustments.get(at).map_or("", |a| &a.name),
    }
}

fn encode_denied(
    decided: &Decided<'_, '_>,
    decision: Decision,
    http: &HttpAttributes<'_>,
    out: &mut BytesMut,
) {
    let (policy, outcome) = (decided.policy, decided.outcome);
    let reasons = reason_texts(decided.snapshot, policy, decided.view, outcome, false);
    let step_up =
        outcome.chosen(policy).map(|c| &c.step_up).filter(|_| decision == Decision::StepUp);
    let words = |words: &'_ [Arc<str>]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
    let acr = step_up.map(|s| words(&s.acr)).unwrap_or_default();
    let amr = step_up.map(|s| words(&s.amr)).unwrap_or_default();
    let acr: Vec<&str> = acr.iter().map(String::as_str).collect();
    let amr: Vec<&str> = amr.iter().map(String::as_str).collect();
    let status = if step_up.is_some() { 401 } else { 403 };
    let other = AnswerCounterfactual::of(decided);
    let problem = Problem {
        status,
        decision,
        id: Some(decided.id),
        reasons: &reasons,
        remedy: other.as_ref().map(|other| &*other.text),
        acr: &acr,
        amr: &amr,
    };
    let challenge = step_up.map(|s| challenge(&acr, s.max_age));
    encode_problem(&problem, challenge.as_deref(), Some(http), out, |metadata| {
        write_metadata(decided, decision, metadata);
    });
}

fn deny(status: u16, reasons: &[String], http: Option<&HttpAttributes<'_>>, out: &mut BytesMut) {
    let problem = Problem {
        status,
        decision: Decision::Deny,
        id: None,
        reasons,
        remedy: None,
        acr: &[],
        amr: &[],
    };
    encode_problem(&problem, None, http, out, |_| {});
}

fn encode_problem(
    problem: &Problem<'_>,
    challenge: Option<&str>,
    http: Option<&HttpAttributes<'_>>,
    out: &mut BytesMut,
    metadata: impl FnOnce(&mut StructWriter<'_>),
) {
    let accept = http.and_then(|http| http.header("accept")).and_then(Header::text);
    let (kind, body) = if wants_html(accept) {
        ("text/html; charset=utf-8", problem.html())
    } else {
        ("application/problem+json", problem.json())
    };
    let mut headers = vec![
        HeaderToSet { name: "content-type", value: kind },
        HeaderToSet { name: "cache-control", value: "no-store" },
    ];
    if let Some(value) = challenge {
        headers.push(HeaderToSet { name: "www-authenticate", value });
    }
    let answer = CheckAnswer::Denied { status: problem.status, headers: &headers, body: &body };
    encode(&answer, metadata, out);
}

/// What goes into Envoy's dynamic metadata, for logs, rate limits and other filters.
fn write_metadata(decided: &Decided<'_, '_>, decision: Decision, out: &mut StructWriter<'_>) {
    let (policy, outcome) = (decided.policy, decided.outcome);
    out.text("id", decided.id.text().as_str());
    out.text("decision", decision.name());
    out.number("score", outcome.score);
    out.text("level", policy.level_name(outcome.level));
    out.number("confidence", outcome.confidence);
    out.text("policy", &policy.name);
    out.text("revision", &decided.snapshot.revision);
    if !outcome.reasons.is_empty() {
        out.object("factors", |out| {
            for ranked in &outcome.reasons {
                out.number(reason_name(decided, ranked.subject), ranked.cost);
            }
        });
    }
    if outcome.rules.iter().any(|rule| rule.matched == Matched::ByUnknown) {
        out.bool("by_unknown", true);
    }
    if let Some(shadow) = outcome.shadow_decision {
        out.text("shadow_decision", shadow.name());
    }
    if outcome.review {
        out.bool("review", true);
    }
    if outcome.revoke_session {
        out.bool("revoke_session", true);
    }
    if let Some(incident) = outcome.incident {
        out.text("incident", incident.severity.name());
    }
}

#[cfg(test)]
mod tests;
