//! Erasing, on Postgres.

use sqlx::PgConnection as Connection;

use super::Postgres;
use super::access::Writing;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::{RoomId, is_being_erased};
use crate::store::erasure::{
    self, BegunErasure, ErasedPack, ErasureColumns, ErasureProgress, ErasureRow, Locked, NewPack, Rewrite, Rewritten,
    SnapshotColumns, erasure_methods, pending_sql,
};
use crate::store::error::StoreError;
use crate::store::rows::{self, EntryColumns, seq_column};
use crate::store::timeline::{PackColumns, StoredPack};

impl Postgres {
    /// What of an entry's new body lies in its row: all of it.
    async fn keep_body<'b>(_: &mut Connection, _: RoomId, _: Seq, body: &'b [u8]) -> sqlx::Result<&'b [u8]> {
        Ok(body)
    }
}

erasure_methods!(Postgres, postgres, " for update");
