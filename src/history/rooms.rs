//! The histories of rooms: read from the store, brought up to date, and kept for a while.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use indexmap::IndexMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::activity::Session;
use super::authors::Authors;
use super::base::Base;
use super::blame::Blame;
use super::diff::RootChanges;
use super::erasable::{Erasable, Span};
use super::error::HistoryError;
use super::past::History;
use super::quotes::Quote;
use super::replay::Replay;
use super::restore::RestorePlan;
use crate::document::DeletedContent;
use crate::ids::{RoomName, Seq, UserId};
use crate::layout::Unreadable;
use crate::protocol::DecodeError;
use crate::store::{Bodies, Dropping, EntryKind, HistoryQuery, Kinds, Page, RoomId, RoomRow, Store, StoreError};

/// What histories may hold in memory while nobody reads them, in bytes.
const KEPT_BYTES_MAX: usize = 128 << 20;
/// What one of them may hold.
const HISTORY_BYTES_MAX: usize = 512 << 20;
/// How often a history is read anew that was dropped under the reader's hands.
const RETRIES: usize = 5;
/// Entries read at once.
const PAGE_ENTRIES: u32 = 2_000;

/// A moment of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After the entry of this seq; 0 is before all.
    Seq(Seq),
    /// At a time, in Unix milliseconds: after the last edit until then.
    TimeMs(i64),
}

/// A history that is being read, up to the room's head.
pub struct Open {
    /// The room's row.
    pub row: RoomRow,
    history: OwnedMutexGuard<History>,
}

type Slot = Arc<Mutex<History>>;

struct Kept {
    slot: Slot,
    bytes: usize,
}

/// Reads histories. Cheap to clone.
#[derive(Clone)]
pub struct Histories {
    store: Store,
    /// The one read last is the last one.
    kept: Arc<std::sync::Mutex<IndexMap<RoomId, Kept>>>,
}

impl Histories {
    /// Reads from `store`.
    pub fn new(store: Store) -> Self {
        Self { store, kept: Arc::default() }
    }

    /// A room's history up to its head; `None` if there is no such room. One reader of a room at a time.
    ///
    /// # Errors
    /// The store cannot be asked now, or the history is too large.
    pub async fn open(&self, room: &RoomName) -> Result<Option<Open>, HistoryError> {
        for _ in 0..RETRIES {
            let Some(row) = self.store.room(room).await? else { return Ok(None) };
            match self.opened(row).await {
                // What was to be read has just been dropped.
                Err(HistoryError::Store(StoreError::Dropped(_))) => {}
                opened => return opened.map(Some),
            }
        }
        Err(HistoryError::Fault("entries are dropped again and again".to_owned()))
    }

    async fn opened(&self, row: RoomRow) -> Result<Open, HistoryError> {
        let mut history = self.slot(row.id).lock_owned().await;
        // The database was set back, or what was read is dropped or erased by now.
        if history.upto() > row.head || history.begins_at() != row.horizon || history.epoch != row.epoch {
            *history = History::default();
        }
        let history = self.brought_up(&row, row.head, history).await?;
        self.keep(row.id, history.held());
        Ok(Open { row, history })
    }

    /// Who brought which Yjs client of a room first.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn authors(&self, room: RoomId) -> Result<Authors, HistoryError> {
        Ok(Authors::new(self.store.all_clients(room).await?))
    }

    /// Makes the segments that a room's history lacks, without keeping it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn build(&self, room: &RoomName) -> Result<(), HistoryError> {
        let Some(row) = self.store.room(room).await? else { return Ok(()) };
        let history = Arc::new(Mutex::new(History::default())).lock_owned().await;
        self.brought_up(&row, row.head, history).await.map(drop)
    }

    /// Forgets what is kept of a room, which is read anew.
    pub fn forget(&self, room: RoomId) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).shift_remove(&room);
    }

    fn slot(&self, room: RoomId) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = kept.shift_remove(&room).unwrap_or_else(|| Kept { slot: Slot::default(), bytes: 0 });
        let slot = own.slot.clone();
        kept.insert(room, own);
        slot
    }

    /// Notes what a history holds, and drops those that were not read for long.
    fn keep(&self, room: RoomId, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = kept.get_mut(&room) {
            own.bytes = bytes;
        }
        let mut all: usize = kept.values().map(|kept| kept.bytes).sum();
        while all > KEPT_BYTES_MAX
            && let Some((_, oldest)) = kept.shift_remove_index(0)
        {
            all -= oldest.bytes;
        }
    }

    async fn brought_up(
        &self,
        row: &RoomRow,
        head: Seq,
        mut history: OwnedMutexGuard<History>,
    ) -> Result<OwnedMutexGuard<History>, HistoryError> {
        if history.upto() == Seq::ZERO {
            history.epoch = row.epoch;
            history = self.with_base(row, history).await?;
            history = self.with_segments(row, head, history).await?;
        }
        while history.upto() < head {
            let query = HistoryQuery {
                after: Some(history.upto()),
                before: Some(Seq(head.0 + 1)),
                kinds: Kinds::Only(EntryKind::Edit),
                author: None,
                limit: PAGE_ENTRIES,
                page: Page::Oldest,
                bodies: Bodies::All,
            };
            let page = self.store.history(row.id, query).await?;
            (history, ()) = unblocked(history, move |history| {
                if page.is_empty() {
                    history.reach(head);
                }
                page.into_iter().for_each(|entry| history.push(entry));
            })
            .await?;
            for segment in history.take_unsaved() {
                // Another server may have been first.
                self.store.save_history_segment(row.id, segment, row.epoch).await?;
            }
            if history.held() > HISTORY_BYTES_MAX {
                *history = History::default();
                return Err(HistoryError::TooLarge);
            }
        }
        Ok(history)
    }

    /// Takes what stays of edits that were dropped.
    async fn with_base(
        &self,
        row: &RoomRow,
        history: OwnedMutexGuard<History>,
    ) -> Result<OwnedMutexGuard<History>, HistoryError> {
        let base = self.store.base(row.id).await?;
        let horizon = row.horizon;
        let (history, taken) = unblocked(history, move |history| {
            if let Some((_, body)) = base {
                history.take_base(Base::decode(&body)?)?;
            }
            // Before the first edit nothing stays.
            history.begin_at(horizon);
            Ok::<_, Unreadable<DecodeError>>(())
        })
        .await?;
        match taken {
            Ok(()) => Ok(history),
            Err(Unreadable::Newer(newer)) => Err(StoreError::from(newer).into()),
            Err(Unreadable::Damaged(error)) => {
                Err(HistoryError::Fault(format!("what stays of dropped edits is damaged: {error}")))
            }
        }
    }

    /// Takes what is stored up to a seq. Where that is damaged it is deleted, and made again of the entries; where a newer release has
    /// written it, entries are read in its place.
    async fn with_segments(
        &self,
        row: &RoomRow,
        head: Seq,
        mut history: OwnedMutexGuard<History>,
    ) -> Result<OwnedMutexGuard<History>, HistoryError> {
        let mut after = history.upto();
        loop {
            let page = self.store.history_segments(row.id, after).await?;
            let Some(last) = page.last() else { break };
            let mut times = Vec::new();
            if page.iter().any(|segment| segment.times.is_none()) {
                times = self.store.edit_times(row.id, (after, last.seq)).await?;
            }
            after = last.seq;
            let taken;
            (history, taken) = unblocked(history, move |history| {
                // One that another server made of other entries does not follow.
                page.iter().try_for_each(|segment| match segment.after == history.upto() && segment.seq <= head {
                    true => history.take_segment(segment, &times),
                    false => Ok(()),
                })
            })
            .await?;
            match taken {
                Ok(()) => {}
                Err(Unreadable::Newer(_)) => return self.begun_again(row, history).await,
                Err(Unreadable::Damaged(error)) => return self.made_again(row, history, error).await,
            }
            if history.held() > HISTORY_BYTES_MAX {
                *history = History::default();
                return Err(HistoryError::TooLarge);
            }
        }
        let settled;
        (history, settled) = unblocked(history, History::settle).await?;
        match settled {
            Ok(()) => Ok(history),
            Err(error) => self.made_again(row, history, error).await,
        }
    }

    async fn made_again(
        &self,
        row: &RoomRow,
        history: OwnedMutexGuard<History>,
        error: DecodeError,
    ) -> Result<OwnedMutexGuard<History>, HistoryError> {
        tracing::error!(room.name = %row.name, %error, "the stored history is damaged, and made again of the entries");
        self.store.forget_history_segments(row.id, Seq::ZERO).await?;
        self.begun_again(row, history).await
    }

    /// Without segments.
    async fn begun_again(
        &self,
        row: &RoomRow,
        mut history: OwnedMutexGuard<History>,
    ) -> Result<OwnedMutexGuard<History>, HistoryError> {
        *history = History::default();
        history.epoch = row.epoch;
        self.with_base(row, history).await
    }

    /// Raises a room's horizon over all that was committed before a time, if its oldest entry was before another, in Unix
    /// milliseconds; whether rows are to go by that. The
    /// document there is kept with what was deleted, or without.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) async fn raise_horizon(
        &self,
        room: &RoomName,
        (cutoff_ms, due_ms): (i64, i64),
        content: DeletedContent,
    ) -> Result<bool, HistoryError> {
        let Some(row) = self.store.room(room).await? else { return Ok(false) };
        // The next one that there is.
        let next = RoomRow { head: row.head.min(Seq(row.horizon.0 + 1)), ..row.clone() };
        if self.last_before(&next, due_ms).await? == row.horizon {
            return Ok(false);
        }
        let to = self.last_before(&row, cutoff_ms).await?;
        if to <= row.horizon {
            return Ok(false);
        }
        let rows = self.store.versions(row.id).await?;
        let mut versions: Vec<Seq> = rows.into_iter().map(|row| row.seq).filter(|seq| *seq <= to).collect();
        versions.sort_unstable();
        versions.dedup();
        let authors = self.authors(row.id).await?;
        let history = Arc::new(Mutex::new(History::default())).lock_owned().await;
        let history = self.brought_up(&row, to, history).await?;
        let pending = history.pending();
        let history = self.brought_up(&row, row.head, history).await?;
        let named = versions.clone();
        let (_, kept) = unblocked(history, move |history| history.kept(to, &named, pending, &authors, content)).await?;
        let dropping = Dropping { from: (row.horizon, row.epoch), to, versions, kept: kept? };
        Ok(self.store.raise_horizon(row.id, dropping).await?)
    }

    /// The last entry that was committed before a time; the horizon if there is none.
    async fn last_before(&self, row: &RoomRow, time_ms: i64) -> Result<Seq, HistoryError> {
        // Times never decrease within a room.
        let (mut before, mut after) = (row.horizon, Seq(row.head.0 + 1));
        while before.0 + 1 < after.0 {
            let middle = Seq(before.0 + (after.0 - before.0) / 2);
            let query = HistoryQuery {
                after: Some(Seq(middle.0 - 1)),
                before: Some(after),
                kinds: Kinds::All,
                author: None,
                limit: 1,
                page: Page::Oldest,
                bodies: Bodies::NotOfEdits,
            };
            match self.store.history(row.id, query).await?.first() {
                Some(entry) if entry.at_ms < time_ms => before = entry.seq,
                _ => after = middle,
            }
        }
        Ok(before)
    }
}

impl Open {
    /// What the history holds in memory, in bytes, about.
    pub fn held(&self) -> usize {
        self.history.held()
    }

    /// The newest sessions of editing, see [`History::sessions`].
    ///
    /// # Errors
    /// A fault; or what comes before that seq was dropped.
    pub fn sessions(
        &self,
        before: Option<Seq>,
        limit: usize,
        gap_ms: i64,
        authors: &Authors,
    ) -> Result<Vec<Session>, HistoryError> {
        let begins_at = self.history.begins_at();
        if before.is_some_and(|before| before <= begins_at && begins_at > Seq::ZERO) {
            return Err(HistoryError::Dropped(Seq(begins_at.0 + 1)));
        }
        Ok(self.history.sessions(before, limit, gap_ms, authors)?)
    }

    /// The seq that `when` means.
    ///
    /// # Errors
    /// It is after the head, or older than what is kept.
    pub fn seq(&self, when: When) -> Result<Seq, HistoryError> {
        match when {
            When::Seq(seq) if seq > self.row.head => Err(HistoryError::AfterHead(self.row.head)),
            When::Seq(seq) => self.kept(seq),
            When::TimeMs(at_ms) => self.kept(self.history.seq_at(at_ms)?),
        }
    }

    fn kept(&self, seq: Seq) -> Result<Seq, HistoryError> {
        let begins_at = self.history.begins_at();
        if self.history.moments.has(seq) { Ok(seq) } else { Err(HistoryError::Dropped(Seq(begins_at.0 + 1))) }
    }

    /// Who wrote what of the document at a moment, and the seq of that; see [`History::blame`].
    ///
    /// # Errors
    /// As there; or the moment is after the head.
    pub fn blame(&self, root: Option<&str>, when: When, authors: &Authors) -> Result<(Seq, Blame), HistoryError> {
        let seq = self.seq(when)?;
        Ok((seq, self.history.blame(root, seq, authors)?))
    }

    /// What of a root type differs between two moments, and their seqs; see [`History::diff`].
    ///
    /// # Errors
    /// As there; or a moment is after the head.
    pub fn diff(
        &self,
        root: Option<&str>,
        (from, to): (When, When),
        authors: &Authors,
    ) -> Result<(Seq, Seq, RootChanges), HistoryError> {
        let (from, to) = (self.seq(from)?, self.seq(to)?);
        Ok((from, to, self.history.diff(root, from, to, authors)?))
    }

    /// All that a user has inserted; see [`History::words_of`].
    ///
    /// # Errors
    /// As there.
    pub fn words_of(&self, user: &UserId, quotes: &[Quote], authors: &Authors) -> Result<Erasable, HistoryError> {
        self.history.words_of(user, quotes, self.row.head, authors)
    }

    /// All that lies or ever lay in a part of a root type; see [`History::words_between`].
    ///
    /// # Errors
    /// As there.
    pub fn words_between(&self, span: &Span, quotes: &[Quote], authors: &Authors) -> Result<Erasable, HistoryError> {
        self.history.words_between(span, quotes, self.row.head, authors)
    }

    /// The whole history of a root type; see [`History::replay`].
    ///
    /// # Errors
    /// As there.
    pub fn replay(&self, root: Option<&str>, authors: &Authors) -> Result<Replay, HistoryError> {
        self.history.replay(root, authors)
    }

    /// What of a root type differs between two moments, for people; see [`History::unified_diff`].
    ///
    /// # Errors
    /// As there; or a moment is after the head.
    pub fn unified_diff(&self, root: Option<&str>, (from, to): (When, When)) -> Result<String, HistoryError> {
        let (from, to) = (self.seq(from)?, self.seq(to)?);
        let name = |seq: Seq| format!("{}@{seq}", self.row.name);
        self.history.unified_diff(root, (from, &name(from)), (to, &name(to)))
    }

    /// The edit that undoes what came after a seq and until `from`, of all or of one user; see [`History::restore`].
    ///
    /// # Errors
    /// As there; or a seq is after the head.
    pub fn restore(
        &self,
        to: Seq,
        from: Seq,
        by: Option<&UserId>,
        authors: &Authors,
    ) -> Result<RestorePlan, HistoryError> {
        self.history.restore(self.seq(When::Seq(to))?, self.seq(When::Seq(from))?, by, authors)
    }

    /// What is kept of who wrote what, for a copy of the entries up to a seq; see [`History::copied_credits`].
    ///
    /// # Errors
    /// A fault.
    pub fn copied_credits(&self, upto: Seq) -> Result<Option<Bytes>, HistoryError> {
        self.history.copied_credits(upto)
    }

    /// The document at a moment, as an update, and the seq of that moment.
    ///
    /// # Errors
    /// It is after the head.
    pub fn state(&self, when: When) -> Result<(Seq, Vec<u8>), HistoryError> {
        let seq = self.seq(when)?;
        Ok((seq, self.history.state_at(seq)?))
    }
}

/// Does what may take long on a thread where nobody waits for it.
async fn unblocked<T: Send + 'static>(
    mut history: OwnedMutexGuard<History>,
    work: impl FnOnce(&mut History) -> T + Send + 'static,
) -> Result<(OwnedMutexGuard<History>, T), HistoryError> {
    let work = move || {
        let done = work(&mut history);
        (history, done)
    };
    tokio::task::spawn_blocking(work).await.map_err(|panic| HistoryError::Fault(panic.to_string()))
}
