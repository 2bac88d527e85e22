//! Packs of edits, on Postgres.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sqlx::{Connection as _, PgConnection as Connection};

use super::Postgres;
use crate::ids::Seq;
use crate::pack::PackedEdit;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::packing::{self, Batch, Packed, packing_methods};
use crate::store::rows;
use crate::store::timeline::{PackColumns, StoredPack};

impl Postgres {
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
