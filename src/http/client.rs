//! The browser client: one module, compressed once.

use std::io::Write;
use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::static_file;

static MODULE: LazyLock<Text> = LazyLock::new(|| Text::new(include_str!("../../static/client/tutti.js")));
static TYPES: LazyLock<Text> = LazyLock::new(|| Text::new(include_str!("../../static/client/tutti.d.ts")));

struct Text {
    plain: &'static str,
    /// Empty if it could not be compressed.
    gzip: Bytes,
    sha256: [u8; 32],
}

impl Text {
    fn new(plain: &'static str) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(plain.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        Self { plain, gzip: gzip.into(), sha256: Sha256::digest(plain).into() }
    }
}

/// `GET /tutti.js`.
pub async fn module(req: HttpRequest) -> HttpResponse {
    answer(&req, "text/javascript; charset=utf-8", &MODULE)
}

/// `GET /tutti.d.ts`: its types.
pub async fn types(req: HttpRequest) -> HttpResponse {
    answer(&req, "application/typescript; charset=utf-8", &TYPES)
}

fn answer(req: &HttpRequest, content_type: &str, text: &Text) -> HttpResponse {
    // It belongs to the server's version, and pages of any origin may load it: it holds no secret.
    let is_compressed = !text.gzip.is_empty() && static_file::takes_gzip(req);
    static_file::revalidated(req, text.sha256, |response| {
        response
            .content_type(content_type)
            .insert_header((header::VARY, "accept-encoding"))
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
        if is_compressed {
            return response.insert_header((header::CONTENT_ENCODING, "gzip")).body(text.gzip.clone());
        }
        response.body(text.plain)
    })
}
