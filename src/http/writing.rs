//! REST: what a server writes into a document. An entry by the token's user, answered once it is committed.
//!
//! A plain update goes to the room as a member's edit would. What depends on the document as it is (a condition, a key) is made and judged
//! aside, by a copy that is read from the store, and shown once it is committed.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Unpacked};
use super::caller::{Edit, May};
use super::document::DEADLINE;
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody};
use super::parameters::{Parameters, RoomPath};
use super::publish::{COMMIT_TIMEOUT, count};
use super::state::AppState;
use super::turns::Turn;
use crate::auth::{self, Action, Identity};
use crate::document::{Blocks, DraftError, Json, Nested, Operation, ReadingBudget, Refusal, View, Wanted, from_v2};
use crate::entry_key::{self, CALLER_KEY_BYTES_MAX};
use crate::ids::{RoomName, Seq};
use crate::room::{AwaitEntry, FromServer, Showing, WriteDocument, WriteError, Written};
use crate::store::RoomRow;

/// How often an edit is made anew because the room has changed meanwhile, and how long to wait before.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Where an edit stands in the timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = Written)]
struct Answer {
    seq: Seq,
}

/// For the API's description: what requests that write a document have in common.
struct WriteParameters;

impl IntoParams for WriteParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let parameter = |name: &str, place, what, schema: ObjectBuilder| {
            let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
            parameter.description(Some(what)).schema(Some(schema)).build()
        };
        let key = text().min_length(Some(1)).max_length(Some(CALLER_KEY_BYTES_MAX));
        vec![
            parameter(
                "key",
                ParameterIn::Query,
                "Sent again by the same user with the same key, a write is stored once",
                key,
            ),
            parameter(
                "If-Match",
                ParameterIn::Header,
                "Only if the newest entry of the room is this one: the `ETag` of a document that was read",
                text().pattern(Some(r#"^("[0-9]{1,19}"|[0-9]{1,19})$"#)),
            ),
            parameter(
                "If-None-Match",
                ParameterIn::Header,
                "`*`: only if the room has no document yet. Not with `If-Match`",
                text().enum_values(Some(["*"])),
            ),
        ]
    }
}

/// What must hold of the room, checked together with the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Nothing.
    Any,
    /// Its newest entry is this one.
    Newest(Seq),
    /// It has no document.
    NoDocument,
}

impl Condition {
    fn read(req: &HttpRequest) -> Result<Self, ApiError> {
        let value = |name: header::HeaderName| {
            let value = req.headers().get(name)?;
            Some(value.to_str().unwrap_or_default().trim().to_owned())
        };
        match (value(header::IF_MATCH), value(header::IF_NONE_MATCH).as_deref()) {
            (None, None) => Ok(Self::Any),
            (None, Some("*")) => Ok(Self::NoDocument),
            (None, Some(_)) => Err(ApiError::Parameter("If-None-Match must be * here".into())),
            (Some(tag), None) => {
                let seq = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(&tag);
                let seq = seq.parse().map_err(|_| ApiError::Parameter("If-Match must be a seq".into()))?;
                Ok(Self::Newest(Seq(seq)))
            }
            (Some(_), Some(_)) => Err(ApiError::Parameter("If-Match and If-None-Match exclude each other".into())),
        }
    }

    fn check(self, newest: Seq, has_document: bool) -> Result<(), ApiError> {
        match self {
            Self::Newest(seq) if seq != newest => Err(CHANGED),
            Self::NoDocument if has_document => Err(ApiError::Changed("the room has a document already")),
            _ => Ok(()),
        }
    }
}

/// The condition on the newest entry does not hold.
pub(super) const CHANGED: ApiError = ApiError::Changed("the room has changed: read the document, and use its new ETag");

/// How an update is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = UpdateFormat)]
enum Encoding {
    #[schema(rename = "yjs")]
    V1,
    #[schema(rename = "yjs-v2")]
    V2,
}

fn encoding(format: Option<&str>) -> Result<Encoding, ApiError> {
    match format {
        None | Some("yjs") => Ok(Encoding::V1),
        Some("yjs-v2") => Ok(Encoding::V2),
        Some(_) => Err(ApiError::Parameter("format must be yjs or yjs-v2".into())),
    }
}

/// The key of the entry, of what the caller named it.
fn key(parameters: &mut Parameters) -> Result<Option<String>, ApiError> {
    let key = parameters.text("key");
    match key.as_ref().is_some_and(|key| key.is_empty() || key.len() > CALLER_KEY_BYTES_MAX || key.contains('\0')) {
        true => Err(ApiError::Parameter(format!("key has 1 to {CALLER_KEY_BYTES_MAX} bytes, none of them NUL"))),
        false => Ok(key.as_deref().map(entry_key::of_document_write)),
    }
}

/// Writes a Yjs update.
///
/// The body may have `Content-Encoding: gzip`. The edit is taken whole or not at all, and answered once it is committed.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/document", operation_id = "updateDocument", tag = "document",
    params(RoomPath, ("format" = inline(Option<Encoding>), Query, description = "`yjs` if not given"), WriteParameters),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The update"),
    responses(
        (status = 200, description = "Where it stands", body = Answer, headers(("ETag" = String))),
        (status = 201, description = "It made the document", body = Answer, headers(("ETag" = String))),
        InRoom, WithBody, Fails<409>, Fails<412>, Fails<422>, Fails<507>,
    ),
)]
pub async fn post(
    may: May<Edit>,
    mut parameters: Parameters,
    payload: Payload,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let encoding = encoding(parameters.text("format").as_deref())?;
    let key = key(&mut parameters)?;
    parameters.end()?;
    let condition = Condition::read(&req)?;
    let bytes_max = state.document_bytes_max;
    let body = read_body(&may, &req, payload, bytes_max, &state).await?;
    let is_costly = body.is_packed() || encoding == Encoding::V2;
    let turn = if is_costly { Some(turn(&may, &state).await?) } else { None };
    let unpacked = web::block(move || {
        let _turn = turn;
        let mut body = body.unpack()?;
        if encoding == Encoding::V2 {
            body.bytes = from_v2(&body.bytes, bytes_max).map_err(ApiError::Edit)?;
        }
        Ok::<_, ApiError>(body)
    });
    let body = unpacked.await.map_err(|_| ApiError::Internal)??;
    let update = body.bytes.clone();
    let written = match (condition, &key) {
        (Condition::Any, None) => {
            write(&may.room, &may.identity, update, Showing::AtOnce, &state).await?.map_err(refused)?
        }
        _ => {
            let make = move |document: &mut Blocks| {
                let news = document.apply_whole(&update).map_err(ApiError::Edit)?;
                Ok(news.map(|news| news.update))
            };
            write_judged(&may, condition, key, make, &state).await?
        }
    };
    drop(body);
    Ok(answer(written))
}

/// What a document's new content comes as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = WriteFormat, rename_all = "lowercase")]
enum Format {
    Text,
    Json,
    ProseMirror,
}

fn format(name: Option<&str>) -> Result<Format, ApiError> {
    match name {
        None | Some("json") => Ok(Format::Json),
        Some("text") => Ok(Format::Text),
        Some("prosemirror") => Ok(Format::ProseMirror),
        Some(_) => Err(ApiError::Parameter("format must be text, json or prosemirror".into())),
    }
}

fn nested(name: Option<&str>) -> Result<Nested, ApiError> {
    match name {
        None => Ok(Nested::AsBeside),
        Some("plain") => Ok(Nested::Plain),
        Some("shared") => Ok(Nested::Shared),
        Some(_) => Err(ApiError::Parameter("nested must be plain or shared".into())),
    }
}

/// The content of a body, of which the root may be missing.
#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Json(Json),
    ProseMirror(Json),
}

impl Content {
    fn read(body: &mut Unpacked, format: Format) -> Result<Self, ApiError> {
        Ok(match format {
            Format::Text => Self::Text(body.text()?.to_owned()),
            Format::Json => Self::Json(body.json()?),
            Format::ProseMirror => Self::ProseMirror(body.json()?),
        })
    }

    fn wanted(self, root: Option<&str>, nested: Nested, view: &View) -> Result<Wanted, ApiError> {
        let one_root = || {
            let name = view.root_name(root)?;
            name.ok_or_else(|| ApiError::Parameter("the document has no root type yet: name one by root".into()))
        };
        Ok(match (self, root) {
            (Self::Text(text), _) => Wanted::Text { root: one_root()?, text },
            (Self::ProseMirror(document), _) => Wanted::ProseMirror { root: one_root()?, document },
            (Self::Json(value), Some(root)) => Wanted::Json { roots: [(root.to_owned(), value)].into(), nested },
            (Self::Json(Json::Map(roots)), None) => Wanted::Json { roots, nested },
            (Self::Json(_), None) => {
                return Err(ApiError::Body("without root the body is an object, of root types by their names".into()));
            }
        })
    }
}

/// Writes the content that is wanted, as the smallest edit that makes it so.
///
/// The body may have `Content-Encoding: gzip`. What is equal keeps its ids, so cursors stay and what people type there at the same time
/// survives. If nothing differs, nothing is stored.
#[utoipa::path(
    put, path = "/api/v1/rooms/{room}/document", operation_id = "putDocument", tag = "document",
    params(
        RoomPath,
        ("format" = inline(Option<Format>), Query, description = "`json` if not given"),
        ("root" = Option<String>, Query, description = "The root type; of JSON, all that the body names if not given"),
        ("nested" = Option<String>, Query, description = "`plain` or `shared`: what new objects and lists in JSON become; if not given, what stands beside them is", pattern = "^(plain|shared)$"),
        WriteParameters,
    ),
    request_body(
        description = "JSON by root types, or with `root` of that one; a text; or the node of a ProseMirror document",
        content((Value = "application/json"), (String = "text/plain")),
    ),
    responses(
        (status = 200, description = "Where it stands", body = Answer, headers(("ETag" = String))),
        (status = 201, description = "It made the document", body = Answer, headers(("ETag" = String))),
        InRoom, WithBody, Fails<409>, Fails<412>, Fails<422>, Fails<507>,
    ),
)]
pub async fn put(
    may: May<Edit>,
    mut parameters: Parameters,
    payload: Payload,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let format = format(parameters.text("format").as_deref())?;
    let root = parameters.text("root");
    let nested = nested(parameters.text("nested").as_deref())?;
    let key = key(&mut parameters)?;
    parameters.end()?;
    let condition = Condition::read(&req)?;
    let body = read_body(&may, &req, payload, state.document_bytes_max, &state).await?;
    let turn = turn(&may, &state).await?;
    let read = web::block(move || {
        let _turn = turn;
        let mut body = body.unpack()?;
        Ok::<_, ApiError>((Content::read(&mut body, format)?, body))
    });
    let (content, body) = read.await.map_err(|_| ApiError::Internal)??;
    let content = Arc::new(content);
    let make = move |document: &mut Blocks| {
        let view = view(document)?;
        let wanted = Content::clone(&content).wanted(root.as_deref(), nested, &view)?;
        take(document, |client| view.rewrite(&wanted, client))
    };
    let written = write_judged(&may, condition, key, make, &state).await?;
    drop(body);
    Ok(answer(written))
}

/// Most operations of one request.
const OPERATIONS_MAX: usize = 1000;

/// The operations of a request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Operations {
    #[schema(max_items = 1000)]
    operations: Vec<Operation>,
}

/// Changes a document by operations, all of them or none.
#[utoipa::path(
    patch, path = "/api/v1/rooms/{room}/document", operation_id = "patchDocument", tag = "document",
    params(RoomPath, WriteParameters), request_body = Operations,
    responses(
        (status = 200, description = "Where it stands", body = Answer, headers(("ETag" = String))),
        (status = 201, description = "It made the document", body = Answer, headers(("ETag" = String))),
        InRoom, WithBody, Fails<409>, Fails<412>, Fails<422>, Fails<507>,
    ),
)]
pub async fn patch(
    may: May<Edit>,
    mut parameters: Parameters,
    payload: Payload,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = key(&mut parameters)?;
    parameters.end()?;
    let condition = Condition::read(&req)?;
    let mut body = read_body(&may, &req, payload, state.json_message_bytes_max, &state).await?.unpack()?;
    let Operations { operations } = body.object()?;
    if operations.len() > OPERATIONS_MAX {
        return Err(ApiError::Body(format!("at most {OPERATIONS_MAX} operations in one request")));
    }
    let operations = Arc::new(operations);
    let make = move |document: &mut Blocks| {
        let view = view(document)?;
        take(document, |client| view.edit(&operations, client))
    };
    let written = write_judged(&may, condition, key, make, &state).await?;
    drop(body);
    Ok(answer(written))
}

fn view(document: &Blocks) -> Result<View, ApiError> {
    Ok(View::read(&Bytes::from(document.state()), ReadingBudget::default())?)
}

/// Has an edit made by a Yjs client that the document does not know, and takes it, as a room would a member's.
fn take(
    document: &mut Blocks,
    make: impl FnOnce(u64) -> Result<Option<Bytes>, DraftError>,
) -> Result<Option<Bytes>, ApiError> {
    let client = loop {
        // As Yjs chooses its own.
        let client = rand::random::<u32>().into();
        if !document.has_client(client) {
            break client;
        }
    };
    let Some(update) = make(client)? else { return Ok(None) };
    document.apply_whole(&update).map_err(ApiError::Edit)?;
    Ok(Some(update))
}

/// Counts the write, and reads its body. That may take long, so the token must still hold then.
async fn read_body(
    may: &May<Edit>,
    req: &HttpRequest,
    payload: Payload,
    bytes_max: usize,
    state: &AppState,
) -> Result<Body, ApiError> {
    count_write(may, req, state)?;
    let body = Body::read(req, payload, bytes_max, state).await?;
    state.confirm(&may.identity)?;
    Ok(body)
}

fn count_write(may: &May<Edit>, req: &HttpRequest, state: &AppState) -> Result<(), ApiError> {
    match auth::allows(may.access, Action::Administer) {
        // An admin's token is a server's, which writes for many.
        true => Ok(()),
        false => count(req, &may.identity, 1, state),
    }
}

fn answer(Written { seq, is_first }: Written) -> HttpResponse {
    let mut response = if is_first { HttpResponse::Created() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, format!("\"{seq}\""))).json(Answer { seq })
}

/// Has an edit made of the document as it is, and writes it if the condition holds. What changes nothing is not written. What was written
/// before under its key is answered as then, whatever holds now.
async fn write_judged(
    may: &May<Edit>,
    condition: Condition,
    key: Option<String>,
    make: impl Fn(&mut Blocks) -> Result<Option<Bytes>, ApiError> + Clone + Send + 'static,
    state: &AppState,
) -> Result<Written, ApiError> {
    for _ in 0..ATTEMPTS {
        let judged = timeout(DEADLINE, judge(may, condition, make.clone(), state))
            .await
            .map_err(|_| ApiError::TryLater("the document takes too long to read now, try again later".into()))?;
        let (newest, has_document, update) = match judged {
            Ok((newest, has_document, Some(update))) => (newest, has_document, update),
            nothing => {
                let first = written_before(may, key.as_deref(), state).await?;
                return first.map_or_else(|| nothing.map(|(seq, ..)| Written { seq, is_first: false }), Ok);
            }
        };
        // Two that find no document would each write all of it.
        let head = (condition != Condition::Any || !has_document).then_some(newest);
        let showing = Showing::Committed { key: key.clone(), head, epoch: None };
        match write(&may.room, &may.identity, update, showing, state).await? {
            Err(WriteError::Stale) if !matches!(condition, Condition::Newest(_)) => tokio::time::sleep(PAUSE).await,
            written => return written.map_err(refused),
        }
    }
    Err(ApiError::TryLater("the room changes all the time, try again later".into()))
}

/// Where the user's write with this key stands, if there is one.
pub(super) async fn written_before(
    may: &May<Edit>,
    key: Option<&str>,
    state: &AppState,
) -> Result<Option<Written>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    let showing = Showing::Repeated { key: key.to_owned() };
    match write(&may.room, &may.identity, Bytes::new(), showing, state).await? {
        Ok(written) => Ok(Some(written)),
        Err(WriteError::Stale) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

/// Waits for the caller's turn to have a document worked on.
async fn turn(may: &May<Edit>, state: &AppState) -> Result<Turn, ApiError> {
    state.renders.take(&may.identity.user).await.ok_or_else(ApiError::too_many_questions)
}

/// The newest entry, whether there is a document, and the edit that is to be made of it, if any.
async fn judge(
    may: &May<Edit>,
    condition: Condition,
    make: impl FnOnce(&mut Blocks) -> Result<Option<Bytes>, ApiError> + Send + 'static,
    state: &AppState,
) -> Result<(Seq, bool, Option<Bytes>), ApiError> {
    let turn = turn(may, state).await?;
    let stored = state.archive.read(&may.room).await?;
    let (newest, has_document, mut document) = match stored {
        Some(stored) => (stored.head, stored.has_document, stored.document),
        None => (Seq::ZERO, false, state.archive.empty(&may.room)),
    };
    condition.check(newest, has_document)?;
    let made = web::block(move || {
        let made = make(&mut document);
        drop(turn);
        made
    });
    Ok((newest, has_document, made.await.map_err(|_| ApiError::Internal)??))
}

/// Refuses an edit that would make the document larger than it may be, once what it deletes is gone.
pub(super) async fn check_room(may: &May<Edit>, update: &Bytes, state: &AppState) -> Result<(), ApiError> {
    let (update, limit) = (update.clone(), state.document_bytes_max);
    let check = move |document: &mut Blocks| {
        let before = document.held();
        document.load([&update]);
        match document.held() > limit.max(before) {
            true => Err(ApiError::Edit(Refusal::TooLarge { limit })),
            false => Ok(None),
        }
    };
    judge(may, Condition::Any, check, state).await.map(drop)
}

/// Hands an edit of a user to its room, if the user's token still holds, and waits for what becomes of it. What it builds on may have been
/// committed on another server a moment ago, and be on its way to the room here.
pub(super) async fn write(
    room: &RoomName,
    identity: &Identity,
    update: Bytes,
    showing: Showing,
    state: &AppState,
) -> Result<Result<Written, WriteError>, ApiError> {
    let written = write_once(room, identity, update.clone(), showing.clone(), state).await?;
    if !matches!(written, Err(WriteError::Edit(Refusal::Incomplete))) || state.cluster.is_alone() {
        return Ok(written);
    }
    read_on(room, state).await?;
    write_once(room, identity, update, showing, state).await
}

/// Has a room read what is committed by now.
async fn read_on(room: &RoomName, state: &AppState) -> Result<(), ApiError> {
    let Some(RoomRow { id, head, epoch, .. }) = state.store.room(room).await? else { return Ok(()) };
    let lease = state.directory.lookup(room);
    let (reply, read) = oneshot::channel();
    lease.room().do_send(FromServer::Head(id, head, epoch));
    lease.room().do_send(AwaitEntry { after: Seq(head.0.saturating_sub(1)), reply });
    // If the room dies, or the database takes too long, the edit is refused as before.
    let _ = timeout(COMMIT_TIMEOUT, read).await;
    Ok(())
}

async fn write_once(
    room: &RoomName,
    identity: &Identity,
    update: Bytes,
    showing: Showing,
    state: &AppState,
) -> Result<Result<Written, WriteError>, ApiError> {
    state.look_at_rooms_of(&identity.user).await?;
    state.confirm(identity)?;
    let (reply, answer) = oneshot::channel();
    let lease = state.open(identity, room)?;
    let user = identity.user.clone();
    let access = identity.access(room);
    let room = lease.room().clone();
    room.do_send(WriteDocument { lease: lease.into_guard(), user, access, update, showing, reply });
    let unknown = || {
        let message = "it is not known whether this is stored; read the document, or send it again with the same key";
        ApiError::TryLater(message.into())
    };
    // The room died, or the database takes too long.
    timeout(COMMIT_TIMEOUT, answer).await.ok().and_then(Result::ok).ok_or_else(unknown)
}

/// Why an edit is not written, as REST tells it.
pub(super) fn refused(error: WriteError) -> ApiError {
    match error {
        WriteError::Edit(refusal) => ApiError::Edit(refusal),
        WriteError::Entry(refused) => ApiError::body(refused),
        WriteError::Denied(denied) => denied.into(),
        WriteError::Stale => CHANGED,
        WriteError::RoomDeleted => ApiError::RoomDeleted,
        WriteError::TryLater => ApiError::TryLater(error.to_string()),
        WriteError::TooMany(wait) => ApiError::TooMany(wait),
    }
}

/// Answers the methods that the path does not take.
pub async fn other_method() -> Result<&'static str, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, POST, PUT, PATCH"))
}
