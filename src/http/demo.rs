//! The demo, with `--demo` only: its pages, and tokens for guests who may edit below `demo/` and see the server's figures.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::body::Object;
use super::error::ApiError;
use super::pages::built;
use super::state::AppState;
use crate::auth::{self, Grant, Grants, NewToken};
use crate::ids::turns_direction;
use crate::protocol::json::rfc3339;

/// Where guests may edit; and the server's figures, which only admins see otherwise, for the dashboard.
const GUEST_GRANTS: [&str; 2] = ["demo/*=write", "tutti/stats=admin"];
/// The same for who opened a link to view.
const VIEWER_GRANTS: [&str; 2] = ["demo/*=read", "tutti/stats=admin"];
/// How long a guest's token is good for.
const GUEST_TOKEN_S: u64 = 12 * 3600;
/// How long after that a guest still gets the same name again.
const GUEST_RETURN_S: u64 = 24 * 3600;
/// Longest name of a guest, in bytes.
const GUEST_NAME_BYTES_MAX: usize = 60;
/// Separates a guest's name from what makes it unique.
const GUEST_MARK: char = '~';

#[derive(Deserialize)]
pub struct TokenRequest {
    name: String,
    token: Option<String>,
    #[serde(default)]
    access: GuestAccess,
}

/// What a guest asks for: the demo knows no owners, so each may have either.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GuestAccess {
    Read,
    #[default]
    Write,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuestToken {
    token: String,
    user: String,
    name: String,
    expires_at: String,
}

/// `POST /demo/token`: a token for a guest, the same guest again with an earlier token.
pub async fn token(Object(request): Object<TokenRequest>, state: Data<AppState>) -> Result<Json<GuestToken>, ApiError> {
    let name = request.name.trim();
    let is_plain = |c: char| !c.is_control() && !turns_direction(c) && c != GUEST_MARK;
    if name.is_empty() || name.len() > GUEST_NAME_BYTES_MAX || !name.chars().all(is_plain) {
        let message = format!(
            "a name has 1 to {GUEST_NAME_BYTES_MAX} bytes, without control characters, bidi controls and {GUEST_MARK}"
        );
        return Err(ApiError::Body(message));
    }
    let now_s = auth::now_s();
    let known = request.token.as_deref().and_then(|token| {
        let identity = state.verifier.verify_recent(token, now_s, GUEST_RETURN_S).ok()?;
        identity.user.as_str().contains(GUEST_MARK).then(|| identity.user.to_string())
    });
    let user = known.unwrap_or_else(|| format!("{name}{GUEST_MARK}{:016x}", rand::random::<u64>()));
    let expires_at_s = now_s + GUEST_TOKEN_S;
    let minter = state.minter.as_ref().ok_or(ApiError::Internal)?;
    let grants = match request.access {
        GuestAccess::Read => VIEWER_GRANTS,
        GuestAccess::Write => GUEST_GRANTS,
    };
    let token = grants
        .into_iter()
        .map(Grant::parse)
        .collect::<Result<_, _>>()
        .and_then(Grants::new)
        .map_err(|error| error.to_string())
        .and_then(|grants| {
            let token = NewToken { subject: &user, name: Some(name), grants: &grants, expires_at_s };
            minter.mint(&token).map_err(|error| error.to_string())
        })
        .map_err(|error| {
            tracing::error!(error, "a guest's token cannot be made");
            ApiError::Internal
        })?;
    let expires_at = rfc3339(expires_at_s as i64 * 1000);
    Ok(Json(GuestToken { token, user, name: name.to_owned(), expires_at }))
}

/// `GET /` and `GET /d/{document}`: a document, with the conversation about it.
pub async fn page(req: HttpRequest) -> HttpResponse {
    built(&req, "index.html")
}

/// `GET /tiptap/{document}`: the page with a Tiptap editor, which speaks Hocuspocus.
pub async fn tiptap(req: HttpRequest) -> HttpResponse {
    built(&req, "tiptap.html")
}

/// `GET /dashboard`: the server's figures, live.
pub async fn dashboard(req: HttpRequest) -> HttpResponse {
    built(&req, "dashboard.html")
}
