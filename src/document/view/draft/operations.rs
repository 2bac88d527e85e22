//! A document changed by operations, each at a path and a place, one after another.

use serde::Deserialize;
use utoipa::ToSchema;

use super::formats::{Formats, Run};
use super::nodes::read_nodes;
use super::pieces::{New, Splice};
use super::{Draft, DraftError, Nested, Ty, described};
use crate::document::Json;
use crate::document::view::tree::TypeKind;

/// A step of a path: a key of a map, or a place in a list. The first is the name of a root.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Step {
    /// A key.
    Key(String),
    /// A place in a list.
    Index(u32),
}

/// A change of a document. Places count as in Yjs: a text in UTF-16 units.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Operation {
    /// Inserts into a text, an array or XML: one of `text`, `values`, `nodes`.
    Insert {
        /// Into what.
        path: Vec<Step>,
        /// Before which unit.
        index: u32,
        /// A text's text.
        text: Option<String>,
        /// The formats of the text; without them it has those of what is before it.
        #[schema(value_type = Option<Object>)]
        attributes: Option<Formats>,
        /// An array's values.
        #[schema(value_type = Option<Vec<Value>>)]
        values: Option<Vec<Json>>,
        /// XML, as ProseMirror's nodes.
        #[schema(value_type = Option<Vec<Object>>)]
        nodes: Option<Vec<Json>>,
        /// Whether objects and lists become shared types.
        #[serde(default)]
        shared: bool,
    },
    /// Deletes from a text, an array or XML.
    Delete {
        /// From what.
        path: Vec<Step>,
        /// The first unit.
        index: u32,
        /// How many.
        length: u32,
    },
    /// Formats a part of a text; null ends a format.
    Format {
        /// Which text.
        path: Vec<Step>,
        /// The first unit.
        index: u32,
        /// How many.
        length: u32,
        /// The formats.
        #[schema(value_type = Object)]
        attributes: Formats,
    },
    /// Gives a key of a map, or an attribute of XML, a value.
    Set {
        /// The key, behind the path of what it belongs to.
        path: Vec<Step>,
        /// The value.
        #[schema(value_type = Value)]
        value: Json,
        /// Whether objects and lists become shared types.
        #[serde(default)]
        shared: bool,
    },
    /// Takes a key of a map, or an attribute of XML, away.
    Remove {
        /// The key, behind the path of what it belongs to.
        path: Vec<Step>,
    },
}

fn nested(shared: bool) -> Nested {
    if shared { Nested::Shared } else { Nested::Plain }
}

impl Draft<'_> {
    pub(super) fn perform(&mut self, operation: &Operation) -> Result<(), DraftError> {
        match operation {
            Operation::Insert { path, index, text, attributes, values, nodes, shared } => match (text, values, nodes) {
                (Some(text), None, None) => self.insert_text(path, *index, text, attributes.as_ref()),
                (None, Some(values), None) if attributes.is_none() => {
                    self.insert_values(path, *index, values, nested(*shared))
                }
                (None, None, Some(nodes)) if attributes.is_none() => self.insert_nodes(path, *index, nodes),
                _ => invalid("an insertion has one of text (with attributes), values and nodes"),
            },
            Operation::Delete { path, index, length } => {
                let ty = self.list_at(path, None)?;
                self.check(ty, *index, *length)?;
                self.splice(ty, vec![Splice { at: *index, delete: *length, insert: Vec::new() }])
            }
            Operation::Format { path, index, length, attributes } => {
                let ty = self.list_at(path, Some(TypeKind::Text))?;
                self.check(ty, *index, *length)?;
                let runs = self.runs(ty)?;
                let wanted = formatted(runs, *index, *length, attributes);
                self.write_formats(ty, wanted)
            }
            Operation::Set { path, value, shared } => {
                let (ty, key) = self.key_at(path)?;
                let value = self.new_value(value, nested(*shared), 1)?;
                self.set(ty, key, value);
                Ok(())
            }
            Operation::Remove { path } => {
                let (ty, key) = self.key_at(path)?;
                match self.entry_held(ty, key) {
                    Some(_) => {
                        self.unset(ty, key);
                        Ok(())
                    }
                    None => invalid(format!("there is no key {key:?} to remove")),
                }
            }
        }
    }

    fn insert_text(
        &mut self,
        path: &[Step],
        index: u32,
        text: &str,
        attributes: Option<&Formats>,
    ) -> Result<(), DraftError> {
        let ty = self.list_at(path, Some(TypeKind::Text))?;
        self.check(ty, index, 0)?;
        let before = match attributes {
            Some(_) => Some(self.runs(ty)?),
            None => None,
        };
        let new = New::Text(text.to_owned());
        let len = new.units();
        self.splice(ty, vec![Splice { at: index, delete: 0, insert: vec![new] }])?;
        let (Some(before), Some(attributes)) = (before, attributes) else { return Ok(()) };
        let (mut wanted, behind) = cut(before, index);
        wanted.push(Run {
            len,
            formats: Some(attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        });
        wanted.extend(behind);
        self.write_formats(ty, wanted)
    }

    fn insert_values(&mut self, path: &[Step], index: u32, values: &[Json], nested: Nested) -> Result<(), DraftError> {
        let ty = self.list_at(path, Some(TypeKind::Array))?;
        self.check(ty, index, 0)?;
        let insert = values.iter().map(|value| self.new_value(value, nested, 1)).collect::<Result<_, _>>()?;
        self.splice(ty, vec![Splice { at: index, delete: 0, insert }])
    }

    fn insert_nodes(&mut self, path: &[Step], index: u32, nodes: &[Json]) -> Result<(), DraftError> {
        let ty = self.list_at(path, Some(TypeKind::XmlFragment))?;
        self.check(ty, index, 0)?;
        let mut insert = Vec::new();
        for node in read_nodes(nodes)? {
            insert.push(New::Type(self.new_node(&node)?));
        }
        self.splice(ty, vec![Splice { at: index, delete: 0, insert }])
    }

    /// Refuses a part that a list does not have.
    fn check(&mut self, ty: Ty, index: u32, length: u32) -> Result<(), DraftError> {
        let len = self.len(ty)?;
        match index.checked_add(length) {
            Some(end) if end <= len => Ok(()),
            _ => invalid(format!("the list has {len} units, and {index} + {length} lies behind its end")),
        }
    }

    /// The type that a path leads to, which has a list, of this kind if one is told: a root becomes of that kind.
    fn list_at(&mut self, path: &[Step], wanted: Option<TypeKind>) -> Result<Ty, DraftError> {
        let ty = match (path, wanted) {
            ([Step::Key(name)], Some(kind)) => return self.root(name, kind),
            _ => self.type_at(path)?,
        };
        let kind = self.types[ty].kind;
        let is_fit = match wanted {
            None => !matches!(kind, TypeKind::Map | TypeKind::XmlHook),
            Some(TypeKind::Text) => matches!(kind, TypeKind::Text | TypeKind::XmlText),
            Some(TypeKind::XmlFragment) => matches!(kind, TypeKind::XmlFragment | TypeKind::XmlElement),
            Some(wanted) => kind == wanted,
        };
        let wanted = wanted.map_or("a text, an array or XML", described);
        if is_fit { Ok(ty) } else { Err(other_shape(path, described(kind), wanted)) }
    }

    fn key_at<'p>(&mut self, path: &'p [Step]) -> Result<(Ty, &'p str), DraftError> {
        let Some((Step::Key(key), before)) = path.split_last() else {
            return invalid("the path ends with a key");
        };
        let ty = match before {
            [] => return invalid("a path has the name of a root, and the key in it"),
            [Step::Key(name)] => {
                // XML roots may have attributes, too.
                match self.known_root(name)? {
                    Some(ty) if self.types[ty].kind == TypeKind::XmlFragment => ty,
                    _ => self.root(name, TypeKind::Map)?,
                }
            }
            before => self.type_at(before)?,
        };
        match self.types[ty].kind {
            TypeKind::Map | TypeKind::XmlElement | TypeKind::XmlFragment | TypeKind::XmlText => Ok((ty, key)),
            kind => Err(other_shape(before, described(kind), "a map or XML")),
        }
    }

    /// The type that a path leads to.
    fn type_at(&mut self, path: &[Step]) -> Result<Ty, DraftError> {
        let Some((Step::Key(root), steps)) = path.split_first() else {
            return invalid("a path begins with the name of a root");
        };
        let Some(mut ty) = self.known_root(root)? else {
            return invalid(format!("there is no root {root:?}"));
        };
        for (at, step) in steps.iter().enumerate() {
            let held = match step {
                Step::Key(key) => self.entry_held(ty, key),
                Step::Index(index) => self.list_units(ty)?.get(*index as usize).map(|unit| unit.held),
            };
            let Some(held) = held else {
                return invalid(format!("there is nothing at {}", shown(&path[..at + 2])));
            };
            ty = match self.held(&held)? {
                Some(ty) => ty,
                None => return Err(other_shape(&path[..at + 2], "a plain value", "a shared type")),
            };
        }
        Ok(ty)
    }
}

fn invalid<T>(reason: impl Into<String>) -> Result<T, DraftError> {
    Err(DraftError::Invalid(reason.into()))
}

fn other_shape(path: &[Step], found: &'static str, wanted: &'static str) -> DraftError {
    DraftError::OtherShape { place: shown(path), found, wanted }
}

fn shown(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => format!("{key:?}"),
        Step::Index(index) => index.to_string(),
    });
    format!("[{}]", steps.collect::<Vec<_>>().join(","))
}

/// Runs before and behind a place.
fn cut(runs: Vec<Run>, at: u32) -> (Vec<Run>, Vec<Run>) {
    let (mut before, mut behind, mut passed) = (Vec::new(), Vec::new(), 0);
    for Run { len, formats } in runs {
        let first = at.saturating_sub(passed).min(len);
        passed += len;
        before.push(Run { len: first, formats: formats.clone() });
        behind.push(Run { len: len - first, formats });
    }
    (before, behind)
}

/// Runs with other formats in a part.
fn formatted(runs: Vec<Run>, index: u32, length: u32, attributes: &Formats) -> Vec<Run> {
    let (mut wanted, rest) = cut(runs, index);
    let (within, behind) = cut(rest, length);
    wanted.extend(within.into_iter().map(|Run { len, formats }| {
        let mut formats = formats.unwrap_or_default();
        for (name, value) in attributes {
            match value {
                Json::Null => drop(formats.shift_remove(name)),
                value => drop(formats.insert(name.clone(), value.clone())),
            }
        }
        Run { len, formats: Some(formats) }
    }));
    wanted.extend(behind);
    wanted
}
