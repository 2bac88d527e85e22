//! What entries take on disk, on SQLite.

use sqlx::AssertSqlSafe;

use super::Sqlite;
use crate::ids::UserId;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::usage::{bytes_column, room_sql, user, users_sql};

impl Sqlite {
    pub async fn stored_bytes(&self, room: RoomId) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar(AssertSqlSafe(room_sql())).bind(room.0);
        let bytes: i64 = query.fetch_one(&self.readers).await?;
        Ok(bytes_column(bytes))
    }

    pub async fn stored_by_user(&self, (after, upto): (RoomId, RoomId)) -> Result<Vec<(UserId, u64)>, StoreError> {
        let query = sqlx::query_as(AssertSqlSafe(users_sql())).bind(after.0).bind(upto.0);
        let rows: Vec<(String, i64)> = query.fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(user).collect())
    }
}
