//! The bus of those who run NATS: its core, which promises nothing. Subjects are made of ids alone: no room's name is in one.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use super::transport::{Bus, BusError, BusReceiver, BusSender, Channel};

/// A connection that is silent for twice this long is dead.
const PING_EVERY: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the server may take to answer that it has everything.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(4);
/// Texts that wait to be looked at; past that the connection counts as broken.
const TEXTS_MAX: usize = 4_096;

/// A cluster's subjects on a NATS server.
pub struct NatsBus {
    url: Url,
    cluster: Uuid,
}

/// Publishes.
pub struct NatsSender {
    client: Client,
    cluster: Uuid,
}

/// Subscribes.
pub struct NatsReceiver {
    all: Subscriber,
    own: Subscriber,
    /// Why the connection is not to be trusted any more.
    troubles: mpsc::Receiver<String>,
    /// Lives as long as what subscribes.
    _client: Client,
}

impl NatsBus {
    /// On the server at `url` (`nats://` or `tls://`).
    pub fn new(url: Url, cluster: Uuid) -> Self {
        Self { url, cluster }
    }
}

fn subject(cluster: Uuid, channel: Channel) -> String {
    match channel {
        Channel::All => format!("tutti.{}.all", cluster.simple()),
        Channel::Server(server) => format!("tutti.{}.server.{}", cluster.simple(), server.simple()),
    }
}

fn error(error: impl std::fmt::Display) -> BusError {
    BusError(error.to_string())
}

impl Bus for NatsBus {
    type Sender = NatsSender;
    type Receiver = NatsReceiver;
    /// A message has at most a MiB, unless the server is told otherwise.
    const TEXT_BYTES_MAX: usize = 1_000_000;

    async fn open(&self, me: Uuid) -> Result<(NatsSender, NatsReceiver), BusError> {
        let (tell, troubles) = mpsc::channel(1);
        let mut options = ConnectOptions::new()
            .name("tutti")
            .ping_interval(PING_EVERY)
            .connection_timeout(CONNECT_TIMEOUT)
            .subscription_capacity(TEXTS_MAX)
            // A lost connection is a gap, and a new one is made by who is told.
            .max_reconnects(1)
            .event_callback(move |event| {
                let tell = tell.clone();
                async move {
                    if !matches!(event, Event::Connected) {
                        // One is enough.
                        let _ = tell.try_send(event.to_string());
                    }
                }
            });
        let (user, password) = (self.url.username(), self.url.password());
        if let Some(password) = password {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        } else if !user.is_empty() {
            options = options.token(user.to_owned());
        }
        let mut address = self.url.clone();
        // They would be in messages.
        if address.set_username("").is_err() || address.set_password(None).is_err() {
            return Err(BusError("the URL of the bus has no host".to_owned()));
        }
        let client =
            timeout(CONNECT_TIMEOUT, options.connect(address.as_str())).await.map_err(error)?.map_err(error)?;
        let all = client.subscribe(subject(self.cluster, Channel::All)).await.map_err(error)?;
        let own = client.subscribe(subject(self.cluster, Channel::Server(me))).await.map_err(error)?;
        // Only now the server has the subscriptions.
        timeout(FLUSH_TIMEOUT, client.flush()).await.map_err(error)?.map_err(error)?;
        let sender = NatsSender { client: client.clone(), cluster: self.cluster };
        Ok((sender, NatsReceiver { all, own, troubles, _client: client }))
    }
}

impl BusSender for NatsSender {
    async fn send(&mut self, texts: Vec<(Channel, String)>) -> Result<(), BusError> {
        let send = async {
            for (to, text) in texts {
                self.client.publish(subject(self.cluster, to), text.into()).await.map_err(error)?;
            }
            self.client.flush().await.map_err(error)
        };
        timeout(FLUSH_TIMEOUT, send).await.map_err(|_| BusError("the NATS server takes nothing".to_owned()))?
    }
}

impl BusReceiver for NatsReceiver {
    async fn receive(&mut self) -> Result<String, BusError> {
        let message = tokio::select! {
            biased;
            trouble = self.troubles.recv() => return Err(BusError(trouble.unwrap_or_default())),
            message = self.own.next() => message,
            message = self.all.next() => message,
        };
        let message = message.ok_or_else(|| BusError("the subscription has ended".to_owned()))?;
        String::from_utf8(message.payload.into()).map_err(error)
    }
}
