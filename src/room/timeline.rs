//! Where a room's timeline stands, and how JSON members come up to it: entry by entry from the store until they are at the present,
//! then live, so that they get each exactly once and in order.

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::{Bytes, BytesMut};

use super::recent::Recent;
use super::relay::Counted;
use super::room::Room;
use crate::ids::{MemberId, Seq};
use crate::protocol::json::reply;
use crate::protocol::{CloseCode, Dialect};
use crate::store::{Bodies, Entry, HistoryQuery, Kind, Kinds, Page, StoreError};

/// Entries read from the store at once.
const PAGE_ENTRIES: u32 = 200;
/// A page with fewer bytes was not cut short.
const PAGE_BYTES: usize = crate::store::HISTORY_BYTES_MAX / 2;

/// Where the timeline stands.
#[derive(Debug)]
pub(super) struct Timeline {
    /// The newest entry that this room knows to be committed.
    pub head: Seq,
    pub recent: Recent,
    /// How many steps there are, also uncommitted ones; `None` until somebody pushes.
    pub steps: Option<u64>,
}

impl Timeline {
    /// Of a room whose newest entry is `head`.
    pub fn new(head: Seq) -> Self {
        Self { head, recent: Recent::new(head), steps: None }
    }

    /// Notes a committed entry.
    pub fn advance(&mut self, seq: Seq) {
        if seq > Seq(self.head.0 + 1) {
            // Another process wrote to the room, too.
            self.recent = Recent::new(Seq(seq.0 - 1));
        }
        self.head = self.head.max(seq);
    }

    /// Keeps no recent entries, since nobody would ask.
    pub fn forget(&mut self) {
        self.recent = Recent::new(self.head);
    }
}

impl Room {
    /// Sends a member that is behind what it lacks, as much as is good at once; it asks for more when it has taken that.
    pub(super) fn more(&mut self, to: MemberId, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get(to) else { return };
        let Some(json) = &member.json else { return };
        let kinds = if json.wants_edits { Kinds::All } else { Kinds::NotEdits };
        let Some(after) = json.catching_up else { return self.outbound.caught_up(member.link, to) };
        if self.catch_up(to, after) {
            return;
        }
        let Some(row) = self.row else { return };
        let json = self.members.get_mut(to).and_then(|member| member.json.as_mut());
        if json.is_none_or(|json| std::mem::replace(&mut json.is_reading, true)) {
            return;
        }
        let upto = self.timeline.head;
        let query = HistoryQuery {
            after: Some(after),
            // What is committed beyond this is shown live, later.
            before: Some(Seq(upto.0 + 1)),
            kinds,
            author: None,
            limit: PAGE_ENTRIES,
            page: Page::Oldest,
            bodies: Bodies::All,
        };
        let store = self.context.store.clone();
        let reading = async move { store.history(row, query).await };
        ctx.spawn(reading.into_actor(self).map(move |page, room, ctx| {
            room.take_page(to, upto, page, ctx);
            room.end_turn(ctx);
        }));
    }

    /// Goes on with those who are behind: what was read for them is lost with the restart.
    pub(super) fn read_on(&mut self, ctx: &mut Context<Self>) {
        for behind in self.members.take_reading() {
            self.more(behind, ctx);
        }
    }

    fn take_page(&mut self, to: MemberId, upto: Seq, page: Result<Vec<Entry>, StoreError>, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(to) else { return };
        let link = member.link;
        let Some(json) = &mut member.json else { return };
        json.is_reading = false;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(room.name = %self.name, %error, "a timeline cannot be read");
                return self.outbound.close(link, to, CloseCode::TryLater, "the timeline cannot be read now");
            }
        };
        let bytes: usize = page.iter().filter_map(|entry| entry.body.as_ref()).map(Bytes::len).sum();
        let is_end = page.len() < PAGE_ENTRIES as usize && bytes < PAGE_BYTES;
        let after = page.last().map_or(upto, |last| if is_end { upto } else { last.seq });
        json.catching_up = Some(after);
        let frames: Vec<Bytes> = page.iter().map(|entry| self.frame_of(entry)).collect();
        if !frames.is_empty() {
            self.outbound.one(link, to, joined(&frames), Counted::No);
        }
        if !self.catch_up(to, after) && frames.is_empty() {
            // Nothing is on its way whose arrival would ask for more.
            self.more(to, ctx);
        }
    }

    /// Lets a member in that lacks only what is at hand after `after`. Whether it does.
    fn catch_up(&mut self, to: MemberId, after: Seq) -> bool {
        let Some(member) = self.members.get(to) else { return true };
        let (link, wants_edits) = (member.link, member.json.as_ref().is_some_and(|json| json.wants_edits));
        let rest = match self.timeline.recent.after(after) {
            _ if after >= self.timeline.head => Vec::new(),
            Some(rest) if !wants_edits => rest,
            _ => return false,
        };
        if !rest.is_empty() {
            self.outbound.one(link, to, joined(&rest), Counted::No);
        }
        self.let_in(to);
        self.outbound.caught_up(link, to);
        true
    }

    /// Shows a JSON member who is there, and lets live frames reach it from here on.
    pub(super) fn let_in(&mut self, to: MemberId) {
        let name = self.name.clone();
        let frame = self.roster().state_frame(&name);
        let Some(member) = self.members.get_mut(to) else { return };
        if let Some(json) = &mut member.json {
            json.catching_up = None;
        }
        self.outbound.attach(member.link, to, Dialect::Json);
        self.outbound.one(member.link, to, frame, Counted::Yes);
    }

    /// An entry as JSON members are shown it.
    fn frame_of(&self, entry: &Entry) -> Bytes {
        let body = entry.body.as_deref().unwrap_or_default();
        match entry.kind {
            Kind::Edit => reply::edit(&self.name, &entry.author, entry.at_ms, entry.seq, body),
            _ => reply::stamped(&self.name, &entry.author, entry.at_ms, Some(entry.seq), body),
        }
    }
}

fn joined(frames: &[Bytes]) -> Bytes {
    let mut all = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    for frame in frames {
        all.extend_from_slice(frame);
    }
    all.freeze()
}
