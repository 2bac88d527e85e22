//! Which rooms an export folder holds, and up to which seq: `rooms+seqs.jsonl`, one line a room, written when its files are whole. An
//! export that is run again writes only what has changed since.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::ExportFormat;
use crate::ids::{RoomName, Seq};

/// No room's file or folder is called like this: a room's name has no `+`.
const FILE_NAME: &str = "rooms+seqs.jsonl";

pub(super) struct Index {
    file: File,
    /// The newest line of each room.
    known: HashMap<String, Written>,
}

/// What is written of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    seq: Seq,
    formats: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    room: String,
    #[serde(flatten)]
    written: Written,
}

impl Written {
    fn new(seq: Seq, formats: &[ExportFormat], root: Option<&str>) -> Self {
        let formats = formats.iter().map(|format| extension(*format).to_owned()).collect();
        Self { seq, formats, root: root.map(str::to_owned) }
    }
}

/// What a file of this format ends in.
pub(super) fn extension(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Yjs => "yjs",
        ExportFormat::Text => "txt",
        ExportFormat::Json => "json",
        ExportFormat::Timeline => "jsonl",
    }
}

impl Index {
    /// Reads what an export before this one has left in `folder`.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path: PathBuf = folder.join(FILE_NAME);
        let mut known = HashMap::new();
        match File::open(&path) {
            Ok(file) => {
                for line in BufReader::new(file).lines() {
                    // The last line of an export that was killed may be half of one: that room is written again.
                    if let Ok(Line { room, written }) = serde_json::from_str(&line?) {
                        known.insert(room, written);
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => fs::create_dir_all(folder)?,
            Err(error) => return Err(error),
        }
        let mut file = File::options().create(true).append(true).open(path)?;
        if !known.is_empty() {
            // Ends a line that may be half of one.
            file.write_all(b"\n")?;
        }
        Ok(Self { file, known })
    }

    /// Whether all of this is written already.
    pub fn has(&self, room: &RoomName, seq: Seq, formats: &[ExportFormat], root: Option<&str>) -> bool {
        let Some(written) = self.known.get(room.as_str()) else { return false };
        let wanted = Written::new(seq, formats, root);
        let has_formats = wanted.formats.iter().all(|format| written.formats.contains(format));
        written.seq == seq && written.root == wanted.root && has_formats
    }

    /// Notes that the room's files are whole.
    pub fn add(&mut self, room: &RoomName, seq: Seq, formats: &[ExportFormat], root: Option<&str>) -> io::Result<()> {
        let written = Written::new(seq, formats, root);
        let mut line = serde_json::to_vec(&Line { room: room.to_string(), written })?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_known_up_to_its_seq_and_in_its_formats_also_after_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let room = |name: &str| RoomName::parse(name).unwrap();
        let both = [ExportFormat::Yjs, ExportFormat::Text];
        Index::open(folder.path()).unwrap().add(&room("a"), Seq(7), &both, None).unwrap();
        fs::write(folder.path().join(FILE_NAME), {
            let mut text = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
            text.push_str("{\"room\":\"b\",\"se");
            text
        })
        .unwrap();
        let mut index = Index::open(folder.path()).unwrap();
        index.add(&room("c"), Seq(1), &both, Some("content")).unwrap();
        let index = Index::open(folder.path()).unwrap();
        assert!(index.has(&room("a"), Seq(7), &both, None) && index.has(&room("a"), Seq(7), &both[..1], None));
        assert!(!index.has(&room("a"), Seq(8), &both, None));
        assert!(!index.has(&room("a"), Seq(7), &[ExportFormat::Json], None));
        assert!(!index.has(&room("b"), Seq(7), &both, None));
        assert!(index.has(&room("c"), Seq(1), &both, Some("content")) && !index.has(&room("c"), Seq(1), &both, None));
    }
}
