//! The central authority for editors that send steps (prosemirror-collab, @codemirror/collab): a push is taken if it builds on the
//! newest version, and otherwise answered with the steps that it lacks.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::Action;
use crate::ids::{MemberId, Seq};
use crate::protocol::json::limits::STEPS_MAX;
use crate::protocol::json::request::Steps;
use crate::protocol::json::{ErrorCode, ErrorMessage, ServerMessage, entry};
use crate::room::commit::uncommitted::{Acknowledgement, Receipt};
use crate::room::members::LackedSteps;
use crate::room::room::Room;
use crate::store::{Bodies, Entry, HistoryQuery, Kind, Kinds, NewEntry, Page, RoomId, Store, StoreError};

/// Most bytes of stored pushes in one answer, but for the first push.
const STEPS_BYTES_MAX: usize = 512 * 1024;
/// Pushes that are read before steps are searched for.
const NEWEST_ENTRIES: u32 = 64;
/// Pushes that wait for the version of a room in which nobody has pushed of late.
const PUSHES_WAITING_MAX: usize = 8;
/// When to ask again what is being looked up, in milliseconds.
const SOON_MS: u64 = 100;
/// When to ask again while the database does not answer, in milliseconds.
const LATER_MS: u64 = 1000;

/// Steps that wait until it is known how many there are.
#[derive(Debug)]
pub(in crate::room) struct Push {
    from: MemberId,
    steps: Steps,
    request_id: Option<Box<str>>,
}

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
#[derive(Default)]
struct Since {
    steps: Vec<Box<RawValue>>,
    client_ids: Vec<Box<RawValue>>,
}

impl Room {
    /// Takes steps that follow the newest version, or tells their sender what it lacks.
    pub(in crate::room) fn push_steps(
        &mut self,
        from: MemberId,
        steps: Steps,
        request_id: Option<Box<str>>,
        ctx: &mut Context<Self>,
    ) {
        // Without steps it is a question.
        let action = if steps.steps.is_empty() { Action::ReadHistory } else { Action::Edit };
        let Some(member) = self.may(from, action, &request_id) else { return };
        let (author, name) = (member.user.clone(), member.name.clone());
        let Some(head) = self.timeline.steps else {
            return self.wait_for_version(Push { from, steps, request_id }, ctx);
        };
        if steps.version != head || steps.steps.is_empty() {
            return self.lack_steps(from, steps.version, request_id, ctx);
        }
        let version = head + steps.steps.len() as u64;
        let body = entry::steps_body(&steps, &name);
        let entry = NewEntry { kind: Kind::Step, author, key: None, body };
        if self.keep(from, entry, request_id, Some(version)) {
            self.timeline.steps = Some(version);
        }
    }

    /// Keeps a push until it is known how many steps there are.
    fn wait_for_version(&mut self, push: Push, ctx: &mut Context<Self>) {
        let Some(row) = self.row else {
            // A room without a row has no entries.
            self.timeline.steps = Some(0);
            return self.push_steps(push.from, push.steps, push.request_id, ctx);
        };
        if self.timeline.pushes.len() >= PUSHES_WAITING_MAX {
            return self.put_off(push.from, &push.request_id, SOON_MS);
        }
        self.timeline.pushes.push(push);
        if self.timeline.pushes.len() == 1 {
            self.find_version(row, ctx);
        }
    }

    /// Reads the newest version from the store, then takes the pushes that wait for it.
    fn find_version(&mut self, row: RoomId, ctx: &mut Context<Self>) {
        let store = self.context.store.clone();
        let finding = async move { newest(&store, row).await }.into_actor(self).map(move |found, room, ctx| {
            let waiting = std::mem::take(&mut room.timeline.pushes);
            match found {
                Ok(version) => {
                    room.timeline.steps.get_or_insert(version);
                    for Push { from, steps, request_id } in waiting {
                        room.push_steps(from, steps, request_id, ctx);
                    }
                }
                Err(error) => {
                    tracing::warn!(room.name = %room.name, %error, "the steps' version cannot be read");
                    for Push { from, request_id, .. } in waiting {
                        room.put_off(from, &request_id, LATER_MS);
                    }
                }
            }
            room.end_turn(ctx);
        });
        ctx.spawn(finding);
    }

    /// Tells a member what it lacks once all that is uncommitted now is committed: those steps are among it. One answer at a time.
    fn lack_steps(&mut self, to: MemberId, since: u64, request_id: Option<Box<str>>, ctx: &mut Context<Self>) {
        let Some(json) = self.members.get_mut(to).and_then(|member| member.json.as_mut()) else { return };
        if json.lacks_steps.is_some() {
            return self.put_off(to, &request_id, SOON_MS);
        }
        json.lacks_steps = Some(LackedSteps { request_id, since, is_reading: false });
        if self.uncommitted.when_settled(Acknowledgement { to, receipt: Receipt::Rejected }).is_some() {
            self.reject(to, ctx);
        }
    }

    /// Tells a member which steps it lacks.
    pub(in crate::room) fn reject(&mut self, to: MemberId, ctx: &mut Context<Self>) {
        let head = self.timeline.steps.unwrap_or_default();
        let Some(json) = self.members.get_mut(to).and_then(|member| member.json.as_mut()) else { return };
        let Some(lacked) = &mut json.lacks_steps else { return };
        let since = lacked.since;
        let Some(row) = self.row.filter(|_| since < head) else {
            return self.send_rejection(to, head, &Since::default());
        };
        lacked.is_reading = true;
        let store = self.context.store.clone();
        let permits = self.context.reading_permits.clone();
        let reading = async move {
            let _permit = permits.acquire().await;
            steps_since(&store, row, since).await
        };
        ctx.spawn(reading.into_actor(self).map(move |found, room, ctx| {
            match found {
                Ok(found) => room.send_rejection(to, head, &found),
                Err(error) => {
                    tracing::warn!(room.name = %room.name, %error, "steps cannot be read");
                    if let Some(lacked) = room.take_lacked(to) {
                        room.put_off(to, &lacked.request_id, LATER_MS);
                    }
                }
            }
            room.end_turn(ctx);
        }));
    }

    fn take_lacked(&mut self, of: MemberId) -> Option<LackedSteps> {
        self.members.get_mut(of)?.json.as_mut()?.lacks_steps.take()
    }

    fn send_rejection(&mut self, to: MemberId, head: u64, found: &Since) {
        let Some(LackedSteps { request_id, since, .. }) = self.take_lacked(to) else { return };
        let (room, request_id) = (&self.name, request_id.as_deref());
        let (steps, client_ids) = (&found.steps[..], &found.client_ids[..]);
        let frame = ServerMessage::StepsRejected { room, version: head, since, steps, client_ids, request_id }.frame();
        self.tell(to, frame);
    }

    fn put_off(&mut self, to: MemberId, request_id: &Option<Box<str>>, retry_after_ms: u64) {
        let message = "the steps cannot be looked up now, try again later";
        self.complain(to, ErrorMessage::temporary(ErrorCode::TryLater, message, retry_after_ms), request_id);
    }

    /// Forgets the version: a push was taken that the store refused, or another process took one.
    pub(in crate::room) fn forget_version(&mut self) {
        self.timeline.steps = None;
    }
}

fn pushes(after: Option<Seq>, before: Option<Seq>, page: Page, limit: u32) -> HistoryQuery {
    HistoryQuery { after, before, kinds: Kinds::Only(Kind::Step), author: None, limit, page, bodies: Bodies::All }
}

async fn newest(store: &Store, row: RoomId) -> Result<u64, StoreError> {
    let page = store.history(row, pushes(None, None, Page::Newest, 1)).await?;
    Ok(page.first().and_then(|entry| entry.body.as_ref()).and_then(Pushed::read).map_or(0, |pushed| pushed.end()))
}

/// The first steps after the version `since`: at most [`STEPS_MAX`] and [`STEPS_BYTES_MAX`], at least one push's.
async fn steps_since(store: &Store, row: RoomId, since: u64) -> Result<Since, StoreError> {
    let mut found = Since::default();
    let mut bytes = 0;
    let after = seq_of(store, row, since).await?;
    let page = store.history(row, pushes(after, None, Page::Oldest, STEPS_MAX as u32)).await?;
    for body in page.iter().filter_map(|entry| entry.body.as_ref()) {
        bytes += body.len();
        if !found.steps.is_empty() && (bytes > STEPS_BYTES_MAX || found.steps.len() >= STEPS_MAX) {
            break;
        }
        let Some(Pushed { version, steps, client_ids }) = Pushed::read(body) else { continue };
        let skipped = since.saturating_sub(version) as usize;
        found.steps.extend(steps.into_iter().skip(skipped));
        found.client_ids.extend(client_ids.into_iter().skip(skipped));
    }
    found.steps.truncate(STEPS_MAX);
    found.client_ids.truncate(STEPS_MAX);
    Ok(found)
}

/// The seq after which the steps beyond version `since` begin. Most clients lack little, so it looks at the newest pushes first;
/// else it halves the timeline, for pushes are ordered by version, too.
async fn seq_of(store: &Store, row: RoomId, since: u64) -> Result<Option<Seq>, StoreError> {
    let newest = store.history(row, pushes(None, None, Page::Newest, NEWEST_ENTRIES)).await?;
    let is_known = |entry: &Entry| end(entry).is_none_or(|end| end <= since);
    let known = newest.iter().rfind(|entry| is_known(entry));
    let Some(oldest) = newest.first().filter(|_| known.is_none() && newest.len() == NEWEST_ENTRIES as usize) else {
        return Ok(known.map(|entry| entry.seq));
    };
    // All pushes up to `low` are known, the first one after `high` is not.
    let (mut low, mut high) = (0, oldest.seq.0 - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let next = store.history(row, pushes(Some(Seq(middle)), None, Page::Oldest, 1)).await?;
        match next.first().filter(|entry| is_known(entry)) {
            Some(known) => low = known.seq.0,
            None => high = middle,
        }
    }
    Ok(Some(Seq(low)))
}

fn end(entry: &Entry) -> Option<u64> {
    entry.body.as_ref().and_then(Pushed::read).map(|pushed| pushed.end())
}
