//! Repeats a path that every keystroke takes, for `scripts/instructions.sh` to count what one pass costs: `hot_paths PATH TIMES`.
//! Without arguments it does nothing.

use std::cell::Cell;
use std::hint::black_box;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use tutti::document::Blocks;
use tutti::protocol::{CloseCode, Dialect, lib0::put_var_uint, yjs};
use tutti::room::{LocalRelay, Outbound, Outlet, Relays, RoomKey};
use tutti::wire::{Encoding, Frame, MessageLimits, Reader, Run, header};

const DOCUMENT_BYTES_MAX: usize = 64 << 20;
/// Members that a turn is shown to.
const MEMBERS: u32 = 50;
const MASK: [u8; 4] = [7, 77, 177, 222];

/// One character that a Yjs client types behind its last one.
fn keystroke(client: u64, clock: u32) -> Bytes {
    keystrokes_of(client, clock..clock + 1).remove(0)
}

/// Made in one buffer, so that what an edit costs is not hidden behind its making.
fn keystrokes_of(client: u64, clocks: Range<u32>) -> Vec<Bytes> {
    let (mut all, mut ends) = (Vec::with_capacity(32 * clocks.len()), Vec::with_capacity(clocks.len()));
    for clock in clocks {
        all.extend_from_slice(&[1, 1]);
        put_var_uint(&mut all, client);
        put_var_uint(&mut all, clock.into());
        match clock.checked_sub(1) {
            None => all.extend_from_slice(&[0x04, 1, 1, b't']),
            Some(before) => {
                all.push(0x84);
                put_var_uint(&mut all, client);
                put_var_uint(&mut all, before.into());
            }
        }
        all.extend_from_slice(&[1, b'x', 0]);
        ends.push(all.len());
    }
    let all = Bytes::from(all);
    let begins = std::iter::once(0).chain(ends.iter().copied());
    begins.zip(&ends).map(|(begin, end)| all.slice(begin..*end)).collect()
}

fn keystrokes(times: u32) -> Vec<Bytes> {
    keystrokes_of(900, 0..times)
}

fn empty() -> Blocks {
    Blocks::new(DOCUMENT_BYTES_MAX, false)
}

/// A client's frame becomes a message of the protocol.
fn decode(times: u32) {
    let message = yjs::update(&keystroke(900, 70_000)).payload().to_vec();
    let mut raw = vec![0x82, 0x80 | u8::try_from(message.len()).expect("a short message")];
    raw.extend_from_slice(&MASK);
    let start = raw.len();
    raw.extend_from_slice(&message);
    header::unmask(&mut raw[start..], MASK, 0);
    let mut reader = Reader::new(MessageLimits { message_bytes_max: 1 << 20, fragments_max: 4, skipped_bytes_max: 0 });
    for _ in 0..times {
        let message = reader.read(&mut black_box(&raw[..])).expect("a good frame").expect("a whole frame");
        let tutti::wire::Message::Binary(message) = message else { unreachable!("it was sent as binary") };
        black_box(yjs::decode(&message).expect("a good message"));
    }
}

/// An edit is scanned and taken into the document.
fn apply(times: u32) {
    let mut document = empty();
    for edit in keystrokes(times) {
        black_box(document.apply(&edit).expect("a good edit"));
    }
}

/// An edit becomes the frame that all who see it get.
fn encode(times: u32) {
    let edit = keystroke(900, 70_000);
    for _ in 0..times {
        black_box(yjs::update(black_box(&edit)));
    }
}

/// Where a member's frames go, counted.
struct Counted(Rc<Cell<u32>>);

impl Outlet for Counted {
    fn push(&self, frame: &Frame, _: tutti::room::Counted) {
        black_box(frame.encoded(Encoding::Plain).clone());
        self.0.set(self.0.get() + 1);
    }

    fn push_run(&self, run: &Run, _: tutti::room::Counted) {
        black_box(run.encoded(Encoding::Plain));
        self.0.set(self.0.get() + 1);
    }

    fn flush(&self) {}
    fn credit(&self, _: usize) {}
    fn close(&self, _: CloseCode, _: &str) {}
}

/// A room's turn of one edit goes through the relay to fifty members.
fn fan_out(times: u32) {
    actix_rt::System::new().block_on(async {
        let relays = Relays::default();
        let relay = LocalRelay::current(&relays);
        let mut outbound = Outbound::new(RoomKey(1));
        let link = outbound.link(&relay.handle());
        let pushed = Rc::new(Cell::new(0));
        for _ in 0..MEMBERS {
            outbound.attach(link, relay.seat(Rc::new(Counted(pushed.clone()))), Dialect::Yjs);
        }
        let frame = yjs::update(&keystroke(900, 70_000));
        for pass in 1..=times {
            outbound.broadcast(Dialect::Yjs, black_box(&frame), None, &[]);
            outbound.flush(true);
            while pushed.get() < pass * MEMBERS {
                actix_rt::task::yield_now().await;
            }
        }
    });
}

/// A document is loaded from its keystrokes.
fn load(times: u32) {
    assert!(black_box(empty().load(&keystrokes(times))).is_empty(), "good edits");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, times] = arguments.as_slice() else { return };
    let times = times.parse().expect("a number of passes");
    match path.as_str() {
        "decode" => decode(times),
        "apply" => apply(times),
        "encode" => encode(times),
        "fan-out" => fan_out(times),
        "load" => load(times),
        _ => panic!("no such path: {path}"),
    }
}
