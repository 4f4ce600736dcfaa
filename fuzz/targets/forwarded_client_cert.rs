//! Any bytes as `x-forwarded-client-cert`: what a client writes in front of the trusted
//! elements changes nothing, or ends the request.

use bumpalo::Bump;
use plimsoll::api::ext_authz::Header;
use plimsoll::api::identity::{Evidence, Identity, Malformed};
use plimsoll::config::{CertificateField, IdentityConfig, IdentitySource};
use plimsoll::model::Vocabulary;

const MOST: usize = 3;
const FIELDS: [CertificateField; 4] = [
    CertificateField::Uri,
    CertificateField::Dns,
    CertificateField::Subject,
    CertificateField::Hash,
];

thread_local! {
    static IDENTITIES: Vec<Identity> = (1..=MOST)
        .flat_map(|trusted_hops| FIELDS.map(|field| identity(trusted_hops, field)))
        .collect();
}

fn identity(trusted_hops: usize, field: CertificateField) -> Identity {
    let sources = vec![IdentitySource::ForwardedClientCert { trusted_hops, field }];
    let config = IdentityConfig([("user".to_owned(), sources)].into());
    Identity::new(&config, &Vocabulary::new()).unwrap()
}

/// The first byte says how many hops are trusted, and which field is read.
pub fn run(bytes: &[u8]) {
    let Some((first, value)) = bytes.split_first() else { return };
    let Ok(found) = of(*first, value) else { return };
    let text = std::str::from_utf8(value).unwrap().replace("\\\"", "\"");
    assert!(text.contains(&found), "{found} is not in {text}");
    let hash = "a".repeat(64);
    for lie in [
        format!("Hash={hash};Subject=\"CN=evil\";URI=spiffe://evil/x;DNS=evil.test,"),
        "URI=spiffe://evil/x, ".to_owned(),
        r#"Subject="a,URI=spiffe://evil/x;DNS=\"evil\"","#.to_owned(),
    ] {
        let longer = [lie.as_bytes(), value].concat();
        assert_eq!(of(*first, &longer).as_deref(), Ok(&*found), "{lie} before {value:?}");
    }
    // What would swallow what comes after it, were it let stand.
    for garbage in
        [&b"Subject=\"CN=evil,"[..], b"Subject=\"", b"=,", b"a\"b=c,", b",", b"URI=a\"b,"]
    {
        let longer = [garbage, value].concat();
        assert!(of(*first, &longer).is_err(), "{garbage:?} before {value:?}");
    }
}

/// Whom the header says a request is from, read as the first byte says.
pub fn of(first: u8, value: &[u8]) -> Result<String, Malformed> {
    let arena = Bump::new();
    let headers = [Header { name: "x-forwarded-client-cert", value, repeated: false }];
    let evidence = Evidence { headers: &headers, ..Evidence::default() };
    IDENTITIES.with(|all| {
        let identity = &all[usize::from(first) % all.len()];
        Ok(identity.of(&evidence, &arena)?.subject.to_owned())
    })
}
