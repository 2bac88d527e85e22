//! A document integrated for whoever wants to read it: the blocks of an update, put into lists as Yjs 13 does it, and rendered as JSON,
//! text, XML, ProseMirror JSON or a delta. A view is a copy aside: the live document knows nothing of it, and each reader pays for its
//! own out of a [`ReadingBudget`].
//!
//! [`read`] lays the blocks out in an arena of indexes ([`tree`]), cut wherever anything points at; [`integrate`] links them. Rendering
//! ([`json`], [`xml`], [`values`]) writes into a [`writer`]. Nothing recurses on the stack, and every loop counts its steps. What
//! is to be changed is a [`draft`], which becomes an update.
//!
//! A document that is quadratic to integrate for Yjs is so here: it costs the reader its budget, and the clients the patience of their
//! users.
//!
//! Memory: at most 80 times the update, where it is all clients of one block each; some 70 times where each two of its bytes are a
//! deletion that cuts, 30 times where they are a collected block. Of typed text some 70 bytes for each run of it.

mod budget;
mod draft;
mod formats;
mod integrate;
mod items;
mod json;
mod read;
mod tree;
mod values;
mod writer;
mod xml;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use budget::{Meter, ReadingBudget, TooCostly};
pub use draft::{DraftError, Nested, Operation, Wanted};
pub(in crate::document) use items::values;
pub use items::{Items, ViewItem};
pub use tree::TypeKind;

use super::{Refusal, scan};
use tree::Tree;
use writer::Writer;

/// Why there is no view.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The bytes are no update.
    #[error(transparent)]
    Unreadable(#[from] Refusal),
    /// It takes more than the budget.
    #[error("the document takes too long, or too much memory, to read")]
    TooCostly,
}

/// Why there is nothing to show.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The document has no root type of this name.
    #[error("the document has no root type of that name")]
    NoSuchRoot,
    /// Without a name the choice is not clear.
    #[error("the document has several root types, name one of: {}", .0.join(", "))]
    SeveralRoots(Vec<String>),
    /// It takes more than the budget.
    #[error("the document takes too long, or too much memory, to render")]
    TooCostly,
}

impl From<TooCostly> for ViewError {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

impl From<TooCostly> for RenderError {
    fn from(_: TooCostly) -> Self {
        Self::TooCostly
    }
}

/// A document that can be read.
///
/// # What a root is
/// An update does not tell the kind of a root type; its content does, live content before deleted:
/// - with text, formats or embeds in its list it is a text, and reads as a string;
/// - with nothing but XML types in its list it is XML, and reads as tags;
/// - with anything else in its list it is an array;
/// - without a list, but with keys, it is a map;
/// - where all of its list is deleted and nothing tells what it was, it is a text, and reads as "".
///
/// The attributes of a root that is a text or XML (Lexical keeps `__dir` on its root) stand in its XML and in no other form. A root that
/// has a list of values and keys reads as JSON as `{"attributes": {…}, "content": […]}`.
#[derive(Debug)]
pub struct View {
    tree: Tree,
    budget: ReadingBudget,
    left_out: usize,
}

impl View {
    /// Integrates an update. What is not causally closed is left out.
    ///
    /// # Errors
    /// The bytes are no update, or the budget is spent.
    pub fn read(update: &Bytes, budget: ReadingBudget) -> Result<Self, ViewError> {
        let scan = scan(update)?;
        let mut meter = Meter::new(budget);
        let layout = read::layout(update, &scan, &mut meter)?;
        let (tree, left_out) = integrate::integrate(layout, &mut meter)?;
        Ok(Self { tree, budget, left_out })
    }

    /// How many blocks of the update are left out, because what they build on is missing.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The names of the root types, sorted.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.tree.roots.iter().map(|root| self.tree.name(*root))
    }

    /// Each root type by its name, or the one named, as JSON: texts and XML as strings, maps as objects, arrays as arrays. Numbers
    /// that are whole are written so, keys keep their order, binary is a list of numbers and a subdocument its id.
    ///
    /// # Errors
    /// There is no such root, or the budget is spent.
    pub fn json(&self, root: Option<&str>) -> Result<String, RenderError> {
        let mut writer = self.writer();
        match root {
            Some(name) => json::write(&self.tree, json::Start::Type(self.root(name)?), &mut writer)?,
            None => json::write(&self.tree, json::Start::Roots, &mut writer)?,
        }
        Ok(writer.into_text())
    }

    /// The text of one root type; without a name, of the only one. XML is written as tags, as `toString` of Yjs does, and what is
    /// neither as JSON.
    ///
    /// # Errors
    /// There is no such root, the choice is not clear, or the budget is spent.
    pub fn text(&self, root: Option<&str>) -> Result<String, RenderError> {
        let Some(root) = self.one_root(root)? else { return Ok(String::new()) };
        let mut writer = self.writer();
        match self.tree.kind(root, writer.meter())? {
            kind @ (TypeKind::Text | TypeKind::XmlFragment) => xml::write(&self.tree, root, kind, &mut writer)?,
            _ => json::write(&self.tree, json::Start::Type(root), &mut writer)?,
        }
        Ok(writer.into_text())
    }

    /// One root type, text or XML, as an XML document that any reader of XML can read: the tags of [`View::text`] within one more, escaped.
    /// Names that XML does not allow have `_` in place of what is not allowed.
    ///
    /// # Errors
    /// As [`View::text`].
    pub fn xml(&self, root: Option<&str>) -> Result<String, RenderError> {
        let mut writer = self.writer().strict();
        writer.put("<document>")?;
        if let Some(root) = self.one_root(root)? {
            match self.tree.kind(root, writer.meter())? {
                kind @ (TypeKind::Text | TypeKind::XmlFragment) => xml::write(&self.tree, root, kind, &mut writer)?,
                _ => {
                    writer.begin_content();
                    json::write(&self.tree, json::Start::Type(root), &mut writer)?;
                    writer.end_content();
                }
            }
        }
        writer.put("</document>")?;
        Ok(writer.into_text())
    }

    /// The text of one root type as a delta: a JSON list of what is inserted, with its attributes. Shared types stand in it as JSON.
    ///
    /// # Errors
    /// As [`View::text`].
    pub fn delta(&self, root: Option<&str>) -> Result<String, RenderError> {
        self.one(root, "[]", json::Start::Delta)
    }

    /// One root type as ProseMirror's JSON, as `yXmlFragmentToProsemirrorJSON` of y-prosemirror gives it.
    ///
    /// # Errors
    /// As [`View::text`].
    pub fn prosemirror(&self, root: Option<&str>) -> Result<String, RenderError> {
        self.one(root, r#"{"type":"doc","content":[]}"#, json::Start::ProseMirror)
    }

    /// The name of the root type that is named, or of the only one; none in an empty document.
    ///
    /// # Errors
    /// There is no such root, or the choice is not clear.
    pub fn root_named(&self, root: Option<&str>) -> Result<Option<&str>, RenderError> {
        Ok(self.one_root(root)?.map(|root| self.tree.name(root)))
    }

    /// What a root type is, as its content tells.
    ///
    /// # Errors
    /// There is no such root, or the budget is spent.
    pub fn root_kind(&self, root: &str) -> Result<TypeKind, RenderError> {
        Ok(self.tree.kind(self.root(root)?, self.writer().meter())?)
    }

    /// What a root type holds, in order, also what is deleted: its list, then each key with all that was set there.
    pub fn items(&self, root: &str) -> Option<Items<'_>> {
        self.tree.root(root).map(|root| Items::of(&self.tree, root))
    }

    fn one(
        &self,
        root: Option<&str>,
        empty: &str,
        start: impl FnOnce(u32) -> json::Start,
    ) -> Result<String, RenderError> {
        let Some(root) = self.one_root(root)? else { return Ok(empty.to_owned()) };
        let mut writer = self.writer();
        json::write(&self.tree, start(root), &mut writer)?;
        Ok(writer.into_text())
    }

    /// Each rendering has a budget of its own.
    fn writer(&self) -> Writer {
        Writer::new(Meter::new(self.budget))
    }

    fn root(&self, name: &str) -> Result<u32, RenderError> {
        self.tree.root(name).ok_or(RenderError::NoSuchRoot)
    }

    /// The name of the root named, or of the only one there is; none in an empty document.
    ///
    /// # Errors
    /// The choice is not clear.
    pub fn root_name(&self, name: Option<&str>) -> Result<Option<String>, RenderError> {
        match name {
            Some(name) => Ok(Some(name.to_owned())),
            None => Ok(self.one_root(None)?.map(|root| self.tree.name(root).to_owned())),
        }
    }

    /// The root named, or the only one there is; none in an empty document.
    fn one_root(&self, name: Option<&str>) -> Result<Option<u32>, RenderError> {
        match (name, self.tree.roots.as_slice()) {
            (Some(name), _) => self.root(name).map(Some),
            (None, []) => Ok(None),
            (None, [root]) => Ok(Some(*root)),
            (None, _) => Err(RenderError::SeveralRoots(self.roots().map(str::to_owned).collect())),
        }
    }
}
