#![no_main]
//! Any bytes as a message of the Hocuspocus provider: read or refused, and nothing is read that was not sent.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::protocol::hocuspocus::{self, Message};
use tutti::protocol::yjs;

fuzz_target!(|bytes: &[u8]| {
    let frame = Bytes::copy_from_slice(bytes);
    let beginning = hocuspocus::edit_beginning(&frame);
    let Ok(Some(read)) = hocuspocus::decode(&frame) else { return };
    assert!(read.address.len() + read.message.bytes() <= bytes.len());
    let address = std::str::from_utf8(&read.address).expect("an address is checked to be text");
    assert!(address.starts_with(hocuspocus::document(address)));
    match &read.message {
        Message::Yjs(yjs::Message::Step2(_) | yjs::Message::Update(_)) => {
            assert_eq!(beginning.map(|(address, _)| address), Some(read.address.clone()));
        }
        Message::Auth { token, .. } => assert!(std::str::from_utf8(token).is_ok()),
        Message::Stateless(payload) => {
            let again = hocuspocus::stateless(address, payload);
            let again = hocuspocus::decode(&Bytes::copy_from_slice(again.payload())).expect("our own message");
            assert_eq!(again, Some(read.clone()));
        }
        _ => {}
    }
});
