//! What a request and its answer may take. A body that is packed could unpack to anything, so none is but where that is bounded
//! ([`super::body`]).

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};

use super::error::ApiError;
use super::peer;
use super::state::AppState;
use crate::socket;

/// Refuses a body with a content coding, but where one is unpacked within a bound.
pub async fn check_body(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let is_unpacked = writes && request.path().ends_with("/document");
    if is_unpacked || is_plain(request.request()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    Ok(request.into_response(ApiError::Encoding("send the body as it is, without Content-Encoding").error_response()))
}

fn is_plain(request: &HttpRequest) -> bool {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING);
    codings.all(|coding| coding.to_str().is_ok_and(|coding| coding.trim().eq_ignore_ascii_case("identity")))
}

/// The caller's address, as it counts.
pub fn network(request: &HttpRequest) -> IpAddr {
    let trusted = request.app_data::<Data<AppState>>().map_or(&[][..], |state| &state.trusted_proxies);
    socket::network(peer::address(request, trusted))
}

/// The answer to a body that came too slowly.
pub fn late_body() -> HttpResponse {
    ApiError::Late.error_response()
}

/// The answer to whoever does not read the answers that it has asked for.
pub fn too_many_answers() -> HttpResponse {
    ApiError::TryLater("your address is being sent as many large answers as it may be; read those first".into())
        .error_response()
}
