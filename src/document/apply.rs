//! Takes an edit into a document: what of it is new and joins, or nothing. All is decided before anybody is shown anything; what was
//! appended meanwhile is taken back if the edit is refused.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;
use smallvec::SmallVec;

use super::blocks::{BLOCK_BYTES, Blocks, RANGE_BYTES, Stored, Unit};
use super::content::{Cutter, Kind};
use super::encode::put_cut;
use super::scan::{Block, Parent, Scan, Section, SectionBlocks, read_sections, scan};
use super::slots::{Owner, UNKNOWN};
use super::{BlockId, NESTING_MAX, NEW_CLIENTS_MAX, PackedClocks, Refusal};
use crate::protocol::lib0::{Input, put_var_uint};

/// What a document of a single text costs beside the text: one message of the largest size finds room in an empty document.
const FRAME_BYTES: usize = 1024;

/// What an edit added to the document.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// The update to store and to show, v1 encoding: what the edit added, no more, in the bytes it came in.
    pub update: Bytes,
    /// Yjs clients whose typing is in it.
    pub clients: SmallVec<[u64; 1]>,
}

/// What became of an edit that was not refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// What it added; `None` if the document had all of it.
    pub news: Option<News>,
    /// `None` if all of it is in the document. Otherwise what came before it is missing, and the document must reach these
    /// clocks (Yjs client, clock) to have it all; none named, if only its sender's Step2 can tell. Ask the sender by Step1.
    pub lacking: Option<Vec<(u64, u32)>>,
}

/// Whether an edit is judged, or was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It comes from a client: what no Yjs client makes is refused.
    Client,
    /// It comes from another server's storage: judged as a client's, but of any number of clients.
    Import,
    /// It was taken once, by this release or an older one: it is taken as far as it can be read.
    Store,
}

/// What becomes of an update that lacks what it builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    /// What joins is taken; the rest may follow.
    Kept,
    /// Nothing of it is taken.
    Refused,
}

/// What of an update went into the document.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// For each section of the update, in order.
    pub sections: SmallVec<[TakenSection; 1]>,
    /// Deletions that the document did not have: client's number, first clock, clock after the last.
    pub deleted: Vec<(usize, u32, u32)>,
    /// Whether all deletions of the update were new.
    is_all_deleted: bool,
    /// Whether some delete what the document does not have.
    deletes_unknown: bool,
    /// A unit that the document does not have and that the update builds on, or deletes; none if nothing is missing.
    pub lacks: Option<BlockId>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TakenSection {
    /// The clock before.
    pub known: u32,
    /// The clock after.
    pub reached: u32,
    /// How many of the update's blocks went in, the first perhaps in part.
    blocks: usize,
}

impl Taken {
    pub fn has_news(&self) -> bool {
        !self.deleted.is_empty() || self.sections.iter().any(|section| section.blocks > 0)
    }

    pub fn is_complete(&self, scan: &Scan<'_>) -> bool {
        !self.deletes_unknown
            && self.sections.iter().zip(&scan.sections).all(|(taken, section)| taken.reached >= section.end)
    }

    /// Whether the document had nothing of the update before and has all of it now.
    fn is_whole(&self, scan: &Scan<'_>) -> bool {
        let is_new = |(taken, section): (&TakenSection, &Section)| {
            taken.known == section.start && taken.reached == section.end && !section.has_gap
        };
        self.is_all_deleted && !self.deletes_unknown && self.sections.iter().zip(&scan.sections).all(is_new)
    }
}

/// How a document was before an edit.
struct Mark {
    clients: usize,
    slots: usize,
    /// Of each client that grew: number, clock, blocks, bytes of content.
    grown: SmallVec<[(usize, u32, usize, usize); 1]>,
    /// Deleted blocks that are part of a text now: client's number, first clock, clock after the last.
    deleted: Vec<(usize, u32, u32)>,
    /// What blocks and contents may still be added, in bytes: an edit is refused before it holds more than a document may.
    room: usize,
}

/// Where in the document that is which a block points at; [`Unit::NONE`] for what it does not name.
#[derive(Clone, Copy)]
struct Links {
    origin: Unit,
    right: Unit,
    parent: Unit,
}

/// Where the reading of a section stands.
struct Cursor<'u> {
    /// What is left, from the block on that waits.
    blocks: SectionBlocks<'u>,
    client: u64,
    /// The client's number, once it has blocks.
    number: Option<usize>,
    taken: TakenSection,
    /// What the next block waits for.
    awaits: Option<BlockId>,
    /// Where clocks are left out, the last of those.
    left_out: Option<BlockId>,
}

impl Blocks {
    /// Takes an edit, as far as it joins the document.
    ///
    /// # Errors
    /// See [`Refusal`]; the document is as before.
    pub fn apply(&mut self, update: &Bytes) -> Result<Applied, Refusal> {
        self.apply_of(update, |_| true)
    }

    /// As [`apply`](Self::apply), of a sender who `may_write` for these Yjs clients alone. What the document has already may be
    /// anybody's.
    ///
    /// # Errors
    /// As there, and [`Refusal::OfAnother`].
    pub fn apply_of(&mut self, update: &Bytes, may_write: impl Fn(u64) -> bool) -> Result<Applied, Refusal> {
        self.apply_from(update, Trust::Client, Gaps::Kept, may_write)
    }

    /// Takes all of an edit; what of it was new, if anything.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`Refusal::Incomplete`]; the document is as before.
    pub fn apply_whole(&mut self, update: &Bytes) -> Result<Option<News>, Refusal> {
        self.apply_from(update, Trust::Client, Gaps::Refused, |_| true).map(|applied| applied.news)
    }

    /// Takes an update from another server's storage, as [`apply`](Self::apply) does, however many clients are in it.
    ///
    /// # Errors
    /// As there.
    pub fn import(&mut self, update: &Bytes) -> Result<Applied, Refusal> {
        self.apply_from(update, Trust::Import, Gaps::Kept, |_| true)
    }

    fn apply_from(
        &mut self,
        update: &Bytes,
        trust: Trust,
        gaps: Gaps,
        may_write: impl Fn(u64) -> bool,
    ) -> Result<Applied, Refusal> {
        if trust == Trust::Client && self.has_too_many_sections(update) {
            return Err(Refusal::TooManyClients);
        }
        let scan = scan(update)?;
        scan.check_clients()?;
        let mut new = scan.sections.iter().filter(|section| section.end > self.clock(section.client));
        if new.any(|section| !may_write(section.client)) {
            return Err(Refusal::OfAnother { lacking: self.lacking(&scan, scan.has_deletions()) });
        }
        let taken = match self.take(&scan, trust, gaps) {
            Err(Refusal::TooLarge { .. }) if self.prune_all() => self.take(&scan, trust, gaps),
            taken => taken,
        }?;
        let lacking = (!taken.is_complete(&scan)).then(|| self.lacking(&scan, taken.deletes_unknown));
        let news = taken.has_news().then(|| {
            let typed = taken.sections.iter().zip(&scan.sections).filter(|(taken, _)| taken.blocks > 0);
            let clients = typed.map(|(_, section)| section.client).collect();
            let update = if taken.is_whole(&scan) { update.clone() } else { self.encode_news(&scan, &taken).into() };
            News { update, clients }
        });
        Ok(Applied { news, lacking })
    }

    /// The clocks that the document must reach to have all of an update; none where that would not bring what it deletes, which is
    /// dropped with what is missing.
    fn lacking(&self, scan: &Scan<'_>, drops_deletions: bool) -> Vec<(u64, u32)> {
        let unreached = scan.sections.iter().filter(|section| section.end > self.clock(section.client));
        if drops_deletions { Vec::new() } else { unreached.map(|section| (section.client, section.end)).collect() }
    }

    /// Whether an update says that it has blocks of more clients than the document knows and may learn. Looked at first: reading an
    /// update holds more for a client than its bytes.
    fn has_too_many_sections(&self, update: &Bytes) -> bool {
        let count = Input::new(update).var_uint().unwrap_or(0);
        count > (self.clients.len() + NEW_CLIENTS_MAX) as u64
    }

    /// Takes what joins, or nothing.
    pub(super) fn take(&mut self, scan: &Scan<'_>, trust: Trust, gaps: Gaps) -> Result<Taken, Refusal> {
        let mut mark = Mark {
            clients: self.clients.len(),
            slots: self.slots.len(),
            grown: SmallVec::new(),
            deleted: Vec::new(),
            room: if trust == Trust::Store { usize::MAX } else { self.room() },
        };
        let taken = self.take_blocks(scan, trust, &mut mark).and_then(|(sections, lacks)| {
            let mut taken = Taken { sections, lacks, is_all_deleted: true, ..Taken::default() };
            self.new_deletions(scan, &mut taken);
            let limit = self.bytes_max;
            if trust != Trust::Store && !self.has_room_to_delete(taken.deleted.len()) {
                return Err(Refusal::TooLarge { limit });
            }
            if gaps == Gaps::Refused && !taken.is_complete(scan) {
                return Err(Refusal::Incomplete);
            }
            Ok(taken)
        });
        match &taken {
            Ok(taken) => self.settle(&mark, &taken.deleted),
            Err(_) => self.roll_back(&mark),
        }
        taken
    }

    /// Deletions have some room of their own, so that a full document can be made smaller, also one that was stored when the limit was
    /// another.
    fn has_room_to_delete(&self, ranges: usize) -> bool {
        let room = self.bytes_max / 16;
        let all = || ranges + self.clients.values().map(|client| client.deleted.len()).sum::<usize>();
        ranges == 0 || self.held() + ranges * RANGE_BYTES <= self.bytes_max + room || all() * RANGE_BYTES <= room
    }

    fn take_blocks(
        &mut self,
        scan: &Scan<'_>,
        trust: Trust,
        mark: &mut Mark,
    ) -> Result<(SmallVec<[TakenSection; 1]>, Option<BlockId>), Refusal> {
        let mut cursors: SmallVec<[Cursor<'_>; 1]> = SmallVec::with_capacity(scan.sections.len());
        for section in &scan.sections {
            cursors.push(self.cursor(scan, section));
        }
        let new_clients = cursors.iter().filter(|cursor| cursor.number.is_none()).count();
        if trust == Trust::Client && new_clients > NEW_CLIENTS_MAX {
            return Err(Refusal::TooManyClients);
        }
        // Sections of an update may build on each other in any order: each goes on as far as it can, and again when what it waits
        // for is there.
        let by_client: HashMap<u64, usize> = match cursors.len() {
            0 | 1 => HashMap::new(),
            _ => cursors.iter().enumerate().map(|(at, cursor)| (cursor.client, at)).collect(),
        };
        let mut waiting: HashMap<usize, BinaryHeap<Reverse<(u32, usize)>>> = HashMap::new();
        let mut ready: SmallVec<[usize; 1]> = (0..cursors.len()).rev().collect();
        while let Some(at) = ready.pop() {
            self.advance(&mut cursors[at], trust, mark)?;
            if let Some(awaited) = cursors[at].awaits
                && let Some(other) = by_client.get(&awaited.client)
            {
                waiting.entry(*other).or_default().push(Reverse((awaited.clock, at)));
            }
            let reached = cursors[at].taken.reached;
            while let Some(waiters) = waiting.get_mut(&at)
                && waiters.peek().is_some_and(|Reverse((clock, _))| *clock < reached)
                && let Some(Reverse((_, waiter))) = waiters.pop()
            {
                ready.push(waiter);
            }
        }
        if trust != Trust::Store {
            refuse_circles(&cursors, scan, &by_client)?;
        }
        mark.grown.iter().for_each(|(number, ..)| self.count(*number));
        if trust != Trust::Store && !mark.grown.is_empty() && self.room() == 0 {
            return Err(Refusal::TooLarge { limit: self.bytes_max });
        }
        let lacks = cursors.iter().find_map(|cursor| cursor.left_out.or(cursor.awaits));
        Ok((cursors.into_iter().map(|cursor| cursor.taken).collect(), lacks))
    }

    /// How much more it may hold, in bytes.
    fn room(&self) -> usize {
        (self.bytes_max + FRAME_BYTES).saturating_sub(self.held())
    }

    fn cursor<'u>(&self, scan: &Scan<'u>, section: &Section) -> Cursor<'u> {
        let known = self.clients.get_full(&section.client);
        let (number, known) = (known.map(|(number, ..)| number), known.map_or(0, |(.., client)| client.end));
        let taken = TakenSection { known, reached: known, blocks: 0 };
        Cursor { blocks: scan.blocks(section), client: section.client, number, taken, awaits: None, left_out: None }
    }

    /// Takes a section's blocks until there is none, clocks are left out, or one waits for another section.
    fn advance(&mut self, cursor: &mut Cursor<'_>, trust: Trust, mark: &mut Mark) -> Result<(), Refusal> {
        (cursor.awaits, cursor.left_out) = (None, None);
        // A stored update may name a client twice: the first time makes it known.
        cursor.number = cursor.number.or_else(|| self.clients.get_index_of(&cursor.client));
        let known = cursor.number.map_or(0, |number| self.clients[number].end);
        cursor.taken.reached = known.max(cursor.taken.reached);
        let mut blocks = cursor.blocks.clone();
        while let Some(block) = blocks.next() {
            let reached = cursor.taken.reached;
            if block.end() > reached {
                let is_left_out = block.content.kind == Kind::Skip;
                if is_left_out || block.clock > reached {
                    let end = if is_left_out { block.end() } else { block.clock };
                    cursor.left_out = end.checked_sub(1).map(|clock| BlockId { client: cursor.client, clock });
                    return Ok(());
                }
                let links = match self.links(&block, cursor)? {
                    Ok(links) => links,
                    Err(awaited) => {
                        cursor.awaits = Some(awaited);
                        return Ok(());
                    }
                };
                let number =
                    *cursor.number.get_or_insert_with(|| self.clients.insert_full(cursor.client, Default::default()).0);
                if cursor.taken.blocks == 0 {
                    let client = &self.clients[number];
                    mark.grown.push((number, client.end, client.blocks.len(), client.content.len()));
                }
                let added = self.append(number, &block, links, trust, mark)?;
                let limit = self.bytes_max;
                mark.room = mark.room.checked_sub(added).ok_or(Refusal::TooLarge { limit })?;
                cursor.taken.blocks += 1;
                cursor.taken.reached = block.end();
            }
            cursor.blocks = blocks.clone();
        }
        Ok(())
    }

    /// Where in the document that is which a block points at; or what of it the document does not have.
    fn links(&self, block: &Block<'_>, cursor: &Cursor<'_>) -> Result<Result<Links, BlockId>, Refusal> {
        let parent = match block.parent {
            Some(Parent::Type(id)) => Some(id),
            _ => None,
        };
        let mut units = [Unit::NONE; 3];
        for (unit, id) in units.iter_mut().zip([block.origin, block.right, parent]) {
            let Some(id) = id else { continue };
            let number = if id.client == cursor.client {
                if id.clock >= block.clock {
                    return Err(Refusal::Impossible("a block that builds on itself or on later ones of its client"));
                }
                cursor.number
            } else {
                self.clients
                    .get_full(&id.client)
                    .filter(|(.., client)| id.clock < client.end)
                    .map(|(number, ..)| number)
            };
            let Some(number) = number else { return Ok(Err(id)) };
            *unit = Unit { client: number as u32, clock: id.clock };
        }
        let [origin, right, parent] = units;
        Ok(Ok(Links { origin, right, parent }))
    }

    /// Appends what is new of a block, whose beginning the document may have; how many bytes more it holds for that.
    fn append(
        &mut self,
        number: usize,
        block: &Block<'_>,
        mut links: Links,
        trust: Trust,
        mark: &mut Mark,
    ) -> Result<usize, Refusal> {
        let before = self.slots.held();
        let known = self.clients[number].end;
        let mut raw = Vec::new();
        let mut content = block.content;
        let mut block = *block;
        if known > block.clock {
            if content.kind != Kind::Collected {
                let mut cutter = Cutter::new(content);
                cutter.skip(known - block.clock);
                cutter.take(block.end() - known).put_raw(&mut raw);
                content.raw = &raw;
                links.origin = Unit { client: number as u32, clock: known - 1 };
                (block.parent, block.key) = (None, None);
            }
            block.len = block.end() - known;
            block.clock = known;
        }
        let slot = self.place(&block, links, trust)?;
        if content.kind == Kind::Type && trust != Trust::Store && self.slots.depth(slot) > NESTING_MAX {
            return Err(Refusal::NestedTooDeep);
        }
        if self.clients[number].content.len() + content.raw.len() > u32::MAX as usize {
            return Err(Refusal::TooLarge { limit: u32::MAX as usize });
        }
        let Links { origin: left, right, .. } = links;
        let stored = Stored { clock: block.clock, origin: left, right, slot, content_at: 0, kind: content.kind };
        let is_list = self.slots.is_list(slot);
        // Only of what is stored: what comes live may name it as a parent before the deletions of its update are in.
        let may_be_text = trust == Trust::Store && content.kind == Kind::Deleted && is_list && !self.keeps_deleted;
        if may_be_text && self.clients[number].push_within_text(number as u32, &stored, block.len) {
            mark.deleted.push((number, block.clock, block.end()));
            return Ok(0);
        }
        let is_block = self.clients[number].push(number as u32, stored, content, block.len, is_list);
        Ok(content.raw.len() + if is_block { BLOCK_BYTES } else { 0 } + self.slots.held() - before)
    }

    /// Where a block lies: where its neighbours do, else where it says.
    fn place(&mut self, block: &Block<'_>, links: Links, trust: Trust) -> Result<u32, Refusal> {
        if let Some(parent) = block.parent {
            let is_type = matches!(parent, Parent::Type(_));
            if is_type && trust != Trust::Store && !self.may_be_parent(links.parent) {
                return Err(Refusal::Impossible("a parent that is no shared type"));
            }
            return Ok(self.slot_of(parent, links.parent, block.key));
        }
        let (left, right) = (self.block(links.origin), self.block(links.right));
        if let (Some(left), Some(right)) = (left, right)
            && left.slot != right.slot
            && let (Some(left), Some(right)) = (self.slots.owner(left.slot), self.slots.owner(right.slot))
            && left != right
            && trust != Trust::Store
        {
            return Err(Refusal::Impossible("neighbours in different shared types"));
        }
        // Beside something collected it is collected, too, by all who integrate it, and so is what stands beside it.
        let is_collected = |block: &Stored| block.kind == Kind::Collected || block.slot == UNKNOWN;
        match left.into_iter().chain(right).any(is_collected) {
            true => Ok(UNKNOWN),
            false => Ok(left.or(right).map_or(UNKNOWN, |beside| beside.slot)),
        }
    }

    /// The deletions of an update that the document does not have; `taken` learns what else they are.
    fn new_deletions(&self, scan: &Scan<'_>, taken: &mut Taken) {
        for (client, ranges) in deletions(scan) {
            let Some((number, _, known)) = self.clients.get_full(&client) else {
                taken.deletes_unknown = true;
                taken.lacks = taken.lacks.or(ranges.last().and_then(|range| last_of(client, *range)));
                continue;
            };
            for (start, end) in ranges {
                if end > known.end {
                    taken.deletes_unknown = true;
                    taken.lacks = taken.lacks.or(last_of(client, (start, end)));
                }
                let before = taken.deleted.len();
                let missing = known.deleted.missing(start, end.min(known.end));
                taken.deleted.extend(missing.map(|(start, end)| (number, start, end)));
                taken.is_all_deleted &= taken.deleted[before..] == [(number, start, end)];
            }
        }
    }

    /// Counts the blocks that an update brought, and deletes what it deletes.
    fn settle(&mut self, mark: &Mark, deleted: &[(usize, u32, u32)]) {
        for (number, _, blocks, _) in &mark.grown {
            self.count_in_slots(*number, *blocks);
        }
        for (number, start, end) in &mark.deleted {
            self.clients[*number].deleted.insert(*start, *end);
        }
        for (number, start, end) in deleted {
            // A stored update may name a client twice.
            let missing: Vec<_> = self.clients[*number].deleted.missing(*start, *end).collect();
            missing.into_iter().for_each(|(start, end)| self.delete(*number, start, end));
        }
        for (number, clock, ..) in &mark.grown {
            self.delete_what_came_deleted(*number, *clock);
        }
        let mut touched: SmallVec<[usize; 2]> = mark.grown.iter().map(|grown| grown.0).collect();
        touched.extend(deleted.iter().map(|(number, ..)| *number));
        touched.dedup();
        for number in touched {
            self.prune_when_due(number);
            self.count(number);
        }
    }

    fn roll_back(&mut self, mark: &Mark) {
        for (number, end, blocks, content) in mark.grown.iter().rev() {
            let client = &mut self.clients[*number];
            client.end = *end;
            client.blocks.truncate(*blocks);
            client.content.truncate(*content);
            client.give_back();
            self.count(*number);
        }
        self.truncate_clients(mark.clients);
        self.slots.truncate(mark.slots);
    }

    /// What `taken` says that an update added, as an update.
    fn encode_news(&self, scan: &Scan<'_>, taken: &Taken) -> Vec<u8> {
        let typed = taken.sections.iter().zip(&scan.sections).filter(|(taken, _)| taken.blocks > 0);
        let typed: Vec<_> = typed.map(|(taken, section)| (section, taken.known, taken.blocks)).collect();
        let mut deleted = taken.deleted.clone();
        deleted.sort_unstable();
        let client = |number| self.clients.get_index(number).map_or(0, |(client, _)| *client);
        let deleted: Vec<_> = deleted.into_iter().map(|(number, start, end)| (client(number), start, end)).collect();
        put_part(scan, &typed, &deleted)
    }

    /// Whether the document has all that an update types and deletes.
    pub fn brings_nothing(&self, update: &Bytes) -> bool {
        self.has_all_but(update, |_, _, _| false)
    }

    /// Whether an update types nothing that the document has not, and deletes nothing but what is deleted by whoever integrates the
    /// document: a value that another one replaced, what lies in something deleted, and formatting marks. Which marks change nothing
    /// only who integrates can tell, so all of them are let pass. Such deletions are nobody's edit.
    pub fn brings_nothing_of_its_own(&self, update: &Bytes) -> bool {
        self.has_all_but(update, |number, start, end| self.is_implied(number, start, end))
    }

    fn has_all_but(&self, update: &Bytes, may_lack: impl Fn(usize, u32, u32) -> bool) -> bool {
        if self.has_too_many_sections(update) {
            return false;
        }
        let Ok(scan) = scan(update) else { return false };
        let has_blocks = scan.sections.iter().all(|section| section.end <= self.clock(section.client));
        has_blocks
            && deletions(&scan).all(|(client, ranges)| {
                let Some((number, _, known)) = self.clients.get_full(&client) else { return false };
                ranges.into_iter().all(|(start, end)| {
                    end <= known.end
                        && known.deleted.missing(start, end).all(|(start, end)| may_lack(number, start, end))
                })
            })
    }

    /// Whether all of `start..end`, which is not deleted, is deleted by whoever integrates the document.
    fn is_implied(&self, number: usize, start: u32, end: u32) -> bool {
        let client = &self.clients[number];
        let Some(first) = client.find(start) else { return false };
        let blocks = client.blocks[first..].iter().take_while(|block| block.clock < end);
        blocks.into_iter().all(|block| {
            let is_replaced = self.slots.key(block.slot).is_some() && self.slots.live(block.slot) > 1;
            block.kind == Kind::Format || is_replaced || self.lies_in_deleted(block.slot)
        })
    }

    fn lies_in_deleted(&self, mut slot: u32) -> bool {
        for _ in 0..=NESTING_MAX {
            match self.slots.owner(slot) {
                // Its place is not known: it was written beside something collected.
                None => return true,
                Some(Owner::Root(_)) => return false,
                Some(Owner::Type(client, clock)) => {
                    let unit = Unit { client: *client, clock: *clock };
                    if self.is_deleted(unit) {
                        return true;
                    }
                    slot = self.block(unit).map_or(UNKNOWN, |block| block.slot);
                }
            }
        }
        false
    }
}

/// Whether all that was typed in an update comes after these clocks; `None` if it only deletes, which has no clock. An update
/// that cannot be read has nothing that comes before.
pub fn begins_after(clocks: &PackedClocks, update: &Bytes) -> Option<bool> {
    let (mut is_empty, mut is_after) = (true, true);
    let read = read_sections(&mut Input::new(update), |section| {
        is_empty = false;
        is_after &= section.start >= clocks.get(section.client);
    });
    match read {
        Ok(()) if is_empty => None,
        Ok(()) => Some(is_after),
        Err(_) => Some(true),
    }
}

/// A part of an update, as an update: of these sections so many blocks from a clock on, and these deletions (client, first clock, clock
/// after the last), one client's behind another's.
pub(super) fn put_part(scan: &Scan<'_>, typed: &[(&Section, u32, usize)], deleted: &[(u64, u32, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_var_uint(&mut out, typed.len() as u64);
    for (section, from, blocks) in typed {
        put_var_uint(&mut out, *blocks as u64);
        put_var_uint(&mut out, section.client);
        put_var_uint(&mut out, (*from).into());
        let new = scan.blocks(section).filter(|block| block.end() > *from).take(*blocks);
        new.for_each(|block| put_cut(&mut out, section.client, &block, *from));
    }
    put_var_uint(&mut out, deleted.chunk_by(|one, next| one.0 == next.0).count() as u64);
    for ranges in deleted.chunk_by(|one, next| one.0 == next.0) {
        put_var_uint(&mut out, ranges[0].0);
        put_var_uint(&mut out, ranges.len() as u64);
        for (_, start, end) in ranges {
            put_var_uint(&mut out, (*start).into());
            put_var_uint(&mut out, (end - start).into());
        }
    }
    out
}

/// What an update deletes, client by client: ranges that neither overlap nor adjoin, in order. As Yjs writes them; others write the
/// same range many times, each of which would be looked up in all that is deleted already.
pub(super) fn deletions(scan: &Scan<'_>) -> impl Iterator<Item = (u64, Vec<(u32, u32)>)> {
    let mut all = scan.deletions().peekable();
    std::iter::from_fn(move || {
        let client = all.peek()?.0;
        let mut ranges = Vec::new();
        while let Some((_, clock, len)) = all.next_if(|(next, ..)| *next == client) {
            ranges.push((clock, clock + len));
        }
        ranges.sort_unstable();
        ranges.dedup_by(|next, last| {
            let touches = next.0 <= last.1;
            last.1 = if touches { last.1.max(next.1) } else { last.1 };
            touches
        });
        Some((client, ranges))
    })
}

fn last_of(client: u64, (_, end): (u32, u32)) -> Option<BlockId> {
    end.checked_sub(1).map(|clock| BlockId { client, clock })
}

/// Refuses sections that wait for each other in a circle: of blocks that clients wrote one was first.
fn refuse_circles(cursors: &[Cursor<'_>], scan: &Scan<'_>, by_client: &HashMap<u64, usize>) -> Result<(), Refusal> {
    if cursors.len() < 2 {
        return Ok(());
    }
    let next = |at: usize| {
        let awaited = cursors[at].awaits?;
        let other = *by_client.get(&awaited.client)?;
        (awaited.clock < scan.sections[other].end).then_some(other)
    };
    // In which walk each was met; a walk that meets itself goes in a circle.
    let mut met = vec![usize::MAX; cursors.len()];
    for first in 0..cursors.len() {
        let mut at = first;
        while met[at] == usize::MAX {
            met[at] = first;
            match next(at) {
                Some(other) if met[other] == first => {
                    return Err(Refusal::Impossible("blocks that build on each other"));
                }
                Some(other) => at = other,
                None => break,
            }
        }
    }
    Ok(())
}
