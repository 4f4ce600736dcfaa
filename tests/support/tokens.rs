//! Files of callers' tokens.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Writes a file of tokens: a caller's name, its token, and what it may do.
pub fn write(folder: &Path, callers: &[(&str, &str, &str)]) -> PathBuf {
    let line = |(name, token, permissions): &(&str, &str, &str)| {
        format!("{name} {:x} {permissions}\n", Sha256::digest(token))
    };
    let file = folder.join("tokens");
    std::fs::write(&file, callers.iter().map(line).collect::<String>()).unwrap();
    file
}
