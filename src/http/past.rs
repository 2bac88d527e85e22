//! REST: who worked on a document and when, and who wrote what of it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{May, ReadPast};
use super::error::ApiError;
use super::failures::{Fails, InRoom};
use super::moment::{Moment, when};
use super::parameters::{Parameters, RoomPath};
use super::state::AppState;
use crate::history::{self, Authors, BlameRun, Credit, GAP_MS, Open, Session, When};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;

/// How long an answer may take, waiting for others included.
const DEADLINE: Duration = Duration::from_secs(10);

/// Sessions in a page if the caller does not say, and at most.
const SESSIONS_DEFAULT: u32 = 100;
const SESSIONS_MAX: u32 = 1000;
/// Longest pause within a session that can be asked for, in seconds.
const GAP_S_MAX: u32 = 30 * 24 * 3600;

/// Opens a room's history and has it read on a thread where nobody waits for it.
pub(super) async fn look_back<T: Send + 'static>(
    room: &RoomName,
    user: &UserId,
    state: &Data<AppState>,
    read: impl FnOnce(Open, Authors) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let too_slow = || ApiError::TryLater("the history takes too long to read now, try again later".into());
    let work = async {
        let turn = state.renders.take(user).await.ok_or_else(ApiError::too_many_questions)?;
        let open = state.histories.open(room).await?.ok_or(ApiError::RoomNotFound)?;
        let authors = state.histories.authors(open.row.id).await?;
        let answer = web::block(move || {
            let answer = read(open, authors);
            // Held until here, also when nobody waits any more: it bounds the threads that read.
            drop(turn);
            answer
        });
        answer.await.map_err(|_| ApiError::Internal)?
    };
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| too_slow())?
}

/// As [`look_back`]; what was read becomes JSON on that thread, too, for it may be long.
pub(super) async fn answer<T: Serialize>(
    room: &RoomName,
    user: &UserId,
    state: &Data<AppState>,
    read: impl FnOnce(Open, Authors) -> Result<T, ApiError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let json =
        move |open: Open, authors: Authors| serde_json::to_vec(&read(open, authors)?).map_err(|_| ApiError::Internal);
    let body = look_back(room, user, state, json).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

#[derive(Serialize, ToSchema)]
pub struct ActivityPage {
    room: RoomName,
    sessions: Vec<SessionView>,
    /// To pass as `before` for the next page; null at the end.
    #[schema(required)]
    next: Option<Seq>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    from: Seq,
    to: Seq,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    ended_at: String,
    authors: Vec<WorkView>,
}

#[derive(Serialize, ToSchema)]
struct WorkView {
    user: UserId,
    edits: u64,
    inserted: u64,
    deleted: u64,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        let work = |(user, work): (UserId, crate::history::Work)| WorkView {
            user,
            edits: work.edits,
            inserted: work.inserted,
            deleted: work.deleted,
        };
        Self {
            from: session.from,
            to: session.to,
            started_at: rfc3339(session.started_at_ms),
            ended_at: rfc3339(session.ended_at_ms),
            authors: session.authors.into_iter().map(work).collect(),
        }
    }
}

/// Sessions of editing, the newest first.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/activity", operation_id = "getActivity", tag = "past",
    params(
        RoomPath,
        ("before" = Option<Seq>, Query, description = "Only sessions that begin before this seq"),
        ("limit" = Option<u32>, Query, description = "100 if not given", minimum = 1, maximum = 1000),
        ("gap" = Option<u32>, Query, description = "Seconds of silence that end a session; 600 if not given", minimum = 1, maximum = 2592000),
    ),
    responses((status = 200, description = "A page of sessions", body = ActivityPage), InRoom, Fails<422>),
)]
pub async fn activity(
    may: May<ReadPast>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<ActivityPage>, ApiError> {
    let limit = parameters.limit(SESSIONS_DEFAULT, SESSIONS_MAX)? as usize;
    let before = parameters.value("before", "a seq")?.map(Seq);
    let gap_ms = gap_ms(&mut parameters)?;
    parameters.end()?;
    let read =
        move |open: Open, authors: Authors| open.sessions(before, limit, gap_ms, &authors).map_err(ApiError::from);
    let sessions = look_back(&may.room, &may.identity.user, &state, read).await?;
    let next = sessions.last().filter(|_| sessions.len() == limit).map(|session| session.from);
    Ok(Json(ActivityPage { room: may.room, sessions: sessions.into_iter().map(SessionView::from).collect(), next }))
}

/// The pause that ends a session, in milliseconds.
fn gap_ms(parameters: &mut Parameters) -> Result<i64, ApiError> {
    let allowed = format!("a number of seconds from 1 to {GAP_S_MAX}");
    match parameters.value::<u32>("gap", &allowed)? {
        None => Ok(GAP_MS),
        Some(seconds) if (1..=GAP_S_MAX).contains(&seconds) => Ok(i64::from(seconds) * 1000),
        Some(_) => Err(ApiError::Parameter(format!("gap must be {allowed}"))),
    }
}

#[derive(Serialize, ToSchema)]
pub struct Blame {
    room: RoomName,
    /// The document is as of this seq.
    seq: Seq,
    runs: Vec<RunView>,
    /// Some text that an edit deleted and inserted again only in part counts as newly written: finding it would have taken too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
}

#[derive(Serialize, ToSchema)]
struct RunView {
    from: u64,
    to: u64,
    by: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<UserId>,
    seq: Seq,
    #[schema(format = DateTime)]
    at: String,
}

/// Who wrote each part of a root type.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/blame", operation_id = "getBlame", tag = "past",
    params(
        RoomPath,
        ("root" = Option<String>, Query, description = "The root type; needed for one of several"),
        ("at" = inline(Option<Moment>), Query, description = "After which entry, or at which time; now if not given"),
    ),
    responses((status = 200, description = "Its runs", body = Blame), InRoom, Fails<422>),
)]
pub async fn blame(
    may: May<ReadPast>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let root = parameters.text("root");
    let at = when("at", &mut parameters)?;
    parameters.end()?;
    let room = may.room.clone();
    let run = |run: BlameRun| {
        let BlameRun { from, to, credit: Credit { by, via }, seq, at_ms } = run;
        RunView { from, to, by, via, seq, at: rfc3339(at_ms) }
    };
    let read = move |open: Open, authors: Authors| {
        let at = at.unwrap_or(When::Seq(open.row.head));
        let (seq, history::Blame { runs, is_partial }) = open.blame(root.as_deref(), at, &authors)?;
        Ok(Blame { room, seq, runs: runs.into_iter().map(run).collect(), partial: is_partial.then_some(true) })
    };
    answer(&may.room, &may.identity.user, &state, read).await
}
