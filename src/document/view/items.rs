//! What a type holds, item by item, in the order of the document: also what is deleted.

use std::borrow::Cow;

use super::RenderError;
use super::budget::{Meter, ReadingBudget, TooCostly};
use super::tree::{NONE, Tree, TypeKind};
use super::values::{Values, put_binary};
use super::writer::Writer;
use crate::document::{BlockId, Content, Kind};
use crate::protocol::lib0::Input;

/// The items of a type: its list, then each key with all that was set there, the value that counts at last.
#[derive(Debug, Clone)]
pub struct Items<'v> {
    tree: &'v Tree,
    next: u32,
    /// The entry whose items come, and the one after it.
    entry: u32,
    next_entry: u32,
}

/// A block, or a piece of one, in its place.
#[derive(Debug, Clone)]
pub struct ViewItem<'v> {
    /// Who wrote it, and the clock of its first unit.
    pub id: BlockId,
    /// How many units it has.
    pub len: u32,
    /// Whether it is deleted. Its content is there as far as the update has it.
    pub is_deleted: bool,
    /// Its key, if it is not in the list.
    pub key: Option<&'v str>,
    /// What it holds; without bytes for a shared type.
    pub content: Content<'v>,
    tree: &'v Tree,
    at: u32,
}

impl<'v> Items<'v> {
    pub(super) fn of(tree: &'v Tree, ty: u32) -> Self {
        let ty = tree.ty(ty);
        Self { tree, next: ty.start, entry: NONE, next_entry: ty.first_entry }
    }
}

impl<'v> Iterator for Items<'v> {
    type Item = ViewItem<'v>;

    fn next(&mut self) -> Option<ViewItem<'v>> {
        if self.next == NONE && self.next_entry != NONE {
            self.entry = self.next_entry;
            let entry = self.tree.entry(self.entry);
            (self.next, self.next_entry) = (entry.start, entry.next);
        }
        if self.next == NONE {
            return None;
        }
        let at = self.next;
        let item = self.tree.item(at);
        self.next = item.right;
        Some(ViewItem {
            id: self.tree.id(item),
            len: item.len,
            is_deleted: item.is_deleted,
            key: (self.entry != NONE).then(|| self.tree.key(self.entry)),
            content: self.tree.piece(item).content,
            tree: self.tree,
            at,
        })
    }
}

impl<'v> ViewItem<'v> {
    /// Its text, if it holds one; U+FFFD stands for halves of surrogate pairs.
    pub fn text(&self) -> Option<Cow<'v, str>> {
        let piece = self.tree.piece(self.tree.item(self.at));
        if self.content.kind != Kind::Text {
            return None;
        }
        if !piece.begins_in_pair && !piece.ends_in_pair {
            return std::str::from_utf8(piece.content.raw).ok().map(Cow::Borrowed);
        }
        let mut text = Vec::new();
        piece.put_raw(&mut text);
        String::from_utf8(text).ok().map(Cow::Owned)
    }

    /// The surrogate pair that it ends within, if it does.
    pub fn ends_in_pair(&self) -> Option<char> {
        self.tree.pairs.get(&self.at).copied()
    }

    /// Whether it begins within a surrogate pair.
    pub fn begins_in_pair(&self) -> bool {
        self.tree.item(self.at).begins_in_pair
    }

    /// The unit that it was written behind, and the one that it was written before.
    pub fn neighbours(&self) -> [Option<BlockId>; 2] {
        let item = self.tree.item(self.at);
        let other = |at: u32| (at != NONE).then(|| self.tree.item(at));
        let left = other(item.origin).map(|left| {
            let id = self.tree.id(left);
            BlockId { clock: id.clock + left.len - 1, ..id }
        });
        [left, other(item.right_origin).map(|right| self.tree.id(right))]
    }

    /// The last of the plain values it holds, as JSON; null if it holds none.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn value(&self) -> Result<String, RenderError> {
        let mut writer = Writer::new(Meter::new(ReadingBudget::default()));
        match self.tree.last_value(self.tree.item(self.at), writer.meter())? {
            Some(value) => value.write(&mut writer)?,
            None => writer.put("null")?,
        }
        Ok(writer.into_text())
    }

    /// The value that it gives its key, as JSON: the last it holds. None where that is undefined, which JSON leaves out of objects, and
    /// for a shared type.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn entry(&self, meter: &mut Meter) -> Result<Option<String>, TooCostly> {
        let item = self.tree.item(self.at);
        match self.tree.last_value(item, meter)? {
            Some(value) if value.is_undefined() => Ok(None),
            Some(value) => written(meter, |writer| value.write(writer)).map(Some),
            None if self.content.kind == Kind::Format => Ok(None),
            None => match self.text() {
                Some(text) => written(meter, |writer| writer.put_string(&text)).map(Some),
                None => Ok(values(self.content, meter)?.pop()),
            },
        }
    }

    /// The key of a formatting mark, and its value as JSON, if it holds one.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn format(&self, meter: &mut Meter) -> Result<Option<(&'v str, String)>, TooCostly> {
        if self.content.kind != Kind::Format {
            return Ok(None);
        }
        let key = Input::raw(self.content.raw).text();
        Ok(key.ok().zip(values(self.content, meter)?.pop()))
    }

    /// The kind of the shared type it holds, if it holds one.
    pub fn type_kind(&self) -> Option<TypeKind> {
        self.ty().map(|ty| self.tree.ty(ty).kind)
    }

    /// The name of the element or hook that it holds; empty for other shared types.
    pub fn type_name(&self) -> &'v str {
        self.ty().filter(|ty| self.tree.ty(*ty).kind != TypeKind::Root).map_or("", |ty| self.tree.name(ty))
    }

    /// What the shared type that it holds holds, if it holds one.
    pub fn children(&self) -> Option<Items<'v>> {
        self.ty().map(|ty| Items::of(self.tree, ty))
    }

    fn ty(&self) -> Option<u32> {
        self.tree.type_of(self.tree.item(self.at))
    }
}

/// The values that a content holds, each as JSON: plain ones, those of marks among them; bytes as a list of numbers, a subdocument as its
/// id.
///
/// # Errors
/// It takes more than may be spent.
pub(in crate::document) fn values(content: Content<'_>, meter: &mut Meter) -> Result<Vec<String>, TooCostly> {
    let mut input = Input::raw(content.raw);
    // Read when the update was scanned.
    let plain = match content.kind {
        Kind::Any => Values::any(content.raw),
        Kind::Json | Kind::Embed => Values::json(content.raw),
        Kind::Format => {
            input.raw_buf().unwrap_or_default();
            Values::json(&content.raw[input.position()..])
        }
        Kind::Binary => {
            return Ok(vec![written(meter, |writer| put_binary(input.raw_buf().unwrap_or_default(), writer))?]);
        }
        Kind::Document => {
            return Ok(vec![written(meter, |writer| writer.put_string(input.text().unwrap_or_default()))?]);
        }
        Kind::Text | Kind::Type | Kind::Collected | Kind::Deleted | Kind::Skip => return Ok(Vec::new()),
    };
    plain
        .map(|value| {
            meter.hold::<String>(1)?;
            written(meter, |writer| value.write(writer))
        })
        .collect()
}

/// What is written, at the expense of a budget.
fn written(meter: &mut Meter, write: impl FnOnce(&mut Writer) -> Result<(), TooCostly>) -> Result<String, TooCostly> {
    let mut writer = Writer::new(std::mem::take(meter));
    let done = write(&mut writer);
    let (text, left) = writer.finish();
    *meter = left;
    done.map(|()| text)
}
