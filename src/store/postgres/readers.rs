//! The connections for everything but appends. One is used again only if what it was lent for ended well: after an error, or when
//! its borrower stopped waiting, nobody knows in which state it is, and a new one is as the settings say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::sessions::Sessions;
use crate::store::error::StoreError;

/// So old ones are replaced: by then a role's settings, a name's address or a certificate may have changed.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);

pub(super) struct Readers {
    sessions: Arc<Sessions>,
    places: Semaphore,
    count: u32,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    opened: Instant,
}

/// A connection on loan. Dropped without [`keep`](Self::keep) it is closed.
pub(super) struct Lent<'r> {
    pub connection: PgConnection,
    opened: Instant,
    readers: &'r Readers,
    _place: SemaphorePermit<'r>,
}

impl Readers {
    /// At most `count` connections, opened when they are needed.
    pub fn new(sessions: Arc<Sessions>, count: u32) -> Self {
        Self { sessions, places: Semaphore::new(count as usize), count, idle: Mutex::default() }
    }

    /// Lends a connection, waiting for one to be given back if all are out.
    pub async fn lend(&self) -> Result<Lent<'_>, StoreError> {
        let limit = self.sessions.timeout;
        let place = timeout(limit, self.places.acquire()).await;
        let place = place.map_err(|_| StoreError::timed_out(limit))?.map_err(|_| StoreError::closed())?;
        let (connection, opened) = match self.reuse(limit).await {
            Some(idle) => (idle.connection, idle.opened),
            None => (self.sessions.connect().await?, Instant::now()),
        };
        Ok(Lent { connection, opened, readers: self, _place: place })
    }

    async fn reuse(&self, limit: Duration) -> Option<Idle> {
        let mut idle = self.idle().pop()?;
        if idle.opened.elapsed() > AGE_MAX {
            return None;
        }
        if !matches!(timeout(limit, idle.connection.ping()).await, Ok(Ok(()))) {
            // Whatever ended it has most likely ended the others, which would each be waited for.
            self.idle().clear();
            return None;
        }
        Some(idle)
    }

    /// Waits for what is lent, and closes everything.
    pub async fn close(&self) {
        let all = self.places.acquire_many(self.count).await;
        self.places.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for Idle { connection, .. } in idle {
            // One that does not close well is closed all the same.
            let _ = connection.close().await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// Gives the connection back, after all that was asked on it was answered.
    pub fn keep(self) {
        let Self { connection, opened, readers, _place } = self;
        readers.idle().push(Idle { connection, opened });
    }
}
