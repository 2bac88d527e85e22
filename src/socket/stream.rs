//! What carries a socket's bytes: TCP, TLS over it, or a Unix socket. Everything else asks readiness and tries; nothing here waits.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream as StdTcp};
use std::os::unix::net::UnixStream as StdUnix;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::server::TlsStream;

use super::tls::Tls;

/// What the kernel may hold for a slow peer; its own choice may be 4 MB a connection.
pub const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// A connection on its way from one thread to another.
pub enum Detached {
    /// From an address.
    Tcp(StdTcp),
    /// From an address, encrypted.
    Tls(StdTcp, Box<ServerConnection>),
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

impl Detach for TlsStream<TcpStream> {
    fn detach(self) -> io::Result<Detached> {
        let (tcp, connection) = self.into_inner();
        Ok(Detached::Tls(tcp.into_std()?, Box::new(connection)))
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
    /// From an address, encrypted.
    Tls(Box<Tls>),
    /// From this machine.
    Unix(UnixStream),
}

impl Stream {
    /// Takes over a connection, which must not block, on the current thread.
    pub fn adopt(detached: Detached) -> io::Result<Self> {
        let stream = match detached {
            Detached::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream)?),
            Detached::Tls(stream, connection) => {
                Self::Tls(Box::new(Tls::new(TcpStream::from_std(stream)?, *connection)))
            }
            Detached::Unix(stream) => Self::Unix(UnixStream::from_std(stream)?),
        };
        // Either may fail on a connection that has just died; reading will tell.
        if !matches!(stream, Self::Unix(_)) {
            let _ = stream.options().set_tcp_nodelay(true);
        }
        let _ = stream.options().set_send_buffer_size(SEND_BUFFER_BYTES);
        Ok(stream)
    }

    /// Ends the connection if what was sent is not confirmed for so long: for a peer that never answers, and may be gone.
    pub fn lose_after(&self, silence: Duration) {
        if !matches!(self, Self::Unix(_)) {
            // May fail on a connection that has just died; reading will tell.
            let _ = self.options().set_tcp_user_timeout(Some(silence));
        }
    }

    fn options(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.tcp()),
            Self::Unix(stream) => SockRef::from(stream),
        }
    }

    /// Ready when there may be something to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_readable(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Ready when the peer may take something.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Tls(stream) => stream.tcp().poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Reads what is there. `WouldBlock`: nothing; 0: the peer has ended.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buf),
            Self::Tls(stream) => stream.try_read(buf),
            Self::Unix(stream) => stream.try_read(buf),
        }
    }

    /// Writes what the peer takes, and what is encrypted ahead of it: see [`unsent`](Self::unsent). `WouldBlock`: nothing.
    pub fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // The plain call is the cheaper one, and the usual one.
        match (self, parts) {
            (Self::Tcp(stream), [part]) => stream.try_write(part),
            (Self::Tcp(stream), parts) => stream.try_write_vectored(parts),
            (Self::Tls(stream), parts) => stream.try_write(parts),
            (Self::Unix(stream), [part]) => stream.try_write(part),
            (Self::Unix(stream), parts) => stream.try_write_vectored(parts),
        }
    }

    /// How many bytes were written and wait here, encrypted, until the peer takes them.
    pub fn unsent(&self) -> usize {
        match self {
            Self::Tls(stream) => stream.unsent(),
            Self::Tcp(_) | Self::Unix(_) => 0,
        }
    }

    /// Hands the peer all that is [`unsent`](Self::unsent). `WouldBlock`: it does not take all of it.
    pub fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.try_flush(),
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }

    /// Says that nothing more will be written.
    pub fn shut_write(&self) {
        if let Self::Tls(stream) = self {
            stream.notify_close();
        }
        // Fails if the peer is gone already, which is as good.
        let _ = self.options().shutdown(Shutdown::Write);
    }

    /// Makes the coming drop end the connection at once, whatever the kernel still holds for the peer.
    pub fn abort_on_drop(&self) {
        let _ = self.options().set_linger(Some(Duration::ZERO));
    }
}
