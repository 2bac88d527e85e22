//! Rooms as an app sees them, on Postgres.

use super::Postgres;
use crate::ids::RoomName;
use crate::store::entry::{RoomId, RoomRow};
use crate::store::error::StoreError;
use crate::store::resource::{RoomSize, resource_methods};
use crate::store::rows::{self, RoomColumns};

resource_methods!(Postgres, postgres);
