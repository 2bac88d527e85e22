//! The actor that owns one connection.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Context, SpawnHandle};
use bytes::Bytes;

use super::gate::Permit;
use super::heartbeat::{Beat, Signs};
use super::opening::{Opening, Path, Refusal};
use super::outbox::{Outbox, OutboxBudget};
use super::session::{
    Desk, HocuspocusSession, JsonSession, RateLimits, Session, SharedRates, Violation, YjsSession, json,
};
use super::settings::SocketSettings;
use super::stream::Stream;
use super::unfinished::{HeldBudget, Unfinished};
use crate::auth::{Verifier, now_s};
use crate::ids::{SocketId, shortened};
use crate::metrics;
use crate::protocol::{CloseCode, yjs};
use crate::room::{Directory, LocalRelay, Outlet, Relays, UserSockets};
use crate::wire::{Frame, Limits, Message, Reader, WireError};

/// Read in one go, into a buffer that all sockets of a thread share.
const READ_BYTES: usize = 64 * 1024;
/// Reads before other sockets of the thread get their turn.
const READS_PER_TURN: usize = 4;
/// What a closed socket still takes from its peer, to throw it away: a peer that is in the middle of a long message reads our close
/// frame only if it may go on writing.
const LINGER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// For how many waits, see [`SocketSettings::linger`], as long as the peer goes on writing.
const LINGER_WAITS_MAX: u32 = 5;
/// Longest message of which at least the beginning is looked at, so that it can be refused by name, in bytes.
const SKIPPED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How long the close of a socket that may come back is held: most clients come back at once after one.
const COME_BACK_HOLD: Duration = Duration::from_secs(2);
/// How long a JSON client with a wrong token is held, since it may come back at once.
const DENIED_HOLD: Duration = Duration::from_secs(1);
/// Longest wait for the session's timer; it is then armed again.
const SESSION_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What stands for a close code where there was no close (RFC 6455 section 7.4.1).
const LOST: u16 = 1006;
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What all sockets of a server share.
pub struct SocketContext {
    /// Finds rooms.
    pub directory: Arc<Directory>,
    /// The relays of the room threads.
    pub relays: Arc<Relays>,
    /// Limits and waits.
    pub settings: SocketSettings,
    /// The JSON sockets of each user.
    pub people: Arc<UserSockets>,
    /// What JSON clients may say how often.
    pub rates: Arc<SharedRates>,
    /// Checks tokens that come in band.
    pub verifier: Arc<Verifier>,
    /// What all unfinished messages together may hold.
    pub unfinished: Arc<HeldBudget>,
    /// The same of clients without a token, who have no part in that; and what waits for tokens and rooms.
    pub strangers: Arc<HeldBudget>,
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

impl Ending {
    /// What has been thrown away.
    fn taken(&self) -> usize {
        match self {
            Ending::Open | Ending::Flushing => 0,
            Ending::Lingering { taken } => *taken,
        }
    }
}

/// One WebSocket connection. Started by the server once the handshake is answered, on the thread that its opening names; owns
/// the stream, the reader, the outbox and the session.
///
/// It ends when the peer closes or vanishes, when a limit is broken, when the room or the server closes it. On every end
/// `stopped` leaves the room, lets go of the outbox and gives the permit back.
pub struct Socket {
    stream: Rc<Stream>,
    reader: Reader,
    unfinished: Unfinished,
    desk: Desk,
    session: Session,
    /// What the upgrade decided, until the socket opens.
    opening: Option<Path>,
    /// When the session wants to be woken, in Unix seconds, and the timer for it.
    session_due: Option<(u64, SpawnHandle)>,
    /// Bytes that came with the handshake.
    early: Bytes,
    /// The peer's address, when its connection began, and how many bytes came: for the line that the log gets at the end.
    address: IpAddr,
    began: Instant,
    received: u64,
    heard: Instant,
    pinged: Option<Instant>,
    ending: Ending,
    _permit: Permit,
}

impl Socket {
    /// Starts a socket on the current thread. `head` is the handshake's answer, to be written first; `early` are bytes that came
    /// with the request.
    pub fn start_on(stream: Stream, head: Bytes, early: Bytes, opening: Opening, context: Arc<SocketContext>) {
        let Opening { path, address, permit } = opening;
        let stream = Rc::new(stream);
        let settings = &context.settings;
        let outbox = Outbox::new(stream.clone(), head, settings.outbox_bytes_max, context.outboxes.clone());
        // Whatever is there before the session opens is small.
        let limits = Limits {
            message_bytes_max: settings.reader_message_bytes_max,
            fragments_max: settings.fragments_max,
            skipped_bytes_max: 0,
        };
        let relay = LocalRelay::current(&context.relays);
        let id = SocketId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let socket = Socket {
            stream,
            reader: Reader::new(limits),
            unfinished: Unfinished::new(context.unfinished.clone()),
            desk: Desk { socket: id, outbox, relay, context },
            session: Session::Denied,
            opening: Some(path),
            session_due: None,
            early,
            address,
            began: Instant::now(),
            received: 0,
            heard: Instant::now(),
            pinged: None,
            ending: Ending::Open,
            _permit: permit,
        };
        socket.start();
    }

    fn open(&mut self, ctx: &mut Context<Self>) {
        match self.opening.take() {
            Some(Path::Yjs { room, lease, place, identity, access, visit }) => {
                tracing::info!(socket.id = %self.desk.socket, room.name = %room, user.id = %identity.user, "socket opened");
                self.session = Session::Yjs(YjsSession::join(room, lease, place, visit, &identity, access, &self.desk));
            }
            Some(Path::Hocuspocus) => self.session = Session::Hocuspocus(HocuspocusSession::new()),
            Some(Path::Json { identity, network }) => {
                let limits = RateLimits::new(network, &self.desk.context.rates, Instant::now());
                let (identity, refusal) = match identity {
                    Ok(identity) => (identity, None),
                    Err(refusal) => (None, Some(refusal)),
                };
                self.session = Session::Json(Box::new(JsonSession::open(identity, limits, &self.desk)));
                if let Some(refusal) = refusal {
                    let (code, Refusal { reason, user }) = (CloseCode::Unauthorized, refusal);
                    let user = user.as_ref().map(tracing::field::display);
                    tracing::info!(socket.id = %self.desk.socket, user.id = user, code = code.code(), reason, "socket denied");
                    self.desk.push(&json::auth_error(&reason, None));
                    ctx.run_later(DENIED_HOLD, move |socket, _| socket.outbox().close(code, &reason));
                }
            }
            Some(Path::Denied { room, code, refusal: Refusal { reason, user }, hold }) => {
                let (room, user) = (shortened(&room), user.as_ref().map(tracing::field::display));
                tracing::info!(socket.id = %self.desk.socket, room.name = ?room, user.id = user, code = code.code(), reason, "socket denied");
                self.desk.push(&yjs::denied(&reason));
                ctx.run_later(hold, move |socket, _| socket.desk.outbox.close(code, &reason));
            }
            Some(Path::Echo) => self.session = Session::Echo,
            None => {}
        }
        self.follow_session(ctx);
        self.outbox().flush();
    }

    /// Arms the timer for when the session wants to be woken.
    fn follow_session(&mut self, ctx: &mut Context<Self>) {
        let due_s = self.session.next_due_s();
        if self.session_due.map(|(armed_s, _)| armed_s) == due_s {
            return;
        }
        if let Some((_, timer)) = self.session_due.take() {
            ctx.cancel_future(timer);
        }
        self.session_due = due_s.map(|due_s| {
            let wait = Duration::from_secs(due_s.saturating_sub(now_s())).min(SESSION_WAIT_MAX);
            (due_s, ctx.run_later(wait, Self::session_due))
        });
    }

    fn session_due(&mut self, ctx: &mut Context<Self>) {
        self.session_due = None;
        if self.outbox().closing().is_some() {
            return;
        }
        if let Err(Violation { code, reason }) = self.session.due(now_s(), &self.desk) {
            return self.outbox().close(code, &reason);
        }
        self.outbox().flush();
        self.follow_session(ctx);
    }

    fn outbox(&self) -> &Outbox {
        &self.desk.outbox
    }

    // Reading

    fn is_reading(&self) -> bool {
        let unhandled_bytes_max = self.desk.context.settings.unhandled_bytes_max;
        let is_echo_waiting = matches!(self.session, Session::Echo) && self.desk.outbox.is_waiting();
        !self.desk.outbox.is_stopped()
            && !is_echo_waiting
            && !self.desk.outbox.is_sending_much()
            && self.desk.outbox.has_credit(unhandled_bytes_max)
            && !self.session.is_ahead(unhandled_bytes_max)
    }

    /// Reads and handles what is there. Ready: the connection has ended.
    fn poll_read(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            self.receive(&early);
        }
        for _ in 0..READS_PER_TURN {
            if !self.is_reading() || self.desk.outbox.closing().is_some() {
                // Credit, a close and a writable stream wake the pump.
                self.unfinished.pause();
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
        self.received += input.len() as u64;
        if !input.is_empty() {
            self.heard = Instant::now();
            self.pinged = None;
        }
        let (mut messages, mut bytes) = (0, 0);
        while self.desk.outbox.closing().is_none() {
            // A message may change what the next one may be.
            self.reader.set_message_bytes_max(self.session.message_bytes_max(&self.desk));
            self.reader.set_skipped_bytes_max(if self.session.refuses_by_name() { SKIPPED_BYTES_MAX } else { 0 });
            match self.reader.read(&mut input) {
                Ok(Some(message)) => {
                    messages += 1;
                    bytes += message.bytes();
                    self.message(message);
                }
                Ok(None) => break,
                Err(error) => self.refuse(error),
            }
        }
        let context = &self.desk.context;
        let budget = if self.session.is_stranger() { &context.strangers } else { &context.unfinished };
        self.unfinished.move_to(budget);
        if let Err(unwanted) =
            self.unfinished.note(self.reader.unfinished_bytes(), self.reader.arrived_bytes(), self.heard)
        {
            tracing::info!(socket.id = %self.desk.socket, %unwanted, "message refused");
            self.desk.outbox.close_now(CloseCode::TryLater, &unwanted.to_string());
        }
        if messages > 0 {
            metrics::MESSAGES_RECEIVED.inc_by(messages);
            metrics::MESSAGE_BYTES_RECEIVED.inc_by(bytes);
        }
        self.desk.outbox.flush();
    }

    fn message(&mut self, message: Message) {
        let handled = match message {
            Message::Binary(message) => self.session.binary(&message, &self.desk),
            Message::Text(message) => self.session.text(&message, &self.desk),
            Message::TooBig(beginning) => self.session.too_big(&beginning, &self.desk),
            Message::Ping(payload) => {
                self.desk.push(&Frame::pong(&payload));
                Ok(())
            }
            Message::Pong => Ok(()),
            Message::Close(code) => {
                self.desk.outbox.answer_close(code);
                Ok(())
            }
        };
        if let Err(Violation { code, reason }) = handled {
            self.log_refusal(code, &reason);
            self.desk.outbox.close(code, &reason);
        }
    }

    /// Logs why the peer is closed; once, for that is its end.
    fn log_refusal(&self, code: CloseCode, reason: &str) {
        let (room, user) = self.session.whose();
        tracing::info!(
            socket.id = %self.desk.socket,
            room.name = room.map(tracing::field::display),
            user.id = user.map(tracing::field::display),
            code = code.code(),
            reason,
            "message refused"
        );
    }

    /// The one line about how a connection went.
    fn log_end(&self) {
        let (room, user) = self.session.whose();
        tracing::info!(
            socket.id = %self.desk.socket,
            protocol = self.session.protocol(),
            room.name = room.map(tracing::field::display),
            user.id = user.map(tracing::field::display),
            address = %self.address,
            code = self.outbox().closing().map_or(LOST, CloseCode::code),
            seconds = self.began.elapsed().as_secs(),
            bytes.received = self.received,
            bytes.sent = self.outbox().written(),
            "socket closed"
        );
    }

    fn refuse(&mut self, error: WireError) {
        let code = match error {
            WireError::Protocol(_) => CloseCode::Protocol,
            WireError::Utf8 => CloseCode::InvalidText,
            WireError::TooBig { .. } => self.session.too_large(),
        };
        self.log_refusal(code, &error.to_string());
        self.desk.outbox.close(code, &error.to_string());
    }

    // Writing and ending

    /// Writes what waits. Ready: the connection has ended.
    fn poll_write(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        while self.desk.outbox.is_waiting() {
            ready!(self.stream.poll_writable(cx))?;
            self.desk.outbox.write()?;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the end as far as it goes. Ready: it is complete.
    fn poll_end(&mut self, cx: &mut std::task::Context<'_>, ctx: &mut Context<Self>) -> Poll<io::Result<()>> {
        if let Ending::Open = self.ending {
            self.ending = Ending::Flushing;
            self.linger(0, LINGER_WAITS_MAX, ctx);
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

    /// Ends the socket after a while; later, a few times, if more than `taken` has come from the peer meanwhile.
    fn linger(&mut self, taken: usize, waits: u32, ctx: &mut Context<Self>) {
        ctx.run_later(self.desk.context.settings.linger, move |socket, ctx| {
            let now_taken = socket.ending.taken();
            if now_taken > taken && waits > 1 {
                return socket.linger(now_taken, waits - 1, ctx);
            }
            socket.stream.abort_on_drop();
            ctx.stop();
        });
    }

    fn poll_pump(&mut self, cx: &mut std::task::Context<'_>, ctx: &mut Context<Self>) -> Poll<io::Result<()>> {
        self.desk.outbox.set_waker(cx.waker());
        if self.desk.outbox.closing().is_none() {
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                return Poll::Ready(Err(error));
            }
            if self.desk.outbox.take_delivered_state() {
                self.session.answer_delivered(&self.desk);
            }
            if let Poll::Ready(ended) = self.poll_read(cx) {
                return Poll::Ready(ended);
            }
            if let Err(Violation { code, reason }) = self.session.tidy(&self.desk) {
                self.desk.outbox.close(code, &reason);
            }
            self.follow_session(ctx);
            if let Some((code, reason)) = self.desk.outbox.take_held_close() {
                let hold = COME_BACK_HOLD.mul_f64(rand::random_range(0.5..1.5));
                ctx.run_later(hold, move |socket, _| socket.desk.outbox.close_now(code, &reason));
            }
        }
        if self.desk.outbox.closing().is_some() { self.poll_end(cx, ctx) } else { Poll::Pending }
    }

    // Heartbeat and the token's end

    fn beat(&mut self, ctx: &mut Context<Self>) {
        if self.desk.outbox.closing().is_some() {
            return;
        }
        let signs = Signs {
            heard: self.heard,
            // The peer cannot answer before it has the ping.
            pinged: self.pinged.map(|pinged| pinged.max(self.desk.outbox.ping_left())),
            spoke: self.session.keepalive().map(|_| self.desk.outbox.spoke()),
            progressed: self.desk.outbox.is_waiting().then(|| self.desk.outbox.progressed()),
            is_reading: self.is_reading(),
        };
        let now = Instant::now();
        let (beat, wait) = self.desk.context.settings.rhythm.beat(signs, now);
        match beat {
            Beat::Rest => {}
            Beat::Ping => {
                self.pinged = Some(now);
                self.desk.push(&Frame::ping());
                self.desk.outbox.flush_ping();
            }
            Beat::KeepAlive => {
                if let Some(frame) = self.session.keepalive() {
                    self.desk.push(&frame);
                    self.desk.outbox.flush();
                }
            }
            Beat::Lost => self.desk.outbox.close(CloseCode::HeartbeatLost, CloseCode::HeartbeatLost.reason()),
            Beat::Stalled => self.desk.outbox.close(CloseCode::SlowConsumer, CloseCode::SlowConsumer.reason()),
        }
        ctx.run_later(wait, Self::beat);
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
            tracing::debug!(socket.id = %socket.desk.socket, %error, "connection lost");
        }
        ctx.stop();
        Poll::Ready(())
    }
}

impl Actor for Socket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.desk.relay.register(self.desk.socket, self.desk.outbox.clone());
        self.open(ctx);
        ctx.run_later(self.desk.context.settings.rhythm.first_wait(), Self::beat);
        ctx.spawn(Pump);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.log_end();
        let is_for_good = self.outbox().closing() == Some(CloseCode::Normal);
        self.session.leave(is_for_good, &self.desk);
        self.desk.relay.unregister(self.desk.socket);
        if self.desk.outbox.closing() == Some(CloseCode::SlowConsumer) {
            self.stream.abort_on_drop();
        }
        self.desk.outbox.release();
    }
}
