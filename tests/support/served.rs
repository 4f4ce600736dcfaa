//! All that is served: gRPC methods as descriptors have them, HTTP routes as the sources do.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// `/package.Service/Method` of each, and of Envoy's service, of which nobody here has a descriptor.
pub fn grpc_methods(descriptors: &[&[u8]]) -> Vec<String> {
    let mut methods = vec!["/envoy.service.auth.v3.Authorization/Check".to_owned()];
    for set in descriptors {
        for file in FileDescriptorSet::decode(*set).unwrap().file {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                methods.extend(service.method.iter().map(|m| format!("/{name}/{}", m.name())));
            }
        }
    }
    methods.sort();
    methods.dedup();
    assert!(methods.len() > 8, "only {methods:?} were found");
    methods
}

/// The paths of all routes that the sources mount, `x` in place of what varies.
pub fn http_routes() -> Vec<String> {
    let mut routes = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let tokens: TokenStream = text.parse().unwrap();
                mounted(&trees(tokens), &text, &mut routes);
            }
        }
    }
    routes.sort();
    routes.dedup();
    assert!(routes.len() > 8, "only {routes:?} were found");
    routes
}

fn trees(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

/// Adds the path of each `.route(PATH, ...)`; a path by its name has the value of that constant.
fn mounted(tokens: &[TokenTree], file: &str, routes: &mut Vec<String>) {
    for at in 0..tokens.len() {
        if let [TokenTree::Punct(dot), TokenTree::Ident(method), TokenTree::Group(args), ..] =
            &tokens[at..]
            && dot.as_char() == '.'
        {
            // Below these there would be routes that nobody sees here.
            for unseen in ["nest", "nest_service", "route_service", "fallback_service"] {
                assert!(method != unseen, "teach this test to see what `{unseen}` mounts");
            }
            if method == "route" {
                routes.push(path(&args.stream().into_iter().next().unwrap().to_string(), file));
            }
        }
        if let TokenTree::Group(group) = &tokens[at] {
            mounted(&trees(group.stream()), file, routes);
        }
    }
}

fn path(written: &str, file: &str) -> String {
    let literal = match written.starts_with('"') {
        true => written,
        false => {
            let constant = format!("const {written}: &str = ");
            let (_, value) = file.split_once(&constant).unwrap_or_else(|| panic!("no {written}"));
            value.split(';').next().unwrap()
        }
    };
    let path = literal.trim_matches('"');
    path.split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}
