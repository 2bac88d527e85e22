//! HTTP: every route, REST beside the sockets, and the decision on each upgrade. Knows neither SQL nor yrs.
//!
//! A handler's arguments say what its caller must be allowed ([`caller::May`]); errors have stable codes ([`error::ApiError`]).

mod caller;
mod client;
mod cors;
mod demo;
mod document;
mod error;
mod health;
mod history;
mod pace;
mod parameters;
mod peer;
mod publish;
mod rooms;
mod state;
pub mod stats;
mod upgrade;

use actix_web::web::{self, JsonConfig, ServiceConfig};
use actix_web::{Route, guard};

pub use state::AppState;

/// What probes and link checkers ask for, too.
fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Short requests, JSON whatever type their sender gave them: `curl` calls it a form.
fn json_config() -> JsonConfig {
    JsonConfig::default()
        .limit(4096)
        .content_type_required(false)
        .content_type(|_| true)
        .error_handler(|error, _| error::ApiError::body(error).into())
}

/// Every route of the server.
pub fn routes(config: &mut ServiceConfig, state: &web::Data<AppState>) {
    config
        .app_data(state.clone())
        .app_data(web::PayloadConfig::new(state.json_message_bytes_max))
        .app_data(json_config())
        .route("/healthz", get_or_head().to(health::alive))
        .route("/readyz", get_or_head().to(health::ready))
        .route("/yjs/{room:.*}", web::get().to(upgrade::yjs))
        .route("/tutti.js", get_or_head().to(client::module))
        .route("/tutti.d.ts", get_or_head().to(client::types))
        .route("/ws", web::get().to(upgrade::json))
        .route("/hocuspocus", web::get().to(upgrade::hocuspocus))
        .service(
            web::scope("/api/v1")
                .wrap(cors::cors(state.clone()))
                .route("/rooms", get_or_head().to(rooms::list))
                .route("/rooms/{room:.+}/history", get_or_head().to(history::page))
                .route("/rooms/{room:.+}/document", get_or_head().to(document::read))
                .route("/rooms/{room:.+}/presence", get_or_head().to(rooms::presence))
                .route("/rooms/{room:.+}/messages", web::post().to(publish::messages))
                .route("/rooms/{room:.+}/disconnect", web::post().to(publish::disconnect))
                .route("/users/{user}/messages", web::post().to(publish::direct))
                .route("/stats", get_or_head().to(stats::newest))
                .route("/rooms/{room:.+}", get_or_head().to(rooms::one))
                .default_service(web::to(error::no_such_path)),
        );
    if state.is_demo {
        config
            .route("/demo/token", web::post().to(demo::token))
            .route("/echo", web::get().to(upgrade::echo))
            .route("/", get_or_head().to(demo::page))
            .route("/d/{document:.*}", get_or_head().to(demo::page))
            .route("/tiptap/{document:.*}", get_or_head().to(demo::tiptap))
            .route("/dashboard", get_or_head().to(demo::dashboard))
            .service(web::redirect("/dashboard/", "/dashboard"))
            .service(web::redirect("/tiptap", "/tiptap/"))
            .route("/assets/{file}", get_or_head().to(demo::asset));
    }
    config.default_service(web::to(error::no_such_path));
}
