//! How a server is joined to the others on its database: by which bus, and who hears what comes from them.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::sync::Notify;
use uuid::Uuid;

use super::error::ServerError;
use crate::auth::Tickets;
use crate::budget::ByteBudget;
use crate::bus::{
    Answer, Bus, BusError, BusRuntime, Cluster, Deliver, NatsBus, PostgresBus, Question, RoomMessage, StreamMessage,
    Uplinked,
};
use crate::config::{BusConfig, Config};
use crate::history::Histories;
use crate::ids::RoomName;
use crate::room::{Directory, Disconnect, EndDeleted, FromServer, GetPresence, UserSockets};
use crate::socket::{EventStreams, Said, Uplink, UplinkError};
use crate::store::{RoomId, RoomRow, Store, StoreError, StoreSettings};
use crate::wire::Frame;

/// What may wait in rooms' mailboxes of what came with the bus, in bytes.
const MAIL_BYTES_MAX: usize = 32 << 20;
/// What a message costs beside what it holds, about.
const MESSAGE_BYTES: usize = 256;

/// What other servers may ask for.
#[derive(Clone)]
pub(super) struct Here {
    pub directory: Arc<Directory>,
    pub user_sockets: Arc<UserSockets>,
    pub event_streams: Arc<EventStreams>,
    pub tickets: Arc<Tickets>,
    pub histories: Histories,
}

/// Hands what comes from other servers to the rooms that live here, and answers questions.
struct Mail {
    cluster: Weak<Cluster>,
    here: Here,
    revoked: Arc<Notify>,
    budget: Arc<ByteBudget>,
    /// Where answers are awaited.
    runtime: actix::ArbiterHandle,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail")
    }
}

fn bytes(say: &RoomMessage) -> usize {
    MESSAGE_BYTES
        + match say {
            RoomMessage::Entries { entries, .. } => entries.iter().map(|entry| MESSAGE_BYTES + entry.body.len()).sum(),
            RoomMessage::State { state, .. } | RoomMessage::Change(state) => {
                let states =
                    state.states.iter().map(|state| MESSAGE_BYTES + state.state.as_ref().map_or(0, String::len));
                states.sum::<usize>() + MESSAGE_BYTES * state.users.len()
            }
            RoomMessage::Absent { users, .. } => MESSAGE_BYTES * users.len(),
            RoomMessage::Signal(_) | RoomMessage::Deleted { .. } | RoomMessage::Erased { .. } => MESSAGE_BYTES,
        }
}

impl Deliver for Mail {
    fn room(&self, room: &RoomName, from: Uuid, mut say: RoomMessage) -> bool {
        if let RoomMessage::Erased { row, .. } = say {
            self.here.histories.forget(RoomId(row));
        }
        let Some(addr) = self.here.directory.peek(room) else { return true };
        if self.budget.is_full() {
            // What was committed is read later; what is said and not kept is lost.
            match &mut say {
                RoomMessage::Entries { entries, .. } => entries.clear(),
                RoomMessage::Deleted { .. } | RoomMessage::Erased { .. } => {}
                RoomMessage::Signal(_) => return true,
                RoomMessage::State { .. } | RoomMessage::Change(_) | RoomMessage::Absent { .. } => return false,
            }
        }
        let held = self.budget.hold(bytes(&say));
        addr.do_send(FromServer::Told { from, say, held });
        true
    }

    fn entered(&self, room: &RoomName, by: Uuid) {
        if let Some(room) = self.here.directory.peek(room) {
            room.do_send(FromServer::Entered(by));
        }
    }

    fn left(&self, room: &RoomName, by: Uuid) {
        if let Some(room) = self.here.directory.peek(room) {
            room.do_send(FromServer::Left(by));
        }
    }

    fn head(&self, row: &RoomRow) {
        if let Some(room) = self.here.directory.peek(&row.name) {
            room.do_send(FromServer::Head(row.id, row.head, row.epoch));
        }
    }

    fn deleted(&self, row: &RoomRow) {
        if let Some(room) = self.here.directory.peek(&row.name) {
            room.do_send(FromServer::Deleted(row.id));
        }
    }

    fn missing(&self, room: &RoomName) {
        if let Some(room) = self.here.directory.peek(room) {
            room.do_send(FromServer::Missing);
        }
    }

    fn ask(&self, from: Uuid, id: u64, question: Question) {
        let (cluster, here) = (self.cluster.clone(), self.here.clone());
        self.runtime.spawn(async move {
            let answer = answer(question, &here).await;
            if let Some(cluster) = cluster.upgrade() {
                cluster.answer(from, id, answer);
            }
        });
    }

    fn revoked(&self) {
        self.revoked.notify_one();
    }
}

/// What this server has to say to another one's question.
async fn answer(question: Question, Here { directory, user_sockets, event_streams, tickets, .. }: &Here) -> Answer {
    match question {
        Question::Redeem { ticket } => Answer::Token { token: tickets.redeem(&ticket, Instant::now()) },
        Question::Say { stream, user, said, key } => {
            let said = match said {
                Some(StreamMessage { is_binary: true, payload }) => Said::Binary(payload),
                Some(StreamMessage { payload, .. }) => Said::Text(payload),
                None => Said::End,
            };
            let outcome = match event_streams.say(stream, Uplink { user, said, key }).await {
                Ok(()) => Uplinked::Heard,
                Err(UplinkError::Behind) => Uplinked::Behind,
                Err(UplinkError::Gone) => Uplinked::Gone,
            };
            Answer::Uplinked { outcome }
        }
        Question::Presence { room } => {
            let users = match directory.peek(&room) {
                // A room that ended meanwhile has nobody in it.
                Some(room) => room.send(GetPresence).await.unwrap_or_default(),
                None => Vec::new(),
            };
            let users = users.into_iter().map(|user| (user.user, user.name.to_string(), user.sockets)).collect();
            Answer::Presence { users }
        }
        Question::Disconnect { room, user, reason } => {
            let count = match directory.peek(&room) {
                Some(room) => room.send(Disconnect { user, reason }).await.unwrap_or_default(),
                None => 0,
            };
            Answer::Count { count }
        }
        Question::RoomDeleted { room, row } => end_deleted(&room, row.map(RoomId), directory).await,
        Question::MayBeDeleted { room } => end_deleted(&room, None, directory).await,
        Question::Direct { user, text } => {
            Answer::Count { count: user_sockets.tell(&user, &Frame::text(&[text.as_bytes()])) }
        }
        Question::Stats => Answer::Stats { figures: serde_json::Value::Null },
    }
}

/// Puts everyone out of a room that was deleted, or that looks whether it was.
async fn end_deleted(room: &RoomName, row: Option<RoomId>, directory: &Directory) -> Answer {
    let count = match directory.peek(room) {
        Some(room) => room.send(EndDeleted { row }).await.unwrap_or_default(),
        None => 0,
    };
    Answer::Count { count }
}

/// A server's way to the others.
pub(super) struct Link {
    pub cluster: Arc<Cluster>,
    runtime: Option<BusRuntime>,
    bus: Proved,
}

enum Proved {
    None,
    Postgres(PostgresBus),
    Nats(NatsBus),
}

impl Link {
    /// Finds the bus that the configuration names, and proves that it carries something: who starts is told what is wrong.
    pub async fn open(config: &Config, settings: &StoreSettings, store: &Store) -> Result<Self, ServerError> {
        let (me, label, grace) = (settings.incarnation, config.store.server_name.clone(), config.timing.presence_grace);
        let none = || Self { cluster: Cluster::new(me, label.clone(), false, grace), runtime: None, bus: Proved::None };
        let Some(id) = store.cluster().await? else { return Ok(none()) };
        let runtime = BusRuntime::start().map_err(failed)?;
        let bus = match &config.bus {
            BusConfig::None => return Ok(none()),
            BusConfig::Postgres(url) => {
                let url = url.as_deref().unwrap_or(&settings.url);
                let settings = StoreSettings { url: url.to_owned(), ..settings.clone() };
                let bus = PostgresBus::new(&settings, id).await.map_err(failed)?;
                Proved::Postgres(prove(&runtime, bus).await?)
            }
            BusConfig::Nats(url) => Proved::Nats(prove(&runtime, NatsBus::new(url.clone(), id)).await?),
        };
        Ok(Self { cluster: Cluster::new(me, label, true, grace), runtime: Some(runtime), bus })
    }

    /// Hears the others, and is heard, from now on, until what is returned is dropped. Done once it knows those that live.
    pub async fn start(self, store: &Store, here: Here, revoked: Arc<Notify>) -> Option<BusRuntime> {
        let Self { cluster, runtime, bus } = self;
        let runtime = runtime?;
        let mail = Arc::new(Mail {
            cluster: Arc::downgrade(&cluster),
            here,
            revoked,
            budget: ByteBudget::new(MAIL_BYTES_MAX, None),
            runtime: actix::Arbiter::current(),
        });
        match bus {
            Proved::None => return None,
            Proved::Postgres(bus) => runtime.run(bus, &cluster, store, mail),
            Proved::Nats(bus) => runtime.run(bus, &cluster, store, mail),
        }
        runtime.meet(&cluster, store).await;
        Some(runtime)
    }
}

async fn prove<B: Bus>(runtime: &BusRuntime, bus: B) -> Result<B, ServerError> {
    runtime.prove(bus).await.map_err(failed)
}

fn failed(error: BusError) -> ServerError {
    ServerError::Store(StoreError::Open(format!(
        "the bus to other servers does not work (TUTTI_BUS, TUTTI_BUS_URL): {error}"
    )))
}
