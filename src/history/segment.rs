//! A stretch of a room's history as it is stored: the index of its edits, and the blocks that they inserted, merged.

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::index::Index;
use crate::ids::Seq;
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};
use crate::store::HistorySegment;

/// Layouts: as it is, which is only read any more; and compressed, after its length.
const PLAIN: u8 = 1;
const COMPRESSED: u8 = 2;
/// How hard it is tried to make it short.
const LEVEL: u8 = 6;
/// No bytes are compressed to less than one of so many.
const RATIO_MAX: u64 = 1_032;

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
    let content = content(index, blocks, pending);
    let mut body = vec![COMPRESSED];
    put_var_uint(&mut body, content.len() as u64);
    body.extend(compress_to_vec(&content, LEVEL));
    HistorySegment { after: index.begins_after(), seq: upto, body: body.into() }
}

fn content(index: &Index, blocks: &[u8], pending: &[&Bytes]) -> Vec<u8> {
    let mut content = Vec::new();
    index.encode(&mut content);
    put_buf(&mut content, blocks);
    put_var_uint(&mut content, pending.len() as u64);
    pending.iter().for_each(|update| put_buf(&mut content, update));
    content
}

/// Reads a segment's row.
pub(super) fn decode(row: &HistorySegment) -> Result<Segment, DecodeError> {
    let mut stored = Input::new(&row.body);
    let content = match stored.u8()? {
        PLAIN => row.body.slice(1..),
        COMPRESSED => inflated(&mut stored)?,
        _ => return Err(DecodeError::UnknownType),
    };
    let mut input = Input::new(&content);
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

fn inflated(stored: &mut Input<'_>) -> Result<Bytes, DecodeError> {
    let len = stored.var_uint()?;
    if len / RATIO_MAX > stored.remaining() as u64 {
        return Err(DecodeError::TooMany);
    }
    let compressed = stored.take(stored.remaining() as u64)?;
    let content = decompress_to_vec_with_limit(compressed, len as usize).map_err(|_| DecodeError::Truncated)?;
    if content.len() as u64 == len { Ok(content.into()) } else { Err(DecodeError::Truncated) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_as_it_was_written_by_this_release_and_the_one_before() {
        let (index, blocks) = (Index::after(Seq(3)), vec![7; 1_000]);
        let later = Bytes::from_static(b"later");
        let pending = [&later];
        let row = encode(Seq(9), &index, &blocks, &pending);
        assert!(row.body.len() < 100);
        let plain = [&[PLAIN], &content(&index, &blocks, &pending)[..]].concat();
        for body in [row.body.clone(), plain.into()] {
            let segment = decode(&HistorySegment { body, ..row.clone() }).unwrap();
            assert_eq!(
                (segment.index.begins_after(), &segment.blocks[..], &segment.pending[..]),
                (Seq(3), &blocks[..], &[later.clone()][..])
            );
        }
    }

    #[test]
    fn a_segment_that_is_cut_or_says_it_is_longer_is_refused() {
        let row = encode(Seq(9), &Index::after(Seq(3)), &[7; 1_000], &[]);
        let cut = (0..row.body.len()).map(|len| row.body.slice(..len));
        let long = Bytes::from([&[COMPRESSED, 0xff, 0xff, 0xff, 0xff, 0x7f], &row.body[3..]].concat());
        for body in cut.chain([long]) {
            assert!(decode(&HistorySegment { body, ..row.clone() }).is_err());
        }
    }
}
