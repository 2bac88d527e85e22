//! How JSON members come up to the present: entry by entry from the store, then live, so that they get each exactly once and in order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::lookups::{FoundPage, Lookup};
use super::recent::Recent;
use crate::ids::{MemberId, RoomName, Seq};
use crate::protocol::json::{ServerMessage, entry};
use crate::protocol::{CloseCode, Dialect};
use crate::room::io::Io;
use crate::room::members::StoreRead;
use crate::room::messages::JsonJoin;
use crate::room::presence::Presence;
use crate::store::{Bodies, Entry, EntryKind, HistoryQuery, Kinds, Page, RoomId, StoreError};
use crate::wire::Frame;

/// Entries read from the store at once.
const PAGE_ENTRIES: u32 = 200;
/// Questions to the store on behalf of members at once, in one room.
const READINGS_MAX: usize = 2;
/// A page with fewer bytes was not cut short by the store.
const PAGE_READ_BYTES: usize = crate::store::HISTORY_BYTES_MAX / 2;
/// Most bytes of bodies sent at once, but for the first one: so much may wait for each client that does not read.
const PAGE_SENT_BYTES: usize = 256 * 1024;

/// What the replay works with.
pub struct ReplayIo<'a, 'io> {
    /// Where the timeline stands.
    pub recent: &'a Recent,
    /// Entries up to this seq were dropped.
    pub horizon: Seq,
    /// The room's row.
    pub row: Option<RoomId>,
    /// Who is there, which newcomers are told.
    pub presence: &'a mut Presence,
    /// What is asked of the store.
    pub lookups: &'a mut Vec<Lookup>,
    /// The room's members, and what goes out.
    pub io: &'a mut Io<'io>,
}

/// Who reads the past.
#[derive(Debug, Default)]
pub struct Replay {
    /// Questions to the store on behalf of members that are under way.
    readings: usize,
    /// Whose questions wait for those. Who has left is passed over.
    readers: VecDeque<MemberId>,
}

impl Replay {
    /// Lets a JSON member in by what the room knows of the timeline.
    pub fn enter(&mut self, id: MemberId, join: JsonJoin, at: &mut ReplayIo) {
        let JsonJoin { since, wants_edits, request_id, .. } = join;
        let replay_max = at.io.settings.replay_entries_max;
        let head = at.recent.head();
        if !show_edits(id, wants_edits, at) {
            return;
        }
        let Some(json) = at.io.members.json_mut(id) else { return };
        // Who does not look back is shown none of those that it lacks.
        let wants_edits = wants_edits && json.edits_after == Seq::ZERO;
        let is_kept = |since: &Seq| *since >= at.horizon;
        let lacks = since.map_or(Some(0), |since| head.0.checked_sub(since.0).filter(|_| is_kept(&since)));
        match lacks {
            Some(0) => send_joined(id, true, request_id, at),
            // What it lacks may be mostly edits, of which it would be sent nothing.
            Some(lacks) if lacks > replay_max && !wants_edits => {
                json.catching_up = since;
                json.reading = Some(StoreRead::Count(request_id));
                self.read(id, at);
            }
            Some(lacks) if lacks <= replay_max => {
                json.catching_up = since;
                send_joined(id, true, request_id, at);
            }
            _ => send_joined(id, false, request_id, at),
        }
    }

    /// Asks the store what a member waits for, if not too many do already: who comes and leaves without end has its questions passed
    /// over, and those of others soon have their turn.
    fn read(&mut self, of: MemberId, at: &mut ReplayIo) {
        if self.readings >= READINGS_MAX {
            return self.readers.push_back(of);
        }
        let Some(json) = at.io.members.json(of) else { return };
        let (Some(row), Some(after)) = (at.row, json.catching_up) else { return };
        let lookup = match &json.reading {
            Some(StoreRead::Count(_)) => {
                Lookup::Count { of, row, since: after, most: at.io.settings.replay_entries_max + 1 }
            }
            Some(StoreRead::Page) => {
                let shows_edits = json.wants_edits && after >= json.edits_after;
                let end = if json.wants_edits && !shows_edits { json.edits_after } else { Seq(u64::MAX) };
                let upto = at.recent.head().min(end);
                let query = HistoryQuery {
                    after: Some(after),
                    // What is committed beyond this is sent live, later.
                    before: Some(Seq(upto.0 + 1)),
                    kinds: if shows_edits { Kinds::All } else { Kinds::NotEdits },
                    author: None,
                    limit: json.page_entries.unwrap_or(PAGE_ENTRIES),
                    page: Page::Oldest,
                    bodies: Bodies::All,
                };
                Lookup::Page { to: of, row, query, upto }
            }
            Some(StoreRead::Head) | None => return,
        };
        self.readings += 1;
        at.lookups.push(lookup);
    }

    /// A question to the store is answered, and handled: the next ones have their turn.
    fn has_read(&mut self, at: &mut ReplayIo) {
        self.readings -= 1;
        while self.readings < READINGS_MAX
            && let Some(next) = self.readers.pop_front()
        {
            self.read(next, at);
        }
    }

    /// The store told how many entries but edits a member lacks.
    pub fn on_count(&mut self, of: MemberId, count: Result<u64, StoreError>, at: &mut ReplayIo) {
        self.take_count(of, count, at);
        self.has_read(at);
    }

    fn take_count(&mut self, of: MemberId, count: Result<u64, StoreError>, at: &mut ReplayIo) {
        let is_few = count.map(|count| count <= at.io.settings.replay_entries_max);
        let Some(json) = at.io.members.json_mut(of) else { return };
        let Some(StoreRead::Count(request_id)) = json.reading.take() else { return };
        let is_few = match is_few {
            Ok(is_few) => is_few,
            Err(error) => return close_unreadable(of, &error, at.io),
        };
        json.catching_up = json.catching_up.filter(|_| is_few);
        let is_asking = std::mem::take(&mut json.is_asking);
        send_joined(of, is_few, request_id, at);
        if is_asking {
            self.send_more(of, at);
        }
    }

    /// Sends a member that is behind what it lacks, as much as is good at once; it asks for more when it has taken that.
    pub fn send_more(&mut self, to: MemberId, at: &mut ReplayIo) {
        let Some(member) = at.io.members.get_mut(to) else { return };
        let link = member.link;
        let Some(json) = member.json_mut() else { return };
        if json.reading.is_some() {
            json.is_asking = true;
            return;
        }
        let Some(after) = json.catching_up else { return at.io.outbound.caught_up(link, to) };
        if catch_up(to, after, at) {
            return;
        }
        if let Some(json) = at.io.members.json_mut(to) {
            json.reading = Some(StoreRead::Page);
            self.read(to, at);
        }
    }

    /// The store told a page of what a member lacks.
    pub fn on_page(&mut self, page: FoundPage, at: &mut ReplayIo) {
        self.take_page(page, at);
        self.has_read(at);
    }

    fn take_page(&mut self, FoundPage { to, upto, limit, page }: FoundPage, at: &mut ReplayIo) {
        let Some(json) = at.io.members.json_mut(to) else { return };
        json.reading = None;
        let edits_after = json.edits_after;
        let mut page = match page {
            Ok(page) => page,
            Err(error) => return close_unreadable(to, &error, at.io),
        };
        let bytes: usize = page.iter().map(body_bytes).sum();
        let is_end = page.len() < limit as usize && bytes < PAGE_READ_BYTES;
        let is_cut = shorten(&mut page);
        // Large entries: the next page reads no more than it sends.
        json.page_entries = if is_cut { Some(page.len() as u32) } else { Some(PAGE_ENTRIES.min(limit * 2)) };
        let after = page.last().map_or(upto, |last| if is_end && !is_cut { upto } else { last.seq });
        json.catching_up = Some(after);
        // The right to look back may have gone while the page was read.
        page.retain(|entry| entry.kind != EntryKind::Edit || entry.seq > edits_after);
        let frames: Vec<Frame> = page.iter().map(|entry| frame_of(entry, at.io.name)).collect();
        let is_empty = frames.is_empty();
        at.io.send_page(to, frames);
        if !catch_up(to, after, at) && is_empty {
            // Nothing is on its way whose arrival would ask for more.
            self.send_more(to, at);
        }
    }
}

/// Lets a JSON member in while it cannot be told what it lacks.
pub fn enter_unsure(id: MemberId, join: JsonJoin, at: &mut ReplayIo) {
    let JsonJoin { wants_edits, request_id, .. } = join;
    if show_edits(id, wants_edits, at) {
        send_joined(id, false, request_id, at);
    }
}

/// Notes which edits a JSON member is shown. Whether it is there.
fn show_edits(id: MemberId, wants_edits: bool, at: &mut ReplayIo) -> bool {
    let head = at.recent.head();
    let Some(member) = at.io.members.get_mut(id) else { return false };
    let edits_after = if member.looks_back { Seq::ZERO } else { head };
    let Some(json) = member.json_mut() else { return false };
    (json.wants_edits, json.edits_after) = (wants_edits, edits_after);
    true
}

/// Answers a request to join, and lets the member in if it lacks nothing.
fn send_joined(id: MemberId, recovered: bool, request_id: Option<Box<str>>, at: &mut ReplayIo) {
    let members = at.presence.users(at.io);
    let Some(member) = at.io.members.get(id) else { return };
    let (room, seq) = (at.io.name, at.recent.head());
    let (access, request_id) = (member.access, request_id.as_deref());
    let link = member.link;
    let is_behind = member.json().is_some_and(|json| json.catching_up.is_some());
    let frame = ServerMessage::Joined { room, seq, access, recovered, members, request_id }.frame();
    // Who comes back after this, and has seen no entry, goes on behind it.
    at.io.send(id, if is_behind { frame } else { frame.with_seq(seq) });
    at.io.outbound.let_in(link, id);
    if !is_behind {
        let_in(id, at);
    }
}

/// Sends a JSON member who is there, and lets live frames reach it from here on.
fn let_in(to: MemberId, at: &mut ReplayIo) {
    let Some(member) = at.io.members.get_mut(to) else { return };
    let link = member.link;
    if let Some(json) = member.json_mut() {
        json.catching_up = None;
    }
    at.io.outbound.attach(link, to, Dialect::Json);
    at.presence.send_state(to, at.io);
}

/// Lets a member in that lacks only what is at hand after `after`. Whether it does.
fn catch_up(to: MemberId, after: Seq, at: &mut ReplayIo) -> bool {
    let Some(member) = at.io.members.get(to) else { return true };
    let (link, wants_edits) = (member.link, member.json().is_some_and(|json| json.wants_edits));
    let rest = match at.recent.after(after) {
        _ if after >= at.recent.head() => Vec::new(),
        Some(rest) if !wants_edits => rest,
        _ => return false,
    };
    at.io.send_page(to, rest);
    let_in(to, at);
    at.io.outbound.caught_up(link, to);
    true
}

fn close_unreadable(to: MemberId, error: &StoreError, io: &mut Io) {
    tracing::warn!(%error, "a timeline cannot be read");
    io.close(to, CloseCode::TryLater, "the timeline cannot be read now");
}

/// An entry as JSON members are sent it.
fn frame_of(entry: &Entry, room: &RoomName) -> Frame {
    let body = entry.body.as_deref().unwrap_or_default();
    match entry.kind {
        EntryKind::Edit => entry::edit(room, &entry.author, entry.at_ms, entry.seq, body),
        _ => entry::stamped(room, &entry.author, entry.at_ms, Some(entry.seq), body),
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
