//! Compresses one message at a time.

use std::cell::RefCell;

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};

/// The fastest one that is worth its bytes: docs/PERFORMANCE.md compares them.
const LEVEL: i32 = 1;
/// What a flush ends with, which is left out of each message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

struct Deflater {
    state: CompressorOxide,
    out: Vec<u8>,
}

thread_local! {
    /// 300 KiB, so one a thread.
    static DEFLATER: RefCell<Deflater> = RefCell::new(Deflater {
        state: CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, -15, 0)),
        out: Vec::new(),
    });
}

/// Hands on `message` compressed, if that is at most `bytes_max` long.
pub fn deflate<T>(message: &[u8], bytes_max: usize, then: impl FnOnce(&[u8]) -> T) -> Option<T> {
    DEFLATER.with_borrow_mut(|Deflater { state, out }| {
        state.reset();
        // A byte more than is needed tells that all was written.
        let room = bytes_max + TAIL.len() + 1;
        if out.len() < room {
            out.resize(room, 0);
        }
        let (status, taken, written) = compress(state, message, &mut out[..room], TDEFLFlush::Sync);
        let is_whole = status == TDEFLStatus::Okay && taken == message.len() && written < room;
        let compressed = out[..written].strip_suffix(&TAIL).filter(|_| is_whole)?;
        Some(then(compressed))
    })
}
