//! Awareness entries of y-protocols: a client's id, a clock and a JSON state. States stay raw text here: most entries are
//! dropped by their clock, so nothing is parsed before that.

use bytes::Bytes;

use super::DecodeError;
use super::lib0::{Input, put_buf, put_var_uint};

/// Most entries in one message. A client sends those it knows of at once, so this bounds the people of a room too.
const ENTRIES_MAX: u64 = 10_000;

/// States gathered in one message, in bytes; one more may be added.
const CHUNK_BYTES: usize = 16 * 1024;
/// What an entry has beside its state, about.
const ENTRY_BYTES: usize = 24;

/// What stands for "gone" in place of a state.
const GONE: &[u8] = b"null";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The Yjs client that the state describes.
    pub client: u64,
    /// Raised by its owner with each change.
    pub clock: u64,
    /// The state as JSON text, unchecked; `None` when the client is gone.
    pub state: Option<Bytes>,
}

/// Reads the entries of an awareness message.
pub fn decode(body: &Bytes) -> Result<Vec<Entry>, DecodeError> {
    let mut input = Input::new(body);
    let count = input.var_uint()?;
    // An entry has at least three bytes, which bounds what a claimed count can make us reserve.
    if count > ENTRIES_MAX || count > input.remaining() as u64 / 3 {
        return Err(if count > ENTRIES_MAX { DecodeError::TooMany } else { DecodeError::Truncated });
    }
    let mut entries = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let client = input.var_uint()?;
        let clock = input.var_uint()?;
        let state = input.buf()?;
        entries.push(Entry { client, clock, state: (state != GONE).then_some(state) });
    }
    Ok(entries)
}

/// Writes entries as the body of an awareness message.
pub fn encode<'a>(entries: impl ExactSizeIterator<Item = &'a Entry>) -> Vec<u8> {
    let mut out = Vec::new();
    put_var_uint(&mut out, entries.len() as u64);
    for entry in entries {
        put_var_uint(&mut out, entry.client);
        put_var_uint(&mut out, entry.clock);
        put_buf(&mut out, entry.state.as_deref().unwrap_or(GONE));
    }
    out
}

/// Writes entries as the bodies of as many messages as keep each small enough for a reader to send back.
pub fn chunks(entries: &[Entry]) -> impl Iterator<Item = Vec<u8>> {
    let mut bytes = 0;
    let chunks = entries.chunk_by(move |_, next| {
        bytes += next.state.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES;
        let fits = bytes <= CHUNK_BYTES;
        if !fits {
            bytes = 0;
        }
        fits
    });
    chunks.map(|chunk| encode(chunk.iter()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_golden_bytes_are_read_and_written() {
        let state = Bytes::from_static(br#"{"user":{"name":"A"}}"#);
        let present = Entry { client: 1, clock: 1, state: Some(state) };
        let gone = Entry { client: 1, clock: 2, state: None };
        let mut raw = vec![1, 1, 1, 0x15];
        raw.extend_from_slice(br#"{"user":{"name":"A"}}"#);
        assert_eq!(encode([&present].into_iter()), raw);
        assert_eq!(decode(&raw.into()), Ok(vec![present]));
        assert_eq!(encode([&gone].into_iter()), *b"\x01\x01\x02\x04null");
        assert_eq!(decode(&Bytes::from_static(b"\x01\x01\x02\x04null")), Ok(vec![gone]));
        assert_eq!(encode([].into_iter()), [0]);
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused() {
        assert_eq!(decode(&Bytes::from_static(&[5, 1, 1, 0])), Err(DecodeError::Truncated));
        assert_eq!(decode(&Bytes::from_static(&[0xff, 0xff, 0x7f])), Err(DecodeError::TooMany));
        assert_eq!(decode(&Bytes::new()), Err(DecodeError::Truncated));
    }

    proptest! {
        #[test]
        fn rule_27_any_bytes_are_read_or_refused(count in 0u8..5, raw in prop::collection::vec(any::<u8>(), 0..60)) {
            let body = Bytes::from([&[count], &raw[..]].concat());
            if let Ok(entries) = decode(&body) {
                prop_assert_eq!(decode(&encode(entries.iter()).into()), Ok(entries.clone()));
                let read: Result<Vec<_>, _> = chunks(&entries).map(|chunk| decode(&chunk.into())).collect();
                prop_assert_eq!(read.map(|read| read.concat()), Ok(entries));
            }
        }
    }
}
