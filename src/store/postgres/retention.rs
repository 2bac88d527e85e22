//! What is not kept for ever, on Postgres.

use bytes::Bytes;
use sqlx::PgConnection as Connection;

use super::Postgres;
use crate::ids::Seq;
use crate::pack::PackedEdit;
use crate::store::entry::{ENTRY_OVERHEAD_BYTES, RoomId};
use crate::store::error::StoreError;
use crate::store::packing;
use crate::store::retention::{
    self, AGING_SQL, AgingColumns, AgingRoom, Dropping, Kept, LEASE_SQL, NEXT_PACK_SQL, PACK_USED_SQL, PART_PACKS,
    retention_methods,
};
use crate::store::rows::{self, seq_column};
use crate::store::snapshot;
use crate::store::timeline::{Damage, StoredPack};
use crate::store::usage;

retention_methods!(Postgres, postgres, " for update");
