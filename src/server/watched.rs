//! A connection of HTTP whose peer must get on: send what it has begun, and take what it has asked for. Bytes that come too late, or too
//! slowly, end it. What is to come next is known to the routes ([`super::pacing`]), which tell the connection's [`Watch`].

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::requests::RequestPlace;
use crate::http::HungUp;
use crate::metrics;
use crate::socket::{Detach, Detached};

/// What a peer must take within the time in which one that takes nothing is given up, in bytes.
const TAKEN_BYTES_MIN: usize = 16 * 1024;
/// How often in a row the dispatcher of HTTP may be woken without reading or writing. It reads each time, unless its peer has sent as
/// much ahead of an answer as it takes; then it wakes itself until that answer is there, without a pause.
const POLLS_UNREAD_MAX: u32 = 1_000;

/// What is known of a connection's request.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When what the peer has begun to send must be there.
    due: Cell<Option<Instant>>,
    /// Whether a request is being answered.
    is_answering: Cell<bool>,
    hung_up: HungUp,
}

impl Watch {
    /// Whether the peer has ended its side.
    pub fn hung_up(&self) -> HungUp {
        self.hung_up.clone()
    }

    /// A request's head is there.
    pub fn begin_answer(&self) {
        self.is_answering.set(true);
        self.due.set(None);
    }

    /// Its answer is on its way.
    pub fn end_answer(&self) {
        self.is_answering.set(false);
    }

    /// The rest of its body is of no use any more, and must have come until `due`.
    pub fn await_rest(&self, due: Instant) {
        self.due.set(Some(due));
    }
}

/// A connection and its watch.
pub(super) struct Watched<C> {
    io: C,
    watch: Rc<Watch>,
    head_timeout: Duration,
    stall_timeout: Duration,
    /// Since when the peer is behind, and how much it has taken since.
    behind: Option<(Instant, usize)>,
    reading: Timer,
    writing: Timer,
    polls_unread: u32,
    _place: RequestPlace,
}

/// Wakes who waits, at a time that changes.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready at `due`.
    fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
        if sleep.deadline() != due.into() {
            sleep.as_mut().reset(due.into());
        }
        sleep.as_mut().poll(cx)
    }
}

impl<C> Watched<C> {
    /// Watches `io`. A head must come within `head_timeout`; a peer that takes next to nothing for `stall_timeout` is given up.
    pub fn new(io: C, place: RequestPlace, head_timeout: Duration, stall_timeout: Duration) -> Self {
        let (watch, behind, reading, writing, polls_unread) = Default::default();
        Self { io, watch, head_timeout, stall_timeout, behind, reading, writing, polls_unread, _place: place }
    }

    /// What the routes tell.
    pub fn watch(&self) -> Rc<Watch> {
        self.watch.clone()
    }

    fn give_up(&self, what: &'static str) -> io::Error {
        metrics::HTTP_GIVEN_UP.inc();
        io::Error::new(ErrorKind::TimedOut, what)
    }

    /// An error if the peer is late with what it has begun.
    fn check_read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.watch.due.get() {
            Some(due) if self.reading.poll(due, cx).is_ready() => Err(self.give_up("a request came too slowly")),
            _ => Ok(()),
        }
    }

    /// An error if the peer has been behind for too long.
    fn check_written(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let (mut since, mut taken) = *self.behind.get_or_insert_with(|| (Instant::now(), 0));
        while self.writing.poll(since + self.stall_timeout, cx).is_ready() {
            if taken < TAKEN_BYTES_MIN {
                return Err(self.give_up("an answer was taken too slowly"));
            }
            (since, taken) = (Instant::now(), 0);
            self.behind = Some((since, taken));
        }
        Ok(())
    }

    /// An error if the peer has sent more ahead than is read, and has the dispatcher spin for it.
    fn check_ahead(&mut self) -> io::Result<()> {
        // Nothing more is to be read of who has ended its side.
        self.polls_unread += u32::from(!self.watch.hung_up.is_set());
        match self.polls_unread > POLLS_UNREAD_MAX {
            true => Err(self.give_up("a peer sent many requests ahead of their answers")),
            false => Ok(()),
        }
    }

    fn note_written(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.polls_unread = 0;
                if let Some((_, taken)) = &mut self.behind {
                    *taken += bytes;
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.check_written(cx)?,
        }
        written
    }
}

impl<C: Detach> Detach for Watched<C> {
    fn detach(self) -> io::Result<Detached> {
        self.io.detach()
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Watched<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.polls_unread = 0;
        if matches!(read, Poll::Ready(Ok(()))) && buf.filled().len() == before {
            self.watch.hung_up.set();
        }
        if buf.filled().len() > before && !self.watch.is_answering.get() && self.watch.due.get().is_none() {
            // The next request has begun.
            self.watch.due.set(Some(Instant::now() + self.head_timeout));
        }
        if !matches!(read, Poll::Ready(Err(_))) {
            self.check_read(cx)?;
        }
        read
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Watched<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note_written(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.note_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The last thing that is done before it is waited: what is late is to wake, then.
        self.check_read(cx)?;
        self.check_ahead()?;
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        match &flushed {
            Poll::Ready(_) => self.behind = None,
            Poll::Pending => self.check_written(cx)?,
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
