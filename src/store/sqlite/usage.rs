//! What rooms and users have on disk, on SQLite.

use sqlx::SqliteConnection as Connection;

use super::Sqlite;
use crate::ids::UserId;
use crate::store::entry::{Maker, RoomId};
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::timeline::Damage;
use crate::store::usage::{self, Usage, usage_methods};

usage_methods!(Sqlite);

impl Sqlite {
    /// Whoever writes has the file to itself.
    async fn lock_maker(_: &mut Connection, _: &UserId) -> Result<(), StoreError> {
        Ok(())
    }
}
