//! A text as it is wanted: first by lines, then by characters within the lines that differ.

use super::align::{Hunk, cost, hunks};
use super::pieces::{New, Splice};
use super::{Draft, DraftError, Ty};
use crate::document::view::tree::TypeKind;

/// Steps that telling two texts apart may take, of the [`cost`] of their parts.
const STEPS_MAX: usize = 20_000_000;
/// Lines, or characters, of two texts that are compared at most.
const PARTS_MAX: usize = 1 << 17;

impl Draft<'_> {
    pub(super) fn write_root_text(&mut self, root: &str, text: &str) -> Result<(), DraftError> {
        let ty = self.root(root, TypeKind::Text)?;
        self.write_text(ty, text)
    }

    /// Makes the text of a type the one that is wanted. What else stands in it stays.
    pub(super) fn write_text(&mut self, ty: Ty, wanted: &str) -> Result<(), DraftError> {
        // The text, and at which place of the list each of its runs begins.
        let (mut text, mut runs, mut place) = (String::new(), Vec::new(), 0u32);
        for at in 0..self.types[ty].list.len() {
            let piece = self.types[ty].list[at].clone();
            let part = self.piece_text(&piece)?;
            if !part.is_empty() {
                runs.push(Run { byte: text.len(), place });
                text.push_str(&part);
                self.meter.hold::<u16>(part.len())?;
            }
            place += piece.units(self.tree);
        }
        let changes = self.changes(&text, wanted)?;
        let splices = splices(&text, wanted, &runs, changes);
        self.splice(ty, splices)
    }

    /// Where two texts differ, in bytes.
    fn changes(&mut self, before: &str, after: &str) -> Result<Vec<Hunk>, DraftError> {
        let start = common(before.chars().zip(after.chars()));
        let (old, new) = (&before[start..], &after[start..]);
        let end = common(old.chars().rev().zip(new.chars().rev()));
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        self.meter.steps(before.len().max(after.len()) / 16)?;
        if old.is_empty() && new.is_empty() {
            return Ok(Vec::new());
        }
        let (mut found, mut steps) = (Vec::new(), STEPS_MAX);
        for hunk in self.compared(old, new, &mut steps, lines)? {
            let (old, new) = (&old[hunk.before.clone()], &new[hunk.after.clone()]);
            let (before, after) = (start + hunk.before.start, start + hunk.after.start);
            found.extend(self.compared(old, new, &mut steps, chars)?.into_iter().map(|within| Hunk {
                before: before + within.before.start..before + within.before.end,
                after: after + within.after.start..after + within.after.end,
            }));
        }
        Ok(found)
    }

    /// Where two texts differ by their parts, in bytes; all of them where that would take too many steps to say.
    fn compared<'t>(
        &mut self,
        old: &'t str,
        new: &'t str,
        steps: &mut usize,
        parts: fn(&'t str) -> Vec<&'t str>,
    ) -> Result<Vec<Hunk>, DraftError> {
        let whole = || vec![Hunk { before: 0..old.len(), after: 0..new.len() }];
        // Before they are counted: no more parts than bytes.
        self.meter.hold::<[&str; 2]>((old.len() + new.len()).min(PARTS_MAX))?;
        if old.is_empty() || new.is_empty() {
            return Ok(whole());
        }
        let (old_parts, new_parts) = (parts(old), parts(new));
        let count = old_parts.len() + new_parts.len();
        match steps.checked_sub(cost(count)) {
            Some(left) if count < PARTS_MAX => *steps = left,
            _ => return Ok(whole()),
        }
        let bytes = |parts: &[&str]| parts.iter().map(|part| part.len()).collect::<Vec<_>>();
        let found = hunks(&old_parts, &new_parts, &mut self.meter)?;
        Ok(in_bytes(found, &bytes(&old_parts), &bytes(&new_parts)))
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').take(PARTS_MAX).collect()
}

fn chars(text: &str) -> Vec<&str> {
    let parts = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]);
    parts.take(PARTS_MAX).collect()
}

/// Where a run of text begins: in the text, and in the list.
struct Run {
    byte: usize,
    place: u32,
}

/// How many bytes are the same at the front.
fn common(chars: impl Iterator<Item = (char, char)>) -> usize {
    chars.take_while(|(one, other)| one == other).map(|(c, _)| c.len_utf8()).sum()
}

/// Hunks of parts, of which each has so many bytes, as hunks of bytes.
fn in_bytes(hunks: Vec<Hunk>, old: &[usize], new: &[usize]) -> Vec<Hunk> {
    let starts = |lens: &[usize]| {
        let mut all = vec![0];
        all.extend(lens.iter().scan(0, |sum, len| {
            *sum += len;
            Some(*sum)
        }));
        all
    };
    let (old, new) = (starts(old), starts(new));
    let hunk = |Hunk { before, after }: Hunk| Hunk {
        before: old[before.start]..old[before.end],
        after: new[after.start]..new[after.end],
    };
    hunks.into_iter().map(hunk).collect()
}

/// Changes of a text as changes of the list whose runs it is: what stands between runs stays.
fn splices(text: &str, wanted: &str, runs: &[Run], changes: Vec<Hunk>) -> Vec<Splice> {
    let mut splices: Vec<Splice> = Vec::new();
    let mut units = Units { text, byte: 0, unit: 0 };
    // The unit of the text at which each run begins.
    let run_units: Vec<u32> = {
        let mut units = Units { text, byte: 0, unit: 0 };
        runs.iter().map(|run| units.at(run.byte)).collect()
    };
    for Hunk { before, after } in changes {
        let mut insert = vec![New::Text(wanted[after].to_owned())];
        insert.retain(|new| new.units() > 0);
        // An insertion belongs to the run before it, a deletion to those in which it lies.
        let first = runs
            .partition_point(|run| if before.is_empty() { run.byte < before.start } else { run.byte <= before.start });
        let mut run = first.saturating_sub(1);
        let mut from = before.start;
        loop {
            let to = before.end.min(runs.get(run + 1).map_or(text.len(), |next| next.byte));
            let (start, end) = (units.at(from), units.at(to.max(from)));
            let place = runs.get(run).map_or(0, |at| at.place - run_units[run]) + start;
            splices.push(Splice { at: place, delete: end - start, insert: std::mem::take(&mut insert) });
            if to >= before.end {
                break;
            }
            (from, run) = (to, run + 1);
        }
    }
    splices
}

/// Counts UTF-16 units, forward.
struct Units<'t> {
    text: &'t str,
    byte: usize,
    unit: u32,
}

impl Units<'_> {
    fn at(&mut self, byte: usize) -> u32 {
        self.unit += crate::document::content::units(&self.text.as_bytes()[self.byte..byte]) as u32;
        self.byte = byte;
        self.unit
    }
}
