//! The types of `proto/plimsoll/v1`, generated: `make proto` writes them anew.

#![expect(clippy::all, reason = "generated, not written")]

include!("../proto/generated/plimsoll.v1.rs");

/// What reflection serves: all files, with their imports and comments.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("../proto/generated/plimsoll.v1.binpb");
