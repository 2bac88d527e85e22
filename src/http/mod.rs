//! HTTP: every route, REST beside the sockets, and the decision on each upgrade. Knows no SQL.
//!
//! A handler's arguments say what its caller must be allowed ([`caller::May`]); errors have stable codes ([`error::ApiError`]).

mod body;
mod caller;
mod client;
mod comments;
mod copy;
mod cors;
mod deletion;
mod demo;
mod diff;
mod document;
mod erasure;
mod error;
mod events;
mod failures;
pub mod figures;
mod guard;
mod health;
mod history;
mod hosts;
mod limits;
mod moment;
mod openapi;
mod origins;
mod pages;
mod parameters;
mod past;
mod paths;
mod peer;
mod publish;
mod renderings;
mod replay;
mod restore;
mod revocations;
mod room_entry;
mod rooms;
mod state;
mod static_file;
pub mod stats;
mod tickets;
mod turns;
mod upgrade;
mod versions;
mod waiting;
mod webhooks;
mod writing;

use std::sync::Arc;

use actix_web::error::JsonPayloadError;
use actix_web::web::{self, JsonConfig, ServiceConfig};

pub use body::json_values;
pub use guard::{check_host, headers};
pub use hosts::Hosts;
pub use limits::{check_body, late_body, network, too_many_answers};
pub use origins::Origins;
use paths::{post, read, socket};
pub use peer::HungUp;
pub use state::AppState;

use crate::budget::ByteBudget;
use crate::metrics;

/// Longest of the requests that are short.
const SHORT_BYTES_MAX: usize = 4096;

/// Short requests, JSON whatever type their sender gave them: `curl` calls it a form.
fn json_config(bytes_max: usize) -> JsonConfig {
    JsonConfig::default().limit(bytes_max).content_type_required(false).content_type(|_| true).error_handler(
        |error, _| match error {
            JsonPayloadError::Overflow { limit } | JsonPayloadError::OverflowKnownLength { limit, .. } => {
                error::ApiError::BodyTooLarge(limit).into()
            }
            error => error::ApiError::body(error).into(),
        },
    )
}

/// Places of requests that wait for something to happen, of `requests_max` at the same time.
pub fn waiting_places(requests_max: usize) -> Arc<ByteBudget> {
    waiting::Waiting::places(requests_max)
}

/// Every route of the server. Of paths that match, the first one answers.
pub fn routes(config: &mut ServiceConfig, state: &web::Data<AppState>) {
    config
        .app_data(state.clone())
        .app_data(web::PayloadConfig::new(state.json_message_bytes_max))
        .app_data(json_config(SHORT_BYTES_MAX))
        .service(read("/healthz", health::alive))
        .service(read("/readyz", health::ready))
        .service(socket("/yjs/{room:.*}", upgrade::yjs))
        .service(read("/api", pages::api))
        .service(read("/assets/{file}", pages::asset))
        .service(read("/tutti.js", client::module))
        .service(read("/tutti.d.ts", client::types))
        .service(read("/tutti-history.js", client::history))
        .service(socket("/ws", upgrade::json))
        .service(socket("/hocuspocus", upgrade::hocuspocus))
        .service(
            web::scope("/api/v1")
                .wrap(cors::cors(state.clone()))
                .service(socket("/events", events::of_client))
                .service(
                    web::resource("/events/{client}")
                        .route(web::post().to(events::say))
                        .route(web::delete().to(events::end))
                        .default_service(web::to(events::other_method)),
                )
                .service(read("/rooms", rooms::list))
                .service(socket("/rooms/{room:.+}/events", events::of_room))
                .service(read("/rooms/{room:.+}/history", history::page))
                .service(
                    web::resource("/rooms/{room:.+}/document")
                        .route(paths::reading().to(document::read))
                        .route(web::post().to(writing::post))
                        .route(web::put().to(writing::put))
                        .route(web::patch().to(writing::patch))
                        .default_service(web::to(writing::other_method)),
                )
                .service(
                    web::resource("/rooms/{room:.+}/versions")
                        .route(paths::reading().to(versions::list))
                        .route(web::post().to(versions::add))
                        .route(web::patch().to(versions::change))
                        .route(web::delete().to(versions::remove))
                        .default_service(web::to(versions::other_method)),
                )
                .service(post("/rooms/{room:.+}/copy", copy::copy))
                .service(post("/rooms/{room:.+}/undelete", deletion::undelete))
                .service(post("/rooms/{room:.+}/restore", restore::restore))
                .service(
                    web::resource("/rooms/{room:.+}/erase")
                        .route(paths::reading().to(erasure::state_of))
                        .route(web::post().to(erasure::erase))
                        .route(web::delete().to(erasure::cancel))
                        .default_service(web::to(erasure::other_method)),
                )
                .service(read("/rooms/{room:.+}/diff", diff::diff))
                .service(read("/rooms/{room:.+}/blame", past::blame))
                .service(read("/rooms/{room:.+}/activity", past::activity))
                .service(read("/rooms/{room:.+}/replay", replay::replay))
                .service(read("/rooms/{room:.+}/comments", comments::page))
                .service(read("/rooms/{room:.+}/presence", rooms::presence))
                .service(post("/rooms/{room:.+}/messages", publish::messages))
                .service(post("/rooms/{room:.+}/disconnect", publish::disconnect))
                .service(post("/users/{user}/messages", publish::direct))
                .service(
                    web::resource("/revocations")
                        .route(paths::reading().to(revocations::list))
                        .route(web::post().to(revocations::revoke))
                        .default_service(web::to(revocations::other_method)),
                )
                .service(
                    web::resource("/webhooks")
                        .app_data(json_config(webhooks::BYTES_MAX))
                        .route(paths::reading().to(webhooks::list))
                        .route(web::post().to(webhooks::add))
                        .default_service(web::to(webhooks::other_method)),
                )
                .service(
                    web::resource("/webhooks/{webhook}")
                        .app_data(json_config(webhooks::BYTES_MAX))
                        .route(paths::reading().to(webhooks::one))
                        .route(web::patch().to(webhooks::change))
                        .route(web::delete().to(webhooks::remove))
                        .default_service(web::to(webhooks::other_method_of_one)),
                )
                .service(post("/webhooks/{webhook}/test", webhooks::test))
                .service(read("/webhooks/{webhook}/deliveries", webhooks::deliveries))
                .service(post("/webhooks/{webhook}/deliveries/{delivery}/redeliver", webhooks::redeliver))
                .service(post("/tickets", tickets::issue))
                .service(read("/stats", stats::newest))
                .service(read("/openapi.json", openapi::served))
                .service(
                    web::resource("/rooms/{room:.+}")
                        .app_data(json_config(rooms::CHANGE_BYTES_MAX))
                        .route(paths::reading().to(rooms::one))
                        .route(web::patch().to(rooms::change))
                        .route(web::delete().to(deletion::delete))
                        .default_service(web::to(deletion::other_method)),
                )
                .default_service(web::to(error::no_such_path)),
        );
    if state.is_demo {
        config
            .service(post("/demo/token", demo::token))
            .service(socket("/echo", upgrade::echo))
            .service(read("/", demo::page))
            .service(read("/d/{document:.*}", demo::page))
            .service(read("/tiptap/{document:.*}", demo::tiptap))
            .service(read("/dashboard", demo::dashboard))
            .service(web::redirect("/dashboard/", "/dashboard"))
            .service(web::redirect("/tiptap", "/tiptap/"));
    }
    config.default_service(web::to(error::no_such_path));
}

/// Every route of the address for operators.
pub fn metrics_routes(config: &mut ServiceConfig) {
    config.service(read("/metrics", || async { metrics::text() })).default_service(web::to(error::no_such_path));
}
