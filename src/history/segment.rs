//! A stretch of a room's history as it is stored: the index of its edits, and the blocks that they inserted, merged. Numbers, and what an
//! update consists of, lie in columns, as in packs, which are smaller than anything else. The times of the edits are stored beside it, until
//! the edits are packed: packs have them, too.

use bytes::Bytes;

use super::index::Index;
use crate::ids::Seq;
use crate::layout::{HEAD_BYTES, Stored, Unreadable, checksum};
use crate::pack;
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};
use crate::store::HistorySegment;

/// No update is longer than so many times what is stored of it: a byte of a column stands for at most ten bytes, and no bytes are compressed
/// to less than one of 1,032.
const RATIO_MAX: u64 = 10 * 1_032;

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
pub(super) fn encode(upto: Seq, index: &Index, blocks: Bytes, pending: &[&Bytes]) -> HistorySegment {
    let mut content = Vec::new();
    index.encode(&mut content);
    put_update(&mut content, &blocks);
    put_var_uint(&mut content, pending.len() as u64);
    pending.iter().for_each(|update| put_update(&mut content, update));
    HistorySegment {
        after: index.begins_after(),
        seq: upto,
        body: sealed(Stored::Segment, &content),
        times: Some(sealed(Stored::Segment, &index.encode_times())),
    }
}

/// Reads a segment's row. Where it has no times, those of its edits are among `times`, which are ascending.
pub(super) fn decode(row: &HistorySegment, times: &[(Seq, i64)]) -> Result<Segment, Unreadable<DecodeError>> {
    let content = opened(Stored::Segment, &row.body)?;
    let mut input = Input::new(&content);
    let mut index = Index::decode(&mut input)?;
    if index.begins_after() != row.after {
        return Err(DecodeError::UnknownType.into());
    }
    match &row.times {
        Some(own) => index.take_times(&opened(Stored::Segment, own)?)?,
        None => index.find_times(times)?,
    }
    let blocks = update(&mut input)?;
    let mut pending = Vec::new();
    for _ in 0..input.count(1)? {
        pending.push(update(&mut input)?);
    }
    if input.is_empty() { Ok(Segment { index, blocks, pending }) } else { Err(DecodeError::TooMany.into()) }
}

/// Content behind its layout and checksum: who wrote what is not told from a damaged one.
pub(super) fn sealed(kind: Stored, content: &[u8]) -> Bytes {
    [&[kind.newest()], &checksum(&[content]).to_le_bytes()[..], content].concat().into()
}

/// The content of what [`sealed`] made.
pub(super) fn opened(kind: Stored, stored: &Bytes) -> Result<Bytes, Unreadable<DecodeError>> {
    let (head, content) = stored.split_first_chunk::<HEAD_BYTES>().ok_or(DecodeError::Truncated)?;
    if head[0] != kind.newest() {
        return Err(kind.unreadable(stored, DecodeError::UnknownType));
    }
    if head[1..] != checksum(&[content]).to_le_bytes() {
        return Err(DecodeError::Truncated.into());
    }
    Ok(stored.slice(head.len()..))
}

/// An update in columns, after its length.
fn put_update(out: &mut Vec<u8>, update: &Bytes) {
    put_var_uint(out, update.len() as u64);
    put_buf(out, &pack::encode_update(update));
}

fn update(input: &mut Input<'_>) -> Result<Bytes, Unreadable<DecodeError>> {
    let len = input.var_uint()?;
    let packed = input.raw_buf()?;
    if len / RATIO_MAX > packed.len() as u64 {
        return Err(DecodeError::TooMany.into());
    }
    let update = pack::decode_update(packed, len as usize).map_err(|error| error.map(|_| DecodeError::Truncated))?;
    if update.len() as u64 == len { Ok(update) } else { Err(DecodeError::Truncated.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Brought, IdRange};
    use crate::history::EditHead;
    use crate::ids::UserId;

    const TIMES: [(Seq, i64); 4] =
        [(Seq(2), 1), (Seq(4), 1_000), (Seq(6), 1_700_000_000_123), (Seq(9), 1_700_000_000_123)];

    /// Edits 4, 6 and 9.
    fn index() -> Index {
        let mut index = Index::after(Seq(3));
        for (seq, at_ms) in &TIMES[1..] {
            let head = EditHead { seq: *seq, at_ms: *at_ms, author: UserId::new("ada"), via: None, restored: None };
            let range = IdRange { client: 7, start: seq.0 as u32, end: seq.0 as u32 + 1 };
            index.push(&head, &Brought { deleted: [range].into_iter().collect(), is_work: true, ..Brought::default() });
        }
        index
    }

    fn times(index: Index) -> Vec<(Seq, i64)> {
        let mut times = Vec::new();
        let mut reader = super::super::index::Reader::default();
        reader
            .read([&index], |edit| {
                times.push((edit.seq, edit.at_ms));
                true
            })
            .unwrap();
        times
    }

    #[test]
    fn a_segment_is_read_as_it_was_written_with_its_own_times_or_those_of_its_edits() {
        let (blocks, later) = (Bytes::from(vec![7; 1_000]), Bytes::from_static(b"later"));
        let own = encode(Seq(9), &index(), blocks.clone(), &[&later]);
        assert!(own.body.len() < 200, "{}", own.body.len());
        let others = HistorySegment { times: None, ..own.clone() };
        for (row, known) in [(&own, &[][..]), (&others, &TIMES[..]), (&others, &TIMES[1..])] {
            let segment = decode(row, known).unwrap();
            assert_eq!(
                (segment.index.begins_after(), &segment.blocks, &segment.pending[..]),
                (Seq(3), &blocks, &[later.clone()][..])
            );
            assert_eq!(times(segment.index), TIMES[1..]);
        }
    }

    #[test]
    fn an_edit_whose_time_is_lost_has_that_of_the_one_before() {
        let row = HistorySegment { times: None, ..encode(Seq(9), &index(), Bytes::new(), &[]) };
        let found = |known: &[(Seq, i64)]| times(decode(&row, known).unwrap().index);
        assert_eq!(found(&[TIMES[1], TIMES[3]]), [TIMES[1], (Seq(6), 1_000), TIMES[3]]);
        assert_eq!(found(&[TIMES[2]]), [(Seq(4), TIMES[2].1), TIMES[2], (Seq(9), TIMES[2].1)]);
        assert_eq!(found(&[]), [(Seq(4), 0), (Seq(6), 0), (Seq(9), 0)]);
    }

    /// With another bit.
    fn flipped(stored: &Bytes, bit: usize) -> Bytes {
        let mut stored = stored.to_vec();
        stored[bit / 8] ^= 1 << (bit % 8);
        stored.into()
    }

    /// An array of so many empty maps, one behind another: their blocks do not merge, and all are alike.
    fn alike(maps: u32) -> Bytes {
        let mut update = Vec::new();
        [1, maps.into(), 1 << 31, 0].into_iter().for_each(|number| put_var_uint(&mut update, number));
        update.extend_from_slice(&[7, 1, 1, b'a', 1]);
        for left in 0..maps - 1 {
            update.push(0x87);
            [1 << 31, left.into(), 1].into_iter().for_each(|number| put_var_uint(&mut update, number));
        }
        update.push(0);
        update.into()
    }

    #[test]
    fn what_becomes_far_smaller_in_columns_is_read_again() {
        let blocks = alike(100_000);
        let row = encode(Seq(9), &index(), blocks.clone(), &[]);
        assert!(row.body.len() * 1_032 < blocks.len(), "{} of {}", row.body.len(), blocks.len());
        assert!(decode(&row, &[]).unwrap().blocks == blocks);
    }

    #[test]
    fn a_segment_is_newer_if_any_part_of_it_is() {
        let row = encode(Seq(9), &index(), vec![7; 1_000].into(), &[]);
        let raised = |stored: &Bytes| {
            let (number, behind) = ([stored[0] + 1], &stored[HEAD_BYTES..]);
            Bytes::from([&number, &checksum(&[&number, behind]).to_le_bytes()[..], behind].concat())
        };
        let body = HistorySegment { body: raised(&row.body), ..row.clone() };
        let own = HistorySegment { times: row.times.as_ref().map(raised), ..row.clone() };
        for row in [body, own] {
            assert!(matches!(decode(&row, &[]), Err(Unreadable::Newer(newer)) if newer.stored == Stored::Segment));
        }
        let (mut content, packed) = (Vec::new(), raised(&pack::encode_update(&Bytes::from_static(&[0, 0])).into()));
        put_var_uint(&mut content, 2);
        put_buf(&mut content, &packed);
        let found = update(&mut Input::new(&content.into()));
        assert!(matches!(found, Err(Unreadable::Newer(newer)) if newer.stored == Stored::Pack));
    }

    #[test]
    fn a_segment_that_is_cut_changed_or_says_it_is_longer_is_refused() {
        let row = encode(Seq(9), &index(), vec![7; 1_000].into(), &[]);
        for len in 0..row.body.len() {
            assert!(decode(&HistorySegment { body: row.body.slice(..len), ..row.clone() }, &[]).is_err(), "{len}");
        }
        let own = row.times.clone().unwrap();
        for len in 0..own.len() {
            assert!(decode(&HistorySegment { times: Some(own.slice(..len)), ..row.clone() }, &[]).is_err(), "{len}");
        }
        for at in 0..row.body.len() * 8 {
            assert!(decode(&HistorySegment { body: flipped(&row.body, at), ..row.clone() }, &[]).is_err(), "{at}");
        }
        for at in 0..own.len() * 8 {
            assert!(decode(&HistorySegment { times: Some(flipped(&own, at)), ..row.clone() }, &[]).is_err(), "{at}");
        }
        let mut long = Vec::new();
        put_var_uint(&mut long, 1 << 40);
        put_buf(&mut long, &pack::encode_update(&Bytes::from_static(&[0, 0])));
        assert_eq!(update(&mut Input::new(&long.into())), Err(DecodeError::TooMany.into()));
    }
}
