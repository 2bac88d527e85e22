//! Reading timelines, on SQLite.

use bytes::Bytes;
use sqlx::Connection;

use super::Sqlite;
use crate::ids::{RoomName, Seq, UserId};
use crate::store::entry::{Entry, EntryKind, HistoryQuery, Kinds, Loaded, Page, RoomId};
use crate::store::error::StoreError;
use crate::store::merge::Merge;
use crate::store::rows::{self, HistoryColumns};
use crate::store::snapshot;
use crate::store::timeline::{self, Damage, StoredPack, timeline_methods};

timeline_methods!(Sqlite, sqlite, "begin", "x'7b2274797065223a22636f6d6d656e742e'");
