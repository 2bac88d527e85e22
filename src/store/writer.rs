//! The one connection that appends. Not pooled: a connection is used again only if its last transaction ended cleanly, or
//! failed for its data alone. After anything else nobody knows in which state it is (SQLite may have rolled back by itself, a
//! statement of a vanished network may still be in flight, the session may be one that will never write again), and a new one
//! is as the settings say. A dropped connection is rolled back by its database.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::timeout;

use super::error::StoreError;
use super::heads::Heads;
use super::number::Head;
use super::statements::Statements;

/// A connection used so lately is taken to be alive; another is asked first.
const FRESH: Duration = Duration::from_secs(1);

/// Hands out its connection to one transaction at a time.
pub(super) struct Writer<C: Statements> {
    pub source: C::Source,
    idle: Mutex<Option<Idle<C>>>,
    /// Where other servers left rooms, as far as that was heard since it was last looked at.
    heard: Heard,
    /// Told whenever a transaction has ended.
    pub ended: Notify,
    /// Set under the lock of `idle`: no transaction begins after the close.
    is_closed: AtomicBool,
    answer_timeout: Duration,
    /// How long one transaction may take, from begin to commit; also how long to wait for the one before it.
    pub transaction_timeout: Duration,
}

/// Heads that were heard while the connection may have been at work.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<Head>>);

impl Heard {
    /// So many are kept; of what is not, the database tells.
    const MAX: usize = 4_096;

    fn add(&self, heads: &[Head]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::MAX.saturating_sub(heard.len());
        heard.extend(heads.iter().take(room));
    }

    fn take(&self) -> Vec<Head> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection between two transactions.
struct Idle<C> {
    connection: C,
    heads: Heads,
    since: Instant,
}

/// The writer's connection. Dropped without [`keep`](Self::keep) it is closed, and what it has not committed is taken back.
pub(super) struct Held<'w, C> {
    slot: MutexGuard<'w, Option<Idle<C>>>,
    ended: &'w Notify,
    pub connection: C,
    /// What is known of rooms from the connection's own commits.
    pub heads: Heads,
}

/// A transaction on the writer's connection. Dropped without [`commit`](Self::commit), nothing of it is stored.
pub(super) struct Begun<'w, C>(pub Held<'w, C>);

impl<C: Statements> Writer<C> {
    /// Makes a writer that connects when it is first needed. A connection that was idle has `answer_timeout` to show that it is
    /// alive.
    pub fn new(source: C::Source, answer_timeout: Duration, transaction_timeout: Duration) -> Self {
        Self {
            source,
            idle: Mutex::new(None),
            heard: Heard::default(),
            ended: Notify::new(),
            is_closed: AtomicBool::new(false),
            answer_timeout,
            transaction_timeout,
        }
    }

    /// Hears where other servers left rooms. Only a guess, as all that is known of heads.
    pub fn hear(&self, heads: &[Head]) {
        self.heard.add(heads);
    }

    /// Begins a transaction, connecting if there is no usable connection.
    pub async fn begin(&self) -> Result<Begun<'_, C>, StoreError> {
        let limit = self.transaction_timeout;
        let mut slot = self.slot().await?;
        if let Some(Idle { mut connection, heads, .. }) = slot.take() {
            // It may have died while idle. Nothing is begun, so nothing is lost by trying a new one.
            if let Ok(Ok(())) = timeout(self.answer_timeout, connection.run(C::BEGIN)).await {
                return Ok(Begun(Held { slot, ended: &self.ended, connection, heads }));
            }
        }
        let connection = timeout(limit, async {
            let mut connection = C::open(&self.source).await?;
            connection.run(C::BEGIN).await?;
            Ok::<C, StoreError>(connection)
        });
        let connection = connection.await.map_err(|_| StoreError::timed_out(limit))??;
        Ok(Begun(Held { slot, ended: &self.ended, connection, heads: Heads::default() }))
    }

    /// The connection without a transaction and what `wanted` finds in its heads; `None` if it finds nothing, or if there is no
    /// connection that was used a moment ago.
    pub async fn hold_if<T>(
        &self,
        wanted: impl FnOnce(&Heads) -> Option<T>,
    ) -> Result<Option<(Held<'_, C>, T)>, StoreError> {
        let mut slot = self.slot().await?;
        let heard = self.heard.take();
        if let Some(idle) = slot.as_mut() {
            idle.heads.hear(heard);
        }
        let fresh = slot.as_ref().filter(|idle| idle.since.elapsed() < FRESH);
        let Some(found) = fresh.and_then(|idle| wanted(&idle.heads)) else { return Ok(None) };
        let held =
            slot.take().map(|Idle { connection, heads, .. }| Held { slot, ended: &self.ended, connection, heads });
        Ok(held.map(|held| (held, found)))
    }

    /// Nobody begins to write as long as this is held.
    pub async fn pause(&self) -> Result<impl Sized + '_, StoreError> {
        self.slot().await
    }

    async fn slot(&self) -> Result<MutexGuard<'_, Option<Idle<C>>>, StoreError> {
        let limit = self.transaction_timeout;
        let slot = timeout(limit, self.idle.lock()).await.map_err(|_| StoreError::timed_out(limit))?;
        if self.is_closed.load(Ordering::Relaxed) { Err(StoreError::closed()) } else { Ok(slot) }
    }

    /// Closes the connection; another is opened when it is needed.
    pub async fn rest(&self) {
        let idle = self.idle.lock().await.take();
        self.end(idle).await;
    }

    /// Waits for the transaction that runs, and closes the connection.
    pub async fn close(&self) {
        let mut idle = self.idle.lock().await;
        self.is_closed.store(true, Ordering::Relaxed);
        self.end(idle.take()).await;
    }

    async fn end(&self, idle: Option<Idle<C>>) {
        if let Some(Idle { connection, .. }) = idle {
            // What was to be stored is committed; a connection that does not close well is closed all the same.
            let _ = timeout(self.answer_timeout, connection.close()).await;
        }
    }
}

impl<C> Held<'_, C> {
    /// Gives back a connection that has no transaction open.
    pub fn keep(mut self) {
        *self.slot = Some(Idle { connection: self.connection, heads: self.heads, since: Instant::now() });
        self.ended.notify_one();
    }
}

impl<C: Statements> Begun<'_, C> {
    /// Commits. On an error nobody knows whether it was committed.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        self.0.connection.run("commit").await?;
        self.0.keep();
        Ok(())
    }

    /// Takes everything back, and keeps the connection if that worked: for a transaction whose data was at fault.
    pub async fn rollback(mut self) -> sqlx::Result<()> {
        self.0.connection.run("rollback").await?;
        self.0.heads = Heads::default();
        self.0.keep();
        Ok(())
    }
}
