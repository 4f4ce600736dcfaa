use bumpalo::Bump;
use proptest::prelude::*;

use super::certificate;
use crate::config::CertificateField::{self, Dns, Hash, Subject, Uri};

const SHA: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

fn read(text: &str, hops: usize, field: CertificateField) -> Result<Option<String>, &'static str> {
    certificate(text, hops, field, &Bump::new()).map(|found| found.map(str::to_owned))
}

#[test]
fn each_field_of_the_trusted_element_is_read() {
    let one = format!(
        "By=spiffe://prod/web;Hash={SHA};Subject=\"CN=a\\\"b, O=x;y\";URI=spiffe://prod/a;DNS=a.test;DNS=b.test"
    );
    let two = format!("By=spiffe://prod/edge;Hash={SHA};URI=spiffe://client/z,{one}");
    for (text, hops, field, expected) in [
        (&one, 1, Uri, Some("spiffe://prod/a")),
        (&one, 1, Dns, Some("a.test")),
        (&one, 1, Subject, Some("CN=a\"b, O=x;y")),
        (&one, 1, Hash, Some(SHA)),
        (&two, 1, Uri, Some("spiffe://prod/a")),
        (&two, 2, Uri, Some("spiffe://client/z")),
        (&two, 2, Subject, None),
        (&"uri=spiffe://x/1".to_owned(), 1, Uri, Some("spiffe://x/1")),
        // As Envoy writes a certificate that has none.
        (&"URI=;Subject=\"\"".to_owned(), 1, Uri, Some("")),
        (&"URI=a, URI=b".to_owned(), 1, Uri, Some("b")),
        // A backslash that escapes nothing is the subject's own.
        (&"Subject=\"CN=a\\,b\\\\\"".to_owned(), 1, Subject, Some("CN=a\\,b\\\\")),
        (&"Cert=\"%2D%3D\";Chain=\"x\";New=1;URI=u".to_owned(), 1, Uri, Some("u")),
        (&"URI=spiffe://x/a?b=c".to_owned(), 1, Uri, Some("spiffe://x/a?b=c")),
    ] {
        assert_eq!(read(text, hops, field), Ok(expected.map(str::to_owned)), "{text} {hops}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for (text, hops, field) in [
        ("", 1, Uri),
        ("URI", 1, Uri),
        ("=u", 1, Uri),
        ("URI=u;", 1, Uri),
        ("URI=u,", 1, Uri),
        (",URI=u", 1, Uri),
        ("URI=u;;DNS=d", 1, Uri),
        ("U RI=u", 1, Uri),
        ("Subject=\"CN=a", 1, Subject),
        ("Subject=\"CN=a\"b", 1, Subject),
        ("Subject=\"CN=a\\\"", 1, Subject),
        ("Subject=CN\"a\"", 1, Subject),
        ("Subject=a;Subject=b", 1, Subject),
        ("Hash=abc", 1, Hash),
        ("URI=u", 2, Uri),
    ] {
        assert!(read(text, hops, field).is_err(), "{text}");
    }
}

#[test]
fn what_a_client_wrote_before_never_counts() {
    let real = "By=spiffe://prod/edge;Subject=\"CN=real\";URI=spiffe://prod/real";
    for forged in [
        "URI=spiffe://prod/root",
        "By=x;Hash=y;Subject=\"CN=root\";URI=spiffe://prod/root,URI=spiffe://prod/root",
        // Quotes left open, to swallow what comes after.
        "URI=spiffe://prod/root;Subject=\"",
        "URI=spiffe://prod/root;Subject=\"\\",
        "URI=\"spiffe://prod/root",
        "URI=spiffe://prod/root\"",
        "URI=spiffe://prod/root;",
        "URI=spiffe://prod/root;X=",
        "X=\"",
        "\"",
        "\\",
        "",
    ] {
        let read = read(&format!("{forged},{real}"), 1, Uri);
        assert!(
            read.is_err() || read == Ok(Some("spiffe://prod/real".to_owned())),
            "{forged}: {read:?}"
        );
    }
}

/// Elements as proxies write them.
fn element() -> impl Strategy<Value = (String, String)> {
    let subject = "CN=[a-z,;= \"]{0,8}";
    ("[a-z]{1,6}", proptest::option::of(subject)).prop_map(|(name, subject)| {
        let uri = format!("spiffe://real/{name}");
        let subject = subject
            .map(|subject| format!("Subject=\"{}\";", subject.replace('"', "\\\"")))
            .unwrap_or_default();
        (format!("By=spiffe://us;Hash={SHA};{subject}URI={uri}"), uri)
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", hops in 1_usize..4) {
        for field in [Uri, Dns, Subject, Hash] {
            let _ = read(&text, hops, field);
        }
    }

    #[test]
    fn nothing_left_of_the_trusted_hops_is_taken(
        forged in "[A-Za-z=;,\"\\\\ ]{0,24}|\\PC{0,24}",
        elements in proptest::collection::vec(element(), 1..4),
    ) {
        let trusted: Vec<&str> = elements.iter().map(|(text, _)| text.as_str()).collect();
        let text = format!("{forged},{}", trusted.join(","));
        let found = read(&text, elements.len(), Uri);
        prop_assert!(found.is_err() || found == Ok(Some(elements[0].1.clone())), "{text}: {found:?}");
        // Nothing before them: always read.
        let found = read(&trusted.join(","), elements.len(), Uri);
        prop_assert_eq!(found, Ok(Some(elements[0].1.clone())));
    }
}
