//! Turns rows into values and values into columns, alike for both databases.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::entry::{
    Bodies, Entry, EntryKind, HISTORY_BYTES_MAX, HISTORY_ENTRIES_MAX, HistoryQuery, Kinds, Page, RoomId, RoomRow,
};
use super::error::StoreError;
use crate::ids::{RoomName, Seq, UserId};
use crate::layout::Stored;

/// id, name, head, created_at, last_at, meta, horizon, epoch.
pub(super) type RoomColumns = (i64, String, i64, i64, i64, Option<String>, i64, i64);

/// As of a room, then whether it was deleted.
pub(super) type AnyRoomColumns = (i64, String, i64, i64, i64, Option<String>, i64, i64, bool);

pub(super) const ROOM_SQL: &str = "select id, name, head, created_at, last_at, meta, horizon, epoch, deleted_at is not null from room where name = $1";

/// seq, kind, author, via, at, key, the body's length, the body or null.
pub(super) type EntryColumns = (i64, i16, String, Option<String>, i64, Option<String>, i64, Option<Vec<u8>>);

pub(super) fn room(columns: RoomColumns) -> Result<RoomRow, StoreError> {
    let (id, name, head, created_at_ms, updated_at_ms, meta, horizon, epoch) = columns;
    let name =
        RoomName::parse(&name).map_err(|error| StoreError::Unexpected(format!("the name of room {id}: {error}")))?;
    let (id, head, horizon) = (RoomId(id), seq(head), seq(horizon));
    Ok(RoomRow { id, name, head, created_at_ms, updated_at_ms, meta, horizon, epoch })
}

/// A room, and whether it was deleted.
pub(super) fn any_room(columns: AnyRoomColumns) -> Result<(RoomRow, bool), StoreError> {
    let (id, name, head, created_at, last_at, meta, horizon, epoch, is_deleted) = columns;
    Ok((room((id, name, head, created_at, last_at, meta, horizon, epoch))?, is_deleted))
}

pub(super) fn entry(columns: EntryColumns) -> Result<Entry, StoreError> {
    let (number, kind, author, via, at_ms, key, body_bytes, body) = columns;
    let (author, via) = (UserId::new(author), via.map(UserId::new));
    let (body_bytes, body) = (body_bytes.unsigned_abs(), body.map(Bytes::from));
    Ok(Entry { seq: seq(number), kind: kind_of(kind)?, author, via, at_ms, key, body_bytes, body })
}

/// A page, and whether rows were left unread behind it.
pub(super) struct Gathered {
    pub entries: Vec<Entry>,
    pub is_cut: bool,
}

/// Gathers a page from rows in the page's own direction; ascending by seq, whatever the direction.
pub(super) async fn page(
    query: &HistoryQuery,
    mut rows: impl Stream<Item = sqlx::Result<EntryColumns>> + Unpin,
) -> Result<Gathered, StoreError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let mut is_cut = false;
    while let Some(columns) = rows.try_next().await? {
        let entry = entry(columns)?;
        bytes += entry.body.as_ref().map_or(0, Bytes::len);
        is_cut = bytes > HISTORY_BYTES_MAX && !entries.is_empty();
        if is_cut {
            break;
        }
        entries.push(entry);
    }
    if query.page == Page::Newest {
        entries.reverse();
    }
    Ok(Gathered { entries, is_cut })
}

/// The parameters of a history query, as columns.
pub(super) struct HistoryColumns<'q> {
    pub after: i64,
    pub before: i64,
    pub kind: Option<i16>,
    pub author: Option<&'q str>,
    pub limit: i64,
    /// The kind whose bodies stay behind; 0, which is none, for all bodies.
    pub bodiless: i16,
}

impl<'q> From<&'q HistoryQuery> for HistoryColumns<'q> {
    fn from(query: &'q HistoryQuery) -> Self {
        Self {
            after: query.after.map_or(0, seq_column),
            before: query.before.map_or(i64::MAX, seq_column),
            kind: match query.kinds {
                Kinds::Only(kind) => Some(kind_column(kind)),
                Kinds::All | Kinds::NotEdits | Kinds::Comments => None,
            },
            author: query.author.as_ref().map(UserId::as_str),
            limit: i64::from(query.limit.min(HISTORY_ENTRIES_MAX)),
            bodiless: match query.bodies {
                Bodies::All => 0,
                Bodies::NotOfEdits => kind_column(EntryKind::Edit),
            },
        }
    }
}

/// What names an index behind a table. SQLite would search by the primary key, which has the same columns but all the rows; Postgres
/// knows better, and has no words for it.
macro_rules! indexed_by {
    (sqlite, $index:literal) => {
        concat!(" indexed by ", $index)
    };
    (postgres, $index:literal) => {
        ""
    };
}
pub(super) use indexed_by;

/// An entry's body. Large ones lie in a table of their own in SQLite, and an empty one stands for them.
macro_rules! entry_body {
    (sqlite) => {
        "case length(body) when 0 then coalesce((select large.body from large_body as large \
         where large.room_id = entry.room_id and large.seq = entry.seq), x'') else body end"
    };
    (postgres) => {
        "body"
    };
}
pub(super) use entry_body;

/// Its length.
macro_rules! entry_bytes {
    (sqlite) => {
        "case length(body) when 0 then coalesce((select length(large.body) from large_body as large \
         where large.room_id = entry.room_id and large.seq = entry.seq), 0) else length(body) end"
    };
    (postgres) => {
        "length(body)::bigint"
    };
}
pub(super) use entry_bytes;

/// Rows that are rewritten, or go, at once: appends wait meanwhile.
pub(super) const PART_ROWS: i64 = 500;
/// The last of the next rows of some kinds, at most so many: 8 MiB of bodies together, or one that alone is longer.
macro_rules! part_sql {
    ($database:ident, $kinds:literal) => {
        concat!(
            "select max(seq) from \
             (select seq, row_number() over (order by seq) as place, sum(bytes) over (order by seq) as total from \
              (select seq, ",
            $crate::store::rows::entry_bytes!($database),
            " as bytes from entry where room_id = $1 and seq > $2 and seq <= $3",
            $kinds,
            " order by seq limit $4) as next) as part where place = 1 or total <= 8388608"
        )
    };
}
pub(super) use part_sql;

/// The statement of a history query, in the words of `$database`, with what bodies of comments begin with.
macro_rules! history_sql {
    ($query:expr, $database:ident, $comment:literal) => {
        match ($query.page, $query.kinds) {
            (Page::Oldest, kinds) => $crate::store::rows::history_sql!(@page kinds, $database, $comment, "asc"),
            (Page::Newest, kinds) => $crate::store::rows::history_sql!(@page kinds, $database, $comment, "desc"),
        }
    };
    // Conditions in so many words, which are those of the indexes.
    (@page $kinds:expr, $database:ident, $comment:literal, $order:literal) => {
        match $kinds {
            Kinds::All | Kinds::Only(EntryKind::Edit) => $crate::store::rows::history_sql!(@ $database, "", "", $order),
            Kinds::Only(EntryKind::Step) => $crate::store::rows::history_sql!(
                @ $database,
                $crate::store::rows::indexed_by!($database, "entry_step"),
                " and kind = 4",
                $order
            ),
            Kinds::Comments => $crate::store::rows::history_sql!(
                @ $database,
                $crate::store::rows::indexed_by!($database, "entry_comment"),
                concat!(" and kind = 3 and substr(body, 1, 17) = ", $comment, " and length(body) <= 65536"),
                $order
            ),
            _ => $crate::store::rows::history_sql!(
                @ $database,
                $crate::store::rows::indexed_by!($database, "entry_not_edit"),
                " and kind <> 1",
                $order
            ),
        }
    };
    (@ $database:ident, $index:expr, $kinds:expr, $order:literal) => {
        concat!(
            "select seq, kind, author, via, at, key, ", $crate::store::rows::entry_bytes!($database),
            ", case when kind = $7 then null else ", $crate::store::rows::entry_body!($database), " end from entry", $index,
            " where room_id = $1 and seq > $2 and seq < $3 and ($4 is null or kind = $4)", $kinds,
            " and ($5 is null or author = $5) order by seq ", $order, " limit $6"
        )
    };
}
pub(super) use history_sql;

/// Of a room's snapshots only the newest, and that at its horizon, are of use: past states are read from segments of its history.
pub(super) const FORGET_OLDER_SQL: &str = "delete from snapshot where room_id = $1 and seq < (select max(seq) from snapshot where room_id = $1) \
     and seq <> (select horizon from room where id = $1)";

/// Counts a room's entries but edits after a seq, up to a limit.
macro_rules! count_sql {
    ($database:ident) => {
        concat!(
            "select count(*) from (select 1 from entry",
            $crate::store::rows::indexed_by!($database, "entry_not_edit"),
            " where room_id = $1 and seq > $2 and kind <> 1 limit $3) as counted"
        )
    };
}
pub(super) use count_sql;

/// The first name past all that start with `prefix`. No name holds the greatest character, so it is past them all.
pub(super) fn prefix_end(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

pub(super) fn kind_column(kind: EntryKind) -> i16 {
    match kind {
        EntryKind::Edit => 1,
        EntryKind::Message => 2,
        EntryKind::Event => 3,
        EntryKind::Step => 4,
    }
}

pub(super) fn kind_of(column: i16) -> Result<EntryKind, StoreError> {
    Ok(match column {
        1 => EntryKind::Edit,
        2 => EntryKind::Message,
        3 => EntryKind::Event,
        4 => EntryKind::Step,
        _ if column > Stored::Entry.newest().into() => return Err(Stored::Entry.newer(column.into()).into()),
        _ => return Err(StoreError::Unexpected(format!("no such kind of entry: {column}"))),
    })
}

/// A seq from outside may exceed what a column holds; no entry is past that, so the greatest stands for all of them.
pub(super) fn seq_column(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// The tables' checks keep seqs from being negative.
pub(super) fn seq(column: i64) -> Seq {
    Seq(column.unsigned_abs())
}

/// The same bits, since a column is signed.
pub(super) fn client_column(client: u64) -> i64 {
    client.cast_signed()
}

pub(super) fn client((client, user): (i64, String)) -> (u64, UserId) {
    (client.cast_unsigned(), UserId::new(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_of_any_size_survives_its_column() {
        for id in [0, 1, u64::from(u32::MAX), 1 << 53, i64::MAX as u64 + 1, u64::MAX] {
            assert_eq!(client((client_column(id), "ada".to_owned())).0, id);
        }
    }

    #[test]
    fn a_kind_survives_its_column_and_unknown_ones_are_reported() {
        for kind in [EntryKind::Edit, EntryKind::Message, EntryKind::Event, EntryKind::Step] {
            assert_eq!(kind_of(kind_column(kind)), Ok(kind));
        }
        assert!(matches!(kind_of(0), Err(StoreError::Unexpected(_))));
        assert!(matches!(kind_of(5), Err(StoreError::Newer(_))));
    }

    #[test]
    fn a_seq_past_any_entry_stays_past_any_entry() {
        assert_eq!(seq_column(Seq(u64::MAX)), i64::MAX);
        assert_eq!(seq(seq_column(Seq(7))), Seq(7));
    }
}
