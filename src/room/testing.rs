//! A room without actors, for the tests of its parts: members, settings and a time, and what was sent. And rooms that live on the
//! thread of a test, over a database of its own.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter};
use uuid::Uuid;

use super::commit::{Commit, Journal, Uncommitted};
use super::context::BackEnd;
use super::directory::Directory;
use super::elsewhere::Elsewhere;
use super::fanout::{Outbound, Sent};
use super::io::Io;
use super::members::{ClientState, LoggedRefusals, Member, Members};
use super::settings::RoomSettings;
use crate::archive::{Archive, DocumentRules};
use crate::auth::{Access, Action, allows};
use crate::budget::ByteBudget;
use crate::bus::Cluster;
use crate::ids::{MemberId, RoomName, UserId};
use crate::protocol::Dialect;
use crate::rate::Rate;
use crate::store::{RoomId, Store, StoreSettings};
use crate::webhooks::RoomEvents;
use crate::wire::Frame;

thread_local! {
    static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
}

/// All of so many members, or of so many awareness states, are looked at.
pub(super) fn look_at(count: usize) {
    LOOKED_AT.set(LOOKED_AT.get() + count);
}

/// How many were looked at since this was last asked.
pub(super) fn looked_at() -> usize {
    LOOKED_AT.take()
}

/// How long anything may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// Rooms on this thread, over a database in `folder`.
pub(super) async fn directory(folder: &Path) -> Arc<Directory> {
    let url = format!("sqlite://{}", folder.join("tutti.db").display());
    let store = Store::open(StoreSettings::new(url, "s1")).await.unwrap();
    store.migrate().await.unwrap();
    let cluster = Cluster::new(Uuid::new_v4(), "s1".into(), false, Duration::ZERO);
    let rules = DocumentRules { bytes_max: 1 << 20, gc: true, gc_off_rooms: Vec::new() };
    let archive = Archive::new(store.clone(), rules);
    let journal = Journal::new(store.clone(), cluster.clone(), 100, 1 << 20).start();
    let back_end = BackEnd { seed: None, events: RoomEvents::unheard() };
    Directory::new(vec![Arbiter::current()], store, archive, journal, cluster, back_end, TestRoom::new().settings)
}

/// What the parts of a room borrow.
pub(super) struct TestRoom {
    pub name: RoomName,
    pub settings: RoomSettings,
    pub members: Members,
    pub outbound: Outbound,
    pub elsewhere: Elsewhere,
    pub now: Instant,
    joined: u64,
}

impl TestRoom {
    pub fn new() -> Self {
        let rate = Rate { per_second: 1_000.0, burst: 1_000.0 };
        let settings = RoomSettings {
            document_bytes_max: 1 << 20,
            documents_bytes_max: 1 << 20,
            unsaved_bytes_max: 1 << 20,
            uncommitted_bytes_max: 1 << 20,
            idle: Duration::from_secs(30),
            presence_grace: Duration::from_secs(10),
            awareness_bytes_max: 1 << 20,
            presence_users_max: 200,
            replay_entries_max: 1_000,
            say_rate: rate,
            inflow_rate: rate,
            keeps_stateless: false,
            quotas: Arc::default(),
            batch_entries_max: 100,
            batch_bytes_max: 1 << 20,
        };
        Self {
            name: RoomName::parse("docs/plan").unwrap(),
            settings,
            members: Members::default(),
            outbound: Outbound::unconnected(),
            elsewhere: Elsewhere::default(),
            now: Instant::now(),
            joined: 0,
        }
    }

    pub fn io(&mut self) -> Io<'_> {
        Io {
            name: &self.name,
            members: &mut self.members,
            outbound: &mut self.outbound,
            elsewhere: &mut self.elsewhere,
            settings: &self.settings,
            now: self.now,
        }
    }

    /// A new member, of whom nobody is told.
    pub fn join(&mut self, dialect: Dialect, user: &str, access: Access) -> MemberId {
        self.joined += 1;
        let id = MemberId(self.joined);
        let member = Member {
            link: 0,
            client: ClientState::new(dialect, allows(access, Action::Edit)),
            user: UserId::new(user),
            name: user.into(),
            access,
            looks_back: allows(access, Action::ReadPast),
            own_client: None,
            awareness_asked: None,
            logged: LoggedRefusals::default(),
        };
        self.members.insert(id, member);
        id
    }

    /// What was sent since this was last asked.
    pub fn sent(&mut self) -> Vec<Sent> {
        self.outbound.take_sent()
    }

    /// The way into the store of a room that has a row.
    pub fn commit(&self) -> Commit {
        let mut commit = self.new_commit();
        commit.on_loaded(Some((RoomId(1), 0)), 0);
        commit
    }

    /// As [`commit`](Self::commit), without a row.
    pub fn new_commit(&self) -> Commit {
        let settings = &self.settings;
        let budget = ByteBudget::new(settings.uncommitted_bytes_max, None);
        let (entries_max, bytes_max) = (settings.batch_entries_max, settings.batch_bytes_max);
        let uncommitted = Uncommitted::new(settings.unsaved_bytes_max, &budget, entries_max, bytes_max);
        Commit::new(uncommitted, settings.quotas.clone(), settings.quotas.room_bytes_max(&self.name))
    }
}

/// The JSON messages that were sent, by type, each with its receiver, or none if it went to all.
pub(super) fn json_types(sent: &[Sent]) -> Vec<(String, Option<MemberId>)> {
    let typed = |frame: &Frame| {
        let message: serde_json::Value = serde_json::from_slice(frame.payload()).unwrap_or_default();
        message["type"].as_str().unwrap_or_default().to_owned()
    };
    let messages = sent.iter().filter_map(|sent| match sent {
        Sent::All { dialect: Dialect::Json, frame, .. } => Some((typed(frame), None)),
        Sent::One { to, frame } => Some((typed(frame), Some(*to))),
        _ => None,
    });
    messages.filter(|(kind, _)| !kind.is_empty()).collect()
}
