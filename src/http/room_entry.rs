//! A room, as REST shows it.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::auth::Access;
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;
use crate::store::{DeletedRoom, Remains, RoomRow, RoomSize};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomEntry {
    room: RoomName,
    seq: Seq,
    /// The oldest entry that is kept, or the next one if there is none: what was before retention has dropped.
    first_seq: Seq,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    access: Access,
    /// What the app keeps with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    meta: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<SizeView>,
    /// Of a room that was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<DeletionView>,
}

impl RoomEntry {
    /// As whoever has this access is shown it.
    pub fn new(row: RoomRow, access: Access) -> Self {
        Self {
            room: row.name,
            seq: row.head,
            first_seq: Seq(row.horizon.0 + 1),
            created_at: rfc3339(row.created_at_ms),
            updated_at: rfc3339(row.updated_at_ms),
            access,
            meta: row.meta.and_then(|meta| RawValue::from_string(meta).ok()),
            size: None,
            deletion: None,
        }
    }

    /// The same with how much it holds.
    pub fn with_size(self, size: &RoomSize) -> Self {
        let [edits, messages, events, steps] = size.entries;
        let RoomSize { entry_bytes, derived_bytes, versions, .. } = *size;
        let size = Some(SizeView { edits, messages, events, steps, versions, entry_bytes, derived_bytes });
        Self { size, ..self }
    }

    /// The same of a room that was deleted.
    pub fn deleted(deleted: DeletedRoom, access: Access) -> Self {
        let deletion = Some(DeletionView::from(&deleted));
        Self { deletion, ..Self::new(deleted.row, access) }
    }
}

/// How much a room holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RoomSize)]
struct SizeView {
    edits: u64,
    messages: u64,
    events: u64,
    steps: u64,
    /// Named ones.
    versions: u64,
    /// What is in its entries.
    entry_bytes: u64,
    /// Snapshots and the index of its history.
    derived_bytes: u64,
}

/// How a room was deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deletion)]
pub struct DeletionView {
    #[schema(format = DateTime)]
    at: String,
    by: UserId,
    /// Until then it can be taken back.
    #[schema(format = DateTime)]
    purge_at: String,
    remains: RemainsView,
}

/// What is left of a deleted room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Remains)]
enum RemainsView {
    /// All of it: it can be taken back.
    All,
    /// Some of it, until all is gone.
    Some,
    /// Its name, which no other room gets.
    Name,
    /// Nothing: its name is free.
    Nothing,
}

impl From<&DeletedRoom> for DeletionView {
    fn from(room: &DeletedRoom) -> Self {
        let remains = match room.remains {
            Remains::All => RemainsView::All,
            Remains::Some => RemainsView::Some,
            Remains::Name => RemainsView::Name,
        };
        Self { at: rfc3339(room.at_ms), by: room.by.clone(), purge_at: rfc3339(room.purge_at_ms), remains }
    }
}

impl DeletionView {
    /// The same once nothing is left.
    pub fn of_nothing(self) -> Self {
        Self { remains: RemainsView::Nothing, ..self }
    }
}
