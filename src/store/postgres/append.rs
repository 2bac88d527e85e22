//! The statements of an append, on Postgres: one round trip each, whatever the number of rooms and entries.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::sessions::Sessions;
use crate::ids::{Seq, UserId};
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::last_append::LastAppend;
use crate::store::number::Row;
use crate::store::rows::{client_column, kind_column, seq, seq_column};
use crate::store::statements::{EntryKey, Locked, LockedColumns, Settled, Statements};

impl Statements for PgConnection {
    type Source = Arc<Sessions>;

    async fn open(sessions: &Arc<Sessions>) -> Result<Self, StoreError> {
        sessions.connect().await
    }

    const BEGIN: &'static str = "begin";

    async fn run(&mut self, statement: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(statement).execute(self).await.map(drop)
    }

    async fn lock(&mut self, rooms: &[RoomId]) -> sqlx::Result<Vec<Locked>> {
        // "No key": enough to keep other appends out, and no obstacle to a snapshot's foreign key, which "for update" is.
        let sql = "select id, head, last_at, epoch, deleted_at is not null from room where id = any($1) order by id for no key update";
        let rows: Vec<LockedColumns> =
            sqlx::query_as(sql).bind(rooms.iter().map(|room| room.0).bind_iter()).fetch_all(self).await?;
        Ok(rows.into_iter().map(Locked::from).collect())
    }

    async fn last_appends(&mut self, server: &str, rooms: &[RoomId]) -> sqlx::Result<Vec<LastAppend>> {
        let sql = "select room_id, append_id, first_seq, at, outcome from last_append \
                   where server = $1 and room_id = any($2)";
        let query = sqlx::query_as(sql).bind(server).bind(rooms.iter().map(|room| room.0).bind_iter());
        let rows: Vec<(i64, _, i64, i64, Option<String>)> = query.fetch_all(self).await?;
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
        let sql = "select r.id, s.seq from unnest($1::bigint[]) as r (id) cross join lateral \
                   (select seq from entry where room_id = r.id and kind = 4 order by seq desc limit 1) as s";
        let query = sqlx::query_as(sql).bind(rooms.iter().map(|room| room.0).bind_iter());
        let rows: Vec<(i64, i64)> = query.fetch_all(self).await?;
        Ok(rows.into_iter().map(|(room, number)| (RoomId(room), seq(number))).collect())
    }

    async fn known_keys(&mut self, keys: &[EntryKey<'_>]) -> sqlx::Result<Vec<(usize, Seq, i64)>> {
        let sql = "select k.ordinal, e.seq, e.at \
                   from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality as k (room_id, author, key, ordinal) \
                   join entry e on e.room_id = k.room_id and e.author = k.author and e.key = k.key \
                   where e.key is not null";
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(sql)
            .bind(keys.iter().map(|key| key.room.0).bind_iter())
            .bind(keys.iter().map(|key| key.author.as_str()).bind_iter())
            .bind(keys.iter().map(|key| key.key).bind_iter())
            .fetch_all(self)
            .await?;
        // Ordinals count from 1.
        let known = |(ordinal, number, at_ms): (i64, i64, i64)| {
            (usize::try_from(ordinal - 1).expect("an ordinal counts the keys"), seq(number), at_ms)
        };
        Ok(rows.into_iter().map(known).collect())
    }

    async fn bind_clients(&mut self, clients: &[(RoomId, &(u64, UserId))]) -> sqlx::Result<()> {
        let sql = "insert into client (room_id, client_id, user_id) \
                   select * from unnest($1::bigint[], $2::bigint[], $3::text[]) on conflict (room_id, client_id) do nothing";
        sqlx::query(sql)
            .bind(clients.iter().map(|(room, _)| room.0).bind_iter())
            .bind(clients.iter().map(|(_, client)| client_column(client.0)).bind_iter())
            .bind(clients.iter().map(|(_, client)| client.1.as_str()).bind_iter())
            .execute(self)
            .await
            .map(drop)
    }

    async fn write(&mut self, server: &str, rows: &[Row<'_>], settled: &[Settled<'_>]) -> sqlx::Result<()> {
        // The rooms are locked already, so their heads are as they were.
        self.commit_at_once(server, rows, settled).await.map(drop)
    }

    async fn commit_at_once(
        &mut self,
        server: &str,
        rows: &[Row<'_>],
        settled: &[Settled<'_>],
    ) -> sqlx::Result<Result<(), Vec<RoomId>>> {
        // The subselects about "locked" are evaluated once each, before any row is written. A room whose lock had to be waited
        // for is compared as it is after the wait.
        let sql = "with locked as (\
                     select room.id, room.counted from room \
                     join unnest($8::bigint[], $18::bigint[], $19::bigint[], $27::bigint[]) as b (room_id, head, last_at, epoch) \
                       on b.room_id = room.id \
                     where room.head = b.head and room.last_at = b.last_at and room.epoch = b.epoch and room.deleted_at is null \
                     order by room.id for no key update of room\
                   ), entries as (\
                     insert into entry (room_id, seq, kind, author, at, key, body, via) \
                     select * from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], $21::text[]) \
                     where (select count(*) from locked) = $20\
                   ), heads as (\
                     update room set head = h.head, last_at = h.last_at, \
                       counted = case when h.is_counted and locked.counted = h.before then h.head else room.counted end \
                     from unnest($8::bigint[], $9::bigint[], $10::bigint[], $18::bigint[], $22::bool[]) \
                       as h (room_id, head, last_at, before, is_counted) \
                     join locked on locked.id = h.room_id \
                     where room.id = h.room_id and (select count(*) from locked) = $20\
                   ), used as (\
                     insert into room_usage (room_id, user_id, bytes) \
                     select u.room_id, u.user_id, u.bytes \
                     from unnest($23::bigint[], $24::text[], $25::bigint[], $26::bigint[]) as u (room_id, user_id, bytes, before) \
                     join locked on locked.id = u.room_id and locked.counted = u.before \
                     where (select count(*) from locked) = $20 \
                     on conflict (room_id, user_id) do update set bytes = room_usage.bytes + excluded.bytes\
                   ), appends as (\
                     insert into last_append (server, room_id, append_id, first_seq, at, outcome) \
                     select $11, * from unnest($8::bigint[], $12::uuid[], $13::bigint[], $10::bigint[], $14::text[]) \
                     where (select count(*) from locked) = $20 \
                     on conflict (room_id, server) do update set append_id = excluded.append_id, \
                       first_seq = excluded.first_seq, at = excluded.at, outcome = excluded.outcome\
                   ), clients as (\
                     insert into client (room_id, client_id, user_id) \
                     select * from unnest($15::bigint[], $16::bigint[], $17::text[]) \
                     where (select count(*) from locked) = $20 \
                     on conflict (room_id, client_id) do nothing\
                   ), dues as (\
                     insert into webhook_due (room_id, since, edits_since, head) \
                     select d.room_id, d.before, d.before, d.head \
                     from unnest($8::bigint[], $18::bigint[], $9::bigint[]) as d (room_id, before, head) \
                     where d.head > d.before and exists (select 1 from webhook) and (select count(*) from locked) = $20 \
                     on conflict (room_id) do update set head = excluded.head\
                   ) \
                   select array(select id from locked)";
        let clients =
            || settled.iter().flat_map(|room| room.clients.iter().map(move |&client| (room.head.room, client)));
        let used = || settled.iter().flat_map(|room| room.used.iter().flatten().map(move |&used| (room, used)));
        let locked: Vec<i64> = sqlx::query_scalar(sql)
            .bind(rows.iter().map(|row| row.room.0).bind_iter())
            .bind(rows.iter().map(|row| seq_column(row.seq)).bind_iter())
            .bind(rows.iter().map(|row| kind_column(row.entry.kind)).bind_iter())
            .bind(rows.iter().map(|row| row.entry.author.as_str()).bind_iter())
            .bind(rows.iter().map(|row| row.at_ms).bind_iter())
            .bind(rows.iter().map(|row| row.entry.key.as_deref()).bind_iter())
            .bind(rows.iter().map(|row| &row.entry.body[..]).bind_iter())
            .bind(settled.iter().map(|room| room.head.room.0).bind_iter())
            .bind(settled.iter().map(|room| seq_column(room.head.seq)).bind_iter())
            .bind(settled.iter().map(|room| room.head.at_ms).bind_iter())
            .bind(server)
            .bind(settled.iter().map(|room| room.last.id).bind_iter())
            .bind(settled.iter().map(|room| seq_column(room.last.first_seq)).bind_iter())
            .bind(settled.iter().map(|room| room.last.outcome.as_deref()).bind_iter())
            .bind(clients().map(|(room, _)| room.0).bind_iter())
            .bind(clients().map(|(_, client)| client_column(client.0)).bind_iter())
            .bind(clients().map(|(_, client)| client.1.as_str()).bind_iter())
            .bind(settled.iter().map(|room| seq_column(room.before.seq)).bind_iter())
            .bind(settled.iter().map(|room| room.before.at_ms).bind_iter())
            .bind(i64::try_from(settled.len()).unwrap_or(i64::MAX))
            .bind(rows.iter().map(|row| row.entry.via.as_ref().map(UserId::as_str)).bind_iter())
            .bind(settled.iter().map(|room| room.used.is_some()).bind_iter())
            .bind(used().map(|(room, _)| room.head.room.0).bind_iter())
            .bind(used().map(|(_, (user, _))| user).bind_iter())
            .bind(used().map(|(_, (_, bytes))| bytes).bind_iter())
            .bind(used().map(|(room, _)| seq_column(room.before.seq)).bind_iter())
            .bind(settled.iter().map(|room| room.epoch).bind_iter())
            .fetch_one(self)
            .await?;
        if locked.len() == settled.len() {
            return Ok(Ok(()));
        }
        let locked: HashSet<i64> = locked.into_iter().collect();
        Ok(Err(settled.iter().map(|room| room.head.room).filter(|room| !locked.contains(&room.0)).collect()))
    }
}
