//! A token that can't be verified, at Envoy's check.

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, attribute_context,
};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey};
use plimsoll::app::App;
use plimsoll::config::{IdentityConfig, IdentitySource, JwtAlgorithm, JwtConfig};

use super::auth::{config, plain, stop};

fn request(authorization: Option<&str>) -> CheckRequest {
    let headers = authorization.map(|value| ("authorization".to_owned(), value.to_owned()));
    let http = attribute_context::HttpRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        headers: headers.into_iter().collect(),
        ..Default::default()
    };
    let request = attribute_context::Request { http: Some(http), ..Default::default() };
    let attributes = AttributeContext { request: Some(request), ..Default::default() };
    CheckRequest { attributes: Some(attributes) }
}

fn denied(response: CheckResponse) -> Option<(i32, String, Vec<String>)> {
    match response.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => {
            let headers = denied.headers.into_iter().filter_map(|h| h.header);
            let challenges = headers.filter(|h| h.key == "www-authenticate").map(|h| h.value);
            Some((denied.status.unwrap().code, denied.body, challenges.collect()))
        }
        _ => None,
    }
}

#[tokio::test]
async fn a_bad_token_is_a_401_and_none_is_weighed() {
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    let set = JwkSet { keys: vec![Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()] };
    std::fs::write(&jwks, serde_json::to_vec(&set).unwrap()).unwrap();

    let mut config = config();
    let source = IdentitySource::Jwt { claim: "sub".to_owned() };
    config.identity = IdentityConfig([("user".to_owned(), vec![source])].into());
    config.jwt = Some(JwtConfig {
        jwks: jwks.to_str().unwrap().to_owned(),
        ca: None,
        refresh: "5m".to_owned(),
        issuer: "https://idp.test".to_owned(),
        audience: "shop".to_owned(),
        algorithms: vec![JwtAlgorithm::ES256],
        header: "authorization".to_owned(),
        cookie: None,
        claims: Vec::new(),
    });
    let app = App::start(&config).unwrap();
    let channel = plain(app.grpc_address().unwrap()).await;
    let mut client = AuthorizationClient::new(channel);
    let mut ask = async |authorization| {
        denied(client.check(request(authorization)).await.unwrap().into_inner())
    };
    let (status, body, challenges) = ask(Some("Bearer a.b.c")).await.unwrap();
    assert_eq!((status, &*challenges[0]), (401, "Bearer error=\"invalid_token\""), "{body}");
    assert!(body.contains("the token is malformed"), "{body}");
    // The policy's own word, whatever it is, and no word on tokens.
    if let Some((_, body, _)) = ask(None).await {
        assert!(!body.contains("token"), "{body}");
    }
    drop(client);
    stop(app).await;
}
