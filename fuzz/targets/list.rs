//! Any bytes as a list: reading ends, every line is an entry or told, and what the list
//! then says of any text is yes, no or nothing.

use plimsoll::model::{ListKind, Value};
use plimsoll::signals::{Fresh, List};

/// The first byte is the list's type, the last line what it is asked for.
pub fn run(bytes: &[u8]) {
    let Some((kind, text)) = bytes.split_first() else { return };
    let (_, kind) = ListKind::ALL[usize::from(*kind) % ListKind::ALL.len()];
    let (list, bad) = List::parse(kind, text);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(list.len() + bad.count <= lines, "{list:?} of {lines} lines");
    assert!(bad.first.len() <= bad.count && bad.first.iter().all(|bad| bad.line <= lines));
    // By the piece, as it comes from a network, it is the same.
    let pieces = std::io::BufReader::with_capacity(7, text);
    if let Ok((again, told)) = Fresh::read(kind, pieces, None).and_then(|fresh| fresh.usable(0)) {
        assert_eq!((again.len(), told), (list.len(), bad));
    }
    let asked = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let asked = String::from_utf8_lossy(asked);
    let says = list.contains(Value::Text(&asked));
    assert!(matches!(says, Value::Bool(_) | Value::Missing));
    assert!(!list.is_empty() || says != Value::Bool(true));
    if kind == ListKind::Text
        && !asked.contains(['#', char::REPLACEMENT_CHARACTER, '\u{feff}'])
        && !asked.trim().is_empty()
        && asked.len() < 4096
    {
        assert_eq!(list.contains(Value::Text(asked.trim())), Value::Bool(true), "{asked}");
    }
}
