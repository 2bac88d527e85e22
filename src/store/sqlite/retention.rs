//! What is not kept for ever, on SQLite.

use bytes::Bytes;

use super::Sqlite;
use crate::ids::Seq;
use crate::store::entry::{ENTRY_OVERHEAD_BYTES, RoomId};
use crate::store::error::StoreError;
use crate::store::retention::{
    self, AGING_SQL, AgingColumns, AgingRoom, Dropping, Kept, LEASE_SQL, NEXT_PACK_SQL, PART_ROWS, PART_SQL, USED_SQL,
    retention_methods,
};
use crate::store::rows::{self, seq_column};
use crate::store::snapshot;
use crate::store::usage::ADD_SQL;

retention_methods!(Sqlite, "");
