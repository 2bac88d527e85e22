//! A document of a source, or why it cannot be read.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;

use crate::document::Refusal;

/// How much larger than a document its updates may be together: servers merge them now and then only.
pub(super) const UPDATES_FACTOR: usize = 4;

/// A document of a source.
pub(in crate::transfer) struct Found {
    /// Its name there.
    pub name: String,
    /// Where it is, for a person to find it.
    pub origin: String,
    /// Its updates (v1), in the order in which they were made.
    pub updates: Result<Vec<Bytes>, Unreadable>,
}

/// Why a document of a source cannot be read, while others can.
#[derive(Debug, thiserror::Error)]
pub(in crate::transfer) enum Unreadable {
    #[error(
        "it has {bytes} bytes, more than the {limit} that are read of one document; --document-bytes-max raises that"
    )]
    TooLarge { bytes: u64, limit: usize },
    #[error("it holds no Yjs updates (v1): {0}")]
    NoUpdates(#[from] Refusal),
    #[error("the file is empty")]
    EmptyFile,
    #[error("it has an entry in the list of documents, but no content")]
    NoContent,
    #[error("the update before clock {0} is missing")]
    Gap(u32),
    #[error("it is not a data.ysweet file: {0}")]
    NoYSweet(&'static str),
    #[error("the database is damaged at or right after this document")]
    Damaged,
    #[error("it disappeared while it was read")]
    Gone,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The file's content, unless it is larger than a document may be.
pub(super) fn read(path: &PathBuf, bytes_max: usize) -> Result<Bytes, Unreadable> {
    let mut content = Vec::new();
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes <= bytes_max as u64 {
        // One more, so that a file that grows meanwhile is noticed.
        file.take(bytes_max as u64 + 1).read_to_end(&mut content)?;
    }
    let bytes = bytes.max(content.len() as u64);
    if bytes > bytes_max as u64 { Err(Unreadable::TooLarge { bytes, limit: bytes_max }) } else { Ok(content.into()) }
}
