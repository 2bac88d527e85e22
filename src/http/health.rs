//! For operators and their tools: is the process alive, is it ready.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::error::ApiError;
use super::state::AppState;

/// `GET /healthz`: the process answers.
pub async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// `GET /readyz`: new connections are welcome: entries can be saved and the server is not stopping. A bus that is away turns nobody
/// away: the database has what others save.
pub async fn ready(state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    if state.is_draining() {
        return Err(ApiError::TryLater("the server is stopping".into()));
    }
    state.store.can_save().await.map_err(|error| {
        tracing::warn!(%error, "not ready: entries cannot be saved now");
        ApiError::TryLater("entries cannot be saved now; the server's log has the cause".into())
    })?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ready", "bus": state.cluster.status().as_str() })))
}
