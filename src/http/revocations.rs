//! REST: who is not let in any more, although their tokens have not expired.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::body::Object;
use super::caller::ServerAdmin;
use super::error::ApiError;
use super::failures::{Fails, WithBody, WithToken};
use super::parameters::Parameters;
use super::state::AppState;
use crate::auth::{self, REVOCATIONS_MAX, Revocation, Revoked, is_plain_id};
use crate::protocol::json::rfc3339;
use crate::store::{RevocationRow, RevokedKind};

/// How long a revocation holds if nobody says: longer than tokens should last.
const HOLD_S: u64 = 30 * 86_400;
/// How long one may hold.
const HOLD_S_MAX: u64 = 10 * 365 * 86_400;
/// Revocations in a page if the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 100;
const PAGE_MAX: u32 = 1000;
/// What stands before an id in `after` and `next`.
const USER: &str = "sub:";
const TOKEN: &str = "jti:";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRevocation {
    /// Whose tokens of up to now; either this or `jti`.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$")]
    sub: Option<String>,
    /// Which token; either this or `sub`.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$")]
    jti: Option<String>,
    /// How long it holds: a time to come, at most ten years from now; 30 days if not given.
    #[schema(format = DateTime)]
    until: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Revocation)]
pub struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: String,
    #[schema(format = DateTime)]
    until: String,
}

#[derive(Serialize, ToSchema)]
pub struct RevocationList {
    revocations: Vec<Shown>,
    /// To pass as `after` for the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Revocation> for Shown {
    fn from(Revocation { revoked, at_s, until_s }: Revocation) -> Self {
        let time = |seconds: u64| rfc3339(seconds as i64 * 1000);
        let (sub, jti) = match revoked {
            Revoked::User(id) => (Some(id), None),
            Revoked::Token(id) => (None, Some(id)),
        };
        Self { sub, jti, revoked_at: time(at_s), until: time(until_s) }
    }
}

/// Revokes a user's tokens of up to now, or one token.
///
/// Needs `admin` of every room.
#[utoipa::path(
    post, path = "/api/v1/revocations", operation_id = "revoke", tag = "users", request_body = NewRevocation,
    responses((status = 201, description = "Stored", body = Shown), WithToken, WithBody),
)]
pub async fn revoke(
    ServerAdmin(by): ServerAdmin,
    Object(body): Object<NewRevocation>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let NewRevocation { sub, jti, until } = body;
    let now_s = auth::now_s();
    let (kind, subject) = match (sub, jti) {
        (Some(sub), None) => (RevokedKind::User, sub),
        (None, Some(jti)) => (RevokedKind::Token, jti),
        _ => return Err(ApiError::body("name either a sub or a jti")),
    };
    if !is_plain_id(&subject) {
        return Err(ApiError::body("a sub or a jti is a text of 1 to 200 bytes without control characters"));
    }
    let until_s = until.map_or(Ok(now_s + HOLD_S), |until| end(&until, now_s))?;
    let revocations = state.verifier.revocations();
    if revocations.count() >= REVOCATIONS_MAX {
        let message = format!(
            "{REVOCATIONS_MAX} users and tokens are revoked, and more are not held; give them an earlier until, or rotate the key that signs tokens"
        );
        return Err(ApiError::TryLater(message));
    }
    let row = RevocationRow { kind, subject, at_s: now_s, until_s };
    state.store.revoke(row.clone()).await?;
    let revocation = Revocation::from(row);
    match &revocation.revoked {
        Revoked::User(user) => tracing::warn!(%by, user.id = user, "the tokens of a user are revoked"),
        Revoked::Token(_) => tracing::warn!(%by, "a token is revoked"),
    }
    revocations.add(revocation.clone());
    state.cluster.tell_revoked();
    Ok(HttpResponse::Created().json(Shown::from(revocation)))
}

/// The revocations that hold now.
///
/// Needs `admin` of every room.
#[utoipa::path(
    get, path = "/api/v1/revocations", operation_id = "listRevocations", tag = "users",
    params(
        ("after" = Option<String>, Query, description = "The `next` of the page before", pattern = "^(sub|jti):"),
        ("limit" = Option<u32>, Query, description = "100 if not given", minimum = 1, maximum = 1000),
    ),
    responses((status = 200, description = "A page of revocations", body = RevocationList), WithToken, Fails<400>),
)]
pub async fn list(
    _: ServerAdmin,
    mut parameters: Parameters,
    state: Data<AppState>,
) -> Result<Json<RevocationList>, ApiError> {
    let limit = parameters.limit(PAGE_DEFAULT, PAGE_MAX)? as usize;
    let after = parameters.text("after").map(|text| cursor(&text)).transpose()?;
    parameters.end()?;
    let page = state.verifier.revocations().page(after, limit, auth::now_s());
    let last = page.last().filter(|_| page.len() == limit);
    let next = last.map(|last| match &last.revoked {
        Revoked::User(id) => format!("{USER}{id}"),
        Revoked::Token(id) => format!("{TOKEN}{id}"),
    });
    Ok(Json(RevocationList { revocations: page.into_iter().map(Shown::from).collect(), next }))
}

/// Answers what is neither asked nor posted.
pub async fn other_method() -> Result<HttpResponse, ApiError> {
    Err(ApiError::WrongMethod("GET, HEAD, POST"))
}

fn end(until: &str, now_s: u64) -> Result<u64, ApiError> {
    let seconds =
        OffsetDateTime::parse(until, &Rfc3339).ok().and_then(|until| u64::try_from(until.unix_timestamp()).ok());
    match seconds {
        Some(until_s) if (now_s + 1..=now_s + HOLD_S_MAX).contains(&until_s) => Ok(until_s),
        _ => Err(ApiError::body("until is a time to come, at most ten years from now, such as 2030-01-31T12:00:00Z")),
    }
}

fn cursor(text: &str) -> Result<Revoked, ApiError> {
    let user = || text.strip_prefix(USER).map(|id| Revoked::User(id.to_owned()));
    let token = || text.strip_prefix(TOKEN).map(|id| Revoked::Token(id.to_owned()));
    user().or_else(token).ok_or_else(|| ApiError::parameter("after must be the next of the page before"))
}

impl From<RevocationRow> for Revocation {
    fn from(RevocationRow { kind, subject, at_s, until_s }: RevocationRow) -> Self {
        let revoked = match kind {
            RevokedKind::User => Revoked::User(subject),
            RevokedKind::Token => Revoked::Token(subject),
        };
        Self { revoked, at_s, until_s }
    }
}
