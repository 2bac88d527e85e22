//! What a root type ever held, piece by piece in the order of the document: also what is deleted, and what lies in that.

use std::collections::HashMap;

use crate::document::{IdRange, Items, Kind, Meter, TooCostly, TypeKind, View, ViewItem};

/// A piece, and the number of the type that it lies in.
#[derive(Debug)]
pub(super) struct Piece<'v> {
    pub item: ViewItem<'v>,
    pub parent: u32,
    /// Where its text begins among all.
    text: usize,
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
                TypeKind::XmlFragment => matches!(item.content.kind, Kind::Text | Kind::Embed),
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
    all: Vec<Piece<'v>>,
    /// By client, in the order of their clocks.
    by_client: HashMap<u64, Vec<usize>>,
    /// The texts of all, in UTF-16, so that any part is found at once.
    texts: Vec<u16>,
}

impl<'v> Pieces<'v> {
    /// Those of a root.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn of(view: &'v View, root: &str, meter: &mut Meter) -> Result<Self, TooCostly> {
        let mut all = Vec::new();
        let mut open: Vec<(Items<'v>, u32)> = view.items(root).map(|items| (items, 0)).into_iter().collect();
        let (mut types, mut seen) = (1, 0);
        let mut texts = Vec::new();
        while let Some((items, parent)) = open.last_mut() {
            let Some(item) = items.next() else {
                open.pop();
                continue;
            };
            let (parent, children) = (*parent, item.children().filter(|_| item.key.is_none()));
            meter.step()?;
            meter.hold::<(Piece<'_>, usize)>(1)?;
            let text = texts.len();
            if let Some(own) = item.text() {
                meter.steps(own.len())?;
                meter.hold::<u16>(item.len as usize)?;
                texts.extend(own.encode_utf16());
            }
            let is_seen = !item.is_deleted && item.content.kind != Kind::Format;
            all.push(Piece { item, parent, text, seen });
            seen += usize::from(is_seen);
            if let Some(children) = children {
                open.push((children, types));
                types += 1;
            }
        }
        let mut by_client: HashMap<u64, Vec<usize>> = HashMap::new();
        for (at, piece) in all.iter().enumerate() {
            by_client.entry(piece.item.id.client).or_default().push(at);
        }
        for own in by_client.values_mut() {
            own.sort_unstable_by_key(|at| all[*at].item.id.clock);
        }
        Ok(Self { all, by_client, texts })
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
        let start = piece.text + part.offset as usize;
        self.texts.get(start..start + part.len as usize).unwrap_or_default()
    }

    /// Whether nothing that can be seen stands between two pieces.
    pub fn adjoin(&self, before: usize, after: usize) -> bool {
        self.all[before + 1].seen == self.all[after].seen
    }

    /// The parts of texts that a range of units has, as they lie.
    pub fn texts(&self, range: IdRange, out: &mut Vec<Part>) {
        let Some(own) = self.by_client.get(&range.client) else { return };
        let first = own.partition_point(|at| {
            let item = &self.all[*at].item;
            item.id.clock + item.len <= range.start
        });
        for at in &own[first..] {
            let item = &self.all[*at].item;
            if item.id.clock >= range.end {
                break;
            }
            if item.content.kind == Kind::Text {
                let start = item.id.clock.max(range.start);
                let end = (item.id.clock + item.len).min(range.end);
                out.push(Part { piece: *at, offset: start - item.id.clock, len: end - start });
            }
        }
    }

    /// The units of a part.
    pub fn range(&self, part: Part) -> IdRange {
        let id = self.all[part.piece].item.id;
        let start = id.clock + part.offset;
        IdRange { client: id.client, start, end: start + part.len }
    }
}
