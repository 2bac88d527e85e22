//! The servers that share the database, and what long gone ones have left, on Postgres.

use uuid::Uuid;

use super::Postgres;
use crate::ids::{RoomName, UserId};
use crate::store::entry::{RoomId, RoomRow};
use crate::store::error::StoreError;
use crate::store::rows::{self, AnyRoomColumns};
use crate::store::server::{SWEPT_EACH, ServerRow};

/// Raises the server's beats and tells the others that were seen lately. Whether it is on disk does not matter.
const BEAT: &str = "\
    with not_waiting as (select set_config('synchronous_commit', 'off', true)), \
    own as (\
      insert into server (incarnation, label, version) select $1, $2, $3 from not_waiting \
      on conflict (incarnation) do update set beats = server.beats + 1, seen_at = now()\
    ) \
    select incarnation, label, version, beats, seen_at > now() - interval '5 seconds' from server, not_waiting \
    where incarnation <> $1 and seen_at > now() - interval '1 minute'";

/// What is left of servers that nobody has seen for a day. One server at a time does it, and a part of it each time. Without a bus a
/// server has no row, and keeps its own appends all the same.
const SWEEP: &str = "\
    with turn as materialized (select pg_try_advisory_xact_lock(hashtextextended('tutti sweep', 0)) as is_ours), \
    gone as (delete from server using turn where is_ours and seen_at < now() - interval '1 day'), \
    old as (\
      select room_id, server from last_append, turn where is_ours \
        and at < (extract(epoch from now()) - 86400) * 1000 \
        and server <> $1::uuid::text and server not in (select incarnation::text from server where seen_at >= now() - interval '1 day') \
      limit $2\
    ) \
    delete from last_append using old where last_append.room_id = old.room_id and last_append.server = old.server";

impl Postgres {
    pub async fn cluster(&self) -> Result<Uuid, StoreError> {
        let mut lent = self.readers.lend().await?;
        let connection = &mut lent.connection;
        let sql = "select id from cluster";
        let mut id: Option<Uuid> = sqlx::query_scalar(sql).fetch_optional(&mut *connection).await?;
        if id.is_none() {
            let made = "insert into cluster (id) values ($1) on conflict do nothing";
            sqlx::query(made).bind(Uuid::new_v4()).execute(&mut *connection).await?;
            id = sqlx::query_scalar(sql).fetch_optional(&mut *connection).await?;
        }
        lent.keep();
        id.ok_or_else(|| StoreError::Unexpected("the table cluster has no row".to_owned()))
    }

    pub async fn beat(&self, version: &str) -> Result<Vec<ServerRow>, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query_as(BEAT).bind(self.incarnation).bind(&self.server_name).bind(version);
        let rows: Vec<(Uuid, String, String, i64, bool)> = query.fetch_all(&mut lent.connection).await?;
        lent.keep();
        let row = |(incarnation, label, version, beats, is_recent)| ServerRow {
            incarnation,
            label,
            version,
            beats,
            is_recent,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    pub async fn sign_off(&self) -> Result<(), StoreError> {
        let mut lent = self.readers.lend().await?;
        let sql = "delete from server where incarnation = $1";
        sqlx::query(sql).bind(self.incarnation).execute(&mut lent.connection).await?;
        lent.keep();
        Ok(())
    }

    pub async fn sweep_servers(&self) -> Result<bool, StoreError> {
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query(SWEEP).bind(self.incarnation).bind(i64::from(SWEPT_EACH));
        let swept = query.execute(&mut lent.connection).await?.rows_affected();
        lent.keep();
        Ok(swept >= u64::from(SWEPT_EACH))
    }

    pub async fn heads(&self, rooms: &[RoomName]) -> Result<Vec<(RoomRow, bool)>, StoreError> {
        let sql = "select id, name, head, created_at, last_at, null::text, horizon, epoch, deleted_at is not null from room where name = any($1)";
        let names: Vec<&str> = rooms.iter().map(RoomName::as_str).collect();
        let mut lent = self.readers.lend().await?;
        let found: Vec<AnyRoomColumns> = sqlx::query_as(sql).bind(names).fetch_all(&mut lent.connection).await?;
        lent.keep();
        found.into_iter().map(rows::any_room).collect()
    }

    pub async fn clients(&self, room: RoomId, clients: &[u64]) -> Result<Vec<(u64, UserId)>, StoreError> {
        let sql = "select client_id, user_id from client where room_id = $1 and client_id = any($2)";
        let clients: Vec<i64> = clients.iter().map(|client| rows::client_column(*client)).collect();
        let mut lent = self.readers.lend().await?;
        let query = sqlx::query_as(sql).bind(room.0).bind(clients);
        let found: Vec<(i64, String)> = query.fetch_all(&mut lent.connection).await?;
        lent.keep();
        Ok(found.into_iter().map(rows::client).collect())
    }
}
