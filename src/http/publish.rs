//! REST: what a server says into a room's timeline, and to people.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::body::{Short, object};
use super::caller::{Administer, Caller, May, Publish};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody, WithToken};
use super::parameters::RoomPath;
use super::peer;
use super::state::AppState;
use crate::auth::{self, Action, Identity};
use crate::bus::Question;
use crate::ids::{Seq, UserId};
use crate::protocol::json::check::check;
use crate::protocol::json::decode::publication;
use crate::protocol::json::limits::BATCH_MAX;
use crate::protocol::json::well_formed;
use crate::protocol::json::{ServerMessage, rfc3339};
use crate::room::{Disconnect, Post, PostError};
use crate::socket::network;
use crate::store::Placed;

/// How long a request waits for the commit of what it publishes.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);

/// Where something stands in the timeline.
#[derive(Serialize, ToSchema)]
pub struct Published {
    seq: Seq,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// Where all that was published stands.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum PublishedAll {
    One(Published),
    Many(Vec<Published>),
}

impl From<Placed> for Published {
    fn from(placed: Placed) -> Self {
        Self { seq: placed.seq, timestamp: rfc3339(placed.at_ms) }
    }
}

/// A body's JSON.
fn json(body: &Bytes) -> Result<Cow<'_, str>, ApiError> {
    std::str::from_utf8(body).map(well_formed).map_err(ApiError::body)
}

/// What may be published.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what `protocol::json::decode` reads")]
enum Publications {
    One(Publication),
    /// At most 256, all of them or none.
    Many(Vec<Publication>),
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what `protocol::json::decode` reads")]
enum Publication {
    Message(ChatMessage),
    Event(AppEvent),
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `protocol::json::decode` reads")]
struct ChatMessage {
    text: String,
    #[schema(value_type = Option<Value>)]
    payload: Option<Box<RawValue>>,
    /// Sent again with the same key, it is stored once.
    #[schema(max_length = 256)]
    key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what `protocol::json::decode` reads")]
struct AppEvent {
    /// In a namespace of the app's own.
    #[serde(rename = "type")]
    #[schema(max_length = 64, pattern = r"^[a-z0-9_-]+\.[a-z0-9_.-]*$", example = "order.updated")]
    kind: String,
    #[schema(value_type = Option<Value>)]
    payload: Option<Box<RawValue>>,
    /// Sent again with the same key, it is stored once.
    #[schema(max_length = 256)]
    key: Option<String>,
}

/// Publishes a message or an event, or an array of them.
///
/// Answered once all are committed.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/messages", operation_id = "publish", tag = "timeline", params(RoomPath),
    request_body = Publications,
    responses(
        (status = 201, description = "Where it stands in the timeline, or an array of that", body = PublishedAll),
        InRoom, WithBody, Fails<507>,
    ),
)]
pub async fn messages(
    may: May<Publish>,
    Short(body): Short,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let text = &json(&body)?[..];
    let is_batch = text.trim_start().starts_with('[');
    let items: Vec<&RawValue> = match is_batch {
        true => serde_json::from_str(text).map_err(ApiError::body)?,
        false => vec![serde_json::from_str(text).map_err(ApiError::body)?],
    };
    if items.len() > BATCH_MAX {
        return Err(ApiError::Body(format!("at most {BATCH_MAX} messages in one request")));
    }
    // All are good before any is taken.
    let publications: Vec<_> =
        items.iter().map(|item| publication(item.get())).collect::<Result<_, _>>().map_err(ApiError::body)?;
    if !auth::allows(may.access, Action::Administer) {
        // An admin's token is a server's, which speaks for many.
        count(&req, &may.identity, publications.len(), &state)?;
    }
    let (replies, publications): (Vec<_>, Vec<_>) = publications
        .into_iter()
        .map(|publication| {
            let (sender, receiver) = oneshot::channel();
            (receiver, (publication, sender))
        })
        .unzip();
    if publications.is_empty() {
        // Nothing is said, so no room is opened for it.
        return Ok(HttpResponse::Created().json(PublishedAll::Many(Vec::new())));
    }
    state.look_at_rooms_of(&may.identity.user).await?;
    let lease = state.open(&may.identity, &may.room)?;
    let room = lease.room().clone();
    let (author, name) = (may.identity.user.clone(), may.identity.name.clone());
    let access = may.identity.access(&may.room);
    room.do_send(Post { lease: lease.into_guard(), author, access, name, bytes: body.len(), publications });
    let mut published = Vec::with_capacity(replies.len());
    for reply in replies {
        published.push(Published::from(committed(reply).await?));
    }
    Ok(match published.pop() {
        Some(only) if !is_batch => HttpResponse::Created().json(PublishedAll::One(only)),
        last => {
            published.extend(last);
            HttpResponse::Created().json(PublishedAll::Many(published))
        }
    })
}

/// Counts messages as if a socket of the caller had sent them.
pub fn count(req: &HttpRequest, identity: &Identity, messages: usize, state: &AppState) -> Result<(), ApiError> {
    let network = network(peer::address(req, &state.trusted_proxies));
    state.rates.take(&identity.user, network, messages, Instant::now()).map_err(ApiError::TooMany)
}

/// What became of something posted, once it is committed.
pub(super) async fn committed(reply: oneshot::Receiver<Result<Placed, PostError>>) -> Result<Placed, ApiError> {
    match timeout(COMMIT_TIMEOUT, reply).await {
        Ok(Ok(Ok(placed))) => Ok(placed),
        Ok(Ok(Err(PostError::Refused(refused)))) => Err(ApiError::body(refused)),
        Ok(Ok(Err(PostError::RoomDeleted))) => Err(ApiError::RoomDeleted),
        Ok(Ok(Err(PostError::Denied(denied)))) => Err(denied.into()),
        Ok(Ok(Err(PostError::TooMany(wait)))) => Err(ApiError::TooMany(wait)),
        Ok(Ok(Err(error @ PostError::TryLater))) => Err(ApiError::TryLater(error.to_string())),
        // The room died, or the database takes too long: nobody knows whether it will be stored.
        Ok(Err(_)) | Err(_) => {
            let message =
                "it is not known whether this is stored; send it again with the same \"key\", which stores it once";
            Err(ApiError::TryLater(message.into()))
        }
    }
}

/// Longest request to put someone out, in bytes.
const DISCONNECT_BYTES_MAX: usize = 4096;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Disconnecting {
    user: Option<UserId>,
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Disconnected {
    disconnected: usize,
    /// Whether another server has not told in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// Disconnects a user, or everyone, from a room.
#[utoipa::path(
    post, path = "/api/v1/rooms/{room}/disconnect", operation_id = "disconnect", tag = "rooms", params(RoomPath),
    request_body = Disconnecting,
    responses((status = 200, description = "How many connections", body = Disconnected), InRoom, WithBody),
)]
pub async fn disconnect(
    may: May<Administer>,
    Short(body): Short,
    state: Data<AppState>,
) -> Result<Json<Disconnected>, ApiError> {
    if body.len() > DISCONNECT_BYTES_MAX {
        return Err(ApiError::BodyTooLarge(DISCONNECT_BYTES_MAX));
    }
    let Disconnecting { user, reason } = object(&json(&body)?)?;
    let reason = reason.unwrap_or_else(|| "put out of the room by an administrator".into());
    let question = Question::Disconnect { room: may.room.clone(), user: user.clone(), reason: reason.clone() };
    let elsewhere = state.cluster.ask(question);
    let here = match state.directory.peek(&may.room) {
        // A room that ended meanwhile has nobody in it.
        Some(room) => room.send(Disconnect { user, reason }).await.unwrap_or_default(),
        None => 0,
    };
    let elsewhere = elsewhere.await;
    Ok(Json(Disconnected { disconnected: here + elsewhere.count(), partial: elsewhere.is_partial }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DirectMessage)]
pub struct Direct {
    #[schema(value_type = Value)]
    payload: Box<RawValue>,
}

#[derive(Serialize, ToSchema)]
pub struct Told {
    sockets: usize,
    /// Whether another server has not told in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// Sends a message to all JSON connections of a user.
#[utoipa::path(
    post, path = "/api/v1/users/{user}/messages", operation_id = "messageUser", tag = "users",
    params(("user" = UserId, Path, description = "The `sub` of the user's tokens")),
    request_body = Direct,
    responses((status = 200, description = "To how many connections", body = Told), WithToken, WithBody),
)]
pub async fn direct(
    caller: Caller,
    user: Path<String>,
    Short(body): Short,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<Json<Told>, ApiError> {
    let Caller(identity) = caller;
    if !identity.may_message() {
        return Err(ApiError::Forbidden);
    }
    let Direct { payload } = object(&json(&body)?)?;
    check(&payload).map_err(ApiError::body)?;
    if !identity.is_server() {
        count(&req, &identity, 1, &state)?;
    }
    let frame = ServerMessage::Direct {
        user: &identity.user,
        name: &identity.name,
        to: &user,
        timestamp: rfc3339(auth::now_ms()),
        payload: &payload,
    }
    .frame();
    let to = UserId::new(user.into_inner());
    let here = state.user_sockets.tell(&to, &frame);
    let text = String::from_utf8_lossy(frame.payload()).into_owned();
    let elsewhere = state.cluster.ask(Question::Direct { user: to, text }).await;
    Ok(Json(Told { sockets: here + elsewhere.count(), partial: elsewhere.is_partial }))
}
