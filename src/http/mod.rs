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

use actix_web::web::{self, ServiceConfig};
use actix_web::{Route, guard};

pub use state::AppState;

/// What probes and link checkers ask for, too.
fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Every route of the server.
pub fn routes(config: &mut ServiceConfig, state: &web::Data<AppState>) {
    config
        .app_data(state.clone())
        .app_data(web::PayloadConfig::new(state.json_message_bytes_max))
        .app_data(web::JsonConfig::default().limit(4096).error_handler(|error, _| error::ApiError::body(error).into()))
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
                .route("/rooms", web::get().to(rooms::list))
                .route("/rooms/{room:.+}/history", web::get().to(history::page))
                .route("/rooms/{room:.+}/document", web::get().to(document::read))
                .route("/rooms/{room:.+}/presence", web::get().to(rooms::presence))
                .route("/rooms/{room:.+}/messages", web::post().to(publish::messages))
                .route("/rooms/{room:.+}/disconnect", web::post().to(publish::disconnect))
                .route("/users/{user}/messages", web::post().to(publish::direct))
                .route("/stats", web::get().to(stats::newest))
                .route("/rooms/{room:.+}/open", web::post().to(rooms::open))
                .route("/rooms/{room:.+}", web::get().to(rooms::one))
                .default_service(web::to(error::no_such_path)),
        );
    if state.is_demo {
        config
            .route("/demo/token", web::post().to(demo::token))
            .route("/echo", web::get().to(upgrade::echo))
            .route("/", get_or_head().to(demo::page))
            .route("/d/{document:.*}", web::get().to(demo::page))
            .route("/tiptap/{document:.*}", web::get().to(demo::tiptap))
            .route("/dashboard", get_or_head().to(demo::dashboard))
            .route("/assets/{file}", web::get().to(demo::asset));
    }
    config.default_service(web::to(error::no_such_path));
}
