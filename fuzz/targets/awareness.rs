#![no_main]
//! Any bytes as awareness entries: read or refused, and the same when they are written again, in one message or in several.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::protocol::awareness::{chunks, decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(entries) = decode(&Bytes::copy_from_slice(bytes)) else { return };
    assert!(entries.len() <= 10_000);
    let all: Vec<_> = chunks(&entries).flat_map(|chunk| decode(&chunk.into()).expect("our own message")).collect();
    assert_eq!(all, entries);
    assert_eq!(decode(&encode(entries.iter()).into()), Ok(entries));
});
