//! The LevelDB folder of y-leveldb. Its keys are lists: a text is 0, its length and itself; a number is 1 and four bytes. Of a document
//! `name` there are `["v1", name, "update", clock]` with an update each, `["v1", name, "meta", key]`, and `["v1_sv", name]` with a
//! clock that an update has, and a state vector. y-websocket's server takes the name from the URL as it stands there, percent-encoded.

use std::collections::{BTreeMap, btree_map};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::found::{Found, UPDATES_FACTOR, Unreadable};
use super::leveldb::{DAMAGED, Entry, LevelDb};
use crate::protocol::lib0::{Input, put_buf};
use crate::transfer::error::TransferError;

/// Sorts after all that a document has: lengths come first, and no other text of its keys is so long.
const AFTER_ALL: &str = "zzzzzzz";

pub(in super::super) struct YLeveldb {
    folder: PathBuf,
    database: LevelDb,
    bytes_max: usize,
    /// Each document with the clock in the list of documents, if it is there.
    names: btree_map::IntoIter<String, Option<u32>>,
    count: u64,
    metadata: u64,
    /// Whether documents that are not in the list could not all be found.
    may_lack_unlisted: bool,
}

/// A key, read.
enum LevelKey {
    Update { name: String, clock: u32 },
    Metadata { name: String },
    Listed { name: String },
    Other,
}

impl YLeveldb {
    pub fn open(folder: &Path, document_bytes_max: usize) -> Result<Self, String> {
        let mut database = LevelDb::open(folder)?;
        let mut names = BTreeMap::new();
        // What has content, from each document to the next.
        let mut entry = database.seek(&list(&["v1", ""]))?;
        while let Some((LevelKey::Update { name, .. } | LevelKey::Metadata { name }, _)) = entry.map(read_entry) {
            entry = database.seek(&list(&["v1", &name, AFTER_ALL]))?;
            names.insert(name, None);
        }
        let may_lack_unlisted = database.take_damage();
        // What is listed, so that a document without its content is noticed.
        let mut entry = database.seek(&list(&["v1_sv", ""]))?;
        while let Some((LevelKey::Listed { name }, value)) = entry.map(read_entry) {
            names.insert(name, Input::new(&value).var_u32().ok());
            entry = database.next()?;
        }
        if database.take_damage() {
            return Err(DAMAGED.to_owned());
        }
        let count = names.len() as u64;
        let bytes_max = document_bytes_max.saturating_mul(UPDATES_FACTOR);
        Ok(Self {
            folder: folder.to_owned(),
            database,
            bytes_max,
            names: names.into_iter(),
            count,
            metadata: 0,
            may_lack_unlisted,
        })
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn next(&mut self) -> Result<Option<Found>, TransferError> {
        let Some((name, listed)) = self.names.next() else { return Ok(None) };
        let updates = self.updates(&name, listed);
        let updates = updates.map_err(|reason| TransferError::Source { path: self.folder.clone(), reason })?;
        // The room that the same client opens here.
        let name = percent_decode_str(&name).decode_utf8().map(String::from).unwrap_or(name);
        Ok(Some(Found { name, origin: self.folder.display().to_string(), updates }))
    }

    /// The updates of `document`, without a gap between their clocks, of which there must be the one that is listed.
    fn updates(&mut self, document: &str, listed: Option<u32>) -> Result<Result<Vec<Bytes>, Unreadable>, String> {
        let (mut updates, mut bytes) = (Vec::new(), 0);
        let mut next = None;
        let mut entry = self.database.seek(&list(&["v1", document]))?;
        while let Some((key, update)) = entry.map(read_entry) {
            match key {
                LevelKey::Metadata { name } if name == document => self.metadata += 1,
                LevelKey::Update { name, clock } if name == document => {
                    if clock > next.or(listed).unwrap_or(clock) {
                        self.database.take_damage();
                        return Ok(Err(Unreadable::Gap(clock)));
                    }
                    next = clock.checked_add(1);
                    bytes += update.len();
                    if bytes > self.bytes_max {
                        return Ok(Err(Unreadable::TooLarge { bytes: bytes as u64, limit: self.bytes_max }));
                    }
                    updates.push(update);
                }
                _ => break,
            }
            entry = self.database.next()?;
        }
        Ok(match (next, listed) {
            _ if self.database.take_damage() => Err(Unreadable::Damaged),
            _ if updates.is_empty() => Err(Unreadable::NoContent),
            (Some(next), Some(listed)) if listed >= next => Err(Unreadable::Gap(listed.saturating_add(1))),
            _ => Ok(updates),
        })
    }

    pub fn note(&self) -> Option<String> {
        if self.may_lack_unlisted {
            return Some(format!("{DAMAGED}; documents that are not in its list of documents may be missing"));
        }
        let count = self.metadata;
        (count > 0).then(|| format!("skipped {count} entries of metadata (setMeta), which rooms do not store"))
    }
}

fn list(texts: &[&str]) -> Vec<u8> {
    let mut key = Vec::new();
    for text in texts {
        key.push(0);
        put_buf(&mut key, text.as_bytes());
    }
    key
}

fn read_entry((key, value): Entry) -> (LevelKey, Bytes) {
    (read_key(&key.into()), value.into())
}

fn read_key(key: &Bytes) -> LevelKey {
    let mut input = Input::new(key);
    let mut text = || match input.u8() {
        Ok(0) => input.text().ok().map(str::to_owned),
        _ => None,
    };
    let texts = [text(), text(), text()];
    match texts.each_ref().map(Option::as_deref) {
        [Some("v1_sv"), Some(name), None] => LevelKey::Listed { name: name.to_owned() },
        [Some("v1"), Some(name), Some("meta")] => LevelKey::Metadata { name: name.to_owned() },
        [Some("v1"), Some(name), Some("update")] => {
            let clock = input.u8().ok().filter(|kind| *kind == 1).and_then(|_| input.take(4).ok());
            match clock.and_then(|clock| clock.try_into().ok()).map(u32::from_be_bytes) {
                Some(clock) => LevelKey::Update { name: name.to_owned(), clock },
                None => LevelKey::Other,
            }
        }
        _ => LevelKey::Other,
    }
}
