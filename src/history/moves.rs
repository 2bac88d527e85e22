//! What moved: editors write text anew where somebody only pressed Enter, joined two paragraphs or made a heading, so what an edit
//! deletes and inserts again with the same letters is still whose it was. So are values (embeds, those of maps and arrays, attributes,
//! marks) that it inserts again as they were; where it moves text, marks and attributes that it writes beside it as they stood there; and
//! a mark that goes on behind a part that is marked otherwise.

use std::collections::{HashMap, VecDeque};

use super::pieces::{Part, Pieces};
use crate::document::{IdRange, Meter, TooCostly};

/// Characters that may be compared for one answer, to find text that came back only in part.
const COMPARED_MAX: usize = 50_000_000;
/// Stands for what has been found already; no text that is found has it.
const TAKEN: char = '\0';

/// How much may still be compared to find text that came back only in part.
#[derive(Debug)]
pub(super) struct Comparisons {
    left: usize,
    /// Whether some was not looked for, as it would have taken more. It counts as newly written.
    pub is_exhausted: bool,
}

impl Default for Comparisons {
    fn default() -> Self {
        Self::of(COMPARED_MAX)
    }
}

impl Comparisons {
    /// So many characters.
    pub fn of(left: usize) -> Self {
        Self { left, is_exhausted: false }
    }

    fn take(&mut self, characters: usize) -> bool {
        let rest = self.left.checked_sub(characters);
        self.is_exhausted |= rest.is_none();
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

/// Units that were inserted, and as many that held the same before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Move {
    pub to: IdRange,
    pub from: IdRange,
    /// Whether what it stands for stayed, as a link does of which only a part is moved.
    pub is_copy: bool,
}

/// Text that stands together.
#[derive(Debug)]
pub(super) struct Run {
    pub text: String,
    units: Vec<IdRange>,
}

/// What of what was inserted stands for what was deleted; sorted. `is_known` tells what was there before. Text counts that has at least so
/// many characters.
///
/// # Errors
/// It takes more than may be spent.
pub(super) fn moves(
    pieces: &Pieces<'_>,
    (inserted, deleted): (&[IdRange], &[IdRange]),
    is_known: impl Fn(IdRange) -> bool,
    characters_min: usize,
    meter: &mut Meter,
    comparisons: &mut Comparisons,
) -> Result<Vec<Move>, TooCostly> {
    let (texts, values) = parts(pieces, inserted, meter)?;
    let (gone_texts, gone_values) = parts(pieces, deleted, meter)?;
    let mut found = texts_moved(pieces, texts, gone_texts, characters_min, meter, comparisons)?;
    values_moved(pieces, &values, &gone_values, is_known, meter, &mut found)?;
    found.sort_unstable();
    Ok(found)
}

/// The parts of texts, and the values, that ranges have, each in the order of the document.
fn parts(pieces: &Pieces<'_>, ranges: &[IdRange], meter: &mut Meter) -> Result<(Vec<Part>, Vec<Part>), TooCostly> {
    let (mut texts, mut values): (Vec<Part>, Vec<Part>) = (Vec::new(), Vec::new());
    for range in ranges {
        let before = texts.len() + values.len();
        pieces.parts(*range, &mut texts, &mut values);
        meter.steps(1 + texts.len() + values.len() - before)?;
    }
    texts.sort_unstable();
    values.sort_unstable();
    Ok((texts, values))
}

/// Adds the values that stand for others.
fn values_moved(
    pieces: &Pieces<'_>,
    inserted: &[Part],
    deleted: &[Part],
    is_known: impl Fn(IdRange) -> bool,
    meter: &mut Meter,
    found: &mut Vec<Move>,
) -> Result<(), TooCostly> {
    if inserted.is_empty() {
        return Ok(());
    }
    meter.hold::<(u64, usize, Part)>(deleted.len())?;
    let mut gone: HashMap<u64, VecDeque<Part>> = HashMap::new();
    for part in deleted {
        gone.entry(pieces.value(*part)).or_default().push_back(*part);
    }
    // Where the text stood that moved, if any did.
    let place = found.first().and_then(|moved| pieces.piece_at(moved.from));
    let mut moved: Vec<Move> = Vec::new();
    for part in inserted {
        meter.step()?;
        let same = gone.get_mut(&pieces.value(*part)).and_then(VecDeque::pop_front).map(|from| (from, false));
        let same = same.or_else(|| pieces.resumed(*part, &is_known).map(|from| (from, true)));
        let same = same.or_else(|| pieces.twin(*part, place?, &is_known).map(|from| (from, true)));
        if let Some((from, is_copy)) = same {
            let (to, from) = (pieces.range(*part), pieces.range(from));
            match moved.last_mut() {
                Some(last) if last.is_copy == is_copy && adjoin(last.to, to) && adjoin(last.from, from) => {
                    (last.to.end, last.from.end) = (to.end, from.end);
                }
                _ => moved.push(Move { to, from, is_copy }),
            }
        }
    }
    found.append(&mut moved);
    Ok(())
}

fn adjoin(one: IdRange, other: IdRange) -> bool {
    one.client == other.client && one.end == other.start
}

/// Text that stands for other text.
fn texts_moved(
    pieces: &Pieces<'_>,
    inserted: Vec<Part>,
    deleted: Vec<Part>,
    characters_min: usize,
    meter: &mut Meter,
    comparisons: &mut Comparisons,
) -> Result<Vec<Move>, TooCostly> {
    let mut found = Vec::new();
    if inserted.is_empty() || deleted.is_empty() {
        return Ok(found);
    }
    let (inserted, mut gone) = (runs(pieces, inserted, meter)?, runs(pieces, deleted, meter)?);
    let (all, mut all_gone) = (joined(&inserted), joined(&gone));
    if all.text == all_gone.text {
        // As where somebody goes back: what stands between may be another then.
        take(&all, 0, &mut all_gone, 0, units(&all.text), &mut found);
        return Ok(found);
    }
    let gone_len = all_gone.text.len();
    // Those with the same text, in the order of the document.
    let mut by_text: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, run) in gone.iter().enumerate() {
        by_text.entry(run.text.clone()).or_default().push_back(at);
    }
    for run in inserted.into_iter().filter(|run| units(&run.text) >= characters_min) {
        let same = by_text.get_mut(&run.text);
        let whole = same.and_then(|same| {
            // What was taken in part is another text.
            while same.front().is_some_and(|at| gone[*at].text != run.text) {
                same.pop_front();
            }
            same.pop_front()
        });
        if let Some(at) = whole {
            take(&run, 0, &mut gone[at], 0, units(&run.text), &mut found);
        } else if comparisons.take(gone_len + run.text.len()) {
            find(&run, &mut gone, &mut found);
        }
    }
    Ok(found)
}

fn joined(runs: &[Run]) -> Run {
    Run {
        text: runs.iter().map(|run| &run.text[..]).collect(),
        units: runs.iter().flat_map(|run| &run.units).copied().collect(),
    }
}

/// The texts of parts, which are in the order of the document: what has nothing visible between it is one.
pub(super) fn runs(pieces: &Pieces<'_>, parts: Vec<Part>, meter: &mut Meter) -> Result<Vec<Run>, TooCostly> {
    let mut runs: Vec<Run> = Vec::new();
    let mut before: Option<Part> = None;
    for part in parts {
        meter.steps(part.len as usize)?;
        let is_one = before.is_some_and(|before| is_next(pieces, before, part));
        if !is_one {
            runs.push(Run { text: String::new(), units: Vec::new() });
        }
        let Some(run) = runs.last_mut() else { continue };
        let chars = char::decode_utf16(pieces.text(part).iter().copied());
        // Half a surrogate pair stands for as many units as U+FFFD does.
        run.text.extend(chars.map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)));
        run.units.push(pieces.range(part));
        before = Some(part);
    }
    Ok(runs)
}

/// Whether nothing that can be seen stands between two parts of one type.
fn is_next(pieces: &Pieces<'_>, before: Part, part: Part) -> bool {
    let (one, other) = (&pieces.all()[before.piece], &pieces.all()[part.piece]);
    if before.piece == part.piece {
        return before.offset + before.len == part.offset || one.item.is_deleted;
    }
    let is_whole = before.offset + before.len == one.item.len || one.item.is_deleted;
    one.parent == other.parent
        && is_whole
        && (part.offset == 0 || other.item.is_deleted)
        && pieces.adjoin(before.piece, part.piece)
}

/// Finds the text of a run within what is gone, or else its beginning and its end, if that is most of it.
fn find(run: &Run, gone: &mut [Run], found: &mut Vec<Move>) {
    let len = units(&run.text);
    if let Some(at) = gone.iter().position(|gone| gone.text.contains(&run.text)) {
        let begin = gone[at].text.find(&run.text).unwrap_or(0);
        let from = units(&gone[at].text[..begin]);
        return take(run, 0, &mut gone[at], from, len, found);
    }
    let common = |gone: &Run| {
        let (prefix, suffix) = (common_prefix(&run.text, &gone.text), common_suffix(&run.text, &gone.text));
        let shorter = len.min(units(&gone.text));
        (prefix, suffix.min(shorter - prefix))
    };
    let best = gone.iter().map(&common).enumerate().max_by_key(|(_, (prefix, suffix))| prefix + suffix);
    if let Some((at, (prefix, suffix))) = best
        && (prefix + suffix) * 2 >= len
    {
        let gone = &mut gone[at];
        let gone_len = units(&gone.text);
        take(run, 0, gone, 0, prefix, found);
        take(run, len - suffix, gone, gone_len - suffix, suffix, found);
    }
}

/// Notes that `len` units of a run stand for those of what is gone.
fn take(run: &Run, to: usize, gone: &mut Run, from: usize, len: usize, found: &mut Vec<Move>) {
    if len == 0 {
        return;
    }
    let (mut targets, mut sources) = (sub(&run.units, to, len).into_iter(), sub(&gone.units, from, len).into_iter());
    let (mut target, mut source) = (targets.next(), sources.next());
    while let (Some(mut to), Some(mut from)) = (target, source) {
        let len = to.len().min(from.len());
        let head = |range: IdRange| IdRange { end: range.start + len, ..range };
        found.push(Move { to: head(to), from: head(from), is_copy: false });
        (to.start, from.start) = (to.start + len, from.start + len);
        target = if to.is_empty() { targets.next() } else { Some(to) };
        source = if from.is_empty() { sources.next() } else { Some(from) };
    }
    let begin = byte_at(&gone.text, from);
    let end = begin + byte_at(&gone.text[begin..], len);
    gone.text.replace_range(begin..end, &TAKEN.to_string().repeat(len));
}

/// The ids of `len` units from one on.
fn sub(units: &[IdRange], mut skip: usize, mut len: usize) -> Vec<IdRange> {
    let mut found = Vec::new();
    for range in units {
        let own = range.len() as usize;
        if skip >= own {
            skip -= own;
            continue;
        }
        let start = range.start + skip as u32;
        let end = range.end.min(start + len as u32);
        skip = 0;
        len -= (end - start) as usize;
        found.push(IdRange { start, end, ..*range });
        if len == 0 {
            break;
        }
    }
    found
}

/// How many UTF-16 units a text has.
fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Where the unit at an index begins, in bytes; within a pair, where the pair ends.
fn byte_at(text: &str, index: usize) -> usize {
    let mut at = 0;
    for (byte, char) in text.char_indices() {
        if at >= index {
            return byte;
        }
        at += char.len_utf16();
    }
    text.len()
}

fn common_prefix(one: &str, other: &str) -> usize {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    same.map(|(char, _)| char.len_utf16()).sum()
}

fn common_suffix(one: &str, other: &str) -> usize {
    let same = one.chars().rev().zip(other.chars().rev()).take_while(|(one, other)| one == other);
    same.map(|(char, _)| char.len_utf16()).sum()
}
