//! The token file: a line a token, `name sha256hex permission,permission`.
//!
//! Tokens are random and long, so one round of SHA-256 is enough: who reads the
//! file can't guess what was hashed.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::{Permissions, named};
use crate::config::Permission;

type Hash = [u8; 32];

#[derive(Debug)]
pub(super) struct Tokens(Vec<Token>);

#[derive(Debug)]
pub(super) struct Token {
    pub(super) name: Arc<str>,
    hash: Hash,
    pub(super) permissions: Permissions,
}

impl Tokens {
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut tokens = Vec::new();
        let mut hashes = HashSet::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let token = token(line).map_err(|why| format!("line {}: {why}", at + 1))?;
            if !hashes.insert(token.hash) {
                return Err(format!("line {}: this token stands there twice", at + 1));
            }
            tokens.push(token);
        }
        Ok(Tokens(tokens))
    }

    /// The token that was shown. Takes as long whichever it is, or none.
    pub(super) fn find(&self, shown: &[u8]) -> Option<&Token> {
        let shown: Hash = Sha256::digest(shown).into();
        let mut found = u32::MAX;
        for (at, token) in (0_u32..).zip(&self.0) {
            let same: Choice = token.hash.ct_eq(&shown);
            found = u32::conditional_select(&found, &at, same);
        }
        self.0.get(found as usize)
    }
}

fn token(line: &str) -> Result<Token, String> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(hex), Some(permissions), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("expected a name, the SHA-256 of a token, and permissions".to_owned());
    };
    let permissions = permissions.split(',').map(permission).collect::<Result<Vec<_>, _>>()?;
    // Never shows what it is: somebody may have written the token itself.
    let hash = unhex(hex).ok_or("the second word is no SHA-256 in 64 hexadecimal digits")?;
    Ok(Token { name: name.into(), hash, permissions: Permissions::of(&permissions) })
}

fn permission(word: &str) -> Result<Permission, String> {
    named(word)
        .ok_or_else(|| format!("`{word}` is none of decide, report, review, announce, admin"))
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    let bytes = text.as_bytes();
    if bytes.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        let digit = |at: usize| pair.get(at).and_then(|d| char::from(*d).to_digit(16));
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::Tokens;
    use crate::api::access::Permissions;
    use crate::config::Permission::{Admin, Decide, Report};

    // Of `secret` and of `other`.
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    const OTHER: &str = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

    #[test]
    fn tokens_are_found_by_what_they_hash_to() {
        let text = format!("# who\nedge {SECRET} decide\n\nidp {OTHER} report,admin # both\n");
        let tokens = Tokens::parse(text.as_bytes()).unwrap();
        assert_eq!(&*tokens.find(b"secret").unwrap().name, "edge");
        let idp = tokens.find(b"other").unwrap();
        assert_eq!(idp.permissions, Permissions::of(&[Report, Admin]));
        assert_ne!(idp.permissions, Permissions::of(&[Decide]));
        for unknown in ["", "Secret", "secret ", SECRET] {
            assert!(tokens.find(unknown.as_bytes()).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_never_shown() {
        for (line, why) in [
            ("edge", "expected a name"),
            ("edge secret decide", "no SHA-256"),
            (&*format!("edge {SECRET} decide,rule"), "`rule`"),
            (&*format!("edge {SECRET} decide more"), "expected a name"),
            (&*format!("edge {SECRET}00 decide"), "no SHA-256"),
            (&*format!("edge {SECRET} decide\nsame {SECRET} report"), "twice"),
        ] {
            let error = Tokens::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
        assert!(Tokens::parse(b"\xff").is_err());
    }
}
