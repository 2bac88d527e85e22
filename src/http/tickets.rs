//! REST: tickets, which stand for a token in the URL of a socket.

use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::caller::Caller;
use super::error::ApiError;
use super::state::AppState;
use crate::auth::{self, TICKET_LIFETIME};
use crate::protocol::json::rfc3339;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    ticket: String,
    expires_at: String,
}

/// `POST /api/v1/tickets`: a ticket for the caller's next socket.
pub async fn issue(Caller(identity): Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let ticket = state.tickets.issue(Arc::new(identity), Instant::now());
    let ticket = ticket.map_err(|_| ApiError::TooMany(TICKET_LIFETIME))?;
    let expires_at = rfc3339(auth::now_ms() + TICKET_LIFETIME.as_millis() as i64);
    Ok(HttpResponse::Created().json(Ticket { ticket, expires_at }))
}
