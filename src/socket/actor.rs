//! The actor that owns one connection.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Context};
use bytes::Bytes;

use super::gate::Permit;
use super::heartbeat::{Beat, Signs};
use super::opening::{Opening, Path};
use super::outbox::{Outbox, OutboxBudget};
use super::session::{Session, Violation, YjsSession, message_bytes_max};
use super::settings::SocketSettings;
use super::stream::Stream;
use crate::auth::now_s;
use crate::ids::SocketId;
use crate::protocol::{CloseCode, awareness, yjs};
use crate::room::{Counted, Directory, LocalRelay, Outlet, Relays};
use crate::wire::frame::{self, Opcode};
use crate::wire::{Limits, Message, Reader, WireError};

/// Read in one go, into a buffer that all sockets of a thread share.
const READ_BYTES: usize = 64 * 1024;
/// Reads before other sockets of the thread get their turn.
const READS_PER_TURN: usize = 4;
/// What a closed socket still takes from its peer, to throw it away.
const LINGER_BYTES_MAX: usize = 64 * 1024;
/// How long the close of a socket that may come back is held: most clients come back at once after one.
const COME_BACK_HOLD: Duration = Duration::from_secs(2);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What all sockets of a server share.
pub struct SocketContext {
    /// Finds rooms.
    pub directory: Arc<Directory>,
    /// The relays of the worker threads.
    pub relays: Arc<Relays>,
    /// Limits and waits.
    pub settings: SocketSettings,
    /// What all outboxes together may hold.
    pub outboxes: Arc<OutboxBudget>,
}

/// How far the end has come.
enum Ending {
    /// Not begun.
    Open,
    /// The close frame is on its way.
    Flushing,
    /// Nothing more is written; what comes is thrown away, so that the peer gets the close frame and not a reset.
    Lingering { taken: usize },
}

/// One WebSocket connection. Started by the server once the handshake is answered, on the worker thread that accepted it; owns
/// the stream, the reader, the outbox and the session.
///
/// It ends when the peer closes or vanishes, when a limit is broken, when the room or the server closes it. On every end
/// `stopped` leaves the room, lets go of the outbox and gives the permit back.
pub struct Socket {
    id: SocketId,
    context: Arc<SocketContext>,
    stream: Rc<Stream>,
    reader: Reader,
    outbox: Rc<Outbox>,
    session: Session,
    relay: LocalRelay,
    /// What the upgrade decided, until the socket opens.
    opening: Option<Path>,
    /// When its token ends, in Unix seconds.
    valid_until_s: u64,
    /// Bytes that came with the handshake.
    early: Bytes,
    heard: Instant,
    pinged: Option<Instant>,
    ending: Ending,
    _permit: Permit,
}

impl Socket {
    /// Starts a socket on the current thread. `head` is the handshake's answer, to be written first; `early` are bytes that came
    /// with the request.
    pub fn start_on(stream: Stream, head: Bytes, early: Bytes, opening: Opening, context: Arc<SocketContext>) {
        let Opening { path, permit } = opening;
        let stream = Rc::new(stream);
        let settings = &context.settings;
        let outbox = Outbox::new(stream.clone(), settings.outbox_bytes_max, context.outboxes.clone());
        outbox.push(head, Counted::Yes);
        let message_bytes_max = match &path {
            Path::Yjs { access, .. } => {
                message_bytes_max(*access, settings.writer_message_bytes_max, settings.reader_message_bytes_max)
            }
            Path::Denied { .. } => settings.reader_message_bytes_max,
            Path::Echo => settings.writer_message_bytes_max,
        };
        let reader = Reader::new(Limits { message_bytes_max, fragments_max: settings.fragments_max });
        let relay = LocalRelay::current(&context.relays);
        let id = SocketId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let socket = Socket {
            id,
            context,
            stream,
            reader,
            outbox,
            session: Session::Denied,
            relay,
            opening: Some(path),
            valid_until_s: u64::MAX,
            early,
            heard: Instant::now(),
            pinged: None,
            ending: Ending::Open,
            _permit: permit,
        };
        socket.start();
    }

    fn open(&mut self, ctx: &mut Context<Self>) {
        match self.opening.take() {
            Some(Path::Yjs { room, identity, access }) => {
                tracing::info!(socket.id = %self.id, room.name = %room, user.id = %identity.user, "socket opened");
                let handle = self.relay.handle();
                let directory = &self.context.directory;
                self.session = Session::Yjs(YjsSession::join(self.id, handle, directory, &room, &identity, access));
                self.valid_until_s = identity.valid_until_s;
            }
            Some(Path::Denied { code, reason, hold }) => {
                tracing::info!(socket.id = %self.id, code = code.code(), reason, "socket denied");
                self.outbox.push(yjs::denied(&reason), Counted::Yes);
                ctx.run_later(hold, move |socket, _| socket.outbox.close(code, &reason));
            }
            Some(Path::Echo) => self.session = Session::Echo,
            None => {}
        }
        self.outbox.flush();
    }

    /// How long the token holds; zero when it has ended.
    fn token_left(&self) -> Duration {
        Duration::from_secs(self.valid_until_s.saturating_sub(now_s()))
    }

    // Reading

    fn is_reading(&self) -> bool {
        let is_echo_waiting = matches!(self.session, Session::Echo) && self.outbox.is_waiting();
        !self.outbox.is_stopped()
            && !is_echo_waiting
            && !self.outbox.is_sending_much()
            && self.outbox.has_credit(self.context.settings.unhandled_bytes_max)
    }

    /// Reads and handles what is there. Ready: the connection has ended.
    fn poll_read(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            self.receive(&early);
        }
        for _ in 0..READS_PER_TURN {
            if !self.is_reading() || self.outbox.closing().is_some() {
                // Credit, a close and a writable stream wake the pump.
                return Poll::Pending;
            }
            ready!(self.stream.poll_readable(cx))?;
            let read = READ_BUFFER.with_borrow_mut(|buffer| match self.stream.try_read(buffer) {
                Ok(count) => {
                    self.receive(&buffer[..count]);
                    Ok(Some(count))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error),
            })?;
            if read == Some(0) {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn receive(&mut self, mut input: &[u8]) {
        if !input.is_empty() {
            self.heard = Instant::now();
            self.pinged = None;
        }
        while self.outbox.closing().is_none() {
            match self.reader.read(&mut input) {
                Ok(Some(message)) => self.message(message),
                Ok(None) => break,
                Err(error) => self.refuse(error),
            }
        }
        self.outbox.flush();
    }

    fn message(&mut self, message: Message) {
        let handled = match message {
            Message::Binary(message) => self.session.binary(&message, &self.outbox),
            Message::Text(message) => self.session.text(&message, &self.outbox),
            Message::Ping(payload) => {
                self.outbox.push(frame::encode(Opcode::Pong, &[&payload]), Counted::Yes);
                Ok(())
            }
            Message::Pong => Ok(()),
            Message::Close(code) => {
                self.outbox.answer_close(code);
                Ok(())
            }
        };
        if let Err(Violation { code, reason }) = handled {
            tracing::info!(socket.id = %self.id, code = code.code(), reason, "message refused");
            self.outbox.close(code, &reason);
        }
    }

    fn refuse(&mut self, error: WireError) {
        let code = match error {
            WireError::Protocol(_) => CloseCode::Protocol,
            WireError::Utf8 => CloseCode::InvalidText,
            WireError::TooBig { .. } => self.session.too_large(),
        };
        tracing::info!(socket.id = %self.id, code = code.code(), %error, "frame refused");
        self.outbox.close(code, &error.to_string());
    }

    // Writing and ending

    /// Writes what waits. Ready: the connection has ended.
    fn poll_write(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        while self.outbox.is_waiting() {
            ready!(self.stream.poll_writable(cx))?;
            self.outbox.write()?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the end as far as it goes. Ready: it is complete.
    fn poll_end(&mut self, cx: &mut std::task::Context<'_>, ctx: &mut Context<Self>) -> Poll<io::Result<()>> {
        if let Ending::Open = self.ending {
            self.ending = Ending::Flushing;
            ctx.run_later(self.context.settings.linger, |socket, ctx| {
                socket.stream.abort_on_drop();
                ctx.stop();
            });
        }
        if let Ending::Flushing = self.ending {
            ready!(self.poll_write(cx))?;
            self.stream.shut_write();
            self.ending = Ending::Lingering { taken: 0 };
        }
        let Ending::Lingering { taken } = &mut self.ending else {
            return Poll::Pending;
        };
        loop {
            ready!(self.stream.poll_readable(cx))?;
            let read = READ_BUFFER.with_borrow_mut(|buffer| self.stream.try_read(buffer));
            match read {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(count) => *taken += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if *taken > LINGER_BYTES_MAX {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_pump(&mut self, cx: &mut std::task::Context<'_>, ctx: &mut Context<Self>) -> Poll<io::Result<()>> {
        self.outbox.set_waker(cx.waker());
        if self.outbox.closing().is_none() {
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                return Poll::Ready(Err(error));
            }
            if self.outbox.take_delivered_state() {
                self.session.state_delivered(&self.outbox);
            }
            if let Poll::Ready(ended) = self.poll_read(cx) {
                return Poll::Ready(ended);
            }
            if let Some((code, reason)) = self.outbox.take_held_close() {
                let hold = COME_BACK_HOLD.mul_f64(rand::random_range(0.5..1.5));
                ctx.run_later(hold, move |socket, _| socket.outbox.close_now(code, &reason));
            }
        }
        if self.outbox.closing().is_some() { self.poll_end(cx, ctx) } else { Poll::Pending }
    }

    // Heartbeat and the token's end

    fn beat(&mut self, ctx: &mut Context<Self>) {
        if self.outbox.closing().is_some() {
            return;
        }
        let signs = Signs {
            heard: self.heard,
            // The peer cannot answer before it has the ping.
            pinged: self.pinged.map(|pinged| pinged.max(self.outbox.ping_left())),
            spoke: self.session.needs_keepalive().then(|| self.outbox.spoke()),
            progressed: self.outbox.is_waiting().then(|| self.outbox.progressed()),
            is_reading: self.is_reading(),
        };
        let now = Instant::now();
        let token_left = self.token_left();
        if token_left.is_zero() {
            return self.outbox.close(CloseCode::TokenExpired, CloseCode::TokenExpired.reason());
        }
        let (beat, wait) = self.context.settings.rhythm.beat(signs, now);
        match beat {
            Beat::Rest => {}
            Beat::Ping => {
                self.pinged = Some(now);
                self.outbox.push(frame::encode(Opcode::Ping, &[]), Counted::Yes);
                self.outbox.flush_ping();
            }
            Beat::KeepAlive => {
                self.outbox.push(yjs::awareness(&awareness::encode([].iter())), Counted::Yes);
                self.outbox.flush();
            }
            Beat::Lost => self.outbox.close(CloseCode::HeartbeatLost, CloseCode::HeartbeatLost.reason()),
            Beat::Stalled => self.outbox.close(CloseCode::SlowConsumer, CloseCode::SlowConsumer.reason()),
        }
        ctx.run_later(wait.min(token_left), Self::beat);
    }
}

/// Reads, writes and ends, whenever the stream or the outbox wakes the actor.
struct Pump;

impl ActorFuture<Socket> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        socket: &mut Socket,
        ctx: &mut Context<Socket>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        let ended = ready!(socket.poll_pump(cx, ctx));
        if let Err(error) = ended {
            tracing::debug!(socket.id = %socket.id, %error, "connection lost");
        }
        ctx.stop();
        Poll::Ready(())
    }
}

impl Actor for Socket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.relay.register(self.id, self.outbox.clone());
        self.open(ctx);
        ctx.run_later(self.context.settings.rhythm.first_wait().min(self.token_left()), Self::beat);
        ctx.spawn(Pump);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if let Session::Yjs(session) = &self.session {
            session.leave();
        }
        self.relay.unregister(self.id);
        if self.outbox.closing() == Some(CloseCode::SlowConsumer) {
            self.stream.abort_on_drop();
        }
        self.outbox.release();
        tracing::debug!(socket.id = %self.id, "socket ended");
    }
}
