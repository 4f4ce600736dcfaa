mod differential;
mod errors;
mod properties;

use super::{ExprKind, LogicalOp, MAX_BYTES, MAX_NESTING, parse};

fn canonical(text: &str) -> String {
    match parse(text) {
        Ok(expr) => expr.to_string(),
        Err(errors) => panic!("`{text}`: {errors:?}"),
    }
}

#[test]
fn canonical_forms() {
    let table = [
        ("deviation( user.download_bytes )", "deviation(user.download_bytes)"),
        ("address.ip in lists.malicious_addresses", "address.ip in lists.malicious_addresses"),
        ("a&&b&&c", "a && b && c"),
        ("a && (b && c)", "a && b && c"),
        ("a && (b || c)", "a && (b || c)"),
        ("(a && b) || c", "a && b || c"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("a * (b + c)", "a * (b + c)"),
        ("(a * b) + c", "a * b + c"),
        ("-1", "-1"),
        ("- 1", "-1"),
        ("a - -1", "a - -1"),
        ("-a.b", "-a.b"),
        ("!(a == b)", "!(a == b)"),
        ("!a.b(c)", "!a.b(c)"),
        ("!(!a)", "!(!a)"),
        ("'it\\'s'", "\"it's\""),
        ("\"say \\\"x\\\"\"", "\"say \\\"x\\\"\""),
        ("r'\\d+'", "\"\\\\d+\""),
        ("'''a\nb'''", "\"a\\nb\""),
        ("'\\x41\\u00e9\\101'", "\"AéA\""),
        ("0x1F", "31"),
        ("1e3", "1000"),
        ("1e-7", "1e-7"),
        (".5", "0.5"),
        ("[1, 2,]", "[1, 2]"),
        ("request.headers[\"x-a\"]", "request.headers[\"x-a\"]"),
        ("a ? b : c ? d : e", "a ? b : c ? d : e"),
        ("(a ? b : c) ? d : e", "(a ? b : c) ? d : e"),
        ("a ? (b ? c : d) : e", "a ? (b ? c : d) : e"),
        ("(a < b) == c", "a < b == c"),
        ("a < (b == c)", "a < (b == c)"),
        ("[1, 2].exists(v, v == amount)", "[1, 2].exists(v, v == amount)"),
        ("a // why\n && b", "a && b"),
        ("context.package", "context.package"),
    ];
    for (text, expected) in table {
        assert_eq!(canonical(text), expected, "{text}");
        assert_eq!(canonical(expected), expected, "{expected}");
    }
}

#[test]
fn spans_name_the_text() {
    let text = "(user.a + 2) * f(x, 'é') >= -1 && !b";
    let expr = parse(text).unwrap();
    let written = |expr: &super::Expr| text[expr.span.clone()].to_owned();
    assert_eq!(written(&expr), text);
    let ExprKind::Logical { op: LogicalOp::And, terms } = &expr.kind else { panic!("{expr:?}") };
    assert_eq!(written(&terms[0]), "(user.a + 2) * f(x, 'é') >= -1");
    assert_eq!(written(&terms[1]), "!b");
    let ExprKind::Compare { op_span, left, right, .. } = &terms[0].kind else { panic!() };
    assert_eq!(&text[op_span.clone()], ">=");
    assert_eq!(written(right), "-1");
    let ExprKind::Arithmetic { left, right, .. } = &left.kind else { panic!() };
    assert_eq!(written(left), "user.a + 2");
    assert_eq!(written(right), "f(x, 'é')");
    assert_eq!(written(right.children()[1]), "'é'");
}

#[test]
fn dotted_names() {
    assert_eq!(parse("a.b.c").unwrap().dotted(), Some(vec!["a", "b", "c"]));
    assert_eq!(parse("a.b().c").unwrap().dotted(), None);
}

#[test]
fn depth_is_bounded_and_chains_are_not_depth() {
    let refused = |text: String| {
        let errors = parse(&text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].message.clone()
    };
    let nest =
        |open: &str, close: &str, n: usize| format!("{}a{}", open.repeat(n), close.repeat(n));
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("a[", "]"), ("!", ""), ("-", "")] {
        assert!(parse(&nest(open, close, MAX_NESTING - 1)).is_ok(), "{open}");
        for n in [MAX_NESTING, 1000] {
            assert!(refused(nest(open, close, n)).contains("deeper than 32"), "{open}");
        }
        assert!(!parse(&open.repeat(1000)).unwrap_err().is_empty());
    }
    assert!(refused(nest("a ? b : ", "", 400)).contains("deeper than 32"));

    assert!(parse(&["a == 1"; 500].join("||")).is_ok());
    assert!(parse(&["a"; 100].join("+")).is_ok());
    assert!(parse(&["a"; 100].join(".")).is_ok());
    for chain in ["+", "*", ".", " == "] {
        assert!(refused(vec!["a"; 800].join(chain)).contains("chain"), "{chain}");
    }
    assert!(refused(format!("a{}", "[0]".repeat(1000))).contains("chain"));
    assert!(refused("a".repeat(MAX_BYTES + 1)).contains("longer than 4096 bytes"));
    assert!(refused("(".repeat(200_000)).contains("longer than 4096 bytes"));
    assert!(parse(&"a".repeat(MAX_BYTES)).is_ok());
}
