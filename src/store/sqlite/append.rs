//! The statements of an append, on SQLite. Begun as a writer, the transaction has the file to itself: nothing else
//! needs to be locked.

use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Sqlite, SqliteConnection};
use tokio::time::timeout;

use crate::ids::{Seq, UserId};
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::last_append::LastAppend;
use crate::store::number::Row;
use crate::store::rows::{client_column, kind_column, seq, seq_column};
use crate::store::statements::{EntryKey, Locked, LockedColumns, Settled, Statements};

/// How to connect to the file, and how long that may take.
pub(in crate::store) struct SqliteSource {
    pub options: SqliteConnectOptions,
    pub timeout: Duration,
}

/// Longer bodies lie in a table of their own: the tree of entries is searched by comparing whole rows.
pub(super) const INLINE_BODY_BYTES_MAX: usize = 64 << 10;
/// Rows of an insert, ascending.
const INSERT_ROWS: [usize; 4] = [4, 16, 64, INSERT_ROWS_MAX];
const INSERT_ROWS_MAX: usize = 256;

impl Statements for SqliteConnection {
    type Source = SqliteSource;

    async fn open(source: &SqliteSource) -> Result<Self, StoreError> {
        let limit = source.timeout;
        Ok(timeout(limit, source.options.connect()).await.map_err(|_| StoreError::timed_out(limit))??)
    }

    const BEGIN: &'static str = "begin immediate";

    async fn run(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(statement).execute(self).await.map(drop)
    }

    async fn lock(&mut self, rooms: &[RoomId]) -> sqlx::Result<Vec<Locked>> {
        let sql = "select id, head, last_at, epoch, deleted_at is not null from room where id in (select value from json_each($1))";
        let rows: Vec<LockedColumns> = sqlx::query_as(sql).bind(json(rooms)).fetch_all(self).await?;
        Ok(rows.into_iter().map(Locked::from).collect())
    }

    async fn last_appends(&mut self, server: &str, rooms: &[RoomId]) -> sqlx::Result<Vec<LastAppend>> {
        let sql = "select room_id, append_id, first_seq, at, outcome from last_append \
                   where server = $1 and room_id in (select value from json_each($2))";
        let rows: Vec<(i64, _, i64, i64, Option<String>)> =
            sqlx::query_as(sql).bind(server).bind(json(rooms)).fetch_all(self).await?;
        let last = |(room, id, first_seq, at_ms, outcome)| LastAppend {
            room: RoomId(room),
            id,
            first_seq: seq(first_seq),
            at_ms,
            outcome,
        };
        Ok(rows.into_iter().map(last).collect())
    }

    async fn newest_steps(&mut self, rooms: &[RoomId]) -> sqlx::Result<Vec<(RoomId, Seq)>> {
        let sql = "select max(seq) from entry indexed by entry_step where room_id = $1 and kind = 4";
        let mut newest = Vec::new();
        for room in rooms {
            let found: Option<i64> = sqlx::query_scalar(sql).bind(room.0).fetch_one(&mut *self).await?;
            newest.extend(found.map(|number| (*room, seq(number))));
        }
        Ok(newest)
    }

    async fn known_keys(&mut self, keys: &[EntryKey<'_>]) -> sqlx::Result<Vec<(usize, Seq, i64)>> {
        let sql = "select seq, at from entry where room_id = $1 and author = $2 and key = $3";
        let mut known = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let query = sqlx::query_as(sql).bind(key.room.0).bind(key.author.as_str()).bind(key.key);
            let row: Option<(i64, i64)> = query.fetch_optional(&mut *self).await?;
            known.extend(row.map(|(number, at_ms)| (index, seq(number), at_ms)));
        }
        Ok(known)
    }

    async fn bind_clients(&mut self, clients: &[(RoomId, &(u64, UserId))]) -> sqlx::Result<()> {
        let sql = "insert into client (room_id, client_id, user_id) \
                   select value ->> 0, value ->> 1, value ->> 2 from json_each(?) where true on conflict do nothing";
        sqlx::query(sql).bind(clients_json(clients.iter().copied())).execute(self).await.map(drop)
    }

    async fn write(&mut self, server: &str, rows: &[Row<'_>], settled: &[Settled<'_>]) -> sqlx::Result<()> {
        let sql = format!("{SETTLE} {} {}", large_inserts(rows), inserts(rows.len()));
        let (rooms, clients) = (settled_json(settled), clients_json(clients_of(settled)));
        let query = sqlx::query(AssertSqlSafe(sql)).bind(used_json(settled)).bind(&rooms).bind(server).bind(&rooms);
        bind_rows(query.bind(clients).bind(&rooms), rows).execute(self).await.map(drop)
    }

    async fn commit_at_once(
        &mut self,
        server: &str,
        rows: &[Row<'_>],
        settled: &[Settled<'_>],
    ) -> sqlx::Result<Result<(), Vec<RoomId>>> {
        let (large, inserts) = (large_inserts(rows), inserts(rows.len()));
        let sql = format!("begin immediate; {CHECK_HEADS} {SETTLE} {large} {inserts} commit");
        let (rooms, clients) = (settled_json(settled), clients_json(clients_of(settled)));
        let count = i64::try_from(settled.len()).unwrap_or(i64::MAX);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(count).bind(&rooms);
        let query = query.bind(used_json(settled)).bind(&rooms).bind(server).bind(&rooms).bind(clients).bind(&rooms);
        // Whatever is no longer so is an error here.
        bind_rows(query, rows).execute(self).await.map(|_| Ok(()))
    }
}

/// Fails, since a script has no other way to stop, unless all the rooms are as they were.
const CHECK_HEADS: &str = "select case when count(*) = ? then 0 else json('no longer so: ' || count(*)) end \
    from json_each(?) join room \
      on room.id = value ->> 0 and room.head = value ->> 6 and room.last_at = value ->> 7 and room.epoch = value ->> 9 \
      and room.deleted_at is null;";

const SETTLE: &str = "insert into room_usage (room_id, user_id, bytes) \
      select value ->> 0, value ->> 1, value ->> 2 from json_each(?) \
      join room on room.id = value ->> 0 and room.counted = value ->> 3 where true \
      on conflict (room_id, user_id) do update set bytes = bytes + excluded.bytes; \
    update room set head = value ->> 1, last_at = value ->> 2, \
      counted = case when counted = value ->> 6 and value ->> 8 then value ->> 1 else counted end \
      from json_each(?) where room.id = value ->> 0; \
    insert or replace into last_append (server, room_id, at, append_id, first_seq, outcome) \
      select ?, value ->> 0, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5 from json_each(?); \
    insert into client (room_id, client_id, user_id) \
      select value ->> 0, value ->> 1, value ->> 2 from json_each(?) where true on conflict do nothing; \
    insert into webhook_due (room_id, since, edits_since, head) \
      select value ->> 0, value ->> 6, value ->> 6, value ->> 1 from json_each(?) \
      where value ->> 1 > value ->> 6 and exists (select 1 from webhook) \
      on conflict (room_id) do update set head = excluded.head;";

/// Inserts of so many rows and up to three times as many empty ones, to keep few prepared statements. What is not bound is null.
fn inserts(rows: usize) -> String {
    let mut sql = String::new();
    let mut left = rows;
    while left > 0 {
        let size = INSERT_ROWS.into_iter().find(|size| *size >= left).unwrap_or(INSERT_ROWS_MAX);
        sql.push_str(
            "insert or fail into entry (room_id, seq, kind, author, at, key, body, via) select * from (values ",
        );
        sql.push_str(&vec!["(?,?,?,?,?,?,?,?)"; size].join(","));
        sql.push_str(") where column1 is not null;");
        left = left.saturating_sub(size);
    }
    sql
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Bodies that lie in a table of their own.
fn is_large(row: &&Row<'_>) -> bool {
    row.entry.body.len() > INLINE_BODY_BYTES_MAX
}

fn large_inserts(rows: &[Row<'_>]) -> String {
    "insert into large_body (room_id, seq, body) values (?,?,?);".repeat(rows.iter().filter(is_large).count())
}

fn bind_rows<'q>(mut query: Query<'q>, rows: &'q [Row<'_>]) -> Query<'q> {
    for row in rows.iter().filter(is_large) {
        query = query.bind(row.room.0).bind(seq_column(row.seq)).bind(&row.entry.body[..]);
    }
    for row in rows {
        let body = if is_large(&row) { &[][..] } else { &row.entry.body[..] };
        query = query
            .bind(row.room.0)
            .bind(seq_column(row.seq))
            .bind(kind_column(row.entry.kind))
            .bind(row.entry.author.as_str())
            .bind(row.at_ms)
            .bind(row.entry.key.as_deref())
            .bind(body)
            .bind(row.entry.via.as_ref().map(UserId::as_str));
    }
    query
}

/// A list of [room, user, bytes, head before].
fn used_json(settled: &[Settled<'_>]) -> String {
    let all = settled.iter().flat_map(|room| room.used.iter().flatten().map(move |used| (room, used)));
    let used = |(room, (user, bytes)): (&Settled<'_>, &(&str, i64))| {
        serde_json::json!([room.head.room.0, user, bytes, room.before.seq])
    };
    serde_json::Value::from_iter(all.map(used)).to_string()
}

/// A list of [room, head, time, append id, first seq, outcome, head before, time before, whether usage is counted, epoch].
fn settled_json(settled: &[Settled<'_>]) -> String {
    let room = |room: &Settled<'_>| {
        let (before, head, last) = (room.before, room.head, &room.last);
        let id = last.id.simple().to_string();
        serde_json::json!([
            head.room.0,
            head.seq,
            head.at_ms,
            id,
            last.first_seq,
            last.outcome,
            before.seq,
            before.at_ms,
            room.used.is_some(),
            room.epoch
        ])
    };
    serde_json::Value::from_iter(settled.iter().map(room)).to_string()
}

fn clients_of<'s>(settled: &'s [Settled<'_>]) -> impl Iterator<Item = (RoomId, &'s (u64, UserId))> {
    settled.iter().flat_map(|room| room.clients.iter().map(move |&client| (room.head.room, client)))
}

/// A list of [room, client, user].
fn clients_json<'c>(clients: impl Iterator<Item = (RoomId, &'c (u64, UserId))>) -> String {
    let client = |(room, (client, user)): (RoomId, &(u64, UserId))| {
        serde_json::json!([room.0, client_column(*client), user.as_str()])
    };
    serde_json::Value::from_iter(clients.map(client)).to_string()
}

/// SQLite has no arrays; its JSON functions make rows of a list.
fn json(rooms: &[RoomId]) -> String {
    serde_json::json!(rooms.iter().map(|room| room.0).collect::<Vec<_>>()).to_string()
}
