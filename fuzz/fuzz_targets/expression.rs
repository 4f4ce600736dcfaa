//! Any text as an expression: parsing ends, and what parses reads back the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::policy::cel;

fuzz_target!(|text: &str| {
    if let Ok(expr) = cel::parse(text) {
        let shown = expr.to_string();
        // Showing writes out what the text may have left to defaults: it can be longer than what is read.
        if shown.len() <= cel::MAX_BYTES {
            let again = cel::parse(&shown).unwrap_or_else(|why| panic!("{shown}: {why:?}"));
            assert_eq!(again.to_string(), shown);
        }
    }
});
