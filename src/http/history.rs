//! REST: a room's timeline, page by page.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::caller::{May, ReadHistory};
use super::error::ApiError;
use super::failures::{Fails, InRoom};
use super::parameters::{Parameters, RoomPath};
use super::state::AppState;
use super::waiting::{WAIT_MAX_S, Waiting};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;
use crate::store::{Bodies, Entry, EntryKind, HistoryQuery, Kinds, Page, RoomRow};

/// Entries in a page if the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 100;
const PAGE_MAX: u32 = 1000;

#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KindView {
    Edit,
    Message,
    Event,
    Step,
}

fn kind(name: &str) -> Result<EntryKind, ApiError> {
    match name {
        "edit" => Ok(EntryKind::Edit),
        "message" => Ok(EntryKind::Message),
        "event" => Ok(EntryKind::Event),
        "step" => Ok(EntryKind::Step),
        _ => Err(ApiError::Parameter("kind must be edit, message, event or step".into())),
    }
}

impl From<EntryKind> for KindView {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Edit => KindView::Edit,
            EntryKind::Message => KindView::Message,
            EntryKind::Event => KindView::Event,
            EntryKind::Step => KindView::Step,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct EntryView {
    seq: Seq,
    kind: KindView,
    author: UserId,
    /// Who sent it, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<UserId>,
    #[schema(format = DateTime)]
    at: String,
    bytes: u64,
    /// What was said: of messages, events and steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    body: Option<Box<RawValue>>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            kind: entry.kind.into(),
            author: entry.author,
            via: entry.via,
            at: rfc3339(entry.at_ms),
            bytes: entry.body_bytes,
            body: entry.body.and_then(|body| serde_json::from_slice(&body).ok()),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct HistoryPage {
    room: RoomName,
    entries: Vec<EntryView>,
    /// Where the next page begins: to pass as `after`, or as `before` where the request had only that; null at the end.
    #[schema(required)]
    next: Option<Seq>,
}

/// A room's timeline: entries by seq, ascending.
///
/// With `before` alone, those just before it. With `after` and `wait`, the first ones that come, where there are none yet.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/history", operation_id = "getHistory", tag = "timeline",
    params(
        RoomPath,
        ("after" = Option<Seq>, Query, description = "A seq, exclusive"),
        ("before" = Option<Seq>, Query, description = "A seq, exclusive"),
        ("kind" = inline(Option<KindView>), Query, description = "Only entries of this kind"),
        ("author" = Option<String>, Query, description = "Only entries of this user"),
        ("limit" = Option<u32>, Query, description = "100 if not given", minimum = 1, maximum = 1000),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for an entry; goes with `after` alone", maximum = 30),
    ),
    responses((status = 200, description = "A page of entries", body = HistoryPage), InRoom, Fails<429>),
)]
pub async fn page(
    may: May<ReadHistory>,
    mut parameters: Parameters,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<Json<HistoryPage>, ApiError> {
    let limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)?;
    let after = parameters.value("after", "a seq")?.map(Seq);
    let before = parameters.value("before", "a seq")?.map(Seq);
    let kinds = parameters.text("kind").as_deref().map_or(Ok(Kinds::All), |name| kind(name).map(Kinds::Only))?;
    let author = parameters.text("author").map(UserId::new);
    let wait = wait(&mut parameters)?.filter(|wait| !wait.is_zero());
    parameters.end()?;
    if wait.is_some() && (after.is_none() || before.is_some()) {
        return Err(ApiError::Parameter("wait goes with after, and without before".into()));
    }
    let is_backwards = before.is_some() && after.is_none();
    let asked = HistoryQuery {
        after,
        before,
        kinds,
        author,
        limit,
        page: if is_backwards { Page::Newest } else { Page::Oldest },
        bodies: Bodies::NotOfEdits,
    };
    let user = may.identity.user.clone();
    let (mut row, mut entries) = read(&may.room, &user, &asked, &state).await?;
    if let Some(wait) = wait.filter(|_| entries.is_empty()) {
        let waiting = Waiting::begin(&req, may.identity, &may.room, wait, &state)?;
        while entries.is_empty() && waiting.for_entry(row.head, &state).await? {
            (row, entries) = read(&may.room, &user, &asked, &state).await?;
        }
    }
    // A page may be shorter than asked for; only an empty one says that there are no more.
    let edge = if is_backwards { entries.first() } else { entries.last() };
    let is_end = |seq: Seq| if is_backwards { seq.0 <= row.horizon.0 + 1 } else { seq >= row.head };
    let next = edge.map(|entry| entry.seq).filter(|seq| !is_end(*seq));
    Ok(Json(HistoryPage { room: may.room, entries: entries.into_iter().map(EntryView::from).collect(), next }))
}

async fn read(
    room: &RoomName,
    user: &UserId,
    asked: &HistoryQuery,
    state: &AppState,
) -> Result<(RoomRow, Vec<Entry>), ApiError> {
    let _turn = state.pages.take(user).await.ok_or_else(ApiError::too_many_questions)?;
    let row = state.store.room(room).await?.ok_or(ApiError::RoomNotFound)?;
    let horizon = row.horizon;
    let entries = match asked.after {
        // What was dropped is no part of the timeline for who did not ask for it.
        None if asked.asks_for_dropped() && asked.before.is_none_or(|before| before > horizon) => {
            state.store.remaining(row.id, HistoryQuery { after: Some(horizon), ..asked.clone() }).await?
        }
        _ => state.store.history(row.id, asked.clone()).await?,
    };
    Ok((row, entries))
}

/// How long to wait for an entry, where there is none yet.
fn wait(parameters: &mut Parameters) -> Result<Option<Duration>, ApiError> {
    let allowed = format!("a number of seconds up to {WAIT_MAX_S}");
    match parameters.value("wait", &allowed)? {
        Some(seconds) if seconds > WAIT_MAX_S => Err(ApiError::Parameter(format!("wait must be {allowed}"))),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}
