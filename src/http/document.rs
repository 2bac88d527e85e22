//! REST: a room's document as it is committed, as text, JSON, ProseMirror's JSON or Yjs bytes. A view of a copy
//! that is read from the store, so that no live room waits for it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Data};
use bytes::Bytes;

use super::caller::{May, ReadDocument};
use super::error::ApiError;
use super::failures::{Fails, InRoom};
use super::moment::{Moment, when};
use super::parameters::{Parameters, RoomPath};
use super::renderings::RenderingKey;
use super::state::AppState;
use crate::archive::Stored;
use crate::auth::Action;
use crate::document::{Format, ReadingBudget, View};
use crate::history::{Open, When};
use crate::ids::Seq;

/// How long a document may take, waiting for others included.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The header with the seq up to which the document is.
pub const SEQ_HEADER: &str = "tutti-seq";

/// A room's document as it is committed, or as it was.
///
/// `at` needs the right to look back.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/document", operation_id = "readDocument", tag = "document",
    params(
        RoomPath,
        ("format" = inline(Option<Format>), Query, description = "`json` if not given"),
        ("root" = Option<String>, Query, description = "The root type; needed for one of several. Not with `yjs`"),
        ("at" = inline(Option<Moment>), Query, description = "After which entry, or at which time; now if not given"),
    ),
    responses(
        (
            status = 200, description = "The document",
            headers(
                ("tutti-seq" = Seq, description = "Up to which entry it is"),
                ("ETag" = String, description = "The same, for `If-Match`"),
            ),
            content((Value = "application/json"), (String = "text/plain"), (String = "application/xml"), (Vec<u8> = "application/octet-stream")),
        ),
        InRoom, Fails<422>,
    ),
)]
pub async fn read(
    may: May<ReadDocument>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let format = match parameters.text("format") {
        None => Format::Json,
        Some(name) => Format::parse(&name).map_err(|error| ApiError::Parameter(format!("format {error}")))?,
    };
    let root = parameters.text("root");
    let at = when("at", &mut parameters)?;
    parameters.end()?;
    if at.is_some() && !may.identity.allows(&may.room, Action::ReadPast) {
        return Err(ApiError::Forbidden);
    }
    if matches!(format, Format::Yjs) && root.is_some() {
        return Err(ApiError::Parameter("root does not go with format=yjs".into()));
    }
    let too_slow = || ApiError::TryLater("the document takes too long to render now, try again later".into());
    let work = async {
        let turn = state.renders.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)?;
        let looks_back = may.identity.allows(&may.room, Action::ReadPast);
        let key = |room, head, epoch| RenderingKey { room, head, epoch, format, root: root.clone(), looks_back };
        let (source, key) = match at {
            None => {
                if !state.renderings.is_empty()
                    && let Some(row) = state.store.room(&may.room).await?
                    && let Some(body) = state.renderings.get(&key(row.id, row.head, row.epoch))
                {
                    return Ok(answer(row.head, format, body));
                }
                let stored = state.archive.read(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
                let key = key(stored.id, stored.head, stored.epoch);
                (Source::Head(stored, looks_back), Some(key))
            }
            Some(when) => {
                (Source::Past(state.histories.open(&may.room).await?.ok_or(ApiError::RoomNotFound)?, when), None)
            }
        };
        let root = root.clone();
        let body = web::block(move || {
            let body = render(source, format, root.as_deref());
            // Held until here, also when nobody waits any more: it bounds the threads that render.
            drop(turn);
            body
        });
        let (seq, body) = body.await.map_err(|_| ApiError::Internal)??;
        let body = match key {
            Some(key) => state.renderings.share(key, body),
            None => body,
        };
        Ok(answer(seq, format, body))
    };
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| too_slow())?
}

fn answer(seq: Seq, format: Format, body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type(format))
        .insert_header((SEQ_HEADER, seq.0.to_string()))
        .insert_header((header::ETAG, format!("\"{seq}\"")))
        .body(body)
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Text => "text/plain; charset=utf-8",
        Format::Json | Format::ProseMirror => "application/json",
        Format::Xml => "application/xml",
        Format::Yjs => "application/octet-stream",
    }
}

/// What a document is read from.
enum Source {
    /// The present, and whether with the content of what is deleted, if that is kept.
    Head(Stored, bool),
    Past(Open, When),
}

fn render(source: Source, format: Format, root: Option<&str>) -> Result<(Seq, Bytes), ApiError> {
    let (seq, state) = match source {
        Source::Head(stored, true) => (stored.head, stored.document.state()),
        Source::Head(stored, false) => (stored.head, stored.document.state_without_deleted()),
        Source::Past(open, when) => open.state(when)?,
    };
    let state = Bytes::from(state);
    let view = || View::read(&state, ReadingBudget::default());
    let body = match format {
        Format::Text => view()?.text(root)?.into(),
        Format::Json => view()?.json(root)?.into(),
        Format::Xml => view()?.xml(root)?.into(),
        Format::ProseMirror => view()?.prosemirror(root)?.into(),
        Format::Yjs => state,
    };
    Ok((seq, body))
}
