//! REST: who is told what happens in rooms, and what has become of that.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Object;
use super::caller::ServerAdmin;
use super::error::ApiError;
use super::failures::{Fails, WithBody, WithToken};
use super::parameters::Parameters;
use super::state::AppState;
use crate::auth;
use crate::config::{HookUrl, SigningSecret};
use crate::document::Format;
use crate::ids::{EventPattern, RoomPattern, Seq};
use crate::protocol::json::rfc3339;
use crate::store::{Delivery, DeliveryState, WEBHOOKS_MAX};
use crate::webhooks::{self, CONFIGURED, Endpoint, NewEndpoint, Sent};

/// Longest request that adds or changes one: with an address and patterns as long as they may be.
pub const BYTES_MAX: usize = 16 * 1024;
/// Deliveries in a page if the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 500;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where deliveries go.
    url: String,
    /// Types of events; `*` stands for any end. All if not given.
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Vec<EventPattern>>,
    /// A name, or a prefix with `*` at its end. All rooms if not given.
    #[schema(value_type = Option<String>)]
    rooms: Option<RoomPattern>,
    /// The format in which `document.changed` brings the content, if any.
    content: Option<String>,
    /// The root type that `content` is of.
    root: Option<String>,
    #[serde(default)]
    paused: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    url: Option<String>,
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Vec<EventPattern>>,
    #[schema(value_type = Option<String>)]
    rooms: Option<RoomPattern>,
    paused: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookView {
    id: String,
    url: String,
    #[schema(value_type = Vec<String>)]
    events: Vec<EventPattern>,
    #[schema(value_type = String)]
    rooms: RoomPattern,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    paused: bool,
    created_at: String,
    /// Told once, to who adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Endpoint> for WebhookView {
    fn from(Endpoint { id, new, is_paused, created_at_ms, .. }: Endpoint) -> Self {
        let NewEndpoint { url, events, rooms, content, root } = new;
        Self {
            id,
            url: url.as_url().to_string(),
            events,
            rooms,
            content: content.map(Format::name),
            root,
            paused: is_paused,
            created_at: rfc3339(created_at_ms),
            secret: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct WebhookList {
    webhooks: Vec<WebhookView>,
}

/// Adds a webhook.
///
/// Needs `admin` of every room.
#[utoipa::path(
    post, path = "/api/v1/webhooks", operation_id = "addWebhook", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, description = "Added; the secret is told this once", body = WebhookView), WithToken, WithBody),
)]
pub async fn add(
    ServerAdmin(by): ServerAdmin,
    Object(body): Object<NewWebhook>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let NewWebhook { url, events, rooms, content, root, paused } = body;
    let everything = || RoomPattern::parse("*").map_err(ApiError::body);
    let new = NewEndpoint {
        url: address(&url)?,
        events: events
            .map_or_else(|| Ok(vec![EventPattern::parse("*").map_err(ApiError::body)?]), Ok::<_, ApiError>)?,
        rooms: rooms.map_or_else(everything, Ok)?,
        content: content
            .map(|name| Format::parse(&name).map_err(|error| ApiError::body(format_args!("content {error}"))))
            .transpose()?,
        root,
    };
    new.check(state.webhooks.reach()).map_err(ApiError::body)?;
    let id = format!("wh_{}", Uuid::new_v4().simple());
    let secret = SigningSecret::generate();
    let endpoint = Endpoint { id, new, secret, is_paused: paused, created_at_ms: auth::now_ms() };
    if !state.store.add_webhook(endpoint.row()).await? {
        return Err(ApiError::Body(format!("there are {WEBHOOKS_MAX} webhooks, and no more are kept; delete one")));
    }
    state.webhooks.reload().await?;
    tracing::info!(%by, webhook = %endpoint, "a webhook is added");
    let secret = Some(endpoint.secret.expose());
    Ok(HttpResponse::Created().json(WebhookView { secret, ..endpoint.into() }))
}

/// The webhooks.
///
/// Needs `admin` of every room.
#[utoipa::path(
    get, path = "/api/v1/webhooks", operation_id = "listWebhooks", tag = "webhooks",
    responses((status = 200, description = "All of them", body = WebhookList), WithToken),
)]
pub async fn list(_: ServerAdmin, state: Data<AppState>) -> Result<Json<WebhookList>, ApiError> {
    let webhooks = all(&state).await?.into_iter().map(WebhookView::from).collect();
    Ok(Json(WebhookList { webhooks }))
}

/// One webhook.
///
/// Needs `admin` of every room.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook}", operation_id = "getWebhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its id"),
    ),
    responses((status = 200, description = "The webhook", body = WebhookView), WithToken, Fails<404>),
)]
pub async fn one(_: ServerAdmin, id: Path<String>, state: Data<AppState>) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(find(&id, &state).await?.into()))
}

/// Changes what is named.
///
/// Needs `admin` of every room.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{webhook}", operation_id = "changeWebhook", tag = "webhooks", request_body = Changes,
    params(
        ("webhook" = String, Path, description = "Its id"),
    ),
    responses((status = 200, description = "Changed", body = WebhookView), WithToken, WithBody, Fails<404>),
)]
pub async fn change(
    _: ServerAdmin,
    id: Path<String>,
    Object(body): Object<Changes>,
    state: Data<AppState>,
) -> Result<Json<WebhookView>, ApiError> {
    let mut endpoint = find(&id, &state).await?;
    let Changes { url, events, rooms, paused } = body;
    if endpoint.id == CONFIGURED && (url.is_some() || events.is_some() || rooms.is_some()) {
        return Err(ApiError::Body("the webhook of the configuration can be paused only; change the settings".into()));
    }
    if let Some(url) = url {
        endpoint.new.url = address(&url)?;
    }
    endpoint.new.events = events.unwrap_or(endpoint.new.events);
    endpoint.new.rooms = rooms.unwrap_or(endpoint.new.rooms);
    endpoint.is_paused = paused.unwrap_or(endpoint.is_paused);
    endpoint.new.check(state.webhooks.reach()).map_err(ApiError::body)?;
    if !state.store.change_webhook(endpoint.row(), state.webhooks.give_up()).await? {
        return Err(ApiError::NoWebhook);
    }
    state.webhooks.reload().await?;
    Ok(Json(endpoint.into()))
}

/// Deletes a webhook with all that it was to be told.
///
/// Needs `admin` of every room.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{webhook}", operation_id = "removeWebhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its id"),
    ),
    responses((status = 204, description = "Deleted"), WithToken, Fails<400>, Fails<404>),
)]
pub async fn remove(
    ServerAdmin(by): ServerAdmin,
    id: Path<String>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    if *id == CONFIGURED {
        return Err(ApiError::Body("the webhook of the configuration is taken out there".into()));
    }
    if !state.store.remove_webhook(&id).await? {
        return Err(ApiError::NoWebhook);
    }
    state.webhooks.reload().await?;
    tracing::info!(%by, webhook = &**id, "a webhook is deleted");
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize, ToSchema)]
pub struct Tested {
    id: String,
    delivered: bool,
    status: Option<u16>,
    error: Option<String>,
}

/// Sends `webhook.test` once, and tells what came back.
///
/// Needs `admin` of every room.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/test", operation_id = "testWebhook", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its id"),
    ),
    responses((status = 200, description = "What came back", body = Tested), WithToken, Fails<404>),
)]
pub async fn test(_: ServerAdmin, id: Path<String>, state: Data<AppState>) -> Result<Json<Tested>, ApiError> {
    let endpoint = find(&id, &state).await?;
    let (id, Sent { status, error }) = webhooks::test(&endpoint, &state.webhooks).await;
    Ok(Json(Tested { id, delivered: error.is_none(), status, error }))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    at: String,
    state: &'static str,
    attempts: u32,
    tried_at: Option<String>,
    status: Option<u16>,
    error: Option<String>,
}

const STATES: [(&str, DeliveryState); 4] = [
    ("waiting", DeliveryState::Waiting),
    ("delivered", DeliveryState::Delivered),
    ("parked", DeliveryState::Parked),
    ("gone", DeliveryState::Gone),
];

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let state = STATES.into_iter().find(|(_, state)| *state == delivery.state).map_or("", |(name, _)| name);
        Self {
            id: delivery.id,
            kind: delivery.kind,
            room: delivery.room,
            seq: delivery.seq,
            at: rfc3339(delivery.at_ms),
            state,
            attempts: delivery.attempts,
            tried_at: delivery.tried_at_ms.map(rfc3339),
            status: delivery.status,
            error: delivery.error,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct DeliveryList {
    deliveries: Vec<DeliveryView>,
    /// To pass as `before` for the next page; null at the end.
    next: Option<i64>,
}

/// The deliveries, the newest first.
///
/// Needs `admin` of every room.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook}/deliveries", operation_id = "listDeliveries", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its id"),
        ("state" = Option<String>, Query, description = "Only those in this state", pattern = "^(waiting|delivered|parked|gone)$"),
        ("before" = Option<i64>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "50 if not given", minimum = 1, maximum = 500),
    ),
    responses((status = 200, description = "A page of deliveries", body = DeliveryList), WithToken, Fails<400>, Fails<404>),
)]
pub async fn deliveries(
    ServerAdmin(by): ServerAdmin,
    id: Path<String>,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<DeliveryList>, ApiError> {
    let limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)?;
    let before = parameters.value("before", "the next of the page before")?;
    let wanted = parameters.text("state").map(|name| {
        let found = STATES.into_iter().find(|(known, _)| *known == name).map(|(_, state)| state);
        found.ok_or_else(|| ApiError::Parameter("state must be waiting, delivered, parked or gone".into()))
    });
    let wanted = wanted.transpose()?;
    parameters.end()?;
    find(&id, &state).await?;
    let _turn = state.pages.take(&by).await.ok_or_else(ApiError::too_many_questions)?;
    let page = state.store.deliveries(&id, wanted, before, limit).await?;
    let next = page.last().filter(|_| page.len() == limit as usize).map(|last| last.number);
    Ok(Json(DeliveryList { deliveries: page.into_iter().map(DeliveryView::from).collect(), next }))
}

#[derive(Serialize, ToSchema)]
pub struct Redelivered {
    id: String,
}

/// Sends a delivery again.
///
/// Needs `admin` of every room.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver", operation_id = "redeliver", tag = "webhooks",
    params(
        ("webhook" = String, Path, description = "Its id"),
        ("delivery" = String, Path, description = "The delivery"),
    ),
    responses((status = 202, description = "It is due now", body = Redelivered), WithToken, Fails<404>),
)]
pub async fn redeliver(
    _: ServerAdmin,
    path: Path<(String, String)>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (id, delivery) = path.into_inner();
    if !state.store.redeliver(&id, &delivery, state.webhooks.give_up()).await? {
        return Err(ApiError::NoWebhook);
    }
    state.webhooks.wake();
    Ok(HttpResponse::Accepted().json(Redelivered { id: delivery }))
}

/// Answers the methods that the paths do not take.
pub async fn other_method() -> Result<HttpResponse, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, POST"))
}

/// As [`other_method`], for one of them.
pub async fn other_method_of_one() -> Result<HttpResponse, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, PATCH, DELETE"))
}

async fn all(state: &AppState) -> Result<Vec<Endpoint>, ApiError> {
    Ok(state.store.webhooks().await?.into_iter().filter_map(Endpoint::of).collect())
}

async fn find(id: &str, state: &AppState) -> Result<Endpoint, ApiError> {
    all(state).await?.into_iter().find(|endpoint| endpoint.id == id).ok_or(ApiError::NoWebhook)
}

fn address(url: &str) -> Result<HookUrl, ApiError> {
    HookUrl::parse(url).map_err(|wrong| ApiError::Body(format!("url must be {wrong}")))
}
