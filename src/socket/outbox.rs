//! A socket's bounded queue of encoded frames. The relay pushes and flushes in its own turn; what the peer does not take at once
//! waits here until the socket sees that the stream is writable again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use bytes::{Buf, Bytes};

use super::stream::Stream;
use crate::budget::{HeldBytes, Payer};
use crate::metrics;
use crate::protocol::CloseCode;
use crate::room::{Connection, Counted};
use crate::wire::{Encoding, Frame, Run};

/// Most frames in one write.
const WRITE_FRAMES_MAX: usize = 64;
/// Written before other sockets of the thread get their turn, in bytes: a peer may take as fast as it is sent to.
const TURN_BYTES: usize = 256 * 1024;

/// A live frame of more bytes than this could fill an outbox by itself, however fast its peer is. It does not count, and there is
/// a bound for such frames alone.
const LARGE_FRAME_BYTES: usize = 64 * 1024;
/// That bound, in outbox sizes; one such frame always passes. They are shared by all who get them.
const LARGE_FRAMES_MAX: usize = 2;

/// What a newcomer may have waiting of those who are there, of all its rooms: those in a room have a bound of their own.
const JOINING_BYTES_MAX: usize = 64 << 20;

/// What a frame counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CountsAs {
    /// A live frame.
    Live,
    /// A large live frame.
    Large,
    /// A large live frame that nobody else shares.
    OwnLarge,
    /// An answer that was asked for, of the size of a document.
    Answer,
    /// Those who are there, shown to a newcomer.
    Joining,
}

/// How far a write came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All there was, or all that the peer takes now.
    AsMuchAsGoes,
    /// As much as a turn may be.
    Turn,
}

/// Where the joining state is, of which there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Idle,
    Expected,
    Delivered,
}

#[derive(Default)]
struct FrameQueue {
    frames: VecDeque<(Bytes, CountsAs)>,
    /// Bytes of live frames, of large ones, of answers, and of what is shown to a newcomer.
    live: usize,
    large: usize,
    own_large: usize,
    answers: usize,
    joining: usize,
    /// Whether the front frame is partly written.
    is_begun: bool,
}

impl FrameQueue {
    /// Large live frames, shared or not.
    fn all_large(&self) -> usize {
        self.large + self.own_large
    }

    /// What counts among all outboxes: what others do not hold as well.
    fn counted(&self) -> usize {
        self.live + self.own_large + self.joining
    }

    fn bytes_of(&mut self, kind: CountsAs) -> &mut usize {
        match kind {
            CountsAs::Live => &mut self.live,
            CountsAs::Large => &mut self.large,
            CountsAs::OwnLarge => &mut self.own_large,
            CountsAs::Answer => &mut self.answers,
            CountsAs::Joining => &mut self.joining,
        }
    }
}

/// The queue of one socket, shared with its thread's relay.
pub struct Outbox {
    /// `None` once the socket has ended.
    stream: RefCell<Option<Rc<Stream>>>,
    queue: RefCell<FrameQueue>,
    encoding: Encoding,
    bytes_max: usize,
    /// What waited for the peer after the last write, of what all outboxes together may hold.
    held: RefCell<HeldBytes>,
    /// Bytes sent to rooms and not handled by them yet.
    unhandled: Cell<usize>,
    /// Whether the socket waits for credit.
    is_paused: Cell<bool>,
    is_stopped: Cell<bool>,
    /// Whether the socket is to look whether its token still holds.
    is_token_doubted: Cell<bool>,
    /// What the peer is told when the process stops.
    farewell: RefCell<Option<Frame>>,
    closing: Cell<Option<CloseCode>>,
    /// A close to be held for a while, see [`Outbox::take_held_close`], and whether there has been one.
    held_close: RefCell<Option<(CloseCode, String)>>,
    is_close_held: Cell<bool>,
    state: Cell<Delivery>,
    /// Answers that rooms wait for: how many, and how many bytes more than other messages one may have.
    answers_expected: Cell<(usize, usize)>,
    /// Bytes that the peer's side of the connection has taken.
    written: Cell<u64>,
    /// When a message last went out, for the keep-alive.
    spoke: Cell<Instant>,
    /// Whether the peer has not taken all of the last write.
    is_blocked: Cell<bool>,
    /// When the peer fell behind, or last took something since.
    progressed: Cell<Instant>,
    /// Whether a ping waits behind other frames.
    is_ping_waiting: Cell<bool>,
    /// When the last ping left, see [`Outbox::flush_ping`].
    ping_left: Cell<Instant>,
    /// Wakes the socket's pump.
    waker: RefCell<Option<Waker>>,
}

impl Outbox {
    /// An outbox in front of `stream`, with `head`, the request's answer, before all frames, which are written in `encoding`.
    pub fn new(stream: Rc<Stream>, head: Bytes, encoding: Encoding, bytes_max: usize, held: HeldBytes) -> Rc<Self> {
        let now = Instant::now();
        let outbox = Self {
            stream: RefCell::new(Some(stream)),
            queue: RefCell::default(),
            encoding,
            bytes_max,
            held: RefCell::new(held),
            unhandled: Cell::new(0),
            is_paused: Cell::new(false),
            is_stopped: Cell::new(false),
            // Something may have been revoked since the upgrade.
            is_token_doubted: Cell::new(true),
            farewell: RefCell::new(None),
            closing: Cell::new(None),
            held_close: RefCell::new(None),
            is_close_held: Cell::new(false),
            state: Cell::new(Delivery::Idle),
            answers_expected: Cell::new((0, 0)),
            written: Cell::new(0),
            spoke: Cell::new(now),
            is_blocked: Cell::new(false),
            progressed: Cell::new(now),
            is_ping_waiting: Cell::new(false),
            ping_left: Cell::new(now),
            waker: RefCell::new(None),
        };
        outbox.enqueue(head, CountsAs::Live);
        Rc::new(outbox)
    }

    /// What waits counts under the name of `payer` from now on.
    pub fn pay_as(&self, payer: Payer) {
        self.held.borrow_mut().pay_as(payer);
    }

    /// Whether the socket must end, since what waits for all together is too much, and its payer holds most of it. If not, `waker` is
    /// woken when that changes.
    pub fn is_called_in(&self, waker: &Waker) -> bool {
        self.held.borrow().is_called_in(waker)
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// Whether frames wait for the peer, here or encrypted in the stream.
    pub fn is_waiting(&self) -> bool {
        !self.queue.borrow().frames.is_empty()
            || self.stream.borrow().as_ref().is_some_and(|stream| stream.unsent() > 0)
    }

    /// Whether more than a full outbox waits that does not count: an answer of the document's size, or edits like that.
    pub fn is_sending_much(&self) -> bool {
        let queue = self.queue.borrow();
        queue.answers + queue.all_large() + queue.joining > self.bytes_max
    }

    /// Whether joining state waits for the peer, of any room.
    pub fn is_state_waiting(&self) -> bool {
        self.queue.borrow().answers > 0
    }

    /// Notes that joining state was asked for and will come.
    pub fn expect_state(&self) {
        self.state.set(Delivery::Expected);
    }

    /// Whether joining state has just been taken by the peer, so that the next may be asked for.
    pub fn take_delivered_state(&self) -> bool {
        let is_delivered = self.state.get() == Delivery::Delivered;
        if is_delivered {
            self.state.set(Delivery::Idle);
        }
        is_delivered
    }

    /// A close of a peer that may come back, and would do so at once: to be held, then done with [`close_now`](Self::close_now).
    pub fn take_held_close(&self) -> Option<(CloseCode, String)> {
        self.held_close.take()
    }

    /// Whether such a close is decided: the socket ends soon.
    pub fn is_close_held(&self) -> bool {
        self.is_close_held.get()
    }

    /// What to tell the peer when the process stops, before its socket is closed.
    pub fn set_farewell(&self, frame: Frame) {
        *self.farewell.borrow_mut() = Some(frame);
    }

    /// Why the socket closes, once it does.
    pub fn closing(&self) -> Option<CloseCode> {
        self.closing.get()
    }

    /// Whether no more may be read, for good.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }

    /// Whether the socket may send its rooms more, with at most `bytes_max` unhandled. If not, credit wakes it.
    pub fn has_credit(&self, bytes_max: usize) -> bool {
        self.is_paused.set(self.unhandled.get() >= bytes_max);
        !self.is_paused.get()
    }

    /// Whether tokens were revoked since the last time.
    pub fn take_token_doubt(&self) -> bool {
        self.is_token_doubted.take()
    }

    /// Counts bytes as sent to a room.
    pub fn charge(&self, bytes: usize) {
        self.unhandled.set(self.unhandled.get() + bytes);
    }

    /// When a message last went out.
    pub fn spoke(&self) -> Instant {
        self.spoke.get()
    }

    /// When the peer fell behind, or last took something since.
    pub fn progressed(&self) -> Instant {
        self.progressed.get()
    }

    /// How many bytes more than others a message may have, because a room has asked for it.
    pub fn expected_bytes(&self) -> usize {
        self.answers_expected.get().1
    }

    /// Notes that an answer has come.
    pub fn take_answer(&self) {
        let (count, bytes) = self.answers_expected.get();
        let count = count.saturating_sub(1);
        self.answers_expected.set((count, if count == 0 { 0 } else { bytes }));
    }

    /// Names whom to wake when there is something to do.
    pub fn set_waker(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Wakes the socket's pump.
    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Queues a frame.
    pub fn push(&self, frame: &Frame, counted: Counted) {
        self.push_encoded(frame.encoded(self.encoding).clone(), frame.plain_bytes(), counted);
    }

    /// Queues frames that follow each other.
    pub fn push_run(&self, run: &Run, counted: Counted) {
        self.push_encoded(run.encoded(self.encoding), run.plain_bytes(), counted);
    }

    /// Writes what the peer takes now.
    pub fn flush(&self) {
        if self.is_waiting() {
            self.spoke.set(Instant::now());
            // A dead connection shows in reading too, which ends the socket.
            let _ = self.write();
            if self.is_waiting() {
                self.wake();
            }
        }
    }

    /// Gives back credit for bytes that a room has handled.
    pub fn credit(&self, bytes: usize) {
        self.unhandled.set(self.unhandled.get().saturating_sub(bytes));
        if self.is_paused.get() {
            self.wake();
        }
    }

    /// Notes that a room has asked for an answer that may have so many bytes more than other messages.
    pub fn expect_answer(&self, bytes: usize) {
        let (count, most) = self.answers_expected.get();
        self.answers_expected.set((count + 1, most.max(bytes)));
    }

    /// Closes the socket: at once, or if the peer may come back and would do so at once, after a while.
    pub fn close(&self, code: CloseCode, reason: &str) {
        if code == CloseCode::TryLater {
            if !self.is_close_held.replace(true) {
                *self.held_close.borrow_mut() = Some((code, reason.to_owned()));
                self.wake();
            }
        } else {
            self.close_now(code, reason);
        }
    }

    /// Queues what may be several frames, which count as one; without compression they would have `plain_bytes`.
    fn push_encoded(&self, bytes: Bytes, plain_bytes: usize, counted: Counted) {
        if self.closing.get().is_some() || bytes.is_empty() {
            return;
        }
        let kind = match counted {
            Counted::No => CountsAs::Answer,
            Counted::Joining => CountsAs::Joining,
            Counted::Yes if bytes.len() > LARGE_FRAME_BYTES => CountsAs::Large,
            Counted::Own if bytes.len() > LARGE_FRAME_BYTES => CountsAs::OwnLarge,
            Counted::Yes | Counted::Own => CountsAs::Live,
        };
        if kind != CountsAs::Answer && self.is_overfull(bytes.len(), kind) {
            return self.close(CloseCode::SlowConsumer, CloseCode::SlowConsumer.reason());
        }
        if matches!(self.encoding, Encoding::Deflated(_)) && bytes.len() != plain_bytes {
            metrics::COMPRESSED_BYTES_SENT.inc_by(bytes.len() as u64);
            metrics::COMPRESSED_PLAIN_BYTES_SENT.inc_by(plain_bytes as u64);
        }
        self.enqueue(bytes, kind);
    }

    fn enqueue(&self, bytes: Bytes, kind: CountsAs) {
        let mut queue = self.queue.borrow_mut();
        *queue.bytes_of(kind) += bytes.len();
        queue.frames.push_back((bytes, kind));
    }

    /// Whether a live frame of `bytes` is too much for the socket; or for all together while this one is behind, and nobody is more so.
    fn is_overfull(&self, bytes: usize, kind: CountsAs) -> bool {
        if kind == CountsAs::Joining {
            return self.queue.borrow().joining + bytes > JOINING_BYTES_MAX;
        }
        if kind == CountsAs::Large || kind == CountsAs::OwnLarge {
            let waiting = self.queue.borrow().all_large();
            let held = self.held.borrow();
            return waiting > 0 && waiting + bytes > LARGE_FRAMES_MAX * self.bytes_max
                || kind == CountsAs::OwnLarge && held.bytes() > 0 && !held.demand(bytes);
        }
        let own = self.queue.borrow().live + bytes;
        own > self.bytes_max || (own > bytes && !self.held.borrow().demand(bytes))
    }

    /// Writes until the peer takes no more, or until it is others' turn. An error means that the connection is gone.
    pub fn write(&self) -> io::Result<Written> {
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else { return Ok(Written::AsMuchAsGoes) };
        self.write_to(
            |frames| if frames.is_empty() { stream.try_flush().map(|()| 0) } else { write_front(stream, frames) },
            || stream.unsent(),
        )
    }

    fn write_to(
        &self,
        write: impl Fn(&VecDeque<(Bytes, CountsAs)>) -> io::Result<usize>,
        unsent: impl Fn() -> usize,
    ) -> io::Result<Written> {
        let mut queue = self.queue.borrow_mut();
        let mut turn = 0;
        while turn < TURN_BYTES && (!queue.frames.is_empty() || unsent() > 0) {
            match write(&queue.frames) {
                Ok(written) => {
                    turn += written;
                    self.written.set(self.written.get() + written as u64);
                    if self.is_blocked.get() {
                        self.progressed.set(Instant::now());
                    }
                    self.take_off(&mut queue, written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.is_blocked.replace(true) {
                        self.progressed.set(Instant::now());
                    }
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let unsent = unsent();
        if queue.frames.is_empty() && unsent == 0 {
            self.is_blocked.set(false);
            if queue.frames.capacity() > WRITE_FRAMES_MAX {
                queue.frames = VecDeque::new();
            }
            if self.is_ping_waiting.replace(false) {
                self.ping_left.set(Instant::now());
            }
        }
        // What the peer takes at once never gets there.
        self.held.borrow_mut().set(queue.counted() + unsent);
        if turn < TURN_BYTES {
            return Ok(Written::AsMuchAsGoes);
        }
        // What waits now is not the peer's doing.
        self.progressed.set(Instant::now());
        Ok(Written::Turn)
    }

    fn take_off(&self, queue: &mut FrameQueue, mut written: usize) {
        while let Some((frame, kind)) = queue.frames.front_mut() {
            let (part, kind) = (written.min(frame.len()), *kind);
            let is_whole = part == frame.len();
            frame.advance(part);
            *queue.bytes_of(kind) -= part;
            written -= part;
            if !is_whole {
                queue.is_begun |= part > 0;
                return;
            }
            if kind == CountsAs::Answer {
                self.state.set(Delivery::Delivered);
                self.wake();
            }
            queue.frames.pop_front();
            queue.is_begun = false;
        }
    }

    /// Closes now, with a close frame behind what waits; a slow peer gets no more than that.
    pub fn close_now(&self, code: CloseCode, reason: &str) {
        if self.closing.get().is_some() {
            return;
        }
        if code == CloseCode::SlowConsumer {
            metrics::SLOW_CONSUMERS.inc();
            self.drop_waiting();
        }
        self.enqueue(Frame::close(code.code(), reason).encoded(self.encoding).clone(), CountsAs::Live);
        self.closing.set(Some(code));
        self.wake();
    }

    /// Answers the peer's close frame with its own code (RFC 6455 section 5.5.1).
    pub fn answer_close(&self, code: Option<u16>) {
        if self.closing.get().is_none() {
            let close = Frame::close(code.unwrap_or(CloseCode::Normal.code()), "");
            self.enqueue(close.encoded(self.encoding).clone(), CountsAs::Live);
            self.closing.set(Some(CloseCode::Normal));
            self.wake();
        }
    }

    /// As [`flush`](Self::flush), for a ping, which a peer's keep-alive watchdog does not see.
    pub fn flush_ping(&self) {
        let spoke = self.spoke.get();
        self.is_ping_waiting.set(true);
        self.flush();
        self.spoke.set(spoke);
    }

    /// When the last ping, and all that stood before it, was handed to the kernel. An older time while it waits.
    pub fn ping_left(&self) -> Instant {
        self.ping_left.get()
    }

    /// Drops what waits, but for a frame that the peer has the beginning of.
    fn drop_waiting(&self) {
        let mut queue = self.queue.borrow_mut();
        let begun = if queue.is_begun { queue.frames.pop_front() } else { None };
        *queue = FrameQueue { is_begun: queue.is_begun, ..FrameQueue::default() };
        drop(queue);
        if let Some((frame, kind)) = begun {
            self.enqueue(frame, kind);
            self.queue.borrow_mut().is_begun = true;
        }
        let counted = self.queue.borrow().counted();
        self.held.borrow_mut().set(counted);
    }

    /// Lets go of the stream and of all frames; pushes go nowhere from now on.
    pub fn release(&self) {
        self.closing.set(self.closing.get().or(Some(CloseCode::Normal)));
        self.stream.take();
        self.queue.borrow_mut().is_begun = false;
        self.drop_waiting();
        self.waker.take();
    }
}

/// Offers the first frames to the peer; how many bytes it takes.
fn write_front(stream: &Stream, frames: &VecDeque<(Bytes, CountsAs)>) -> io::Result<usize> {
    if let [(frame, _)] = frames.as_slices().0
        && frames.len() == 1
    {
        return stream.try_write(&[IoSlice::new(frame)]);
    }
    let mut parts = [IoSlice::new(&[]); WRITE_FRAMES_MAX];
    let count = frames.len().min(WRITE_FRAMES_MAX);
    for (part, (frame, _)) in parts.iter_mut().zip(frames) {
        *part = IoSlice::new(frame);
    }
    stream.try_write(&parts[..count])
}

impl Connection for Outbox {
    fn flush(&self) {
        Outbox::flush(self);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        Outbox::close(self, code, reason);
    }

    fn offer(&self, frame: &Frame) {
        if 2 * (self.queue.borrow().live + frame.encoded(self.encoding).len()) <= self.bytes_max || !self.is_waiting() {
            self.push(frame, Counted::Yes);
        }
    }

    fn check_tokens(&self) {
        self.is_token_doubted.set(true);
        self.wake();
    }

    fn stop_reading(&self) {
        self.is_stopped.set(true);
        if let Some(farewell) = self.farewell.take() {
            self.push(&farewell, Counted::Yes);
            self.flush();
        }
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::budget::ByteBudget;
    use crate::socket::stream::Detached;

    #[test]
    fn a_peer_that_takes_as_fast_as_it_is_sent_to_is_sent_a_turn_at_a_time() {
        actix_rt::System::new().block_on(async {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let stream = Rc::new(Stream::adopt(Detached::Unix(ours)).unwrap());
            let budget = ByteBudget::new(1 << 20, None);
            let outbox = Outbox::new(stream, Bytes::new(), Encoding::Plain, 1 << 20, budget.hold(0));
            let frame = Frame::binary(&[&vec![0; 16 * TURN_BYTES]]);
            outbox.push(&frame, Counted::No);
            let turn = || {
                let before = outbox.written();
                let piece = |frames: &VecDeque<(Bytes, CountsAs)>| {
                    Ok(frames.front().map_or(0, |(frame, _)| frame.len().min(TURN_BYTES / 4)))
                };
                let written = outbox.write_to(piece, || 0).unwrap();
                (written, outbox.written() - before)
            };
            for _ in 0..16 {
                assert_eq!((turn(), outbox.is_waiting()), ((Written::Turn, TURN_BYTES as u64), true));
            }
            let rest = frame.plain_bytes() - 16 * TURN_BYTES;
            assert_eq!((turn(), outbox.is_waiting()), ((Written::AsMuchAsGoes, rest as u64), false));
        });
    }
}
