//! Sessions of editing: who worked from when to when, and how much. Computed when asked for, so that what makes a session can be chosen
//! anew each time.

use indexmap::IndexMap;

use super::authors::Authors;
use super::past::History;
use crate::document::IdRange;
use crate::ids::{Seq, UserId};
use crate::protocol::DecodeError;

/// What is done within so much of what was done before belongs to the same session, in milliseconds.
pub const GAP_MS: i64 = 10 * 60 * 1000;

/// Edits without a long pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its first edit.
    pub from: Seq,
    /// Its last edit.
    pub to: Seq,
    /// When it began, in Unix milliseconds.
    pub started_at_ms: i64,
    /// When it ended, in Unix milliseconds.
    pub ended_at_ms: i64,
    /// Who took part, in the order in which they came.
    pub authors: IndexMap<UserId, Work>,
}

/// What one author did in a session.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Edits that it has a part in.
    pub edits: u64,
    /// UTF-16 units of text that it inserted.
    pub inserted: u64,
    /// UTF-16 units of text that it deleted.
    pub deleted: u64,
}

/// A session that goes on: ranges are counted when they end.
struct Running {
    session: Session,
    inserted: IndexMap<UserId, Vec<IdRange>>,
    deleted: IndexMap<UserId, Vec<IdRange>>,
}

impl History {
    /// The newest `limit` sessions that begin before a seq, the newest first; `gap_ms` of silence end one.
    ///
    /// # Errors
    /// A fault.
    pub fn sessions(
        &self,
        before: Option<Seq>,
        limit: usize,
        gap_ms: i64,
        authors: &Authors,
    ) -> Result<Vec<Session>, DecodeError> {
        let spans = self.spans(before, limit, gap_ms)?;
        let mut sessions: Vec<Session> = Vec::with_capacity(spans.len());
        let (Some(first), Some(last)) = (spans.first().copied(), spans.last().copied()) else { return Ok(sessions) };
        let mut spans = spans.into_iter();
        let mut span = spans.next();
        let mut running: Option<Running> = None;
        self.read(last.1, |edit| {
            if edit.seq < first.0 || !edit.is_work {
                return;
            }
            while span.is_some_and(|(_, to)| to < edit.seq) {
                sessions.extend(running.take().map(|running| running.end(self)));
                span = spans.next();
            }
            let running = running.get_or_insert_with(|| Running::begin(edit.seq, edit.at_ms));
            (running.session.to, running.session.ended_at_ms) = (edit.seq, edit.at_ms);
            let mut seen: Option<&UserId> = None;
            for range in edit.inserted {
                let (by, _) = authors.of_inserted(range, &edit);
                extend(&mut running.inserted, by, *range);
                if seen != Some(by) {
                    running.count(by);
                    seen = Some(by);
                }
            }
            for range in edit.deleted {
                extend(&mut running.deleted, edit.author, *range);
            }
            if !edit.deleted.is_empty() && seen != Some(edit.author) {
                running.count(edit.author);
            }
        })?;
        sessions.extend(running.map(|running| running.end(self)));
        sessions.reverse();
        Ok(sessions)
    }

    /// The first and last seqs of the newest sessions before a seq, in order.
    fn spans(&self, before: Option<Seq>, limit: usize, gap_ms: i64) -> Result<Vec<(Seq, Seq)>, DecodeError> {
        let mut spans: std::collections::VecDeque<(Seq, Seq)> = std::collections::VecDeque::new();
        let mut last_ms = i64::MIN;
        self.read(self.upto(), |edit| {
            if !edit.is_work || edit.seq <= self.begins_at() {
                return;
            }
            let goes_on = edit.at_ms.saturating_sub(last_ms) <= gap_ms;
            last_ms = edit.at_ms;
            match spans.back_mut().filter(|_| goes_on) {
                Some(last) => last.1 = edit.seq,
                None if before.is_some_and(|before| edit.seq >= before) => {}
                None => {
                    if spans.len() == limit {
                        spans.pop_front();
                    }
                    spans.push_back((edit.seq, edit.seq));
                }
            }
        })?;
        Ok(spans.into())
    }
}

impl Running {
    fn begin(seq: Seq, at_ms: i64) -> Self {
        let session =
            Session { from: seq, to: seq, started_at_ms: at_ms, ended_at_ms: at_ms, authors: IndexMap::new() };
        Self { session, inserted: IndexMap::new(), deleted: IndexMap::new() }
    }

    fn count(&mut self, user: &UserId) {
        work(&mut self.session.authors, user).edits += 1;
    }

    fn end(self, history: &History) -> Session {
        let Self { mut session, inserted, deleted } = self;
        for (user, ranges) in inserted {
            work(&mut session.authors, &user).inserted = history.characters(&ranges);
        }
        for (user, ranges) in deleted {
            work(&mut session.authors, &user).deleted = history.characters(&ranges);
        }
        session
    }
}

fn work<'w>(works: &'w mut IndexMap<UserId, Work>, user: &UserId) -> &'w mut Work {
    // Looked up before the user is cloned, which is nearly always enough.
    let at = works.get_index_of(user).unwrap_or_else(|| works.insert_full(user.clone(), Work::default()).0);
    &mut works[at]
}

/// Adds a range to those of a user, as part of the last one where it goes on with that.
fn extend(all: &mut IndexMap<UserId, Vec<IdRange>>, user: &UserId, range: IdRange) {
    let at = all.get_index_of(user).unwrap_or_else(|| all.insert_full(user.clone(), Vec::new()).0);
    match all[at].last_mut() {
        Some(last) if last.client == range.client && last.end == range.start => last.end = range.end,
        Some(last) if last.client == range.client && last.start == range.end => last.start = range.start,
        _ => all[at].push(range),
    }
}
