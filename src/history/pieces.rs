//! What a root type ever held, piece by piece in the order of the document: also what is deleted, and what lies in that.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::units::{Units, each_item_of, range_of};
use crate::document::{IdRange, Items, Kind, Meter, TooCostly, TypeKind, View, ViewItem, has_words};
use crate::protocol::lib0::Input;

/// Values of so few bytes are nothing that is recognised: truths, nothing at all, the smallest numbers, the empty text.
const TRIVIAL_BYTES: usize = 2;
/// How many twins are looked at on each side of a place.
const TWINS_MAX: usize = 16;

/// A piece, and the number of the type that it lies in.
#[derive(Debug)]
pub(super) struct Piece<'v> {
    pub item: ViewItem<'v>,
    pub parent: u32,
    /// Whether it lies in something that has a key.
    is_below_key: bool,
    /// Where its text begins among all texts, or its values among all values.
    begin: usize,
    /// How many pieces before it can be seen.
    seen: usize,
}

impl Piece<'_> {
    /// Whether its units are counted where places in a root of this kind are told.
    pub fn counts_in(&self, kind: TypeKind) -> bool {
        let item = &self.item;
        !item.is_deleted
            && item.key.is_none()
            && match kind {
                TypeKind::XmlFragment => !self.is_below_key && matches!(item.content.kind, Kind::Text | Kind::Embed),
                _ => self.parent == 0 && item.content.kind != Kind::Format,
            }
    }
}

/// A part of a piece: which one, its first unit, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub piece: usize,
    pub offset: u32,
    pub len: u32,
}

/// All pieces of a root.
pub(super) struct Pieces<'v> {
    view: &'v View,
    root: &'v str,
    all: Vec<Piece<'v>>,
    /// By client, in the order of their clocks.
    by_client: HashMap<u64, Vec<usize>>,
    /// The texts of all, in UTF-16, so that any part is found at once.
    texts: Vec<u16>,
    /// What tells the values of all apart, unit by unit; 0 for what is not recognised.
    values: Vec<u64>,
    /// Marks, and attributes of elements, that say the same, in the order of the document.
    twins: HashMap<u64, Vec<usize>>,
    /// Marks with the same key in a type, whatever they say, in the order of the document.
    marks: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

/// A type whose items are gone through.
struct Open<'v> {
    items: Items<'v>,
    number: u32,
    is_element: bool,
    is_below_key: bool,
}

impl<'v> Pieces<'v> {
    /// Those of a root.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn of(view: &'v View, root: &'v str, meter: &mut Meter) -> Result<Self, TooCostly> {
        let mut pieces = Self {
            view,
            root,
            all: Vec::new(),
            by_client: HashMap::new(),
            texts: Vec::new(),
            values: Vec::new(),
            twins: HashMap::new(),
            marks: HashMap::new(),
            hasher: RandomState::new(),
        };
        let root = view.items(root).map(|items| Open { items, number: 0, is_element: false, is_below_key: false });
        let mut open: Vec<Open<'v>> = root.into_iter().collect();
        let (mut types, mut seen) = (1, 0);
        while let Some(Open { items, number, is_element, is_below_key }) = open.last_mut() {
            let Some(item) = items.next() else {
                open.pop();
                continue;
            };
            let (parent, is_element, mut is_below_key) = (*number, *is_element, *is_below_key);
            meter.step()?;
            meter.hold::<(Piece<'_>, usize)>(1)?;
            let begin = match item.content.kind {
                Kind::Text => pieces.add_text(&item, meter)?,
                _ => pieces.add_values(&item, is_element, meter)?,
            };
            if let Some(mark) = pieces.mark(&item, parent) {
                meter.hold::<(u64, usize)>(2)?;
                let at = pieces.all.len();
                pieces.marks.entry(mark).or_default().push(at);
            }
            let is_seen = !item.is_deleted && item.content.kind != Kind::Format;
            let children = item.children();
            let is_element = item.type_kind() == Some(TypeKind::XmlElement);
            let has_key = item.key.is_some();
            pieces.all.push(Piece { item, parent, is_below_key, begin, seen });
            seen += usize::from(is_seen);
            if let Some(items) = children {
                is_below_key |= has_key;
                open.push(Open { items, number: types, is_element, is_below_key });
                types += 1;
            }
        }
        let Self { all, by_client, .. } = &mut pieces;
        for (at, piece) in all.iter().enumerate() {
            by_client.entry(piece.item.id.client).or_default().push(at);
        }
        for own in by_client.values_mut() {
            own.sort_unstable_by_key(|at| all[*at].item.id.clock);
        }
        Ok(pieces)
    }

    /// Adds the text of the next piece; where it begins.
    fn add_text(&mut self, item: &ViewItem<'v>, meter: &mut Meter) -> Result<usize, TooCostly> {
        let begin = self.texts.len();
        if let Some(own) = item.text() {
            meter.steps(own.len())?;
            meter.hold::<u16>(item.len as usize)?;
            self.texts.extend(own.encode_utf16());
        }
        Ok(begin)
    }

    /// Adds the values of the next piece; where they begin.
    fn add_values(&mut self, item: &ViewItem<'v>, is_of_element: bool, meter: &mut Meter) -> Result<usize, TooCostly> {
        let begin = self.values.len();
        let content = item.content;
        if !has_words(content) {
            return Ok(begin);
        }
        meter.steps(content.raw.len())?;
        meter.hold::<u64>(item.len as usize)?;
        for unit in content.units(item.len) {
            let value = self.hasher.hash_one((content.kind as u8, unit)).max(1);
            self.values.push(if unit.len() > TRIVIAL_BYTES { value } else { 0 });
        }
        let is_attribute = is_of_element && item.key.is_some() && item.len == 1;
        if (is_attribute || content.kind == Kind::Format) && self.values[begin] != 0 {
            meter.hold::<(u64, usize)>(2)?;
            let twins = self.hasher.hash_one((item.key, self.values[begin]));
            self.twins.entry(twins).or_default().push(self.all.len());
        }
        Ok(begin)
    }

    pub fn all(&self) -> &[Piece<'v>] {
        &self.all
    }

    /// The text of a part; empty for what is no text.
    pub fn text(&self, part: Part) -> &[u16] {
        let piece = &self.all[part.piece];
        if piece.item.content.kind != Kind::Text {
            return &[];
        }
        let start = piece.begin + part.offset as usize;
        self.texts.get(start..start + part.len as usize).unwrap_or_default()
    }

    /// Whether nothing that can be seen stands between two pieces.
    pub fn adjoin(&self, before: usize, after: usize) -> bool {
        self.all[before + 1].seen == self.all[after].seen
    }

    /// The parts of a range of units that lie in the root, ascending; what adjoins is one.
    pub fn own(&self, range: IdRange) -> Vec<IdRange> {
        let mut parts: Vec<IdRange> = Vec::new();
        for at in self.pieces_in(range) {
            let own = range_of(&self.all[*at].item);
            let (start, end) = (own.start.max(range.start), own.end.min(range.end));
            match parts.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => parts.push(IdRange { start, end, ..range }),
            }
        }
        parts
    }

    /// All that lies in other roots.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn elsewhere(&self, meter: &mut Meter) -> Result<Units, TooCostly> {
        let mut units = Units::default();
        for root in self.view.roots().filter(|root| *root != self.root) {
            let mut count = 0;
            each_item_of(self.view.items(root), |item| {
                units.add(range_of(item));
                count += 1;
            });
            meter.steps(count)?;
            meter.hold::<(u32, u32)>(count)?;
        }
        units.settle();
        Ok(units)
    }

    /// The pieces that have units of a range, in the order of their clocks.
    fn pieces_in(&self, range: IdRange) -> impl Iterator<Item = &usize> {
        let own = self.by_client.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.partition_point(|at| range_of(&self.all[*at].item).end <= range.start);
        own[first..].iter().take_while(move |at| self.all[**at].item.id.clock < range.end)
    }

    /// The parts that a range of units has, as they lie: those of texts, and one for each value that is recognised.
    pub fn parts(&self, range: IdRange, texts: &mut Vec<Part>, values: &mut Vec<Part>) {
        for at in self.pieces_in(range) {
            let item = &self.all[*at].item;
            let start = item.id.clock.max(range.start) - item.id.clock;
            let end = (item.id.clock + item.len).min(range.end) - item.id.clock;
            if item.content.kind == Kind::Text {
                texts.push(Part { piece: *at, offset: start, len: end - start });
            } else if has_words(item.content) {
                let parts = (start..end).map(|offset| Part { piece: *at, offset, len: 1 });
                values.extend(parts.filter(|part| self.value(*part) != 0));
            }
        }
    }

    /// What tells the value of a part of one unit apart.
    pub fn value(&self, part: Part) -> u64 {
        self.values[self.all[part.piece].begin + part.offset as usize]
    }

    /// The mark, or attribute of an element, that says the same as this one, is known, and stands next to a place.
    pub fn twin(&self, part: Part, place: usize, is_known: impl Fn(IdRange) -> bool) -> Option<Part> {
        let twins = self.twins.get(&self.hasher.hash_one((self.all[part.piece].item.key, self.value(part))))?;
        let (before, behind) = twins.split_at(twins.partition_point(|twin| *twin < place));
        let known = |twin: &usize| {
            let twin = Part { piece: *twin, offset: 0, len: 1 };
            is_known(self.range(twin)).then_some(twin)
        };
        let before = before.iter().rev().take(TWINS_MAX).find_map(known);
        let behind = behind.iter().take(TWINS_MAX).find_map(known);
        before.into_iter().chain(behind).min_by_key(|twin| twin.piece.abs_diff(place))
    }

    /// Whether there are any marks.
    pub fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// What tells marks with one key in one type apart from others.
    fn mark(&self, item: &ViewItem<'_>, parent: u32) -> Option<u64> {
        let key = Input::raw(item.content.raw).raw_buf().ok().filter(|_| item.content.kind == Kind::Format)?;
        Some(self.hasher.hash_one((parent, key)))
    }

    /// The mark that this one says again behind a part that is marked otherwise: the one that held there before.
    pub fn resumed(&self, part: Part, is_known: impl Fn(IdRange) -> bool) -> Option<Part> {
        let Piece { item, parent, .. } = &self.all[part.piece];
        let marks = self.marks.get(&self.mark(item, *parent)?)?;
        let before = &marks[..marks.partition_point(|mark| *mark < part.piece)];
        for mark in before.iter().rev().take(TWINS_MAX) {
            let one = Part { piece: *mark, offset: 0, len: 1 };
            let before = &self.all[*mark].item;
            if !is_known(self.range(one)) {
                continue;
            }
            if before.content == item.content {
                return Some(one);
            }
            // What is deleted may not have held any more.
            if !before.is_deleted {
                return None;
            }
        }
        None
    }

    /// The piece that a unit lies in.
    pub fn piece_at(&self, unit: IdRange) -> Option<usize> {
        let own = self.by_client.get(&unit.client)?;
        let at = own.partition_point(|at| {
            let item = &self.all[*at].item;
            item.id.clock + item.len <= unit.start
        });
        own.get(at).copied().filter(|at| self.all[*at].item.id.clock <= unit.start)
    }

    /// The units of a part.
    pub fn range(&self, part: Part) -> IdRange {
        let id = self.all[part.piece].item.id;
        let start = id.clock + part.offset;
        IdRange { client: id.client, start, end: start + part.len }
    }
}
