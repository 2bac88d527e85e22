//! Documents into rooms: each is merged into what its room has, by the checks of a live edit, and what it adds becomes one entry. Done
//! again, nothing is stored twice: a document that adds nothing is skipped, and an entry's key is the hash of what it came from.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::console::{Console, size};
use super::database::{open_as_it_is, rules, settings};
use super::error::TransferError;
use super::name::Naming;
use super::source::{Found, Source, Unreadable};
use crate::archive::{Archive, Stored, Tail, weight};
use crate::config::ImportConfig;
use crate::document::{Blocks, News, Refusal};
use crate::ids::{RoomName, RoomNameError, Seq, UserId};
use crate::store::{self, Append, EntryKind, NewEntry, Store, StoreError};

/// The author of imported edits.
const AUTHOR: &str = "import";
/// How often an append is tried while the database is not available, and the first wait, which doubles.
const TRIES: u32 = 6;
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// So many documents are tried where none is a Yjs document.
const NO_YJS_MAX: u64 = 20;

/// What an import did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Documents that were stored.
    pub documents: u64,
    /// Bytes of their entries.
    pub bytes: u64,
    /// Of these, the ones that were merged into a room that had entries already.
    pub merged: u64,
    /// Documents of which the rooms had everything already.
    pub already_there: u64,
    /// Documents in which nobody ever wrote anything.
    pub empty: u64,
    /// Documents that were refused; each was named with the reason.
    pub refused: u64,
    /// Whether nothing was stored, since that was asked for.
    pub is_dry_run: bool,
}

/// Why a document is not imported. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}; --rename encodes it")]
    Name(RoomNameError),
    #[error(transparent)]
    NameTooLong(RoomNameError),
    #[error("rooms below tutti/ are the server's own; use --prefix")]
    Reserved,
    #[error("another document of this import already goes into the room {0}")]
    RoomTaken(RoomName),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("this is not a Yjs update: {0}")]
    NoYjs(String),
    #[error(transparent)]
    Edit(Refusal),
    #[error("some of its edits build on others that the source lacks")]
    Incomplete,
    #[error(transparent)]
    Entry(#[from] store::Refused),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(error) => Self::NoYjs(error.to_string()),
            Refusal::Impossible(what) => Self::NoYjs(what.to_owned()),
            refusal => Self::Edit(refusal),
        }
    }
}

impl Refused {
    /// Whether it looks as if the source held something else than Yjs documents.
    fn is_no_yjs(&self) -> bool {
        matches!(self, Self::NoYjs(_) | Self::Unreadable(Unreadable::NoUpdates(_)))
    }
}

/// What became of a document.
enum Outcome {
    Stored { bytes: usize, is_new_room: bool },
    AlreadyThere,
    Empty,
    Refused(Refused),
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

pub(super) async fn run(config: &ImportConfig, console: &mut Console<'_>) -> Result<Imported, TransferError> {
    let mut sources = Vec::new();
    for path in &config.sources {
        sources.push(Source::open(path, config.from, config.document_bytes_max).await?);
    }
    let archive = match open_as_it_is(&config.database, config.document_bytes_max).await {
        Ok(store) => Some(archive(store, config)),
        Err(TransferError::NoFile(_) | TransferError::NotMigrated(_)) => None,
        Err(error) => return Err(error),
    };
    let mut import = Import {
        config,
        archive,
        naming: Naming { prefix: config.prefix.clone(), renames: config.renames },
        rooms: HashSet::new(),
        no_yjs: 0,
        done: Imported { is_dry_run: config.is_dry_run, ..Imported::default() },
    };
    console.begin(Some(sources.iter().map(Source::count).sum()));
    let ended = import.all(&mut sources, console).await;
    console.end();
    for note in sources.iter().filter_map(Source::note) {
        console.line(note)?;
    }
    // Also where it ended early: this much is done.
    console.line(&import.done)?;
    if let Some((store, _)) = import.archive {
        tokio::task::spawn_blocking(move || store.shutdown()).await.map_err(std::io::Error::from)?;
    }
    ended.map(|()| import.done)
}

/// The database, made or migrated if that is needed.
async fn open(config: &ImportConfig) -> Result<(Store, Archive), StoreError> {
    let store = Store::open(settings(&config.database, config.document_bytes_max)).await?;
    if store.pending_migrations().await? > 0 {
        store.migrate().await?;
    }
    Ok(archive(store, config))
}

fn archive(store: Store, config: &ImportConfig) -> (Store, Archive) {
    (store.clone(), Archive::new(store, rules(config.document_bytes_max, &config.gc)))
}

struct Import<'c> {
    config: &'c ImportConfig,
    /// `None` until there is something to store in a database that is still to be made.
    archive: Option<(Store, Archive)>,
    naming: Naming,
    /// Documents that were none of Yjs.
    no_yjs: u64,
    /// The rooms of the documents so far: two that differ must not become one.
    rooms: HashSet<RoomName>,
    done: Imported,
}

impl Import<'_> {
    async fn all(&mut self, sources: &mut [Source], console: &mut Console<'_>) -> Result<(), TransferError> {
        for source in sources {
            while let Some(found) = source.next().await? {
                self.take(found, console).await?;
                console.advance();
                if self.no_yjs >= NO_YJS_MAX && !self.done.has_good() {
                    return Err(TransferError::NoYjs(self.no_yjs));
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, found: Found, console: &mut Console<'_>) -> Result<(), TransferError> {
        let Found { name, origin, updates } = found;
        let room = match self.room(&name) {
            Ok(room) => room,
            Err(refused) => return self.refuse(&name, &origin, &refused, console),
        };
        let outcome = match updates {
            Ok(updates) => self.import(&room, &updates).await?,
            Err(unreadable) => Outcome::Refused(unreadable.into()),
        };
        match outcome {
            Outcome::Stored { bytes, is_new_room } => {
                self.done.documents += 1;
                self.done.bytes += bytes as u64;
                self.done.merged += u64::from(!is_new_room);
            }
            Outcome::AlreadyThere => self.done.already_there += 1,
            Outcome::Empty => self.done.empty += 1,
            Outcome::Refused(refused) => return self.refuse(&name, &origin, &refused, console),
        }
        if room.as_str() != format!("{}{name}", self.naming.prefix) {
            console.line(format_args!("renamed  {name:?} ({origin}) to {room}"))?;
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        name: &str,
        origin: &str,
        refused: &Refused,
        console: &mut Console<'_>,
    ) -> Result<(), TransferError> {
        self.done.refused += 1;
        self.no_yjs += u64::from(refused.is_no_yjs());
        Ok(console.line(format_args!("refused  {name:?} ({origin}): {refused}"))?)
    }

    fn room(&mut self, name: &str) -> Result<RoomName, Refused> {
        let room = self.naming.room(name).map_err(|error| match error {
            RoomNameError::Character(_) | RoomNameError::Form | RoomNameError::Segment => Refused::Name(error),
            RoomNameError::Empty | RoomNameError::TooLong => Refused::NameTooLong(error),
        })?;
        if room.is_reserved() {
            return Err(Refused::Reserved);
        }
        match self.rooms.insert(room.clone()) {
            true => Ok(room),
            false => Err(Refused::RoomTaken(room)),
        }
    }

    /// Merges a document into its room, and stores what it adds.
    async fn import(&mut self, room: &RoomName, updates: &[Bytes]) -> Result<Outcome, TransferError> {
        let stored = match &self.archive {
            Some((_, archive)) => archive.read(room).await?,
            None => None,
        };
        let is_new_room = stored.as_ref().is_none_or(|stored| stored.head == Seq::ZERO);
        let (mut document, mut tail) = match stored {
            Some(Stored { document, tail, .. }) => (document, tail),
            // What was deleted is imported with the rest; whether the room keeps it is for its snapshots to decide.
            None => (Blocks::new(self.config.document_bytes_max, true), Tail::default()),
        };
        let body = match merge(&mut document, updates) {
            Ok(Some(body)) => body,
            Ok(None) if is_new_room => return Ok(Outcome::Empty),
            Ok(None) => return Ok(Outcome::AlreadyThere),
            Err(refused) => return Ok(refused.into()),
        };
        let (bytes, weight) = (body.len(), weight(&body));
        if !self.config.is_dry_run {
            let (store, archive) = match &mut self.archive {
                Some(open) => open,
                missing => missing.insert(open(self.config).await?),
            };
            let entry = NewEntry {
                kind: EntryKind::Edit,
                author: UserId::new(AUTHOR),
                via: None,
                key: Some(key(updates)),
                condition: None,
                body,
            };
            match append(store, room, entry).await? {
                Ok(true) => {}
                Ok(false) => return Ok(Outcome::AlreadyThere),
                Err(refused) => return Ok(Refused::Entry(refused).into()),
            }
            tail.lengthen(weight);
            if tail.is_long() {
                archive.save_snapshot(room).await?;
            }
        }
        Ok(Outcome::Stored { bytes, is_new_room })
    }
}

/// Applies all of a document; what it added as one update, if anything. Updates that come before what they build on are tried again.
fn merge(document: &mut Blocks, updates: &[Bytes]) -> Result<Option<Bytes>, Refused> {
    let before = Bytes::from(document.state_vector());
    let mut added: Vec<News> = Vec::new();
    let mut open: Vec<&Bytes> = updates.iter().collect();
    while !open.is_empty() {
        let (count, known) = (open.len(), added.len());
        let mut lacking = Vec::new();
        for update in open {
            let applied = document.import(update)?;
            added.extend(applied.news);
            if applied.lacking.is_some() {
                lacking.push(update);
            }
        }
        if lacking.len() == count && added.len() == known {
            return Err(Refused::Incomplete);
        }
        open = lacking;
    }
    match added.len() {
        0 => Ok(None),
        1 => Ok(added.pop().map(|news| news.update)),
        _ => Ok(Some(document.diff(&before).map_err(Refusal::from)?.into())),
    }
}

/// Names a document's content, however often it is read.
fn key(updates: &[Bytes]) -> String {
    let mut hash = Sha256::new();
    for update in updates {
        hash.update((update.len() as u64).to_le_bytes());
        hash.update(update);
    }
    hex::encode(hash.finalize())
}

/// Stores one entry, in a room that is made if it is missing; whether it is new. While the database is away it is sent again.
async fn append(store: &Store, room: &RoomName, entry: NewEntry) -> Result<Result<bool, store::Refused>, StoreError> {
    let room = store.ensure_room(room, None).await?;
    let mut append = Append {
        room,
        id: Uuid::new_v4(),
        is_repeated: false,
        after: None,
        epoch: None,
        entries: vec![entry],
        clients: Vec::new(),
    };
    let mut wait = RETRY_FIRST;
    for tries_left in (0..TRIES).rev() {
        let outcome = store.append(vec![append.clone()]).await.pop().unwrap_or(Ok(Vec::new()));
        match outcome {
            Err(StoreError::Unavailable(_)) if tries_left > 0 => {
                tokio::time::sleep(wait).await;
                wait *= 2;
                append.is_repeated = true;
            }
            outcome => {
                let placed = outcome?.pop();
                return placed
                    .map(|placed| placed.map(|placed| placed.is_new))
                    .ok_or_else(|| StoreError::Unexpected("an append without an answer".to_owned()));
            }
        }
    }
    Err(StoreError::Unexpected("an append was not tried".to_owned()))
}

impl Imported {
    /// Whether any document was as it should be.
    fn has_good(&self) -> bool {
        self.documents + self.already_there + self.empty > 0
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, bytes, merged, already_there, empty, refused, is_dry_run } = self;
        let rows = [
            (if *is_dry_run { "would be imported" } else { "imported" }, documents),
            ("  into new rooms", &(documents - merged)),
            ("  merged into rooms that had entries", merged),
            ("skipped: already there", already_there),
            ("skipped: nothing was ever written", empty),
            ("refused", refused),
        ];
        writeln!(f, "{:<38}{:>10}", "documents", documents + already_there + empty + refused)?;
        rows.iter().try_for_each(|(what, count)| writeln!(f, "{what:<38}{count:>10}"))?;
        write!(f, "{:<38}{:>10}", "size of the new entries", size(*bytes))
    }
}
