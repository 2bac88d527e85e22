#![no_main]
//! Any bytes as a client's stream, compressed messages agreed on or not: messages or an error, the same however the bytes are cut, and no
//! more held than the limits say.

use libfuzzer_sys::fuzz_target;
use tutti::wire::deflate::Inflater;
use tutti::wire::{Message, MessageLimits, Reader, WireError};

const LIMIT: usize = 2000;
/// What is held beside a message: what inflates it, and the byte that tells that there is more.
const SLACK: usize = size_of::<Inflater>() + 1;

/// The messages of a stream that comes in pieces of `piece` bytes and is inflated in steps of `step`, and how it ends.
fn read(stream: &[u8], flags: u8, piece: usize, step: usize) -> (Vec<Message>, Option<WireError>) {
    let skipped_bytes_max = if flags & 2 == 2 { 1 << 20 } else { 0 };
    let mut reader = Reader::new(MessageLimits { message_bytes_max: LIMIT, fragments_max: 8, skipped_bytes_max });
    if flags & 1 == 1 {
        reader.take_compressed();
    }
    let mut messages = Vec::new();
    for mut input in stream.chunks(piece) {
        loop {
            reader.allow(step);
            match reader.read(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) if reader.is_paused() => {}
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
            assert!(reader.unfinished_bytes() <= LIMIT + SLACK, "{} bytes held", reader.unfinished_bytes());
        }
        assert!(input.is_empty(), "all is taken");
    }
    (messages, None)
}

fuzz_target!(|bytes: &[u8]| {
    let [flags, piece, step, stream @ ..] = bytes else { return };
    let whole = read(stream, *flags, usize::MAX, usize::MAX);
    assert_eq!(read(stream, *flags, usize::from(*piece).max(1), usize::from(*step).max(1)), whole);
    for message in whole.0 {
        let (Message::Text(payload) | Message::Binary(payload)) = message else { continue };
        assert!(payload.len() <= LIMIT);
    }
});
