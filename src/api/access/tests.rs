use std::sync::Arc;

use http::HeaderMap;

use super::gate::{Caller, Door};
use super::{Access, Need, Refusal, grpc_need, http_need};
use crate::api::renewed::Renew;
use crate::api::transport::Peer;
use crate::config::Permission::{Admin, Decide, Report, Review};
use crate::config::{AuthConfig, CallerConfig};
use crate::telemetry::DecisionMetrics;

// `edge` shows `secret`, `idp` shows `other`.
const TOKENS: &str = "\
edge 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b decide
idp d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa report,admin
";

struct House {
    folder: tempfile::TempDir,
    access: Arc<Access>,
    metrics: Arc<DecisionMetrics>,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, TOKENS).unwrap();
    let caller = |name: &str, permissions: &[_]| CallerConfig {
        name: name.to_owned(),
        permissions: permissions.to_vec(),
    };
    let config = AuthConfig {
        callers: vec![
            caller("spiffe://prod/edge/*", &[Decide]),
            caller("spiffe://prod/idp", &[Report]),
            caller("Console.Test", &[Review]),
        ],
        tokens: Some(path),
        jwt: None,
        local: vec![Decide],
    };
    let metrics = Arc::new(DecisionMetrics::default());
    let access = Arc::new(Access::new(&config, Arc::clone(&metrics)).unwrap());
    House { folder, access, metrics }
}

impl House {
    fn door(&self, address: Option<&str>, names: &[&str]) -> Door {
        let address = address.map(|a| a.parse().unwrap());
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Door::new(Some(Arc::clone(&self.access))).for_peer(&Peer { address, names })
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

const FAR: Option<&str> = Some("198.51.100.7");

#[test]
fn certificates_have_the_permissions_of_their_names() {
    let house = house();
    for (names, allowed) in [
        (&["spiffe://prod/edge/a"][..], &[Decide][..]),
        (&["spiffe://prod/edge/"], &[]),
        (&["spiffe://prod/edgeless"], &[]),
        (&["spiffe://prod/idp"], &[Report]),
        (&["spiffe://prod/IDP"], &[]),
        (&["console.test", "spiffe://prod/idp"], &[Review, Report]),
        (&[], &[]),
    ] {
        let mut door = house.door(FAR, names);
        for permission in [Decide, Report, Review, Admin] {
            let admitted = door.admit(Need::Permission(permission), &HeaderMap::new(), true);
            assert_eq!(admitted.is_ok(), allowed.contains(&permission), "{names:?} {permission:?}");
            match admitted {
                Err(Refusal::Denied { who, .. }) => assert_eq!(&*who, names[0]),
                Err(other) => assert!(names.is_empty(), "{other}"),
                Ok(()) => {}
            }
        }
    }
}

#[test]
fn tokens_have_the_permissions_of_their_lines() {
    let house = house();
    let mut door = house.door(FAR, &[]);
    let mut admit = |need, pairs: &[(&'static str, &str)]| {
        door.admit(Need::Permission(need), &headers(pairs), true)
    };
    assert_eq!(admit(Decide, &[("authorization", "Bearer secret")]), Ok(()));
    assert_eq!(admit(Decide, &[("authorization", "bearer secret")]), Ok(()));
    assert_eq!(admit(Decide, &[("x-plimsoll-token", "secret")]), Ok(()));
    assert_eq!(admit(Admin, &[("authorization", "Bearer other")]), Ok(()));
    let denied = admit(Report, &[("authorization", "Bearer secret")]).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "this needs the permission `report`, which `edge` does not have"
    );
    assert_eq!(denied.status().code(), tonic::Code::PermissionDenied);
    for pairs in [
        &[][..],
        &[("authorization", "Basic secret")],
        &[("authorization", "Bearer secret"), ("authorization", "Bearer secret")],
    ] {
        let unproven = admit(Decide, pairs).unwrap_err();
        assert!(matches!(unproven, Refusal::Unproven(_)), "{pairs:?}: {unproven}");
        assert_eq!(unproven.status().code(), tonic::Code::Unauthenticated);
    }
    let unknown = admit(Decide, &[("authorization", "Bearer guessed")]).unwrap_err();
    assert!(matches!(unknown, Refusal::UnknownToken(_)));
    assert_eq!(house.metrics.refused.unauthenticated.read(), 4);
    assert_eq!(house.metrics.refused.permission_denied.read(), 1);
}

#[test]
fn an_end_users_token_is_no_callers() {
    let mut door = house().door(FAR, &[]);
    let need = Need::Permission(Decide);
    let user = headers(&[("authorization", "Bearer secret")]);
    assert!(door.admit(need, &user, false).is_err());
    let own = headers(&[("authorization", "Bearer user"), ("x-plimsoll-token", "secret")]);
    assert_eq!(door.admit(need, &own, false), Ok(()));
}

#[test]
fn a_token_that_is_taken_back_ends_on_open_connections() {
    let house = house();
    let mut door = house.door(FAR, &[]);
    let secret = headers(&[("authorization", "Bearer secret")]);
    let need = Need::Permission(Decide);
    assert_eq!(door.admit(need, &secret, true), Ok(()));
    std::fs::write(house.folder.path().join("tokens"), "# none\n").unwrap();
    let look = || {
        house.access.renew().for_each(Renew::look);
        house.access.renew().for_each(Renew::look);
    };
    look();
    assert!(door.admit(need, &secret, true).is_err());
    // A broken file takes nothing back and gives nothing.
    std::fs::write(house.folder.path().join("tokens"), "edge secret decide\n").unwrap();
    look();
    assert!(house.access.renew().next().unwrap().state().error.is_some());
    assert!(door.admit(need, &secret, true).is_err());
}

#[test]
fn guessing_is_limited_and_harms_nobody_else() {
    let house = house();
    let need = Need::Permission(Decide);
    let (mut guesser, mut proven) = (house.door(FAR, &[]), house.door(FAR, &[]));
    let secret = headers(&[("authorization", "Bearer secret")]);
    assert_eq!(proven.admit(need, &secret, true), Ok(()));
    for n in 0..20 {
        let guess = headers(&[("x-plimsoll-token", &n.to_string())]);
        assert!(matches!(guesser.admit(need, &guess, true), Err(Refusal::UnknownToken(_))));
    }
    // From now on also a right guess is not looked at.
    assert_eq!(guesser.admit(need, &secret, true), Err(Refusal::Limited));
    assert_eq!(proven.admit(need, &secret, true), Ok(()), "it has proved itself before");
    assert_eq!(house.door(Some("203.0.113.1"), &[]).admit(need, &secret, true), Ok(()));
    let mut certified = house.door(FAR, &["spiffe://prod/edge/a"]);
    assert_eq!(certified.admit(need, &HeaderMap::new(), true), Ok(()));
    assert_eq!(house.metrics.refused.rate_limited.read(), 1);
}

#[test]
fn local_callers_may_decide_and_look_at_the_status() {
    let house = house();
    for address in [None, Some("127.0.0.1"), Some("::1")] {
        let mut door = house.door(address, &[]);
        let mut admits = |need| door.admit(need, &HeaderMap::new(), true).is_ok();
        assert!(admits(Need::Permission(Decide)) && admits(Need::Known), "{address:?}");
        assert!(!admits(Need::Permission(Report)) && !admits(Need::Permission(Admin)));
    }
    let mut door = house.door(FAR, &[]);
    assert!(door.admit(Need::Known, &HeaderMap::new(), true).is_err());
    assert!(door.admit(Need::Nothing, &HeaderMap::new(), true).is_ok());
}

#[test]
fn a_door_without_a_peer_lets_nobody_in() {
    let mut door = Door::new(Some(house().access));
    assert!(door.admit(Need::Permission(Decide), &HeaderMap::new(), true).is_err());
}

#[test]
fn the_caller_is_told() {
    let house = house();
    let mut door = house.door(FAR, &["spiffe://prod/idp"]);
    let secret = headers(&[("authorization", "Bearer secret")]);
    door.admit(Need::Permission(Report), &secret, true).unwrap();
    assert_eq!(door.caller().to_string(), "spiffe://prod/idp at 198.51.100.7");
    door.admit(Need::Permission(Decide), &secret, true).unwrap();
    assert_eq!(door.caller().to_string(), "edge at 198.51.100.7");
    let open = Door::Open.for_peer(&Peer::default());
    assert_eq!(open.caller(), Caller::default());
}

#[test]
fn what_is_not_listed_asks_the_most() {
    let one = Need::Permission;
    for (path, need) in [
        ("/grpc.health.v1.Health/Watch", Need::Nothing),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Need::Known),
        ("/envoy.service.auth.v3.Authorization/Check", one(Decide)),
        ("/plimsoll.v1.DecisionService/EvaluateBatch", one(Decide)),
        ("/plimsoll.v1.SignalService/ReportStream", one(Report)),
        ("/plimsoll.v1.SignalService/Get", one(Review)),
        ("/plimsoll.v1.SignalService/Forget", one(Admin)),
        ("/plimsoll.v1.SignalService/New", one(Admin)),
        ("//plimsoll.v1.SignalService/Report", one(Admin)),
        ("/plimsoll.v1.AdminService/Anything", one(Admin)),
        ("", one(Admin)),
    ] {
        assert_eq!(grpc_need(path), need, "{path}");
    }
    for (path, need) in [
        ("/live", Need::Nothing),
        ("/ready", Need::Nothing),
        ("/.well-known/jwks.json", Need::Nothing),
        ("/metrics", Need::Known),
        ("/access/v1/evaluations", one(Decide)),
        ("/forward-auth/session", one(Decide)),
        ("/v1/signals", one(Report)),
        ("/console/", one(Review)),
        ("/live/", one(Admin)),
        ("/liveness", one(Admin)),
        ("/v1/%73ignals", one(Admin)),
        ("/access/v1/../v1/signals", one(Decide)),
    ] {
        assert_eq!(http_need(path), need, "{path}");
    }
}
