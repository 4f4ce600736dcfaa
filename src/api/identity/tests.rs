use std::collections::BTreeMap;

use bumpalo::Bump;

use super::{Evidence, Identified, Identity, Malformed};
use crate::api::ext_authz::{CheckRequest, Header, HttpAttributes, Peer};
use crate::config::{CertificateField, IdentityConfig, IdentitySource};
use crate::model::Vocabulary;

const fn header(name: &'static str, value: &'static str) -> Header<'static> {
    Header { name, value: value.as_bytes(), repeated: false }
}

fn check<'r>(headers: &'r [Header<'r>]) -> CheckRequest<'r> {
    CheckRequest {
        source: Peer { address: "198.51.100.7", port: 4, principal: "spiffe://x/web" },
        http: Some(HttpAttributes { headers, ..HttpAttributes::default() }),
        context_extensions: &[("user", "from-route")],
        ..CheckRequest::default()
    }
}

/// The id that the sources give an entity of the kind.
fn id_of<'r>(
    kind: &str,
    sources: &[IdentitySource],
    check: &CheckRequest<'r>,
    arena: &'r Bump,
) -> Result<Option<&'r str>, Malformed> {
    let vocabulary = Vocabulary::new();
    let config = IdentityConfig(BTreeMap::from([(kind.to_owned(), sources.to_vec())]));
    let identity = Identity::new(&config, &vocabulary).unwrap();
    let found: Identified<'r> = identity.of(&Evidence::from(check), arena)?;
    Ok(found.entities.get(vocabulary.kind(kind).unwrap()))
}

#[test]
fn sources_are_tried_in_order() {
    let arena = Bump::new();
    let headers = [header("x-user-id", "u1"), header("cookie", "a=b; sid=\"s9\"; c=d")];
    let check = check(&headers);
    let name = |name: &str| IdentitySource::Header(name.to_owned());
    for (sources, id) in [
        (vec![name("x-user-id")], Some("u1")),
        (vec![name("x-absent"), IdentitySource::Principal {}], Some("spiffe://x/web")),
        (vec![IdentitySource::Cookie("sid".to_owned())], Some("s9")),
        (vec![IdentitySource::Connection {}], Some("198.51.100.7")),
        (vec![IdentitySource::ContextExtension("user".to_owned())], Some("from-route")),
        (vec![name("x-absent")], None),
        (vec![], None),
    ] {
        assert_eq!(id_of("user", &sources, &check, &arena), Ok(id), "{sources:?}");
    }
}

#[test]
fn a_garbled_identity_ends_the_request() {
    let arena = Bump::new();
    let twice = Header { repeated: true, ..header("x-user-id", "a,b") };
    let bytes = Header { name: "x-user-id", value: b"\xff\xfe", repeated: false };
    let long = "u".repeat(2000);
    let long = Header { name: "x-user-id", value: long.as_bytes(), repeated: false };
    let nul = header("x-user-id", "a\u{0}b");
    for header in [twice, bytes, long, nul] {
        let headers = [header];
        let sources =
            [IdentitySource::Header("x-user-id".to_owned()), IdentitySource::Principal {}];
        assert!(id_of("user", &sources, &check(&headers), &arena).is_err(), "{header:?}");
    }
    let headers = [header("cookie", "sid=1; sid=2")];
    let sources = [IdentitySource::Cookie("sid".to_owned())];
    assert!(id_of("session", &sources, &check(&headers), &arena).is_err());
}

#[test]
fn forwarded_addresses_count_from_the_trusted_end() {
    let arena = Bump::new();
    for (value, hops, expected) in [
        ("203.0.113.9", 1, Ok(Some("203.0.113.9"))),
        // The client wrote the first one itself.
        ("10.6.6.6, 203.0.113.9", 1, Ok(Some("203.0.113.9"))),
        ("10.6.6.6, 203.0.113.9, 192.0.2.1", 2, Ok(Some("203.0.113.9"))),
        ("203.0.113.9:4711", 1, Ok(Some("203.0.113.9"))),
        ("[2001:db8::1]:4711", 1, Ok(Some("2001:db8::1"))),
        ("::ffff:203.0.113.9", 1, Ok(Some("203.0.113.9"))),
        ("2001:DB8:0::1", 1, Ok(Some("2001:db8::1"))),
        ("203.0.113.9", 2, Err(())),
        ("unknown", 1, Err(())),
    ] {
        let headers =
            [Header { name: "x-forwarded-for", value: value.as_bytes(), repeated: false }];
        let sources = [IdentitySource::ForwardedFor { trusted_hops: hops }];
        let found = id_of("address", &sources, &check(&headers), &arena).map_err(|_| ());
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn certificates_count_from_the_trusted_end() {
    let arena = Bump::new();
    let source = |trusted_hops| IdentitySource::ForwardedClientCert {
        trusted_hops,
        field: CertificateField::Uri,
    };
    let list = "By=spiffe://x/edge;URI=spiffe://x/outer,By=spiffe://x/app;URI=spiffe://x/inner";
    for (value, hops, expected) in [
        (list, 1, Ok(Some("spiffe://x/inner"))),
        (list, 2, Ok(Some("spiffe://x/outer"))),
        (list, 3, Err(())),
        ("By=spiffe://x/edge;Hash=1", 1, Ok(None)),
        ("URI=", 1, Ok(None)),
        ("spiffe://x/inner", 1, Err(())),
    ] {
        // Several lines are one list.
        for repeated in [false, true] {
            let name = "x-forwarded-client-cert";
            let headers = [Header { name, value: value.as_bytes(), repeated }];
            let found = id_of("user", &[source(hops)], &check(&headers), &arena).map_err(|_| ());
            assert_eq!(found, expected, "{value}");
        }
    }
    // Where it is absent, the next source counts.
    let sources = [source(1), IdentitySource::Principal {}];
    assert_eq!(id_of("user", &sources, &check(&[]), &arena), Ok(Some("spiffe://x/web")));
}

#[test]
fn nothing_but_what_the_proxy_attests_is_trusted_by_default() {
    let vocabulary = Vocabulary::new();
    let identity = Identity::new(&IdentityConfig::default(), &vocabulary).unwrap();
    let arena = Bump::new();
    let headers = [
        header("x-user-id", "root"),
        header("x-forwarded-for", "10.0.0.1"),
        header("cookie", "sid=stolen"),
        header("authorization", "Bearer x"),
    ];
    let check = check(&headers);
    let found = identity.of(&Evidence::from(&check), &arena).unwrap();
    assert_eq!(found.subject, "spiffe://x/web");
    assert_eq!(found.address, Some("198.51.100.7".parse().unwrap()));
    assert_eq!(found.entities.get(vocabulary.kind("session").unwrap()), None);
}

/// An address that is none is never one that rules may trust: it ends the request, and where
/// there is none at all (a Unix socket) it is missing.
#[test]
fn an_invalid_address_is_no_address() {
    let arena = Bump::new();
    for (written, expected) in [
        ("198.51.100.7", Ok(Some("198.51.100.7"))),
        ("", Ok(None)),
        (" ", Ok(None)),
        ("localhost", Err(())),
        ("999.1.1.1", Err(())),
        ("127.1", Err(())),
        ("0x7f000001", Err(())),
        ("2130706433", Err(())),
        ("010.0.0.1", Err(())),
        ("10.0.0.1/8", Err(())),
        ("10.0.0.1,10.0.0.2", Err(())),
        ("fe80::1%eth0", Err(())),
        ("[::1", Err(())),
        ("/run/envoy.sock", Err(())),
    ] {
        let source = Peer { address: written, ..Peer::default() };
        let check = CheckRequest { source, ..CheckRequest::default() };
        let found = id_of("address", &[IdentitySource::Connection {}], &check, &arena);
        assert_eq!(found.map_err(|_| ()), expected, "{written:?}");
    }
}
