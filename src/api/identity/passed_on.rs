//! Tokens of end users that callers pass on, who else name entities themselves.
//!
//! What a token names counts where the token is verified. What it should have
//! named and doesn't, since it can't be verified or says something else than the
//! caller, is missing: the policy weighs that, and the answer says why.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::api::answer::Answer;
use crate::api::jwt::{Jwt, Kept};
use crate::api::question::Question;
use crate::config::{IdentityConfig, IdentitySource};

/// The place of a token in a question, and its name among what is not known.
const PLACE: &str = "context.token";

/// The subject's type where its id is the token.
const SUBJECT: &str = "jwt";

/// Reads tokens that callers pass on.
#[derive(Clone, Debug, Default)]
pub struct PassedOn {
    jwt: Option<Arc<Jwt>>,
    /// Kinds that tokens name, each with its claims in order.
    kinds: Vec<(String, Vec<String>)>,
    properties: Vec<String>,
}

/// Why a token, or a part of it, does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disbelief(Vec<String>);

impl Disbelief {
    /// Tells it in the answer.
    pub fn tell(self, answer: &mut Answer) {
        if !self.0.is_empty() {
            answer.unknown.push(PLACE.to_owned());
            answer.reason_admin.extend(self.0);
        }
    }

    fn note(&mut self, why: &str) {
        tracing::debug!(why, "a token that was passed on does not count");
        self.0.push(format!("`{PLACE}` is not believed: {why}"));
    }
}

impl PassedOn {
    pub fn new(config: &IdentityConfig, properties: &[String], jwt: Option<Arc<Jwt>>) -> Self {
        let claims = |sources: &Vec<IdentitySource>| -> Vec<String> {
            let claims = sources.iter().filter_map(|source| match source {
                IdentitySource::Jwt { claim } => Some(claim.clone()),
                _ => None,
            });
            claims.collect()
        };
        let kinds = config.0.iter().map(|(kind, sources)| (kind.clone(), claims(sources)));
        let kinds = kinds.filter(|(_, claims)| !claims.is_empty()).collect();
        PassedOn { jwt, kinds, properties: properties.to_vec() }
    }

    /// Puts what the question's token names in the question's places.
    pub fn read(&self, question: &mut Question) -> Disbelief {
        let mut disbelief = Disbelief::default();
        if question.subject.kind == SUBJECT {
            // Whom the token names; until that is known, nobody.
            let token = std::mem::take(&mut question.subject.id);
            "user".clone_into(&mut question.subject.kind);
            match &question.token {
                Some(other) if *other != token => {
                    question.token = None;
                    self.forget(question);
                    disbelief.note("`subject` has another token");
                    return disbelief;
                }
                _ => question.token = Some(token),
            }
        }
        let Some(token) = question.token.take() else { return disbelief };
        // Only a token says these.
        question.subject.properties.retain(|name, _| !self.properties.contains(name));
        let verified = match &self.jwt {
            Some(jwt) => jwt.verify(&token).map(|it| (jwt, it)).map_err(|why| why.text()),
            None => Err("nothing verifies tokens here"),
        };
        match verified {
            Ok((jwt, verified)) => {
                for (kind, claims) in &self.kinds {
                    let named = first(jwt, &verified.kept, claims);
                    self.place(question, kind, named, &mut disbelief);
                }
                if question.subject.kind == "user" && question.subject.id.is_empty() {
                    disbelief.note("it names no user");
                }
                if disbelief == Disbelief::default() {
                    question.subject.properties.extend(verified.kept.properties.clone());
                }
            }
            Err(why) => {
                self.forget(question);
                disbelief.note(why);
            }
        }
        disbelief
    }

    fn place(
        &self,
        question: &mut Question,
        kind: &str,
        named: Result<Option<&str>, &'static str>,
        disbelief: &mut Disbelief,
    ) {
        let id = match named {
            Ok(Some(id)) => id,
            // The token says nothing of it: what the caller says stands.
            Ok(None) => return,
            Err(why) => {
                remove(question, kind);
                disbelief.note(&format!("{kind}: {why}"));
                return;
            }
        };
        if question.subject.kind == kind && question.subject.id.is_empty() {
            id.clone_into(&mut question.subject.id);
        }
        let subject = (question.subject.kind == kind).then_some(&*question.subject.id);
        let entity = question.context.get("entities").and_then(|all| all.get(kind));
        let others = subject.is_some_and(|subject| subject != id)
            || entity.is_some_and(|entity| entity.as_str() != Some(id));
        if others {
            remove(question, kind);
            disbelief.note(&format!("it names another {kind} than the question"));
        } else if subject.is_none() {
            let all = question.context.entry("entities").or_insert_with(|| Map::new().into());
            if let Json::Object(all) = all {
                all.insert(kind.to_owned(), id.into());
            }
        }
    }

    /// Nothing that a token would have named is known.
    fn forget(&self, question: &mut Question) {
        question.subject.properties.retain(|name, _| !self.properties.contains(name));
        for (kind, _) in &self.kinds {
            remove(question, kind);
        }
    }
}

fn first<'k>(
    jwt: &Jwt,
    kept: &'k Kept,
    claims: &[String],
) -> Result<Option<&'k str>, &'static str> {
    for claim in claims {
        if let Some(id) = jwt.id(kept, claim)?
            && !id.is_empty()
        {
            if id.chars().any(char::is_control) {
                return Err("the claim has control characters");
            }
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn remove(question: &mut Question, kind: &str) {
    if question.subject.kind == kind {
        question.subject.id.clear();
    }
    if let Some(Json::Object(all)) = question.context.get_mut("entities") {
        all.remove(kind);
    }
}
