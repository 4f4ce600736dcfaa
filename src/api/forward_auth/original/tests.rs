use super::{Original, OriginalError};
use crate::api::ext_authz::Header;

const fn header(name: &'static str, value: &'static str) -> Header<'static> {
    Header { name, value: value.as_bytes(), repeated: false }
}

fn of(
    headers: &'static [(&'static str, &'static str)],
) -> Result<Original<'static>, OriginalError> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| header(name, value)).collect();
    Original::of(headers.leak())
}

#[test]
fn each_proxys_headers_are_understood() {
    let nginx = of(&[
        ("x-original-uri", "/a?b=c"),
        ("x-original-method", "PUT"),
        ("x-forwarded-host", "app.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "203.0.113.9"),
    ]);
    let expected = Original {
        method: "PUT",
        target: "/a?b=c",
        host: "app.test",
        scheme: "https",
        address: "203.0.113.9",
    };
    assert_eq!(nginx, Ok(expected));
    let traefik = of(&[
        ("x-forwarded-uri", "/a?b=c"),
        ("x-forwarded-method", "PUT"),
        ("x-forwarded-host", "app.test"),
        ("x-forwarded-proto", "https"),
        // The client wrote the first one itself.
        ("x-forwarded-for", "10.6.6.6, 203.0.113.9"),
    ]);
    assert_eq!(traefik, Ok(expected));
    let ingress = of(&[("x-original-url", "https://app.test/a?b=c"), ("x-original-method", "PUT")]);
    assert_eq!(ingress, Ok(Original { address: "", ..expected }));
    let bare = of(&[("x-original-url", "https://app.test"), ("x-original-method", "PUT")]);
    assert_eq!(bare, Ok(Original { address: "", target: "/", ..expected }));
}

#[test]
fn what_a_client_may_have_written_is_not_believed() {
    for headers in [
        &[("x-original-uri", "/a"), ("x-original-method", "GET"), ("x-forwarded-uri", "/public")][..],
        &[("x-forwarded-uri", "/a"), ("x-forwarded-method", "GET"), ("x-original-method", "HEAD")],
        &[
            ("x-forwarded-uri", "/a"),
            ("x-forwarded-method", "GET"),
            ("x-original-url", "http://b/"),
        ],
        &[("x-original-uri", "/a"), ("x-original-url", "http://b/a"), ("x-original-method", "GET")],
    ] {
        assert_eq!(of(headers), Err(OriginalError::Twice), "{headers:?}");
    }
    let twice = Header { repeated: true, ..header("x-original-uri", "/a,/b") };
    let headers = [twice, header("x-original-method", "GET")];
    assert_eq!(Original::of(&headers), Err(OriginalError::Twice));
}

#[test]
fn what_is_not_told_is_not_guessed() {
    assert_eq!(of(&[("x-original-uri", "/a")]), Err(OriginalError::Absent("method")));
    assert_eq!(of(&[("x-forwarded-method", "GET")]), Err(OriginalError::Absent("path")));
    assert_eq!(of(&[]), Err(OriginalError::Absent("method")));
    for method in ["", "GE T", "GET\u{e9}"] {
        let headers = [header("x-original-uri", "/"), header("x-original-method", method)];
        assert_eq!(Original::of(&headers), Err(OriginalError::Method), "{method}");
    }
    for url in ["/a", "https://", "https://user@app.test/", "app.test/a"] {
        let headers = [header("x-original-url", url), header("x-original-method", "GET")];
        assert_eq!(Original::of(&headers), Err(OriginalError::Url), "{url}");
    }
}
