//! What files that belong to the server's build are served with: an ETag, so that a browser that has one is told so in a few bytes.

use std::borrow::Cow;
use std::io::Write;

use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Bytes of the hash that go into an ETag.
const TAG_BYTES: usize = 12;

/// A file that browsers keep and ask about each time: 304 for who has it, else what `fill` makes of the response.
pub fn revalidated(
    req: &HttpRequest,
    sha256: [u8; 32],
    fill: impl FnOnce(&mut HttpResponseBuilder) -> HttpResponse,
) -> HttpResponse {
    // Weak: the same content, however it is compressed on its way.
    let tag = EntityTag::new_weak(hex::encode(&sha256[..TAG_BYTES]));
    let is_known = match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // A page of another origin must be allowed to read the 304, too.
    response
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ETAG, tag.to_string()))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if is_known { response.finish() } else { fill(&mut response) }
}

/// A text, compressed once.
pub struct Text {
    plain: Bytes,
    /// Empty if it could not be compressed.
    gzip: Bytes,
    sha256: [u8; 32],
}

impl Text {
    /// Compresses `plain`.
    pub fn new(plain: impl Into<Cow<'static, str>>) -> Self {
        let plain = match plain.into() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap_or_default();
        Self { sha256: Sha256::digest(&plain).into(), plain, gzip: gzip.into() }
    }

    /// Answers with it. It belongs to the server's version, and pages of any origin may load it: it holds no secret.
    pub fn answer(&self, req: &HttpRequest, content_type: &str) -> HttpResponse {
        let is_compressed = !self.gzip.is_empty() && takes_gzip(req);
        revalidated(req, self.sha256, |response| {
            response.content_type(content_type).insert_header((header::VARY, "accept-encoding"));
            if is_compressed {
                return response.insert_header((header::CONTENT_ENCODING, "gzip")).body(self.gzip.clone());
            }
            response.body(self.plain.clone())
        })
    }
}

/// Whether the client asks for gzip.
pub fn takes_gzip(req: &HttpRequest) -> bool {
    let accepted = req.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|part| part.replace(' ', "").trim_end_matches(['0', '.']) == "q=")
    })
}
