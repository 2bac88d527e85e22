//! Packs of edits, on Postgres.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::postgres::PgBindIterExt;
use sqlx::{Connection as _, PgConnection as Connection};

use super::Postgres;
use crate::ids::Seq;
use crate::pack::PackedEdit;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::packing::{self, Batch, Packed, packing_methods};
use crate::store::rows;
use crate::store::timeline::{self, Damage, PackColumns, StoredPack};

impl Postgres {
    async fn insert_edits(connection: &mut Connection, room: RoomId, edits: &[PackedEdit]) -> Result<(), StoreError> {
        let sql = "insert into entry (room_id, seq, kind, author, at, body, via) \
                   select $1, seq, 1, author, at, body, via \
                   from unnest($2::bigint[], $3::text[], $4::bigint[], $5::bytea[], $6::text[]) as e (seq, author, at, body, via)";
        sqlx::query(sql)
            .bind(room.0)
            .bind(edits.iter().map(|edit| rows::seq_column(edit.seq)).bind_iter())
            .bind(edits.iter().map(|edit| edit.author.as_str()).bind_iter())
            .bind(edits.iter().map(|edit| edit.at_ms).bind_iter())
            .bind(edits.iter().map(|edit| &edit.body[..]).bind_iter())
            .bind(edits.iter().map(|edit| edit.via.as_ref().map(|via| via.as_str())).bind_iter())
            .execute(connection)
            .await?;
        Ok(())
    }

    /// The database does that by itself (autovacuum).
    pub async fn shrink(&self, _: u32) -> Result<(bool, Duration), StoreError> {
        Ok((false, Duration::ZERO))
    }

    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

packing_methods!(
    Postgres,
    "begin isolation level repeatable read read only",
    " for key share",
    "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"
);
