//! Texts that are wrong, tricky or meant to hurt.

use std::fmt::Write;

use proptest::prelude::*;

use super::{HEAD, findings, only, with_head};
use crate::policy::source::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, SourceSet};

fn read(text: &str) -> Vec<String> {
    findings(&SourceSet::from_memory([("a.yaml", text)]))
}

#[test]
fn duplicate_keys_name_both_places() {
    let set = with_head("a: 1\nb: {c: 1, é: 2, 'c': 3}\na: 2\n");
    assert_eq!(findings(&set), ["4:17 duplicate key `c`", "5:1 duplicate key `a`"]);
    insta::assert_snapshot!(set.diagnostics.render(false));
    // The rest of the document is still there for other checks.
    assert_eq!(set.documents.len(), 1);
}

#[test]
fn tags_are_refused_with_the_way_out() {
    let set = with_head("when: !x.managed\nb: !!str 1\nc: !m {a: 1}\nd: !s [1]\n");
    assert_eq!(
        findings(&set),
        [
            "3:7 `!x.managed` is a YAML tag here and would be lost",
            "4:4 `tag:yaml.org,2002:!str` is a YAML tag here and would be lost",
            "5:4 `!m` is a YAML tag here and would be lost",
            "6:4 `!s` is a YAML tag here and would be lost",
        ]
    );
    assert_eq!(set.documents.len(), 1, "later checks still see the document");
    assert!(set.diagnostics.sorted()[0].help.as_deref().unwrap().contains("'!x.managed'"));
    only(&with_head("when: '!x.managed'\n"));
}

#[test]
fn keys_are_words() {
    assert_eq!(
        findings(&with_head("[a]: 1\n{b: c}: 2\n<<: {a: 1}\n? \n: 3\n&x d: 4\n*x : 5\n")),
        [
            "3:1 a key must be a word, not a list or a mapping",
            "4:1 a key must be a word, not a list or a mapping",
            "5:1 a key must be a word, not a merge key (`<<`)",
            "7:1 a key must be a word, not empty",
            "9:1 a key must be a word, not an alias",
        ]
    );
}

#[test]
fn syntax_errors_have_their_place() {
    assert_eq!(
        read("a: é: b\n"),
        ["1:5 not valid YAML: mapping values are not allowed in this context"]
    );
    for text in [
        "a: [1, 2\n",
        "a: 'x\n",
        "a: *none\n",
        "a: &x [*x]\n",
        "%YAML 9\n",
        "@x",
        "a:\n\t- b\n",
        "a: \0\n",
    ] {
        let found = read(text);
        assert_eq!(found.len(), 1, "{text:?} {found:?}");
    }
}

#[test]
fn what_two_readers_understand_differently_is_refused() {
    // A next-line character breaks lines in YAML 1.1 and does not in 1.2.
    for text in ["a: x\u{85}b: y\n", "a: x\u{2028}b: y\n", "a: |\n  x\u{2029}  y\n"] {
        let found = findings(&with_head(text));
        assert!(!found.is_empty(), "{text:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let flow = |n: usize| format!("a: {}{}\n", "[".repeat(n), "]".repeat(n));
    only(&with_head(&flow(MAX_DEPTH - 1)));
    for n in [MAX_DEPTH, 200, 300, 200_000] {
        assert!(findings(&with_head(&flow(n)))[0].contains("deeper than 64"), "{n}");
    }
    for unit in ["[", "{", "- ", "? ", "{a: ", "[a: ", "&a [", "- &a\n"] {
        let found = read(&unit.repeat(200_000));
        assert_eq!(found.len(), 1, "{unit}: {found:?}");
    }
    let mut blocks = String::new();
    for level in 0..2000 {
        writeln!(blocks, "{}a:", " ".repeat(level)).unwrap();
    }
    assert_eq!(read(&blocks), ["65:65 nested deeper than 64 levels"]);
    // Depth counts through aliases: forty levels, twice.
    let half = format!("a: &x {}{}\n", "[".repeat(40), "]".repeat(40));
    let found = findings(&with_head(&format!("{half}b: {}*x{}\n", "[".repeat(40), "]".repeat(40))));
    assert_eq!(found, ["4:44 nested deeper than 64 levels"]);
}

#[test]
fn bombs_are_counted_not_lit() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").unwrap();
    }
    let found = findings(&with_head(&bomb));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("more than 200000 values"), "{found:?}");
    let wide = format!("a: [{}]\n", "1,".repeat(MAX_NODES + 1));
    assert!(findings(&with_head(&wide))[0].contains("more than 200000 values"));
}

#[test]
fn long_texts_behind_aliases_are_a_bomb_too() {
    let long = "x".repeat(100_000);
    let aliases = vec!["*a"; 1000].join(", ");
    let found = findings(&with_head(&format!("a: &a {long}\nb: [{aliases}]\n")));
    assert!(found[0].contains("more than 200000 values"), "{found:?}");
    let found =
        findings(&with_head(&format!("a: &a {{\"{}\": 1}}\nb: [{aliases}]\n", &long[..1000])));
    assert!(found.is_empty(), "{found:?}");
    let found = findings(&with_head(&format!("a: &a {{\"{long}\": 1}}\nb: [{aliases}]\n")));
    assert!(found[0].contains("more than 200000 values"), "{found:?}");
}

#[test]
fn many_small_bombs_are_one_large() {
    let bomb = format!("a: &a [{}]\nb: [{}]\n", "1, ".repeat(100), "*a, ".repeat(1000));
    let files = (0..20).map(|n| (format!("{n:02}.yaml"), format!("{HEAD}{bomb}")));
    let set = SourceSet::from_memory(files);
    assert!(set.diagnostics.has_errors());
    assert!(set.documents.len() < 10, "{}", set.documents.len());
}

#[test]
fn hundreds_of_thousands_of_mistakes_are_counted() {
    let set = with_head(&"a: 1\n".repeat(190_000));
    assert_eq!(set.diagnostics.len(), 189_999);
    assert_eq!(set.diagnostics.sorted().len(), 1000);
    assert!(set.diagnostics.render(false).ends_with("and 189899 more"));
}

#[test]
fn large_files_are_refused_unread() {
    let large = "#".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1);
    assert_eq!(read(&large), ["1:1 the file is larger than 4 MiB"]);
    assert!(read(large.get(1..).unwrap()).is_empty());
}

#[test]
fn not_utf8_says_where() {
    let set = SourceSet::from_memory([("a.yaml", b"a: 1\nb: \xff\xfe\n".as_slice())]);
    assert_eq!(findings(&set), ["2:4 the file is not UTF-8 from here on"]);
}

#[test]
fn ten_thousand_factors_are_read() {
    let mut body = "score:\n  factors:\n".to_owned();
    for n in 0..10_000 {
        writeln!(
            body,
            "    f{n}: {{value: user.x{n}, curve: {{linear: {{to: 180}}}}, weight: 0.1}}"
        )
        .unwrap();
    }
    only(&with_head(&body));
}

fn yaml_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "&x ",
        "*x",
        "!t ",
        "? ",
        "# c",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\\",
        "é",
        "\t",
        "\r\n",
        "\u{85}",
        "1",
        "true",
        "~",
        "<<: ",
        "0x1",
        "1e3",
        ".inf",
        "\u{feff}",
        "\u{2028}",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in prop_oneof![".{0,80}", yaml_soup()]) {
        let set = SourceSet::from_memory([("a.yaml", text.clone()), ("b.yaml", format!("{HEAD}{text}"))]);
        let _ = set.diagnostics.render(false);
        for found in set.diagnostics.sorted() {
            prop_assert!(found.file.text.get(found.span.clone()).is_some(), "{:?}", found);
        }
        for document in &set.documents {
            let mut open = vec![document.root()];
            while let Some(node) = open.pop() {
                prop_assert!(document.file.text.get(node.span()).is_some());
                let mut unused = crate::policy::diagnostic::Diagnostics::new();
                open.extend(node.items(&mut unused).into_iter().flatten());
                for entry in node.entries(&mut unused).into_iter().flatten() {
                    prop_assert!(document.file.text.get(entry.key_span.clone()).is_some());
                    open.push(entry.node);
                }
                let _ = node.expression(&mut unused);
                if let Some(text) = node.string(&mut unused) {
                    for (at, c) in text.char_indices() {
                        let place = node.sub_place(at..at + c.len_utf8());
                        prop_assert!(document.file.text.get(place.span).is_some());
                    }
                }
            }
        }
    }
}
