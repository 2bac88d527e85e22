//! What is to be different about a document that is read, and the update that makes it so, as a Yjs client would have written it.
//!
//! A [`Draft`] has the lists and keys of those types that are touched, as [`pieces`] of what is there and of what is new. Two ways lead to
//! what is wanted: the whole content ([`text`], [`values`], [`prosemirror`]), of which the smallest difference is made, so that all that is
//! equal keeps its id; or operations one by one ([`operations`]). [`emit`] writes the update.

mod align;
mod emit;
mod formats;
mod lists;
mod nodes;
mod operations;
mod pieces;
mod prosemirror;
#[cfg(test)]
mod tests;
mod text;
mod values;

use std::collections::HashMap;

use bytes::Bytes;
use indexmap::IndexMap;

pub use operations::Operation;
pub use values::Nested;

use super::budget::{Meter, TooCostly};
use super::tree::{NONE, Tree, TypeKind};
use super::{View, json, writer::Writer};
use crate::document::{Json, Kind, NESTING_MAX};
use pieces::{New, Piece, Ty};

/// Why a document cannot be made as wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Something is there already, of another shape.
    #[error("{place} is {found}, and not {wanted}")]
    OtherShape {
        /// Where.
        place: String,
        /// What is there.
        found: &'static str,
        /// What is wanted there.
        wanted: &'static str,
    },
    /// What is wanted makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It takes more than the budget.
    #[error("the document takes too long, or too much memory, to change")]
    TooCostly,
}

impl From<TooCostly> for DraftError {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

/// The content that a document is to have.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A root type is this text. Its formats stay.
    Text {
        /// The root's name.
        root: String,
        /// The text.
        text: String,
    },
    /// Root types are these values: objects, lists and texts. Other roots stay.
    Json {
        /// The roots by their names.
        roots: IndexMap<String, Json>,
        /// What becomes of objects and lists within.
        nested: Nested,
    },
    /// A root type is this ProseMirror document, as y-prosemirror keeps it.
    ProseMirror {
        /// The root's name.
        root: String,
        /// The document's node.
        document: Json,
    },
}

impl View {
    /// The update that makes the content as it is wanted, by a Yjs client that has not written anything yet; `None` if it is so already.
    ///
    /// # Errors
    /// See [`DraftError`].
    pub fn rewrite(&self, wanted: &Wanted, client: u64) -> Result<Option<Bytes>, DraftError> {
        let mut draft = Draft::new(self);
        match wanted {
            Wanted::Text { root, text } => draft.write_root_text(root, text)?,
            Wanted::Json { roots, nested } => draft.write_roots(roots, *nested)?,
            Wanted::ProseMirror { root, document } => draft.write_prosemirror(root, document)?,
        }
        draft.finish(client)
    }

    /// The update that does these operations, one after another, by a Yjs client that has not written anything yet; `None` if they change
    /// nothing.
    ///
    /// # Errors
    /// See [`DraftError`]; the first operation that cannot be done.
    pub fn edit(&self, operations: &[Operation], client: u64) -> Result<Option<Bytes>, DraftError> {
        let mut draft = Draft::new(self);
        for (at, operation) in operations.iter().enumerate() {
            draft.perform(operation).map_err(|error| match error {
                DraftError::Invalid(reason) => DraftError::Invalid(format!("operation {at}: {reason}")),
                error => error,
            })?;
        }
        draft.finish(client)
    }
}

/// What a key holds.
#[derive(Debug)]
enum Slot {
    /// What it held before; this item.
    Old(u32),
    New(New),
    /// Nothing.
    Empty,
}

/// A key of a type.
#[derive(Debug)]
struct Entry {
    slot: Slot,
    /// The item that held its value before, deleted or not.
    before: Option<u32>,
}

/// A shared type that is touched, or new.
#[derive(Debug)]
struct DraftType {
    kind: TypeKind,
    /// The root's or the element's name.
    name: String,
    /// The type in the document; none for a new one.
    source: Option<u32>,
    list: Vec<Piece>,
    entries: IndexMap<String, Entry>,
}

struct Draft<'v> {
    tree: &'v Tree,
    meter: Meter,
    /// By [`Ty`].
    types: Vec<DraftType>,
    /// Those of the document.
    by_source: HashMap<u32, Ty>,
    /// Roots that are new.
    new_roots: HashMap<String, Ty>,
}

impl<'v> Draft<'v> {
    fn new(view: &'v View) -> Self {
        Self {
            tree: &view.tree,
            meter: Meter::new(view.budget),
            types: Vec::new(),
            by_source: HashMap::new(),
            new_roots: HashMap::new(),
        }
    }

    /// The root of a name, which becomes one of this kind if there is nothing that tells another.
    fn root(&mut self, name: &str, wanted: TypeKind) -> Result<Ty, DraftError> {
        if name.is_empty() {
            return Err(DraftError::Invalid("a root type has a name".into()));
        }
        if let Some(&ty) = self.new_roots.get(name) {
            return self.of_kind(ty, wanted);
        }
        let Some(source) = self.tree.root(name) else {
            let ty = self.push(wanted, name.to_owned());
            self.new_roots.insert(name.to_owned(), ty);
            return Ok(ty);
        };
        let ty = self.open(source)?;
        if self.types[ty].kind == TypeKind::Root {
            self.types[ty].kind = self.root_kind(source)?.unwrap_or(wanted);
        }
        self.of_kind(ty, wanted)
    }

    /// The root of a name, if there is one.
    fn known_root(&mut self, name: &str) -> Result<Option<Ty>, DraftError> {
        if let Some(&ty) = self.new_roots.get(name) {
            return Ok(Some(ty));
        }
        let Some(source) = self.tree.root(name) else { return Ok(None) };
        let ty = self.open(source)?;
        if self.types[ty].kind == TypeKind::Root
            && let Some(kind) = self.root_kind(source)?
        {
            self.types[ty].kind = kind;
        }
        Ok(Some(ty))
    }

    /// What the content of a root tells that it is, if anything does.
    fn root_kind(&mut self, source: u32) -> Result<Option<TypeKind>, DraftError> {
        let ty = self.tree.ty(source);
        let is_known = match ty.start {
            NONE => self.tree.live_entries(source).next().is_some(),
            start => {
                let mut next = start;
                loop {
                    self.meter.step()?;
                    match next {
                        NONE => break false,
                        at if !matches!(self.tree.item(at).kind, Kind::Collected | Kind::Deleted) => break true,
                        at => next = self.tree.item(at).right,
                    }
                }
            }
        };
        Ok(if is_known { Some(self.tree.kind(source, &mut self.meter)?) } else { None })
    }

    fn of_kind(&self, ty: Ty, wanted: TypeKind) -> Result<Ty, DraftError> {
        let DraftType { kind, name, .. } = &self.types[ty];
        match *kind == wanted {
            true => Ok(ty),
            false => Err(DraftError::OtherShape {
                place: format!("the root {name:?}"),
                found: described(*kind),
                wanted: described(wanted),
            }),
        }
    }

    /// A type of the document.
    fn open(&mut self, source: u32) -> Result<Ty, DraftError> {
        if let Some(&ty) = self.by_source.get(&source) {
            return Ok(ty);
        }
        let shared = self.tree.ty(source);
        let (mut list, mut entries) = (Vec::new(), IndexMap::new());
        let mut next = shared.start;
        while next != NONE {
            self.meter.step()?;
            self.meter.hold::<Piece>(2)?;
            let item = self.tree.item(next);
            list.push(Piece::Old { item: next, from: 0, len: item.len, is_live: !item.is_deleted });
            next = item.right;
        }
        let mut next = shared.first_entry;
        while next != NONE {
            self.meter.step()?;
            let entry = self.tree.entry(next);
            self.meter.hold::<(Entry, String, u64)>(2)?;
            let is_live = !self.tree.item(entry.current).is_deleted;
            let slot = if is_live { Slot::Old(entry.current) } else { Slot::Empty };
            entries.insert(self.tree.key(next).to_owned(), Entry { slot, before: Some(entry.current) });
            next = entry.next;
        }
        let ty = self.types.len();
        let (kind, name) = (shared.kind, self.tree.name(source).to_owned());
        self.types.push(DraftType { kind, name, source: Some(source), list, entries });
        self.by_source.insert(source, ty);
        Ok(ty)
    }

    /// A new type.
    fn push(&mut self, kind: TypeKind, name: String) -> Ty {
        self.types.push(DraftType { kind, name, source: None, list: Vec::new(), entries: IndexMap::new() });
        self.types.len() - 1
    }

    fn new_element(&mut self, name: &str) -> Ty {
        self.push(TypeKind::XmlElement, name.to_owned())
    }

    /// The type that a piece of a list, or a key, holds.
    fn held_by_item(&mut self, item: u32) -> Result<Option<Ty>, DraftError> {
        match self.tree.type_of(self.tree.item(item)) {
            Some(source) => self.open(source).map(Some),
            None => Ok(None),
        }
    }

    fn held(&mut self, slot: &Held) -> Result<Option<Ty>, DraftError> {
        match slot {
            Held::Item(item) => self.held_by_item(*item),
            Held::Type(ty) => Ok(Some(*ty)),
            Held::Other => Ok(None),
        }
    }

    fn entry_held(&self, ty: Ty, key: &str) -> Option<Held> {
        match &self.types[ty].entries.get(key)?.slot {
            Slot::Old(item) => Some(Held::Item(*item)),
            Slot::New(New::Type(ty)) => Some(Held::Type(*ty)),
            Slot::New(_) => Some(Held::Other),
            Slot::Empty => None,
        }
    }

    /// Gives a key a value.
    fn set(&mut self, ty: Ty, key: &str, value: New) {
        let entries = &mut self.types[ty].entries;
        match entries.get_mut(key) {
            Some(entry) => entry.slot = Slot::New(value),
            None => {
                entries.insert(key.to_owned(), Entry { slot: Slot::New(value), before: None });
            }
        }
    }

    /// Takes a key's value away, if it has one.
    fn unset(&mut self, ty: Ty, key: &str) {
        if let Some(entry) = self.types[ty].entries.get_mut(key) {
            entry.slot = Slot::Empty;
        }
    }

    /// What a shared type shows as JSON.
    fn shown(&mut self, source: u32) -> Result<Json, DraftError> {
        let mut writer = Writer::new(std::mem::take(&mut self.meter));
        let written = json::write(self.tree, json::Start::Type(source), &mut writer);
        let (text, meter) = writer.finish();
        self.meter = meter;
        written?;
        // Nested as deep as shared types and their values together.
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

/// Where a value that may be a type stands.
#[derive(Debug, Clone, Copy)]
enum Held {
    Item(u32),
    Type(Ty),
    Other,
}

/// What a type is, for people.
fn described(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Root => "empty",
        TypeKind::Array => "an array",
        TypeKind::Map => "a map",
        TypeKind::Text => "a text",
        TypeKind::XmlElement | TypeKind::XmlFragment | TypeKind::XmlHook | TypeKind::XmlText => "XML",
    }
}

/// Refuses to go deeper than types may be nested.
fn deeper(depth: u32) -> Result<u32, DraftError> {
    match depth {
        NESTING_MAX.. => Err(DraftError::Invalid(format!("types are nested more than {NESTING_MAX} deep"))),
        _ => Ok(depth + 1),
    }
}
