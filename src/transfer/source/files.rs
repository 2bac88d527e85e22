//! Documents in files and folders. A document's name is its path below the folder that was named, without the extension.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use bytes::Bytes;

use super::found::{Found, UPDATES_FACTOR, Unreadable, read};
use super::y_sweet;
use crate::config::SourceKind;
use crate::document::split_updates;

/// What an export writes beside the states, and no state ever is.
const PASSED_OVER: [&str; 3] = ["txt", "json", "jsonl"];

pub(in super::super) struct Files {
    kind: SourceKind,
    bytes_max: usize,
    documents: vec::IntoIter<Document>,
    count: u64,
    passed_over: u64,
}

/// Where a document is.
struct Document {
    name: String,
    /// Not empty; several where each is an update.
    files: Vec<PathBuf>,
}

impl Files {
    /// Lists what is in `path`, a file or a folder; reads nothing yet.
    pub fn open(path: &Path, kind: SourceKind, document_bytes_max: usize) -> io::Result<Self> {
        let is_folder = fs::metadata(path)?.is_dir();
        let files = if is_folder { walk(path)? } else { vec![path.to_owned()] };
        let all = files.len();
        let (root, own_name) = root(path, is_folder)?;
        let local = |file: &Path| file.strip_prefix(&root).map_or_else(|_| file.to_owned(), Path::to_owned);
        let files = files.into_iter().filter(|file| !is_folder || is_taken(&local(file), kind));
        let folder_name = |file: &Path| match local(file).parent() {
            Some(folder) if folder != Path::new("") => text(folder),
            _ => own_name.clone(),
        };
        let documents: Vec<Document> = match kind {
            SourceKind::UpdateFolders => {
                let mut folders: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
                files.for_each(|file| folders.entry(folder_name(&file)).or_default().push(file));
                folders.into_iter().map(|(name, files)| Document { name, files }).collect()
            }
            SourceKind::YSweet => files.map(|file| Document { name: folder_name(&file), files: vec![file] }).collect(),
            _ => {
                files.map(|file| Document { name: text(&local(&file).with_extension("")), files: vec![file] }).collect()
            }
        };
        let count = documents.len() as u64;
        let taken: usize = documents.iter().map(|document| document.files.len()).sum();
        let passed_over = (all - taken) as u64;
        let bytes_max = match kind {
            SourceKind::StateFiles => document_bytes_max,
            _ => document_bytes_max.saturating_mul(UPDATES_FACTOR),
        };
        Ok(Self { kind, bytes_max, documents: documents.into_iter(), count, passed_over })
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn next(&mut self) -> Option<Found> {
        let document = self.documents.next()?;
        let updates = self.read(&document.files);
        let shown = document.files[0].parent().filter(|_| self.kind == SourceKind::UpdateFolders);
        let origin = shown.unwrap_or(&document.files[0]).display().to_string();
        Some(Found { name: document.name, origin, updates })
    }

    fn read(&self, files: &[PathBuf]) -> Result<Vec<Bytes>, Unreadable> {
        let limit = self.bytes_max;
        let (mut updates, mut bytes) = (Vec::new(), 0);
        for file in files {
            let content = read(file, limit)?;
            bytes += content.len();
            if bytes > limit {
                return Err(Unreadable::TooLarge { bytes: bytes as u64, limit });
            }
            match self.kind {
                SourceKind::YSweet => updates = y_sweet::updates(&content).map_err(Unreadable::NoYSweet)?,
                SourceKind::UpdateFiles => updates = split_updates(&content)?,
                _ if content.is_empty() => return Err(Unreadable::EmptyFile),
                _ => updates.push(content),
            }
        }
        Ok(updates)
    }

    pub fn note(&self) -> Option<String> {
        let what = match self.kind {
            SourceKind::YSweet => "files not called data.ysweet",
            _ => "files that are hidden, or end in .txt, .json or .jsonl",
        };
        (self.passed_over > 0).then(|| format!("skipped {} {what}", self.passed_over))
    }
}

/// What names are below, and the name of what lies there directly.
fn root(path: &Path, is_folder: bool) -> io::Result<(PathBuf, String)> {
    let folder = if is_folder { path } else { path.parent().unwrap_or(path) };
    let whole = fs::canonicalize(if folder == Path::new("") { Path::new(".") } else { folder })?;
    Ok((folder.to_owned(), whole.file_name().map(|name| text(Path::new(name))).unwrap_or_default()))
}

/// Bytes that are no text become a character that no room's name has, so that such a name is refused or encoded.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// All files below a folder, in the order of their paths.
fn walk(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut open = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A link to a folder is not followed: it may lead in circles.
            match entry.file_type()?.is_dir() {
                true => open.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_taken(local: &Path, kind: SourceKind) -> bool {
    if kind == SourceKind::YSweet {
        return local.file_name().is_some_and(|name| name == y_sweet::FILE_NAME);
    }
    let is_hidden = local.iter().any(|part| part.to_string_lossy().starts_with('.'));
    match local.extension().and_then(|extension| extension.to_str()) {
        // A room's name may begin with a dot, and its export then does, too.
        Some("yjs") => true,
        Some(extension) => !is_hidden && !PASSED_OVER.contains(&extension),
        None => !is_hidden,
    }
}
