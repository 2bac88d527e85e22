//! REST: which rooms there are, one of them, and who is in it.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::Object;
use super::caller::{Administer, Caller, ListRoom, May, ReadPresence};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody, WithToken};
use super::parameters::{Parameters, RoomPath};
use super::room_entry::RoomEntry;
use super::state::AppState;
use crate::auth::{Access, Action, allows};
use crate::bus::{Answer, Answers, Question};
use crate::ids::{RoomName, UserId};
use crate::protocol::json::UserPresence;
use crate::room::GetPresence;
use crate::store::{DeletedRoom, RoomRow};

/// Rooms in a page if the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 100;
const PAGE_MAX: u32 = 1000;
/// Rooms looked at for one page: the token may open few of many.
const LOOKED_AT_MAX: u32 = 10_000;

/// Longest metadata of a room, in bytes.
const META_BYTES_MAX: usize = 4_096;
/// Longest body that brings it: in it characters may be escaped, and spaces stand between its parts.
pub const CHANGE_BYTES_MAX: usize = 32 * 1024;

/// One of the rooms that are listed.
enum Listed {
    Living(RoomRow),
    Deleted(DeletedRoom),
}

impl Listed {
    fn row(&self) -> &RoomRow {
        match self {
            Self::Living(row) | Self::Deleted(DeletedRoom { row, .. }) => row,
        }
    }

    /// Whether whoever has this access is shown it.
    fn is_shown(&self, access: Access) -> bool {
        match self {
            Self::Living(_) => allows(access, Action::ListRoom),
            Self::Deleted(_) => allows(access, Action::Administer),
        }
    }

    fn shown(self, access: Access) -> RoomEntry {
        match self {
            Self::Living(row) => RoomEntry::new(row, access),
            Self::Deleted(room) => RoomEntry::deleted(room, access),
        }
    }
}

/// Which rooms are listed, and in which order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listing {
    Name,
    Updated,
    Deleted,
}

/// The place in a list after which a page begins: a room, and of those by their changes also when that was changed.
struct Place {
    at_ms: i64,
    name: RoomName,
}

impl Listing {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let of_deleted = parameters.value::<bool>("deleted", "true or false")?.unwrap_or(false);
        match (parameters.text("sort").as_deref(), of_deleted) {
            (None | Some("name"), false) => Ok(Self::Name),
            (Some("updated"), false) => Ok(Self::Updated),
            (None | Some("name"), true) => Ok(Self::Deleted),
            _ => Err(ApiError::Parameter("sort must be name, or updated where deleted is not true".into())),
        }
    }

    /// Reads a place as [`written`](Self::written).
    fn place(self, text: &str) -> Result<Place, ApiError> {
        let wrong = || ApiError::Parameter("after must be the next of a page in the same order".into());
        let (at_ms, name) = match self {
            Self::Updated => {
                let (at_ms, name) = text.split_once(':').ok_or_else(wrong)?;
                (at_ms.parse().map_err(|_| wrong())?, name)
            }
            Self::Name | Self::Deleted => (0, text),
        };
        let name = RoomName::parse(name);
        let name = name.map_err(|error| ApiError::Parameter(format!("after must be a room's name: {error}")))?;
        Ok(Place { at_ms, name })
    }

    fn written(self, Place { at_ms, name }: &Place) -> String {
        match self {
            Self::Updated => format!("{at_ms}:{name}"),
            Self::Name | Self::Deleted => name.to_string(),
        }
    }

    async fn page(self, state: &AppState, prefix: &str, after: Option<&Place>) -> Result<Vec<Listed>, ApiError> {
        let name = after.map(|after| &after.name);
        Ok(match self {
            Self::Name => state.store.rooms(prefix, name, PAGE_MAX).await?.into_iter().map(Listed::Living).collect(),
            Self::Updated => {
                let after = after.map(|after| (after.at_ms, &after.name));
                let rows = state.store.rooms_by_change(prefix, after, PAGE_MAX).await?;
                rows.into_iter().map(Listed::Living).collect()
            }
            Self::Deleted => {
                let rows = state.store.deleted_rooms(prefix, name, PAGE_MAX).await?;
                rows.into_iter().map(Listed::Deleted).collect()
            }
        })
    }
}

/// Whether what an app keeps with a room has all these members.
fn has(row: &RoomRow, wanted: &Map<String, Value>) -> bool {
    let kept = || serde_json::from_str::<Map<String, Value>>(row.meta.as_deref()?).ok();
    wanted.is_empty() || kept().is_some_and(|kept| wanted.iter().all(|(key, value)| kept.get(key) == Some(value)))
}

#[derive(Serialize, ToSchema)]
pub struct RoomList {
    rooms: Vec<RoomEntry>,
    /// To pass as `after` for the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// The rooms that the token may read, by name or by their last changes.
///
/// A page may have fewer than `limit` rooms, or none, while `next` is not null.
#[utoipa::path(
    get, path = "/api/v1/rooms", operation_id = "listRooms", tag = "rooms",
    params(
        ("prefix" = Option<String>, Query, description = "What their names begin with"),
        ("sort" = Option<String>, Query, description = "`name`, or `updated`: those that were changed last first"),
        ("meta" = Option<String>, Query, description = "A JSON object; only rooms whose `meta` has all of its members"),
        ("after" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "100 if not given", minimum = 1, maximum = 1000),
        ("deleted" = Option<bool>, Query, description = "Instead those that were deleted, of which the caller is an admin"),
    ),
    responses((status = 200, description = "A page of rooms", body = RoomList), WithToken, Fails<400>),
)]
pub async fn list(
    caller: Caller,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<RoomList>, ApiError> {
    let Caller(identity) = caller;
    let limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)?;
    let prefix = parameters.text("prefix").unwrap_or_default();
    let after = parameters.text("after");
    let listing = Listing::read(&mut parameters)?;
    let meta = parameters.text("meta").unwrap_or_else(|| "{}".into());
    parameters.end()?;
    let wrong = |error| ApiError::Parameter(format!("meta must be a JSON object: {error}"));
    let meta: Map<String, Value> = serde_json::from_str(&meta).map_err(wrong)?;
    let mut after = after.as_deref().map(|after| listing.place(after)).transpose()?;
    // In the order of their changes all rooms are looked at.
    let turns = if listing == Listing::Updated { &state.scans } else { &state.pages };
    let _turn = turns.take(&identity.user).await.ok_or_else(ApiError::too_many_questions)?;
    let mut rooms = Vec::new();
    let mut looked_at = 0;
    loop {
        let rows = listing.page(&state, &prefix, after.as_ref()).await?;
        let is_end = rows.len() < PAGE_MAX as usize;
        looked_at += rows.len() as u32;
        for listed in rows {
            if rooms.len() == limit as usize {
                return Ok(Json(RoomList { rooms, next: after.map(|after| listing.written(&after)) }));
            }
            let row = listed.row();
            let access = identity.access(&row.name);
            after = Some(Place { at_ms: row.updated_at_ms, name: row.name.clone() });
            // What an app keeps with rooms that are not shown is not read: that could be long.
            if listed.is_shown(access) && has(row, &meta) {
                rooms.push(listed.shown(access));
            }
        }
        if is_end || looked_at >= LOOKED_AT_MAX {
            let next = after.filter(|_| !is_end).map(|after| listing.written(&after));
            return Ok(Json(RoomList { rooms, next }));
        }
    }
}

/// A room.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", operation_id = "getRoom", tag = "rooms",
    params(
        RoomPath,
        ("size" = Option<bool>, Query, description = "Whether to count what it holds, which takes a while for a large one"),
    ),
    responses((status = 200, description = "The room", body = RoomEntry), InRoom),
)]
pub async fn one(
    may: May<ListRoom>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<RoomEntry>, ApiError> {
    let with_size = parameters.value::<bool>("size", "true or false")?.unwrap_or(false);
    parameters.end()?;
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    let id = row.id;
    let room = RoomEntry::new(row, may.access);
    if !with_size {
        return Ok(Json(room));
    }
    let _turn = state.scans.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)?;
    Ok(Json(room.with_size(&state.store.room_size(id).await?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changing {
    /// A JSON object of at most 4,096 bytes, in place of what was kept; null for none.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>, required)]
    meta: Option<Map<String, Value>>,
}

/// Changes what an app keeps with a room.
#[utoipa::path(
    patch, path = "/api/v1/rooms/{room}", operation_id = "changeRoom", tag = "rooms", params(RoomPath),
    request_body = Changing,
    responses((status = 200, description = "The room", body = RoomEntry), InRoom, WithBody),
)]
pub async fn change(
    may: May<Administer>,
    Object(body): Object<Changing>,
    state: Data<AppState>,
) -> Result<Json<RoomEntry>, ApiError> {
    let meta = body.meta.map(|meta| Value::Object(meta).to_string());
    if meta.as_ref().is_some_and(|meta| meta.len() > META_BYTES_MAX) {
        return Err(ApiError::Body(format!("meta has at most {META_BYTES_MAX} bytes")));
    }
    // A room that was deleted says so when it is read.
    state.store.set_room_meta(&may.room, meta.as_deref()).await?;
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    Ok(Json(RoomEntry::new(row, may.access)))
}

#[derive(Serialize, ToSchema)]
pub struct RoomPresence {
    room: RoomName,
    users: Vec<UserPresence>,
    /// Whether another server has not told in time who is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// Who is in a room now, by user.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/presence", operation_id = "getPresence", tag = "rooms", params(RoomPath),
    responses((status = 200, description = "Its users", body = RoomPresence), InRoom),
)]
pub async fn presence(may: May<ReadPresence>, state: Data<AppState>) -> Result<Json<RoomPresence>, ApiError> {
    let users = match state.directory.peek(&may.room) {
        // A room that ended meanwhile has nobody in it.
        Some(room) => room.send(GetPresence).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let Answers { answers, is_partial } = state.cluster.ask(Question::Presence { room: may.room.clone() }).await;
    let users = together(users, answers);
    if users.is_empty() && state.store.room(&may.room).await?.is_none() {
        return Err(ApiError::RoomNotFound);
    }
    Ok(Json(RoomPresence { room: may.room, users, partial: is_partial }))
}

/// The users here and on other servers, in order of their ids.
fn together(here: Vec<UserPresence>, answers: Vec<Answer>) -> Vec<UserPresence> {
    let mut users: BTreeMap<UserId, UserPresence> = here.into_iter().map(|user| (user.user.clone(), user)).collect();
    let elsewhere = answers.into_iter().flat_map(|answer| match answer {
        Answer::Presence { users } => users,
        _ => Vec::new(),
    });
    for (user, name, sockets) in elsewhere {
        let first = || UserPresence { user: user.clone(), name: name.into(), sockets: 0, state: None };
        users.entry(user.clone()).or_insert_with(first).sockets += sockets;
    }
    users.into_values().collect()
}
