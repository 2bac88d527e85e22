//! The statements of an append, on SQLite. Begun as a writer, the transaction has the file to itself: nothing else
//! needs to be locked.

use sqlx::{QueryBuilder, SqliteConnection};

use crate::ids::Seq;
use crate::store::entry::RoomId;
use crate::store::last_append::LastAppend;
use crate::store::number::{Head, Row};
use crate::store::rows::{client_column, kind_column, seq, seq_column};
use crate::store::statements::{Key, Settled, Statements};

/// Rows of one insert: enough to make the statement's cost small, few enough to keep one prepared statement for most.
const ROWS_AT_ONCE: usize = 50;

impl Statements for SqliteConnection {
    const BEGIN: &'static str = "begin immediate";

    async fn run(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(statement).execute(self).await.map(drop)
    }

    async fn lock(&mut self, rooms: &[RoomId]) -> sqlx::Result<Vec<Head>> {
        let sql = "select id, head, last_at from room where id in (select value from json_each($1))";
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql).bind(json(rooms)).fetch_all(self).await?;
        let head = |(room, head, at_ms)| Head { room: RoomId(room), seq: seq(head), at_ms };
        Ok(rows.into_iter().map(head).collect())
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

    async fn known_keys(&mut self, keys: &[Key<'_>]) -> sqlx::Result<Vec<(usize, Seq, i64)>> {
        let sql = "select seq, at from entry where room_id = $1 and author = $2 and key = $3";
        let mut known = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let query = sqlx::query_as(sql).bind(key.room.0).bind(key.author.as_str()).bind(key.key);
            let row: Option<(i64, i64)> = query.fetch_optional(&mut *self).await?;
            known.extend(row.map(|(number, at_ms)| (index, seq(number), at_ms)));
        }
        Ok(known)
    }

    async fn write(&mut self, server: &str, rows: &[Row<'_>], settled: &[Settled<'_>]) -> sqlx::Result<()> {
        for rows in rows.chunks(ROWS_AT_ONCE) {
            insert(self, rows).await?;
        }
        if settled.is_empty() {
            return Ok(());
        }
        let rooms = settled_json(settled);
        let sql =
            "update room set head = value ->> 1, last_at = value ->> 2 from json_each($1) where room.id = value ->> 0";
        sqlx::query(sql).bind(&rooms).execute(&mut *self).await?;
        let sql = "insert or replace into last_append (room_id, server, at, append_id, first_seq, outcome) \
                   select value ->> 0, $2, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5 from json_each($1)";
        sqlx::query(sql).bind(&rooms).bind(server).execute(&mut *self).await?;
        for room in settled {
            bind_clients(self, room).await?;
        }
        Ok(())
    }
}

async fn insert(connection: &mut SqliteConnection, rows: &[Row<'_>]) -> sqlx::Result<()> {
    let sql = "insert into entry (room_id, seq, kind, author, at, key, body) ";
    let mut query = QueryBuilder::new(sql);
    query.push_values(rows, |mut values, row| {
        values
            .push_bind(row.room.0)
            .push_bind(seq_column(row.seq))
            .push_bind(kind_column(row.entry.kind))
            .push_bind(row.entry.author.as_str())
            .push_bind(row.at_ms)
            .push_bind(row.entry.key.as_deref())
            .push_bind(&row.entry.body[..]);
    });
    query.build().execute(connection).await.map(drop)
}

async fn bind_clients(connection: &mut SqliteConnection, room: &Settled<'_>) -> sqlx::Result<()> {
    let sql = "insert into client (room_id, client_id, user_id) values ($1, $2, $3) on conflict do nothing";
    for (client, user) in &room.clients {
        let query = sqlx::query(sql).bind(room.head.room.0).bind(client_column(*client)).bind(user.as_str());
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// A list of [room, head, time, append id, first seq, outcome].
fn settled_json(settled: &[Settled<'_>]) -> String {
    let room = |room: &Settled<'_>| {
        let (head, last) = (room.head, &room.last);
        let id = last.id.simple().to_string();
        serde_json::json!([head.room.0, head.seq, head.at_ms, id, last.first_seq, last.outcome])
    };
    serde_json::Value::from_iter(settled.iter().map(room)).to_string()
}

/// SQLite has no arrays; its JSON functions make rows of a list.
fn json(rooms: &[RoomId]) -> String {
    serde_json::json!(rooms.iter().map(|room| room.0).collect::<Vec<_>>()).to_string()
}
