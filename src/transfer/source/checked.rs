//! Files of a LevelDB database that notice damage. The library steps over what it cannot read and says nothing; an import must not.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use rusty_leveldb::Result;
use rusty_leveldb::env::RandomAccess;

use crate::protocol::lib0::Input;

/// What follows a block in a table: its compression (1 byte) and the checksum of both (4 bytes).
const TRAILER_BYTES: u64 = 5;
const CHECKSUM_BYTES: usize = 4;
/// The end of a table, which begins with the place of the list of filters.
const FOOTER_BYTES: usize = 48;
/// What is added to a checksum that is stored beside its data.
const MASK: u32 = 0xa282_ead8;

/// Whether something could not be read. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Damage(Rc<Cell<bool>>);

impl Damage {
    /// Whether there was some since this was asked last.
    pub fn take(&self) -> bool {
        self.0.take()
    }

    fn note(&self) {
        self.0.set(true);
    }
}

/// A table: blocks with checksums, and a footer without. It is read block by block; the filter, which nothing here depends on, without
/// its checksum.
pub(super) struct Table {
    file: File,
    /// Where the list of filters begins. The filter ends right before it.
    filters_at: u64,
    footer_at: u64,
    damage: Damage,
}

impl Table {
    pub fn new(file: File, damage: Damage) -> io::Result<Self> {
        let footer_at = file.metadata()?.len().saturating_sub(FOOTER_BYTES as u64);
        let mut footer = vec![0; FOOTER_BYTES];
        file.read_exact_at(&mut footer, footer_at)?;
        // A footer that is damaged has no such number, or the library finds that out.
        let filters_at = Input::new(&footer.into()).var_uint().unwrap_or(0);
        Ok(Self { file, filters_at, footer_at, damage })
    }
}

impl RandomAccess for Table {
    fn read_at(&self, start: usize, block: &mut [u8]) -> Result<usize> {
        let count = FileExt::read_at(&self.file, block, start as u64)?;
        let end = (start + block.len()) as u64;
        let has_checksum = start as u64 != self.footer_at && end + TRAILER_BYTES != self.filters_at;
        if has_checksum && (count < block.len() || !is_whole(block)) {
            self.damage.note();
        }
        Ok(count)
    }
}

fn is_whole(block: &[u8]) -> bool {
    let Some((data, checksum)) = block.split_last_chunk::<CHECKSUM_BYTES>() else { return false };
    u32::from_le_bytes(*checksum).wrapping_sub(MASK).rotate_left(15) == crc32c::crc32c(data)
}

/// A log, or another file that is read from its beginning to its end. What is left unread stands behind something damaged; a last
/// record that is not whole is what a lost power supply leaves, and was never acknowledged.
pub(super) struct Sequence {
    file: File,
    unread: u64,
    damage: Damage,
}

impl Sequence {
    pub fn new(file: File, damage: Damage) -> io::Result<Self> {
        let unread = file.metadata()?.len();
        Ok(Self { file, unread, damage })
    }
}

impl Read for Sequence {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.unread = self.unread.saturating_sub(count as u64);
        Ok(count)
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        if self.unread > 0 {
            self.damage.note();
        }
    }
}
