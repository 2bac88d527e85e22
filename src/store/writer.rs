//! The one connection that appends. Not pooled: a connection is used again only if its last transaction ended cleanly,
//! since after a failure nobody knows in which state it is (SQLite may have rolled back by itself; a statement of a
//! vanished network may still be in flight). A dropped connection is rolled back by its database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::error::StoreError;
use super::statements::Statements;

/// Hands out its connection to one transaction at a time.
pub(super) struct Writer<C: Connection> {
    pub options: C::Options,
    idle: Mutex<Option<C>>,
    /// Set under the lock of `idle`: no transaction begins after the close.
    is_closed: AtomicBool,
    connect_timeout: Duration,
    /// How long one transaction may take, from begin to commit; also how long to wait for the one before it.
    pub transaction_timeout: Duration,
}

/// A transaction on the writer's connection. Dropped without [`commit`](Self::commit), nothing of it is stored.
pub(super) struct Begun<'w, C> {
    slot: MutexGuard<'w, Option<C>>,
    pub connection: C,
}

impl<C: Statements> Writer<C> {
    /// Makes a writer that connects by `options` when it is first needed.
    pub fn new(options: C::Options, connect_timeout: Duration, transaction_timeout: Duration) -> Self {
        Self {
            options,
            idle: Mutex::new(None),
            is_closed: AtomicBool::new(false),
            connect_timeout,
            transaction_timeout,
        }
    }

    /// Begins a transaction, connecting if there is no usable connection.
    pub async fn begin(&self) -> Result<Begun<'_, C>, StoreError> {
        let limit = self.transaction_timeout;
        let mut slot = timeout(limit, self.idle.lock()).await.map_err(|_| StoreError::timed_out(limit))?;
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(StoreError::closed());
        }
        if let Some(mut connection) = slot.take() {
            // It may have died while idle. Nothing is begun, so nothing is lost by trying a new one.
            if let Ok(Ok(())) = timeout(self.connect_timeout, connection.run(C::BEGIN)).await {
                return Ok(Begun { slot, connection });
            }
        }
        let connection = timeout(limit, async {
            let mut connection = self.connect().await?;
            connection.run(C::BEGIN).await?;
            Ok::<C, StoreError>(connection)
        });
        let connection = connection.await.map_err(|_| StoreError::timed_out(limit))??;
        Ok(Begun { slot, connection })
    }

    async fn connect(&self) -> Result<C, StoreError> {
        let limit = self.connect_timeout;
        Ok(timeout(limit, self.options.connect()).await.map_err(|_| StoreError::timed_out(limit))??)
    }

    /// Waits for the transaction that runs, and closes the connection.
    pub async fn close(&self) {
        let mut idle = self.idle.lock().await;
        self.is_closed.store(true, Ordering::Relaxed);
        if let Some(connection) = idle.take() {
            // What was to be stored is committed; a connection that does not close well is closed all the same.
            let _ = connection.close().await;
        }
    }
}

impl<C: Statements> Begun<'_, C> {
    /// Commits. On an error nobody knows whether it was committed.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.end("commit").await
    }

    /// Takes everything back, and keeps the connection if that worked.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.end("rollback").await
    }

    async fn end(mut self, statement: &'static str) -> sqlx::Result<()> {
        self.connection.run(statement).await?;
        *self.slot = Some(self.connection);
        Ok(())
    }
}
