//! Maps, arrays and texts as JSON wants them. What is a shared type and stays of its kind is changed within; what is a plain value, or
//! becomes of another kind, is replaced.

use indexmap::IndexMap;

use super::align::{hunks, pairs, text_likeness};
use super::pieces::{New, Piece, Splice};
use super::{Draft, DraftError, Held, Slot, Ty, deeper, described};
use crate::document::view::budget::TooCostly;
use crate::document::view::tree::TypeKind;
use crate::document::view::values::InMemory;
use crate::document::{Json, Kind};

/// What a new object or list within a root becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nested {
    /// A shared type if there is one in its place or beside it, else a plain value.
    #[default]
    AsBeside,
    /// A plain value, which is replaced as a whole.
    Plain,
    /// A `Y.Map` or `Y.Array`.
    Shared,
}

/// Members that tell which object it is.
const IDS: [&str; 4] = ["id", "_id", "key", "uuid"];

impl Draft<'_> {
    pub(super) fn write_roots(&mut self, roots: &IndexMap<String, Json>, nested: Nested) -> Result<(), DraftError> {
        for (name, wanted) in roots {
            match wanted {
                Json::Map(members) => {
                    let ty = self.root(name, TypeKind::Map)?;
                    self.write_map(ty, members, nested, 1)?;
                }
                Json::List(values) => {
                    let ty = self.root(name, TypeKind::Array)?;
                    self.write_list(ty, values, nested, 1)?;
                }
                Json::Text(text) => {
                    // XML is shown as text, too: what is shown may come back.
                    let shown = self.known_root(name)?.filter(|ty| self.types[*ty].kind == TypeKind::XmlFragment);
                    match shown.and_then(|ty| self.types[ty].source) {
                        Some(source) if self.shown(source)? == *wanted => {}
                        _ => self.write_root_text(name, text)?,
                    }
                }
                other => {
                    let reason = format!(
                        "the root {name:?} is to be {}; it can be an object, an array or a string",
                        other.kind()
                    );
                    return Err(DraftError::Invalid(reason));
                }
            }
        }
        Ok(())
    }

    fn write_map(
        &mut self,
        ty: Ty,
        wanted: &IndexMap<String, Json>,
        nested: Nested,
        depth: u32,
    ) -> Result<(), DraftError> {
        let depth = deeper(depth)?;
        self.meter.steps(wanted.len() + self.types[ty].entries.len())?;
        let keys: Vec<String> = self.types[ty].entries.keys().cloned().collect();
        for key in keys.iter().filter(|key| !wanted.contains_key(*key)) {
            self.unset_shown(ty, key)?;
        }
        let style = match nested {
            Nested::AsBeside if self.has_shared_entry(ty) => Nested::Shared,
            nested => nested,
        };
        for (key, value) in wanted {
            self.meter.step()?;
            self.write_entry(ty, key, value, (nested, style), depth)?;
        }
        Ok(())
    }

    /// Takes a key's value away, unless it is one that is not shown.
    fn unset_shown(&mut self, ty: Ty, key: &str) -> Result<(), DraftError> {
        let is_shown = match self.entry_held(ty, key) {
            Some(Held::Item(item)) => self.plain(item, 0, true)?.is_some() || self.held_by_item(item)?.is_some(),
            held => held.is_some(),
        };
        if is_shown {
            self.unset(ty, key);
        }
        Ok(())
    }

    fn write_entry(
        &mut self,
        ty: Ty,
        key: &str,
        wanted: &Json,
        (nested, style): (Nested, Nested),
        depth: u32,
    ) -> Result<(), DraftError> {
        let held = self.entry_held(ty, key);
        if let Some(held) = held
            && self.write_within(held, wanted, nested, depth)?
        {
            return Ok(());
        }
        let was_shared = match held {
            Some(held) => self.held(&held)?.is_some(),
            None => false,
        };
        let style = if nested == Nested::AsBeside && was_shared { Nested::Shared } else { style };
        let value = self.new_value(wanted, style, depth)?;
        self.set(ty, key, value);
        Ok(())
    }

    /// Makes a value the one that is wanted, by changes within it; whether it is.
    fn write_within(&mut self, held: Held, wanted: &Json, nested: Nested, depth: u32) -> Result<bool, DraftError> {
        let Some(ty) = self.held(&held)? else {
            return Ok(match held {
                Held::Item(item) => self.plain(item, u32::MAX, true)?.as_ref() == Some(wanted),
                _ => false,
            });
        };
        match (self.types[ty].kind, wanted) {
            (TypeKind::Map, Json::Map(members)) => self.write_map(ty, members, nested, depth)?,
            (TypeKind::Array, Json::List(values)) => self.write_list(ty, values, nested, depth)?,
            (TypeKind::Text, Json::Text(text)) => self.write_text(ty, text)?,
            (TypeKind::Map | TypeKind::Array | TypeKind::Text, _) => return Ok(false),
            (kind, wanted) => {
                let shown = match self.types[ty].source {
                    Some(source) => self.shown(source)?,
                    None => Json::Null,
                };
                if shown != *wanted {
                    let place = "a value within".to_owned();
                    return Err(DraftError::OtherShape { place, found: described(kind), wanted: wanted.kind() });
                }
            }
        }
        Ok(true)
    }

    fn write_list(&mut self, ty: Ty, wanted: &[Json], nested: Nested, depth: u32) -> Result<(), DraftError> {
        let depth = deeper(depth)?;
        let units = self.list_units(ty)?;
        let mut shown = Vec::with_capacity(units.len());
        let mut has_shared = false;
        for unit in &units {
            let held = self.held(&unit.held)?;
            has_shared |= held.is_some_and(|ty| matches!(self.types[ty].kind, TypeKind::Map | TypeKind::Array));
            shown.push(match (unit.held, held.and_then(|ty| self.types[ty].source)) {
                (_, Some(source)) => self.shown(source)?,
                (Held::Item(item), None) => self.plain(item, unit.offset, false)?.unwrap_or_default(),
                _ => Json::Null,
            });
        }
        let style = if nested == Nested::AsBeside && has_shared { Nested::Shared } else { nested };
        let mut splices = Vec::new();
        for hunk in hunks(&shown, wanted, &mut self.meter)? {
            let (old, new) = (&shown[hunk.before.clone()], &wanted[hunk.after.clone()]);
            self.meter.steps(16 * (old.len() * new.len()).min(4096) + old.len() + new.len())?;
            let becomes = pairs(old.len(), new.len(), |at, other| {
                let kind = self.kind_of(units[hunk.before.start + at].held);
                likeness(kind, &old[at], &new[other])
            });
            let mut becomes = becomes.into_iter().peekable();
            let (mut at, mut other) = (0, 0);
            loop {
                let (old_end, new_end) = becomes.peek().copied().unwrap_or((old.len(), new.len()));
                let mut insert = Vec::new();
                for value in &new[other..new_end] {
                    insert.push(self.new_value(value, style, depth)?);
                }
                if old_end > at || !insert.is_empty() {
                    let place = (hunk.before.start + at) as u32;
                    splices.push(Splice { at: place, delete: (old_end - at) as u32, insert });
                }
                let Some((pair_old, pair_new)) = becomes.next() else { break };
                let held = units[hunk.before.start + pair_old].held;
                self.write_within(held, &new[pair_new], nested, depth)?;
                (at, other) = (pair_old + 1, pair_new + 1);
            }
        }
        self.splice(ty, splices)
    }

    fn kind_of(&self, held: Held) -> Option<TypeKind> {
        match held {
            Held::Item(item) => self.tree.type_of(self.tree.item(item)).map(|source| self.tree.ty(source).kind),
            Held::Type(ty) => Some(self.types[ty].kind),
            Held::Other => None,
        }
    }

    fn has_shared_entry(&self, ty: Ty) -> bool {
        let is_shared = |held: Held| matches!(self.kind_of(held), Some(TypeKind::Map | TypeKind::Array));
        self.types[ty].entries.values().any(|entry| match &entry.slot {
            Slot::Old(item) => is_shared(Held::Item(*item)),
            Slot::New(New::Type(ty)) => is_shared(Held::Type(*ty)),
            _ => false,
        })
    }

    /// The units of a list, one by one.
    pub(super) fn list_units(&mut self, ty: Ty) -> Result<Vec<ListUnit>, DraftError> {
        let mut units = Vec::new();
        for piece in &self.types[ty].list {
            let len = piece.units(self.tree);
            self.meter.steps(1 + len as usize)?;
            self.meter.hold::<ListUnit>(2 * len as usize)?;
            units.extend((0..len).map(|unit| match piece {
                Piece::Old { item, from, .. } => ListUnit { held: Held::Item(*item), offset: from + unit },
                Piece::New(New::Type(ty)) => ListUnit { held: Held::Type(*ty), offset: 0 },
                Piece::New(_) => ListUnit { held: Held::Other, offset: 0 },
            }));
        }
        Ok(units)
    }

    /// The plain value at an offset of an item, or its last one; `None` for a type, and for `undefined` where keys have values.
    pub(super) fn plain(&mut self, item: u32, offset: u32, is_entry: bool) -> Result<Option<Json>, DraftError> {
        let item = self.tree.item(item);
        self.meter.steps(1 + item.len.min(offset) as usize)?;
        Ok(match item.kind {
            Kind::Any | Kind::Json | Kind::Embed => {
                let offset = offset.min(item.len.saturating_sub(1)) as usize;
                let value = self.tree.values(item).nth(offset);
                let value = value.filter(|value| !is_entry || !value.is_undefined());
                value.map(|value| value.to_json(&mut self.meter)).transpose()?
            }
            Kind::Binary => {
                self.meter.steps(self.tree.binary(item).len() / 8)?;
                if self.tree.binary(item).len() > self.meter.room_for::<InMemory>() {
                    return Err(TooCostly.into());
                }
                Some(Json::List(self.tree.binary(item).iter().map(|byte| Json::Int((*byte).into())).collect()))
            }
            Kind::Document => Some(Json::Text(self.tree.guid(item).to_owned())),
            Kind::Text => Some(Json::Text(super::pieces::text_of(self.tree, item))),
            _ => None,
        })
    }

    /// A value that is new.
    pub(super) fn new_value(&mut self, value: &Json, nested: Nested, depth: u32) -> Result<New, DraftError> {
        self.meter.step()?;
        let ty = match value {
            Json::Map(members) if nested == Nested::Shared => {
                let depth = deeper(depth)?;
                let ty = self.push(TypeKind::Map, String::new());
                for (key, value) in members {
                    let value = self.new_value(value, nested, depth)?;
                    self.set(ty, key, value);
                }
                ty
            }
            Json::List(values) if nested == Nested::Shared => {
                let depth = deeper(depth)?;
                let ty = self.push(TypeKind::Array, String::new());
                for value in values {
                    let value = self.new_value(value, nested, depth)?;
                    self.types[ty].list.push(Piece::New(value));
                }
                ty
            }
            value => return Ok(New::Value(value.clone())),
        };
        Ok(New::Type(ty))
    }
}

/// A unit of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListUnit {
    pub held: Held,
    /// Which unit of its item it is.
    pub offset: u32,
}

/// How much a shared type of a kind is like what is wanted, from 1 to 100; 0 if it cannot become that.
fn likeness(kind: Option<TypeKind>, shown: &Json, wanted: &Json) -> u32 {
    match (kind, shown, wanted) {
        (Some(TypeKind::Map), Json::Map(old), Json::Map(new)) => {
            let id = |members: &IndexMap<String, Json>| IDS.iter().find_map(|id| members.get(*id).cloned());
            match (id(old), id(new)) {
                (Some(old), Some(new)) => u32::from(old == new) * 99 + 1,
                _ => {
                    let equal = new.iter().filter(|(key, value)| old.get(*key) == Some(*value)).count();
                    1 + (equal * 99 / new.len().max(old.len()).max(1)) as u32
                }
            }
        }
        (Some(TypeKind::Array), Json::List(_), Json::List(_)) => 1,
        (Some(TypeKind::Text), Json::Text(old), Json::Text(new)) => 1 + text_likeness(old, new) * 99 / 100,
        _ => 0,
    }
}
