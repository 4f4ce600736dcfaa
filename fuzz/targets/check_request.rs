//! Any bytes as a `CheckRequest`, and as the metadata that claims are read from.

use bumpalo::Bump;
use plimsoll::api::ext_authz::{MAX_CONTEXT_EXTENSIONS, MAX_HEADERS, decode, metadata_claim};

pub fn run(bytes: &[u8]) {
    let arena = Bump::new();
    metadata_claim(bytes, "n", &["a", "b"], &arena);
    let Ok(request) = decode(bytes, &arena) else { return };
    metadata_claim(request.metadata, "n", &["a", "b"], &arena);
    assert!(request.context_extensions.len() <= MAX_CONTEXT_EXTENSIONS);
    let headers = request.http.map_or(&[][..], |http| http.headers);
    assert!(headers.len() <= MAX_HEADERS);
    for (at, header) in headers.iter().enumerate() {
        assert!(!header.name.bytes().any(|byte| byte.is_ascii_uppercase()));
        assert!(headers[..at].iter().all(|other| other.name != header.name));
    }
    // Values are borrowed or joined once; slices take some dozens of bytes a field.
    assert!(arena.allocated_bytes() <= 64 * bytes.len() + (64 << 10));
}
