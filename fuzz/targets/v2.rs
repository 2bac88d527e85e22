#![no_main]
//! Any bytes as an update in v2: refused, or rewritten in v1 within the bound, the same each time.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::document::{Blocks, from_v2};

const BYTES_MAX: usize = 64 << 10;
/// A block is written whole before it is looked at: it holds no more than the update does, and some numbers.
const SLACK: usize = 1024;

fuzz_target!(|bytes: &[u8]| {
    let update = Bytes::copy_from_slice(bytes);
    let Ok(rewritten) = from_v2(&update, BYTES_MAX) else { return };
    assert!(rewritten.len() <= BYTES_MAX + bytes.len() + SLACK, "{} bytes of {}", rewritten.len(), bytes.len());
    assert_eq!(from_v2(&update, BYTES_MAX).as_ref(), Ok(&rewritten));
    let mut document = Blocks::new(BYTES_MAX, false);
    let before = document.state();
    if document.apply(&rewritten).is_err() {
        assert_eq!(document.state(), before, "nothing is left");
    }
});
