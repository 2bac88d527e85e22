//! An SQLite file has one server at a time; here is what earlier ones have left.

use super::Sqlite;
use crate::ids::{RoomName, UserId};
use crate::store::entry::{RoomId, RoomRow};
use crate::store::error::StoreError;
use crate::store::rows::{self, AnyRoomColumns};
use crate::store::server::{SWEPT_EACH, ServerRow};
use crate::store::transaction::now_ms;

/// After so long nobody asks for an append of an earlier server.
const DAY_MS: i64 = 86_400_000;

/// A part of what they have left.
const SWEEP: &str = "\
    delete from last_append where (room_id, server) in \
    (select room_id, server from last_append where server <> $1 and at < $2 limit $3)";

impl Sqlite {
    pub async fn beat(&self, _: &str) -> Result<Vec<ServerRow>, StoreError> {
        Ok(Vec::new())
    }

    pub async fn sign_off(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub async fn sweep_servers(&self) -> Result<bool, StoreError> {
        let mut begun = self.writer.begin().await?;
        let query = sqlx::query(SWEEP).bind(&self.rules.server).bind(now_ms() - DAY_MS).bind(i64::from(SWEPT_EACH));
        let swept = query.execute(&mut begun.0.connection).await?.rows_affected();
        begun.commit().await?;
        Ok(swept >= u64::from(SWEPT_EACH))
    }

    pub async fn heads(&self, rooms: &[RoomName]) -> Result<Vec<(RoomRow, bool)>, StoreError> {
        let sql = "select id, name, head, created_at, last_at, null, horizon, epoch, deleted_at is not null from room where name = $1";
        let mut found = Vec::with_capacity(rooms.len());
        for room in rooms {
            let query = sqlx::query_as(sql).bind(room.as_str());
            let row: Option<AnyRoomColumns> = query.fetch_optional(&self.readers).await?;
            found.extend(row);
        }
        found.into_iter().map(rows::any_room).collect()
    }

    pub async fn clients(&self, room: RoomId, clients: &[u64]) -> Result<Vec<(u64, UserId)>, StoreError> {
        let sql = "select client_id, user_id from client where room_id = $1 and client_id = $2";
        let mut found = Vec::new();
        for client in clients {
            let query = sqlx::query_as(sql).bind(room.0).bind(rows::client_column(*client));
            let row: Option<(i64, String)> = query.fetch_optional(&self.readers).await?;
            found.extend(row);
        }
        Ok(found.into_iter().map(rows::client).collect())
    }
}
