//! The pages for browsers that are built into the binary, and their files.

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::{Embed, EmbeddedFile};

use super::error::ApiError;
use super::static_file;

/// Scripts, styles and fonts come from here and nowhere else, and nothing goes elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The built pages; empty in a binary that was built without them.
#[derive(Embed)]
#[folder = "static/dist"]
#[allow_missing = true]
struct Pages;

/// `GET /api`: the page to try the REST API.
pub async fn api(req: HttpRequest) -> HttpResponse {
    built(&req, "api.html")
}

/// A page, by its file.
pub fn built(req: &HttpRequest, file: &str) -> HttpResponse {
    match Pages::get(file) {
        Some(page) => {
            let mut response = static_file::revalidated(req, page.metadata.sha256_hash(), |response| {
                response.content_type("text/html; charset=utf-8").body(page.data)
            });
            // Also of a 304, whose headers take the place of those that the browser has.
            let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
        None => HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("This binary was built without the demo's pages. Build them with `make demo`, then build the server again.\n"),
    }
}

/// `GET /assets/{file}`: scripts, styles, fonts; their names change with their content.
///
/// Each text was compressed when it was built; the few browsers that ask for no gzip get it as it is.
pub async fn asset(req: HttpRequest, file: Path<String>) -> Result<HttpResponse, ApiError> {
    let plain = Pages::get(&format!("assets/{file}")).ok_or(ApiError::NoSuchPath)?;
    let compressed = Pages::get(&format!("assets/{file}.gz"));
    let is_compressible = compressed.is_some();
    let compressed = compressed.filter(|_| static_file::takes_gzip(&req));
    let is_compressed = compressed.is_some();
    let EmbeddedFile { data, .. } = compressed.unwrap_or(plain);
    let content_type = match req.path().rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    };
    let mut response = HttpResponse::Ok();
    response.content_type(content_type).insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    if is_compressible {
        response.insert_header((header::VARY, "accept-encoding"));
    }
    if is_compressed {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(data))
}
