//! REST: which rooms there are, one of them, and who is in it.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{Caller, ListRoom, May, ReadPresence};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithToken};
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

/// One of the rooms that are listed.
enum Listed {
    Living(RoomRow),
    Deleted(DeletedRoom),
}

impl Listed {
    fn name(&self) -> &RoomName {
        match self {
            Self::Living(row) | Self::Deleted(DeletedRoom { row, .. }) => &row.name,
        }
    }

    /// As whoever has this access is shown it.
    fn shown(self, access: Access) -> Option<RoomEntry> {
        match self {
            Self::Living(row) => allows(access, Action::ListRoom).then(|| RoomEntry::new(row, access)),
            Self::Deleted(room) => allows(access, Action::Administer).then(|| RoomEntry::deleted(room, access)),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct RoomList {
    rooms: Vec<RoomEntry>,
    /// To pass as `after` for the next page; null at the end.
    #[schema(required)]
    next: Option<RoomName>,
}

/// The rooms that the token may read, by name.
///
/// A page may have fewer than `limit` rooms, or none, while `next` is not null.
#[utoipa::path(
    get, path = "/api/v1/rooms", operation_id = "listRooms", tag = "rooms",
    params(
        ("prefix" = Option<String>, Query, description = "What their names begin with"),
        ("after" = Option<RoomName>, Query, description = "The `next` of the page before"),
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
    let of_deleted = parameters.value::<bool>("deleted", "true or false")?.unwrap_or(false);
    parameters.end()?;
    let wrong = |error| ApiError::Parameter(format!("after must be a room's name: {error}"));
    let mut after = after.as_deref().map(RoomName::parse).transpose().map_err(wrong)?;
    let _turn = state.pages.take(&identity.user).await.ok_or_else(ApiError::too_many_questions)?;
    let mut rooms = Vec::new();
    let mut looked_at = 0;
    loop {
        let rows: Vec<Listed> = match of_deleted {
            false => {
                let rows = state.store.rooms(&prefix, after.as_ref(), PAGE_MAX).await?;
                rows.into_iter().map(Listed::Living).collect()
            }
            true => {
                let rows = state.store.deleted_rooms(&prefix, after.as_ref(), PAGE_MAX).await?;
                rows.into_iter().map(Listed::Deleted).collect()
            }
        };
        let is_end = rows.len() < PAGE_MAX as usize;
        looked_at += rows.len() as u32;
        for row in rows {
            if rooms.len() == limit as usize {
                return Ok(Json(RoomList { rooms, next: after }));
            }
            let access = identity.access(row.name());
            after = Some(row.name().clone());
            rooms.extend(row.shown(access));
        }
        if is_end || looked_at >= LOOKED_AT_MAX {
            return Ok(Json(RoomList { rooms, next: after.filter(|_| !is_end) }));
        }
    }
}

/// A room.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", operation_id = "getRoom", tag = "rooms", params(RoomPath),
    responses((status = 200, description = "The room", body = RoomEntry), InRoom),
)]
pub async fn one(may: May<ListRoom>, state: Data<AppState>) -> Result<Json<RoomEntry>, ApiError> {
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
