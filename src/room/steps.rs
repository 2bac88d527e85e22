//! The central authority for editors that send steps (prosemirror-collab, @codemirror/collab): a push is taken if it builds on the
//! newest version, and otherwise answered with the steps that it lacks.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::room::Room;
use super::uncommitted::{Acknowledgement, Receipt};
use crate::auth::Action;
use crate::ids::{MemberId, Seq};
use crate::protocol::json::reply::{self, Problem};
use crate::protocol::json::request::{STEPS_MAX, Steps};
use crate::store::{Bodies, Entry, HistoryQuery, Kind, Kinds, NewEntry, Page, RoomId, Store, StoreError};

/// Pushes read at once when steps are looked for.
const PAGE_ENTRIES: u32 = 1000;

/// A stored push, as far as it is read again.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pushed {
    version: u64,
    steps: Vec<Box<RawValue>>,
    client_ids: Vec<Box<RawValue>>,
}

impl Pushed {
    fn read(body: &Bytes) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The version after it.
    fn end(&self) -> u64 {
        self.version + self.steps.len() as u64
    }
}

/// Steps after a version.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Since {
    steps: Vec<Box<RawValue>>,
    client_ids: Vec<Box<RawValue>>,
}

impl Room {
    /// Takes steps that follow the newest version, or tells their sender what it lacks.
    pub(super) fn push_steps(
        &mut self,
        from: MemberId,
        steps: Steps,
        request_id: Option<Box<str>>,
        ctx: &mut Context<Self>,
    ) {
        let Some(member) = self.may(from, Action::Edit, &request_id) else { return };
        let (author, name) = (member.user.clone(), member.name.clone());
        let Some(head) = self.timeline.steps else {
            return self.find_version(from, steps, request_id, ctx);
        };
        if steps.version != head || steps.steps.is_empty() {
            // Behind what is on its way into the store: those steps are among what the sender lacks.
            let receipt = Receipt::Rejected { request_id, since: steps.version };
            return self.acknowledge_when_settled(from, receipt, ctx);
        }
        let version = head + steps.steps.len() as u64;
        let body = reply::steps_body(&steps, &name);
        let entry = NewEntry { kind: Kind::Step, author, key: None, body };
        if self.keep(from, entry, request_id, Some(version)) {
            self.timeline.steps = Some(version);
        }
    }

    /// Reads the newest version from the store, then tries again.
    fn find_version(&mut self, from: MemberId, steps: Steps, request_id: Option<Box<str>>, ctx: &mut Context<Self>) {
        let Some(row) = self.row else {
            self.timeline.steps = Some(0);
            return self.push_steps(from, steps, request_id, ctx);
        };
        let store = self.context.store.clone();
        let finding = async move { newest(&store, row).await }.into_actor(self).map(move |found, room, ctx| {
            match found {
                Ok(version) => {
                    room.timeline.steps.get_or_insert(version);
                    room.push_steps(from, steps, request_id, ctx);
                }
                Err(error) => room.cannot_read(from, &error, &request_id),
            }
            room.end_turn(ctx);
        });
        ctx.spawn(finding);
    }

    /// Tells a sender what it lacks after the version `since`.
    pub(super) fn reject(&mut self, to: MemberId, request_id: Option<Box<str>>, since: u64, ctx: &mut Context<Self>) {
        let head = self.timeline.steps.unwrap_or_default();
        let Some(row) = self.row.filter(|_| since < head) else {
            return self.send_rejection(to, &request_id, head, since, &Since::default());
        };
        let store = self.context.store.clone();
        let reading =
            async move { steps_since(&store, row, since).await }.into_actor(self).map(move |found, room, ctx| {
                match found {
                    Ok(found) => room.send_rejection(to, &request_id, head, since, &found),
                    Err(error) => room.cannot_read(to, &error, &request_id),
                }
                room.end_turn(ctx);
            });
        ctx.spawn(reading);
    }

    fn send_rejection(&mut self, to: MemberId, request_id: &Option<Box<str>>, head: u64, since: u64, found: &Since) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Rejected<'a> {
            room: &'a str,
            version: u64,
            since: u64,
            #[serde(flatten)]
            found: &'a Since,
            #[serde(skip_serializing_if = "Option::is_none")]
            request_id: Option<&'a str>,
        }
        let (room, request_id) = (self.name.as_str(), request_id.as_deref());
        let frame = reply::message("edit.rejected", Rejected { room, version: head, since, found, request_id });
        self.tell(to, frame);
    }

    fn cannot_read(&mut self, to: MemberId, error: &StoreError, request_id: &Option<Box<str>>) {
        tracing::warn!(room.name = %self.name, %error, "steps cannot be read");
        self.complain(
            to,
            Problem::passing("try_later", "the database does not answer, try again later", 1000),
            request_id,
        );
    }

    /// Forgets the version: a push was taken that the store refused.
    pub(super) fn forget_version(&mut self) {
        self.timeline.steps = None;
    }

    /// Acknowledges once all that is uncommitted now is committed.
    pub(super) fn acknowledge_when_settled(&mut self, to: MemberId, receipt: Receipt, ctx: &mut Context<Self>) {
        if let Some(settled) = self.uncommitted.when_settled(Acknowledgement { to, receipt }) {
            self.acknowledge(settled, None, ctx);
        }
    }
}

fn pushes(after: Option<Seq>, before: Option<Seq>, page: Page, limit: u32) -> HistoryQuery {
    HistoryQuery { after, before, kinds: Kinds::Only(Kind::Step), author: None, limit, page, bodies: Bodies::All }
}

async fn newest(store: &Store, row: RoomId) -> Result<u64, StoreError> {
    let page = store.history(row, pushes(None, None, Page::Newest, 1)).await?;
    Ok(page.first().and_then(|entry| entry.body.as_ref()).and_then(Pushed::read).map_or(0, |pushed| pushed.end()))
}

/// The first steps after the version `since`, at most [`STEPS_MAX`] and some that belong to the same push.
async fn steps_since(store: &Store, row: RoomId, since: u64) -> Result<Since, StoreError> {
    // Backwards from the newest, for most clients lack little; only the pushes that hold the first steps are kept.
    let mut before = None;
    let mut pushed: Vec<Pushed> = Vec::new();
    loop {
        let page = store.history(row, pushes(None, before, Page::Newest, PAGE_ENTRIES)).await?;
        let oldest = page.first().map(|entry: &Entry| entry.seq);
        let mut read: Vec<Pushed> =
            page.iter().filter_map(|entry| entry.body.as_ref()).filter_map(Pushed::read).collect();
        let is_enough = read.first().is_none_or(|first| first.version <= since);
        read.append(&mut pushed);
        read.retain(|pushed| pushed.end() > since && pushed.version < since + STEPS_MAX as u64);
        pushed = read;
        if is_enough {
            break;
        }
        before = oldest;
    }
    let mut found = Since::default();
    for Pushed { version, steps, client_ids } in pushed {
        let skipped = since.saturating_sub(version) as usize;
        found.steps.extend(steps.into_iter().skip(skipped));
        found.client_ids.extend(client_ids.into_iter().skip(skipped));
    }
    found.steps.truncate(STEPS_MAX);
    found.client_ids.truncate(STEPS_MAX);
    Ok(found)
}
