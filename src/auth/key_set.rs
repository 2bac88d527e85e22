//! Public keys from an address (JWKS, RFC 7517), found by `kid`: which of them count, when they are to be read again, and whose tokens
//! stood on one that is there no more. Whoever reads them hands the text in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use super::key::Key;
use super::limits::KEY_ID_BYTES_MAX;

/// Most keys of a set.
const KEYS_MAX: usize = 100;
/// Between two readings that unknown keys ask for.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for a reading that is under way.
const WAIT_MAX: Duration = Duration::from_secs(6);

/// Why a text is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKeySet {
    /// Not a JWKS.
    #[error("it is no JSON Web Key Set: an object with a list of keys")]
    Malformed,
    /// More keys than any issuer has.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    /// Nothing that could verify a token.
    #[error(
        "none of its keys can verify a token: they need a kid, and RS256, RS384, RS512, ES256, ES384 or EdDSA as their algorithm"
    )]
    Useless,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Debug)]
struct Readings {
    /// Whether one is wanted, or under way.
    is_due: bool,
    /// No unknown key asks for one before this.
    asked_from: Option<Instant>,
}

/// One key of the set.
struct Known {
    key: Key,
    /// As it stood in the set.
    jwk: Value,
    /// Dropped with the key.
    mark: Arc<()>,
}

/// Whether the key that verified a token is still known. Keys of a configuration always are.
#[derive(Debug, Clone, Default)]
pub struct KeyMark(Option<Weak<()>>);

impl KeyMark {
    /// Whether the key set has the key no more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.as_ref().is_some_and(|mark| mark.strong_count() == 0)
    }
}

impl PartialEq for KeyMark {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => own.ptr_eq(other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl Eq for KeyMark {}

/// The newest good set, and when it is read again.
pub struct KeySet {
    keys: RwLock<HashMap<String, Known>>,
    /// How often keys were removed.
    removals: AtomicU64,
    readings: Mutex<Readings>,
    /// Tells the reader that one is wanted.
    wanted: watch::Sender<u64>,
    /// Tells who waits that one has ended.
    done: watch::Sender<u64>,
}

impl Default for KeySet {
    fn default() -> Self {
        Self {
            keys: RwLock::default(),
            removals: AtomicU64::new(0),
            readings: Mutex::new(Readings { is_due: false, asked_from: None }),
            wanted: watch::Sender::new(0),
            done: watch::Sender::new(0),
        }
    }
}

impl KeySet {
    /// The key with this id.
    pub(super) fn key(&self, id: &str) -> Option<(Key, KeyMark)> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(id).map(|known| (known.key.clone(), KeyMark(Some(Arc::downgrade(&known.mark)))))
    }

    /// Changes whenever keys were removed, or became others under the same id.
    pub fn removals(&self) -> u64 {
        self.removals.load(Ordering::Relaxed)
    }

    /// Takes the keys of a set in place of all before; those that cannot verify a token are left out. How many there are.
    pub fn replace(&self, text: &[u8]) -> Result<usize, NoKeySet> {
        let Document { keys } = serde_json::from_slice(text).map_err(|_| NoKeySet::Malformed)?;
        if keys.len() > KEYS_MAX {
            return Err(NoKeySet::TooMany);
        }
        let mut keys: HashMap<String, Known> = keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(NoKeySet::Useless);
        }
        let count = keys.len();
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut is_any_gone = false;
        for (id, before) in known.drain() {
            match keys.get_mut(&id).filter(|key| key.jwk == before.jwk) {
                Some(key) => key.mark = before.mark,
                None => is_any_gone = true,
            }
        }
        *known = keys;
        drop(known);
        if is_any_gone {
            self.removals.fetch_add(1, Ordering::Relaxed);
        }
        Ok(count)
    }

    /// Asks for a reading, since a key is unknown. Whether one is under way; many ask, and few are made.
    pub(super) fn ask(&self, now: Instant) -> bool {
        let mut readings = self.readings();
        if readings.is_due {
            return true;
        }
        if readings.asked_from.is_some_and(|from| now < from) {
            return false;
        }
        readings.is_due = true;
        drop(readings);
        self.wanted.send_modify(|count| *count += 1);
        true
    }

    /// Notes that a reading has ended, well or not.
    pub fn ended(&self, now: Instant) {
        let mut readings = self.readings();
        *readings = Readings { is_due: false, asked_from: Some(now + ASKED_EVERY) };
        drop(readings);
        self.done.send_modify(|count| *count += 1);
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        let mut wanted = self.wanted.subscribe();
        while !self.readings().is_due {
            // The sender lives as long as this.
            let _ = wanted.changed().await;
        }
    }

    /// Asks for a reading if this key is unknown, and waits for its end.
    pub(super) async fn await_key(&self, id: &str) {
        let mut done = self.done.subscribe();
        if self.key(id).is_none() && self.ask(Instant::now()) {
            // In vain: the token is refused.
            let _ = tokio::time::timeout(WAIT_MAX, done.changed()).await;
        }
    }

    fn readings(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key and its id, if it can verify tokens.
fn usable(jwk: Value) -> Option<(String, Known)> {
    let read: Jwk = serde_json::from_value(jwk.clone()).ok()?;
    let id = read.common.key_id.clone().filter(|id| (1..=KEY_ID_BYTES_MAX).contains(&id.len()))?;
    Some((id, Known { key: Key::from_set(&read)?, jwk, mark: Arc::default() }))
}
