//! A type's list while it is changed: pieces of what is there, and of what is new. Places are counted as Yjs counts them, in units of what
//! is not deleted: UTF-16 units of text, values, types, embeds. Formatting marks have none.

use super::{Draft, DraftError, Ty};
use crate::document::content::units;
use crate::document::view::tree::{Item, Tree};
use crate::document::{Json, Kind};

/// What is new.
#[derive(Debug, Clone)]
pub(super) enum New {
    Text(String),
    Value(Json),
    Format(String, Json),
    Type(Ty),
}

impl New {
    pub fn units(&self) -> u32 {
        match self {
            Self::Text(text) => units(text.as_bytes()) as u32,
            Self::Value(_) | Self::Type(_) => 1,
            Self::Format(..) => 0,
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// A part of an item.
    Old {
        item: u32,
        from: u32,
        len: u32,
        /// Whether it is deleted neither before nor by the draft.
        is_live: bool,
    },
    New(New),
}

impl Piece {
    /// How many units it counts.
    pub fn units(&self, tree: &Tree) -> u32 {
        match self {
            Self::Old { is_live: false, .. } => 0,
            Self::Old { item, len, .. } => match tree.item(*item).kind {
                Kind::Collected | Kind::Deleted | Kind::Format | Kind::Skip => 0,
                _ => *len,
            },
            Self::New(new) => new.units(),
        }
    }
}

/// A change of a list: at a place, so many units go and something comes.
#[derive(Debug)]
pub(super) struct Splice {
    pub at: u32,
    pub delete: u32,
    pub insert: Vec<New>,
}

/// The text of an item, with U+FFFD for halves of surrogate pairs, so that it has a unit for each of the item.
pub(super) fn text_of(tree: &Tree, item: &Item) -> String {
    let mut bytes = Vec::new();
    tree.piece(item).put_raw(&mut bytes);
    String::from_utf8(bytes).unwrap_or_default()
}

/// The bytes before so many units of a text; `None` within a character or behind the end.
pub(super) fn byte_at(text: &str, units: u32) -> Option<usize> {
    let mut left = units as usize;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(c.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

impl Draft<'_> {
    /// The text of a piece; empty if it has none.
    pub(super) fn piece_text(&mut self, piece: &Piece) -> Result<String, DraftError> {
        match piece {
            Piece::New(New::Text(text)) => Ok(text.clone()),
            Piece::Old { item, from, len, is_live: true } if self.tree.item(*item).kind == Kind::Text => {
                let text = text_of(self.tree, self.tree.item(*item));
                self.meter.steps(text.len() / 16)?;
                let part = byte_at(&text, *from).zip(byte_at(&text, from + len));
                Ok(part.map_or_else(String::new, |(from, to)| text[from..to].to_owned()))
            }
            _ => Ok(String::new()),
        }
    }

    /// How many units a list has.
    pub(super) fn len(&mut self, ty: Ty) -> Result<u32, DraftError> {
        self.meter.steps(self.types[ty].list.len())?;
        Ok(self.types[ty].list.iter().map(|piece| piece.units(self.tree)).sum())
    }

    /// Makes changes, which stand in order and do not overlap. What comes in place of something stands before it, within its formats;
    /// other than that right behind what is before it.
    pub(super) fn splice(&mut self, ty: Ty, splices: Vec<Splice>) -> Result<(), DraftError> {
        if splices.is_empty() {
            return Ok(());
        }
        let mut rest: std::collections::VecDeque<Piece> = std::mem::take(&mut self.types[ty].list).into();
        let mut out = Vec::with_capacity(rest.len() + 2 * splices.len());
        let mut passed = 0;
        for Splice { at, delete, insert } in splices {
            while passed < at {
                let piece = self.take(&mut rest, at - passed)?;
                passed += piece.units(self.tree);
                out.push(piece);
            }
            if delete > 0 {
                while let Some(piece) = rest.pop_front_if(|piece| piece.units(self.tree) == 0) {
                    self.meter.step()?;
                    out.push(piece);
                }
            }
            out.extend(insert.into_iter().map(Piece::New));
            let end = at + delete;
            while passed < end {
                let piece = self.take(&mut rest, end - passed)?;
                passed += piece.units(self.tree);
                match piece {
                    Piece::Old { item, from, len, .. } if piece.units(self.tree) > 0 => {
                        out.push(Piece::Old { item, from, len, is_live: false });
                    }
                    Piece::New(ref new) if new.units() > 0 => {}
                    piece => out.push(piece),
                }
            }
        }
        out.extend(rest);
        self.meter.steps(out.len())?;
        self.types[ty].list = out;
        Ok(())
    }

    /// Takes the first piece, or what of it counts at most `units`.
    pub(super) fn take(
        &mut self,
        rest: &mut std::collections::VecDeque<Piece>,
        units: u32,
    ) -> Result<Piece, DraftError> {
        self.meter.step()?;
        let Some(piece) = rest.pop_front() else {
            return Err(DraftError::Invalid("the index lies behind the end".into()));
        };
        if piece.units(self.tree) <= units {
            return Ok(piece);
        }
        let within = || DraftError::Invalid("the index lies within a character".into());
        match piece {
            Piece::Old { item, from, len, is_live } => {
                let source = self.tree.item(item);
                if source.kind == Kind::Text {
                    let text = text_of(self.tree, source);
                    self.meter.steps(text.len() / 16)?;
                    byte_at(&text, from + units).ok_or_else(within)?;
                }
                rest.push_front(Piece::Old { item, from: from + units, len: len - units, is_live });
                Ok(Piece::Old { item, from, len: units, is_live })
            }
            Piece::New(New::Text(mut text)) => {
                let at = byte_at(&text, units).ok_or_else(within)?;
                rest.push_front(Piece::New(New::Text(text.split_off(at))));
                Ok(Piece::New(New::Text(text)))
            }
            piece => Ok(piece),
        }
    }
}
