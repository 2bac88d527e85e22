//! The formats that hold at a place of a text.

use super::budget::TooCostly;
use super::tree::{Item, Tree};
use super::values::Value;
use super::writer::Writer;
use crate::protocol::lib0::Input;

/// Keys and values, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Formats<'t>(Vec<(&'t str, Value<'t>)>);

impl<'t> Formats<'t> {
    /// Takes a formatting mark: null ends a format.
    pub fn apply(&mut self, tree: &'t Tree, mark: &Item, writer: &mut Writer) -> Result<(), TooCostly> {
        let mut input = Input::raw(tree.piece(mark).content.raw);
        // Read when the update was scanned.
        let (Ok(key), Ok(value)) = (input.text(), input.text()) else { return Ok(()) };
        let value = Value::Json(value);
        writer.meter().steps(self.0.len())?;
        match self.0.iter().position(|(known, _)| *known == key) {
            Some(at) if value.is_null() => {
                self.0.remove(at);
            }
            Some(at) => self.0[at].1 = value,
            None if value.is_null() => {}
            None => {
                writer.meter().hold::<(&str, Value<'_>)>(1)?;
                self.0.push((key, value));
            }
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'t str, Value<'t>)> {
        self.0.iter().copied()
    }
}
