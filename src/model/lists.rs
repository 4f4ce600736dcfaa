//! Lists, as a catalog declares them.

use std::path::PathBuf;
use std::sync::Arc;

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Addresses and networks.
    Cidr,
    /// Domain names; a name is listed where it or a parent is.
    Domain,
    /// SHA-1 digests of the listed texts, as sets of breached passwords have them.
    Sha1,
    /// SHA-256 digests of the listed texts.
    Sha256,
    /// Exact texts.
    Text,
}

impl ListKind {
    pub const ALL: [(&'static str, ListKind); 5] = [
        ("cidr", ListKind::Cidr),
        ("domain", ListKind::Domain),
        ("sha1", ListKind::Sha1),
        ("sha256", ListKind::Sha256),
        ("string", ListKind::Text),
    ];
}

/// Where a list comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListSource {
    /// A file, or for digests a folder of files by prefix.
    File(PathBuf),
    Url(Arc<ListUrl>),
}

/// A list that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListUrl {
    pub url: Arc<str>,
    /// How often it is fetched (seconds).
    pub every: u64,
    /// Who vouches for the server, as PEM; nothing: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// What the server is shown, as a bearer token; read anew for each fetch.
    pub token_file: Option<PathBuf>,
}
