//! A stretch of a room's history as it is stored: the index of its edits, and the blocks that they inserted, merged.

use bytes::Bytes;

use super::index::Index;
use crate::ids::Seq;
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};
use crate::store::HistorySegment;

/// The only layout that there is.
const LAYOUT: u8 = 1;

/// What a stored segment holds.
#[derive(Debug)]
pub(super) struct Segment {
    pub index: Index,
    /// What its edits inserted, with the content of what was deleted later.
    pub blocks: Bytes,
    /// Edits up to its end that did not join by then.
    pub pending: Vec<Bytes>,
}

/// A segment's row.
pub(super) fn encode(upto: Seq, index: &Index, blocks: &[u8], pending: &[&Bytes]) -> HistorySegment {
    let mut body = vec![LAYOUT];
    index.encode(&mut body);
    put_buf(&mut body, blocks);
    put_var_uint(&mut body, pending.len() as u64);
    pending.iter().for_each(|update| put_buf(&mut body, update));
    HistorySegment { after: index.begins_after(), seq: upto, body: body.into() }
}

/// Reads a segment's row.
pub(super) fn decode(row: &HistorySegment) -> Result<Segment, DecodeError> {
    let mut input = Input::new(&row.body);
    if input.u8()? != LAYOUT {
        return Err(DecodeError::UnknownType);
    }
    let index = Index::decode(&mut input)?;
    let blocks = input.buf()?;
    let mut pending = Vec::new();
    for _ in 0..input.count(1)? {
        pending.push(input.buf()?);
    }
    if index.begins_after() != row.after || !input.is_empty() {
        return Err(DecodeError::TooMany);
    }
    Ok(Segment { index, blocks, pending })
}
