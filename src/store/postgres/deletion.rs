//! Deleted rooms, on Postgres.

use sqlx::PgConnection as Connection;

use super::Postgres;
use crate::ids::{RoomName, UserId};
use crate::store::deletion::{self, DeletedColumns, DeletedRoom, Deletion, Undeletion, deleted_sql, deletion_methods};
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::webhook::{DELETED, ROOM_EVENT_SQL};

impl Postgres {
    /// Lets a row go. The database gives its id to no other room.
    async fn free_name(connection: &mut Connection, room: RoomId) -> sqlx::Result<()> {
        sqlx::query("delete from room where id = $1").bind(room.0).execute(connection).await.map(drop)
    }
}

// Not "no key": what refers to the row waits as well.
deletion_methods!(Postgres, postgres, " for update");
