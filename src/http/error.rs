//! The errors of REST. Each has a status, a code that stays the same for programs, and a message that tells a person what to do.
//! What the database or a library said goes to the log, never to a client.

use std::fmt::Display;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

use crate::archive::ArchiveError;
use crate::document::{DraftError, Refusal, RenderError, ViewError};
use crate::history::HistoryError;
use crate::ids::{RoomNameError, Seq};
use crate::room::Denied;
use crate::store::StoreError;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No token, or one that does not hold.
    #[error("{0}")]
    Unauthorized(String),
    /// The room is unknown, or the caller may not read it: both look alike.
    #[error("there is no such room, or the token does not allow it")]
    RoomNotFound,
    /// Older than what is kept: the first entry that there is.
    #[error("what came before entry {0} was dropped, for it was older than the room keeps it")]
    Dropped(Seq),
    /// It can be taken back.
    #[error("the room was deleted; an admin may take that back, or free the name of one that is gone for good")]
    RoomDeleted,
    /// It cannot be taken back.
    #[error(
        "the room was deleted and its content is gone; its name is free once it is deleted with hard=true and free=true"
    )]
    RoomPurged,
    /// The caller may see the room, but not do this.
    #[error("the token does not allow this")]
    Forbidden,
    /// A page from elsewhere.
    #[error("{0}")]
    Origin(String),
    /// A name that this machine is not known by.
    #[error(
        "this demo is for this machine only: open it as http://localhost or http://127.0.0.1; to reach it by another name, add that \
         origin to --allowed-origins (TUTTI_ALLOWED_ORIGINS), or the proxy in front to --trusted-proxies (TUTTI_TRUSTED_PROXIES)"
    )]
    Host,
    /// A parameter of the path or the query.
    #[error("{0}")]
    Parameter(String),
    /// The request's body.
    #[error("{0}")]
    Body(String),
    /// A body that is longer than it may be.
    #[error("the body has more than {0} bytes")]
    BodyTooLarge(usize),
    /// A body in an encoding that the path does not take.
    #[error("{0}")]
    Encoding(&'static str),
    /// The room is not as the request says.
    #[error("{0}")]
    Changed(&'static str),
    /// The document is of another shape than the request takes it for.
    #[error("{0}")]
    OtherShape(String),
    /// An edit that the document does not take.
    #[error(transparent)]
    Edit(Refusal),
    /// A body that does not come.
    #[error("the request's body came too slowly; it must come at 16 KiB a second at least")]
    Late,
    /// The room, or the caller, has as much on disk as is allowed.
    #[error("{0}")]
    Quota(Denied),
    /// Not a WebSocket handshake, or one that cannot be answered.
    #[error("{0}")]
    Handshake(String),
    /// The root type asked for.
    #[error(transparent)]
    Root(#[from] RenderError),
    /// A seq that the room has not reached.
    #[error("the room's timeline ends at {0}")]
    AfterHead(Seq),
    /// No version of that name at that seq.
    #[error("there is no such version")]
    NoSuchVersion,
    /// Another version has that name at that seq.
    #[error("the seq has a version of that name already")]
    VersionTaken,
    /// What is to be erased lies in steps.
    #[error(
        "the user has written steps of a central-authority editor in the room, which cannot be erased one by one: delete the room"
    )]
    StepsStay,
    /// The room that is to be made is there.
    #[error("there is a room of that name already")]
    RoomExists,
    /// Or was.
    #[error("a deleted room has that name; it is free once that is deleted with hard=true and free=true")]
    NameTaken,
    /// A history of this size is not read.
    #[error("the room's history is too large to be read")]
    HistoryTooLarge,
    /// No such endpoint, or no such delivery in its log.
    #[error("there is no such webhook or delivery")]
    NoWebhook,
    /// No such event stream, or another user's.
    #[error("there is no such event stream: open it again")]
    NoStream,
    /// Nothing lives at this path.
    #[error("there is nothing at this path; the API lies below /api/v1")]
    NoSuchPath,
    /// The path takes others.
    #[error("this path takes {0} only")]
    WrongMethod(&'static str),
    /// Full, stopping, or the database is away.
    #[error("{0}")]
    TryLater(String),
    /// More than the caller, or all in the room, may say.
    #[error("too many messages, wait a little")]
    TooMany(Duration),
    /// A fault of ours; the log has the cause.
    #[error("internal error; the server's log has the cause")]
    Internal,
}

impl ApiError {
    /// A wrong parameter of the query.
    pub fn parameter(error: impl Display) -> Self {
        ApiError::Parameter(error.to_string())
    }

    /// A wrong body.
    pub fn body(error: impl Display) -> Self {
        ApiError::Body(error.to_string())
    }

    /// More than one caller may have asked for at once.
    pub fn too_many_questions() -> Self {
        ApiError::TryLater(
            "you ask for more at once than is answered; wait for the answers to your other requests".into(),
        )
    }

    fn code(&self) -> &'static str {
        match self {
            ApiError::Unauthorized(_) => "unauthorized",
            ApiError::RoomNotFound => "room_not_found",
            ApiError::Dropped(_) => "history_dropped",
            ApiError::RoomDeleted => "room_deleted",
            ApiError::RoomPurged => "room_purged",
            ApiError::Forbidden => "forbidden",
            ApiError::Origin(_) => "origin_not_allowed",
            ApiError::Host => "host_not_allowed",
            ApiError::Parameter(_) => "invalid_parameter",
            ApiError::Body(_) => "invalid_body",
            ApiError::BodyTooLarge(_) => "too_large",
            ApiError::Encoding(_) => "unsupported_encoding",
            ApiError::Changed(_) => "changed",
            ApiError::OtherShape(_) => "other_shape",
            ApiError::Edit(Refusal::Incomplete) => "incomplete",
            ApiError::Edit(Refusal::TooLarge { .. }) => "document_full",
            ApiError::Edit(_) => "edit_refused",
            ApiError::Late => "timeout",
            ApiError::Quota(_) => "quota_exceeded",
            ApiError::Handshake(_) => "invalid_handshake",
            ApiError::Root(RenderError::NoSuchRoot) => "root_not_found",
            ApiError::Root(RenderError::SeveralRoots(_)) => "root_needed",
            ApiError::Root(RenderError::TooCostly) => "too_costly",
            ApiError::AfterHead(_) => "seq_not_found",
            ApiError::NoSuchVersion => "version_not_found",
            ApiError::VersionTaken => "version_exists",
            ApiError::StepsStay => "steps_stay",
            ApiError::RoomExists | ApiError::NameTaken => "room_exists",
            ApiError::HistoryTooLarge => "too_costly",
            ApiError::NoWebhook => "webhook_not_found",
            ApiError::NoStream => "stream_not_found",
            ApiError::NoSuchPath => "not_found",
            ApiError::WrongMethod(_) => "method_not_allowed",
            ApiError::TryLater(_) => "try_later",
            ApiError::TooMany(_) => "rate_limited",
            ApiError::Internal => "internal",
        }
    }
}

impl From<ViewError> for ApiError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::TooCostly => ApiError::Root(RenderError::TooCostly),
            // What a document answers as its state can be read.
            ViewError::Unreadable(refusal) => {
                tracing::error!(%refusal, "a document's own state cannot be read");
                ApiError::Internal
            }
        }
    }
}

impl From<DraftError> for ApiError {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::OtherShape { .. } => ApiError::OtherShape(error.to_string()),
            DraftError::Invalid(reason) => ApiError::Body(reason),
            DraftError::TooCostly => ApiError::Root(RenderError::TooCostly),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::RoomFull | Denied::UserFull | Denied::TooManyRooms => ApiError::Quota(denied),
            Denied::NoRoom => ApiError::Forbidden,
        }
    }
}

impl From<ArchiveError> for ApiError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Store(error) => error.into(),
            ArchiveError::Panic(_) => {
                tracing::error!(%error, "a document cannot be read");
                ApiError::Internal
            }
        }
    }
}

impl From<HistoryError> for ApiError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Store(error) => error.into(),
            HistoryError::View(error) => error.into(),
            HistoryError::Root(error) => error.into(),
            HistoryError::AfterHead(head) => ApiError::AfterHead(head),
            HistoryError::Dropped(first) => ApiError::Dropped(first),
            HistoryError::NoSuchPlace(_) => ApiError::Body(error.to_string()),
            HistoryError::NoReplay => ApiError::Parameter(error.to_string()),
            HistoryError::TooLarge => ApiError::HistoryTooLarge,
            HistoryError::Fault(_) => {
                tracing::error!(%error, "a history cannot be read");
                ApiError::Internal
            }
        }
    }
}

impl From<RoomNameError> for ApiError {
    fn from(error: RoomNameError) -> Self {
        ApiError::Parameter(error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::RoomDeleted => ApiError::RoomDeleted,
            StoreError::Dropped(first) => ApiError::Dropped(first),
            // Told where it was met.
            StoreError::Newer(_) => ApiError::TryLater(
                "this needs what a newer release of the server has stored; try again once all servers are of that release".into(),
            ),
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request needs the database");
                ApiError::TryLater("the database does not answer now, try again later".into())
            }
            error => {
                tracing::error!(%error, "a request failed in the store");
                ApiError::Internal
            }
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            ApiError::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            ApiError::Forbidden | ApiError::Origin(_) | ApiError::Host => StatusCode::FORBIDDEN,
            ApiError::RoomNotFound
            | ApiError::NoStream
            | ApiError::NoWebhook
            | ApiError::NoSuchPath
            | ApiError::AfterHead(_)
            | ApiError::NoSuchVersion
            | ApiError::Root(RenderError::NoSuchRoot) => StatusCode::NOT_FOUND,
            ApiError::Root(RenderError::TooCostly) | ApiError::HistoryTooLarge => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::RoomDeleted | ApiError::RoomPurged | ApiError::Dropped(_) => StatusCode::GONE,
            ApiError::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ApiError::Changed(_) => StatusCode::PRECONDITION_FAILED,
            ApiError::OtherShape(_)
            | ApiError::VersionTaken
            | ApiError::StepsStay
            | ApiError::RoomExists
            | ApiError::NameTaken
            | ApiError::Edit(Refusal::Incomplete) => StatusCode::CONFLICT,
            ApiError::Edit(Refusal::TooLarge { .. }) | ApiError::Quota(_) => StatusCode::INSUFFICIENT_STORAGE,
            ApiError::Edit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::Parameter(_) | ApiError::Body(_) | ApiError::Handshake(_) | ApiError::Root(_) => {
                StatusCode::BAD_REQUEST
            }
            ApiError::Late => StatusCode::REQUEST_TIMEOUT,
            ApiError::TryLater(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            ApiError::Unauthorized(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            ApiError::Handshake(_) => {
                response.insert_header((header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
            }
            ApiError::WrongMethod(allowed) => {
                response.insert_header((header::ALLOW, HeaderValue::from_static(allowed)));
            }
            ApiError::TooMany(wait) => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1)));
            }
            ApiError::TryLater(_) => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from_static("2")));
            }
            _ => {}
        }
        let error = serde_json::json!({ "error": { "code": self.code(), "message": self.to_string() } });
        response.json(error)
    }
}

/// Answers what no route takes.
pub async fn no_such_path() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NoSuchPath)
}
