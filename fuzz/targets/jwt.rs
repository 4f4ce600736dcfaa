//! Any bytes as an end user's token: nothing is believed that the keys haven't signed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bumpalo::Bump;
use plimsoll::api::ext_authz::Header;
use plimsoll::api::identity::{Evidence, Identity, Malformed};
use plimsoll::api::jwt::Jwt;
use plimsoll::config::{IdentityConfig, JwtConfig};
use plimsoll::model::Vocabulary;
use serde_json::json;

/// Of three keys, an algorithm each. The private halves are kept nowhere.
const KEYS: &str = include_str!("jwks.json");

/// All that the keys have ever signed and that holds until 2100: header, claims, signature.
pub const GOOD: &[[&str; 3]] = &[
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":"https://idp.test","aud":"shop","exp":4102444800,"sub":"u1"}"#,
        "qOpM4FXoiAkhCBauaxrxK0yDijpPJFpJDYuC2W4rJ92dZ3RtnbwY7BHDqM8AZNiYjrv_oGP_19x-Fe9Qfj7hBw",
    ],
    [
        r#"{"alg":"ES256","kid":"e"}"#,
        r#"{"iss":"https://idp.test","aud":"shop","exp":4102444800,"sub":"u1"}"#,
        "zDkLQmnGd8i_xMA1RjsVROlnpGBDtQxhnpGWUfilIn0MKqDN3_iSWiQ4lntafXBE6_KjoDPPENzfkbviQC-GNA",
    ],
    [
        r#"{"alg":"RS256","kid":"r"}"#,
        r#"{"iss":"https://idp.test","aud":"shop","exp":4102444800,"sub":"u1"}"#,
        "H9m_8RrYVO62nT1ZQl6slNzugg1Be5kyW2Hsd4tl-IV4_A4vdHpm8_CDLEimhOWO9-owRpLjapjqjn04CbN2IjBMOlBORTfYATh-vF5C7unOXU6XS1kY1dgyR2vYUohJub7sdHntMoRYxNSsc0e4p2jYd-i2pwk8yXvh2WIOZZ-GRWKgie_-mCiHdnnOeNLRQEaaweNf8d2Y7Z0Fh7AWlKrlhEp1zQUS8wcNtdvkCm_RFaetocndFS_70huoUt9U88vv5JFLlsoUbESPjEgjcIbmYu2g7_hN4lYd_ZrwkdXiYfH9EzVhyQCWTYP1nPvow21dIYm5vv79mw-tFWhPYw",
    ],
];

/// Signed by the same keys, and not to be taken: expired, not yet valid, of another issuer,
/// of several, for somebody else, without an end, with an extension.
// The targets themselves start from nothing; the tests start from these as well.
#[allow(dead_code)]
pub const SPOILT: &[[&str; 3]] = &[
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":"https://idp.test","aud":"shop","exp":1000000000,"sub":"u2"}"#,
        "qeyh4kS-HDQCbdhG8JSGrXJLV7AKoCIaJhjMSkT3gy-tPfVQw01BvMnJuSvkYMW1tdMvTnhAvb8o92PljGVRCg",
    ],
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":"https://evil.test","aud":"shop","exp":4102444800,"sub":"u2"}"#,
        "4JhNxAlWp8zgwLHwiJstyrRzL6sP0w2iym8vw4uLdYZeE3CPYMxzJi6wnVLOVt7kFwCN8awqmz3Y01lviUmLAQ",
    ],
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":"https://idp.test","aud":"bank","exp":4102444800,"sub":"u2"}"#,
        "9WKmEwSLFpNgh-Si-dBKtaEA2GAFg_S5cGXpRlvTMHrpNObADGjieGY_HMhh-vIzKCQXI7uIjVsgJ0zk7xITBQ",
    ],
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":"https://idp.test","aud":"shop","exp":4102444800,"nbf":4102444000,"sub":"u2"}"#,
        "dnoUV42Goklm5GwVDRMTe5MiB0ByT-9ILrIo1CzGd-1ZFe7lIulAOKN5W1CmXDV2-jZiQVH1XDGEtcTgveCPBQ",
    ],
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":"https://idp.test","aud":"shop","sub":"u2"}"#,
        "Ra4p1Es-OME-RoMqpP4D3gum_lvqKjnBvE61hxKzFl22YYTGcV1-3XonFsirMrSQR6wcaoHd2--NEEcpLGiPAA",
    ],
    [
        r#"{"alg":"EdDSA","kid":"d"}"#,
        r#"{"iss":["https://idp.test"],"aud":"shop","exp":4102444800,"sub":"u2"}"#,
        "6-fsQFWMMMdUAJL4oYBtipp74BRfsWmgviwjUWO2nUhRA9oC3JwQpXo1pea-h4BouhWVXkJB_NUxBjsuN3qxAw",
    ],
    [
        r#"{"alg":"EdDSA","kid":"d","crit":["exp"]}"#,
        r#"{"iss":"https://idp.test","aud":"shop","exp":4102444800,"sub":"u1"}"#,
        "lpe_1IBpQZJu1jp6mPHBIatjmvvRls8v_E47udf3v4PIHQJZwQBCOFzOY8hSwjFg6BcLSu5vJp4HkbLtepVuDg",
    ],
];

thread_local! {
    static IDENTITY: Identity = identity();
}

fn identity() -> Identity {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, KEYS).unwrap();
    let source = json!({"user": [{"jwt": {"claim": "sub"}}]});
    let source: IdentityConfig = serde_json::from_value(source).unwrap();
    let config = json!({
        "jwks": file,
        "issuer": "https://idp.test",
        "audience": "shop",
        "algorithms": ["RS256", "ES256", "EdDSA"],
    });
    let config: JwtConfig = serde_json::from_value(config).unwrap();
    let jwt = Jwt::new(&config, &source, Arc::default()).unwrap();
    Identity::new(&source, &Vocabulary::new()).unwrap().verifying(Some(jwt.into()))
}

/// The header's value as it is; or, of what begins with `{`, a line each of the token's
/// header, claims and signature, the first two not yet encoded.
pub fn run(bytes: &[u8]) {
    let value = value(bytes);
    // The second time from what is remembered.
    for _ in 0..2 {
        match user(&value) {
            Ok(user) if user.is_empty() => {
                let scheme = value.trim_ascii().get(..7).unwrap_or_default();
                assert!(!scheme.eq_ignore_ascii_case(b"bearer "), "passed over: {value:?}");
            }
            Ok(user) => {
                assert_eq!(user, "u1");
                let signed = |[header, claims, _]: &[&str; 3]| {
                    format!(
                        "{}.{}.",
                        BASE64.encode(header.as_bytes()),
                        BASE64.encode(claims.as_bytes())
                    )
                };
                let text = std::str::from_utf8(&value).unwrap();
                let token = text.trim()[7..].trim();
                assert!(GOOD.iter().any(|one| token.starts_with(&signed(one))), "{token}");
            }
            Err(why) => assert!(why.by_token, "{why}"),
        }
    }
}

pub fn value(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"{") {
        let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
        let mut encoded = || BASE64.encode(lines.next().unwrap_or_default());
        let (header, claims) = (encoded(), encoded());
        let signature = String::from_utf8_lossy(lines.next().unwrap_or_default());
        format!("Bearer {header}.{claims}.{signature}").into_bytes()
    } else {
        bytes.to_vec()
    }
}

/// Whom a request with this header is taken to be from.
pub fn user(value: &[u8]) -> Result<String, Malformed> {
    let arena = Bump::new();
    let headers = [Header { name: "authorization", value, repeated: false }];
    let evidence = Evidence { headers: &headers, ..Evidence::default() };
    IDENTITY.with(|identity| Ok(identity.of(&evidence, &arena)?.subject.to_owned()))
}
