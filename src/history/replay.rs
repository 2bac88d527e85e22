//! A document's whole history in one piece, for who steps through it without asking again: all units that were ever inserted, in the
//! order of the document, with the edits that inserted and first deleted each. The document after any edit is what was inserted by then
//! and not deleted, in that same order.

use std::collections::HashMap;
use std::iter::Peekable;

use bytes::Bytes;
use indexmap::IndexSet;

use super::authors::Authors;
use super::blame::Credits;
use super::error::HistoryError;
use super::moves::Move;
use super::past::History;
use super::pieces::Pieces;
use super::units::range_of;
use crate::document::{BlockId, IdRange, Items, Kind, Meter, TypeKind, View, ViewItem};
use crate::ids::UserId;

/// What a replay may hold, in bytes, about: as JSON it is no longer than that.
const REPLAY_BYTES_MAX: usize = 64 << 20;
/// Of a run of numbers, of a node beside its texts.
const RUN_BYTES: usize = 24;
const NODE_BYTES: usize = 64;
/// Stands for a unit that is no text.
const OBJECT: &str = "\u{fffc}";

/// A document's history.
#[derive(Debug, Default)]
pub struct Replay {
    /// The root type; none if the document never had one.
    pub root: Option<String>,
    /// Whether that is XML, and not a text.
    pub is_xml: bool,
    /// Users, by their numbers.
    pub authors: IndexSet<UserId>,
    /// How many edits there are. They are numbered from 1 on.
    pub edits: u32,
    /// Their seqs.
    pub seqs: Column,
    /// When they were committed: of the first in Unix milliseconds, of each other how long after the one before.
    pub times: Vec<i64>,
    /// Numbers of those who made them.
    pub editors: Column,
    /// All units, in the order of the document; U+FFFC stands for what is no text.
    pub text: String,
    /// Of each unit the edit that inserted it.
    pub inserted: Column,
    /// Of each unit the edit that deleted it first; 0 if none did.
    pub deleted: Column,
    /// Of each unit the number of who wrote it, as in [`History::blame`].
    pub writers: Column,
    /// Whether they are not, in part, as [`Blame::is_partial`](super::Blame::is_partial) says.
    pub is_partial: bool,
    /// Text that an edit deleted and inserted again, in the order of the document.
    pub moved: Vec<Moved>,
    /// What is no text, in the order of the document.
    pub nodes: Vec<Node>,
    /// Surrogate pairs whose halves are U+FFFD in the text, since somebody came between them.
    pub pairs: Vec<Pair>,
}

/// Units that stand for others, which the same edit deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// Index of the first of them.
    pub at: u64,
    /// Index of the first one that they stand for.
    pub from: u64,
    /// How many they are.
    pub count: u64,
}

/// A surrogate pair that was one character once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Index of the unit of its first half.
    pub at: u64,
    /// Of its second half.
    pub other: u64,
    /// The character.
    pub char: char,
    /// The first edit after which it is two halves.
    pub until: u32,
}

/// What a unit is that is no text.
#[derive(Debug)]
pub struct Node {
    /// Index of the unit.
    pub at: u64,
    /// What it is.
    pub what: NodeKind,
}

/// What a unit is that is no text. Values are JSON.
#[derive(Debug)]
pub enum NodeKind {
    /// A shared type.
    Type {
        /// Of an element; a text has none.
        name: Option<String>,
        /// Index of the unit behind what it holds.
        end: u64,
    },
    /// An attribute of the type around it, from the edit on that inserted it.
    Attribute {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// Begins a format of the text behind it, or ends it.
    Mark {
        /// The format.
        key: String,
        /// Its value; null ends it.
        value: String,
    },
    /// Something embedded.
    Embed {
        /// Its value.
        value: String,
    },
}

/// Numbers in runs, each three of them: the first, how much each is more than the one before, and how many there are.
#[derive(Debug, Default)]
pub struct Column(Vec<i64>);

impl Column {
    /// The runs, one behind another.
    pub fn runs(&self) -> &[i64] {
        &self.0
    }

    /// Appends a number so many times.
    fn push(&mut self, number: i64, count: u32) {
        let count = i64::from(count);
        if let [.., first, step, known] = &mut self.0[..] {
            if *known == 1 && count == 1 {
                *step = number - *first;
            }
            if *first + *step * *known == number && (count == 1 || *step == 0) {
                *known += count;
                return;
            }
        }
        self.0.extend([number, 0, count]);
    }
}

/// Units of a client that one edit inserted, or deleted.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    edit: u32,
}

/// Which edit did something to a unit, by client and clock.
#[derive(Debug, Default)]
struct Spans(HashMap<u64, Vec<Span>>);

impl Spans {
    fn add(&mut self, range: &IdRange, edit: u32) {
        self.0.entry(range.client).or_default().push(Span { start: range.start, end: range.end, edit });
    }

    fn settle(&mut self) {
        self.0.values_mut().for_each(|own| own.sort_unstable_by_key(|span| span.start));
    }

    /// The edits of a range, with how many units each has; 0 for those that no edit has.
    fn each(&self, range: IdRange, mut each: impl FnMut(u32, u32)) {
        let own = self.0.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|span| span.end <= range.start);
        let mut at = range.start;
        for span in own[first..].iter().take_while(|span| span.start < range.end) {
            let (start, end) = (span.start.max(at), span.end.min(range.end));
            if start > at {
                each(0, start - at);
            }
            each(span.edit, end.saturating_sub(start));
            at = end.max(at);
        }
        if at < range.end {
            each(0, range.end - at);
        }
    }

    /// The edit of one unit, 0 if there is none.
    fn one(&self, range: IdRange) -> u32 {
        let mut found = 0;
        self.each(IdRange { end: range.start + 1, ..range }, |edit, _| found = edit);
        found
    }
}

impl History {
    /// The history of a root type that is a text or XML, of the only root if none is named; see [`Replay`].
    ///
    /// Attributes of the root itself are left out.
    ///
    /// # Errors
    /// There is no such root, the choice is not clear, it is neither, or it takes more than may be spent.
    pub fn replay(&self, root: Option<&str>, authors: &Authors) -> Result<Replay, HistoryError> {
        self.replay_within(root, authors, REPLAY_BYTES_MAX)
    }

    fn replay_within(&self, root: Option<&str>, authors: &Authors, bytes_max: usize) -> Result<Replay, HistoryError> {
        let mut replay = Replay::default();
        let (mut inserted, mut deleted) = (Spans::default(), Spans::default());
        let mut last_ms = 0;
        let begins_at = self.begins_at();
        self.read(self.upto(), |edit| {
            // What was dropped is there at once.
            let (seq, at_ms) = (edit.seq.max(begins_at), edit.at_ms.max(self.moments.last_ms));
            if edit.seq > begins_at || replay.edits == 0 {
                replay.edits += 1;
                replay.seqs.push(seq.0.cast_signed(), 1);
                replay.times.push(at_ms - last_ms);
                last_ms = at_ms;
                let editor = number(&mut replay.authors, edit.author);
                replay.editors.push(editor, 1);
            }
            edit.inserted.iter().for_each(|range| inserted.add(range, replay.edits));
            edit.deleted.iter().for_each(|range| deleted.add(range, replay.edits));
        })?;
        // Those of one client were inserted in the order of their clocks, and no unit is deleted twice.
        deleted.settle();
        let state = Bytes::from(self.state_with_deleted(self.upto())?);
        let view = View::read(&state, self.budget)?;
        let Some(root) = view.root_named(root)? else { return Ok(replay) };
        replay.is_xml = match view.root_kind(root)? {
            TypeKind::Text => false,
            TypeKind::XmlFragment => true,
            _ => return Err(HistoryError::NoReplay),
        };
        replay.root = Some(root.to_owned());
        let mut meter = Meter::new(self.budget);
        let pieces = Pieces::of(&view, root, &mut meter)?;
        let credits = self.credits(self.upto(), &pieces, authors, &mut meter)?;
        replay.is_partial = credits.is_partial;
        let edits = replay.times.len() * RUN_BYTES;
        let cut = cut_pairs(&pieces, &inserted, &deleted, &mut meter)?;
        let mut walk =
            Walk { replay, inserted, deleted, credits, meter, cut, places: HashMap::new(), units: 0, left: bytes_max };
        walk.hold(edits)?;
        if let Some(items) = view.items(root) {
            walk.all(items)?;
        }
        walk.moved()?;
        Ok(walk.replay)
    }
}

fn number(authors: &mut IndexSet<UserId>, user: &UserId) -> i64 {
    let known = authors.get_index_of(user);
    known.unwrap_or_else(|| authors.insert_full(user.clone()).0) as i64
}

/// A surrogate pair that is cut.
struct Cut {
    /// Index of the unit of its first half, once that is known.
    at: Option<u64>,
    char: char,
    /// The first edit that came between its halves, or deleted one of them alone.
    until: u32,
}

/// The surrogate pairs that are cut, by the ids of their second halves.
fn cut_pairs(
    pieces: &Pieces<'_>,
    inserted: &Spans,
    deleted: &Spans,
    meter: &mut Meter,
) -> Result<HashMap<BlockId, Cut>, HistoryError> {
    let mut cut: HashMap<BlockId, Cut> = HashMap::new();
    let items = || pieces.all().iter().map(|piece| &piece.item);
    meter.steps(pieces.all().len())?;
    for item in items() {
        let Some(char) = item.ends_in_pair() else { continue };
        let range = range_of(item);
        let (start, end) = (range.end - 1, range.end + 1);
        let [one, other] = [start, range.end].map(|start| deleted.one(IdRange { start, end, ..range }));
        let alone = [one, other].into_iter().filter(|edit| *edit > 0 && one != other).min();
        let until = alone.unwrap_or(u32::MAX);
        meter.hold::<(BlockId, Cut)>(2)?;
        cut.insert(BlockId { client: range.client, clock: range.end }, Cut { at: None, char, until });
    }
    if cut.is_empty() {
        return Ok(cut);
    }
    meter.steps(pieces.all().len())?;
    for item in items() {
        let [left, right] = item.neighbours();
        let behind = left.map(|left| BlockId { clock: left.clock + 1, ..left }).filter(|behind| *behind != item.id);
        for id in [behind, right].into_iter().flatten() {
            if let Some(cut) = cut.get_mut(&id) {
                cut.until = cut.until.min(inserted.one(range_of(item)));
            }
        }
    }
    Ok(cut)
}

/// A document that is being read, unit by unit.
struct Walk {
    replay: Replay,
    inserted: Spans,
    deleted: Spans,
    credits: Credits,
    meter: Meter,
    cut: HashMap<BlockId, Cut>,
    /// Of each client where its texts are, where any moved: the first clock, the one after the last, and the first unit.
    places: HashMap<u64, Vec<(u32, u32, u64)>>,
    units: u64,
    /// What the replay may still hold, in bytes.
    left: usize,
}

/// A type that is being read, and where its node is; the root has none.
struct Inside<'v> {
    items: Peekable<Items<'v>>,
    node: Option<usize>,
}

impl Walk {
    fn all<'v>(&mut self, items: Items<'v>) -> Result<(), HistoryError> {
        let mut open = vec![Inside { items: items.peekable(), node: None }];
        while let Some(inside) = open.last_mut() {
            let Some(item) = inside.items.next() else {
                let closed = open.pop().and_then(|inside| inside.node);
                if let Some(Node { what: NodeKind::Type { end, .. }, .. }) = closed.map(|at| &mut self.replay.nodes[at])
                {
                    *end = self.units;
                }
                continue;
            };
            if item.key.is_none() {
                open.extend(self.item(&item)?);
            } else if inside.node.is_some() {
                let next = inside.items.peek().filter(|next| next.key == item.key).map(range_of);
                self.attribute(&item, next)?;
            }
        }
        Ok(())
    }

    /// An item of a list; what is in it.
    fn item<'v>(&mut self, item: &ViewItem<'v>) -> Result<Option<Inside<'v>>, HistoryError> {
        let range = range_of(item);
        let at = self.units;
        if let Some(text) = item.text() {
            self.pairs(item)?;
            if !self.credits.moves.is_empty() {
                self.meter.hold::<(u32, u32, u64)>(2)?;
                self.places.entry(range.client).or_default().push((range.start, range.end, self.units));
            }
            self.units_of(range, &text, None)?;
            return Ok(None);
        }
        let inside = match item.content.kind {
            // Nobody knows any more what it was.
            Kind::Collected | Kind::Deleted | Kind::Skip => return Ok(None),
            Kind::Format => {
                let (key, value) = item.format(&mut self.meter)?.unwrap_or_default();
                self.node(at, NodeKind::Mark { key: key.to_owned(), value })?;
                None
            }
            Kind::Type
                if item.type_kind().is_some_and(|kind| matches!(kind, TypeKind::XmlElement | TypeKind::XmlText)) =>
            {
                let name = item.type_kind() == Some(TypeKind::XmlElement);
                let name = name.then(|| item.type_name().to_owned());
                self.node(at, NodeKind::Type { name, end: at })?;
                let node = Some(self.replay.nodes.len() - 1);
                item.children().map(|items| Inside { items: items.peekable(), node })
            }
            _ => {
                self.node(at, NodeKind::Embed { value: item.value()? })?;
                None
            }
        };
        self.units_of(range, &OBJECT.repeat(range.len() as usize), None)?;
        Ok(inside)
    }

    /// Tells which text moved.
    fn moved(&mut self) -> Result<(), HistoryError> {
        self.places.values_mut().for_each(|own| own.sort_unstable());
        for Move { mut to, mut from, .. } in std::mem::take(&mut self.credits.moves) {
            while !to.is_empty() {
                self.meter.step()?;
                // Text only, and none of what lies in something that has a key.
                let (Some((at, some)), Some((source, others))) = (self.place(to), self.place(from)) else { break };
                let len = some.min(others);
                let next = Moved { at, from: source, count: len.into() };
                match self.replay.moved.last_mut() {
                    Some(last) if (last.at + last.count, last.from + last.count) == (at, source) => {
                        last.count += u64::from(len);
                    }
                    _ => {
                        self.replay.moved.push(next);
                        self.hold(NODE_BYTES)?;
                    }
                }
                (to.start, from.start) = (to.start + len, from.start + len);
            }
        }
        self.replay.moved.sort_unstable();
        Ok(())
    }

    /// The unit of the first of a range, and how many of it stand there in a row.
    fn place(&self, range: IdRange) -> Option<(u64, u32)> {
        let own = self.places.get(&range.client)?;
        let (start, end, unit) = own.get(own.partition_point(|(_, end, _)| *end <= range.start))?;
        let skipped = range.start.checked_sub(*start)?;
        Some((unit + u64::from(skipped), range.end.min(*end) - range.start))
    }

    /// Notes the pairs that a text ends or begins within.
    fn pairs(&mut self, item: &ViewItem<'_>) -> Result<(), HistoryError> {
        if let Some(Cut { at: Some(at), char, until }) = self.cut.remove(&item.id) {
            self.replay.pairs.push(Pair { at, other: self.units, char, until });
            self.hold(NODE_BYTES)?;
        }
        let end = BlockId { clock: item.id.clock + item.len, ..item.id };
        if let Some(cut) = self.cut.get_mut(&end) {
            cut.at = Some(self.units + u64::from(item.len) - 1);
        }
        Ok(())
    }

    /// A value of an attribute, and the one that replaced it: it is over with that, too, which no edit says.
    fn attribute(&mut self, item: &ViewItem<'_>, next: Option<IdRange>) -> Result<(), HistoryError> {
        let range = range_of(item);
        let last = IdRange { start: range.end.max(1) - 1, ..range };
        let key = item.key.unwrap_or_default().to_owned();
        self.node(self.units, NodeKind::Attribute { key, value: item.value()? })?;
        self.units_of(last, OBJECT, next.map(|next| self.inserted.one(next)))
    }

    fn node(&mut self, at: u64, what: NodeKind) -> Result<(), HistoryError> {
        let texts = match &what {
            NodeKind::Type { name, .. } => name.as_deref().map_or(0, json_bytes),
            NodeKind::Attribute { key, value } | NodeKind::Mark { key, value } => json_bytes(key) + value.len(),
            NodeKind::Embed { value } => value.len(),
        };
        self.replay.nodes.push(Node { at, what });
        self.hold(NODE_BYTES + texts)
    }

    /// Adds the units of a range. `over`: the edit with which they are no more, whether or not one deletes them.
    fn units_of(&mut self, range: IdRange, text: &str, over: Option<u32>) -> Result<(), HistoryError> {
        let Replay { authors, inserted, deleted, writers, .. } = &mut self.replay;
        let runs = |columns: [&Column; 3]| columns.iter().map(|column| column.0.len() / 3).sum::<usize>();
        let before = runs([inserted, deleted, writers]);
        self.inserted.each(range, |edit, count| repeat(inserted, edit, count));
        self.deleted.each(range, |edit, count| {
            let edit = [Some(edit), over].into_iter().flatten().filter(|edit| *edit > 0).min().unwrap_or(0);
            repeat(deleted, edit, count);
        });
        let mut told = range.start;
        for (part, credit, ..) in self.credits.told(range) {
            writers.push(number(authors, &credit.by), part.len());
            told = part.end;
        }
        if told < range.end {
            // All that was inserted is credited; a column must not be shorter than the others whatever happens.
            writers.push(0, range.end - told);
        }
        let held = (runs([inserted, deleted, writers]) - before) * RUN_BYTES + json_bytes(text);
        self.replay.text.push_str(text);
        self.units += u64::from(range.len());
        self.hold(held)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), HistoryError> {
        self.left = self.left.checked_sub(bytes).ok_or(HistoryError::TooLarge)?;
        Ok(())
    }
}

/// How long a text is within a string of JSON, in bytes.
fn json_bytes(text: &str) -> usize {
    let escape = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | b'\x08' | b'\x0c' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.as_bytes().iter().map(escape).sum()
}

fn repeat(column: &mut Column, edit: u32, count: u32) {
    if count > 0 {
        column.push(edit.into(), count);
    }
}

#[cfg(test)]
mod tests {
    use yrs::{ClientID, Doc, Options, Text, Transact};

    use super::*;
    use crate::ids::Seq;
    use crate::store::{Entry, EntryKind};

    fn unrolled(column: &Column) -> Vec<i64> {
        let runs = column.runs().chunks(3);
        runs.flat_map(|run| (0..run[2]).map(move |at| run[0] + run[1] * at)).collect()
    }

    #[test]
    fn a_column_gives_back_what_was_put_into_it() {
        let all =
            [(5, 1), (6, 1), (7, 1), (7, 1), (7, 3), (9, 2), (1, 1), (4, 1), (7, 1), (10, 1), (0, 4), (0, 1), (3, 1)];
        let mut column = Column::default();
        let mut expected = Vec::new();
        for (number, count) in all {
            column.push(number, count);
            expected.extend((0..count).map(|_| number));
            assert_eq!(unrolled(&column), expected);
        }
        let mut letters = Column::default();
        (1..=100_000).for_each(|number| letters.push(number, 1));
        assert_eq!(letters.runs(), [1, 1, 100_000]);
    }

    /// Alice writes a text, and then deletes the first letters, each by an edit, the last of them first.
    fn typed_and_deleted(typed: &str, letters: u32) -> History {
        let doc = Doc::with_options(Options::with_client_id(ClientID::new(1)));
        let text = doc.get_or_insert_text("t");
        let mut history = History::default();
        for (at, seq) in [None].into_iter().chain((0..letters).rev().map(Some)).zip(1..) {
            let mut txn = doc.transact_mut();
            match at {
                None => text.push(&mut txn, typed),
                Some(at) => text.remove_range(&mut txn, at, 1),
            }
            let body = Bytes::from(txn.encode_update_v1());
            history.push(Entry {
                seq: Seq(seq),
                kind: EntryKind::Edit,
                author: UserId::new("alice"),
                via: None,
                at_ms: 1_000 + 10 * seq as i64,
                key: None,
                body_bytes: body.len() as u64,
                body: Some(body),
            });
        }
        history
    }

    #[test]
    fn a_replay_tells_of_each_unit_when_it_came_and_went() {
        let replay = typed_and_deleted("hello", 2).replay(None, &Authors::default()).unwrap();
        assert_eq!((replay.text.as_str(), replay.is_xml, replay.root.as_deref()), ("hello", false, Some("t")));
        assert_eq!((replay.edits, unrolled(&replay.seqs), replay.times), (3, vec![1, 2, 3], vec![1_010, 10, 10]));
        assert_eq!(unrolled(&replay.inserted), [1; 5]);
        assert_eq!(unrolled(&replay.deleted), [3, 2, 0, 0, 0]);
        assert_eq!(
            (replay.authors.into_iter().collect::<Vec<_>>(), unrolled(&replay.writers)),
            (vec![UserId::new("alice")], vec![0; 5])
        );
    }

    #[test]
    fn a_replay_tells_where_text_was_before_an_edit_moved_it() {
        let doc = Doc::with_options(Options::with_client_id(ClientID::new(1)));
        let text = doc.get_or_insert_text("t");
        let mut history = History::default();
        for seq in 1..=3 {
            let mut txn = doc.transact_mut();
            match seq {
                1 => text.push(&mut txn, "one two"),
                // The words change places, and back.
                2 => {
                    text.remove_range(&mut txn, 0, 3);
                    text.push(&mut txn, "one");
                }
                _ => {
                    text.remove_range(&mut txn, 4, 3);
                    text.insert(&mut txn, 0, "one");
                }
            }
            let body = Bytes::from(txn.encode_update_v1());
            history.push(Entry {
                seq: Seq(seq),
                kind: EntryKind::Edit,
                author: UserId::new("alice"),
                via: None,
                at_ms: seq as i64,
                key: None,
                body_bytes: body.len() as u64,
                body: Some(body),
            });
        }
        let Replay { text, moved, .. } = history.replay(None, &Authors::default()).unwrap();
        let words: Vec<_> = moved.iter().map(|run| &text[run.at as usize..][..run.count as usize]).collect();
        assert_eq!((words, text.len()), (vec!["one", "one"], 13));
        let [first, second] = moved[..] else { panic!("{moved:?}") };
        // The one at the front stands for the one at the end, and that for the first of all.
        assert_eq!((first.at < second.at, first.from, &text[second.from as usize..][..3]), (true, second.at, "one"));
    }

    #[test]
    fn the_length_of_a_text_is_counted_as_json_has_it() {
        let all: String = (0..=0x2000).filter_map(char::from_u32).chain(['\u{fffc}', '😀']).collect();
        for text in all.split_inclusive(|_| true).chain([&all[..], ""]) {
            assert_eq!(json_bytes(text) + 2, serde_json::to_string(text).unwrap().len(), "{text:?}");
        }
    }

    #[test]
    fn a_replay_that_would_be_too_long_is_refused() {
        // Five letters, one of which takes six bytes in JSON; four edits, and runs: one of edits that inserted, one of writers, two of
        // edits that deleted.
        for (typed, text_bytes) in [("hello", 5), ("hell\u{1}", 10)] {
            let history = typed_and_deleted(typed, 3);
            let needed = 4 * RUN_BYTES + text_bytes + 4 * RUN_BYTES;
            assert!(history.replay_within(None, &Authors::default(), needed).is_ok());
            let refused = history.replay_within(None, &Authors::default(), needed - 1);
            assert!(matches!(refused, Err(HistoryError::TooLarge)), "{refused:?}");
        }
    }
}
