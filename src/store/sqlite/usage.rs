//! What rooms and users have on disk, on SQLite.

use sqlx::SqliteConnection as Connection;

use super::Sqlite;
use crate::ids::UserId;
use crate::store::entry::RoomId;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::timeline::Damage;
use crate::store::usage::{self, usage_methods};

usage_methods!(Sqlite);
