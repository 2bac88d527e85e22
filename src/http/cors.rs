//! What pages of other origins may ask of REST: those that may open a socket, with a token and never by a cookie.

use actix_cors::Cors;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, header::HeaderName};
use actix_web::web::Data;

use super::document::SEQ_HEADER;
use super::events::LAST_EVENT_ID;
use super::state::AppState;
use crate::auth::origin::OriginVerdict;

/// How long a browser remembers the answer, in seconds.
const REMEMBERED_S: usize = 600;

/// For the routes of the API. Who is not allowed gets its answer without the headers, and the browser keeps it from the page.
pub fn cors(state: Data<AppState>) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin: &HeaderValue, _| {
            state.origins.judge([origin.as_bytes()].into_iter(), None) == OriginVerdict::Allowed
        })
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            LAST_EVENT_ID,
        ])
        .expose_headers([HeaderName::from_static(SEQ_HEADER), header::ETAG, header::RETRY_AFTER])
        .max_age(REMEMBERED_S)
}
