//! What the store takes and gives: entries, rooms, answers. Plain values; what a body means is for others to know.

use bytes::Bytes;
use uuid::Uuid;

pub use crate::entry_key::KEY_BYTES_MAX;
use crate::ids::{RoomName, Seq, UserId};

/// Most entries of one history page.
pub const HISTORY_ENTRIES_MAX: u32 = 10_000;
/// Most bytes of bodies in one history page, its first entry aside. A page that reaches it is shorter than asked for.
pub const HISTORY_BYTES_MAX: usize = 8 << 20;
/// Longest body of an event that is taken for one of a comment.
pub const COMMENT_BYTES_MAX: usize = 65_536;

/// What an entry takes on disk beside its body, about.
pub const ENTRY_OVERHEAD_BYTES: u64 = 64;

/// A room's row in the database. Stays the same for the room's whole life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoomId(pub i64);

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryKind {
    /// A Yjs update, v1 encoding.
    Edit,
    /// A chat message.
    Message,
    /// An app's durable event.
    Event,
    /// A step of a central-authority editor (`edit.push`).
    Step,
}

/// An entry on its way in: it has no seq and no time yet.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// What it is.
    pub kind: EntryKind,
    /// Who made it.
    pub author: UserId,
    /// Who sent it, where that is somebody else.
    pub via: Option<UserId>,
    /// The sender's own name for it: repeated by the same author in the same room, it is stored once.
    pub key: Option<String>,
    /// What must hold for it to be stored; compared under the room's lock. An entry whose key is known already was stored then.
    pub condition: Option<Condition>,
    /// Its content.
    pub body: Bytes,
}

/// What must hold for an entry to be stored, whoever else writes to the room; otherwise it is refused as [`Refused::Stale`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The entry before it has this seq; 0: there is none.
    Head(Seq),
    /// The newest step before it has this seq; 0: there is none. Steps of one append that name the same one build on each other: each
    /// follows the one before it, and none is stored behind one that was refused.
    NewestStep(Seq),
    /// An entry with its author and key is there already: it is never stored itself, and placed where that one is.
    Known,
}

/// Who makes a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maker {
    /// Whom it counts for.
    pub user: UserId,
    /// How many rooms that one may have made that are there, or can be taken back; `None`: any number.
    pub rooms_max: Option<u64>,
}

/// What one room wants stored, all in one go.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where; made by [`ensure_room`](super::Store::ensure_room).
    pub room: RoomId,
    /// Names this append. An append whose answer was lost (`Err(Unavailable)`) is sent again with the same id and the
    /// same entries, before any other of its room, and is then stored once.
    pub id: Uuid,
    /// Whether it was sent before, and may be stored.
    pub is_repeated: bool,
    /// Set where the entries may repeat what other servers store: the newest entry that was read before they were made. If the
    /// timeline goes on behind it, nothing is stored, and [`StoreError::Moved`](super::StoreError::Moved) tells so.
    pub after: Option<Seq>,
    /// The epoch of the room that the entries were made in, if that counts. If it is another by now, nothing is stored, and
    /// [`StoreError::Renewed`](super::StoreError::Renewed) tells so.
    pub epoch: Option<i64>,
    /// In the order they shall have.
    pub entries: Vec<NewEntry>,
    /// Yjs client ids first seen live, with the user who brought them. Already bound ones keep their user.
    pub clients: Vec<(u64, UserId)>,
}

/// Where an entry stands in the timeline, for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its seq.
    pub seq: Seq,
    /// Its time in Unix milliseconds; never earlier than that of any entry before it.
    pub at_ms: i64,
    /// False if the author's key was known already; then `seq` and `at_ms` are those of the first entry with it.
    pub is_new: bool,
}

/// Why one entry will never be stored, while its neighbours are. The messages are fit for a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// A NUL character in the author or the key: Postgres cannot store it.
    #[error("a NUL character cannot be stored")]
    Nul,
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("a key has at most {KEY_BYTES_MAX} bytes")]
    KeyTooLong,
    /// Longer than the store's setting `entry_bytes_max`.
    #[error("an entry has at most {max} bytes")]
    TooLarge {
        /// The setting, in bytes.
        max: usize,
    },
    /// Its [`Condition`] did not hold.
    #[error("the room has changed since the state that this builds on")]
    Stale,
    /// The database took too long for it, again and again, while it stored others.
    #[error("the database takes too long to store the entry")]
    TooSlow,
    /// The database did not take it, though it took the others. The log says why.
    #[error("the entry cannot be stored")]
    ByDatabase,
}

/// The answer to one [`Append`]: one item an entry, in order.
pub type Outcome = Result<Vec<Result<Placed, Refused>>, super::StoreError>;

/// A committed entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place in the timeline.
    pub seq: Seq,
    /// What it is.
    pub kind: EntryKind,
    /// Who made it.
    pub author: UserId,
    /// Who sent it, where that is known to be somebody else.
    pub via: Option<UserId>,
    /// When it was committed, in Unix milliseconds.
    pub at_ms: i64,
    /// The sender's own name for it.
    pub key: Option<String>,
    /// The body's length.
    pub body_bytes: u64,
    /// Its content; `None` if the query left it out.
    pub body: Option<Bytes>,
}

/// Which end of a range a history page is taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// The oldest entries of the range.
    Oldest,
    /// The newest entries of the range.
    Newest,
}

/// Which bodies a history page brings along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bodies {
    /// All of them.
    All,
    /// Those of messages, events and steps; of edits, which may be large and say nothing to a person, only the length.
    NotOfEdits,
}

/// Which kinds of entries a history page has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kinds {
    /// All of them.
    All,
    /// One of them.
    Only(EntryKind),
    /// All but edits, which are most of many timelines; an index finds the others.
    NotEdits,
    /// Events of comments, which an index finds by how their bodies begin; none longer than [`COMMENT_BYTES_MAX`].
    Comments,
}

/// A page of a room's timeline.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Only entries with a greater seq.
    pub after: Option<Seq>,
    /// Only entries with a lesser seq.
    pub before: Option<Seq>,
    /// Only entries of these kinds.
    pub kinds: Kinds,
    /// Only this author's entries.
    pub author: Option<UserId>,
    /// At most this many entries; the store's own bound is [`HISTORY_ENTRIES_MAX`].
    pub limit: u32,
    /// Which end of the range.
    pub page: Page,
    /// Which bodies.
    pub bodies: Bodies,
}

/// A room as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomRow {
    /// Its row.
    pub id: RoomId,
    /// Its name.
    pub name: RoomName,
    /// The newest entry's seq; 0 without entries.
    pub head: Seq,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
    /// The newest entry's time, or the creation's, in Unix milliseconds.
    pub updated_at_ms: i64,
    /// What an app keeps with it, as a JSON object.
    pub meta: Option<String>,
    /// Edits and messages up to this seq were dropped; 0 if none were.
    pub horizon: Seq,
    /// Raised when an erasure begins, and when it ends: odd while one is under way.
    pub epoch: i64,
}

impl RoomRow {
    /// Whether an erasure is under way: what is read meanwhile may hold what is to be erased, and nothing that is made of it is kept.
    pub fn is_being_erased(&self) -> bool {
        is_being_erased(self.epoch)
    }
}

/// Whether an erasure is under way in this epoch of a room.
pub fn is_being_erased(epoch: i64) -> bool {
    epoch % 2 != 0
}

impl HistoryQuery {
    /// Whether it asks for what may be dropped. Events and steps never are.
    pub fn asks_for_dropped(&self) -> bool {
        !matches!(self.kinds, Kinds::Only(EntryKind::Event | EntryKind::Step) | Kinds::Comments)
    }

    /// From which seq on a page must have all entries to be the answer; `None` if what is dropped does not count: what
    /// ends with the oldest entry that there is lacks nothing.
    pub(super) fn needs_after(&self) -> Option<Seq> {
        match self.page {
            _ if !self.asks_for_dropped() => None,
            Page::Oldest => Some(self.after.unwrap_or(Seq::ZERO)),
            Page::Newest => self.after.or(self.before.map(|before| Seq(before.0.saturating_sub(1)))),
        }
    }
}

/// All that is needed to bring a room to life, read at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The room's row.
    pub id: RoomId,
    /// The newest entry's seq; 0 without entries.
    pub head: Seq,
    /// As in [`RoomRow`].
    pub epoch: i64,
    /// The newest snapshot: the document's state up to that seq.
    pub snapshot: Option<(Seq, Bytes)>,
    /// The edits after the snapshot, in order: their seqs and bodies.
    pub edits: Vec<(Seq, Bytes)>,
    /// Who brought which Yjs client first.
    pub clients: Vec<(u64, UserId)>,
}
