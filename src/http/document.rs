//! REST: a room's document as it is committed, as text, JSON or Yjs bytes. Read from the store into a copy of its own, so that no
//! live room waits for it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Query};
use serde::Deserialize;

use super::caller::{May, ReadDocument};
use super::error::ApiError;
use super::state::AppState;
use crate::replica::{RenderError, Replica, render_json, render_text};
use crate::store::Loaded;

/// How long a document may take, waiting for others included.
const DEADLINE: Duration = Duration::from_secs(10);

/// The header with the seq up to which the document is.
const SEQ_HEADER: &str = "tutti-seq";

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
enum Format {
    Text,
    #[default]
    Json,
    Yjs,
}

#[derive(Deserialize)]
pub struct DocumentQuery {
    #[serde(default)]
    format: Format,
    root: Option<String>,
}

/// `GET /api/v1/rooms/{room}/document`.
pub async fn read(
    may: May<ReadDocument>,
    query: Query<DocumentQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let too_slow = || ApiError::TryLater("the document takes too long to render now, try again later".into());
    let work = async {
        let permit = state
            .renders
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ApiError::Internal)?;
        let loaded = state.store.load(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
        let seq = loaded.head;
        let (query, bytes_max) = (query.into_inner(), state.document_bytes_max);
        let body = web::block(move || {
            let body = render(&loaded, &query, bytes_max);
            // Held until here, also when nobody waits any more: it bounds the threads that render.
            drop(permit);
            body
        });
        let (content_type, body) = body.await.map_err(|_| ApiError::Internal)??;
        Ok(HttpResponse::Ok()
            .content_type(content_type)
            .insert_header((SEQ_HEADER, seq.0.to_string()))
            .body(body))
    };
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| too_slow())?
}

fn render(loaded: &Loaded, query: &DocumentQuery, bytes_max: usize) -> Result<(&'static str, Vec<u8>), ApiError> {
    let snapshot = loaded.snapshot.as_ref().map(|(_, state)| state);
    let replica = Replica::load(snapshot, &loaded.edits, bytes_max).map_err(|error| {
        tracing::error!(%error, "a stored document is damaged");
        ApiError::Internal
    })?;
    let root = query.root.as_deref();
    Ok(match query.format {
        Format::Text => ("text/plain; charset=utf-8", render_text(&replica, root)?.into_bytes()),
        Format::Json => (
            "application/json",
            render_json(&replica, root).map(|json| json.to_string())?.into_bytes(),
        ),
        Format::Yjs if root.is_some() => return Err(ApiError::Root(RenderError::NoSuchRoot)),
        Format::Yjs => ("application/octet-stream", replica.state()),
    })
}
