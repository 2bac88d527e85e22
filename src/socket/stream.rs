//! What carries a socket's bytes. Everything else asks readiness and tries; nothing here waits.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// What the kernel may hold for a slow peer; its own choice may be 4 MB a socket.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// A TCP connection after the handshake.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
}

impl Stream {
    /// Takes over `tcp`, which must not block, on the current thread.
    pub fn adopt(tcp: std::net::TcpStream) -> io::Result<Self> {
        let tcp = TcpStream::from_std(tcp)?;
        let options = SockRef::from(&tcp);
        // Either may fail on a connection that has just died; reading will tell.
        let _ = options.set_tcp_nodelay(true);
        let _ = options.set_send_buffer_size(SEND_BUFFER_BYTES);
        Ok(Self { tcp })
    }

    /// Ready when there may be something to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// Ready when the peer may take something.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_write_ready(cx)
    }

    /// Reads what is there. `WouldBlock`: nothing; 0: the peer has ended.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.tcp.try_read(buf)
    }

    /// Writes what the peer takes. `WouldBlock`: nothing.
    pub fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            // The plain call is the cheaper one, and the usual one.
            [part] => self.tcp.try_write(part),
            parts => self.tcp.try_write_vectored(parts),
        }
    }

    /// Says that nothing more will be written.
    pub fn shut_write(&self) {
        // Fails if the peer is gone already, which is as good.
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Write);
    }

    /// Makes the coming drop end the connection at once, whatever the kernel still holds for the peer.
    pub fn abort_on_drop(&self) {
        let _ = SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO));
    }
}
