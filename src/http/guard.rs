//! What stands around every route: the check of `Host`, and what browsers are told about answers.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::web::Data;
use actix_web::{Error, ResponseError};

use super::error::ApiError;
use super::state::AppState;

/// Headers of each answer that has none of its own: it is what it says it is, nobody keeps it, no page shows it in a frame, and nothing
/// in it is run.
pub fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::CACHE_CONTROL, "no-store"))
}

/// Answers only those who came by a name that is allowed.
pub async fn check_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    if request.app_data::<Data<AppState>>().is_none_or(|state| state.hosts.allow(host)) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    // An answer and no error, which would pass by the headers above.
    Ok(request.into_response(ApiError::Host.error_response()))
}
