//! The bodies of requests that write a document: read within a bound, at a rate that all bodies must have, and unpacked within the same
//! bound. The one place where what a client sends is unpacked. One that still comes lets go for others if its caller holds most.
//! And short bodies, whose caller's token still holds once they are there. Each body counts among what its caller sends.

use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{self, Bytes, Payload};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::caller::confirm;
use super::error::ApiError;
use super::limits::network;
use super::state::AppState;
use crate::auth::Identity;
use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::metrics;
use crate::parts::Parts;
use crate::protocol::json::well_formed;
use crate::socket::spend_body;

type LocalBoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// So much is unpacked between two looks at what all bodies hold.
const STEP_BYTES: usize = 256 * 1024;

/// Most values of a JSON body, and what one takes in memory, about.
const VALUES_MAX: usize = 500_000;
const VALUE_BYTES: usize = 96;

/// What the values of all JSON bodies take together: as much as those of two that have as many as there may be, so that beside one
/// there is as much for everybody else.
pub fn json_values() -> Arc<ByteBudget> {
    ByteBudget::new(2 * VALUES_MAX * VALUE_BYTES, None)
}

/// A body as it came.
pub struct Body {
    parts: Parts,
    is_gzip: bool,
    bytes_max: usize,
    /// Its part of what all bodies hold; given back with it.
    held: HeldBytes,
    /// And of what their values take.
    values: HeldBytes,
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
        let payer = Payer::of(network(req));
        let (held, values) = (state.bodies.hold_for(payer, 0), state.json_values.hold_for(payer, 0));
        let body = Self { parts: Parts::default(), is_gzip, bytes_max, held, values }.take(payload).await?;
        count(req, body.parts.len()).await?;
        Ok(body)
    }

    async fn take(mut self, mut payload: Payload) -> Result<Self, ApiError> {
        loop {
            let chunk = poll_fn(|cx| match self.held.is_called_in(cx.waker()) {
                true => Poll::Ready(Err(crowded())),
                false => payload.poll_next_unpin(cx).map(Ok),
            });
            let Some(chunk) = chunk.await? else { break };
            let chunk = chunk.map_err(ApiError::body)?;
            if self.parts.len() + chunk.len() > self.bytes_max {
                return Err(ApiError::BodyTooLarge(self.bytes_max));
            }
            self.parts.push(&chunk);
            hold(&mut self.held, self.parts.len())?;
        }
        // What is worked on cannot be let go of.
        if self.held.keep() { Ok(self) } else { Err(crowded()) }
    }

    /// Whether unpacking it takes work.
    pub fn is_packed(&self) -> bool {
        self.is_gzip
    }

    /// What it holds, unpacked. May take long. What has been unpacked counts as what has come.
    pub fn unpack(mut self) -> Result<Unpacked, ApiError> {
        if self.is_gzip {
            let mut unpacked = Parts::default();
            let mut gzip = MultiGzDecoder::new(self.parts);
            let mut step = vec![0; STEP_BYTES];
            loop {
                let count = gzip.read(&mut step).map_err(|_| ApiError::Body("the body is no gzip".into()))?;
                if unpacked.len() + count > self.bytes_max {
                    return Err(ApiError::BodyTooLarge(self.bytes_max));
                }
                if count == 0 {
                    break;
                }
                unpacked.push(&step[..count]);
                hold(&mut self.held, gzip.get_ref().len() + unpacked.len())?;
            }
            self.held.set(unpacked.len());
            self.parts = unpacked;
        }
        Ok(Unpacked { bytes: self.parts.into_bytes(), held: self.held, values: self.values })
    }
}

/// Reads JSON of an object. serde alone would take an array as well, as the values of its fields in their order.
pub fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ApiError> {
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(ApiError::body),
        false => Err(ApiError::Body("the body must be a JSON object".into())),
    }
}

/// A short body, all of it there, of someone whose token still holds then.
pub struct Short(pub Bytes);

impl FromRequest for Short {
    type Error = ApiError;
    type Future = LocalBoxFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (bytes, req) = (Bytes::from_request(req, payload), req.clone());
        Box::pin(async move {
            let bytes =
                bytes.await.map_err(|error| too_large(&error, &req).unwrap_or_else(|| ApiError::body(error)))?;
            count(&req, bytes.len()).await?;
            confirm(&req)?;
            Ok(Self(bytes))
        })
    }
}

/// What a short body is told that is too long; `None` where it has another fault.
fn too_large(error: &actix_web::Error, req: &HttpRequest) -> Option<ApiError> {
    let is_overflow = matches!(error.as_error(), Some(PayloadError::Overflow));
    let state = req.app_data::<web::Data<AppState>>().filter(|_| is_overflow)?;
    Some(ApiError::BodyTooLarge(state.json_message_bytes_max))
}

/// A short body that is a JSON object, likewise.
pub struct Object<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Object<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<Result<Self, actix_web::Error>>;

    fn from_request(req: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (json, req) = (web::Json::<Box<RawValue>>::from_request(req, payload), req.clone());
        Box::pin(async move {
            let json = json.await?;
            count(&req, json.get().len()).await?;
            confirm(&req)?;
            Ok(Self(object(json.get())?))
        })
    }
}

/// Counts a body as if a socket of its caller had sent it, and waits as long as that would not be read.
async fn count(req: &HttpRequest, bytes: usize) -> Result<(), ApiError> {
    let state = req.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
    let wait = {
        let extensions = req.extensions();
        let identity = extensions.get::<Identity>();
        if identity.is_some_and(Identity::is_server) {
            // It sends for many.
            return Ok(());
        }
        let user = identity.map(|identity| &identity.user);
        spend_body(bytes, user, network(req), &state.rates, Instant::now()).map_err(ApiError::TooMany)?
    };
    if let Some(wait) = wait {
        metrics::REQUESTS_SLOWED.inc();
        sleep(wait).await;
    }
    Ok(())
}

/// Counts `bytes` among those of all bodies, or refuses them.
fn hold(held: &mut HeldBytes, bytes: usize) -> Result<(), ApiError> {
    let bytes_max = held.budget().bytes_max();
    if bytes > bytes_max {
        return Err(ApiError::BodyTooLarge(bytes_max));
    }
    held.set(bytes);
    if held.demand(0) { Ok(()) } else { Err(crowded()) }
}

fn crowded() -> ApiError {
    ApiError::TryLater("too many documents are being written now, try again later".into())
}

/// How many values JSON text has, at most, whether it is well-formed or not.
fn values(text: &str) -> usize {
    let (mut count, mut is_in_string, mut is_escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_in_string,
            b'"' => is_in_string = !is_in_string,
            b',' | b'[' | b'{' if !is_in_string => count += 1,
            _ => {}
        }
    }
    count
}

impl Unpacked {
    /// Its text.
    pub fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.bytes).map_err(ApiError::body)
    }

    /// Its JSON.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        self.count_values()?;
        serde_json::from_str(&well_formed(self.text()?)).map_err(ApiError::body)
    }

    /// Its JSON, which must be an object.
    pub fn object<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        self.count_values()?;
        object(&well_formed(self.text()?))
    }

    /// Counts the values of its JSON among those of all bodies.
    fn count_values(&mut self) -> Result<(), ApiError> {
        let values = values(self.text()?);
        if values > VALUES_MAX {
            return Err(ApiError::Body(format!("a body has at most {VALUES_MAX} values, this one about {values}")));
        }
        if self.values.try_add_fairly(values * VALUE_BYTES) { Ok(()) } else { Err(crowded()) }
    }
}

/// A body as it was meant.
pub struct Unpacked {
    /// Its bytes.
    pub bytes: Bytes,
    #[cfg_attr(not(test), expect(dead_code, reason = "what it holds is given back with it"))]
    held: HeldBytes,
    values: HeldBytes,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn body(bytes: &[u8], is_gzip: bool, bytes_max: usize, budget: usize) -> Body {
        let held = ByteBudget::new(budget, None).hold_for(Payer::of("payer"), bytes.len());
        let mut parts = Parts::default();
        parts.push(bytes);
        let values = json_values().hold_for(Payer::of("payer"), 0);
        Body { parts, is_gzip, bytes_max, held, values }
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).expect("memory takes it");
        gzip.finish().expect("memory takes it")
    }

    #[test]
    fn rule_36_what_is_unpacked_counts_while_it_is_unpacked() {
        let packed = packed(&vec![0; 4 << 20]);
        assert!(packed.len() < 64 * 1024);
        let unpacked =
            |bytes_max, budget| body(&packed, true, bytes_max, budget).unpack().map(|unpacked| unpacked.held.bytes());
        assert_eq!(unpacked(4 << 20, 4 << 20).ok(), Some(4 << 20), "alone it may hold all there is");
        assert!(matches!(unpacked(4 << 20, (4 << 20) - 1), Err(ApiError::BodyTooLarge(_))));
        assert!(matches!(unpacked((4 << 20) - 1, 16 << 20), Err(ApiError::BodyTooLarge(_))));
    }

    #[test]
    fn rule_36_values_of_json_count_as_what_they_take() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2)).into_bytes();
        let budget = json_values();
        let read = |bytes: Vec<u8>, payer: &str| {
            let values = budget.hold_for(Payer::of(payer), 0);
            let mut unpacked = Body { values, ..body(&bytes, false, 16 << 20, 16 << 20) }.unpack()?;
            unpacked.json::<serde_json::Value>()?;
            Ok::<_, ApiError>(unpacked)
        };
        let held = |bytes| read(bytes, "one").ok().map(|unpacked| unpacked.values.bytes());
        assert_eq!(held(list(1_000)), Some(1_000 * VALUE_BYTES));
        // As many as there may be fit beside the longest body, and one more does not.
        let mut longest = list(VALUES_MAX);
        longest.resize(16 << 20, b' ');
        assert_eq!(held(longest), Some(VALUES_MAX * VALUE_BYTES));
        assert!(matches!(read(list(VALUES_MAX + 1), "one"), Err(ApiError::Body(_))));
        // While one caller holds as many as one may, it gets no more, and there are some for each of the others.
        let first = read(list(VALUES_MAX), "one").expect("it fits");
        assert!(matches!(read(list(2), "one"), Err(ApiError::TryLater(_))));
        let second = read(list(VALUES_MAX / 2), "two").expect("it fits");
        assert!(matches!(read(list(2), "two"), Err(ApiError::TryLater(_))));
        let third = read(list(VALUES_MAX / 4), "three").expect("it fits");
        drop((first, second, third));
        assert_eq!(budget.held(), 0);
        // Whatever stands in a string is one value.
        assert_eq!(held(br#"["a,[{\"",",[{"]"#.to_vec()), Some(3 * VALUE_BYTES));
    }
}
