//! What an HTTP request is about, for callers that only have a path.

use std::sync::Arc;

use super::value::Value;

/// One entry of a catalog's `resources`: a path and method, and the resource
/// and action that they stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub path: PathPattern,
    /// Any where not given.
    pub method: Option<Arc<str>>,
    pub kind: Arc<str>,
    pub action: Option<Arc<str>>,
    pub properties: Vec<(Arc<str>, RouteProperty)>,
}

/// The value of a resource's property.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteProperty {
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
}

impl RouteProperty {
    pub fn value(&self) -> Value<'_> {
        match self {
            RouteProperty::Bool(b) => Value::Bool(*b),
            RouteProperty::Number(x) => Value::number(*x),
            RouteProperty::Text(text) => Value::Text(text),
        }
    }
}

impl Route {
    pub fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && self.path.matches(path)
    }
}

/// A pattern over path segments: `*` stands for one segment, `**` at the end
/// for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Arc<str>,
}

impl PathPattern {
    /// Reads a pattern. It must begin with `/`, and `**` may only end it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with('/') {
            return Err("a path pattern begins with `/`");
        }
        let last = text.split('/').count() - 1;
        for (at, segment) in text.split('/').enumerate() {
            if segment == "**" && at != last {
                return Err("`**` may only end a path pattern");
            }
            if segment.contains('*') && segment != "*" && segment != "**" {
                return Err("`*` stands for a whole segment");
            }
        }
        Ok(PathPattern { text: text.into() })
    }

    pub fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        for wanted in self.text.split('/') {
            if wanted == "**" {
                return true;
            }
            match segments.next() {
                Some(segment) if wanted == segment => {}
                Some(segment) if wanted == "*" && !segment.is_empty() => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::PathPattern;

    #[test]
    fn patterns_match_whole_segments() {
        let one = PathPattern::parse("/v1/accounts/*/transfers").unwrap();
        assert!(one.matches("/v1/accounts/a1/transfers"));
        assert!(!one.matches("/v1/accounts//transfers"));
        assert!(!one.matches("/v1/accounts/a1/b2/transfers"));
        assert!(!one.matches("/v1/accounts/a1/transfers/t1"));
        let rest = PathPattern::parse("/admin/**").unwrap();
        assert!(rest.matches("/admin/users/u1"));
        assert!(rest.matches("/admin/"));
        assert!(!rest.matches("/administrator"));
        assert!(PathPattern::parse("/a/**/b").is_err());
        assert!(PathPattern::parse("a").is_err());
        assert!(PathPattern::parse("/a*").is_err());
    }
}
