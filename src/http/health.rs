//! For operators and their tools: is the process alive, is it ready.

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::failures::Always;
use super::state::AppState;

#[derive(Serialize, ToSchema)]
pub struct Alive {
    /// `alive`.
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// `ready`.
    status: &'static str,
    /// Whether other servers hear at once of what is saved here.
    bus: &'static str,
}

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", operation_id = "alive", tag = "server", security(()),
    responses((status = 200, description = "Alive", body = Alive), Always),
)]
pub async fn alive() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether new connections are welcome.
///
/// They are while entries can be saved and the server is not stopping. A bus that is away turns nobody away: the database has what
/// others save.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "server", security(()),
    responses((status = 200, description = "Ready", body = Ready), Always),
)]
pub async fn ready(state: Data<AppState>) -> Result<Json<Ready>, ApiError> {
    if state.is_draining() {
        return Err(ApiError::TryLater("the server is stopping".into()));
    }
    state.store.can_save().await.map_err(|error| {
        tracing::warn!(%error, "not ready: entries cannot be saved now");
        ApiError::TryLater("entries cannot be saved now; the server's log has the cause".into())
    })?;
    Ok(Json(Ready { status: "ready", bus: state.cluster.status().as_str() }))
}
