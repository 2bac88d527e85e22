//! TLS over TCP, asked and tried as plain TCP is. What is encrypted and not taken by the peer's kernel has a bound.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;

/// Plaintext that is encrypted ahead of what the peer takes. The peer gets it in any case, so it should be little.
const UNSENT_BYTES_MAX: usize = 32 * 1024;
/// Plaintext in a record, and what a record adds to it at most.
const RECORD_BYTES: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 40;

/// A TLS connection after its handshake.
#[derive(Debug)]
pub struct Tls {
    tcp: TcpStream,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    connection: ServerConnection,
    /// About how many encrypted bytes wait for the peer.
    unsent: usize,
    /// Whether a read may find something that TCP does not tell of.
    may_have_input: bool,
}

/// The TCP stream, as `rustls` wants it.
struct Io<'a>(&'a TcpStream);

impl Read for Io<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Io<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    /// Goes on with `connection` over `tcp`.
    pub fn new(tcp: TcpStream, mut connection: ServerConnection) -> Self {
        connection.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        // The handshake may have brought data along.
        Self { tcp, state: RefCell::new(State { connection, unsent: 0, may_have_input: true }) }
    }

    /// What carries it.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Ready when there may be something to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.borrow().may_have_input { Poll::Ready(Ok(())) } else { self.tcp.poll_read_ready(cx) }
    }

    /// As [`Stream::try_read`](super::Stream::try_read). A peer that ends without saying so in TLS has ended as well: frames say
    /// themselves whether they are whole.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        let mut filled = 0;
        let end = loop {
            if filled == buf.len() {
                break Ok(());
            }
            match state.connection.reader().read(&mut buf[filled..]) {
                Ok(0) => break Ok(()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break Ok(()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => break Err(error),
                Err(_) => {
                    if let Err(error) = state.receive(&self.tcp) {
                        break Err(error);
                    }
                }
            }
        };
        state.may_have_input = !matches!(&end, Err(error) if error.kind() == ErrorKind::WouldBlock);
        // An end or an error is found again by the next read.
        if filled > 0 { Ok(filled) } else { end.map(|()| 0) }
    }

    /// As [`Stream::try_write`](super::Stream::try_write).
    pub fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        state.send(&self.tcp)?;
        let taken = state.connection.writer().write_vectored(parts)?;
        state.unsent += taken + taken.div_ceil(RECORD_BYTES) * RECORD_OVERHEAD;
        match state.send(&self.tcp) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Sends what is encrypted.
    pub fn try_flush(&self) -> io::Result<()> {
        self.state.borrow_mut().send(&self.tcp)
    }

    /// How much is encrypted and not sent.
    pub fn unsent(&self) -> usize {
        let state = self.state.borrow();
        if state.connection.wants_write() { state.unsent.max(1) } else { 0 }
    }

    /// Says in TLS that nothing more will be written, as far as the peer takes it.
    pub fn notify_close(&self) {
        let state = &mut *self.state.borrow_mut();
        state.connection.send_close_notify();
        // TCP's end says it, too.
        let _ = state.send(&self.tcp);
    }
}

impl State {
    fn receive(&mut self, tcp: &TcpStream) -> io::Result<()> {
        // 0: the end, which the reader tells of.
        self.connection.read_tls(&mut Io(tcp))?;
        let processed = self.connection.process_new_packets();
        // An alert, or an answer to new keys. What the peer does not take now goes with what is written next.
        match self.send(tcp) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        processed.map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    fn send(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            let sent = self.connection.write_tls(&mut Io(tcp))?;
            self.unsent = self.unsent.saturating_sub(sent);
        }
        self.unsent = 0;
        Ok(())
    }
}
