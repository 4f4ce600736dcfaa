//! The policy folder as documents: YAML with the place of everything in it.
//!
//! Two parsers read each file. `serde_yaml` is the only authority on values;
//! `saphyr-parser` gives the places that it does not tell. Where they disagree,
//! that is an error and never a guess.

mod decode;
mod document;
mod folder;
mod node;
mod place;
mod shape;
mod spans;
mod values;

pub use crate::model::parse_duration;
pub use document::{API_VERSION, Document, DocumentKind, check_metadata};
pub use folder::SourceSet;
pub use node::{Entry, Fields, Kind, Names, Node};
pub use values::Yaml;

/// A policy file may have this many bytes.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// All files of a folder together may have this many bytes.
pub const MAX_FOLDER_BYTES: u64 = 64 * 1024 * 1024;
/// A folder may hold this many policy files.
pub const MAX_FILES: usize = 2000;
/// Folders may nest this deep.
pub const MAX_FOLDER_DEPTH: usize = 32;
/// Mappings and sequences may nest this deep, aliases followed.
pub const MAX_DEPTH: usize = 64;
/// A file may have this many values, those behind aliases counted each time.
pub const MAX_NODES: usize = 200_000;
/// All files of a folder together may have this many values.
pub const MAX_FOLDER_NODES: usize = 1_000_000;

#[cfg(test)]
mod tests;
