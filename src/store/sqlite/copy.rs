//! Rooms that become copies of others, on SQLite.

use uuid::Uuid;

use super::Sqlite;
use crate::store::copy::{self, CopyEnd, CopyPart, FinishedCopy, copy_methods};
use crate::store::entry::{Entry, RoomId};
use crate::store::error::StoreError;
use crate::store::number::Row;
use crate::store::retention;
use crate::store::rows::seq_column;
use crate::store::statements::Statements;
use crate::store::usage;
use crate::store::webhook::ROOM_EVENT_SQL;

copy_methods!(
    Sqlite,
    "insert into room (id, name, last_at, created_at, deleted_at, deleted_by, purge_at, frees_name, copy_of) \
     select 1 + max((select freed from room_id), coalesce((select max(id) from room), 0)), $1, $2, $2, $2, '', $3, true, $4 \
     returning id",
    ""
);
