//! Any text as an expression: parsing ends, and what parses reads back the same.

use plimsoll::policy::cel;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(expr) = cel::parse(text) {
        let shown = expr.to_string();
        // Showing writes out what the text may have left to defaults: it can be longer than what is read.
        if shown.len() <= cel::MAX_BYTES {
            let again = cel::parse(&shown).unwrap_or_else(|why| panic!("{shown}: {why:?}"));
            assert_eq!(again.to_string(), shown);
        }
    }
}
