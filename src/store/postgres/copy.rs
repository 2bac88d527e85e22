//! Rooms that become copies of others, on Postgres.

use uuid::Uuid;

use super::Postgres;
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
    Postgres,
    "insert into room (name, last_at, created_at, deleted_at, deleted_by, purge_at, frees_name, copy_of) \
     values ($1, $2, $2, $2, '', $3, true, $4) returning id",
    " for key share"
);
