//! Notifications by Postgres: what a bus needs of it. A listener and a notifier have a connection each, apart from all others: a
//! transaction that notifies holds a lock of the whole server until its commit is done, so it must hold nothing else and wait for no disk.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgBindIterExt, PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::pooler::demand_sessions;
use super::sessions::Sessions;
use crate::store::error::StoreError;
use crate::store::settings::StoreSettings;

/// Most bytes of one notification's payload.
pub const NOTIFICATION_BYTES_MAX: usize = 7_900;

/// A machine that vanished is noticed within half a minute, where the database sees its connections itself.
const NOTIFIER: &str = "set synchronous_commit = off; set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; \
    set tcp_keepalives_count = 3";

/// A Postgres server that passes notifications on.
#[derive(Clone)]
pub struct Notifications(Arc<Sessions>);

/// Hears what is notified on its channels. After an error something may be missing, and another is to be made.
pub struct Listener(PgListener);

/// Notifies.
pub struct Notifier(PgConnection);

impl Notifications {
    /// Those of the database that the settings name.
    pub fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Sessions::new(settings)?)))
    }

    /// Refuses a pooler that keeps no session, in which nothing would be heard.
    pub async fn demand_sessions(&self) -> Result<(), StoreError> {
        demand_sessions(&self.0).await
    }

    /// Listens on `channels` from now on.
    pub async fn listen(&self, channels: &[String]) -> Result<Listener, StoreError> {
        let limit = self.0.timeout;
        let options: PgConnectOptions = self.0.find().await?;
        let listen = async {
            let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
            let pool = pool.acquire_timeout(limit).connect_with(options).await?;
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen_all(channels.iter().map(String::as_str)).await?;
            Ok::<_, StoreError>(Listener(listener))
        };
        timeout(limit + limit, listen).await.map_err(|_| StoreError::timed_out(limit))?
    }

    /// Connects to notify.
    pub async fn notifier(&self) -> Result<Notifier, StoreError> {
        let limit = self.0.timeout;
        let mut connection = self.0.connect().await?;
        let set = timeout(limit, sqlx::raw_sql(NOTIFIER).execute(&mut connection)).await;
        set.map_err(|_| StoreError::timed_out(limit))??;
        Ok(Notifier(connection))
    }
}

impl Listener {
    /// The payload of the next notification.
    pub async fn next(&mut self) -> Result<String, StoreError> {
        match self.0.try_recv().await? {
            Some(notification) => Ok(notification.payload().to_owned()),
            None => Err(StoreError::Unavailable("the connection that listens was lost".to_owned())),
        }
    }
}

impl Notifier {
    /// Notifies channels of payloads, in their order; done when all of them are on their way.
    pub async fn notify(&mut self, notifications: &[(String, String)]) -> Result<(), StoreError> {
        let sql = "select pg_notify(n.channel, n.payload) from unnest($1::text[], $2::text[]) as n (channel, payload)";
        sqlx::query(sql)
            .bind(notifications.iter().map(|(channel, _)| channel.as_str()).bind_iter())
            .bind(notifications.iter().map(|(_, payload)| payload.as_str()).bind_iter())
            .execute(&mut self.0)
            .await?;
        Ok(())
    }

    /// How full the queue of notifications is, from 0 to 1.
    pub async fn queue_usage(&mut self) -> Result<f64, StoreError> {
        Ok(sqlx::query_scalar("select pg_notification_queue_usage()").fetch_one(&mut self.0).await?)
    }

    /// Ends the connection.
    pub async fn close(self) {
        // One that does not close well is closed all the same.
        let _ = timeout(Duration::from_secs(1), self.0.close()).await;
    }
}
