//! The columns of a pack: each is a run of bytes of its own, compressed where that makes it shorter.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::edit::{Damaged, PACK_BYTES_MAX, PACKED_BODY_BYTES_MAX};

/// How hard it is tried to make a column short.
const LEVEL: u8 = 8;
/// What the columns of a pack may hold together: no body is longer in columns than four times itself, and the rest is short.
const BYTES_MAX: usize = 4 * (PACK_BYTES_MAX + PACKED_BODY_BYTES_MAX) + (4 << 20);

/// Declares the columns, in the order in which they are stored.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What a column holds.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Column { $($(#[$doc])* $name,)+ }

        /// How many there are.
        const COUNT: usize = [$(Column::$name,)+].len();
    };
}

columns! {
    /// How many edits; users; the ids of Yjs clients.
    Head,
    /// Seqs, less those before them.
    Seq,
    /// Who made it; who sent it.
    User,
    /// Times, less those before them: the low bits, and the others.
    TimeLow,
    TimeHigh,
    /// Whether the body is in columns.
    Form,
    /// Bodies that are not: their lengths, and they themselves.
    WholeLen,
    Whole,
    /// Of updates: how many clients write, how many blocks each, how many have something deleted.
    Sections,
    Blocks,
    Deletions,
    /// Whose blocks they are.
    Client,
    /// Where they begin.
    Clock,
    /// A block's first byte.
    Info,
    /// What was left of it when it was written.
    OriginClient,
    Origin,
    /// What was right of it.
    RightClient,
    Right,
    /// What it lies in, where neither is told.
    Parent,
    /// How long blocks without content are, and counts of values.
    Len,
    /// Texts: their lengths, and they themselves.
    TextLen,
    Text,
    /// Names of roots, keys, elements and marks.
    NameLen,
    Name,
    /// Values.
    ValueLen,
    Value,
    /// What is deleted: of whom, in how many ranges, from where on, how much.
    DeletedClient,
    DeletedRanges,
    Deleted,
    DeletedLen,
}

/// All columns, as they are written or as they are read.
#[derive(Debug)]
pub(super) struct Columns {
    bytes: [Vec<u8>; COUNT],
    at: [usize; COUNT],
}

impl Default for Columns {
    fn default() -> Self {
        Self { bytes: std::array::from_fn(|_| Vec::new()), at: [0; COUNT] }
    }
}

impl Columns {
    /// Writes a byte.
    pub fn push(&mut self, column: Column, byte: u8) {
        self.bytes[column as usize].push(byte);
    }

    /// Writes bytes.
    pub fn extend(&mut self, column: Column, bytes: &[u8]) {
        self.bytes[column as usize].extend_from_slice(bytes);
    }

    /// Writes a number.
    pub fn put(&mut self, column: Column, number: u64) {
        put(&mut self.bytes[column as usize], number);
    }

    /// Reads a byte.
    pub fn byte(&mut self, column: Column) -> Result<u8, Damaged> {
        let at = &mut self.at[column as usize];
        let byte = *self.bytes[column as usize].get(*at).ok_or(Damaged::Columns)?;
        *at += 1;
        Ok(byte)
    }

    /// Reads so many bytes.
    pub fn take(&mut self, column: Column, len: u64) -> Result<&[u8], Damaged> {
        let at = &mut self.at[column as usize];
        let rest = &self.bytes[column as usize][*at..];
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len()).ok_or(Damaged::Columns)?;
        *at += len;
        Ok(&rest[..len])
    }

    /// Reads a number.
    pub fn number(&mut self, column: Column) -> Result<u64, Damaged> {
        let at = &mut self.at[column as usize];
        let (number, len) = number(&self.bytes[column as usize][*at..]).ok_or(Damaged::Columns)?;
        *at += len;
        Ok(number)
    }

    /// How many columns there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        COUNT
    }

    /// Whether all that was written has been read.
    pub fn is_at_end(&self) -> bool {
        self.bytes.iter().zip(self.at).all(|(bytes, at)| bytes.len() == at)
    }

    /// As they are stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for bytes in &self.bytes {
            put(&mut out, bytes.len() as u64);
            if bytes.is_empty() {
                continue;
            }
            let packed = compress_to_vec(bytes, LEVEL);
            let stored = if packed.len() < bytes.len() { &packed } else { bytes };
            put(&mut out, stored.len() as u64);
            out.extend_from_slice(stored);
        }
        out
    }

    /// Reads what was stored.
    pub fn decode(mut stored: &[u8]) -> Result<Self, Damaged> {
        let mut columns = Self::default();
        let mut left = BYTES_MAX;
        for bytes in &mut columns.bytes {
            let len = read_len(&mut stored)?;
            if len == 0 {
                continue;
            }
            left = left.checked_sub(len).ok_or(Damaged::Columns)?;
            let packed_len = read_len(&mut stored)?;
            let (packed, rest) = stored.split_at_checked(packed_len).ok_or(Damaged::Columns)?;
            stored = rest;
            *bytes = if packed_len == len { packed.to_vec() } else { inflated(packed, len)? };
        }
        if stored.is_empty() { Ok(columns) } else { Err(Damaged::Columns) }
    }
}

fn inflated(packed: &[u8], len: usize) -> Result<Vec<u8>, Damaged> {
    let bytes = decompress_to_vec_with_limit(packed, len).map_err(|_| Damaged::Columns)?;
    if bytes.len() == len { Ok(bytes) } else { Err(Damaged::Columns) }
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
