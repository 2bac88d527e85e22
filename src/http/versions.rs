//! REST: versions of a document. People name seqs; automatic ones are where sessions of editing ended, computed when they are asked for.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::Object;
use super::caller::{Edit, May, ReadPast};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody};
use super::parameters::{Parameters, RoomPath};
use super::past::look_back;
use super::state::AppState;
use crate::auth;
use crate::history::{Authors, GAP_MS, Open, Session};
use crate::ids::{RoomName, Seq, UserId};
use crate::protocol::json::rfc3339;
use crate::store::{RoomRow, VERSIONS_MAX, VersionChange, VersionRow};

/// Longest name, in bytes, and what may be kept with it.
const LABEL_BYTES_MAX: usize = 200;
const META_BYTES_MAX: usize = 2048;
/// Automatic versions that are told.
const AUTOMATIC_MAX: usize = 1000;

#[derive(Serialize, ToSchema)]
pub struct VersionList {
    room: RoomName,
    versions: Vec<VersionView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
struct VersionView {
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    meta: Option<Box<RawValue>>,
    /// Who named it; of an automatic one, who worked until then.
    authors: Vec<UserId>,
    /// When it was named; of an automatic one, when the session ended.
    #[schema(format = DateTime)]
    at: String,
}

impl From<VersionRow> for VersionView {
    fn from(VersionRow { seq, label, author, at_ms, meta }: VersionRow) -> Self {
        let meta = meta.and_then(|meta| RawValue::from_string(meta).ok());
        Self { seq, label: Some(label), meta, authors: vec![author], at: rfc3339(at_ms) }
    }
}

impl From<Session> for VersionView {
    fn from(Session { to, ended_at_ms, authors, .. }: Session) -> Self {
        Self { seq: to, label: None, meta: None, authors: authors.into_keys().collect(), at: rfc3339(ended_at_ms) }
    }
}

/// Named versions, the newest first.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/versions", operation_id = "listVersions", tag = "past",
    params(
        RoomPath,
        ("automatic" = Option<bool>, Query, description = "Instead where sessions of editing ended"),
    ),
    responses((status = 200, description = "The versions", body = VersionList), InRoom, Fails<422>),
)]
pub async fn list(
    may: May<ReadPast>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<VersionList>, ApiError> {
    let is_automatic = parameters.value::<bool>("automatic", "true or false")?.unwrap_or(false);
    parameters.end()?;
    let versions = if is_automatic {
        let read = |open: Open, authors: Authors| Ok(open.sessions(None, AUTOMATIC_MAX, GAP_MS, &authors)?);
        look_back(&may.room, &may.identity.user, &state, read).await?.into_iter().map(VersionView::from).collect()
    } else {
        let row = row(&may.room, &state).await?;
        state.store.versions(row.id).await?.into_iter().map(VersionView::from).collect()
    };
    Ok(Json(VersionList { room: may.room, versions }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    #[schema(format = "uint64", minimum = 1)]
    seq: u64,
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$")]
    label: String,
    /// At most 2,048 bytes.
    #[schema(value_type = Option<Value>)]
    meta: Option<Box<RawValue>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renaming {
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$")]
    label: Option<String>,
    /// At most 2,048 bytes; null for none. What is kept stays if it is missing.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Value>)]
    meta: Option<Option<Box<RawValue>>>,
}

/// What is there, null included.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Box<RawValue>>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Names a seq.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/versions", operation_id = "addVersion", tag = "past", params(RoomPath),
    request_body = Naming,
    responses((status = 201, description = "The version", body = VersionView), InRoom, WithBody, Fails<409>),
)]
pub async fn add(
    may: May<Edit>,
    Object(body): Object<Naming>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Naming { seq, label, meta } = body;
    let row = row(&may.room, &state).await?;
    if Seq(seq) > row.head {
        return Err(ApiError::AfterHead(row.head));
    }
    if seq == 0 {
        return Err(ApiError::Body("seq must be at least 1".into()));
    }
    if Seq(seq) < row.horizon {
        return Err(ApiError::Dropped(Seq(row.horizon.0 + 1)));
    }
    let version = version(Seq(seq), label, meta, &may)?;
    done(state.store.add_version(row.id, version.clone()).await?)?;
    Ok(HttpResponse::Created().json(VersionView::from(version)))
}

/// Changes a version's name, or what is kept with it.
#[utoipa::path(
    patch, path = "/api/v1/rooms/{room}/versions", operation_id = "changeVersion", tag = "past",
    params(RoomPath, ("seq" = Seq, Query, description = "Which"), ("label" = String, Query, description = "Which")),
    request_body = Renaming,
    responses((status = 200, description = "The version", body = VersionView), InRoom, WithBody, Fails<409>),
)]
pub async fn change(
    may: May<Edit>,
    mut parameters: Parameters,
    Object(body): Object<Renaming>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (seq, label) = which(&mut parameters)?;
    parameters.end()?;
    let row = row(&may.room, &state).await?;
    let versions = state.store.versions(row.id).await?;
    let known = versions.into_iter().find(|known| known.seq == seq && known.label == label);
    let known = known.ok_or(ApiError::NoSuchVersion)?;
    let Renaming { label: new, meta } = body;
    let is_kept = meta.is_none();
    let new = version(seq, new.unwrap_or_else(|| label.clone()), meta.flatten(), &may)?;
    let new = if is_kept { VersionRow { meta: known.meta, ..new } } else { new };
    done(state.store.change_version(row.id, &label, new.clone()).await?)?;
    Ok(HttpResponse::Ok().json(VersionView::from(new)))
}

/// Takes a version's name away.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}/versions", operation_id = "removeVersion", tag = "past",
    params(RoomPath, ("seq" = Seq, Query, description = "Which"), ("label" = String, Query, description = "Which")),
    responses((status = 204, description = "Done"), InRoom),
)]
pub async fn remove(
    may: May<Edit>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (seq, label) = which(&mut parameters)?;
    parameters.end()?;
    let row = row(&may.room, &state).await?;
    done(state.store.remove_version(row.id, seq, &label).await?)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Answers the methods that the path does not take.
pub async fn other_method() -> Result<&'static str, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, POST, PATCH, DELETE"))
}

async fn row(room: &RoomName, state: &AppState) -> Result<RoomRow, ApiError> {
    state.store.room(room).await?.ok_or(ApiError::RoomNotFound)
}

fn which(parameters: &mut Parameters) -> Result<(Seq, String), ApiError> {
    let seq = parameters.value("seq", "a seq")?;
    let label = parameters.text("label");
    let missing = || ApiError::Parameter("seq and label say which version is meant".into());
    Ok((Seq(seq.ok_or_else(missing)?), label.ok_or_else(missing)?))
}

fn version(seq: Seq, label: String, meta: Option<Box<RawValue>>, may: &May<Edit>) -> Result<VersionRow, ApiError> {
    if label.is_empty() || label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
        return Err(ApiError::Body(format!("label has 1 to {LABEL_BYTES_MAX} bytes and no control characters")));
    }
    let meta = meta.map(|meta| meta.get().to_owned());
    if meta.as_ref().is_some_and(|meta| meta.len() > META_BYTES_MAX) {
        return Err(ApiError::Body(format!("meta has at most {META_BYTES_MAX} bytes")));
    }
    Ok(VersionRow { seq, label, author: may.identity.user.clone(), at_ms: auth::now_ms(), meta })
}

fn done(change: VersionChange) -> Result<(), ApiError> {
    match change {
        VersionChange::Done => Ok(()),
        VersionChange::Taken => Err(ApiError::VersionTaken),
        VersionChange::Full => Err(ApiError::Body(format!("a room has at most {VERSIONS_MAX} versions"))),
        VersionChange::Missing => Err(ApiError::NoSuchVersion),
    }
}
