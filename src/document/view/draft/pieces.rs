//! What a type's list is while it is changed: pieces of what is there, and of what is new. Places are counted as Yjs counts them, in units of what
//! is not deleted: UTF-16 units of text, values, types, embeds. Formatting marks have none.

use crate::document::content::units;
use crate::document::view::tree::{Item, Tree};
use crate::document::{Json, Kind};

/// A type of a draft, by its place among all.
pub(super) type Ty = usize;

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
