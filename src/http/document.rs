//! REST: a room's document as it is committed, as text, JSON or Yjs bytes. Read from the store into a copy of its own, so that no
//! live room waits for it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data};

use super::caller::{May, ReadDocument};
use super::error::ApiError;
use super::parameters::Parameters;
use super::state::AppState;
use crate::replica::{Replica, render_json, render_text};
use crate::store::Loaded;

/// How long a document may take, waiting for others included.
const DEADLINE: Duration = Duration::from_secs(10);

/// The header with the seq up to which the document is.
pub const SEQ_HEADER: &str = "tutti-seq";

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
    Yjs,
}

fn format(name: &str) -> Result<Format, ApiError> {
    match name {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        "yjs" => Ok(Format::Yjs),
        _ => Err(ApiError::Parameter("format must be text, json or yjs".into())),
    }
}

/// `GET /api/v1/rooms/{room}/document`.
pub async fn read(
    may: May<ReadDocument>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let format = parameters.text("format").as_deref().map_or(Ok(Format::Json), format)?;
    let root = parameters.text("root");
    parameters.end()?;
    if matches!(format, Format::Yjs) && root.is_some() {
        return Err(ApiError::Parameter("root goes with format=text and format=json only".into()));
    }
    let too_slow = || ApiError::TryLater("the document takes too long to render now, try again later".into());
    let work = async {
        let permit = state.renders.clone().acquire_owned().await.map_err(|_| ApiError::Internal)?;
        let loaded = state.store.load(&may.room).await?.ok_or(ApiError::RoomNotFound)?;
        let seq = loaded.head;
        let bytes_max = state.document_bytes_max;
        let body = web::block(move || {
            let body = render(&loaded, format, root.as_deref(), bytes_max);
            // Held until here, also when nobody waits any more: it bounds the threads that render.
            drop(permit);
            body
        });
        let (content_type, body) = body.await.map_err(|_| ApiError::Internal)??;
        Ok(HttpResponse::Ok().content_type(content_type).insert_header((SEQ_HEADER, seq.0.to_string())).body(body))
    };
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| too_slow())?
}

fn render(
    loaded: &Loaded,
    format: Format,
    root: Option<&str>,
    bytes_max: usize,
) -> Result<(&'static str, Vec<u8>), ApiError> {
    let snapshot = loaded.snapshot.as_ref().map(|(_, state)| state);
    let replica = Replica::load(snapshot, &loaded.edits, bytes_max).map_err(|error| {
        tracing::error!(%error, "a stored document is damaged");
        ApiError::Internal
    })?;
    Ok(match format {
        Format::Text => ("text/plain; charset=utf-8", render_text(&replica, root)?.into_bytes()),
        Format::Json => ("application/json", render_json(&replica, root).map(|json| json.to_string())?.into_bytes()),
        Format::Yjs => ("application/octet-stream", replica.state()),
    })
}
