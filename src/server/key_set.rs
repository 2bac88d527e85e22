//! Reads the key set (JWKS) of who signs tokens: at the start, every few minutes, and when a token names an unknown key. One reading at
//! a time; the newest good set stays while readings fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, StatusCode};

use crate::auth::{KeySet, NoKeySet, Verifier};
use crate::config::JwksUrl;
use crate::outgoing::{self, Outgoing, OutgoingError, Reach};

/// How long one reading may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest set, in bytes.
const BYTES_MAX: usize = 256 * 1024;
/// After a reading that failed, unless sets are read more often.
const RETRY: Duration = Duration::from_secs(15);

/// Why a key set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Nothing came.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// Another status than 200; redirects are not followed.
    #[error("the answer has status {0} and not 200")]
    Status(StatusCode),
    /// What came is no set.
    #[error("what came cannot be used: {0}")]
    Set(#[from] NoKeySet),
}

/// Reads the set once, and takes its keys.
pub(super) async fn read(url: &JwksUrl, key_set: &KeySet) -> Result<usize, KeySetError> {
    let text = fetch(url).await;
    let read = text.and_then(|text| Ok(key_set.replace(&text)?));
    key_set.ended(Instant::now());
    read
}

/// Goes on until it is aborted. The first reading has been made.
pub(super) async fn follow(url: JwksUrl, refresh: Duration, verifier: Arc<Verifier>, mut is_good: bool) {
    let Some(key_set) = verifier.key_set() else { return };
    loop {
        let wait = if is_good { refresh } else { refresh.min(RETRY) };
        let _ = tokio::time::timeout(wait, key_set.asked()).await;
        is_good = told(&url, read(&url, key_set).await, is_good);
    }
}

/// Says how a reading went, where that is news. Whether it went well.
pub(super) fn told(url: &JwksUrl, read: Result<usize, KeySetError>, was_good: bool) -> bool {
    match &read {
        Ok(keys) if !was_good => tracing::info!(%url, keys, "the key set was read"),
        Ok(_) => {}
        Err(error) if was_good => {
            tracing::error!(%url, %error, "the key set cannot be read; the keys that are known stay, and new ones are not accepted");
        }
        Err(error) => tracing::debug!(%url, %error, "the key set still cannot be read"),
    }
    read.is_ok()
}

async fn fetch(url: &JwksUrl) -> Result<Bytes, KeySetError> {
    let outgoing = Outgoing {
        method: Method::GET,
        url: url.as_url(),
        reach: Reach::Anywhere,
        headers: vec![(ACCEPT, HeaderValue::from_static("application/json"))],
        body: Bytes::new(),
        timeout: TIMEOUT,
        answer_bytes_max: BYTES_MAX,
    };
    let answer = outgoing::ask(outgoing).await?;
    if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(KeySetError::Status(answer.status)) }
}
