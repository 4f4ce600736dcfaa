//! Finds what a source file uses, in its tokens.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One file uses something.
#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    pub file: PathBuf,
    pub line: usize,
    /// The room that the file belongs to.
    pub from: String,
    /// What is used: `model::Decision` of ours, `tokio::net` of others.
    pub to: String,
    /// Whether it is a path into this crate.
    pub ours: bool,
}

impl Edge {
    /// The room, or the crate, that is used.
    pub fn room(&self) -> &str {
        self.to.split("::").next().unwrap()
    }
}

/// What `file`, named from the crate's root, uses; nothing for a file of tests.
pub fn edges(file: &Path, text: &str) -> Vec<Edge> {
    let inside = file.strip_prefix("src").unwrap().with_extension("");
    let mut module: Vec<String> =
        inside.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if module.iter().any(|part| part == "tests") {
        return Vec::new();
    }
    let from = module[0].clone();
    match module.last().map(String::as_str) {
        Some("mod") => drop(module.pop()),
        // The crate's roots are the modules above all rooms.
        Some("lib" | "main") if module.len() == 1 => module.clear(),
        _ => {}
    }
    let tokens: TokenStream =
        text.parse().unwrap_or_else(|why| panic!("{} can't be read: {why}", file.display()));
    let mut scan = Scan { file, from, module, found: Vec::new() };
    scan.walk(&trees(tokens));
    scan.found
}

struct Scan<'s> {
    file: &'s Path,
    from: String,
    /// The module that is being read.
    module: Vec<String>,
    found: Vec<Edge>,
}

fn trees(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

impl Scan<'_> {
    fn walk(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if is_test_attribute(&tokens[at..]) {
                at += 2 + item_length(&tokens[at + 2..]);
                continue;
            }
            if let (true, Some(name), Some(TokenTree::Group(body))) =
                (is_ident(token, "mod"), tokens.get(at + 1), tokens.get(at + 2))
            {
                self.module.push(name.to_string());
                self.walk(&trees(body.stream()));
                self.module.pop();
                at += 3;
                continue;
            }
            let begins_path = matches!(token, TokenTree::Ident(_))
                && !continues_path(&tokens[..at])
                && (is_separator(&tokens[at + 1..]) || is_lone_use(tokens, at));
            if begins_path {
                at += self.path(&tokens[at..], &[]);
                continue;
            }
            if let TokenTree::Group(group) = token {
                self.walk(&trees(group.stream()));
            }
            at += 1;
        }
    }

    /// Reads a path, and the tree of a `use` as so many paths. Returns its length.
    fn path(&mut self, tokens: &[TokenTree], before: &[String]) -> usize {
        let mut segments = before.to_vec();
        let mut at = 0;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(name)) => segments.push(name.to_string()),
                Some(TokenTree::Group(group))
                    if group.delimiter() == Delimiter::Brace && at > 0 =>
                {
                    for branch in trees(group.stream()).split(|t| t.to_string() == ",") {
                        self.path(branch, &segments);
                    }
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
            if !is_separator(&tokens[at..]) {
                break;
            }
            at += 2;
        }
        if let Some(first) = tokens.first() {
            self.add(&segments, first.span().start().line);
        }
        at.max(1)
    }

    fn add(&mut self, segments: &[String], line: usize) {
        let (to, ours) = match self.resolve(segments) {
            Some(path) => (path, true),
            None => (segments.to_vec(), false),
        };
        // `use crate::{self}` names no room.
        if !to.is_empty() {
            let (file, from) = (self.file.to_owned(), self.from.clone());
            self.found.push(Edge { file, line, from, to: to.join("::"), ours });
        }
    }

    /// The path from the crate's root, where it leads into this crate.
    fn resolve(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut module = self.module.clone();
        let mut rest = segments;
        match segments.first()?.as_str() {
            "crate" | "plimsoll" => {
                module.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|s| s == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            _ => return None,
        }
        module.extend(rest.iter().filter(|s| *s != "self").cloned());
        Some(module)
    }
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':')
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    tokens.len() >= 2 && tokens[..2].iter().all(is_colon)
}

/// Whether what comes next goes on from a name: `a::` or `<T as A>::`, and not
/// the `::` that begins a path.
fn continues_path(before: &[TokenTree]) -> bool {
    match before {
        [.., name, a, b] if is_colon(a) && is_colon(b) => match name {
            TokenTree::Ident(ident) => ident != "use" && ident != "return",
            TokenTree::Punct(punct) => punct.as_char() == '>',
            _ => false,
        },
        _ => false,
    }
}

/// `use tokio;`
fn is_lone_use(tokens: &[TokenTree], at: usize) -> bool {
    at > 0 && is_ident(&tokens[at - 1], "use")
}

/// `#[cfg(test)]`, which is two tokens.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] if hash.as_char() == '#' => {
            attribute.to_string().replace(' ', "") == "[cfg(test)]"
        }
        _ => false,
    }
}

/// How many tokens belong to the item that begins here: up to its `;` or its body.
fn item_length(tokens: &[TokenTree]) -> usize {
    let is_use = tokens.iter().find(|t| matches!(t, TokenTree::Ident(_)));
    let is_use = is_use.is_some_and(|t| is_ident(t, "use"));
    let end = tokens.iter().position(|token| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => !is_use && group.delimiter() == Delimiter::Brace,
        _ => false,
    });
    end.map_or(tokens.len(), |end| end + 1)
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = r#"
        use crate::model::{self, Decision, time::{Timestamp as T}};
        use super::pdp::Pdp;
        use tokio::net::TcpListener;
        // crate::policy::nothing
        fn f() { let x = "crate::learn"; log!("{}", crate::engine::VALUE); ::tonic::x(); }
        mod inner { use super::super::transport; }
        #[cfg(test)] use crate::app::{App};
        #[cfg(test)]
        mod tests { use crate::cli::Cli; }
    "#;
    let found: Vec<(String, bool)> =
        edges(Path::new("src/api/check.rs"), text).into_iter().map(|e| (e.to, e.ours)).collect();
    let expected = [
        ("model", true),
        ("model::Decision", true),
        ("model::time::Timestamp", true),
        ("api::pdp::Pdp", true),
        ("tokio::net::TcpListener", false),
        ("engine::VALUE", true),
        ("tonic::x", false),
        ("api::transport", true),
    ];
    let expected = expected.map(|(to, ours)| (to.to_owned(), ours));
    assert_eq!(found, expected);
    assert_eq!(edges(Path::new("src/api/check/tests.rs"), text), []);
}
