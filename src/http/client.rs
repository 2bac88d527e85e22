//! The browser client: one module, and its types; and the history panel beside it.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};

use super::static_file::Text;

static MODULE: LazyLock<Text> = LazyLock::new(|| Text::new(include_str!("../../static/client/tutti.js")));
static TYPES: LazyLock<Text> = LazyLock::new(|| Text::new(include_str!("../../static/client/tutti.d.ts")));

static HISTORY: LazyLock<Text> = LazyLock::new(|| Text::new(include_str!("../../static/client/tutti-history.js")));

/// `GET /tutti.js`.
pub async fn module(req: HttpRequest) -> HttpResponse {
    MODULE.answer(&req, "text/javascript; charset=utf-8")
}

/// `GET /tutti.d.ts`: its types.
pub async fn types(req: HttpRequest) -> HttpResponse {
    TYPES.answer(&req, "application/typescript; charset=utf-8")
}

/// `GET /tutti-history.js`: the history panel.
pub async fn history(req: HttpRequest) -> HttpResponse {
    HISTORY.answer(&req, "text/javascript; charset=utf-8")
}
