//! What each call asks of its caller. What is not listed asks the most.

use super::Need;
use crate::config::Permission::{Admin, Announce, Decide, Report, Review};

/// What a check asks.
pub(in crate::api) const DECIDE: Need = Need::Permission(Decide);

pub(in crate::api) fn grpc_need(path: &str) -> Need {
    listed_grpc(path).unwrap_or(Need::Permission(Admin))
}

pub(in crate::api) fn http_need(path: &str) -> Need {
    listed_http(path).unwrap_or(Need::Permission(Admin))
}

/// The need of a method that has a line here, as every one that is served must.
fn listed_grpc(path: &str) -> Option<Need> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (service, method) = path.split_once('/').unwrap_or((path, ""));
    Some(match (service, method) {
        ("grpc.health.v1.Health", _) => Need::Nothing,
        ("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _) => {
            Need::Known
        }
        ("plimsoll.v1.DecisionService" | "envoy.service.auth.v3.Authorization", _) => DECIDE,
        ("plimsoll.v1.SignalService", "Report" | "ReportStream") => Need::Permission(Report),
        // What is known of a person is for those who look into cases.
        ("plimsoll.v1.SignalService", "Get") | ("plimsoll.v1.ReviewService", "Label") => {
            Need::Permission(Review)
        }
        // What is announced softens risk, so this is not for whoever reports or labels.
        ("plimsoll.v1.ReviewService", "Announce" | "Withdraw" | "ListAnnounced") => {
            Need::Permission(Announce)
        }
        ("plimsoll.v1.SignalService", "Forget") => Need::Permission(Admin),
        _ => return None,
    })
}

/// As `listed_grpc`, of a path that HTTP serves.
fn listed_http(path: &str) -> Option<Need> {
    let at = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    Some(if matches!(path, "/live" | "/ready") || at("/.well-known") {
        Need::Nothing
    } else if matches!(path, "/status" | "/metrics") {
        Need::Known
    } else if at("/access/v1") || at("/forward-auth") {
        DECIDE
    } else if at("/v1/signals") {
        Need::Permission(Report)
    } else if at("/v1/expected") {
        Need::Permission(Announce)
    } else if at("/v1/labels") || at("/console") {
        Need::Permission(Review)
    } else {
        return None;
    })
}

/// Whether `authorization` there is the proxy's own. On a forward-auth request
/// it is the end user's, and never a caller's token.
pub(in crate::api) fn takes_own_token(path: &str) -> bool {
    !path.starts_with("/forward-auth")
}

#[cfg(test)]
#[path = "../../../tests/support/served.rs"]
mod served;

#[cfg(test)]
mod tests {
    use tonic_reflection::pb::{v1, v1alpha};

    use super::{listed_grpc, listed_http, served};

    /// What has no line asks for `admin`: safe, and most likely not what was meant.
    #[test]
    fn all_that_is_served_has_its_line() {
        let methods = served::grpc_methods(&[
            crate::proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            v1::FILE_DESCRIPTOR_SET,
            v1alpha::FILE_DESCRIPTOR_SET,
        ]);
        let unlisted = |all: Vec<String>, listed: fn(&str) -> Option<super::Need>| {
            all.into_iter().filter(|path| listed(path).is_none()).collect::<Vec<_>>()
        };
        assert_eq!(unlisted(methods, listed_grpc), [""; 0], "without a line in needs.rs");
        assert_eq!(unlisted(served::http_routes(), listed_http), [""; 0], "without a line");
    }
}
