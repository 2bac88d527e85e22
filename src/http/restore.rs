//! REST: going back. The edit that undoes what came after a seq is made aside, of the room's history, and written by the room as any
//! server's edit; an event beside it says who went back, and where to.

use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::body::Object;
use super::caller::{Edit, May};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody};
use super::parameters::RoomPath;
use super::past::look_back;
use super::publish::{self, COMMIT_TIMEOUT};
use super::state::AppState;
use super::writing;
use crate::auth::{self, Action};
use crate::entry_key;
use crate::history::{Authors, Open, RestorePlan, Undone, restore_key};
use crate::ids::{Seq, UserId};
use crate::protocol::json::entry::RESTORED;
use crate::protocol::json::request::{Event, Publication};
use crate::room::{Post, Showing, WriteError};

/// Longest key: with what the server puts before it, it is a key of the store.
const KEY_BYTES_MAX: usize = 200;
/// How often the edit is made anew because the room has changed meanwhile, and how long to wait before. After that it is written
/// whatever came between, which stays.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Restoring {
    /// The seq whose state comes back; 0: the empty document.
    #[schema(value_type = Seq)]
    to: u64,
    /// Undo only what this user did since.
    by: Option<UserId>,
    /// Only if this is the newest entry.
    #[schema(value_type = Option<Seq>)]
    if_head: Option<u64>,
    /// Repeated by the same user for the same `to`, the restore is stored once.
    #[schema(min_length = 1, max_length = 200)]
    key: Option<String>,
    /// Only tell what would happen.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
struct Restored {
    /// Where the edit stands; null if there was nothing to undo, or it is a dry run.
    #[schema(required)]
    seq: Option<Seq>,
    to: Seq,
    /// The head that it was made for.
    from: Seq,
    inserted: u64,
    deleted: u64,
}

/// Goes back: undoes what came after a seq, by one edit forward.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/restore", operation_id = "restore", tag = "past", params(RoomPath),
    request_body = Restoring,
    responses(
        (status = 200, description = "What was done", body = Restored),
        InRoom, WithBody, Fails<409>, Fails<412>, Fails<422>, Fails<507>,
    ),
)]
pub async fn restore(
    may: May<Edit>,
    Object(body): Object<Restoring>,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Restoring { to, by, if_head, key, dry_run } = body;
    let to = Seq(to);
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0')) {
        return Err(ApiError::Body(format!("key has 1 to {KEY_BYTES_MAX} bytes, none of them NUL")));
    }
    if !auth::allows(may.access, Action::Administer) {
        publish::count(&req, &may.identity, 1, &state)?;
    }
    // Two at once would each put back what is gone, or at least work it out.
    let turn = timeout(COMMIT_TIMEOUT, state.restores.take(&may.identity.user, &may.room)).await;
    let _turn = turn
        .map_err(|_| ApiError::TryLater("another restore takes long, try again later".into()))?
        .ok_or_else(ApiError::too_many_questions)?;
    for attempt in 0..=ATTEMPTS {
        // What was done before under this key is answered as then, whatever holds now.
        let named = key.as_deref().map(|key| restore_key(to, Seq::ZERO, Some(key))).filter(|_| !dry_run);
        let before = writing::written_before(&may, named.as_deref(), &state).await?;
        let author = by.clone();
        let read = move |open: Open, authors: Authors| {
            let from = before.map_or(open.row.head, |written| Seq(written.seq.0 - 1));
            if open.row.is_being_erased() && !dry_run {
                return Err(ApiError::TryLater("something is being erased in the room, try again later".into()));
            }
            Ok((open.row.epoch, from, open.restore(to, from, author.as_ref(), &authors)?))
        };
        let (epoch, from, RestorePlan { update, undone: Undone { inserted, deleted } }) =
            look_back(&may.room, &may.identity.user, &state, read).await?;
        let answer = |seq: Option<Seq>| Restored { seq, to, from, inserted, deleted };
        let key = named.unwrap_or_else(|| restore_key(to, from, None));
        let seq = match before {
            Some(written) => written.seq,
            None if if_head.is_some_and(|head| Seq(head) != from) => return Err(writing::CHANGED),
            None => {
                let Some(update) = update.filter(|_| !dry_run) else {
                    return Ok(HttpResponse::Ok().json(answer(None)));
                };
                writing::check_room(&may, &update, &state).await?;
                let head = (if_head.is_some() || attempt < ATTEMPTS).then_some(from);
                // What is erased meanwhile does not come back by it.
                let showing = Showing::Committed { key: Some(key.clone()), head, epoch: Some(epoch) };
                match writing::write(&may.room, &may.identity, update, showing, &state).await? {
                    Err(WriteError::Stale) if if_head.is_none() => {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    written => written.map_err(writing::refused)?.seq,
                }
            }
        };
        tell(&may, &answer(Some(seq)), entry_key::of_restored(&key), &state).await?;
        return Ok(HttpResponse::Ok().json(answer(Some(seq))));
    }
    Err(ApiError::TryLater("the room changes all the time, try again later".into()))
}

/// Adds the event to the timeline; once, however often it is asked for.
async fn tell(may: &May<Edit>, restored: &Restored, key: String, state: &AppState) -> Result<(), ApiError> {
    let payload = to_raw_value(restored).map_err(|_| ApiError::Internal)?;
    let event = Event { kind: RESTORED.to_owned(), text: None, payload: Some(payload) };
    let (reply, committed) = oneshot::channel();
    let lease = state.directory.lookup(&may.room);
    let room = lease.room().clone();
    room.do_send(Post {
        lease: lease.into_guard(),
        author: may.identity.user.clone(),
        access: may.identity.access(&may.room),
        name: may.identity.name.clone(),
        // Of the server's own, and short.
        bytes: 0,
        publications: vec![(Publication { event, key: Some(key) }, reply)],
    });
    publish::committed(committed).await.map(drop)
}
