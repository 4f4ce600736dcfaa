//! Paths and hosts, brought to one form before any rule sees them.
//!
//! A path that two servers could read differently is not repaired but refused:
//! whoever may decide what is behind `/admin` must not depend on who decodes.

use std::borrow::Cow;

use bumpalo::Bump;

/// Why a path can't be brought to one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    #[error("the path has a malformed percent-encoding")]
    BadEncoding,
    #[error("the path has an encoded `/`, `\\` or `;`, which servers read differently")]
    EncodedSeparator,
    #[error("the path has a dot segment with parameters, which servers read differently")]
    DotParameters,
    #[error("the path has a backslash, which servers read differently")]
    Backslash,
    #[error("the path is encoded twice")]
    DoubleEncoding,
    #[error("the path has a control character")]
    Control,
    #[error("the path is not UTF-8 once it is decoded")]
    NotUtf8,
    #[error("the path climbs above its root")]
    AboveRoot,
}

/// The path without query, fragment and `;parameters`, percent-decoded once,
/// with `//`, `.` and `..` resolved. Borrows where nothing changes.
pub fn normalise<'r>(target: &'r str, arena: &'r Bump) -> Result<&'r str, PathError> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(path) {
        return Ok(path);
    }
    let decoded = decode(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in decoded.split('/') {
        let (segment, parameters) = match segment.split_once(';') {
            Some((segment, parameters)) => (segment, Some(parameters)),
            None => (segment, None),
        };
        // `/admin/..;/public` is `/public` to some servers, and below `/admin` to others.
        if parameters.is_some() && matches!(segment, "." | "..") {
            return Err(PathError::DotParameters);
        }
        ends_open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop().ok_or(PathError::AboveRoot)?;
            }
            segment => segments.push(segment),
        }
    }
    let mut normal = bumpalo::collections::String::with_capacity_in(decoded.len(), arena);
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if ends_open || normal.is_empty() {
        normal.push('/');
    }
    Ok(normal.into_bump_str())
}

/// Whether the path is in its form already: the common case, seen in one pass.
fn is_plain(path: &str) -> bool {
    let mut before = b'x';
    for byte in path.bytes() {
        let plain = match byte {
            b'/' => before != b'/',
            // A dot that begins a segment may be a dot segment.
            b'.' => before != b'/',
            b'%' | b';' | b'\\' | 0x7f => false,
            byte => byte >= 0x20,
        };
        if !plain {
            return false;
        }
        before = byte;
    }
    true
}

fn decode(path: &str) -> Result<Cow<'_, str>, PathError> {
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => return Err(PathError::Backslash),
            byte if byte.is_ascii_control() => return Err(PathError::Control),
            b'%' => {
                let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else {
                    return Err(PathError::BadEncoding);
                };
                match high << 4 | low {
                    b'/' | b'\\' | b';' => return Err(PathError::EncodedSeparator),
                    byte if byte.is_ascii_control() => return Err(PathError::Control),
                    // `%25` may hide a second encoding, decoded by who comes next.
                    b'%' => return Err(PathError::DoubleEncoding),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| PathError::NotUtf8)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    match digit? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The host in lower case, without port and trailing dot.
pub fn normalise_host<'r>(host: &'r str, arena: &'r Bump) -> &'r str {
    let without_port = match (host.rfind(']'), host.rfind(':')) {
        // `[::1]:8080` and `[::1]`
        (Some(bracket), Some(colon)) if colon < bracket => host,
        (_, Some(colon)) => host.get(..colon).unwrap_or(host),
        (_, None) => host,
    };
    let bare = without_port.strip_suffix('.').unwrap_or(without_port);
    if bare.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = arena.alloc_str(bare);
        lower.make_ascii_lowercase();
        return lower;
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::{PathError, normalise, normalise_host};
    use bumpalo::Bump;

    #[test]
    fn paths_come_to_one_form() {
        let arena = Bump::new();
        for (raw, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b?x=../c#d", "/a/b"),
            ("//a///b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a/", "/a/"),
            ("/%61dmin", "/admin"),
            ("/%2e%2e", "AboveRoot"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/.%2E/b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("//a.test/b", "/a.test/b"),
            ("/#/../a", "/"),
            ("/a%3f/../b", "/b"),
            ("/a;x=1/b;y", "/a/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/caf%C3%A9", "/café"),
        ] {
            let found = normalise(raw, &arena);
            if normal == "AboveRoot" {
                assert_eq!(found, Err(PathError::AboveRoot), "{raw}");
            } else {
                assert_eq!(found, Ok(normal), "{raw}");
            }
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        let arena = Bump::new();
        for (raw, why) in [
            ("", PathError::NotAbsolute),
            ("admin", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("http://x/admin", PathError::NotAbsolute),
            ("/a%2fb", PathError::EncodedSeparator),
            ("/a%5cb", PathError::EncodedSeparator),
            ("/a%3bb", PathError::EncodedSeparator),
            ("/admin/..;/public", PathError::DotParameters),
            ("/admin/%2e%2e;x/public", PathError::DotParameters),
            ("/a\\b", PathError::Backslash),
            ("/a\u{1}", PathError::Control),
            ("/a\tb", PathError::Control),
            ("/a\u{7f}", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a%7f", PathError::Control),
            ("/%252e%252e", PathError::DoubleEncoding),
            ("/a%252fb", PathError::DoubleEncoding),
            // Overlong: `/` and `.` in more bytes than they have.
            ("/a%c0%afb", PathError::NotUtf8),
            ("/%c0%ae%c0%ae/b", PathError::NotUtf8),
            ("/%e0%80%ae/b", PathError::NotUtf8),
            ("/%2", PathError::BadEncoding),
            ("/%zz", PathError::BadEncoding),
            ("/a%00", PathError::Control),
            ("/a\u{0}", PathError::Control),
            ("/%ff", PathError::NotUtf8),
            ("/..", PathError::AboveRoot),
            ("/a/../..", PathError::AboveRoot),
        ] {
            assert_eq!(normalise(raw, &arena), Err(why), "{raw:?}");
        }
    }

    #[test]
    fn hosts_come_to_one_form() {
        let arena = Bump::new();
        for (raw, normal) in [
            ("Example.COM:8443", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("EXAMPLE.com.:80", "example.com"),
            ("xn--bcher-kva.example:443", "xn--bcher-kva.example"),
            ("b\u{fc}cher.example", "b\u{fc}cher.example"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(normalise_host(raw, &arena), normal, "{raw}");
        }
    }

    proptest::proptest! {
        /// A normal path is its own normal form, and has nothing left to resolve.
        #[test]
        fn normalising_is_idempotent(raw in "/[a-z./;%0-9A-F]{0,40}") {
            let arena = Bump::new();
            if let Ok(normal) = normalise(&raw, &arena) {
                proptest::prop_assert!(!normal.contains("//"));
                proptest::prop_assert!(!normal.split('/').any(|s| s == ".." || s == "."));
                // An encoded `?` or `#` is part of the path, and would end it if it were read anew.
                if !normal.contains(['?', '#']) {
                    proptest::prop_assert_eq!(normalise(normal, &arena), Ok(normal));
                }
            }
        }
    }
}
