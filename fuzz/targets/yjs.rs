#![no_main]
//! Any bytes as a message of y-websocket: read or refused, and nothing is read that was not sent.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::protocol::{EditKind, yjs};

fuzz_target!(|bytes: &[u8]| {
    let frame = Bytes::copy_from_slice(bytes);
    let beginning = yjs::edit_beginning(&frame);
    let Ok(messages) = yjs::decode(&frame) else { return };
    assert!(messages.len() <= 64);
    assert!(messages.iter().map(yjs::Message::bytes).sum::<usize>() <= bytes.len());
    // The beginning of a whole message says of it what reading it does.
    match &messages[0] {
        yjs::Message::Step2(_) => assert_eq!(beginning, Some(EditKind::Step2)),
        yjs::Message::Update(update) => {
            assert_eq!(beginning, Some(EditKind::Update));
            let again = yjs::update(update);
            let again = yjs::decode(&Bytes::copy_from_slice(again.payload())).expect("our own message");
            assert_eq!(again[0], messages[0]);
        }
        // What is cut short is unknown only behind its type.
        yjs::Message::Unknown => {}
        _ => assert_eq!(beginning, None),
    }
});
