//! Rooms into files below a folder, each called like its room: state, text, JSON, timeline. One room at a time and its timeline page by
//! page, so memory follows the largest document. A file is whole or not there.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::console::Console;
use super::database::{open_as_it_is, rules};
use super::error::TransferError;
use super::index::{Index, extension};
use super::timeline;
use crate::archive::Archive;
use crate::config::{ExportConfig, ExportFormat};
use crate::document::{Blocks, Budget, RenderError, View, ViewError};
use crate::ids::{RoomName, RoomPattern, Seq};
use crate::store::{ROOMS_MAX, RoomRow, Store};

/// What one document may take to be read: about a minute. Nobody else waits.
const BUDGET: Budget = Budget { steps: 5_000_000_000, bytes: 4 << 30 };

/// What an export did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Rooms that were written.
    pub rooms: u64,
    /// Rooms that the folder had already, as they are.
    pub unchanged: u64,
    /// Rooms without a text of the root asked for, or with several roots; their other files are there.
    pub without_text: u64,
    /// Rooms that were not written; each was named with the reason.
    pub failed: u64,
    /// Patterns that no room matched; each was named.
    pub unmatched: u64,
}

/// Why a room is not written, while others are.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}; leave out the formats text and json")]
    View(#[from] ViewError),
    #[error("{}: {error}", .path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("it has been deleted meanwhile")]
    Gone,
}

/// A room's document in the formats asked for.
#[derive(Default)]
struct Rendered {
    files: Vec<(ExportFormat, Vec<u8>)>,
    no_text: Option<RenderError>,
}

pub(super) async fn run(config: &ExportConfig, console: &mut Console<'_>) -> Result<Exported, TransferError> {
    let mut patterns = Vec::new();
    for text in &config.rooms {
        let pattern = RoomPattern::parse(text);
        let pattern = pattern.map_err(|error| TransferError::Pattern { pattern: text.clone(), error })?;
        patterns.push((text.split('*').next().unwrap_or_default(), pattern));
    }
    let store = open_as_it_is(&config.database, config.document_bytes_max).await?;
    let index = Index::open(&config.folder).map_err(|error| unusable(&config.folder, error))?;
    let mut export = Export {
        archive: Archive::new(store.clone(), rules(config.document_bytes_max, &config.gc)),
        store,
        config,
        index,
        done: Exported::default(),
    };
    console.begin(None);
    for (place, (prefix, pattern)) in patterns.iter().enumerate() {
        let mut after: Option<RoomName> = None;
        let mut is_matched = false;
        loop {
            let rows = export.store.rooms(prefix, after.as_ref(), ROOMS_MAX).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.name.clone());
            let is_done = |row: &RoomRow| patterns[..place].iter().any(|(_, earlier)| earlier.matches(&row.name));
            for row in rows.iter().filter(|row| pattern.matches(&row.name)) {
                is_matched = true;
                if !is_done(row) {
                    export.room(row, console).await?;
                    console.advance();
                }
            }
        }
        if !is_matched {
            export.done.unmatched += 1;
            console.line(format_args!("no room matches {:?}", pattern.to_string()))?;
        }
    }
    console.end();
    console.line(&export.done)?;
    let (store, done) = (export.store, export.done);
    tokio::task::spawn_blocking(move || store.shutdown()).await.map_err(io::Error::from)?;
    Ok(done)
}

fn unusable(folder: &Path, error: io::Error) -> TransferError {
    TransferError::Folder { path: folder.to_owned(), error }
}

struct Export<'c> {
    store: Store,
    archive: Archive,
    config: &'c ExportConfig,
    index: Index,
    done: Exported,
}

impl Export<'_> {
    async fn room(&mut self, row: &RoomRow, console: &mut Console<'_>) -> Result<(), TransferError> {
        let (formats, root) = (&self.config.formats[..], self.config.root.as_deref());
        if self.index.has(&row.name, row.head, formats, root) {
            self.done.unchanged += 1;
            return Ok(());
        }
        match self.write(row).await? {
            Ok((head, no_text)) => {
                self.done.rooms += 1;
                if let Some(error) = no_text {
                    self.done.without_text += 1;
                    console.line(format_args!("no text  {:?}: {error} (--root)", row.name.as_str()))?;
                }
                let added = self.index.add(&row.name, head, formats, root);
                added.map_err(|error| unusable(&self.config.folder, error))?;
            }
            Err(failed) => {
                self.done.failed += 1;
                console.line(format_args!("failed   {:?}: {failed}", row.name.as_str()))?;
            }
        }
        Ok(())
    }

    /// Writes a room's files; up to which seq, and why there is no text if there is none.
    async fn write(&self, row: &RoomRow) -> Result<Result<(Seq, Option<RenderError>), Failed>, TransferError> {
        let Some(stored) = self.archive.read(&row.name).await? else { return Ok(Err(Failed::Gone)) };
        let (id, head) = (stored.id, stored.head);
        // A room may have messages only; then it has no document.
        let rendered = match stored.has_document {
            true => render(&stored.document, &self.config.formats, self.config.root.as_deref()),
            false => Ok(Rendered::default()),
        };
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(failed) => return Ok(Err(failed)),
        };
        for (format, content) in &rendered.files {
            let path = self.path(&row.name, *format);
            let written = Part::begin(&path).and_then(|mut part| {
                part.file.write_all(content)?;
                part.end()
            });
            if let Err(error) = written {
                return Ok(Err(Failed::File { path, error }));
            }
        }
        if self.config.formats.contains(&ExportFormat::Timeline) {
            let path = self.path(&row.name, ExportFormat::Timeline);
            let written = async {
                let mut part = Part::begin(&path)?;
                timeline::write(&self.store, id, head, &mut part.file).await?;
                Ok::<_, TransferError>(part.end()?)
            };
            match written.await {
                Err(TransferError::Io(error)) => return Ok(Err(Failed::File { path, error })),
                written => written?,
            }
        }
        Ok(Ok((head, rendered.no_text)))
    }

    fn path(&self, room: &RoomName, format: ExportFormat) -> PathBuf {
        self.config.folder.join(format!("{room}.{}", extension(format)))
    }
}

fn render(document: &Blocks, formats: &[ExportFormat], root: Option<&str>) -> Result<Rendered, Failed> {
    let mut rendered = Rendered::default();
    let state = Bytes::from(document.state());
    let is_read = formats.iter().any(|format| matches!(format, ExportFormat::Text | ExportFormat::Json));
    let view = is_read.then(|| View::read(&state, BUDGET)).transpose()?;
    for format in formats {
        let content = match (format, &view) {
            (ExportFormat::Yjs, _) => Ok(state.to_vec()),
            (ExportFormat::Text, Some(view)) => view.text(root).map(String::into_bytes),
            (ExportFormat::Json, Some(view)) => view.json(None).map(String::into_bytes),
            _ => continue,
        };
        match content {
            Ok(content) => rendered.files.push((*format, content)),
            Err(RenderError::TooCostly) => return Err(ViewError::TooCostly.into()),
            Err(error) => rendered.no_text = Some(error),
        }
    }
    Ok(rendered)
}

/// A file that gets its name when it is whole.
struct Part<'p> {
    path: &'p Path,
    part: PathBuf,
    file: BufWriter<File>,
}

impl<'p> Part<'p> {
    fn begin(path: &'p Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = BufWriter::new(File::create(&part)?);
        Ok(Self { path, part, file })
    }

    fn end(self) -> io::Result<()> {
        self.file.into_inner().map_err(|error| error.into_error())?;
        fs::rename(&self.part, self.path)
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rooms, unchanged, without_text, failed, .. } = self;
        let rows = [
            ("written", rooms),
            ("  of these without a text", without_text),
            ("skipped: unchanged since", unchanged),
            ("failed", failed),
        ];
        write!(f, "{:<38}{:>10}", "rooms", rooms + unchanged + failed)?;
        rows.iter().try_for_each(|(what, count)| write!(f, "\n{what:<38}{count:>10}"))
    }
}
