//! The JSON protocol for clients that cannot have a WebSocket: an event stream brings what the server says, and requests take what the
//! client says. The stream is a socket like any other; who opens one passes what an upgrade would.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::body::Short;
use super::caller::{self, Caller, identify_socket, permitted};
use super::error::ApiError;
use super::failures::{Fails, InRoom, WithBody, WithToken};
use super::parameters::{Parameters, RoomPath};
use super::peer;
use super::state::AppState;
use crate::auth::{Action, Identity};
use crate::bus::{ANSWER_TIMEOUT, Answer, FORWARDED_BYTES_MAX, Question, StreamMessage, Unanswered, Uplinked};
use crate::ids::Seq;
use crate::socket::{
    self, HEARD_TIMEOUT, Opening, Permit, Said, StreamRoom, UPLINK_KEY_CHARS_MAX, Uplink, UplinkError, UserPermit,
    network,
};
use crate::wire::Encoding;

/// Where a client that comes back says what it saw last.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and others that have it from there, to pass events on as they come.
const NO_BUFFERING: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// What happens in a room, from `since` on, as a stream of server-sent events.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/events", operation_id = "followRoom", tag = "timeline",
    params(
        RoomPath,
        ("since" = Option<Seq>, Query, description = "First what came after this seq"),
        ("edits" = Option<bool>, Query, description = "Whether edits of the document are told, too"),
        ("Last-Event-ID" = Option<Seq>, Header, description = "Counts before `since`; browsers send it when they reconnect"),
    ),
    security(("bearer" = []), ("token" = []), ("ticket" = [])),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream"), InRoom),
)]
pub async fn of_room(
    req: HttpRequest,
    name: Path<String>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let since = parameters.value("since", "a seq")?;
    let since = last_event_id(&req)?.or(since).map(Seq);
    let wants_edits = parameters.value("edits", "true or false")?.unwrap_or(false);
    let stream = Stream::admit(&req, parameters, &state).await?;
    let (name, _) = permitted(&stream.identity, &name, Action::Join)?;
    Ok(stream.answer(Some(StreamRoom { name, since, wants_edits }), &state))
}

/// What `/ws` would say, as a stream of server-sent events.
///
/// The client joins rooms by what it posts to the stream.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "openStream", tag = "timeline",
    security(("bearer" = []), ("token" = []), ("ticket" = [])),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream"), WithToken, Fails<400>),
)]
pub async fn of_client(
    req: HttpRequest,
    parameters: Parameters,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(Stream::admit(&req, parameters, &state).await?.answer(None, &state))
}

/// What the client of a stream says, as in a frame of `/ws`.
///
/// The answers come by the stream. After a 503, or without an answer, send it again with the same `key`: it is heard once.
#[utoipa::path(
    post, path = "/api/v1/events/{client}", operation_id = "sayToStream", tag = "timeline",
    params(
        ("client" = String, Path, format = "uuid", description = "The stream's id, which its first event says"),
        ("key" = Option<String>, Query, min_length = 1, max_length = 64, description = "Names it: under one key a stream hears one thing. It remembers 64 keys"),
    ),
    request_body(content((Value = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 204, description = "Heard"), WithToken, WithBody, Fails<404>),
)]
pub async fn say(
    Caller(identity): Caller,
    client: Path<String>,
    mut parameters: Parameters,
    Short(body): Short,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let key = parameters.text("key");
    parameters.end()?;
    if key.as_ref().is_some_and(|key| key.is_empty() || key.chars().count() > UPLINK_KEY_CHARS_MAX) {
        return Err(ApiError::Parameter(format!("key must have 1 to {UPLINK_KEY_CHARS_MAX} characters")));
    }
    let is_binary = req.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream");
    let said = match is_binary {
        true => Said::Binary(body),
        false => std::str::from_utf8(&body).map(|_| Said::Text(body.clone())).map_err(ApiError::body)?,
    };
    send(&client, Uplink { user: identity.user, said, key }, &state).await
}

/// Ends a stream.
///
/// Its client leaves for good, as one that closes a WebSocket.
#[utoipa::path(
    delete, path = "/api/v1/events/{client}", operation_id = "endStream", tag = "timeline",
    params(("client" = String, Path, format = "uuid", description = "The stream's id, which its first event says")),
    responses((status = 204, description = "Ended"), WithToken, Fails<404>),
)]
pub async fn end(
    Caller(identity): Caller,
    client: Path<String>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    send(&client, Uplink { user: identity.user, said: Said::End, key: None }, &state).await
}

/// Other methods.
pub async fn other_method() -> Result<HttpResponse, ApiError> {
    Err(ApiError::WrongMethod("POST, DELETE"))
}

async fn send(client: &str, uplink: Uplink, state: &AppState) -> Result<HttpResponse, ApiError> {
    let client: Uuid = client.parse().map_err(|_| ApiError::NoStream)?;
    let (issuer, _) = client.as_u64_pair();
    match issuer == state.cluster.mark() {
        true => state.event_streams.say(client, uplink).await?,
        false => say_elsewhere(issuer, client, uplink, state).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Has the server hear it that has the stream.
async fn say_elsewhere(issuer: u64, stream: Uuid, uplink: Uplink, state: &AppState) -> Result<(), ApiError> {
    let Uplink { user, said, key } = uplink;
    let _turn = state.forwarding.take(&user).await.ok_or_else(ApiError::too_many_questions)?;
    let (is_binary, payload) = match said {
        Said::Text(payload) => (false, Some(payload)),
        Said::Binary(payload) => (true, Some(payload)),
        Said::End => (false, None),
    };
    if payload.as_ref().is_some_and(|payload| payload.len() > FORWARDED_BYTES_MAX) {
        return Err(ApiError::BodyTooLarge(FORWARDED_BYTES_MAX));
    }
    let said = payload.map(|payload| StreamMessage { is_binary, payload });
    // Longer than the other one waits for its stream, so that its answer is heard, and tells what became of it.
    let within = HEARD_TIMEOUT + ANSWER_TIMEOUT;
    match state.cluster.ask_marked(issuer, Question::Say { stream, user, said, key }, within).await {
        Ok(Answer::Uplinked { outcome: Uplinked::Heard }) => Ok(()),
        Ok(Answer::Uplinked { outcome: Uplinked::Behind }) | Err(Unanswered::NotAsked) => {
            Err(UplinkError::Behind.into())
        }
        Err(Unanswered::Silent) => Err(ApiError::TryLater(
            "the server that has this event stream does not answer, and may have heard it: send it again with the same key".into(),
        )),
        Ok(_) | Err(Unanswered::Unknown) => Err(UplinkError::Gone.into()),
    }
}

impl From<UplinkError> for ApiError {
    fn from(error: UplinkError) -> Self {
        match error {
            UplinkError::Behind => Self::TryLater(error.to_string()),
            UplinkError::Gone => Self::NoStream,
        }
    }
}

/// A stream that may be opened.
struct Stream {
    identity: Arc<Identity>,
    address: std::net::IpAddr,
    permit: Permit,
    user_permit: UserPermit,
}

impl Stream {
    /// What every stream must pass: room for one more connection, and a token or ticket that holds.
    async fn admit(req: &HttpRequest, mut parameters: Parameters, state: &AppState) -> Result<Self, ApiError> {
        // Is read as the caller's ticket.
        parameters.text("ticket");
        parameters.end()?;
        if state.is_draining() {
            return Err(ApiError::TryLater("the server is stopping, try again later".into()));
        }
        let address = peer::address(req, &state.trusted_proxies);
        let permit = state.gate.enter(address).map_err(|full| ApiError::TryLater(full.to_string()))?;
        caller::await_key(req, state).await;
        let identity = identify_socket(req, state).await.map_err(|error| ApiError::Unauthorized(error.to_string()))?;
        let user_permit = state.users.enter(&identity.user).map_err(|full| ApiError::TryLater(full.to_string()))?;
        Ok(Self { identity, address, permit, user_permit })
    }

    /// The head of the stream, with the decision.
    fn answer(self, room: Option<StreamRoom>, state: &AppState) -> HttpResponse {
        let Self { identity, address, permit, user_permit } = self;
        // By its first half other servers know whom to ask.
        let client = Uuid::from_u64_pair(state.cluster.mark(), rand::random());
        let path = socket::Path::Events { client, identity, user_permit, room, network: network(address) };
        let mut response = HttpResponse::Ok();
        response.content_type("text/event-stream").insert_header(NO_BUFFERING).force_close();
        let mut response = response.finish();
        response.extensions_mut().insert(Opening { path, encoding: Encoding::Events, address, permit });
        response
    }
}

/// The last seq that a client which comes back has seen.
fn last_event_id(req: &HttpRequest) -> Result<Option<u64>, ApiError> {
    let Some(id) = req.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let id = HeaderValue::to_str(id).ok().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| ApiError::Parameter("Last-Event-ID must be a seq, as the stream's ids are".into()))
}
