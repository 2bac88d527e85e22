//! The columns of a pack: each is a run of bytes of its own, compressed where that makes it shorter.

use super::column::{number, pass_column, put, put_column, take_column};
use super::edit::Damaged;

/// What columns may hold beside bodies, which are no longer in columns than four times themselves.
const HEADS_BYTES_MAX: usize = 4 << 20;

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
        self.bytes.iter().for_each(|bytes| put_column(&mut out, bytes));
        out
    }

    /// Reads what was stored of bodies that are no longer together than `bodies_max`.
    pub fn decode(stored: &[u8], bodies_max: usize) -> Result<Self, Damaged> {
        Self::decode_some(stored, bodies_max, |_| true)
    }

    /// Reads some of the columns; the others are empty.
    pub fn decode_some(
        mut stored: &[u8],
        bodies_max: usize,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Result<Self, Damaged> {
        let mut columns = Self::default();
        let mut left = bodies_max.saturating_mul(4).saturating_add(HEADS_BYTES_MAX);
        for (column, bytes) in columns.bytes.iter_mut().enumerate() {
            match is_wanted(column) {
                true => *bytes = take_column(&mut stored, &mut left)?,
                false => pass_column(&mut stored)?,
            }
        }
        if stored.is_empty() { Ok(columns) } else { Err(Damaged::Columns) }
    }
}
