//! `GET /api/v1/stats`: the server's own figures, which the dashboard shows, too.

use actix_web::web::{Data, Json};

use super::caller::Caller;
use super::error::ApiError;
use super::failures::WithToken;
use super::figures::Stats;
use super::state::AppState;
use crate::auth::{Action, allows};
use crate::ids::RoomName;

/// The room whose readers see the figures live.
pub const ROOM: &str = "tutti/stats";

/// The server's own figures.
///
/// For who may read the room `tutti/stats`.
#[utoipa::path(
    get, path = "/api/v1/stats", operation_id = "getStats", tag = "server",
    responses((status = 200, description = "The newest figures", body = Stats), WithToken),
)]
pub async fn newest(caller: Caller, state: Data<AppState>) -> Result<Json<Stats>, ApiError> {
    let Caller(identity) = caller;
    let room = RoomName::parse(ROOM)?;
    match allows(identity.access(&room), Action::Join) {
        true => Ok(Json(state.stats.get())),
        false => Err(ApiError::Forbidden),
    }
}
