//! Where the server listens.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, net};

use socket2::{Domain, SockAddr, Socket, Type};

/// How many connections may wait to be accepted: every worker of every Envoy reconnects at once.
const BACKLOG: i32 = 1024;

/// An address to listen on: `127.0.0.1:9191`, `[::]:9191` or `unix:/run/plimsoll.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix {
        path: PathBuf,
        /// Permissions of the socket, such as `0o660`; without it the umask decides.
        mode: Option<u32>,
    },
}

/// Whom a Unix socket belongs to; left out, the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address with a port nor `unix:` and a path")]
pub struct ListenParseError(String);

impl FromStr for Listen {
    type Err = ListenParseError;

    fn from_str(text: &str) -> Result<Self, ListenParseError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self::Unix { path: path.into(), mode: None }),
            _ => text.parse().map(Self::Tcp).map_err(|_| ListenParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address that couldn't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}")]
pub struct BindError {
    pub address: Listen,
    pub source: io::Error,
}

/// A socket that listens. A Unix socket's path goes when it is dropped.
#[derive(Debug)]
pub(in crate::api) enum Bound {
    Tcp(net::TcpListener),
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// The path of a Unix socket, and which file was bound there.
#[derive(Debug)]
pub(in crate::api) struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Bound {
    pub(super) fn bind(listen: &Listen, owner: Owner) -> Result<Self, BindError> {
        match listen {
            Listen::Tcp(address) => bind_tcp(*address),
            Listen::Unix { path, mode } => bind_unix(path, *mode, owner),
        }
        .map_err(|source| BindError { address: listen.clone(), source })
    }

    /// The address as bound: with the port, where port 0 was asked for.
    pub(super) fn address(&self) -> io::Result<Listen> {
        Ok(match self {
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
            Self::Unix(_, file) => Listen::Unix { path: file.path.clone(), mode: None },
        })
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Bound::Tcp(socket.into()))
}

fn bind_unix(path: &Path, mode: Option<u32>, owner: Owner) -> io::Result<Bound> {
    unlink_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before `listen` nobody can connect, so nobody gets in before owner and mode are right.
    if owner != Owner::default() {
        std::os::unix::fs::chown(path, owner.user, owner.group)?;
    }
    if let Some(mode) = mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    let file = SocketFile { path: path.to_owned(), identity: identity(path) };
    socket.listen(BACKLOG)?;
    Ok(Bound::Unix(socket.into(), file))
}

/// Removes the socket that a process left behind which no longer runs.
fn unlink_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor may have bound the same path meanwhile: that file is not ours.
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}
