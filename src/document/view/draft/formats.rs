//! Formats of a text as they are wanted: marks that say so are kept, those that say otherwise go, and what is missing comes.

use std::collections::{HashSet, VecDeque};

use indexmap::IndexMap;

use super::pieces::{New, Piece};
use super::{Draft, DraftError, Ty};
use crate::document::view::budget::{Meter, TooCostly};
use crate::document::view::tree::Tree;
use crate::document::view::values::{InMemory, Value};
use crate::document::{Json, Kind};
use crate::protocol::lib0::Input;

/// Formats by their names; one whose value is null is none.
pub(super) type Formats = IndexMap<String, Json>;

/// So many units of a list, and the formats that hold there; `None`: whichever do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub len: u32,
    pub formats: Option<Formats>,
}

/// A mark since the last unit.
struct Mark {
    /// Its place among what is written.
    at: usize,
    name: String,
    value: Json,
}

/// The mark that a piece is.
fn mark(tree: &Tree, piece: &Piece, meter: &mut Meter) -> Result<Option<(String, Json)>, TooCostly> {
    match piece {
        Piece::New(New::Format(name, value)) => {
            meter.steps(value.count())?;
            Ok(Some((name.clone(), value.clone())))
        }
        Piece::Old { item, is_live: true, .. } if tree.item(*item).kind == Kind::Format => {
            let mut input = Input::raw(tree.piece(tree.item(*item)).content.raw);
            // Read when the update was scanned.
            let (Ok(name), Ok(value)) = (input.text(), input.text()) else { return Ok(None) };
            Ok(Some((name.to_owned(), Value::Json(value).to_json(meter)?)))
        }
        _ => Ok(None),
    }
}

/// How many values there are in formats: what it takes to compare them, or to have them once more.
fn count(formats: &Formats) -> usize {
    formats.values().map(|value| 1 + value.count()).sum()
}

fn apply(formats: &mut Formats, name: &str, value: &Json) {
    match value {
        Json::Null => drop(formats.shift_remove(name)),
        value => drop(formats.insert(name.to_owned(), value.clone())),
    }
}

impl Draft<'_> {
    /// The formats that hold along a list.
    pub(super) fn runs(&mut self, ty: Ty) -> Result<Vec<Run>, DraftError> {
        let mut runs: Vec<Run> = Vec::new();
        // Of the formats that hold, and of those of all runs: these are let go before the next are made.
        let (mut formats, mut values, mut held) = (Formats::new(), 0, 0);
        for piece in &self.types[ty].list {
            self.meter.steps(1 + values)?;
            if let Some((name, value)) = mark(self.tree, piece, &mut self.meter)? {
                apply(&mut formats, &name, &value);
                values = count(&formats);
            }
            let len = piece.units(self.tree);
            match runs.last_mut() {
                _ if len == 0 => {}
                Some(last) if last.formats.as_ref() == Some(&formats) => last.len += len,
                _ => {
                    held += 1 + values;
                    if held > self.meter.room_for::<InMemory>() {
                        return Err(TooCostly.into());
                    }
                    runs.push(Run { len, formats: Some(formats.clone()) });
                }
            }
        }
        Ok(runs)
    }

    /// Makes the formats along a list those that are wanted, for as many units as the list has.
    pub(super) fn write_formats(&mut self, ty: Ty, wanted: Vec<Run>) -> Result<(), DraftError> {
        let mut rest: VecDeque<Piece> = std::mem::take(&mut self.types[ty].list).into();
        let mut wanted: VecDeque<Run> = wanted.into_iter().filter(|run| run.len > 0).collect();
        let mut out: Vec<Piece> = Vec::with_capacity(rest.len());
        let mut marks: Vec<Mark> = Vec::new();
        // What holds before `marks`, and which of it began with a mark that is new.
        let (mut formats, mut begun) = (Formats::new(), HashSet::new());
        while let Some(piece) = rest.front() {
            self.meter.steps(1 + formats.len())?;
            let units = piece.units(self.tree);
            if let Some((name, value)) = mark(self.tree, piece, &mut self.meter)? {
                marks.push(Mark { at: out.len(), name, value });
            }
            let run = match wanted.front_mut() {
                Some(run) if units > 0 => run,
                _ => {
                    out.extend(rest.pop_front());
                    continue;
                }
            };
            self.meter.steps(run.formats.as_ref().map_or(0, count))?;
            let formats_wanted = run.formats.clone();
            let taken = units.min(run.len);
            run.len -= taken;
            if run.len == 0 {
                wanted.pop_front();
            }
            let piece = self.take(&mut rest, taken)?;
            let marks = std::mem::take(&mut marks);
            match formats_wanted {
                Some(wanted) => self.settle(marks, &wanted, &mut formats, &mut begun, &mut out)?,
                None => marks.iter().for_each(|mark| {
                    begun.remove(&mark.name);
                    apply(&mut formats, &mark.name, &mark.value);
                }),
            }
            out.push(piece);
        }
        for Mark { name, value, .. } in &marks {
            begun.remove(name);
            apply(&mut formats, name, value);
        }
        // What is new ends with what it is for.
        let open: Vec<String> = formats.keys().filter(|name| begun.contains(*name)).cloned().collect();
        out.extend(open.into_iter().map(|name| Piece::New(New::Format(name, Json::Null))));
        self.types[ty].list = out;
        Ok(())
    }

    /// Makes the formats those that are wanted from here on.
    fn settle(
        &mut self,
        marks: Vec<Mark>,
        wanted: &Formats,
        formats: &mut Formats,
        begun: &mut HashSet<String>,
        out: &mut Vec<Piece>,
    ) -> Result<(), DraftError> {
        self.meter.steps(marks.len() * (1 + marks.len().min(16)) + wanted.len() + formats.len())?;
        let mut names: Vec<String> = marks.iter().map(|mark| mark.name.clone()).collect();
        names.extend(formats.keys().cloned());
        names.extend(wanted.keys().cloned());
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let mut last: IndexMap<&str, &Json> = IndexMap::new();
        for mark in &marks {
            last.insert(&mark.name, &mark.value);
        }
        let mut cut: HashSet<&str> = HashSet::new();
        for name in &names {
            let value = |formats: &Formats| formats.get(name).cloned().unwrap_or_default();
            let (want, held) = (value(wanted), value(formats));
            let told = last.get(name.as_str()).map(|value| (*value).clone());
            if told.as_ref().unwrap_or(&held) == &want {
                if told.is_some() {
                    begun.remove(name);
                }
            } else {
                if told.is_some() {
                    cut.insert(name);
                }
                if held != want {
                    out.push(Piece::New(New::Format(name.clone(), want.clone())));
                    begun.insert(name.clone());
                }
            }
            apply(formats, name, &want);
        }
        for mark in marks.iter().filter(|mark| cut.contains(mark.name.as_str())) {
            out[mark.at] = match out[mark.at].clone() {
                Piece::Old { item, from, len, .. } => Piece::Old { item, from, len, is_live: false },
                // Nothing is as good as a text without anything in it.
                Piece::New(_) => Piece::New(New::Text(String::new())),
            };
        }
        Ok(())
    }
}
