//! A pack as it is stored: its layout, a checksum, its columns.

use super::columns::Columns;
use super::edit::{Bodies, Damaged, PackedEdit};
use super::join::Joiner;
use super::split::Splitter;

/// The only layout that there is.
pub(super) const LAYOUT: u8 = 1;
/// The layout's byte, and the checksum.
const HEAD_BYTES: usize = 5;

/// Packs `edits`, which follow each other by their seqs. At most [`PACK_ENTRIES_MAX`].
pub fn encode(edits: &[PackedEdit], bodies: Bodies) -> Vec<u8> {
    let mut splitter = Splitter::default();
    edits.iter().for_each(|edit| splitter.edit(edit, bodies));
    let columns = splitter.end().encode();
    let mut pack = vec![LAYOUT];
    pack.extend_from_slice(&checksum(&columns).to_le_bytes());
    pack.extend_from_slice(&columns);
    pack
}

/// Unpacks a pack. Takes no more memory than a pack may, whatever is in it.
///
/// # Errors
/// [`Damaged`]: what is returned is what was packed, or nothing.
pub fn decode(pack: &[u8]) -> Result<Vec<PackedEdit>, Damaged> {
    let (head, columns) = pack.split_at_checked(HEAD_BYTES).ok_or(Damaged::Layout)?;
    if head[0] != LAYOUT {
        return Err(Damaged::Layout);
    }
    if head[1..] != checksum(columns).to_le_bytes() {
        return Err(Damaged::Checksum);
    }
    Joiner::new(Columns::decode(columns)?)?.edits()
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
