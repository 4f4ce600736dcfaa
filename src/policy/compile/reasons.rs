//! What is said of factors, adjustments, rules and too little confidence.

use super::expression::Expressions;
use crate::engine::{Reason, Template};
use crate::policy::source::Node;

impl<'a> Expressions<'_, 'a> {
    /// `reason: {user: ..., admin: ...}` of what has no value of its own.
    pub(super) fn reason(&mut self, node: Option<Node<'a>>) -> Reason {
        let reason = self.reason_of(node, &["user", "admin"]);
        let templates = [&reason.user, &reason.admin].into_iter().flatten();
        if let (Some(node), true) = (node, templates.into_iter().any(Template::has_value)) {
            self.diagnostics
                .error(node, "`{value}` is that of a factor, and this is none")
                .help("there are `{score}`, `{level}` and `{confidence}` here");
        }
        reason
    }

    /// A factor's reason may say what the person concerned can do.
    pub(super) fn reason_with_remedy(&mut self, node: Option<Node<'a>>) -> Reason {
        let reason = self.reason_of(node, &["user", "admin", "remedy"]);
        if let (Some(node), Some(_), None) = (node, &reason.remedy, &reason.user) {
            self.diagnostics
                .error(node, "`remedy` without `user`")
                .help("who is told what to do about it is told what it is: add `user: ...`");
        }
        reason
    }

    fn reason_of(&mut self, node: Option<Node<'a>>, allowed: &[&str]) -> Reason {
        let mut reason = Reason::default();
        let Some(node) = node else { return reason };
        let Some(fields) = node.mapping(self.diagnostics, allowed) else {
            return reason;
        };
        for (key, place) in [
            ("user", &mut reason.user),
            ("admin", &mut reason.admin),
            ("remedy", &mut reason.remedy),
        ] {
            let Some(node) = fields.get(key) else { continue };
            let Some(text) = node.string(self.diagnostics) else { continue };
            match Template::parse(text) {
                Ok(template) => *place = Some(template),
                Err(why) => {
                    self.diagnostics.error(node, why);
                }
            }
        }
        reason
    }
}
