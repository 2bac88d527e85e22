//! The actor that owns one connection.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker, ready};
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use bytes::Bytes;
use tracing::Span;
use tracing::field::Empty;

use super::context::SocketContext;
use super::ending::{Ending, Rest};
use super::event_streams::{StreamEntry, Uplink, UplinkError};
use super::gate::{Permit, network};
use super::heartbeat::{Beat, Signs};
use super::inflow::{Inflow, Slowed};
use super::opening::{Opening, Path};
use super::outbox::{Outbox, Written};
use super::session::{self, DeniedSession, Opened, Session, SessionIo, SocketClose};
use super::stream::Stream;
use super::timers::KeyedTimers;
use super::turn::Turn;
use super::unfinished::{Unfinished, Unwanted};
use crate::auth::{TokenError, now_ms, now_s};
use crate::budget::Payer;
use crate::ids::SocketId;
use crate::line::Place;
use crate::metrics;
use crate::protocol::CloseCode;
use crate::rate::weight;
use crate::room::LocalRelay;
use crate::wire::{self, Encoding, Frame, MessageLimits, Reader, WireError};

/// Read in one go, into a buffer that all sockets of a thread share.
const READ_BYTES: usize = 64 * 1024;
/// Between two turns in which it is read what a closed socket's peer still sends. Nobody needs it soon.
const REST_PAUSE: Duration = Duration::from_millis(10);
/// The same of one who has sent more than it may.
const REST_PAUSE_MAX: Duration = Duration::from_millis(100);
/// For how many waits, see [`SocketSettings::linger`], as long as the peer goes on writing.
const LINGER_WAITS_MAX: u32 = 5;
/// Longest message of which at least the beginning is looked at, so that it can be refused by name, in bytes.
const SKIPPED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How long the close of a socket that may come back is held: most clients come back at once after one.
const COME_BACK_HOLD: Duration = Duration::from_secs(2);
/// Longest wait for the session's timer; it is then armed again.
const SESSION_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What the peer reads whose token was revoked.
const REVOKED: &str = "the token was revoked";
/// And whose token's key is gone: whoever has a fresh one may come back.
const KEY_GONE: &str = "the key of the token is no longer valid, come back with a fresh token";
/// What stands for a close code where there was no close (RFC 6455 section 7.4.1).
const LOST: u16 = 1006;
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What a socket waits for.
#[derive(Debug, PartialEq)]
enum Timer {
    /// What the session has to do.
    Session,
    /// The next look at the peer's signs of life.
    Heartbeat,
    /// A close that is held.
    Close,
    /// The end, once it has begun.
    Linger,
    /// A peer that sends too much is read again.
    Slowed,
}

/// One WebSocket connection or event stream. Started by the server once the request is answered, on the thread that its opening
/// names; owns the stream, the reader, the outbox and the session. What an event stream's client says comes by [`Uplink`]; all else is
/// the same.
///
/// It ends when the peer closes or vanishes, when a limit is broken, when the room or the server closes it. On every end
/// `stopped` leaves the room, lets go of the outbox and gives the permit back.
pub struct Socket {
    stream: Rc<Stream>,
    reader: Reader,
    unfinished: Unfinished,
    /// What the peer sends; whether it is not read for a while, and how long that is to be.
    inflow: Inflow,
    is_slowed: bool,
    slowed_for: Option<Duration>,
    io: SessionIo,
    session: Box<dyn Session>,
    /// What the upgrade decided, until the socket opens.
    opening: Option<Box<Path>>,
    timers: KeyedTimers<Timer>,
    /// When the session has something to do, in Unix milliseconds, as its timer is set.
    session_due_ms: Option<i64>,
    span: Span,
    /// Bytes that came and are not handled: with the handshake, or beyond what may be inflated in one go. At most one read.
    unread: Bytes,
    /// What the peer is in the middle of when the socket ends, in bytes; whether our side has ended.
    missing: u64,
    is_shut: bool,
    /// The peer's address, when its connection began, and how many bytes came: for the line that the log gets at the end.
    address: IpAddr,
    began: Instant,
    received: u64,
    heard: Instant,
    pinged: Option<Instant>,
    ending: Ending,
    /// Where it waits for its next turn, with others that have much to do.
    in_line: Option<Place>,
    encoding: Encoding,
    /// Where requests find an event stream.
    entry: Option<StreamEntry>,
    _permit: Permit,
}

impl Socket {
    /// Starts a socket on the current thread. `head` is the request's answer, to be written first; `early` are bytes that came
    /// with the request.
    pub fn start_on(stream: Stream, head: Bytes, early: Bytes, opening: Opening, context: Arc<SocketContext>) {
        let Opening { path, encoding, address, permit } = opening;
        let stream = Rc::new(stream);
        let settings = &context.settings;
        if encoding == Encoding::Events {
            let rhythm = &settings.rhythm;
            stream.lose_after(rhythm.ping_interval + rhythm.pong_timeout);
        }
        let network = network(address);
        let payer = Payer::of(network);
        let outbox =
            Outbox::new(stream.clone(), head, encoding, settings.outbox_bytes_max, context.outboxes.hold_for(payer, 0));
        // Whatever is there before the session opens is small.
        let limits = MessageLimits {
            message_bytes_max: settings.reader_message_bytes_max,
            fragments_max: settings.fragments_max,
            skipped_bytes_max: 0,
        };
        let mut reader = Reader::new(limits);
        if encoding != Encoding::Plain {
            reader.take_compressed();
        }
        let relay = LocalRelay::current(&context.relays);
        let id = SocketId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let span = tracing::error_span!("socket", socket.id = %id, room.name = Empty, user.id = Empty);
        let socket = Socket {
            stream,
            reader,
            unfinished: Unfinished::new(&context.strangers, payer),
            inflow: Inflow::new(network, &context.rates, Instant::now()),
            is_slowed: false,
            slowed_for: None,
            io: SessionIo { socket: id, network, outbox, relay, context, pause: Cell::new(None) },
            session: Box::new(DeniedSession),
            opening: Some(Box::new(path)),
            timers: KeyedTimers::new(),
            session_due_ms: None,
            span,
            received: early.len() as u64,
            unread: early,
            missing: 0,
            is_shut: false,
            address,
            began: Instant::now(),
            heard: Instant::now(),
            pinged: None,
            ending: Ending::Open,
            in_line: None,
            encoding,
            entry: None,
            _permit: permit,
        };
        socket.start();
    }

    fn open(&mut self, ctx: &mut Context<Self>) {
        let Some(path) = self.opening.take() else { return };
        if let Path::Events { client, .. } = &*path {
            self.entry = Some(self.io.context.event_streams.enter(*client, ctx.address().recipient()));
        }
        let Opened { session, close } = session::open(*path, &self.io);
        self.session = session;
        self.outbox().pay_as(self.io.payer(self.session.payer()));
        if let Some((hold, SocketClose { code, reason })) = close {
            self.timers.set(Timer::Close, hold, ctx, move |socket, _| socket.outbox().close(code, &reason));
        }
        self.follow_session(ctx);
        self.outbox().flush();
    }

    /// Sets the timer for when the session has something to do.
    fn follow_session(&mut self, ctx: &mut Context<Self>) {
        let due_ms = self.session.next_due_ms().filter(|_| !self.outbox().is_close_held());
        if std::mem::replace(&mut self.session_due_ms, due_ms) == due_ms {
            return;
        }
        match due_ms {
            Some(due_ms) => {
                let wait_ms = due_ms.saturating_sub(now_ms()).max(0).unsigned_abs();
                let wait = Duration::from_millis(wait_ms).min(SESSION_WAIT_MAX);
                self.timers.set(Timer::Session, wait, ctx, |socket, ctx| socket.in_span(|socket| socket.on_due(ctx)));
            }
            None => self.timers.cancel(&Timer::Session, ctx),
        }
    }

    fn on_due(&mut self, ctx: &mut Context<Self>) {
        self.session_due_ms = None;
        if self.outbox().closing().is_some() {
            return;
        }
        if let Err(SocketClose { code, reason }) = self.session.on_due(now_ms(), &self.io) {
            return self.outbox().close(code, &reason);
        }
        self.outbox().flush();
        self.follow_session(ctx);
    }

    /// Closes the connection if a token that it stands on holds no more. When its time is over, the session says.
    fn confirm_tokens(&self) {
        let (code, reason) = match self.session.confirm(&self.io.context.verifier, now_s()) {
            Ok(()) | Err(TokenError::Expired) => return,
            Err(TokenError::UnknownKey) => (CloseCode::TokenExpired, KEY_GONE),
            Err(_) => (CloseCode::Unauthorized, REVOKED),
        };
        self.log_refusal(code, reason);
        self.io.outbox.close(code, reason);
    }

    /// Does something in the socket's span, so that the log says whose it is.
    fn in_span<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> R {
        let span = std::mem::replace(&mut self.span, Span::none());
        let result = span.in_scope(|| act(self));
        self.span = span;
        result
    }

    fn outbox(&self) -> &Outbox {
        &self.io.outbox
    }

    // Reading

    fn is_reading(&self) -> bool {
        let unhandled_bytes_max = self.io.context.settings.unhandled_bytes_max;
        !self.is_slowed
            && !self.io.outbox.is_stopped()
            && !self.io.outbox.is_sending_much()
            && self.io.outbox.has_credit(unhandled_bytes_max)
            && self.session.is_reading(unhandled_bytes_max, &self.io)
    }

    /// Reads and handles what is there. Ready: the connection has ended.
    fn poll_read(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        let mut turn = Turn::begin(Instant::now());
        while turn.take_read(Instant::now()) {
            if !self.is_reading() || self.io.outbox.closing().is_some() {
                // Credit, a close and a writable stream wake the pump.
                self.unfinished.watch_anew();
                return Poll::Pending;
            }
            if !self.unread.is_empty() || self.reader.is_paused() {
                let unread = std::mem::take(&mut self.unread);
                self.receive(&unread, &turn);
                continue;
            }
            ready!(self.stream.poll_readable(cx))?;
            let read = READ_BUFFER.with_borrow_mut(|buffer| match self.stream.try_read(buffer) {
                Ok(count) => {
                    self.received += count as u64;
                    if count > 0 {
                        self.heard = Instant::now();
                        self.pinged = None;
                    }
                    self.receive(&buffer[..count], &turn);
                    Ok(Some(count))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error),
            })?;
            if read == Some(0) {
                return Poll::Ready(Ok(()));
            }
        }
        self.get_in_line(cx);
        Poll::Pending
    }

    /// Whether others have their turn first. To be asked where one would begin.
    fn is_in_line(&mut self) -> bool {
        let is_in_line = self.in_line.as_ref().is_some_and(|place| !place.is_next());
        if !is_in_line {
            self.in_line = None;
        }
        is_in_line
    }

    /// Has others go on before it does.
    fn get_in_line(&mut self, cx: &std::task::Context<'_>) {
        let payer = self.io.payer(self.session.payer());
        self.in_line.get_or_insert_with(|| Place::take(payer, cx.waker()));
    }

    /// Handles what came, as far as one read's worth of it inflates and the turn goes; the rest waits. So neither compressed bytes nor many
    /// messages hold anybody up for longer than others, and no more of them goes to rooms before these are asked for credit.
    fn receive(&mut self, mut input: &[u8], turn: &Turn) {
        if self.encoding == Encoding::Events && !input.is_empty() {
            let reason = "an event stream takes nothing but its request";
            self.log_refusal(CloseCode::Protocol, reason);
            return self.io.outbox.close(CloseCode::Protocol, reason);
        }
        self.reader.allow(READ_BYTES);
        let (mut messages, mut controls, mut bytes, mut has_ended) = (0, 0, 0, false);
        while self.io.outbox.closing().is_none() && self.io.pause.get().is_none() {
            // A message may change what the next one may be.
            self.reader.set_message_bytes_max(self.session.message_bytes_max(&self.io));
            self.reader.set_skipped_bytes_max(if self.session.refuses_in_band() { SKIPPED_BYTES_MAX } else { 0 });
            match self.reader.read(&mut input) {
                Ok(Some(message)) => {
                    messages += 1;
                    bytes += message.bytes();
                    controls += usize::from(message.is_control());
                    has_ended |= !message.is_control();
                    self.message(message);
                    if turn.is_over(Instant::now()) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => self.refuse(error),
            }
        }
        if self.io.outbox.closing().is_none() && !input.is_empty() {
            self.unread = Bytes::copy_from_slice(input);
        }
        let context = &self.io.context;
        let budget = if self.session.is_stranger() { &context.strangers } else { &context.unfinished };
        let payer = self.io.payer(self.session.payer());
        self.io.outbox.pay_as(payer);
        self.unfinished.move_to(budget, payer);
        if has_ended {
            self.unfinished.watch_anew();
        }
        if let Err(unwanted) = self.unfinished.note(
            self.reader.unfinished_bytes() + self.unread.len(),
            self.reader.arrived_bytes(),
            self.heard,
        ) {
            tracing::info!(%unwanted, "message refused");
            self.io.outbox.close_now(CloseCode::TryLater, &unwanted.to_string());
        }
        let (compressed, inflated) = self.reader.take_compressed_bytes();
        if compressed > 0 {
            metrics::COMPRESSED_BYTES_RECEIVED.inc_by(compressed);
            metrics::COMPRESSED_PLAIN_BYTES_RECEIVED.inc_by(inflated);
        }
        if messages > 0 {
            metrics::MESSAGES_RECEIVED.inc_by(messages);
            metrics::MESSAGE_BYTES_RECEIVED.inc_by(bytes);
        }
        // Also what no message has become of yet.
        let (awareness, came) = (self.session.take_awareness(), self.reader.take_came());
        let counted = match self.session.counts_for_itself() {
            // What it says, but neither its pings nor how long all is.
            true => controls,
            false => (messages as usize).saturating_sub(awareness),
        };
        let weight = weight(counted, came);
        if weight > 0.0 {
            self.slow_down(weight);
        }
        if let Some(pause) = self.io.pause.take() {
            self.pause(pause);
        }
        self.io.outbox.flush();
    }

    /// Counts what came.
    fn spend(&mut self, weight: f64) -> Option<Slowed> {
        self.inflow.spend(self.session.payer(), weight, &self.io.context.rates, Instant::now())
    }

    /// Reads nothing for a while from a client that sends more than it may.
    fn slow_down(&mut self, weight: f64) {
        let Some(Slowed { wait, is_first }) = self.spend(weight) else { return };
        metrics::SOCKETS_SLOWED.inc();
        if is_first {
            let (room, user) = self.session.room_and_user();
            tracing::warn!(
                room.name = room.map(tracing::field::display),
                user.id = user.map(tracing::field::display),
                "a client, its user or its address sends more than it may, and is read more slowly"
            );
        }
        self.pause(wait);
    }

    /// Reads nothing for so long, at least.
    fn pause(&mut self, wait: Duration) {
        self.is_slowed = true;
        self.slowed_for = self.slowed_for.max(Some(wait));
    }

    /// Reads nothing until then. To set a timer is not enough: the actor's context then asks the pump once more at once.
    fn read_again_after(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.is_slowed = true;
        self.timers.set(Timer::Slowed, wait, ctx, |socket, _| {
            socket.is_slowed = false;
            socket.outbox().wake();
        });
    }

    fn message(&mut self, message: wire::Message) {
        let handled = match message {
            wire::Message::Binary(message) => self.session.on_binary(&message, &self.io),
            wire::Message::Text(message) => self.session.on_text(&message, &self.io),
            wire::Message::TooBig { beginning, .. } => self.session.on_too_long(&beginning, &self.io),
            wire::Message::Ping(payload) => {
                self.io.send(&Frame::pong(&payload));
                Ok(())
            }
            wire::Message::Pong => Ok(()),
            wire::Message::Close(code) => {
                self.io.outbox.answer_close(code);
                Ok(())
            }
        };
        if let Err(SocketClose { code, reason }) = handled {
            self.log_refusal(code, &reason);
            self.io.outbox.close(code, &reason);
        }
    }

    /// Logs why the peer is closed; once, for that is its end.
    fn log_refusal(&self, code: CloseCode, reason: &str) {
        let (room, user) = self.session.room_and_user();
        tracing::info!(
            room.name = room.map(tracing::field::display),
            user.id = user.map(tracing::field::display),
            code = code.code(),
            reason,
            "message refused"
        );
    }

    /// The one line about how a connection went.
    fn log_end(&self) {
        let (room, user) = self.session.room_and_user();
        tracing::info!(
            protocol = if self.encoding == Encoding::Events { "events" } else { self.session.protocol() },
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
            WireError::Utf8 | WireError::Deflate => CloseCode::InvalidText,
            WireError::TooBig { .. } => self.session.too_large(),
        };
        self.log_refusal(code, &error.to_string());
        self.io.outbox.close(code, &error.to_string());
    }

    // Writing and ending

    /// Writes what waits. Ready: the connection has ended.
    fn poll_write(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        while self.io.outbox.is_waiting() {
            ready!(self.stream.poll_writable(cx))?;
            if self.io.outbox.write()? == Written::Turn {
                self.get_in_line(cx);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the end as far as it goes. Ready: it is complete.
    fn poll_end(&mut self, cx: &mut std::task::Context<'_>, ctx: &mut Context<Self>) -> Poll<io::Result<()>> {
        if let Ending::Open = self.ending {
            self.ending = Ending::Flushing;
            self.timers.cancel_all(ctx);
            (self.is_slowed, self.slowed_for) = (false, None);
            self.missing = self.reader.missing_bytes().saturating_sub(self.unread.len() as u64);
            self.let_go_of_input();
            self.linger(0, LINGER_WAITS_MAX, ctx);
        }
        if let Ending::Flushing = self.ending {
            if self.is_in_line() {
                return Poll::Pending;
            }
            ready!(self.poll_write(cx))?;
            self.ending = Ending::Lingering { taken: 0, missing: self.missing };
        }
        loop {
            if self.ending.may_shut() {
                self.shut_write();
            }
            if self.is_slowed {
                return Poll::Pending;
            }
            ready!(self.stream.poll_readable(cx))?;
            let Self { ending, stream, .. } = self;
            match READ_BUFFER.with_borrow_mut(|buffer| ending.take_rest(|| stream.try_read(buffer)))? {
                Rest::Over => return Poll::Ready(Ok(())),
                Rest::Awaited => {}
                Rest::Taken(bytes) => {
                    // It counts as any other, but what is in the middle of a message is to get to its end, and read our close.
                    let slowed = self.spend(weight(0, bytes));
                    let pause = slowed.map_or(REST_PAUSE, |slowed| slowed.wait.clamp(REST_PAUSE, REST_PAUSE_MAX));
                    self.read_again_after(pause, ctx);
                }
            }
        }
    }

    /// Nothing that came is of use any more, and others may need what it holds before the peer has ended its side.
    fn let_go_of_input(&mut self) {
        self.reader.clear();
        self.unread = Bytes::new();
        // Nothing is held of a message that does not go on.
        let _ = self.unfinished.note(0, 0, self.heard);
    }

    /// Ends our side of the connection, once.
    fn shut_write(&mut self) {
        if !std::mem::replace(&mut self.is_shut, true) {
            self.stream.shut_write();
        }
    }

    /// Ends the socket after a while; later, a few times, if more than `taken` has come from the peer meanwhile, or our side has not ended.
    fn linger(&mut self, taken: usize, waits: u32, ctx: &mut Context<Self>) {
        self.timers.set(Timer::Linger, self.io.context.settings.linger, ctx, move |socket, ctx| {
            let now_taken = socket.ending.taken();
            let may_go_on = now_taken > taken || (!socket.is_shut && matches!(socket.ending, Ending::Lingering { .. }));
            if may_go_on && waits > 1 {
                if now_taken == taken {
                    // What is missing does not come.
                    socket.shut_write();
                }
                return socket.linger(now_taken, waits - 1, ctx);
            }
            socket.stream.abort_on_drop();
            ctx.stop();
        });
    }

    /// Ends the connection if it holds most of what others need.
    fn let_go_if_called_in(&mut self, waker: &Waker) {
        if self.io.outbox.is_called_in(waker) {
            return self.io.outbox.close_now(CloseCode::SlowConsumer, CloseCode::SlowConsumer.reason());
        }
        // Each has a waker of its own.
        if self.unfinished.is_called_in(waker) | self.session.is_called_in(waker) {
            tracing::info!("message refused, since others have no room");
            self.io.outbox.close_now(CloseCode::TryLater, &Unwanted::TooMuch.to_string());
        }
    }

    /// Writes, reads, and handles what was read, as much of it as a turn may be. Ready: the connection has ended.
    fn poll_turn(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Err(error));
        }
        if self.io.outbox.take_delivered_state() {
            self.session.on_answer_delivered(&self.io);
        }
        self.poll_read(cx)
    }

    fn poll_pump(&mut self, cx: &mut std::task::Context<'_>, ctx: &mut Context<Self>) -> Poll<io::Result<()>> {
        self.io.outbox.set_waker(cx.waker());
        if self.io.outbox.closing().is_none() {
            self.let_go_if_called_in(cx.waker());
            if !self.is_in_line()
                && let Poll::Ready(ended) = self.poll_turn(cx)
            {
                return Poll::Ready(ended);
            }
            if let Some(wait) = self.slowed_for.take() {
                self.read_again_after(wait, ctx);
            }
            if self.io.outbox.take_token_doubt() {
                self.confirm_tokens();
            }
            if let Err(SocketClose { code, reason }) = self.session.follow_rooms(&self.io) {
                self.io.outbox.close(code, &reason);
            }
            self.follow_session(ctx);
            if let Some((code, reason)) = self.io.outbox.take_held_close() {
                let hold = COME_BACK_HOLD.mul_f64(rand::random_range(0.5..1.5));
                self.timers.set(Timer::Close, hold, ctx, move |socket, _| socket.outbox().close_now(code, &reason));
            }
        }
        if self.io.outbox.closing().is_some() { self.poll_end(cx, ctx) } else { Poll::Pending }
    }

    // Heartbeat and the token's end

    fn set_heartbeat(&mut self, wait: Duration, ctx: &mut Context<Self>) {
        self.timers.set(Timer::Heartbeat, wait, ctx, |socket, ctx| socket.in_span(|socket| socket.on_beat(ctx)));
    }

    /// What shows that the connection lives: to the peer, and to whoever stands between.
    fn keepalive(&self) -> Option<Frame> {
        match self.encoding {
            Encoding::Events => Some(Frame::ping()),
            Encoding::Plain | Encoding::Deflated(_) => self.session.keepalive(),
        }
    }

    fn on_beat(&mut self, ctx: &mut Context<Self>) {
        if self.io.outbox.closing().is_some() {
            return;
        }
        let now = Instant::now();
        let signs = Signs {
            // Nothing is heard of who takes an event stream; that it is taken shows.
            heard: if self.encoding == Encoding::Events { now } else { self.heard },
            // The peer cannot answer before it has the ping.
            pinged: self.pinged.map(|pinged| pinged.max(self.io.outbox.ping_left())),
            spoke: self.keepalive().map(|_| self.io.outbox.spoke()),
            progressed: self.io.outbox.is_waiting().then(|| self.io.outbox.progressed()),
            is_reading: self.is_reading(),
        };
        let (beat, wait) = self.io.context.settings.rhythm.beat(signs, now);
        match beat {
            Beat::Rest => {}
            Beat::Ping => {
                self.pinged = Some(now);
                self.io.send(&Frame::ping());
                self.io.outbox.flush_ping();
            }
            Beat::KeepAlive => {
                if let Some(frame) = self.keepalive() {
                    self.io.send(&frame);
                    self.io.outbox.flush();
                }
            }
            Beat::Lost => self.io.outbox.close(CloseCode::HeartbeatLost, CloseCode::HeartbeatLost.reason()),
            Beat::Stalled => self.io.outbox.close(CloseCode::SlowConsumer, CloseCode::SlowConsumer.reason()),
        }
        self.set_heartbeat(wait, ctx);
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
        socket.in_span(|socket| {
            if let Err(error) = ready!(socket.poll_pump(cx, ctx)) {
                tracing::debug!(%error, "connection lost");
            }
            ctx.stop();
            Poll::Ready(())
        })
    }
}

impl Actor for Socket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.io.relay.register(self.io.socket, self.io.outbox.clone());
        self.in_span(|socket| socket.open(ctx));
        self.set_heartbeat(self.io.context.settings.rhythm.first_wait(), ctx);
        ctx.spawn(Pump);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.in_span(|socket| socket.log_end());
        let is_for_good = self.outbox().closing() == Some(CloseCode::Normal);
        std::mem::replace(&mut self.session, Box::new(DeniedSession)).end(is_for_good);
        self.entry = None;
        self.io.relay.unregister(self.io.socket);
        if self.outbox().closing() == Some(CloseCode::SlowConsumer) {
            self.stream.abort_on_drop();
        }
        self.outbox().release();
    }
}

impl Handler<Uplink> for Socket {
    type Result = Result<(), UplinkError>;

    fn handle(&mut self, Uplink { user, said, key }: Uplink, _: &mut Self::Context) -> Self::Result {
        if self.outbox().closing().is_some() || self.outbox().is_close_held() || !self.session.is_of(&user) {
            return Err(UplinkError::Gone);
        }
        if let (Some(key), Some(entry)) = (&key, &self.entry)
            && entry.heard.have(key)
        {
            return Ok(());
        }
        if !self.is_reading() {
            return Err(UplinkError::Behind);
        }
        if let (Some(key), Some(entry)) = (key, &mut self.entry) {
            entry.heard.add(key);
        }
        self.in_span(|socket| {
            let message = wire::Message::from(said);
            metrics::MESSAGES_RECEIVED.inc();
            metrics::MESSAGE_BYTES_RECEIVED.inc_by(message.bytes());
            socket.message(message);
            if let Some(pause) = socket.io.pause.take() {
                socket.pause(pause);
            }
            socket.io.outbox.flush();
            // The pump goes on with what that changed.
            socket.io.outbox.wake();
        });
        Ok(())
    }
}
