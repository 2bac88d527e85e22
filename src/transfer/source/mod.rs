//! What documents are imported from, one kind a file. A source gives a document after another, each as its Yjs updates, and holds one at
//! a time. Changes nothing in what it reads.

mod checked;
mod files;
mod hocuspocus;
mod leveldb;
mod overlay;
mod y_leveldb;
mod y_sweet;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::TransferError;
use crate::config::SourceKind;
use crate::document::Refusal;
use files::Files;
use hocuspocus::HocuspocusSqlite;
use y_leveldb::YLeveldb;

/// How an SQLite file begins.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// How much larger than a document its updates may be together: servers merge them now and then only.
const UPDATES_FACTOR: usize = 4;

/// A document of a source.
pub(super) struct Found {
    /// Its name there.
    pub name: String,
    /// Where it is, for a person to find it.
    pub origin: String,
    /// Its updates (v1), in the order in which they were made.
    pub updates: Result<Vec<Bytes>, Unreadable>,
}

/// Why a document of a source cannot be read, while others can.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
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

/// An open source.
pub(super) enum Source {
    Hocuspocus(HocuspocusSqlite),
    YLeveldb(Box<YLeveldb>),
    Files(Files),
}

impl Source {
    /// Opens `path` as a source of the kind `kind`, or of what it looks like. One without any document is an error: it is hardly ever
    /// what was meant.
    pub async fn open(path: &Path, kind: Option<SourceKind>, document_bytes_max: usize) -> Result<Self, TransferError> {
        let failed = |reason: String| TransferError::Source { path: path.to_owned(), reason };
        let unreadable = |error: io::Error| failed(error.to_string());
        let is_folder = fs::metadata(path).map_err(unreadable)?.is_dir();
        let kind = match kind {
            Some(kind) => kind,
            None => detect(path, is_folder).map_err(unreadable)?,
        };
        let source = match kind {
            SourceKind::HocuspocusSqlite if is_folder => {
                return Err(failed("it is a folder, but a database of Hocuspocus is a file".to_owned()));
            }
            SourceKind::HocuspocusSqlite => Self::Hocuspocus(HocuspocusSqlite::open(path, document_bytes_max).await?),
            SourceKind::YLeveldb if !is_leveldb(path) => {
                return Err(failed("it is no folder of LevelDB: it has no file CURRENT".to_owned()));
            }
            SourceKind::YLeveldb => Self::YLeveldb(Box::new(YLeveldb::open(path, document_bytes_max).map_err(failed)?)),
            kind => Self::Files(Files::open(path, kind, document_bytes_max).map_err(unreadable)?),
        };
        if source.count() == 0 {
            let note = source.note().map(|note| format!("; {note}")).unwrap_or_default();
            return Err(failed(format!("it holds no document{note}")));
        }
        Ok(source)
    }

    /// How many documents there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Hocuspocus(source) => source.count(),
            Self::YLeveldb(source) => source.count(),
            Self::Files(source) => source.count(),
        }
    }

    /// The next document.
    pub async fn next(&mut self) -> Result<Option<Found>, TransferError> {
        match self {
            Self::Hocuspocus(source) => Ok(source.next().await?),
            Self::YLeveldb(source) => source.next(),
            Self::Files(source) => Ok(source.next()),
        }
    }

    /// What a person should know of what was not taken.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Hocuspocus(_) => None,
            Self::YLeveldb(source) => source.note(),
            Self::Files(source) => source.note(),
        }
    }
}

/// What `path` looks like. A wrong guess harms nothing: what is no document is refused.
fn detect(path: &Path, is_folder: bool) -> io::Result<SourceKind> {
    if !is_folder {
        let mut begin = Vec::new();
        File::open(path)?.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut begin)?;
        let is_y_sweet = path.file_name().is_some_and(|name| name == y_sweet::FILE_NAME);
        return Ok(match () {
            () if begin == SQLITE_MAGIC => SourceKind::HocuspocusSqlite,
            () if is_y_sweet => SourceKind::YSweet,
            () => SourceKind::StateFiles,
        });
    }
    if is_leveldb(path) {
        return Ok(SourceKind::YLeveldb);
    }
    let mut folders = fs::read_dir(path)?.filter_map(Result::ok).map(|entry| entry.path());
    let is_y_sweet = folders.any(|folder| folder.join(y_sweet::FILE_NAME).is_file());
    Ok(if is_y_sweet { SourceKind::YSweet } else { SourceKind::StateFiles })
}

fn is_leveldb(path: &Path) -> bool {
    path.join("CURRENT").is_file()
}

/// The file's content, unless it is larger than a document may be.
fn read(path: &PathBuf, bytes_max: usize) -> Result<Bytes, Unreadable> {
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
