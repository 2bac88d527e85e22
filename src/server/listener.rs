//! What connections come in by.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, Type};

use super::error::ServerError;
use crate::config::Bind;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Who may connect by a socket's file: its owner, and its group, which the proxy should be in.
const MODE: u32 = 0o660;

/// A listener that is bound.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens at `bind`; also says where, since port 0 takes a free one.
    pub fn open(bind: &Bind) -> Result<(Self, Bind), ServerError> {
        match bind {
            Bind::Tcp(address) => {
                let listener = tcp(*address)?;
                let address = listener.local_addr()?;
                Ok((Self::Tcp(listener), Bind::Tcp(address)))
            }
            Bind::Unix(path) => match unix(path) {
                Ok(listener) => Ok((Self::Unix(listener), bind.clone())),
                Err(source) => Err(ServerError::Bind { address: bind.clone(), source }),
            },
        }
    }
}

/// Listens at an address.
pub(super) fn tcp(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let open = || {
        let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A server that restarts must not wait for the last one's connections to be forgotten.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|source| ServerError::Bind { address: Bind::Tcp(address), source })
}

/// Listens at a file, which takes the place of one that an earlier server has left.
fn unix(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens, nobody gets in.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes the socket's file if nobody listens there.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        Ok(_) => {}
    }
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    // One that has no room for more connections must not keep us waiting.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(()) => Err(ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}
