//! What rooms and users have on disk, on Postgres.

use sqlx::PgConnection as Connection;

use super::Postgres;
use crate::ids::UserId;
use crate::store::entry::{Maker, RoomId};
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::timeline::Damage;
use crate::store::usage::{self, Usage, usage_methods};

usage_methods!(Postgres);

impl Postgres {
    /// Other transactions that make a room for this user wait until this one ends.
    async fn lock_maker(connection: &mut Connection, user: &UserId) -> Result<(), StoreError> {
        let sql = "select pg_advisory_xact_lock(hashtextextended('tutti rooms of ' || $1, 0))";
        sqlx::query(sql).bind(user.as_str()).execute(connection).await?;
        Ok(())
    }
}
