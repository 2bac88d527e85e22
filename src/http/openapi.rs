//! The description of the REST API in OpenAPI 3.1, gathered from the annotations of its handlers, and served beside it.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::failures::{self, Always};
use super::static_file::Text;
use super::{
    comments, copy, deletion, diff, document, erasure, events, health, history, past, publish, replay, restore,
    revocations, rooms, stats, tickets, versions, webhooks, writing,
};

static DOCUMENT: LazyLock<Text> = LazyLock::new(|| {
    // Its keys are texts, so it is written.
    Text::new(Api::openapi().to_json().unwrap_or_default())
});

/// What is said of the API as a whole.
const ABOUT: &str = "Times are RFC 3339 in UTC with milliseconds. An unknown or repeated parameter is an error. `HEAD` works wherever \
     `GET` does; a method that a path does not support gives 405 with `Allow`. Slashes in the names of rooms are written `%2F` here; they \
     may also be written as they are.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Tutti", description = ABOUT),
    paths(
        rooms::list,
        rooms::one,
        rooms::change,
        copy::copy,
        deletion::delete,
        deletion::undelete,
        rooms::presence,
        publish::disconnect,
        document::read,
        writing::post,
        writing::put,
        writing::patch,
        history::page,
        comments::page,
        publish::messages,
        events::of_room,
        events::of_client,
        events::say,
        events::end,
        past::activity,
        past::blame,
        diff::diff,
        replay::replay,
        versions::list,
        versions::add,
        versions::change,
        versions::remove,
        restore::restore,
        erasure::erase,
        erasure::state_of,
        erasure::cancel,
        publish::direct,
        tickets::issue,
        revocations::list,
        revocations::revoke,
        webhooks::list,
        webhooks::add,
        webhooks::one,
        webhooks::change,
        webhooks::remove,
        webhooks::test,
        webhooks::deliveries,
        webhooks::redeliver,
        stats::newest,
        served,
        health::alive,
        health::ready,
    ),
    security(("bearer" = []), ("token" = [])),
    tags(
        (name = "rooms", description = "Which rooms there are, and who is in them"),
        (name = "document", description = "A room's document, read and written"),
        (name = "timeline", description = "Messages, events and edits, in order"),
        (name = "past", description = "What the document was, who wrote it, and going back"),
        (name = "users", description = "Tickets, direct messages and revocations"),
        (name = "webhooks", description = "Who is told what happens in rooms"),
        (name = "server", description = "The server itself"),
    ),
    modifiers(&Shared),
)]
struct Api;

/// What operations share.
struct Shared;

impl Modify for Shared {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        components.responses.extend(failures::components());
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let in_query = |name, what| SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(name, what)));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("token", in_query("token", "The same token, unless TUTTI_QUERY_TOKENS=false"));
        components.add_security_scheme("ticket", in_query("ticket", "A ticket, good for one stream"));
    }
}

/// This description.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "getDescription", tag = "server", security(()),
    responses((status = 200, description = "The description", body = Object), (status = 304, description = "Known"), Always),
)]
pub async fn served(req: HttpRequest) -> HttpResponse {
    DOCUMENT.answer(&req, "application/json")
}
