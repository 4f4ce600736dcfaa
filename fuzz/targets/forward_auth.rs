//! Any header lines, as a proxy asks with them: what the client wrote among them is
//! never believed, nor out of the rules' sight.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::house::House;

thread_local! {
    static HOUSE: House = House::open();
}

/// What proxies say of the original request, and each once.
const ORIGINAL: [&str; 3] = ["x-original-uri", "x-original-url", "x-original-method"];
const FORWARDED: [&str; 2] = ["x-forwarded-uri", "x-forwarded-method"];
const BESIDE: [&str; 2] = ["x-forwarded-host", "x-forwarded-proto"];

/// One `name: value` a line; lines that no HTTP server takes are left out.
pub fn run(bytes: &[u8]) {
    let (asked, status, answer) = ask(bytes);
    // All that nginx understands.
    assert!(matches!(status, 200 | 401 | 403), "{status} for {asked:?}");
    if status != 200 {
        return;
    }
    let has = |name: &&str| asked.contains_key(*name);
    assert!(!(ORIGINAL.iter().any(has) && FORWARDED.iter().any(has)), "told twice: {asked:?}");
    for name in ORIGINAL.iter().chain(&FORWARDED).chain(&BESIDE) {
        assert!(asked.get_all(*name).iter().count() <= 1, "{name} twice: {asked:?}");
    }
    let risks = asked.get_all("x-risk");
    let is_high = |value: &HeaderValue| value.as_bytes().windows(4).any(|part| part == b"high");
    assert!(!risks.iter().any(is_high), "a value was overlooked: {asked:?}");
    assert!(answer.keys().filter(|name| name.as_str().starts_with("x-plimsoll-")).count() <= 1);

    // Headers carry visible ASCII only.
    if let Some(path) = text(&answer, "x-path") {
        assert!(path.starts_with('/') && !path.contains("//"), "{path}");
        assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{path}");
    }
    assert_eq!(text(&answer, "x-address"), nearest(&asked).map(|ip| ip.to_string()), "{asked:?}");
    if let Some(user) = text(&answer, "x-user") {
        let login: Vec<_> = asked.get_all("x-login").iter().collect();
        assert!(login.len() == 1 && login[0].as_bytes().trim_ascii() == user.as_bytes());
    }
}

/// What was asked, and the answer.
pub fn ask(lines: &[u8]) -> (HeaderMap, u16, HeaderMap) {
    let mut request = Request::get("/forward-auth").body(Body::empty()).unwrap();
    let headers = request.headers_mut();
    for line in lines.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    let asked = headers.clone();
    let (status, answer, _) = HOUSE.with(|house| house.send(request));
    (asked, status, answer)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8(value.as_bytes().to_vec()).unwrap())
}

/// The last hop, which the proxy that asks has written, in the last of its lines.
fn nearest(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let hop = last.as_bytes().rsplit(|byte| *byte == b',').next()?;
    address(std::str::from_utf8(hop).unwrap().trim())
}

/// As proxies write them: with a port, in brackets, or bare.
fn address(text: &str) -> Option<IpAddr> {
    if text.is_empty() {
        return None;
    }
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let ip = text
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()))
        .or_else(bare);
    Some(ip.unwrap_or_else(|| panic!("{text} was taken for an address")).to_canonical())
}
