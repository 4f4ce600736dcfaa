use std::sync::Arc;

use super::{Diagnostics, Place, SourceFile, quoted, suggest};

fn file(text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile::new("policies/a.yaml", text))
}

fn place(file: &Arc<SourceFile>, part: &str) -> Place {
    let start = file.text.find(part).unwrap();
    Place { file: Arc::clone(file), span: start..start + part.len() }
}

#[test]
fn columns_count_characters() {
    let file = file("é: 1\r\n日本: x\n\nlast");
    let at = |part: &str| file.line_column(file.text.find(part).unwrap());
    assert_eq!(at("1"), (1, 4));
    assert_eq!(at("x"), (2, 5));
    assert_eq!(at("last"), (4, 1));
    assert_eq!(file.line_column(1), (1, 1), "inside a character");
    assert_eq!(file.line_column(9999), (4, 5));
    assert_eq!(file.line(2), "日本: x");
    assert_eq!(file.line(1), "é: 1");
    assert_eq!((file.line(3), file.line(0), file.line(9)), ("", "", ""));
}

#[test]
fn rendered_with_line_caret_and_help() {
    let file = file("factors:\n  größe: {valeu: 1}\n  größe: 2\n");
    let mut diagnostics = Diagnostics::new();
    diagnostics
        .error(place(&file, "valeu"), "unknown key `valeu`")
        .did_you_mean("valeu", ["value", "weight"]);
    let second = file.text.rfind("größe").unwrap();
    let second = Place { file: Arc::clone(&file), span: second..second + "größe".len() };
    diagnostics
        .error(second, "duplicate key `größe`")
        .label("again here")
        .also(place(&file, "größe"), "first given here");
    let other = Arc::new(SourceFile::new("policies/b.yaml", "name: x\n"));
    diagnostics
        .warning(place(&other, "x"), "the name `x` is taken")
        .also(place(&file, "factors"), "by this one");
    insta::assert_snapshot!(diagnostics.render(false));
    insta::assert_snapshot!(serde_json::to_string_pretty(&diagnostics).unwrap());
    assert!(diagnostics.render(true).contains("\u{1b}["));
}

#[test]
fn a_file_without_text_has_a_name() {
    let mut diagnostics = Diagnostics::new();
    diagnostics.error(Place::start_of(&file("")), "the file can't be read: permission denied");
    insta::assert_snapshot!(diagnostics.render(false), @r"
    error: the file can't be read: permission denied
    --> policies/a.yaml
    ");
}

#[test]
fn sorted_and_told_once() {
    let file = file("a: 1\nb: 2\n");
    let mut diagnostics = Diagnostics::new();
    diagnostics.warning(place(&file, "b"), "second");
    diagnostics.error(place(&file, "a"), "first");
    assert!(diagnostics.has_errors());
    diagnostics.error(place(&file, "a"), "first");
    let messages: Vec<&str> = diagnostics.sorted().iter().map(|d| d.message.as_str()).collect();
    assert_eq!(messages, ["first", "second"]);
}

#[test]
fn long_spans_and_lines_stay_short() {
    let text = format!("a: {}\n{}", "x".repeat(100_000), "b: 1\n".repeat(1000));
    let file = file(&text);
    let mut diagnostics = Diagnostics::new();
    diagnostics.error(Place { file: Arc::clone(&file), span: 0..text.len() }, "all of it");
    diagnostics.error(Place { file, span: 50_000..50_001 }, "in the middle");
    let shown = diagnostics.render(false);
    assert!(shown.len() < 2000, "{}", shown.len());
    assert!(serde_json::to_string(&diagnostics).unwrap().len() < 2000);
}

#[test]
fn many_are_counted() {
    let file = file(&"x\n".repeat(300));
    let mut diagnostics = Diagnostics::new();
    for line in 0..300 {
        let span = line * 2..line * 2 + 1;
        diagnostics.error(Place { file: Arc::clone(&file), span }, "wrong");
    }
    assert!(diagnostics.render(false).ends_with("and 200 more"));
}

#[test]
fn the_author_drives_no_terminal() {
    let file = file("a: \"\u{1b}[2J\"\n");
    let mut diagnostics = Diagnostics::new();
    diagnostics
        .error(place(&file, "a"), format!("unknown {}", quoted("\u{1b}[2J\nforged: line\u{202e}")))
        .help("\u{7}");
    let shown = diagnostics.render(false);
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    assert!(!shown.contains("\nforged"), "{shown}");
    let json = serde_json::to_string(&diagnostics).unwrap();
    assert!(!json.contains(['\u{1b}', '\u{202e}']), "{json:?}");
}

#[test]
fn near_words() {
    let signals = ["user.auth_count", "user.account_created_at", "user.role", "device.managed"];
    let near = |word| suggest(word, signals);
    assert_eq!(near("user.auth_cuont"), Some("user.auth_count"));
    assert_eq!(near("user.auth-count"), Some("user.auth_count"));
    assert_eq!(near("usr.rol"), Some("user.role"));
    assert_eq!(near("USER.ROLE"), Some("user.role"));
    assert_eq!(near("banana"), None);
    assert_eq!(near(""), None);
    assert_eq!(near(&"x".repeat(1_000_000)), None);
    assert_eq!(suggest("x", ["y", "z"]), Some("y"));
    assert_eq!(quoted(&"é".repeat(100)), format!("`{}…`", "é".repeat(60)));
}
