//! A pack as it is stored: its layout, a checksum, its columns.

use bytes::Bytes;

use super::columns::{Column, Columns};
use super::edit::{Bodies, Damaged, PACK_BYTES_MAX, PACKED_BODY_BYTES_MAX, PackedEdit};
use super::join::{Joiner, moments};
use super::split::Splitter;
use crate::ids::{Seq, UserId};
use crate::layout::{HEAD_BYTES, Stored, Unreadable, checksum};

pub(super) const LAYOUT: u8 = Stored::Pack.newest();
/// What the bodies of a pack may hold together.
const BODIES_BYTES_MAX: usize = PACK_BYTES_MAX + PACKED_BODY_BYTES_MAX;

/// Packs `edits`, which follow each other by their seqs. At most [`PACK_ENTRIES_MAX`].
pub fn encode(edits: &[PackedEdit], bodies: Bodies) -> Vec<u8> {
    let mut splitter = Splitter::default();
    edits.iter().for_each(|edit| splitter.edit(edit, bodies));
    let columns = splitter.end().encode();
    let mut pack = vec![LAYOUT];
    pack.extend_from_slice(&checksum(&[&columns]).to_le_bytes());
    pack.extend_from_slice(&columns);
    pack
}

/// Unpacks a pack. Takes no more memory than a pack may, whatever is in it.
///
/// # Errors
/// What is returned is what was packed, or nothing.
pub fn decode(pack: &[u8]) -> Result<Vec<PackedEdit>, Unreadable<Damaged>> {
    joined(pack, BODIES_BYTES_MAX)
}

/// The seqs and times of a pack's edits, without unpacking the rest.
///
/// # Errors
/// As [`decode`].
pub fn decode_times(pack: &[u8]) -> Result<Vec<(Seq, i64)>, Unreadable<Damaged>> {
    let is_wanted = |column| {
        [Column::Head, Column::Seq, Column::TimeLow, Column::TimeHigh].map(|one| one as usize).contains(&column)
    };
    Ok(moments(Columns::decode_some(checked(pack)?, BODIES_BYTES_MAX, is_wanted)?)?)
}

/// Packs an update by itself, of any length.
pub fn encode_update(update: &Bytes) -> Vec<u8> {
    let edit = PackedEdit { seq: Seq::ZERO, author: UserId::new(""), via: None, at_ms: 0, body: update.clone() };
    let packed = encode(std::slice::from_ref(&edit), Bodies::InColumns);
    if decode_update(&packed, update.len()).is_ok_and(|unpacked| unpacked == *update) {
        return packed;
    }
    encode(&[edit], Bodies::AsTheyAre)
}

/// Unpacks an update that is no longer than `bytes_max`.
///
/// # Errors
/// As [`decode`].
pub fn decode_update(packed: &[u8], bytes_max: usize) -> Result<Bytes, Unreadable<Damaged>> {
    let edit = joined(packed, bytes_max)?.pop().ok_or(Damaged::Columns)?;
    Ok(edit.body)
}

fn joined(pack: &[u8], bodies_max: usize) -> Result<Vec<PackedEdit>, Unreadable<Damaged>> {
    Ok(Joiner::new(Columns::decode(checked(pack)?, bodies_max)?, bodies_max)?.edits()?)
}

/// The columns of a pack, if it is whole.
fn checked(pack: &[u8]) -> Result<&[u8], Unreadable<Damaged>> {
    let (head, columns) = pack.split_first_chunk::<HEAD_BYTES>().ok_or(Damaged::Layout)?;
    if head[0] != LAYOUT {
        return Err(Stored::Pack.unreadable(pack, Damaged::Layout));
    }
    if head[1..] != checksum(&[columns]).to_le_bytes() {
        return Err(Damaged::Checksum.into());
    }
    Ok(columns)
}
