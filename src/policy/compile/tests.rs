//! What is found at load: each mistake by its message, its place and its mend.

mod expected;
mod keys;
mod pages;
mod reference;
mod words;

use super::compile;
use crate::engine::Snapshot;
use crate::model::{ListSource, SlotId, Vocabulary};
use crate::policy::diagnostic::Diagnostics;
use crate::policy::source::SourceSet;

const CATALOG: &str = "\
apiVersion: plimsoll/v1
kind: Catalog
signals:
  user.auth_count: {type: counter}
  user.created_at: {type: timestamp}
  user.role: {type: enum, values: [member, lead]}
  user.name: {type: string}
  user.groups: {type: set}
  user.managed: {type: bool}
  user.transfer: {type: event, learn: {quantiles: {}}}
  user.spell: {type: duration, learn: {quantiles: {half_life: 7d}}}
  user.country: {type: string, observe: geo(address.ip).country, learn: {familiar: {keep: 4, forget_after: 90d}}}
context: {amount: number}
lists: {bad: {type: cidr, path: feeds/bad.txt}}
";

fn load(documents: &str) -> (Option<Snapshot>, Diagnostics) {
    let set = SourceSet::from_memory([("catalog.yaml", CATALOG), ("p.yaml", documents)]);
    compile(&set, &Vocabulary::new())
}

/// A good policy; each argument replaces a part of it.
fn policy(value: &str, factor: &str, rest: &str) -> String {
    format!(
        "apiVersion: plimsoll/v1\nkind: TrustPolicy\nmetadata: {{name: p}}\nscore:\n  range: [0, 100]\n  direction: trust\n  factors:\n    f: {{value: '{value}', missing: worst{factor}}}\nlevels: {{low: {{from: 0}}, high: {{from: 50}}}}\n{rest}\n"
    )
}

fn rule(when: &str) -> String {
    let rules = format!("rules:\n  - {{name: r, when: '{when}', unknown: skip, decision: allow}}");
    policy("user.auth_count", "", &rules)
}

/// Every message, with its help.
fn messages(documents: &str) -> Vec<String> {
    let (_, diagnostics) = load(documents);
    diagnostics
        .sorted()
        .iter()
        .map(|d| match &d.help {
            Some(help) => format!("{} ({help})", d.message),
            None => d.message.clone(),
        })
        .collect()
}

#[track_caller]
fn tells(documents: &str, expected: &str) {
    let found = messages(documents);
    assert!(found.iter().any(|m| m.contains(expected)), "{expected:?} is not among {found:#?}");
}

#[test]
fn a_good_policy_is_silent() {
    let (snapshot, diagnostics) = load(&policy("user.auth_count", "", ""));
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
    assert_eq!(snapshot.unwrap().policies.len(), 1);
}

#[test]
fn the_catalog_says_what_a_user_agent_is() {
    let with = |agent: &str| {
        let rules = r#"rules: [{name: unlike, when: 'rarity(user) > 0.9', decision: deny}]"#;
        let catalog = "apiVersion: plimsoll/v1\nkind: Catalog\n";
        format!("{}\n---\n{catalog}{agent}", policy("user.auth_count", "", rules))
    };
    let slots = |agent: &str| -> Vec<String> {
        let (snapshot, diagnostics) = load(&with(agent));
        let snapshot = snapshot.unwrap_or_else(|| panic!("{}", diagnostics.render(false)));
        let name = |id: SlotId| snapshot.slots[id.0 as usize].name.to_string();
        let from = snapshot.presences[0].context.unwrap();
        from.slots().skip(3).map(name).collect()
    };
    let header = r#"request.headers["user-agent"]"#;
    assert_eq!(slots("context: {user_agent: string}"), [header, "context.user_agent"]);
    let own = r#"request.headers["x-agent"]"#;
    assert_eq!(slots(&format!("user_agent: '{own}'")), [own], "and nothing else");
    tells(&with("user_agent: user.auth_cuont"), "did you mean `user.auth_count`?");
    tells(&with("user_agent: user.auth_count"), "a user agent is a text, and this is a number");
    tells(&with("user_agent: '\"x\" + \"y\"'"), "strings can't be joined");
    tells(&with("user_agent: '\"curl\"'"), "only what look-up reads can be observed");
    let twice = format!(
        "{}\n---\napiVersion: plimsoll/v1\nkind: Catalog\nuser_agent: user.name",
        with("user_agent: user.name")
    );
    tells(&twice, "`user_agent` is declared twice");
}

#[test]
fn expressions_are_checked_where_they_stand() {
    for (when, expected) in [
        (
            "user.auth_cuont > 1",
            "unknown signal `user.auth_cuont` (did you mean `user.auth_count`?)",
        ),
        ("usr.auth_count > 1", "did you mean `user.auth_count`?"),
        ("user.auth_count > \"1\"", "`>` does not compare number with string"),
        ("user.auth_count", "a condition must be a bool, and this is a number"),
        ("!user.auth_count", "what `!` negates must be a bool"),
        ("user.name + \"x\" == \"y\"", "strings can't be joined"),
        ("user.role == \"memeber\"", "`memeber` is none of its values (did you mean `member`?)"),
        ("user.role in [\"leed\"]", "`leed` is none of its values"),
        ("level == \"hihg\"", "did you mean `high`?"),
        ("level < \"high\"", "levels are not compared by `<` and `>` (ask `at_or_worse(\"high\")`"),
        ("at_or_worse(\"hgih\")", "unknown level `hgih`"),
        ("score > thresholds.x", "unknown threshold `x`"),
        ("factors.g > 0.5", "unknown factor `g`"),
        ("address.ip in lists.bda", "unknown list `bda` (did you mean `bad`?)"),
        ("address.ip in [\"10.0.0.1\"]", "declare a list of type `cidr`"),
        ("lists.bad == 1", "a list can only stand to the right of `in`"),
        ("user.auth_count in lists.bad", "a list is of strings or addresses"),
        (
            "dayssince(user.created_at) > 1",
            "unknown function `dayssince` (did you mean `days_since`?)",
        ),
        ("days_since(user.auth_count) > 1", "what time has passed since must be a timestamp"),
        ("days_since() > 1", "`days_since` takes 1 arguments, and 0 are given"),
        ("hour(now, \"Mars/Base\") > 1", "unknown time zone `Mars/Base`"),
        ("user.name.matches(\"(\")", "not a regular expression"),
        ("user.name.startswith(\"a\")", "unknown method `startswith`"),
        ("rate(user.auth_count, \"5 minutes\") > 1", "a time window is wanted here"),
        ("rate(user.auth_cuont, \"5m\") > 1", "a signal is wanted here"),
        ("familiar(user.name, user.name)", "does not learn what is familiar"),
        ("familiar(user.country, user.name == \"x\")", "look-up takes a name or a literal here"),
        (
            "percentile(user.auth_count) > 0.9",
            "`user.auth_count` does not learn how its values are spread (declare it in the catalog: \
             `learn: {quantiles: {half_life: 14d}}`)",
        ),
        ("percentile(user.transfer, 1.0) > 0.9", "a signal is wanted here, and `1` is none"),
        ("percentile(user.name, user.transfer) > 0.9", "a percentile is of numbers"),
        (
            "quantile(user.transfer, 95) > 1",
            "a share is wanted here: a number literal between 0 and 1",
        ),
        ("quantile(user.transfer, 1) > 1", "a share is wanted here"),
        ("quantile(user.transfer, user.auth_count) > 1", "a share is wanted here"),
        ("quantile(user.transfer) > 1", "`quantile` takes 2 arguments, and 1 are given"),
        ("quantile(user.spell, 0.5) > 1", "`>` does not compare duration with number"),
        ("peer_deviation(user.auth_count, team) > 1", "unknown peer group `team`"),
        ("linked_to_flagged(usr, 2) > 1", "an entity kind is wanted here"),
        ("joined_by(user.name, user, \"30d\") > 1", "`user.name` links nobody"),
        ("joined_by(user.name, user) > 1", "`joined_by` takes 3 arguments, and 2 are given"),
        ("geo(address.ip).county == \"DE\"", "a place has no `county`"),
        ("geo(address.ip) == \"DE\"", "`geo(...)` is asked for a field"),
        ("policy(\"q\").score > 1", "unknown policy `q`"),
        ("policy(\"p\").points > 1", "a policy has no `points`"),
        (
            "resource.owner == \"x\"",
            "there are `resource.type`, `resource.id` and `resource.properties.owner`",
        ),
        ("request.verb == \"GET\"", "`request.verb` is not known"),
        ("age(user.created_at) < \"1 day\"", "`1 day` is not a duration"),
        ("[user.name].exists(x, x == \"a\") && [1].exists(y)", "unknown method `exists`"),
        ("known(user.groups) && \"a\" in user.name", "`in` takes a list or a set"),
        (
            "context.amuont > 1.0",
            "context key `amuont` is not declared (did you mean `context.amount`?)",
        ),
        ("user.auth_count > 1 &&", "the expression ends too soon"),
        ("", "expected an expression, found nothing"),
    ] {
        tells(&rule(when), expected);
    }
}

#[test]
fn rules_that_can_never_decide_are_errors() {
    for when in [
        "score > 100",
        "score < 10 && score > 20",
        "score >= 50 && level == \"low\"",
        "at_or_worse(\"low\") && score >= 50",
        "1 > 2",
        "false",
        "user.role in []",
        "!(1 < 2) && user.managed",
        "200 <= score",
    ] {
        tells(&rule(when), "the rule can never decide");
    }
    for when in ["score <= 100", "score >= 100", "score < 20 || score > 90", "score != 200"] {
        let found = messages(&rule(when));
        assert_eq!(found, [] as [String; 0], "{when}");
    }
}

#[test]
fn what_can_be_unknown_must_be_answered_for() {
    let warned =
        policy("user.auth_count", "", "rules:\n  - {name: r, when: user.managed, decision: deny}");
    tells(&warned, "the condition can be unknown, which counts as a match here");
    let asked = policy(
        "user.auth_count",
        "",
        "rules:\n  - {name: r, when: known(user.managed) && user.managed, decision: deny}\n  - {name: s, when: '!known(user.managed) || user.managed', decision: deny}\n  - {name: t, when: 'known(user.managed) ? user.managed : true', decision: deny}",
    );
    assert_eq!(messages(&asked), [] as [String; 0]);
    let adjustment =
        "  adjustments:\n    - {name: a, when: user.managed, add: 1}\nlevels: {low: {from: 0}}";
    let text = policy("user.auth_count", "", "")
        .replace("levels: {low: {from: 0}, high: {from: 50}}", adjustment);
    tells(&text, "the condition can be unknown, and nothing says what then");
    let factor = policy("user.auth_count", "", "").replace(", missing: worst", "");
    tells(&factor, "the value can be missing, and nothing says what then");
    let skip = policy("user.auth_count", "", "").replace("missing: worst", "missing: skip");
    tells(&skip, "`missing: skip` needs `min_confidence`");
    let number = policy("score", "", "");
    tells(&number, "`score` is not known yet here");
}

#[test]
fn curves_fit_their_values() {
    for (value, curve, expected) in [
        (
            "user.created_at",
            ", curve: {linear: {to: 3}}",
            "the curve `linear` takes a number or a duration, and the value is a timestamp",
        ),
        ("user.created_at", "", "a factor with a timestamp needs a `curve`"),
        ("user.auth_count", ", curve: {linear: {from: 3, to: 3}}", "there is no slope"),
        ("user.auth_count", ", curve: {log10: {to: 1}}", "`to` must be above 1"),
        ("user.auth_count", ", curve: {liner: {to: 1}}", "unknown key `liner`"),
        (
            "user.auth_count",
            ", curve: {linear: {to: 1}, log10: {to: 2}}",
            "a curve is one of its kinds",
        ),
        (
            "user.auth_count",
            ", curve: {steps: {points: [[2, 0], [1, 1]]}}",
            "points must rise in x",
        ),
        ("user.auth_count", ", curve: {steps: {points: [[2, 3]]}}", "`3` is not in [0, 1]"),
        (
            "user.auth_count",
            ", curve: {logistic: {mid: 3, slope: 0}}",
            "says the same of every value",
        ),
        ("user.auth_count", ", curve: bool", "the curve `bool` takes a bool"),
        ("user.role", ", curve: {map: {member: 1}}", "the map leaves out `lead`"),
        ("user.role", ", curve: {map: {member: 1, laed: 0, else: 1}}", "did you mean `lead`?"),
        ("user.name", ", curve: {map: {x: 1}}", "needs `else`"),
        ("user.auth_count", ", weight: -1", "a weight is not negative"),
        ("user.auth_count", ", weight: 0", "the total weight is zero"),
        ("user.auth_count", ", reason: {user: \"{vlaue} days\"}", "unknown placeholder `{vlaue}`"),
    ] {
        tells(&policy(value, curve, ""), expected);
    }
}

#[test]
fn whole_documents_are_checked() {
    let good = policy("user.auth_count", "", "");
    for (from, to, expected) in [
        ("metadata: {name: p}", "metadata: {nam: p}", "did you mean `name`?"),
        ("metadata: {name: p}", "metadata: {name: P}", "`P`"),
        ("direction: trust", "direction: up", "trust"),
        ("range: [0, 100]", "range: [100, 0]", "a range rises"),
        ("low: {from: 0}", "low: {from: 10}", "there is a gap: no level for scores from 0 to 10"),
        ("high: {from: 50}", "high: {from: 0}", "level `high` begins where `low` does"),
        ("high: {from: 50}", "high: {from: 500}", "`500` is not in the range"),
        ("levels:", "levles:", "did you mean `levels`?"),
        ("kind: TrustPolicy", "kind: TrustPolice", "did you mean `TrustPolicy`?"),
        ("apiVersion: plimsoll/v1\n", "apiVersion: plimsoll/v2\n", "plimsoll/v1"),
        ("value: 'user.auth_count'", "value: !user.auth_count", "tag"),
        ("direction: trust", "direction: trust\n  direction: risk", "duplicate key `direction`"),
        (
            "direction: trust",
            "direction: trust\n  combine: max\n  dimensions: {}",
            "either `factors` or `dimensions`",
        ),
        ("direction: trust", "direction: trust\n  prior: 101", "`prior` is not in the range"),
        ("direction: trust", "direction: trust\n  precision: 0", "`precision` is above 0"),
    ] {
        assert!(good.contains(from), "{from}");
        tells(&good.replace(from, to), expected);
    }
    for (rest, expected) in [
        ("rules:\n  - {name: r, when: 'true', decision: alow}", "did you mean `allow`?"),
        (
            "rules:\n  - {name: r, when: 'true', decision: deny, exempt: true}",
            "only a rule that allows",
        ),
        ("rules:\n  - {name: r, when: 'true', decision: restrict}", "says what is restricted"),
        (
            "rules:\n  - {name: r, when: 'true', decision: deny, acr: x}",
            "`acr` belongs to a `step_up`",
        ),
        ("rules:\n  - {name: r, when: 'true'}", "the rule does nothing"),
        ("rules:\n  - {name: r, when: 'true', limits: [a]}", "`limits` needs a `decision`"),
        (
            "rules:\n  - {name: r, when: 'true', decision: allow, headers: {Host: user.name}}",
            "no header that a policy may set",
        ),
        (
            "rules:\n  - {name: r, when: 'true', decision: allow}\n  - {name: r, when: 'true', decision: deny}",
            "rule `r` stands twice",
        ),
        ("rules:\n  - {name: r, when: '', decision: allow}", "found nothing"),
        ("shadow_of: q", "unknown policy `q`"),
        ("shadow_of: p", "a policy can't be a shadow of itself"),
        ("on_level: {hihg: {review: true}}", "unknown level `hihg`"),
        ("thresholds: {t: {value: 5, tune: {within: [6, 9]}}}", "holds the threshold's own value"),
        ("min_confidence: {value: 0.5, decision: allow}", "can't be a reason to allow"),
        ("min_confidence: {value: 5, decision: deny}", "`5` is not in [0, 1]"),
    ] {
        tells(&policy("user.auth_count", "", rest), expected);
    }
}

#[test]
fn policies_are_checked_against_each_other() {
    let named = |name: &str, value: &str, rest: &str| {
        policy(value, "", rest).replace("name: p", &format!("name: {name}"))
    };
    let circle = [
        named("a", "policy(\"b\").risk", ""),
        named("b", "policy(\"c\").risk", ""),
        named("c", "policy(\"a\").risk", ""),
    ]
    .join("---\n");
    let found = messages(&circle);
    let circles: Vec<_> = found.iter().filter(|m| m.contains("in a circle")).collect();
    assert_eq!(circles.len(), 1, "told once: {found:#?}");
    assert!(circles[0].contains("`a` → `b` → `c`"), "{circles:?}");
    tells(&named("a", "policy(\"a\").risk", ""), "in a circle");
    let shadow =
        [named("a", "policy(\"s\").risk", ""), named("s", "user.auth_count", "shadow_of: a")];
    tells(&shadow.join("---\n"), "an enforced policy can't read a shadow policy");
    let twice = [named("a", "user.auth_count", ""), named("a", "user.auth_count", "")];
    tells(&twice.join("---\n"), "policy `a` stands twice");
    let level = [
        named(
            "a",
            "user.auth_count",
            "rules:\n  - {name: r, when: 'policy(\"b\").level == \"hgih\"', decision: allow}",
        ),
        named("b", "user.auth_count", ""),
    ];
    tells(&level.join("---\n"), "did you mean `high`?");
}

#[test]
fn everything_is_told_at_once_with_its_place() {
    let text = policy(
        "user.auth_cuont",
        ", weight: x",
        "rules:\n  - {name: r, when: 'scor > 1', decision: alow}\nunknwon: 1",
    );
    let (snapshot, diagnostics) = load(&text);
    assert!(snapshot.is_none());
    let places: Vec<(usize, usize)> =
        diagnostics.sorted().iter().map(|d| d.line_column()).collect();
    assert_eq!(
        places,
        [(8, 17), (8, 59), (11, 22), (11, 43), (12, 1)],
        "{}",
        diagnostics.render(false)
    );
    insta::assert_snapshot!(diagnostics.render(false));
}

#[test]
fn a_list_says_where_it_comes_from_and_only_once() {
    let list = |list: &str| {
        format!("apiVersion: plimsoll/v1\nkind: Catalog\nlists: {{x: {{type: cidr, {list}}}}}\n")
    };
    for (text, expected) in [
        ("half_life: 1d", "says not where it comes from (add `path: feeds/x.txt`, or `url:"),
        ("path: a, url: \"https://a.test/x\"", "either `path` or `url` (remove one of them"),
        ("path: \"https://a.test/x\"", "is a URL, not a file (write `url` for `path`)"),
        ("path: a, every: 1h", "`every` is for a list by `url`"),
        ("path: a, ca: b", "`ca` is for a list by `url`"),
        ("path: a, token_file: b", "`token_file` is for a list by `url`"),
        ("url: \"http://a.test/x\"", "whoever is on the way could change the list; use https://"),
        ("url: \"ftp://a.test/x\"", "is neither https:// nor http:// of this machine"),
        ("url: feeds/x.txt", "feeds/x.txt"),
        ("url: \"https://u:p@a.test/x\"", "a URL with a password in it is not taken"),
        ("url: \"https://a.test/x\", every: 0s", "`every` is from `1s` to `30d`"),
        ("url: \"https://a.test/x\", every: 31d", "`every` is from `1s` to `30d`"),
        ("url: \"https://a.test/x\", every: 5", "expected a duration"),
        ("url: \"http://127.0.0.1/x\", token_file: t", "a token is not sent over http://"),
        ("url: \"http://localhost/x\", ca: c", "vouches for the server of an https:// URL"),
        ("url: \"https://a.test/x\", evry: 1h", "did you mean `every`?"),
    ] {
        tells(&list(text), expected);
    }
    for good in [
        "path: a, half_life: 7d",
        "url: \"http://[::1]:80/x\"",
        "url: \"https://a.test/x?y\", every: 6h, half_life: 7d, ca: ca.pem, token_file: /run/t",
    ] {
        assert_eq!(messages(&list(good)), Vec::<String>::new(), "{good}");
    }
    let catalog = list("url: \"https://a.test/x\", ca: ca.pem, token_file: /run/t");
    let (snapshot, _) = load(&catalog);
    let of = |at: usize| snapshot.as_ref().unwrap().lists[at].source.clone();
    let ListSource::Url(from) = of(1) else { panic!("{:?}", of(1)) };
    assert_eq!((&*from.url, from.every), ("https://a.test/x", 3600));
    assert_eq!(
        (from.ca.clone(), from.token_file.clone()),
        (Some("ca.pem".into()), Some("/run/t".into()))
    );
}

#[test]
fn unrolling_is_bounded() {
    let list = (0..32).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let when = format!(
        "[{list}].exists(a, [{list}].exists(b, [{list}].exists(c, [{list}].exists(d, a + b + c + d == user.auth_count))))"
    );
    tells(&rule(&when), "too large once `exists` is unrolled");
}

#[test]
fn ten_thousand_factors_compile_in_no_time() {
    let factors: String = (0..10_000)
        .map(|n| format!("    f{n}: {{value: user.auth_count, missing: worst}}\n"))
        .collect();
    let text = policy("user.auth_count", "", "")
        .replace("    f: {value: 'user.auth_count', missing: worst}\n", &factors);
    let (snapshot, diagnostics) = load(&text);
    assert!(!diagnostics.has_errors(), "{}", diagnostics.render(false));
    assert_eq!(snapshot.unwrap().policies[0].factors.len(), 10_000);
}
