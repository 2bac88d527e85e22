//! Reading timelines, on Postgres.

use bytes::Bytes;
use sqlx::Connection;

use super::Postgres;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::{Entry, EntryKind, HistoryQuery, Kinds, Loaded, Page, RoomId};
use crate::store::error::StoreError;
use crate::store::merge::Merge;
use crate::store::rows::{self, HistoryColumns};
use crate::store::snapshot;
use crate::store::timeline::{self, Damage, StoredPack, timeline_methods};

timeline_methods!(
    Postgres,
    postgres,
    "begin isolation level repeatable read read only",
    "'{\"type\":\"comment.'::bytea"
);
