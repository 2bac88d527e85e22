//! The bus of those who have nothing but Postgres: notifications, by connections of its own. Each server listens on one channel of its
//! own and one of all.

use uuid::Uuid;

use super::transport::{Bus, BusError, BusReceiver, BusSender, Channel};
use crate::store::{Listener, NOTIFICATION_BYTES_MAX, Notifications, Notifier, StoreError, StoreSettings};

/// A cluster's channels in a Postgres database.
pub struct PostgresBus {
    notifications: Notifications,
    cluster: Uuid,
}

/// Notifies.
pub struct PostgresSender {
    notifier: Notifier,
    cluster: Uuid,
}

/// Listens.
pub struct PostgresReceiver(Listener);

impl PostgresBus {
    /// In the database of `settings`. A pooler that keeps no sessions is refused.
    pub async fn new(settings: &StoreSettings, cluster: Uuid) -> Result<Self, BusError> {
        let notifications = Notifications::new(settings)?;
        notifications.demand_sessions().await?;
        Ok(Self { notifications, cluster })
    }
}

/// A channel's name: a letter, and no more than Postgres' 63 bytes.
fn channel(cluster: Uuid, channel: Channel) -> String {
    let (cluster, _) = cluster.as_u64_pair();
    match channel {
        Channel::All => format!("tutti_{cluster:016x}"),
        Channel::Server(server) => format!("tutti_{cluster:016x}_{}", server.simple()),
    }
}

impl Bus for PostgresBus {
    type Sender = PostgresSender;
    type Receiver = PostgresReceiver;
    const TEXT_BYTES_MAX: usize = NOTIFICATION_BYTES_MAX;

    async fn open(&self, me: Uuid) -> Result<(PostgresSender, PostgresReceiver), BusError> {
        let cluster = self.cluster;
        let channels = [channel(cluster, Channel::All), channel(cluster, Channel::Server(me))];
        let listener = self.notifications.listen(&channels).await?;
        let notifier = self.notifications.notifier().await?;
        Ok((PostgresSender { notifier, cluster }, PostgresReceiver(listener)))
    }
}

impl BusSender for PostgresSender {
    async fn send(&mut self, texts: Vec<(Channel, String)>) -> Result<(), BusError> {
        let named: Vec<_> = texts.into_iter().map(|(to, text)| (channel(self.cluster, to), text)).collect();
        Ok(self.notifier.notify(&named).await?)
    }
}

impl BusReceiver for PostgresReceiver {
    async fn receive(&mut self) -> Result<String, BusError> {
        Ok(self.0.next().await?)
    }
}

impl From<StoreError> for BusError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}
