//! `GET /api/v1/stats`: the server's own figures, which the dashboard shows, too.

use actix_web::web::{Data, Json};

use super::caller::Caller;
use super::error::ApiError;
use super::figures::Stats;
use super::state::AppState;
use crate::auth::{Action, allows};
use crate::ids::RoomName;

/// The room whose readers see the figures live.
pub const ROOM: &str = "tutti/stats";

/// `GET /api/v1/stats`: for who may read the room of the figures.
pub async fn newest(caller: Caller, state: Data<AppState>) -> Result<Json<Stats>, ApiError> {
    let Caller(identity) = caller;
    let room = RoomName::parse(ROOM)?;
    match allows(identity.access(&room), Action::Join) {
        true => Ok(Json(state.stats.get())),
        false => Err(ApiError::Forbidden),
    }
}
