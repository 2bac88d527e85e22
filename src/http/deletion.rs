//! REST: deleting a room, for a while or for good, and taking that back.

use std::time::{Duration, Instant};

use actix_web::web::{Data, Json};
use futures_util::future::join;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{Administer, May};
use super::error::ApiError;
use super::failures::InRoom;
use super::parameters::{Parameters, RoomPath};
use super::room_entry::{DeletionView, RoomEntry};
use super::state::AppState;
use crate::auth;
use crate::bus::Question;
use crate::ids::RoomName;
use crate::room::EndDeleted;
use crate::store::{Deletion, RoomId, Undeletion};

/// How long a request waits until what was in the room is gone; the server goes on with it after that.
const PURGE_WITHIN: Duration = Duration::from_secs(10);

#[derive(Serialize, ToSchema)]
pub struct Deleted {
    room: RoomName,
    deletion: DeletionView,
    /// How many connections this has ended.
    disconnected: usize,
    /// Whether another server has not told in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// Deletes a room.
///
/// Who is in it is put out, with close code 4404; nothing is stored in it any more, and its name is not given to another room. It can
/// be taken back for a while; with `hard`, or after that, what is in it goes for good. With `free`, its name goes as well.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}", operation_id = "deleteRoom", tag = "rooms",
    params(
        RoomPath,
        ("hard" = Option<bool>, Query, description = "At once and for good"),
        ("free" = Option<bool>, Query, description = "With `hard`: a new room may have the name after that"),
    ),
    responses((status = 200, description = "What is left", body = Deleted), InRoom),
)]
pub async fn delete(
    may: May<Administer>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<Deleted>, ApiError> {
    let is_hard = parameters.value::<bool>("hard", "true or false")?.unwrap_or(false);
    let frees_name = parameters.value::<bool>("free", "true or false")?.unwrap_or(false);
    parameters.end()?;
    let how = match (is_hard, frees_name) {
        (true, frees_name) => Deletion::Hard { frees_name },
        (false, true) => return Err(ApiError::Parameter("free=true goes with hard=true only".into())),
        (false, false) => Deletion::Soft(i64::try_from(state.deleted_kept.as_millis()).unwrap_or(i64::MAX)),
    };
    let by = (&may.identity.user, &*may.identity.name);
    let now_ms = auth::now_ms();
    let deleted = match state.store.delete_room(&may.room, by, how, now_ms).await {
        Ok(deleted) => deleted.ok_or(ApiError::RoomNotFound)?,
        Err(error) => {
            // It may be deleted all the same: whoever has it looks.
            put_out(&may.room, None, &state).await;
            return Err(error.into());
        }
    };
    tracing::info!(room.name = %may.room, user.id = %may.identity.user, is_hard, frees_name, "room deleted");
    let (disconnected, partial) = put_out(&may.room, Some(deleted.row.id), &state).await;
    state.histories.forget(deleted.row.id);
    let mut deletion = DeletionView::from(&deleted);
    if is_hard {
        let until = Instant::now() + PURGE_WITHIN;
        while state.store.purge_part(deleted.row.id, now_ms).await? && Instant::now() < until {}
        let left = state.store.deleted_room(&may.room).await?;
        deletion = left.as_ref().map_or_else(|| deletion.of_nothing(), DeletionView::from);
    }
    Ok(Json(Deleted { room: may.room, deletion, disconnected, partial }))
}

/// Puts out who is in a deleted room, on all servers: how many they are, and whether another server has not told in time. Without a row,
/// it is not known whether the room was deleted.
async fn put_out(name: &RoomName, row: Option<RoomId>, state: &AppState) -> (usize, bool) {
    let room = name.clone();
    let elsewhere = state.cluster.ask(match row {
        Some(row) => Question::RoomDeleted { room, row: Some(row.0) },
        None => Question::MayBeDeleted { room },
    });
    let here = async {
        match state.directory.peek(name) {
            // A room that ended meanwhile has nobody in it.
            Some(room) => room.send(EndDeleted { row }).await.unwrap_or_default(),
            None => 0,
        }
    };
    let (here, elsewhere) = join(here, elsewhere).await;
    (here + elsewhere.count(), elsewhere.is_partial)
}

/// Takes the deletion of a room back.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/undelete", operation_id = "undeleteRoom", tag = "rooms", params(RoomPath),
    responses((status = 200, description = "The room, as it was", body = RoomEntry), InRoom),
)]
pub async fn undelete(may: May<Administer>, state: Data<AppState>) -> Result<Json<RoomEntry>, ApiError> {
    match state.store.undelete_room(&may.room).await? {
        Undeletion::Done => {}
        Undeletion::Late => return Err(ApiError::RoomPurged),
        Undeletion::Missing => return Err(ApiError::RoomNotFound),
    }
    let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
    tracing::info!(room.name = %may.room, user.id = %may.identity.user, "the deletion of a room is taken back");
    Ok(Json(RoomEntry::new(row, may.access)))
}

/// Answers the methods that the path does not take.
pub async fn other_method() -> Result<&'static str, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, PATCH, DELETE"))
}
