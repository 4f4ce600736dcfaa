use crate::policy::cel::parse;

/// Each error as `span text: message (help)`.
fn errors(text: &str) -> Vec<String> {
    let errors = parse(text).expect_err(text);
    let shown = errors.iter().map(|error| {
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {}{help}", &text[error.span.clone()], error.message)
    });
    shown.collect()
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    let lines: Vec<String> = [
        "",
        "  ",
        "a and b or not c",
        "a = 1",
        "a & b | c",
        "a b",
        "a == “x”",
        "a == 'x",
        "a == 'x\ny'",
        "f(a, b",
        "f(a,)",
        "[a, b",
        "{'a': 1}",
        "Msg{a: 1}",
        "a.",
        "a.in",
        "a.?b",
        "if",
        "let + 1",
        "in",
        "1u + b'x'",
        "24h",
        "0x",
        "1e999",
        "9007199254740993",
        "'\\q'",
        "a ? b",
        "a ? b ? c : d : e",
        "!-a",
        "-!a",
        "a ++ b",
        "a == ",
        "a || || b",
        "$x",
        "a ≥ 1",
        "a\u{a0}&& b",
        "a)",
        "\"é\" é",
    ]
    .iter()
    .flat_map(|text| errors(text).into_iter().map(move |error| format!("{text:24} | {error}")))
    .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn several_mistakes_are_told_at_once() {
    assert_eq!(errors("a = 1 and b = 2u").len(), 4);
}

#[test]
fn words_of_the_language_are_no_names() {
    for word in [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ] {
        assert!(errors(word)[0].contains("reserved"), "{word}");
        assert!(parse(&format!("a.{word}")).is_ok());
    }
    for word in ["true", "false", "null"] {
        assert!(parse(word).is_ok());
        assert!(parse(&format!("a.{word}")).is_err());
    }
}
