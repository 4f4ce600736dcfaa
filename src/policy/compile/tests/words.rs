//! What documents say in words: reasons, metadata, descriptions; and of `missing` and `prior`,
//! which may contradict each other.

use super::{load, messages, policy, tells};

const CATALOG: &str = "apiVersion: plimsoll/v1\nkind: Catalog\n";

#[test]
fn only_a_factor_has_a_value_to_speak_of() {
    for rest in [
        "rules: [{name: r, when: 'true', decision: deny, reason: {user: \"{value}\"}}]",
        "min_confidence: {value: 0.5, decision: deny, reason: {admin: \"{value}\"}}",
    ] {
        tells(&policy("user.auth_count", "", rest), "`{value}` is that of a factor");
    }
    let good = "min_confidence: {value: 0.5, decision: deny, reason: {user: \"{confidence} {score} {level}\"}}";
    let reason = ", reason: {user: \"{value} {confidence}\"}";
    assert_eq!(messages(&policy("user.auth_count", reason, good)), Vec::<String>::new());
    let unknown = ", reason: {user: \"{confidense}\"}";
    tells(&policy("user.auth_count", unknown, ""), "`{level}` and `{confidence}`");
}

#[test]
fn metadata_of_all_kinds_has_a_name_and_a_description() {
    let with = |metadata: &str| format!("{CATALOG}metadata: {metadata}\n");
    assert_eq!(messages(&with("{name: x, description: y}")), Vec::<String>::new());
    tells(&with("{nmae: x}"), "unknown key `nmae` (did you mean `name`?)");
    tells(&with("{name: 5}"), "expected a string, found a number");
    tells(&with("x"), "expected a mapping");
}

#[test]
fn a_dimension_without_factors_would_lose_its_weight() {
    let with = |factors: &str| {
        policy("user.auth_count", "", "").replace(
            "  factors:\n    f: {value: 'user.auth_count', missing: worst}",
            &format!("  missing: worst\n  dimensions: {{a: {{factors: {{f: {{value: user.managed}}}}}}, b: {{factors: {factors}}}}}"),
        )
    };
    tells(&with("{}"), "the dimension `b` has no factor");
    assert_eq!(messages(&with("{g: {value: user.managed}}")), Vec::<String>::new());
}

/// `missing: 0` on a risk scale and the worst score for whom nothing is known of.
#[test]
fn missing_and_the_prior_do_not_contradict_each_other_silently() {
    let with = |direction: &str, head: &str, factors: &str| {
        format!(
            "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {{name: p}}\nscore: {{range: [0, 10], direction: {direction}, {head}factors: {{{factors}}}}}\nlevels: {{all: {{from: 0}}}}\n"
        )
    };
    let (one, two) = ("a: {value: user.managed}", "b: {value: user.managed, missing: worst}");
    let both = format!("{one}, {two}");
    for (direction, head, factors, told) in [
        (
            "risk",
            "missing: 0, ",
            one,
            "the score is 10, the untrusting end, whatever `missing` says (add `prior: 0`",
        ),
        (
            "trust",
            "missing: 0.5, ",
            one,
            "the score is 0, the untrusting end, whatever `missing` says (add `prior: 5`",
        ),
        ("risk", "", "a: {value: user.managed, missing: 0}", "(add `prior: 0`"),
        ("risk", "missing: 0, prior: 0, ", one, ""),
        ("risk", "missing: 0, prior: 10, ", one, ""),
        ("risk", "missing: worst, ", one, ""),
        ("risk", "missing: 1, ", one, ""),
        ("trust", "missing: 0, ", one, ""),
        // Said otherwise of a part, or nothing is ever wholly unknown.
        ("risk", "missing: 0, ", &both, ""),
        ("risk", "missing: 0, ", "a: {value: known(user.managed)}", ""),
    ] {
        let document = with(direction, head, factors);
        let (snapshot, diagnostics) = load(&document);
        assert!(snapshot.is_some(), "{head}: {}", diagnostics.render(false));
        if told.is_empty() {
            assert!(diagnostics.is_empty(), "{head}{factors}: {}", diagnostics.render(false));
        } else {
            tells(&document, told);
        }
    }
}
