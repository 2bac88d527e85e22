//! The bodies of requests that write a document: read within a bound and a time, and unpacked within the same bound. The one place
//! where what a client sends is unpacked.

use std::io::Read;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;
use super::limits::network;
use super::state::AppState;
use crate::budget::{HeldBytes, Payer};
use crate::protocol::json::well_formed;

/// How long a body may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A body as it came.
pub struct Body {
    bytes: Bytes,
    is_gzip: bool,
    bytes_max: usize,
    /// Its part of what all bodies hold; given back with it.
    held: HeldBytes,
}

impl Body {
    /// Reads the body of a request, of at most `bytes_max`.
    pub async fn read(
        req: &HttpRequest,
        payload: Payload,
        bytes_max: usize,
        state: &AppState,
    ) -> Result<Self, ApiError> {
        let is_gzip = match req.headers().get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(_) => return Err(ApiError::Encoding("a body may be in Content-Encoding gzip, or in none")),
        };
        let held = state.bodies.hold_for(Payer::of(network(req)), 0);
        let body = Self { bytes: Bytes::new(), is_gzip, bytes_max, held };
        timeout(DEADLINE, body.take(payload)).await.map_err(|_| ApiError::Body("the body takes too long".into()))?
    }

    async fn take(mut self, mut payload: Payload) -> Result<Self, ApiError> {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(ApiError::body)?;
            if bytes.len() + chunk.len() > self.bytes_max {
                return Err(ApiError::BodyTooLarge(self.bytes_max));
            }
            if !self.held.try_add_fairly(chunk.len()) {
                return Err(ApiError::TryLater("too many documents are being written now, try again later".into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        self.bytes = bytes.freeze();
        Ok(self)
    }

    /// What it holds, unpacked. May take long.
    pub fn unpack(mut self) -> Result<Unpacked, ApiError> {
        if self.is_gzip {
            let mut bytes = Vec::new();
            let mut gzip = MultiGzDecoder::new(&*self.bytes).take(self.bytes_max as u64 + 1);
            gzip.read_to_end(&mut bytes).map_err(|_| ApiError::Body("the body is no gzip".into()))?;
            if bytes.len() > self.bytes_max {
                return Err(ApiError::BodyTooLarge(self.bytes_max));
            }
            self.bytes = bytes.into();
            self.held.set(self.bytes.len());
        }
        Ok(Unpacked { bytes: self.bytes, _held: self.held })
    }
}

impl Unpacked {
    /// Its text.
    pub fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.bytes).map_err(ApiError::body)
    }

    /// Its JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_str(&well_formed(self.text()?)).map_err(ApiError::body)
    }
}

/// A body as it was meant.
pub struct Unpacked {
    /// Its bytes.
    pub bytes: Bytes,
    _held: HeldBytes,
}
