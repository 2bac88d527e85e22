//! REST: what a server says into a room's timeline, and to people.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::caller::{Administer, Caller, May, Publish};
use super::error::ApiError;
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
#[derive(Serialize)]
pub struct Published {
    seq: Seq,
    timestamp: String,
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

/// `POST /api/v1/rooms/{room}/messages`: a message or an event, or an array of them, each answered once it is committed.
pub async fn messages(
    may: May<Publish>,
    body: Result<Bytes, actix_web::Error>,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.map_err(ApiError::body)?;
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
        return Ok(HttpResponse::Created().json([(); 0]));
    }
    let lease = state.open(&may.identity, &may.room)?;
    let room = lease.room().clone();
    let (author, name) = (may.identity.user.clone(), may.identity.name.clone());
    room.do_send(Post { lease: lease.into_guard(), author, name, publications });
    let mut published = Vec::with_capacity(replies.len());
    for reply in replies {
        published.push(Published::from(committed(reply).await?));
    }
    Ok(match published.pop() {
        Some(only) if !is_batch => HttpResponse::Created().json(only),
        last => {
            published.extend(last);
            HttpResponse::Created().json(published)
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnecting {
    user: Option<UserId>,
    reason: Option<String>,
}

#[derive(Serialize)]
pub struct Disconnected {
    disconnected: usize,
    /// Whether another server has not told in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// `POST /api/v1/rooms/{room}/disconnect`: puts a user, or everyone, out of a room.
pub async fn disconnect(
    may: May<Administer>,
    body: Result<Bytes, actix_web::Error>,
    state: Data<AppState>,
) -> Result<Json<Disconnected>, ApiError> {
    let body = body.map_err(ApiError::body)?;
    if body.len() > DISCONNECT_BYTES_MAX {
        return Err(ApiError::Body(format!("the body has at most {DISCONNECT_BYTES_MAX} bytes")));
    }
    let Disconnecting { user, reason } = serde_json::from_str(&json(&body)?).map_err(ApiError::body)?;
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direct {
    payload: Box<RawValue>,
}

#[derive(Serialize)]
pub struct Told {
    sockets: usize,
    /// Whether another server has not told in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// `POST /api/v1/users/{user}/messages`: to all JSON sockets of a user.
pub async fn direct(
    caller: Caller,
    user: Path<String>,
    body: Result<Bytes, actix_web::Error>,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<Json<Told>, ApiError> {
    let Caller(identity) = caller;
    if !identity.may_message() {
        return Err(ApiError::Forbidden);
    }
    let body = body.map_err(ApiError::body)?;
    let Direct { payload } = serde_json::from_str(&json(&body)?).map_err(ApiError::body)?;
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
