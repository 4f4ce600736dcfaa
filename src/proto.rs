//! The types of `proto/plimsoll/v1`, generated.

#![expect(clippy::all, reason = "generated, not written")]

tonic::include_proto!("plimsoll.v1");

/// What reflection serves: all files, with their imports and comments.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("plimsoll");
