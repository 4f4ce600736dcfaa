use proptest::prelude::*;

use super::canonical;
use crate::policy::cel::parse;

/// Texts of expressions that are well formed but for depth.
pub(super) fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-e]",
        Just("user.auth_count".to_owned()),
        (0u32..1000).prop_map(|n| n.to_string()),
        (-1e6f64..1e6).prop_map(|n| format!("{n:?}")),
        any::<bool>().prop_map(|b| b.to_string()),
        Just("null".to_owned()),
        "[ -~é]{0,6}".prop_map(|text| format!("{text:?}").replace("\\'", "'")),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let binary = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", " in ", "&&", "||",
        ]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("f({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).m({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            inner.clone().prop_map(|a| format!("({a}).field")),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a}) ? ({b}) : {c}")),
        ]
    })
}

/// Pieces of the language in any order: most are wrong, some are not.
pub(super) fn token_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "user.x", "1", "2.5", "'s'", "\"t\"", "true", "null", "in", "and", "not", "if",
        "&&", "||", "!", "-", "+", "*", "==", "<", "=", "&", "?", ":", "(", ")", "[", "]", "{",
        "}", ",", ".", "f(", "1u", "b'x'", "r'\\'", "'", "\\", "é", "“", "0x", "1e", "// c", "\n",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn the_canonical_form_parses_back_to_itself(text in expression()) {
        if let Ok(expr) = parse(&text) {
            let first = expr.to_string();
            prop_assert_eq!(canonical(&first), first);
        }
    }

    #[test]
    fn errors_and_spans_lie_within_any_text(text in prop_oneof![".{0,60}", token_soup()]) {
        match parse(&text) {
            Ok(expr) => prop_assert!(text.get(expr.span.clone()).is_some()),
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
                }
            }
        }
    }

    #[test]
    fn children_lie_within_their_parents(text in expression()) {
        if let Ok(expr) = parse(&text) {
            let mut open = vec![&expr];
            while let Some(parent) = open.pop() {
                for child in parent.children() {
                    prop_assert!(parent.span.start <= child.span.start);
                    prop_assert!(child.span.end <= parent.span.end);
                    open.push(child);
                }
            }
        }
    }
}
