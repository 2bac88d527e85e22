//! What each edit inserted and deleted, in the order of the timeline: a few bytes an edit, written once and read from the front.
//!
//! Of an edit that types one letter behind the one before, the time is all there is to write. What it inserted needs no clock: a
//! client's units are inserted in the order of their clocks. Numbers of one kind lie in a column of their own, which is compressed by
//! itself. Times are stored apart from the rest: once edits are packed, their packs have them.

use indexmap::{IndexMap, IndexSet};

use crate::document::{Brought, IdRange};
use crate::ids::{Seq, UserId};
use crate::pack::{put_column, take_column};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};

/// No bytes are compressed to less than one of so many.
const RATIO_MAX: usize = 1_032;

/// The seq is not the next one.
const SEQ: u8 = 1;
const AUTHOR: u8 = 2;
const VIA: u8 = 4;
/// One unit is inserted, by the client that inserted last, and nothing is deleted.
const LETTER: u8 = 8;
const INSERTED: u8 = 16;
const DELETED: u8 = 32;
/// Nobody's work.
const CLEANUP: u8 = 64;
/// It goes back to a seq.
const RESTORED: u8 = 128;

/// An edit, without what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditHead {
    /// Its place in the timeline.
    pub seq: Seq,
    /// When it was committed, in Unix milliseconds.
    pub at_ms: i64,
    /// Who made it.
    pub author: UserId,
    /// Who sent it, where that is somebody else.
    pub via: Option<UserId>,
    /// The seq that it goes back to, where it does.
    pub restored: Option<Seq>,
}

/// What the numbers of an edit are told relative to.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    seq: u64,
    at_ms: i64,
    author: u64,
    inserted_by: u64,
    /// The clock left of where somebody types: what is deleted next, most likely.
    left: i64,
}

/// Numbers of edits, by what they are.
type Columns = [Vec<u8>; 8];
const FLAGS: usize = 0;
const SEQS: usize = 1;
/// Author, sender, and where it goes back to.
const HEADS: usize = 2;
/// How many ranges are inserted; of each the client and how many units.
const INSERTS: usize = 3;
/// How many ranges are deleted; of each the client.
const DELETES: usize = 4;
/// Of each deleted range the clock, and how many units.
const DELETED_AT: usize = 5;
const DELETED_LEN: usize = 6;
/// How long after the one before each was committed. The last one: it is stored apart.
const TIMES: usize = 7;

/// Edits after a seq, one behind another.
#[derive(Debug, Default)]
pub(super) struct Index {
    after: Seq,
    pub(super) authors: IndexSet<UserId>,
    clients: IndexSet<u64>,
    columns: Columns,
    count: usize,
    last: Last,
}

impl Index {
    pub fn after(seq: Seq) -> Self {
        Self { after: seq, last: Last { seq: seq.0, ..Last::default() }, ..Self::default() }
    }

    /// The seq that its edits come after.
    pub fn begins_after(&self) -> Seq {
        self.after
    }

    /// How many edits there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// What it holds in memory, in bytes, about.
    pub fn held(&self) -> usize {
        self.columns.iter().map(Vec::capacity).sum::<usize>() + self.clients.len() * 32 + self.authors.len() * 96
    }

    /// Appends an edit.
    pub fn push(&mut self, head: &EditHead, brought: &Brought) {
        let author = self.authors.insert_full(head.author.clone()).0 as u64;
        let via = head.via.as_ref().map(|via| self.authors.insert_full(via.clone()).0 as u64);
        let first = brought.inserted.first().map(|range| self.clients.insert_full(range.client).0 as u64);
        let is_letter = brought.deleted.is_empty()
            && brought.inserted.len() == 1
            && brought.inserted[0].len() == 1
            && first == Some(self.last.inserted_by);
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let flags = flag(head.seq.0 != self.last.seq + 1, SEQ)
            | flag(author != self.last.author, AUTHOR)
            | flag(via.is_some(), VIA)
            | flag(is_letter, LETTER)
            | flag(!is_letter && !brought.inserted.is_empty(), INSERTED)
            | flag(!brought.deleted.is_empty(), DELETED)
            | flag(!brought.is_work, CLEANUP)
            | flag(head.restored.is_some(), RESTORED);
        let columns = &mut self.columns;
        columns[FLAGS].push(flags);
        if flags & SEQ != 0 {
            put_var_uint(&mut columns[SEQS], head.seq.0.saturating_sub(self.last.seq));
        }
        // Times never decrease within a room.
        put_var_uint(&mut columns[TIMES], head.at_ms.saturating_sub(self.last.at_ms).max(0).unsigned_abs());
        if flags & AUTHOR != 0 {
            put_var_uint(&mut columns[HEADS], author);
        }
        if let Some(via) = via {
            put_var_uint(&mut columns[HEADS], via);
        }
        if let Some(restored) = head.restored {
            put_var_uint(&mut columns[HEADS], restored.0);
        }
        if flags & INSERTED != 0 {
            put_var_uint(&mut columns[INSERTS], brought.inserted.len() as u64);
            for range in &brought.inserted {
                let client = self.clients.insert_full(range.client).0 as u64;
                put_var_uint(&mut columns[INSERTS], client);
                put_var_uint(&mut columns[INSERTS], range.len().into());
                self.last.inserted_by = client;
            }
        }
        if let Some(range) = brought.inserted.last() {
            self.last.left = i64::from(range.end) - 1;
        }
        if flags & DELETED != 0 {
            put_var_uint(&mut columns[DELETES], brought.deleted.len() as u64);
            for range in &brought.deleted {
                put_var_uint(&mut columns[DELETES], self.clients.insert_full(range.client).0 as u64);
                put_signed(&mut columns[DELETED_AT], i64::from(range.start) - self.last.left);
                put_var_uint(&mut columns[DELETED_LEN], range.len().into());
                self.last.left = i64::from(range.start) - 1;
            }
        }
        (self.last.seq, self.last.at_ms, self.last.author) = (head.seq.0, head.at_ms.max(self.last.at_ms), author);
        self.count += 1;
    }

    /// Writes it behind `out`, without the times.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_var_uint(out, self.after.0);
        put_var_uint(out, self.count as u64);
        put_var_uint(out, self.authors.len() as u64);
        self.authors.iter().for_each(|author| put_buf(out, author.as_str().as_bytes()));
        put_var_uint(out, self.clients.len() as u64);
        self.clients.iter().for_each(|client| put_var_uint(out, *client));
        let mut columns = Vec::new();
        self.columns[..TIMES].iter().for_each(|column| put_column(&mut columns, column));
        put_buf(out, &columns);
    }

    /// Reads what [`encode`](Self::encode) wrote. It is to be read from only, and not before it has its times.
    pub fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let after = Seq(input.var_uint()?);
        let count = input.var_u32()? as usize;
        let mut index = Self { count, ..Self::after(after) };
        for _ in 0..input.count(1)? {
            index.authors.insert(UserId::new(input.text()?));
        }
        for _ in 0..input.count(1)? {
            index.clients.insert(input.var_uint()?);
        }
        read_columns(input.raw_buf()?, &mut index.columns[..TIMES])?;
        Ok(index)
    }

    /// The times: their low bits, which are as good as random, and the others.
    pub fn encode_times(&self) -> Vec<u8> {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        let mut times = Input::raw(&self.columns[TIMES]);
        while let Ok(since) = times.var_uint() {
            low.push(since as u8);
            put_var_uint(&mut high, since >> 8);
        }
        let mut out = Vec::new();
        [low, high].iter().for_each(|column| put_column(&mut out, column));
        out
    }

    /// Reads what [`encode_times`](Self::encode_times) wrote.
    pub fn take_times(&mut self, stored: &[u8]) -> Result<(), DecodeError> {
        let mut columns = [Vec::new(), Vec::new()];
        read_columns(stored, &mut columns)?;
        let [low, high] = columns;
        let mut highs = Input::raw(&high);
        for low in low {
            put_var_uint(&mut self.columns[TIMES], (highs.var_uint()? << 8) | u64::from(low));
        }
        if highs.is_empty() { Ok(()) } else { Err(DecodeError::TooMany) }
    }

    /// Takes the times of its edits out of those of more, ascending. Of an edit that is not among them nobody knows more than when the one
    /// before was committed.
    pub fn find_times(&mut self, known: &[(Seq, i64)]) -> Result<(), DecodeError> {
        let mut known = known[known.partition_point(|(seq, _)| *seq <= self.after)..].iter().peekable();
        let first_ms = known.peek().map_or(0, |(_, at_ms)| *at_ms);
        let (flags, rest) = self.columns.split_at_mut(SEQS);
        let (seqs, times) = rest.split_at_mut(TIMES - SEQS);
        let mut seqs = Input::raw(&seqs[0]);
        let (mut seq, mut last_ms, mut at_ms) = (self.after.0, 0, first_ms);
        for flags in &flags[FLAGS] {
            let step = if flags & SEQ == 0 { 1 } else { seqs.var_uint()? };
            seq = seq.checked_add(step).ok_or(DecodeError::NumberTooLarge)?;
            while let Some((_, own_ms)) = known.next_if(|(known, _)| known.0 <= seq) {
                at_ms = at_ms.max(*own_ms);
            }
            put_var_uint(&mut times[0], (at_ms - last_ms).max(0).unsigned_abs());
            last_ms = at_ms;
        }
        Ok(())
    }
}

fn read_columns(mut stored: &[u8], columns: &mut [Vec<u8>]) -> Result<(), DecodeError> {
    let mut left = stored.len().saturating_mul(RATIO_MAX);
    for column in columns {
        *column = take_column(&mut stored, &mut left).map_err(|_| DecodeError::Truncated)?;
    }
    if stored.is_empty() { Ok(()) } else { Err(DecodeError::TooMany) }
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_var_uint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// An edit as it is read.
#[derive(Debug)]
pub(super) struct Edit<'i> {
    pub seq: Seq,
    pub at_ms: i64,
    pub author: &'i UserId,
    pub via: Option<&'i UserId>,
    /// The seq that it goes back to, where it does.
    pub restored: Option<Seq>,
    /// Whether it is somebody's work.
    pub is_work: bool,
    pub inserted: &'i [IdRange],
    pub deleted: &'i [IdRange],
}

/// What was read before an edit.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// How far each client is.
    ends: IndexMap<u64, u32>,
    inserted: Vec<IdRange>,
    deleted: Vec<IdRange>,
}

impl Reader {
    /// Reads indexes that follow each other, from the first on; `each` says whether to go on.
    ///
    /// # Errors
    /// An index is damaged.
    pub fn read<'i>(
        &mut self,
        indexes: impl IntoIterator<Item = &'i Index>,
        mut each: impl FnMut(Edit<'_>) -> bool,
    ) -> Result<(), DecodeError> {
        for index in indexes {
            if !self.read_one(index, &mut each)? {
                break;
            }
        }
        Ok(())
    }

    /// How far each client is after what was read.
    pub fn ends(&self) -> impl Iterator<Item = (u64, u32)> {
        self.ends.iter().map(|(client, end)| (*client, *end))
    }

    fn read_one(&mut self, index: &Index, each: &mut impl FnMut(Edit<'_>) -> bool) -> Result<bool, DecodeError> {
        let damaged = DecodeError::NumberTooLarge;
        // Numbers of the index's clients among all.
        let mut numbers = Vec::with_capacity(index.clients.len());
        for client in &index.clients {
            let known = self.ends.get_index_of(client);
            numbers.push(known.unwrap_or_else(|| self.ends.insert_full(*client, 0).0));
        }
        let [flags, others @ ..] = &index.columns;
        let [mut seqs, mut heads, mut inserts, mut deletes, mut deleted_at, mut deleted_len, mut times] =
            others.each_ref().map(|column| Input::raw(column));
        let mut last = Last { seq: index.after.0, ..Last::default() };
        let author = |number: u64| index.authors.get_index(number as usize).ok_or(damaged);
        let number = |client: u64| numbers.get(client as usize).copied().ok_or(damaged);
        if flags.len() != index.count {
            return Err(DecodeError::Truncated);
        }
        for &flags in flags {
            let step = if flags & SEQ == 0 { 1 } else { seqs.var_uint()? };
            last.seq = last.seq.checked_add(step).ok_or(damaged)?;
            last.at_ms = last.at_ms.checked_add_unsigned(times.var_uint()?).ok_or(damaged)?;
            if flags & AUTHOR != 0 {
                last.author = heads.var_uint()?;
            }
            let via = if flags & VIA == 0 { None } else { Some(author(heads.var_uint()?)?) };
            let restored = if flags & RESTORED == 0 { None } else { Some(Seq(heads.var_uint()?)) };
            self.inserted.clear();
            self.deleted.clear();
            if flags & LETTER != 0 {
                self.insert(number(last.inserted_by)?, 1)?;
            }
            if flags & INSERTED != 0 {
                for _ in 0..inserts.count(2)? {
                    last.inserted_by = inserts.var_uint()?;
                    let len = inserts.var_u32()?;
                    self.insert(number(last.inserted_by)?, len)?;
                }
            }
            if let Some(range) = self.inserted.last() {
                last.left = i64::from(range.end) - 1;
            }
            if flags & DELETED != 0 {
                for _ in 0..deletes.count(1)? {
                    let client = *index.clients.get_index(deletes.var_uint()? as usize).ok_or(damaged)?;
                    let start = last.left.checked_add(signed(deleted_at.var_uint()?)).ok_or(damaged)?;
                    let start = u32::try_from(start).map_err(|_| damaged)?;
                    let end = start.checked_add(deleted_len.var_u32()?).ok_or(damaged)?;
                    self.deleted.push(IdRange { client, start, end });
                    last.left = i64::from(start) - 1;
                }
            }
            let goes_on = each(Edit {
                seq: Seq(last.seq),
                at_ms: last.at_ms,
                author: author(last.author)?,
                via,
                restored,
                is_work: flags & CLEANUP == 0,
                inserted: &self.inserted,
                deleted: &self.deleted,
            });
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn insert(&mut self, number: usize, len: u32) -> Result<(), DecodeError> {
        let (client, end) = self.ends.get_index_mut(number).ok_or(DecodeError::Truncated)?;
        let start = *end;
        *end = start.checked_add(len).ok_or(DecodeError::NumberTooLarge)?;
        self.inserted.push(IdRange { client: *client, start, end: *end });
        Ok(())
    }
}
