//! A column as it is stored: how long it is, and itself, compressed where that makes it shorter.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::edit::Damaged;

/// How hard it is tried to make a column short.
const LEVEL: u8 = 9;

/// Appends a column.
pub fn put_column(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    if bytes.is_empty() {
        return;
    }
    let packed = compress_to_vec(bytes, LEVEL);
    let stored = if packed.len() < bytes.len() { &packed } else { bytes };
    put(out, stored.len() as u64);
    out.extend_from_slice(stored);
}

/// Takes the column at the front of `stored`. It is no longer than what is `left`, from which it is taken off.
///
/// # Errors
/// It is damaged, or too long.
pub fn take_column(stored: &mut &[u8], left: &mut usize) -> Result<Vec<u8>, Damaged> {
    let Some((len, packed)) = next(stored)? else { return Ok(Vec::new()) };
    *left = left.checked_sub(len).ok_or(Damaged::Columns)?;
    if packed.len() == len {
        return Ok(packed.to_vec());
    }
    let bytes = decompress_to_vec_with_limit(packed, len).map_err(|_| Damaged::Columns)?;
    if bytes.len() == len { Ok(bytes) } else { Err(Damaged::Columns) }
}

/// Passes over the column at the front of `stored`.
pub(super) fn pass_column(stored: &mut &[u8]) -> Result<(), Damaged> {
    next(stored).map(drop)
}

/// The next column's length, and what is stored of it; nothing of an empty one.
fn next<'s>(stored: &mut &'s [u8]) -> Result<Option<(usize, &'s [u8])>, Damaged> {
    let len = read_len(stored)?;
    if len == 0 {
        return Ok(None);
    }
    let packed_len = read_len(stored)?;
    let (packed, rest) = stored.split_at_checked(packed_len).ok_or(Damaged::Columns)?;
    *stored = rest;
    Ok(Some((len, packed)))
}

fn read_len(stored: &mut &[u8]) -> Result<usize, Damaged> {
    let (value, len) = number(stored).ok_or(Damaged::Columns)?;
    *stored = &stored[len..];
    usize::try_from(value).map_err(|_| Damaged::Columns)
}

/// Appends a number, 7 bits a byte.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The number at the front of `bytes` and its length there; `None` unless it is written as [`put`] writes it.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && byte > 1 {
            return None;
        }
        number |= bits << (7 * at);
        if byte < 0x80 {
            return (byte != 0 || at == 0).then_some((number, at + 1));
        }
    }
    None
}
