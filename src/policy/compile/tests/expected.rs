//! What is found at load of announced changes.

use super::{messages, policy, rule, tells};

const EXPECTED: &str = "apiVersion: plimsoll/v1\nkind: Catalog\nexpected:\n  travel: {entity: user, at_most: 30d}\n  deployment: {entity: device, at_most: 1d}\n---\n";

/// A policy whose score has `expected: {...}`.
fn softening(expected: &str) -> String {
    let policy = policy("user.auth_count", ", curve: {linear: {to: 10}}", "");
    let expected = format!("  direction: trust\n  expected: {{{expected}}}");
    format!("{EXPECTED}{}", policy.replace("  direction: trust", &expected))
}

#[test]
fn announced_changes_are_known_by_their_catalog() {
    for good in [
        "travel: {soften: [f], by: 0.8}",
        "travel: {soften: [f], by: 1, value: geo(address.ip).country, when: user.managed}",
        "travel: {soften: [f], by: 0.5}, deployment: {soften: [f], by: 0.5}",
    ] {
        assert_eq!(messages(&softening(good)), [""; 0], "{good}");
    }
    for (bad, expected) in [
        ("travl: {soften: [f], by: 0.8}", "unknown kind of change `travl`"),
        ("travel: {soften: [g], by: 0.8}", "unknown factor `g`"),
        ("travel: {soften: [f, f], by: 0.8}", "`f` stands twice"),
        ("travel: {soften: [], by: 0.8}", "nothing is softened: name factors of this policy"),
        ("travel: {by: 0.8}", "`soften`"),
        ("travel: {soften: [f]}", "`by`"),
        ("travel: {soften: [f], by: 0}", "`by` is above 0 and at most 1"),
        ("travel: {soften: [f], by: 1.1}", "`by` is above 0 and at most 1"),
        ("travel: {soften: [f], by: .nan}", "expected a finite number"),
        ("travel: {soften: [f], by: 0.8, vaule: user.name}", "vaule"),
        (
            "travel: {soften: [f], by: 0.8, value: user.auth_count}",
            "windows name strings, and this is a number",
        ),
        ("travel: {soften: [f], by: 0.8, when: user.auth_count}", "a condition must be a bool"),
        ("travel: {soften: [f], by: 0.8, when: score > 3}", "`score` is not known yet here"),
    ] {
        tells(&softening(bad), expected);
    }
    let declared = |body: &str| {
        format!(
            "apiVersion: plimsoll/v1\nkind: Catalog\nexpected: {{{body}}}\n---\n{}",
            policy("user.auth_count", "", "")
        )
    };
    for (bad, expected) in [
        ("travel: {entity: usr, at_most: 1d}", "usr"),
        ("travel: {entity: user, at_most: 367d}", "`at_most` is from 1 minute to 366 days"),
        ("travel: {entity: user, at_most: 1s}", "`at_most` is from 1 minute to 366 days"),
        ("travel: {entity: user}", "`at_most`"),
        ("Travel: {entity: user, at_most: 1d}", "Travel"),
        ("travel: {entity: user, at_most: 1d, soften: 1}", "soften"),
    ] {
        tells(&declared(bad), expected);
    }
}

#[test]
fn what_was_announced_is_asked_by_kind_and_change() {
    let asks = |when: &str| format!("{EXPECTED}{}", rule(when));
    for good in [
        r#"expected(user, "travel")"#,
        r#"expected(user, "travel", geo(address.ip).country)"#,
        r#"expected(user, "travel", "JP") || !expected(device, "deployment")"#,
    ] {
        assert_eq!(messages(&asks(good)), [""; 0], "{good}");
    }
    for (bad, expected) in [
        (r#"expected(user, "travl")"#, "unknown kind of change `travl`"),
        (
            r#"expected(device, "travel")"#,
            "`travel` is announced of another kind of entity (the catalog says: of `user`)",
        ),
        (r#"expected("user", "travel")"#, "is announced of another kind of entity"),
        (r#"expected(user, travel)"#, "a kind of change is a string literal"),
        (
            r#"expected(user)"#,
            "`expected` takes an entity kind, a kind of change, and maybe a value",
        ),
        (r#"expected(user, "travel", user.auth_count)"#, "windows name strings"),
        (r#"expectd(user, "travel")"#, "did you mean `expected`?"),
    ] {
        tells(&asks(bad), expected);
    }
    // Whether something is announced is always known.
    let unsaid = asks(r#"expected(user, "travel")"#).replace(", unknown: skip", "");
    assert_eq!(messages(&unsaid), [""; 0]);
}

#[test]
fn an_announced_change_has_a_name_of_its_own_in_decisions() {
    let taken = softening("travel: {soften: [expected_travel], by: 0.5}")
        .replace("    f:", "    expected_travel:");
    tells(&taken, "the name `expected_travel` stands twice");
    let adjustment = softening("travel: {soften: [f], by: 0.5}").replace(
        "  factors:",
        "  adjustments: [{name: expected_travel, when: 'true', add: 1}]\n  factors:",
    );
    tells(&adjustment, "the name `expected_travel` stands twice");
}
