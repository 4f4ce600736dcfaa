//! Bodies of refusals: RFC 9457 problem details, or a small page for a browser.
//! Both carry only what the person concerned may read.

use std::fmt::Write as _;

use serde_json::json;

use super::id::DecisionId;
use crate::model::Decision;

/// What a refusal says.
#[derive(Debug)]
pub(super) struct Problem<'p> {
    pub(super) status: u16,
    pub(super) decision: Decision,
    pub(super) id: Option<DecisionId>,
    /// Safe to show.
    pub(super) reasons: &'p [String],
    /// What the person concerned can do, or what alone stands in the way.
    pub(super) remedy: Option<&'p str>,
    /// Acceptable authentication contexts, of a step-up.
    pub(super) acr: &'p [&'p str],
    pub(super) amr: &'p [&'p str],
}

impl Problem<'_> {
    fn title(&self) -> &'static str {
        match self.status {
            400 => "The request can't be understood",
            401 => "Please confirm that it is you",
            500 => "Access can't be decided",
            _ => "Access denied",
        }
    }

    /// `application/problem+json`
    pub(super) fn json(&self) -> String {
        let mut body = json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status,
            "decision": self.decision.name(),
        });
        if let serde_json::Value::Object(body) = &mut body {
            if !self.reasons.is_empty() {
                body.insert("detail".to_owned(), json!(self.reasons.join(". ")));
                body.insert("reasons".to_owned(), json!(self.reasons));
            }
            if let Some(remedy) = self.remedy {
                body.insert("remedy".to_owned(), json!(remedy));
            }
            if let Some(id) = self.id {
                body.insert("instance".to_owned(), json!(format!("urn:uuid:{id}")));
            }
            if !self.acr.is_empty() {
                body.insert("acr_values".to_owned(), json!(self.acr));
            }
            if !self.amr.is_empty() {
                body.insert("amr".to_owned(), json!(self.amr));
            }
        }
        body.to_string()
    }

    /// `text/html`
    pub(super) fn html(&self) -> String {
        let mut page = String::from(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>",
        );
        page.push_str(self.title());
        page.push_str(
            "</title><style>body{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;\
             margin:12vh auto;padding:0 1em}small{color:#666}</style></head><body><h1>",
        );
        page.push_str(self.title());
        page.push_str("</h1>");
        if !self.reasons.is_empty() {
            page.push_str("<ul>");
            for reason in self.reasons {
                page.push_str("<li>");
                escape(&mut page, reason);
                page.push_str("</li>");
            }
            page.push_str("</ul>");
        }
        if let Some(remedy) = self.remedy {
            page.push_str("<p>");
            escape(&mut page, remedy);
            page.push_str("</p>");
        }
        if let Some(id) = self.id {
            // Writing to a String can't fail.
            let _ = write!(page, "<p><small>Reference: {id}</small></p>");
        }
        page.push_str("</body></html>");
        page
    }
}

fn escape(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            character => page.push(character),
        }
    }
}

/// Whether the client would rather have a page: it names `text/html`, and no
/// kind of JSON before it.
pub(super) fn wants_html(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    for range in accept.split(',') {
        let kind = range.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("text/html") {
            return true;
        }
        if kind.ends_with("json") {
            return false;
        }
    }
    false
}

/// The challenge of a step-up (RFC 9470, section 3).
pub(super) fn challenge(acr: &[&str], max_age: Option<f64>) -> String {
    let mut challenge = String::from(
        "Bearer error=\"insufficient_user_authentication\", \
         error_description=\"A different authentication level is required\"",
    );
    if !acr.is_empty() {
        // Writing to a String can't fail.
        let _ = write!(challenge, ", acr_values=\"{}\"", acr.join(" "));
    }
    if let Some(seconds) = max_age {
        let _ = write!(challenge, ", max_age={}", seconds.round());
    }
    challenge
}

#[cfg(test)]
mod tests {
    use super::{Problem, challenge, wants_html};
    use crate::model::Decision;

    #[test]
    fn pages_escape_what_they_show() {
        let reasons = ["<script>alert('x')</script> & co".to_owned()];
        let problem = Problem {
            status: 403,
            decision: Decision::Deny,
            id: None,
            reasons: &reasons,
            remedy: Some("Confirm <this> device"),
            acr: &[],
            amr: &[],
        };
        let page = problem.html();
        assert!(!page.contains("<script>") && page.contains("Confirm &lt;this&gt;"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
    }

    #[test]
    fn browsers_get_a_page_and_programs_json() {
        assert!(wants_html(Some("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!wants_html(Some("application/json, text/html")));
        assert!(!wants_html(Some("*/*")));
        assert!(!wants_html(None));
    }

    #[test]
    fn a_challenge_is_as_rfc_9470_has_it() {
        assert_eq!(
            challenge(&["phr", "phrh"], Some(300.0)),
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"A different authentication level is required\", \
             acr_values=\"phr phrh\", max_age=300"
        );
    }
}
