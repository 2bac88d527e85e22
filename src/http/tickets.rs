//! REST: tickets, which stand for a token in the URL of a socket.

use std::time::Instant;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::{self, Caller};
use super::error::ApiError;
use super::failures::{Fails, WithToken};
use super::state::AppState;
use crate::auth::{self, TICKET_LIFETIME};
use crate::protocol::json::rfc3339;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    ticket: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A ticket for the caller's next connection.
///
/// It stands for the token in the URL of one WebSocket or event stream: good once, for 30 s.
#[utoipa::path(
    post, path = "/api/v1/tickets", operation_id = "issueTicket", tag = "users",
    responses((status = 201, description = "The ticket", body = Ticket), WithToken, Fails<429>),
)]
pub async fn issue(
    Caller(identity): Caller,
    req: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let token = caller::token(&req, &state).ok_or(ApiError::Internal)?;
    let ticket = state.tickets.issue(&identity.user, token, Instant::now());
    let ticket = ticket.map_err(|_| ApiError::TooMany(TICKET_LIFETIME))?;
    let expires_at = rfc3339(auth::now_ms() + TICKET_LIFETIME.as_millis() as i64);
    Ok(HttpResponse::Created().json(Ticket { ticket, expires_at }))
}
