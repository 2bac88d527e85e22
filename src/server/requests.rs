//! Connections that carry plain requests. Where many are open each answer ends its connection: what idles for its next request must
//! not take the places of those who come now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts open connections.
#[derive(Clone)]
pub(super) struct Requests {
    open: Arc<AtomicUsize>,
    max: usize,
}

/// One connection's place.
pub(super) struct RequestPlace(Arc<AtomicUsize>);

impl Requests {
    /// Nothing is open; the server takes `max` at the same time.
    pub fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    /// How many may be open.
    pub fn max(&self) -> usize {
        self.max
    }

    /// A connection has come.
    pub fn enter(&self) -> RequestPlace {
        self.open.fetch_add(1, Ordering::Relaxed);
        RequestPlace(self.open.clone())
    }

    /// Whether connections are to end with their answer.
    pub fn is_crowded(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.max / 2
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
