//! Where a room's timeline stands, and how JSON members come up to it: entry by entry from the store until they are at the present,
//! then live, so that they get each exactly once and in order.

use std::collections::VecDeque;

use actix::fut::ActorFutureExt;
use actix::{AsyncContext, Context, WrapFuture};
use bytes::Bytes;

use crate::ids::{MemberId, Seq};
use crate::protocol::json::{ServerMessage, entry};
use crate::protocol::{CloseCode, Dialect};
use crate::room::fanout::relay::Counted;
use crate::room::members::Reading;
use crate::room::messages::JsonJoin;
use crate::room::room::Room;
use crate::room::timeline::recent::Recent;
use crate::room::timeline::steps::Push;
use crate::store::{Bodies, Entry, HistoryQuery, Kind, Kinds, Page, StoreError};
use crate::wire::Frame;

/// Entries read from the store at once.
const PAGE_ENTRIES: u32 = 200;
/// Questions to the store on behalf of members at once, in one room.
const READINGS_MAX: usize = 2;
/// A page with fewer bytes was not cut short by the store.
const PAGE_READ_BYTES: usize = crate::store::HISTORY_BYTES_MAX / 2;
/// Most bytes of bodies sent at once, but for the first one: so much may wait for each client that does not read.
const PAGE_SENT_BYTES: usize = 256 * 1024;

/// Where the timeline stands.
#[derive(Debug)]
pub(in crate::room) struct Timeline {
    /// The newest entry that this room knows to be committed.
    pub head: Seq,
    pub recent: Recent,
    /// How many steps there are, also uncommitted ones; `None` until somebody pushes.
    pub steps: Option<u64>,
    /// What was pushed before that was known.
    pub pushes: Vec<Push>,
    /// Questions to the store on behalf of members that are under way.
    readings: usize,
    /// Whose questions wait for those. Who has left is passed over.
    readers: VecDeque<MemberId>,
}

impl Timeline {
    /// Of a room whose newest entry is `head`.
    pub fn new(head: Seq) -> Self {
        Self { head, recent: Recent::new(head), steps: None, pushes: Vec::new(), readings: 0, readers: VecDeque::new() }
    }

    /// Goes on at `head`, where the store is.
    pub fn jump(&mut self, head: Seq) {
        self.head = head;
        self.recent = Recent::new(head);
        self.steps = None;
    }

    /// Notes a committed entry, the next one: what others wrote before it was read first.
    pub fn advance(&mut self, seq: Seq) {
        self.head = self.head.max(seq);
    }

    /// Keeps no recent entries, since nobody would ask.
    pub fn forget(&mut self) {
        self.recent = Recent::new(self.head);
    }
}

impl Room {
    /// Lets a JSON member in: at once, or when it has come up to the present.
    pub(in crate::room) fn join_json(&mut self, id: MemberId, join: JsonJoin, ctx: &mut Context<Self>) {
        match join.since {
            Some(_) => self.come_back(id, join, ctx),
            None => self.enter_json(id, join, ctx),
        }
    }

    /// Lets a JSON member in while it cannot be told what it lacks.
    pub(in crate::room) fn enter_unsure(&mut self, id: MemberId, join: JsonJoin) {
        let JsonJoin { wants_edits, request_id, .. } = join;
        let Some(json) = self.members.get_mut(id).and_then(|member| member.json.as_mut()) else { return };
        json.wants_edits = wants_edits;
        self.welcome(id, false, request_id);
    }

    /// Lets a JSON member in by what the room knows of the timeline.
    pub(in crate::room) fn enter_json(&mut self, id: MemberId, join: JsonJoin, ctx: &mut Context<Self>) {
        let JsonJoin { since, wants_edits, request_id } = join;
        let replay_max = self.context.settings.replay_entries_max;
        let head = self.timeline.head;
        let Some(json) = self.members.get_mut(id).and_then(|member| member.json.as_mut()) else { return };
        json.wants_edits = wants_edits;
        let lacks = since.map_or(Some(0), |since| head.0.checked_sub(since.0));
        match lacks {
            Some(0) => self.welcome(id, true, request_id),
            // What it lacks may be mostly edits, of which it would be sent nothing.
            Some(lacks) if lacks > replay_max && !wants_edits => {
                json.catching_up = since;
                json.reading = Some(Reading::Count(request_id));
                self.read(id, ctx);
            }
            Some(lacks) if lacks <= replay_max => {
                json.catching_up = since;
                self.welcome(id, true, request_id);
            }
            _ => self.welcome(id, false, request_id),
        }
    }

    /// Asks the store what a member waits for, if not too many do already: who comes and leaves without end has its questions passed
    /// over, and those of others soon have their turn.
    fn read(&mut self, of: MemberId, ctx: &mut Context<Self>) {
        if self.timeline.readings >= READINGS_MAX {
            return self.timeline.readers.push_back(of);
        }
        let Some(json) = self.members.get(of).and_then(|member| member.json.as_ref()) else { return };
        match &json.reading {
            Some(Reading::Count(_)) => self.count(of, ctx),
            Some(Reading::Page) => self.read_page(of, ctx),
            Some(Reading::Head) | None => {}
        }
    }

    fn has_read(&mut self, ctx: &mut Context<Self>) {
        self.timeline.readings -= 1;
        while self.timeline.readings < READINGS_MAX
            && let Some(next) = self.timeline.readers.pop_front()
        {
            self.read(next, ctx);
        }
    }

    /// Counts what a member lacks.
    fn count(&mut self, of: MemberId, ctx: &mut Context<Self>) {
        let Some(json) = self.members.get(of).and_then(|member| member.json.as_ref()) else { return };
        let (Some(row), Some(since)) = (self.row, json.catching_up) else { return };
        let replay_max = self.context.settings.replay_entries_max;
        let store = self.context.store.clone();
        let permits = self.context.reading_permits.clone();
        let counting = async move {
            let _permit = permits.acquire().await;
            store.count_but_edits(row, since, replay_max + 1).await
        };
        self.timeline.readings += 1;
        ctx.spawn(counting.into_actor(self).map(move |count, room, ctx| {
            room.counted(of, count, ctx);
            room.has_read(ctx);
            room.end_turn(ctx);
        }));
    }

    fn counted(&mut self, of: MemberId, count: Result<u64, StoreError>, ctx: &mut Context<Self>) {
        let is_few = count.map(|count| count <= self.context.settings.replay_entries_max);
        let Some(member) = self.members.get_mut(of) else { return };
        let Some(json) = &mut member.json else { return };
        let Some(Reading::Count(request_id)) = json.reading.take() else { return };
        let is_few = match is_few {
            Ok(is_few) => is_few,
            Err(error) => {
                let link = member.link;
                return self.cannot_read(link, of, &error);
            }
        };
        json.catching_up = json.catching_up.filter(|_| is_few);
        let is_asking = std::mem::take(&mut json.is_asking);
        self.welcome(of, is_few, request_id);
        if is_asking {
            self.more(of, ctx);
        }
    }

    /// Answers a request to join, and lets the member in if it lacks nothing.
    fn welcome(&mut self, id: MemberId, recovered: bool, request_id: Option<Box<str>>) {
        let members = self.roster().members();
        let Some(member) = self.members.get(id) else { return };
        let (room, seq) = (&self.name, self.timeline.head);
        let (access, request_id) = (member.access, request_id.as_deref());
        let link = member.link;
        let is_behind = member.json.as_ref().is_some_and(|json| json.catching_up.is_some());
        let frame = ServerMessage::Joined { room, seq, access, recovered, members, request_id }.frame();
        self.tell(id, frame);
        self.outbound.let_in(link, id);
        if !is_behind {
            self.let_in(id);
        }
    }

    /// Sends a member that is behind what it lacks, as much as is good at once; it asks for more when it has taken that.
    pub(in crate::room) fn more(&mut self, to: MemberId, ctx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(to) else { return };
        let Some(json) = &mut member.json else { return };
        if json.reading.is_some() {
            json.is_asking = true;
            return;
        }
        let Some(after) = json.catching_up else { return self.outbound.caught_up(member.link, to) };
        if self.catch_up(to, after) {
            return;
        }
        if let Some(json) = self.members.get_mut(to).and_then(|member| member.json.as_mut()) {
            json.reading = Some(Reading::Page);
            self.read(to, ctx);
        }
    }

    fn read_page(&mut self, to: MemberId, ctx: &mut Context<Self>) {
        let Some(json) = self.members.get(to).and_then(|member| member.json.as_ref()) else { return };
        let (Some(row), Some(after)) = (self.row, json.catching_up) else { return };
        let limit = json.page_entries.unwrap_or(PAGE_ENTRIES);
        let upto = self.timeline.head;
        let query = HistoryQuery {
            after: Some(after),
            // What is committed beyond this is shown live, later.
            before: Some(Seq(upto.0 + 1)),
            kinds: if json.wants_edits { Kinds::All } else { Kinds::NotEdits },
            author: None,
            limit,
            page: Page::Oldest,
            bodies: Bodies::All,
        };
        let store = self.context.store.clone();
        let permits = self.context.reading_permits.clone();
        let reading = async move {
            let _permit = permits.acquire().await;
            store.history(row, query).await
        };
        self.timeline.readings += 1;
        ctx.spawn(reading.into_actor(self).map(move |page, room, ctx| {
            room.take_page(to, upto, limit, page, ctx);
            room.has_read(ctx);
            room.end_turn(ctx);
        }));
    }

    fn take_page(
        &mut self,
        to: MemberId,
        upto: Seq,
        limit: u32,
        page: Result<Vec<Entry>, StoreError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(member) = self.members.get_mut(to) else { return };
        let link = member.link;
        let Some(json) = &mut member.json else { return };
        json.reading = None;
        let mut page = match page {
            Ok(page) => page,
            Err(error) => return self.cannot_read(link, to, &error),
        };
        let bytes: usize = page.iter().map(body_bytes).sum();
        let is_end = page.len() < limit as usize && bytes < PAGE_READ_BYTES;
        let is_cut = shorten(&mut page);
        // Large entries: the next page reads no more than it sends.
        json.page_entries = if is_cut { Some(page.len() as u32) } else { Some(PAGE_ENTRIES.min(limit * 2)) };
        let after = page.last().map_or(upto, |last| if is_end && !is_cut { upto } else { last.seq });
        json.catching_up = Some(after);
        let frames: Vec<Frame> = page.iter().map(|entry| self.frame_of(entry)).collect();
        let is_empty = frames.is_empty();
        if !is_empty {
            self.outbound.page(link, to, frames);
        }
        if !self.catch_up(to, after) && is_empty {
            // Nothing is on its way whose arrival would ask for more.
            self.more(to, ctx);
        }
    }

    fn cannot_read(&mut self, link: usize, to: MemberId, error: &StoreError) {
        tracing::warn!(room.name = %self.name, %error, "a timeline cannot be read");
        self.outbound.close(link, to, CloseCode::TryLater, "the timeline cannot be read now");
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
            self.outbound.page(link, to, rest);
        }
        self.let_in(to);
        self.outbound.caught_up(link, to);
        true
    }

    /// Shows a JSON member who is there, and lets live frames reach it from here on.
    pub(in crate::room) fn let_in(&mut self, to: MemberId) {
        let name = self.name.clone();
        let frame = self.roster().state_frame(&name);
        let Some(member) = self.members.get_mut(to) else { return };
        if let Some(json) = &mut member.json {
            json.catching_up = None;
        }
        self.outbound.attach(member.link, to, Dialect::Json);
        self.outbound.one(member.link, to, frame, Counted::Yes);
        self.tell_typists(to);
    }

    /// An entry as JSON members are shown it.
    fn frame_of(&self, entry: &Entry) -> Frame {
        let body = entry.body.as_deref().unwrap_or_default();
        match entry.kind {
            Kind::Edit => entry::edit(&self.name, &entry.author, entry.at_ms, entry.seq, body),
            _ => entry::stamped(&self.name, &entry.author, entry.at_ms, Some(entry.seq), body),
        }
    }
}

fn body_bytes(entry: &Entry) -> usize {
    entry.body.as_ref().map_or(0, Bytes::len)
}

/// Leaves of a page what is good to send at once. Whether something is left out.
fn shorten(page: &mut Vec<Entry>) -> bool {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        bytes += body_bytes(entry);
        bytes <= PAGE_SENT_BYTES
    };
    let count = page.iter().take_while(fits).count().max(1);
    let is_cut = count < page.len();
    page.truncate(count);
    is_cut
}
