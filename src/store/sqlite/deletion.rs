//! Deleted rooms, on SQLite.

use sqlx::SqliteConnection as Connection;

use super::Sqlite;
use crate::ids::{RoomName, UserId};
use crate::store::deletion::{self, DeletedColumns, DeletedRoom, Deletion, Undeletion, deleted_sql, deletion_methods};
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::webhook::{DELETED, ROOM_EVENT_SQL};

impl Sqlite {
    /// Lets a row go, whose id no other room gets.
    async fn free_name(connection: &mut Connection, room: RoomId) -> sqlx::Result<()> {
        sqlx::query("update room_id set freed = max(freed, $1)").bind(room.0).execute(&mut *connection).await?;
        sqlx::query("delete from room where id = $1").bind(room.0).execute(connection).await.map(drop)
    }
}

deletion_methods!(Sqlite, sqlite, "");
