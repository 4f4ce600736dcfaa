//! Lists of catalogs: what they hold, and where they come from.

use std::path::PathBuf;
use std::sync::Arc;

use super::catalog::Catalogs;
use crate::engine::ListDecl;
use crate::fetch::check_url;
use crate::model::{ListKind, ListSource, ListUrl};
use crate::policy::diagnostic::{Diagnostics, quoted};
use crate::policy::source::{Fields, Names, Node};

/// How often a list is fetched, unless it says so (seconds).
const EVERY: f64 = 3600.0;

/// From a second to 30 days.
const EVERY_RANGE: std::ops::RangeInclusive<f64> = 1.0..=2_592_000.0;

impl<'a> Catalogs<'a> {
    pub(super) fn read_lists(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        for entry in node.entries(diagnostics).unwrap_or_default() {
            let name = entry.name(diagnostics, Names::Plain);
            if !self.once("list", &entry, diagnostics) {
                continue;
            }
            let allowed = ["type", "path", "url", "every", "ca", "token_file", "half_life"];
            let Some(fields) = entry.node.mapping(diagnostics, &allowed) else { continue };
            let kind = fields
                .required("type", diagnostics)
                .and_then(|node| node.one_of(diagnostics, &ListKind::ALL));
            let source = read_source(entry.node, &fields, diagnostics);
            let half_life = fields.get("half_life").and_then(|node| {
                let seconds = node.duration(diagnostics)?;
                if seconds < 1.0 {
                    diagnostics.error(node, "`half_life` is of a second at least");
                }
                Some(seconds as u64)
            });
            if let (Some(name), Some(kind), Some(source)) = (name, kind, source) {
                self.lists.push(ListDecl { name: name.into(), kind, source, half_life });
            }
        }
    }

    /// `travel: {anywhere: LIST}`: who comes from there doesn't travel.
    pub(super) fn read_travel(&mut self, node: Node<'a>, diagnostics: &mut Diagnostics) {
        let Some(fields) = node.mapping(diagnostics, &["anywhere"]) else { return };
        let Some(node) = fields.required("anywhere", diagnostics) else { return };
        let Some(name) = node.string(diagnostics) else { return };
        if self.travel_anywhere.is_some() {
            diagnostics.error(node, "`travel` is declared twice");
        }
        let at = self.lists.iter().position(|list| *list.name == *name);
        match at.and_then(|at| self.lists.get(at)).map(|list| list.kind) {
            Some(ListKind::Cidr) => self.travel_anywhere = at,
            Some(_) => {
                diagnostics.error(node, format!("{} is no list of addresses", quoted(name)));
            }
            None => {
                diagnostics
                    .error(node, format!("unknown list {}", quoted(name)))
                    .help("declare it under `lists`")
                    .did_you_mean(name, self.lists.iter().map(|list| &*list.name));
            }
        }
    }
}

/// `path`, or `url` with what belongs to it.
fn read_source<'a>(
    list: Node<'a>,
    fields: &Fields<'a>,
    diagnostics: &mut Diagnostics,
) -> Option<ListSource> {
    let (path, url) = match (fields.get("path"), fields.get("url")) {
        (Some(path), None) => (path, None),
        (None, Some(url)) => (url, Some(url)),
        (Some(_), Some(url)) => {
            diagnostics
                .error(url, "a list has either `path` or `url`")
                .help("remove one of them: a list by URL is kept by itself, in the `data` folder");
            return None;
        }
        (None, None) => {
            diagnostics
                .error(list, "the list says not where it comes from")
                .help("add `path: feeds/x.txt`, or `url: \"https://feeds.example/x.txt\"`");
            return None;
        }
    };
    let Some(url) = url else {
        for key in ["every", "ca", "token_file"] {
            if let Some(node) = fields.get(key) {
                diagnostics
                    .error(node, format!("`{key}` is for a list by `url`"))
                    .help("remove it: a file is read anew as soon as it changes");
            }
        }
        let path = path.string(diagnostics)?;
        if path.starts_with("https://") || path.starts_with("http://") {
            let message = format!("{} is a URL, not a file", quoted(path));
            diagnostics.error(fields.get("path")?, message).help("write `url` for `path`");
            return None;
        }
        return Some(ListSource::File(PathBuf::from(path)));
    };
    let text = url.string(diagnostics)?;
    if let Err(why) = check_url(text, "the list") {
        diagnostics.error(url, why);
        return None;
    }
    let every = fields.get("every").map_or(Some(EVERY), |node| {
        let seconds = node.duration(diagnostics)?;
        if !EVERY_RANGE.contains(&seconds) {
            diagnostics.error(node, "`every` is from `1s` to `30d`");
        }
        Some(seconds)
    });
    let file = |key: &str, diagnostics: &mut Diagnostics| {
        fields.get(key).and_then(|node| node.string(diagnostics)).map(PathBuf::from)
    };
    let (ca, token_file) = (file("ca", diagnostics), file("token_file", diagnostics));
    let is_secure = text.starts_with("https://");
    for (key, is_given, why) in [
        ("ca", ca.is_some(), "`ca` says who vouches for the server of an https:// URL"),
        (
            "token_file",
            token_file.is_some(),
            "a token is not sent over http://, where it could be read on the way",
        ),
    ] {
        if is_given
            && !is_secure
            && let Some(node) = fields.get(key)
        {
            diagnostics.error(node, why).help("use https://, or remove it");
        }
    }
    let every = every? as u64;
    Some(ListSource::Url(Arc::new(ListUrl { url: text.into(), every, ca, token_file })))
}
