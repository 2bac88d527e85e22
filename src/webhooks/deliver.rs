//! Makes deliveries: one queue after another's turn, so many of an endpoint at once. A target that is dead or slow holds back its own
//! queues alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::watch;
use uuid::Uuid;

use super::body::body;
use super::endpoint::Endpoint;
use super::known::Webhooks;
use crate::archive::ArchiveError;
use crate::auth;
use crate::metrics;
use crate::outgoing::{self, Outgoing, sign};
use crate::protocol::json::rfc3339;
use crate::store::{Attempt, Delivery, DeliveryState, NextDelivery, QueueLease, StoreError};

/// How long a target may take to answer, and how long its answer may be, which nobody reads.
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long the content of a delivery may take to be read: with the rest, less than a lease.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Deliveries of one queue before it is another's turn.
const TURN_MAX: usize = 50;
/// Longest reason that is kept of a failure, in bytes.
const ERROR_BYTES_MAX: usize = 200;

/// What came back of a request to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// Why it counts for nothing.
    pub error: Option<String>,
}

impl Sent {
    fn failed(error: impl ToString) -> Self {
        let mut error = error.to_string();
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        Self { status: None, error: Some(error) }
    }
}

/// Why a queue is left as it is: somebody goes on with it when its lease has ended.
#[derive(Debug, thiserror::Error)]
enum LeftAlone {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// How long to wait after so many attempts: 1, 2, 4 s … up to five minutes.
fn wait(attempts: u32) -> Duration {
    let doubled = 1u64.checked_shl(attempts.saturating_sub(1)).filter(|_| attempts < 32);
    doubled.map_or(WAIT_MAX, |seconds| Duration::from_secs(seconds).min(WAIT_MAX))
}

/// Sends a body to an endpoint, signed.
async fn send(endpoint: &Endpoint, id: &str, body: Vec<u8>, webhooks: &Webhooks) -> Sent {
    let at_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let signature = sign(endpoint.secret.key(), id, at_s, &body);
    let header = |name, value: String| Some((HeaderName::from_static(name), value.parse().ok()?));
    let signed = [
        header("webhook-id", id.to_owned()),
        header("webhook-timestamp", at_s.to_string()),
        header("webhook-signature", signature),
        Some((CONTENT_TYPE, HeaderValue::from_static("application/json"))),
    ];
    let outgoing = Outgoing {
        method: Method::POST,
        url: endpoint.new.url.as_url(),
        reach: webhooks.reach(),
        headers: signed.into_iter().flatten().collect(),
        body: Bytes::from(body),
        timeout: TIMEOUT,
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    match outgoing::ask(outgoing).await {
        Ok(answer) => {
            let status = Some(answer.status.as_u16());
            let error = (!answer.status.is_success()).then(|| format!("the answer has status {}", answer.status));
            Sent { status, error }
        }
        Err(error) => Sent::failed(error),
    }
}

/// Makes the deliveries of a queue that this server has leased, until there are none, one fails, or it is another's turn.
pub(super) async fn deliver(webhooks: Arc<Webhooks>, lease: QueueLease, mut stopping: watch::Receiver<bool>) {
    if let Err(error) = turn(&webhooks, &lease, &mut stopping).await {
        if let LeftAlone::Store(StoreError::Newer(_)) | LeftAlone::Archive(ArchiveError::Store(StoreError::Newer(_))) =
            error
        {
            // A server of a newer release makes them.
            return;
        }
        tracing::warn!(%error, webhook = lease.key.webhook, "deliveries of a webhook wait for the database");
    }
}

async fn turn(webhooks: &Webhooks, lease: &QueueLease, stopping: &mut watch::Receiver<bool>) -> Result<(), LeftAlone> {
    let store = webhooks.store();
    let mut done = None;
    for _ in 0..TURN_MAX {
        let endpoint = webhooks.endpoint(&lease.key.webhook).filter(|endpoint| !endpoint.is_paused);
        let Some(endpoint) = endpoint.filter(|_| !*stopping.borrow()) else { break };
        let delivery = match store.next_delivery(lease, done.take()).await? {
            NextDelivery::One(delivery) => delivery,
            NextDelivery::None | NextDelivery::Lost => return Ok(()),
        };
        let attempt = tokio::select! {
            attempt = attempt(webhooks, &endpoint, &delivery) => attempt?,
            _ = stopping.wait_for(|is_stopping| *is_stopping) => break,
        };
        if attempt.state != DeliveryState::Waiting {
            done = Some(attempt);
            continue;
        }
        metrics::WEBHOOK_ATTEMPTS_FAILED.inc();
        let reason = attempt.error.clone().unwrap_or_default();
        let (webhook, id) = (&endpoint.id, &delivery.id);
        if store.put_off(lease, attempt, wait(delivery.attempts)).await? {
            metrics::WEBHOOKS_PARKED.inc();
            tracing::error!(webhook, delivery = id, reason, "a delivery is given up; it can be made again by REST");
            continue;
        }
        if delivery.attempts == 1 {
            tracing::warn!(webhook, delivery = id, reason, "a delivery has failed and is tried again");
        }
        return Ok(());
    }
    Ok(store.release_queue(lease, done).await?)
}

async fn attempt(webhooks: &Webhooks, endpoint: &Endpoint, delivery: &Delivery) -> Result<Attempt, LeftAlone> {
    let number = delivery.number;
    let made = tokio::time::timeout(BODY_TIMEOUT, body(delivery, &endpoint.new, webhooks.store(), webhooks.archive()));
    let sent = match made.await {
        Err(_) => Sent::failed("the document takes too long to read"),
        Ok(made) => match made? {
            Some(body) => send(endpoint, &delivery.id, body, webhooks).await,
            None => return Ok(Attempt { number, state: DeliveryState::Gone, status: None, error: None }),
        },
    };
    let Sent { status, error } = sent;
    let state = if error.is_none() { DeliveryState::Delivered } else { DeliveryState::Waiting };
    if error.is_none() {
        metrics::WEBHOOKS_DELIVERED.inc();
    }
    Ok(Attempt { number, state, status, error })
}

/// Sends an endpoint `webhook.test`, once; its id and what came back.
pub async fn test(endpoint: &Endpoint, webhooks: &Webhooks) -> (String, Sent) {
    let id = format!("msg_{}", Uuid::new_v4().simple());
    let body = serde_json::json!({ "type": "webhook.test", "id": id, "timestamp": rfc3339(auth::now_ms()) });
    let sent = send(endpoint, &id, body.to_string().into_bytes(), webhooks).await;
    (id, sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<u64> =
            [1, 2, 3, 9, 10, 31, 32, 33, 64, u32::MAX].map(|attempts| wait(attempts).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300, 300, 300, 300, 300]);
    }
}
