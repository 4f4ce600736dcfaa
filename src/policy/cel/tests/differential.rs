//! Our parser against that of the `cel` crate: both accept or both refuse, and
//! where they accept, the trees have the same shape.

use cel::common::ast::{Expr as Theirs, LiteralValue};
use proptest::prelude::*;

use super::super::ast::{Expr, ExprKind, LogicalOp, UnaryOp};
use super::properties::{expression, token_soup};
use crate::policy::cel::parse;

#[test]
fn on_the_language_of_policies() {
    let corpus: Vec<&str> = CORPUS.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(corpus.len() >= 100, "{}", corpus.len());
    for text in corpus {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        compare(text).unwrap();
    }
}

#[test]
fn on_what_both_refuse() {
    for text in REFUSED {
        assert!(parse(text).is_err(), "{text}");
        compare(text).unwrap();
    }
}

/// The differences that the language reference names: valid CEL, not ours.
#[test]
fn on_what_only_cel_has() {
    for text in [
        "1u",
        "b'x'",
        "{'a': 1}",
        "Msg{a: 1}",
        "a.Msg { }",
        ".a",
        "9007199254740993",
        "0xFFFFFFFFFFFFFFF",
    ] {
        assert!(parse(text).is_err(), "{text}");
        assert!(theirs(text).is_ok(), "{text}");
    }
    // Macros are plain calls to our parser; typing knows those that exist.
    for text in ["has(a)", "[1].exists(2, true)", "[1].all(v)"] {
        assert!(parse(text).is_ok(), "{text}");
    }
    // All numbers are one type: a whole number may be beyond 64 bits where it is written so.
    assert!(parse("1e300").is_ok() && theirs("1e300").is_ok());
}

proptest! {
    #[test]
    fn on_anything_well_formed(text in expression()) {
        prop_assert!(compare(&text).is_ok(), "{:?}", compare(&text));
    }

    #[test]
    fn on_pieces_in_any_order(text in token_soup()) {
        prop_assert!(compare(&text).is_ok(), "{:?}", compare(&text));
    }
}

fn theirs(text: &str) -> Result<cel::IdedExpr, String> {
    cel::parser::Parser::new().parse(text).map_err(|error| error.to_string())
}

fn compare(text: &str) -> Result<(), String> {
    match (parse(text), theirs(text)) {
        (Ok(ours), Ok(theirs)) => {
            let (ours, theirs) = (shape(&ours), their_shape(&theirs.expr));
            let macros = theirs.contains('#');
            if macros || ours == theirs { Ok(()) } else { Err(format!("{text}\n{ours}\n{theirs}")) }
        }
        (Err(_), Err(_)) => Ok(()),
        (Ok(_), Err(error)) => Err(format!("only we accept `{text}`: {error}")),
        (Err(errors), Ok(_)) => {
            let known = errors.iter().any(|error| {
                let differs =
                    ["not part of the language", "no `u` here", "too large", "missing before `.`"];
                differs.iter().any(|part| error.message.contains(part))
                    || error.message.contains("deeper than")
            });
            if known { Ok(()) } else { Err(format!("only they accept `{text}`: {errors:?}")) }
        }
    }
}

fn node(name: &str, children: impl IntoIterator<Item = String>) -> String {
    let children: Vec<String> = children.into_iter().collect();
    // They drop what is negated twice, and balance long conditions: both are undone here.
    if let ("!_" | "-_", [child]) = (name, children.as_slice()) {
        if let Some(inner) = child.strip_prefix(&format!("({name} ")) {
            return inner.strip_suffix(')').unwrap().to_owned();
        }
        if let Some(number) = child.strip_prefix("num ").filter(|_| name == "-_") {
            return format!("num {:?}", -number.parse::<f64>().unwrap());
        }
    }
    format!("({name} {})", children.join(" "))
}

fn shape(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(value) => format!("num {value:?}"),
        ExprKind::String(text) => format!("str {text:?}"),
        ExprKind::Bool(value) => format!("bool {value}"),
        ExprKind::Null => "null".to_owned(),
        ExprKind::Ident(name) => format!("name {name}"),
        ExprKind::List(items) => node("list", items.iter().map(shape)),
        ExprKind::Select { base, field } => node(&format!(".{}", field.text), [shape(base)]),
        ExprKind::Index { base, index } => node("_[_]", [shape(base), shape(index)]),
        ExprKind::Call { function, args } => node(&function.text, args.iter().map(shape)),
        ExprKind::Method { base, method, args } => {
            node(&format!(".{}()", method.text), std::iter::once(&**base).chain(args).map(shape))
        }
        ExprKind::Unary { op: UnaryOp::Not, operand } => node("!_", [shape(operand)]),
        ExprKind::Unary { op: UnaryOp::Negate, operand } => node("-_", [shape(operand)]),
        ExprKind::Arithmetic { op, left, right, .. } => {
            node(&format!("_{}_", op.symbol()), [shape(left), shape(right)])
        }
        ExprKind::Compare { op, left, right, .. } => {
            let name =
                if op.symbol() == "in" { "@in".into() } else { format!("_{}_", op.symbol()) };
            node(&name, [shape(left), shape(right)])
        }
        ExprKind::Logical { op, terms } => {
            let name = if *op == LogicalOp::And { "_&&_" } else { "_||_" };
            node(name, terms.iter().map(shape))
        }
        ExprKind::Ternary { condition, then, otherwise } => {
            node("_?_:_", [condition, then, otherwise].map(|expr| shape(expr)))
        }
    }
}

fn their_shape(expr: &Theirs) -> String {
    match expr {
        Theirs::Literal(LiteralValue::Int(value)) => format!("num {:?}", *value.inner() as f64),
        Theirs::Literal(LiteralValue::Double(value)) => format!("num {:?}", value.inner()),
        Theirs::Literal(LiteralValue::String(text)) => format!("str {:?}", text.inner()),
        Theirs::Literal(LiteralValue::Boolean(value)) => format!("bool {}", value.inner()),
        Theirs::Literal(LiteralValue::Null) => "null".to_owned(),
        Theirs::Ident(name) => format!("name {name}"),
        Theirs::List(list) => node("list", list.elements.iter().map(|e| their_shape(&e.expr))),
        Theirs::Select(select) if !select.test => {
            node(&format!(".{}", select.field), [their_shape(&select.operand.expr)])
        }
        Theirs::Call(call) if matches!(call.func_name.as_str(), "_&&_" | "_||_") => {
            let mut terms = Vec::new();
            flatten(expr, &call.func_name, &mut terms);
            node(&call.func_name, terms)
        }
        Theirs::Call(call) => {
            let args = call.args.iter().map(|arg| their_shape(&arg.expr));
            match &call.target {
                Some(target) => node(
                    &format!(".{}()", call.func_name),
                    std::iter::once(their_shape(&target.expr)).chain(args),
                ),
                None => node(&call.func_name, args),
            }
        }
        other => format!("#{other:?}"),
    }
}

fn flatten(expr: &Theirs, op: &str, terms: &mut Vec<String>) {
    match expr {
        Theirs::Call(call) if call.func_name == op => {
            call.args.iter().for_each(|arg| flatten(&arg.expr, op, terms));
        }
        other => terms.push(their_shape(other)),
    }
}

const REFUSED: [&str; 40] = [
    "",
    " ",
    "a b",
    "a &",
    "a &&",
    "&& a",
    "a = b",
    "a | b",
    "a & b",
    "(",
    ")",
    "(a",
    "a)",
    "[a",
    "a]",
    "f(",
    "f(a",
    "f(a,",
    "f(a,)",
    "a.",
    "a..b",
    "a.1",
    "!",
    "-",
    "!-a",
    "-!a",
    "a ? b",
    "a ? b :",
    "a ? b ? c : d : e",
    "'",
    "'a",
    "'a\nb'",
    "'\\q'",
    "'\\x4'",
    "if",
    "a + while",
    "in",
    "a in",
    "a not in b",
    "#",
];

const CORPUS: &str = r#"
    days_since(user.account_created_at)
    user.auth_count
    user.unique_apps
    user.device_count
    days_since(user.last_auth_at)
    hours_since(session.started_at) > 12
    age(user.account_created_at)
    address.ip in lists.malicious_addresses
    action.name in ["read_public", "post_content", "withdraw_funds"]
    action.name == "post_content" && score < 0.3
    action.name == "withdraw_funds" && score < thresholds.withdraw
    hour(now, "Europe/Berlin") >= 22 || hour(now, "Europe/Berlin") < 6
    weekday(now, 'UTC') in [5, 6]
    geo(address.ip).country
    geo(address.ip).country != user.country
    geo(address.ip).asn in [64496, 64511]
    geo(address.ip).radius_km < 50.0
    deviation(user.download_bytes)
    deviation(user.download_bytes) > 3
    deviation(context.amount, user.transfer_amount) >= 3.5
    peer_deviation(user.download_bytes, department)
    familiar(user.country, geo(address.ip).country)
    !familiar(user.country, geo(address.ip).country)
    rarity(user) > 0.8
    unusual_hour(user)
    travel_speed(user, geo(address.ip)) > 900
    rate(user.login_failed, "5m") > 10
    sum(user.download_bytes, "24h") / 1e9
    distinct(user.repos_touched, "28d")
    trend(sum(user.download_bytes, "24h"))
    trend(policy("insider")) > 2
    shared_by(device.id, user, "30d") > 3
    joined_by(user.address_key, user, "30d") >= 24
    linked_to_flagged(user, 2) <= 1
    flag_rate(user, "90d", "14d") * 100
    at_or_worse("high")
    at_or_worse("high") && !known(user.role)
    known(user.role) && user.role == "admin"
    policy("insider").score
    policy("insider").level == "high"
    policy("insider").confidence < 0.5
    policy("insider").risk > 0.7 || policy('session').risk > 0.7
    subject.type == "user"
    subject.id != resource.owner
    subject.properties.department == "finance"
    resource.properties.sensitivity == "high"
    context.amount > 1000
    context.amount / user.typical_amount > 10
    context["amount"] >= 10
    request.method in ["GET", "HEAD"]
    request.method == "POST" && request.path.startsWith("/v1/")
    request.path.endsWith(".json")
    request.path.contains("admin")
    request.path.matches("^/v1/accounts/[0-9]+/transfers$")
    request.path.matches(r"^/v\d+/")
    request.headers["user-agent"].lowerAscii().contains("curl")
    request.host.size() > 253
    size(request.path) > 1024
    size(user.roles) == 0
    user.email.lowerAscii().endsWith("@example.org")
    user.login in lists.breached_logins
    user.email_domain in lists.disposable_domains
    "admin" in user.roles
    ["a", "b"].exists(r, r in user.roles)
    [1, 2, 3].exists(n, n == user.tier)
    factors.account_age > 0.5
    dimensions.identity < 20 && dimensions.device < 20
    confidence < 0.4
    level == "high"
    level != "high" && level != "critical"
    score >= 0.5 ? 1 : 2
    score < 0.2 ? "a" : score < 0.5 ? "b" : "c"
    score - 10 * rate(user.auth, "1h")
    (score + 1) * 2 - 3 / (4 - 5) % 6
    -score
    -score + -1
    - 1 - -1
    !device.managed
    !(device.managed && device.disk_encrypted)
    !!device.managed
    --score
    user.ported_at == null
    null
    true
    false
    0
    1.5
    .5
    1e3
    1.5E-3
    2e+10
    0x1f
    ""
    ''
    "it's"
    'say "x"'
    '''a "b" 'c' d'''
    """x"""
    r"\d"
    R'\s'
    "\n\t\\\"\'\`\?\a\b\f\v\r"
    "\u00e9\U0001F600\x41\101"
    "Zürich" == user.city
    []
    [[1, 2], [3, 4]]
    [1, 2,]
    [1, 2][0]
    f()
    f(a, f(b, f(c)))
    a.b.c.d.e
    a.b().c().d
    a[b[c[0]]]
    a == b == c
    a < b == (c > d)
    1 in [1] in [true]
    a || b && c || d && (e || f)
    a && b && c && d && e && f && g
    (((a)))
    a // the rest is said aside
    a.package
    a.if
    _x
    x1_y2
    A.B
"#;
