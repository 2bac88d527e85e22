//! Versions: names for seqs, given by people and apps.

use super::error::StoreError;
use super::rows;
use crate::ids::{Seq, UserId};

/// Most versions of a room.
pub const VERSIONS_MAX: usize = 1_000;

/// A named seq.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionRow {
    /// The seq.
    pub seq: Seq,
    /// Its name. A seq may have several, each once.
    pub label: String,
    /// Who named it last.
    pub author: UserId,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// What an app keeps with it, as JSON.
    pub meta: Option<String>,
}

/// What became of a change to versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VersionChange {
    /// It is done.
    Done,
    /// The seq has that name already.
    Taken,
    /// There are [`VERSIONS_MAX`].
    Full,
    /// There is no such version.
    Missing,
}

/// seq, label, author, at, meta.
pub(super) type VersionColumns = (i64, String, String, i64, Option<String>);

pub(super) const VERSIONS_SQL: &str =
    "select seq, label, author, at, meta from version where room_id = $1 order by seq desc, label";
pub(super) const HAS_SQL: &str = "select count(*) from version where room_id = $1 and seq = $2 and label = $3";
pub(super) const COUNT_SQL: &str = "select count(*) from version where room_id = $1";
/// Nothing is kept of a room that was deleted; `$lock` keeps it from being, in the words of the database.
macro_rules! add_sql {
    ($lock:literal) => {
        concat!(
            "insert into version (room_id, seq, label, author, at, meta) select id, $2, $3, $4, $5, $6 from room \
             where id = $1 and deleted_at is null",
            $lock,
            " on conflict (room_id, seq, label) do nothing"
        )
    };
}
pub(super) use add_sql;
pub(super) const CHANGE_SQL: &str = "update version set label = $4, author = $5, at = $6, meta = $7 \
    where room_id = $1 and seq = $2 and label = $3";
pub(super) const REMOVE_SQL: &str = "delete from version where room_id = $1 and seq = $2 and label = $3";

pub(super) fn row((seq, label, author, at_ms, meta): VersionColumns) -> Result<VersionRow, StoreError> {
    Ok(VersionRow { seq: rows::seq(seq), label, author: UserId::new(author), at_ms, meta })
}

/// What adding or changing to a name comes to before it is tried.
pub(super) fn judge(has_name: bool, count: i64, is_new: bool) -> VersionChange {
    match (has_name, is_new) {
        (true, _) => VersionChange::Taken,
        (false, true) if count >= VERSIONS_MAX as i64 => VersionChange::Full,
        _ => VersionChange::Done,
    }
}
