//! The program on a database, and what is in that afterwards.

use std::path::Path;
use std::process::{Command, Stdio};

use tutti::document::{Blocks, ReadingBudget, View};
use tutti::history::{Histories, When};
use tutti::ids::Seq;
use tutti::store::{Entry, Store};

use crate::support::{Database, history, name};

/// What the program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub complaints: String,
}

impl Said {
    /// The number in the row `what` of the sum at the end.
    pub fn count(&self, what: &str) -> u64 {
        let row =
            self.out.lines().rev().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{}", self.out));
        row.trim().parse().unwrap()
    }

    /// The line that begins with `word` and names `document`.
    pub fn line(&self, word: &str, document: &str) -> &str {
        let quoted = format!("{document:?}");
        let is_it = |line: &&str| line.starts_with(word) && line.contains(&quoted);
        self.out.lines().find(is_it).unwrap_or_else(|| panic!("no {word} {document}: {}", self.out))
    }

    /// Done, and nothing to complain of.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!((self.code, self.complaints.as_str()), (0, ""), "{}", self.out);
        self
    }

    /// Done, but for `count` documents or rooms.
    #[track_caller]
    pub fn short_of(self, count: u64) -> Self {
        assert_eq!(self.code, 1, "{}", self.out);
        assert!(self.complaints.contains(&format!("tutti: {count} ")), "{}", self.complaints);
        self
    }
}

pub fn command(database: &Database, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    // A slow machine also gets to see warnings, of statements that take long.
    command.env_clear().env("DATABASE_URL", &database.url).env("TUTTI_LOG_LEVEL", "error");
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program in `folder`.
pub fn tutti(database: &Database, folder: &Path, arguments: &[&str]) -> Said {
    let output = command(database, folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    // A slow machine also gets to see progress: "209 of 400 documents".
    let is_progress = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let complaints = text(output.stderr).lines().filter(|line| !is_progress(line)).collect::<Vec<_>>().join("\n");
    Said { code: output.status.code().unwrap(), out: text(output.stdout), complaints }
}

/// The document of a room, as a server would load it.
pub async fn document(store: &Store, room: &str) -> Blocks {
    let loaded = store.load(&name(room)).await.unwrap().unwrap_or_else(|| panic!("there is no room {room}"));
    let mut document = Blocks::new(64 << 20, false);
    let updates = loaded.snapshot.iter().chain(&loaded.edits).map(|(_, update)| update);
    assert_eq!(document.load(updates), []);
    document
}

async fn view(store: &Store, room: &str) -> View {
    View::read(&document(store, room).await.state().into(), ReadingBudget::default()).unwrap()
}

/// The text of a room's root `content`.
pub async fn text(store: &Store, room: &str) -> String {
    view(store, room).await.text(Some("content")).unwrap()
}

/// The text of a room's root `content` after each of its entries, and before the first.
pub async fn past(store: &Store, room: &str) -> Vec<String> {
    let open = Histories::new(store.clone()).open(&name(room)).await.unwrap().unwrap();
    let text = |seq: u64| {
        let (_, state) = open.state(When::Seq(Seq(seq))).unwrap();
        let view = View::read(&state.into(), ReadingBudget::default()).unwrap();
        if seq == 0 { String::new() } else { view.text(Some("content")).unwrap() }
    };
    (0..=open.row.head.0).map(text).collect()
}

/// A room's document as JSON.
pub async fn json(store: &Store, room: &str) -> serde_json::Value {
    serde_json::from_str(&view(store, room).await.json(None).unwrap()).unwrap()
}

/// All rooms by name, with their heads.
pub async fn rooms(store: &Store) -> Vec<(String, Seq)> {
    rooms_below(store, "").await
}

/// The rooms whose names begin with `prefix`, with their heads.
pub async fn rooms_below(store: &Store, prefix: &str) -> Vec<(String, Seq)> {
    let rooms = store.rooms(prefix, None, 1000).await.unwrap();
    rooms.into_iter().map(|row| (row.name.to_string(), row.head)).collect()
}

/// A room's timeline.
pub async fn entries(store: &Store, room: &str) -> Vec<Entry> {
    let row = store.room(&name(room)).await.unwrap().unwrap_or_else(|| panic!("there is no room {room}"));
    history(store, row.id).await
}
