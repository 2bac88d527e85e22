//! Erasing, on Postgres.

use sqlx::PgConnection as Connection;

use super::Postgres;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::{RoomId, is_being_erased};
use crate::store::erasure::{
    self, BegunErasure, ErasedPack, ErasureColumns, ErasureProgress, ErasureRow, Locked, NewPack, Rewrite, Rewritten,
    SnapshotColumns, erasure_methods, pending_sql,
};
use crate::store::error::StoreError;
use crate::store::rows::{self, EntryColumns, seq_column};
use crate::store::timeline::{PackColumns, StoredPack};

erasure_methods!(Postgres, " for update");
