//! Policies, from text to what the engine runs.
//!
//! The way is one: read the documents (`source`), parse their expressions
//! (`cel`), and say everything that is wrong with them at once (`diagnostic`).

pub mod cel;
pub mod compile;
pub mod diagnostic;
pub mod publisher;
pub mod schema;
pub mod source;
pub mod testing;
