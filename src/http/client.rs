//! The browser client: one module, served as it is.

use actix_web::HttpResponse;
use actix_web::http::header;

const MODULE: &str = include_str!("../../static/client/tutti.js");
const TYPES: &str = include_str!("../../static/client/tutti.d.ts");

/// `GET /tutti.js`.
pub async fn module() -> HttpResponse {
    answer("text/javascript; charset=utf-8", MODULE)
}

/// `GET /tutti.d.ts`: its types.
pub async fn types() -> HttpResponse {
    answer("text/plain; charset=utf-8", TYPES)
}

fn answer(content_type: &str, body: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // It belongs to the server's version, and pages of any origin may load it: it holds no secret.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body)
}
