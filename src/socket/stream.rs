//! What carries a socket's bytes, TCP or a Unix socket. Everything else asks readiness and tries; nothing here waits.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream as StdTcp};
use std::os::unix::net::UnixStream as StdUnix;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// What the kernel may hold for a slow peer; its own choice may be 4 MB a socket.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// A connection on its way from one thread to another.
pub enum Detached {
    /// From an address.
    Tcp(StdTcp),
    /// From this machine.
    Unix(StdUnix),
}

/// What HTTP comes by, and a socket may take over.
pub trait Detach: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Takes it from its thread.
    fn detach(self) -> io::Result<Detached>;
}

impl Detach for TcpStream {
    fn detach(self) -> io::Result<Detached> {
        self.into_std().map(Detached::Tcp)
    }
}

impl Detach for UnixStream {
    fn detach(self) -> io::Result<Detached> {
        self.into_std().map(Detached::Unix)
    }
}

/// A connection after the handshake.
#[derive(Debug)]
pub enum Stream {
    /// From an address.
    Tcp(TcpStream),
    /// From this machine.
    Unix(UnixStream),
}

/// Does the same with either kind.
macro_rules! either {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($inner) => $call,
            Stream::Unix($inner) => $call,
        }
    };
}

impl Stream {
    /// Takes over a connection, which must not block, on the current thread.
    pub fn adopt(detached: Detached) -> io::Result<Self> {
        let stream = match detached {
            Detached::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream)?),
            Detached::Unix(stream) => Self::Unix(UnixStream::from_std(stream)?),
        };
        // Either may fail on a connection that has just died; reading will tell.
        if let Self::Tcp(tcp) = &stream {
            let _ = tcp.set_nodelay(true);
        }
        let _ = stream.options().set_send_buffer_size(SEND_BUFFER_BYTES);
        Ok(stream)
    }

    fn options(&self) -> SockRef<'_> {
        either!(self, stream => SockRef::from(stream))
    }

    /// Ready when there may be something to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read_ready(cx))
    }

    /// Ready when the peer may take something.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_write_ready(cx))
    }

    /// Reads what is there. `WouldBlock`: nothing; 0: the peer has ended.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_read(buf))
    }

    /// Writes what the peer takes. `WouldBlock`: nothing.
    pub fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            // The plain call is the cheaper one, and the usual one.
            [part] => either!(self, stream => stream.try_write(part)),
            parts => either!(self, stream => stream.try_write_vectored(parts)),
        }
    }

    /// Says that nothing more will be written.
    pub fn shut_write(&self) {
        // Fails if the peer is gone already, which is as good.
        let _ = self.options().shutdown(Shutdown::Write);
    }

    /// Makes the coming drop end the connection at once, whatever the kernel still holds for the peer.
    pub fn abort_on_drop(&self) {
        let _ = self.options().set_linger(Some(Duration::ZERO));
    }
}
