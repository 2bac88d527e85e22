//! REST: the comments of a room, folded from its events when they are asked for.

use std::time::Duration;

use actix_web::web::{self, Data, Json};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::caller::{May, ReadHistory};
use super::error::ApiError;
use super::failures::InRoom;
use super::parameters::{Parameters, RoomPath};
use super::state::AppState;
use crate::comments::{Comment, Folding, Resolution, Thread};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;
use crate::store::{Bodies, Entry, HISTORY_BYTES_MAX, HistoryQuery, Kinds, Page, RoomRow};

/// Threads in a page if the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 100;
const PAGE_MAX: u32 = 500;
/// Events of comments that are read for a page, and their bytes, at most. The last of them may be the answer to its first thread.
const EVENTS_MAX: usize = 20_000;
const BYTES_MAX: u64 = 16 << 20;
/// How long a page may take, waiting for others included.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Serialize, ToSchema)]
pub struct CommentPage {
    room: RoomName,
    /// Up to which entry the threads are told.
    seq: Seq,
    /// Whether more was said in the room after that entry than is read for a page: the history has it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    threads: Vec<ThreadView>,
    /// To pass as `after` for the next page; null at the end.
    #[schema(required)]
    next: Option<Seq>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Thread)]
struct ThreadView {
    #[serde(flatten)]
    comment: CommentView,
    /// The text that it is about, as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<String>,
    /// The place in the document, as its author's editor tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    anchor: Option<Box<RawValue>>,
    replies: Vec<CommentView>,
    /// Replies beyond the first 200.
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
    /// Missing while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<ResolutionView>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, ToSchema)]
#[schema(as = Comment)]
struct CommentView {
    seq: Seq,
    user: UserId,
    name: String,
    #[schema(format = DateTime)]
    at: String,
    text: String,
    /// Whether it is erased; its text is empty then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Resolution)]
struct ResolutionView {
    seq: Seq,
    user: UserId,
    name: String,
    #[schema(format = DateTime)]
    at: String,
}

impl From<Comment> for CommentView {
    fn from(Comment { seq, user, name, at_ms, text, is_erased }: Comment) -> Self {
        Self { seq, user, name, at: rfc3339(at_ms), text, erased: is_erased }
    }
}

impl From<Resolution> for ResolutionView {
    fn from(Resolution { seq, user, name, at_ms }: Resolution) -> Self {
        Self { seq, user, name, at: rfc3339(at_ms) }
    }
}

impl From<Thread> for ThreadView {
    fn from(Thread { comment, quote, anchor, replies, more, resolved }: Thread) -> Self {
        let replies = replies.into_iter().map(CommentView::from).collect();
        Self { comment: comment.into(), quote, anchor, replies, more, resolved: resolved.map(ResolutionView::from) }
    }
}

/// Threads of comments, the oldest first: the events `comment.created`, `comment.replied` and `comment.resolved`, folded.
///
/// A page may have fewer than `limit` threads, or none, while `next` is not null.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/comments", operation_id = "listComments", tag = "timeline",
    params(
        RoomPath,
        ("after" = Option<Seq>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "100 if not given", minimum = 1, maximum = 500),
    ),
    responses((status = 200, description = "A page of threads", body = CommentPage), InRoom),
)]
pub async fn page(
    may: May<ReadHistory>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<CommentPage>, ApiError> {
    let limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)? as usize;
    let after = parameters.value("after", "a seq")?.map_or(Seq::ZERO, Seq);
    parameters.end()?;
    let too_slow = || ApiError::TryLater("the comments take too long to read now, try again later".into());
    let work = async {
        let _turn = state.pages.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)?;
        let row = state.store.room(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
        let Told { threads, upto, next } = threads(&row, after, limit, &state).await?;
        let threads = threads.into_iter().map(ThreadView::from).collect();
        Ok(Json(CommentPage { room: may.room, seq: upto, partial: upto < row.head, threads, next }))
    };
    timeout(DEADLINE, work).await.map_err(|_| too_slow())?
}

/// The first threads after a seq.
struct Told {
    threads: Vec<Thread>,
    /// With what was said of them up to there.
    upto: Seq,
    /// Where the next page begins, if there is one.
    next: Option<Seq>,
}

async fn threads(row: &RoomRow, after: Seq, limit: usize, state: &AppState) -> Result<Told, ApiError> {
    let mut folding = Folding::new(limit);
    let mut read = after;
    let (mut events, mut bytes) = (0, 0);
    let upto = loop {
        let query = HistoryQuery {
            after: Some(read),
            before: Some(Seq(row.head.0 + 1)),
            kinds: Kinds::Comments,
            author: None,
            limit: (EVENTS_MAX - events) as u32,
            page: Page::Oldest,
            bodies: Bodies::All,
        };
        let page = state.store.history(row.id, query).await?;
        // A page may be shorter than asked for; only an empty one says that there are no more.
        let Some(last) = page.last() else { break row.head };
        read = last.seq;
        events += page.len();
        bytes += page.iter().map(|entry| entry.body_bytes).sum::<u64>();
        folding = web::block(move || fold(folding, page)).await.map_err(|_| ApiError::Internal)?;
        if events == EVENTS_MAX || bytes + HISTORY_BYTES_MAX as u64 > BYTES_MAX {
            break read;
        }
    };
    let (threads, has_more) = folding.end();
    let next = match threads.last() {
        Some(last) if has_more => Some(last.comment.seq),
        // Behind what was read there may be others.
        _ => (upto < row.head).then_some(upto),
    };
    Ok(Told { threads, upto, next })
}

fn fold(mut folding: Folding, page: Vec<Entry>) -> Folding {
    page.into_iter().for_each(|entry| folding.take(entry));
    folding
}
