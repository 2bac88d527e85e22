#![no_main]
//! A history of updates, each behind its length, as edits of a pack: they come back to the byte. And any bytes as a pack's columns, behind
//! a good checksum: read within the bounds of a pack, or refused.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::ids::{Seq, UserId};
use tutti::pack::{Bodies, PACK_BYTES_MAX, PACK_ENTRIES_MAX, PACKED_BODY_BYTES_MAX, PackedEdit, decode, encode};

const LAYOUT: u8 = 1;

/// The bodies of a history; a length that lies means all that is left.
fn edits(mut bytes: &[u8]) -> Vec<PackedEdit> {
    let mut edits = Vec::new();
    while let [author, low, high, rest @ ..] = bytes {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let body = Bytes::copy_from_slice(&rest[..len]);
        bytes = &rest[len..];
        let number = edits.len() as u64 + 1;
        let user = |number: u8| UserId::new(format!("user-{number}"));
        let via = (author & 0x80 != 0).then(|| user(author & 7));
        edits.push(PackedEdit {
            seq: Seq(number * u64::from(*author) + number),
            author: user(author & 0x7f),
            via,
            at_ms: i64::from(*author) << (author & 0x3f),
            body,
        });
    }
    edits
}

fuzz_target!(|bytes: &[u8]| {
    let edits = edits(bytes);
    if edits.len() <= PACK_ENTRIES_MAX {
        for bodies in [Bodies::InColumns, Bodies::AsTheyAre] {
            assert_eq!(decode(&encode(&edits, bodies)).as_ref(), Ok(&edits));
        }
    }
    let mut checksum = flate2::Crc::new();
    checksum.update(bytes);
    let pack = [&[LAYOUT][..], &checksum.sum().to_le_bytes(), bytes].concat();
    if let Ok(unpacked) = decode(&pack) {
        assert!(unpacked.len() <= PACK_ENTRIES_MAX);
        let held: usize = unpacked.iter().map(|edit| edit.body.len()).sum();
        assert!(held <= PACK_BYTES_MAX + PACKED_BODY_BYTES_MAX);
        assert_eq!(decode(&encode(&unpacked, Bodies::InColumns)), Ok(unpacked));
    }
});
