//! What a client says about itself in our name is not believed.

use crate::House;
use crate::support::client::Request;
use crate::support::envoy::Options;

fn both_header_forms() -> [Options; 2] {
    [true, false].map(|encode_raw_headers| Options { encode_raw_headers, ..Options::default() })
}

#[test]
fn a_clients_own_scores_do_not_survive() {
    for options in both_header_forms() {
        let house = House::with(&options);
        let answer = house.send(
            &Request::get("/")
                .header("x-risk", "low")
                .header("x-plimsoll-score", "0")
                .header("x-plimsoll-score", "1")
                .header("X-Plimsoll-Level", "best")
                .header("x-plimsoll-anything", "goes")
                // Set by us only where limits are given.
                .header("x-plimsoll-limits", "none"),
        );
        let silent = house.send(&Request::get("/").header("x-plimsoll-factors", "mine"));
        assert_eq!(silent.upstream_saw("x-plimsoll-factors").unwrap_or_default(), "");
        assert_eq!(answer.upstream_saw("x-plimsoll-score").as_deref(), Some("10"));
        assert_eq!(answer.upstream_saw("x-plimsoll-level").as_deref(), Some("low"));
        assert_eq!(answer.upstream_saw("x-plimsoll-anything"), None, "{answer:?}");
        assert_eq!(answer.upstream_saw("x-plimsoll-limits"), None, "{answer:?}");
    }
}

/// Many servers read `_` in a header's name as `-`.
#[test]
fn neither_do_they_with_underscores() {
    for options in both_header_forms() {
        let house = House::with(&options);
        let answer = house.send(
            &Request::get("/").header("x_plimsoll_score", "0").header("X-Plimsoll_Level", "best"),
        );
        assert_eq!(answer.upstream_saw("x_plimsoll_score"), None, "{answer:?}");
        assert_eq!(answer.upstream_saw("x-plimsoll_level"), None, "{answer:?}");
    }
}

/// The upstream takes these as our word, also when we have nothing to say.
#[test]
fn nor_headers_that_a_policy_sets() {
    for options in both_header_forms() {
        let house = House::with(&options);
        let forged =
            |path: &str| Request::get(path).header("x-user", "root").header("x-key", "open");
        let unknown = house.send(&forged("/"));
        assert_eq!(unknown.upstream_saw("x-user"), None, "nobody is known: {unknown:?}");
        let known = house.send(&forged("/").header("x-login", "alice"));
        assert_eq!(known.upstream_saw("x-user").as_deref(), Some("alice"));
        let by_other_policy = house.send(&forged("/strict/"));
        assert_eq!(by_other_policy.upstream_saw("x-user"), None, "{by_other_policy:?}");
        // A policy's own business: one that never speaks of it leaves it alone.
        let others = house.send(&forged("/strict/").header("x-session", "s1"));
        assert_eq!(others.upstream_saw("x-session").as_deref(), Some("s1"));
    }
}
