//! Values, their places, and what is said where they are not what they should be.

use super::{findings, only, with_head};
use crate::model::Timestamp;
use crate::policy::diagnostic::Diagnostics;
use crate::policy::source::{DocumentKind, Names, Node, SourceSet, parse_duration};

const ALL: [&str; 14] =
    ["s", "n", "b", "z", "l", "m", "d", "t", "w", "e", "name", "metadata", "kind", "apiVersion"];

fn said(diagnostics: &Diagnostics) -> Vec<String> {
    let shown = diagnostics.sorted().into_iter().map(|found| {
        let (line, column) = found.line_column();
        let help = found.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{line}:{column} {}{help}", found.message)
    });
    shown.collect()
}

/// Reads `x: <value>` and hands the node on.
fn check<T>(
    value: &str,
    ask: impl Fn(Node<'_>, &mut Diagnostics) -> Option<T>,
) -> Result<T, String> {
    let set = with_head(&format!("x: {value}\n"));
    let document = only(&set);
    let mut diagnostics = Diagnostics::new();
    let fields = document.fields(&mut diagnostics, &["x"]).unwrap();
    let node = fields.required("x", &mut diagnostics).unwrap();
    let found = ask(node, &mut diagnostics);
    let said = said(&diagnostics);
    assert_eq!(found.is_none(), !said.is_empty(), "{said:?}");
    found.ok_or_else(|| said.join("; "))
}

#[test]
fn values_are_what_serde_yaml_says() {
    assert_eq!(check("hello", |n, d| n.string(d).map(str::to_owned)), Ok("hello".into()));
    assert_eq!(check("'1'", |n, d| n.string(d).map(str::to_owned)), Ok("1".into()));
    assert_eq!(check("yes", |n, d| n.string(d).map(str::to_owned)), Ok("yes".into()));
    assert_eq!(check("1", |n, d| n.number(d)), Ok(1.0));
    assert_eq!(check("-0.5e-1", |n, d| n.number(d)), Ok(-0.05));
    assert_eq!(check("0x10", |n, d| n.number(d)), Ok(16.0));
    assert_eq!(check("7", |n, d| n.count(d)), Ok(7));
    assert_eq!(check("true", |n, d| n.bool(d)), Ok(true));
    assert_eq!(check("28d", |n, d| n.duration(d)), Ok(28.0 * 86_400.0));
    assert_eq!(
        check("2026-06-01T09:00:00Z", |n, d| n.timestamp(d)),
        Ok(Timestamp::from_millis(1_780_304_400_000))
    );
    assert_eq!(check("risk", |n, d| n.one_of(d, &[("trust", 1), ("risk", 2)])), Ok(2));
    assert_eq!(check("a_1", |n, d| n.name(d, Names::Plain).map(str::to_owned)), Ok("a_1".into()));
    assert_eq!(check("a-1", |n, d| n.name(d, Names::Dashed).map(str::to_owned)), Ok("a-1".into()));
    assert_eq!(
        check("{a: [1, 'x', null], 1: true}", |n, _| Some(n.to_json().to_string())),
        Ok(r#"{"a":[1,"x",null],"1":true}"#.into())
    );
}

#[test]
fn wrong_values_are_told_with_what_was_expected() {
    let err = |value: &str, ask: fn(Node<'_>, &mut Diagnostics) -> Option<()>| {
        check(value, ask).unwrap_err()
    };
    let lines = [
        err("hi", |n, d| n.number(d).map(drop)),
        err("", |n, d| n.number(d).map(drop)),
        err("~", |n, d| n.string(d).map(drop)),
        err(".nan", |n, d| n.number(d).map(drop)),
        err(".inf", |n, d| n.number(d).map(drop)),
        err("-1", |n, d| n.count(d).map(drop)),
        err("1.5", |n, d| n.count(d).map(drop)),
        err("[1]", |n, d| n.bool(d).map(drop)),
        err("{a: 1}", |n, d| n.items(d).map(drop)),
        err("3", |n, d| n.entries(d).map(drop)),
        err("5", |n, d| n.duration(d).map(drop)),
        err("5 minutes", |n, d| n.duration(d).map(drop)),
        err("yesterday", |n, d| n.timestamp(d).map(drop)),
        err("2026-06-01", |n, d| n.timestamp(d).map(drop)),
        err("trsut", |n, d| n.one_of(d, &[("trust", ()), ("risk", ())])),
        err("1", |n, d| n.one_of(d, &[("trust", ()), ("risk", ())])),
        err("Big", |n, d| n.name(d, Names::Plain).map(drop)),
        err("a-b", |n, d| n.name(d, Names::Plain).map(drop)),
        err("in", |n, d| n.name(d, Names::Dashed).map(drop)),
        err("''", |n, d| n.name(d, Names::Dashed).map(drop)),
        err("''", |n, d| n.expression(d).map(drop)),
        err("", |n, d| n.expression(d).map(drop)),
        err("[a]", |n, d| n.expression(d).map(drop)),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn all_mistakes_of_a_mapping_at_once() {
    let set = with_head("n: x\nnamee: y\nbanana: z\nd: 5\n");
    let document = only(&set);
    let mut diagnostics = Diagnostics::new();
    let fields = document.root().mapping(&mut diagnostics, &ALL).unwrap();
    assert!(fields.required("s", &mut diagnostics).is_none());
    assert!(fields.get("n").unwrap().number(&mut diagnostics).is_none());
    assert!(fields.get("d").unwrap().duration(&mut diagnostics).is_none());
    insta::assert_snapshot!(diagnostics.render(false));
}

#[test]
fn free_keys_keep_their_order_and_places() {
    let set = with_head("m:\n  zeta: 1\n  'al pha': 2\n  true: 3\n  0.5: 4\n");
    let document = only(&set);
    let mut diagnostics = Diagnostics::new();
    let fields = document.fields(&mut diagnostics, &["m"]).unwrap();
    let entries = fields.get("m").unwrap().entries(&mut diagnostics).unwrap();
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["zeta", "al pha", "true", "0.5"]);
    assert_eq!(&document.file.text[entries[1].key_span.clone()], "'al pha'");
    assert_eq!(entries[0].name(&mut diagnostics, Names::Plain), Some("zeta"));
    assert_eq!(entries[2].name(&mut diagnostics, Names::Plain), None);
    assert_eq!(said(&diagnostics), ["6:3 `true` is a word of the expression language"]);
}

#[test]
fn parts_of_strings_are_found_in_the_file() {
    let table = [
        "a + BAD + c",
        "'a + BAD + c'",
        "\"a + BAD + c\"",
        "'it''s ''é'' BAD'",
        "\"\\\"\\u00e9\\x41\\\\ \\n BAD\"",
        "&anchor 'x BAD'",
        "é + BAD",
        "a +\n  b + BAD +\n  c",
        "\"a\n\n   b \\\n   BAD\"",
        "|\n  a &&\n    b &&\n  BAD",
        ">-\n  a &&\n  b &&\n\n  BAD",
        "|\r\n  a\r\n  BAD",
        "|2\n   BAD",
        "# c\n  BAD",
    ];
    for value in table {
        let set = with_head(&format!("x: {value}\n"));
        let document = only(&set);
        let mut diagnostics = Diagnostics::new();
        let node = document.fields(&mut diagnostics, &["x"]).unwrap().get("x").unwrap();
        let text = node.string(&mut diagnostics).unwrap();
        let at = text.find("BAD").unwrap();
        let place = node.sub_place(at..at + 3);
        assert_eq!(&document.file.text[place.span], "BAD", "{value:?}");
        let end = node.sub_place(text.len()..text.len());
        assert!(end.span.start >= at, "{value:?}");
    }
}

#[test]
fn errors_in_expressions_have_their_column() {
    let set = with_head(
        "é: 1\nx: 'name == ''é'' and b = 1u'\ny: >-\n  a &&\n  b &\n  c\nz: 5\nw: true\n",
    );
    let document = only(&set);
    let mut diagnostics = Diagnostics::new();
    let fields = document.fields(&mut diagnostics, &["é", "x", "y", "z", "w"]).unwrap();
    assert!(fields.get("x").unwrap().expression(&mut diagnostics).is_none());
    assert!(fields.get("y").unwrap().expression(&mut diagnostics).is_none());
    assert_eq!(fields.get("z").unwrap().expression(&mut diagnostics).unwrap().to_string(), "5");
    assert_eq!(fields.get("w").unwrap().expression(&mut diagnostics).unwrap().to_string(), "true");
    insta::assert_snapshot!(diagnostics.render(false));
}

#[test]
fn anchors_give_every_alias_the_value() {
    let set = with_head("a: &v {n: 1}\nb: *v\nc: [*v, *v]\n");
    let json = only(&set).root().to_json().to_string();
    assert!(json.contains(r#""b":{"n":1},"c":[{"n":1},{"n":1}]"#), "{json}");
}

#[test]
fn several_documents_bom_and_windows_lines() {
    let one = "apiVersion: plimsoll/v1\r\nkind: Catalog\r\nx: [1,\r\n  é]\r\n";
    let two = "apiVersion: plimsoll/v1\r\nkind: TrustPolicy\r\n";
    let text = format!("\u{feff}# policies\r\n---\r\n{one}---\r\n{two}---\r\n---\r\n# nothing\r\n");
    let set = SourceSet::from_memory([("a.yaml", text)]);
    assert!(set.diagnostics.is_empty(), "{}", set.diagnostics.render(false));
    let kinds: Vec<DocumentKind> = set.documents.iter().map(|document| document.kind).collect();
    assert_eq!(kinds, [DocumentKind::Catalog, DocumentKind::TrustPolicy]);
    let mut diagnostics = Diagnostics::new();
    let x = set.documents[0].fields(&mut diagnostics, &["x"]).unwrap().get("x").unwrap();
    let items = x.items(&mut diagnostics).unwrap();
    assert_eq!(items[1].place().file.line_column(items[1].span().start), (6, 3));
    for empty in ["", "\u{feff}", "# nothing\n", "---\n", "---\n---\n"] {
        let set = SourceSet::from_memory([("a.yaml", empty)]);
        assert!(set.diagnostics.is_empty() && set.documents.is_empty(), "{empty:?}");
    }
}

#[test]
fn documents_say_what_they_are() {
    let texts = [
        "kind: Catalog\n",
        "apiVersion: plimsoll/v1\n",
        "apiVersion: plimsoll/v2\nkind: TrustPolcy\n",
        "apiversion: plimsoll/v1\nkind: Catalog\n",
        "- a\n",
        "just text\n",
        "{}\n",
    ];
    let lines: Vec<String> = texts
        .iter()
        .flat_map(|text| said(&SourceSet::from_memory([("a.yaml", text)]).diagnostics))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_broken_document_does_not_hide_those_before_it() {
    let set = with_head("---\na: [\n");
    assert_eq!(set.documents.len(), 1);
    assert_eq!(findings(&set).len(), 1);
}

#[test]
fn durations() {
    let good =
        [("0s", 0.0), ("250ms", 0.25), ("1.5h", 5400.0), ("5m", 300.0), ("28d", 2_419_200.0)];
    for (text, seconds) in good {
        assert_eq!(parse_duration(text), Some(seconds), "{text}");
    }
    for text in
        ["", "s", "5", "-5s", "+5s", "5 s", "1e3s", ".5s", "5.s", "5w", "5S", "1h30m", "٣s", "infs"]
    {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}
