//! Quotes of a document in comments: which of them say something that is to be erased. Where the place is told by ids, as Yjs does, that
//! decides; else what the quote says, and in doubt it goes.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::HistoryError;
use super::moves::runs;
use super::past::History;
use super::pieces::{Part, Pieces};
use super::units::range_of;
use crate::document::{ErasedUnits, IdRange, Kind, Meter, TooCostly, View};
use crate::ids::Seq;

/// Text that has so many characters in a row in common with another says some of it.
const COMMON: usize = 4;
/// Texts that are shorter say something from so many characters on.
const COMMON_SHORT: usize = 2;

/// What a comment quotes.
#[derive(Debug, Clone)]
pub struct Quote {
    /// Its entry.
    pub seq: Seq,
    /// What it says; empty if it quotes nothing.
    pub text: String,
    /// The place, as its author's editor tells it.
    pub anchor: Option<Box<RawValue>>,
}

/// A quote that goes from its comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutQuote {
    /// The comment's entry.
    pub seq: Seq,
    /// Whether the anchor says some of it, too, and goes with it.
    pub with_anchor: bool,
}

/// Where a quote begins and ends, as relative positions of Yjs.
#[derive(Deserialize)]
struct Anchor {
    from: Position,
    to: Position,
}

#[derive(Deserialize)]
struct Position {
    item: Unit,
}

#[derive(Deserialize)]
struct Unit {
    client: u64,
    clock: u32,
}

impl Unit {
    fn range(&self) -> Option<IdRange> {
        Some(IdRange { client: self.client, start: self.clock, end: self.clock.checked_add(1)? })
    }
}

/// A root type, and what of its text goes, in its order.
struct Root<'v> {
    pieces: Pieces<'v>,
    erased: Vec<Part>,
}

impl Root<'_> {
    /// The piece and the unit in it.
    fn place(&self, unit: IdRange) -> Option<(usize, u32)> {
        let piece = self.pieces.piece_at(unit)?;
        Some((piece, unit.start - self.pieces.all()[piece].item.id.clock))
    }

    /// What goes of the text between two units.
    fn between(&self, from: IdRange, to: IdRange) -> Option<impl Iterator<Item = IdRange>> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let first = self.erased.partition_point(|part| (part.piece, part.offset + part.len) <= from);
        let within = self.erased[first..].iter().take_while(move |part| (part.piece, part.offset) <= to);
        (from <= to).then(|| within.map(|part| self.pieces.range(*part)))
    }
}

/// What goes, to be recognised by what it says.
#[derive(Default)]
struct Words {
    /// Its parts of [`COMMON`] characters, and texts that are shorter.
    parts: HashSet<u128>,
    /// All of it, for quotes that are shorter than a part.
    texts: Vec<String>,
    texts_bytes: usize,
}

impl Words {
    fn of(roots: &[Root<'_>], meter: &mut Meter) -> Result<Self, TooCostly> {
        let mut words = Self::default();
        for Root { pieces, erased } in roots {
            for run in runs(pieces, erased.clone(), meter)? {
                let chars: Vec<char> = run.text.trim().chars().collect();
                meter.hold::<[u128; 2]>(1 + chars.len())?;
                if (COMMON_SHORT..COMMON).contains(&chars.len()) {
                    words.parts.insert(packed(&chars));
                }
                words.parts.extend(chars.windows(COMMON).map(packed));
                words.texts_bytes += run.text.len();
                words.texts.push(run.text);
            }
        }
        Ok(words)
    }

    /// Whether a text says some of it.
    fn are_in(&self, text: &str, meter: &mut Meter) -> Result<bool, TooCostly> {
        let text = text.trim();
        let chars: Vec<char> = text.chars().collect();
        meter.steps(COMMON * chars.len())?;
        if chars.len() < COMMON {
            meter.steps(self.texts_bytes)?;
            return Ok(!text.is_empty() && self.texts.iter().any(|own| own.contains(text)));
        }
        Ok((COMMON_SHORT..=COMMON).any(|len| chars.windows(len).any(|part| self.parts.contains(&packed(part)))))
    }
}

/// Up to [`COMMON`] characters as one number.
fn packed(chars: &[char]) -> u128 {
    // A character has 21 bits; the first bit tells how many there are.
    chars.iter().fold(1, |packed, char| packed << 21 | u128::from(u32::from(*char)))
}

/// Which edits wrote what goes: by client, ascending, with the entry.
struct Written(HashMap<u64, Vec<(u32, u32, Seq)>>);

impl Written {
    /// Whether some of a range was there after an entry.
    fn was_there(&self, range: IdRange, seq: Seq) -> bool {
        let own = self.0.get(&range.client).map_or(&[][..], Vec::as_slice);
        let first = own.get(own.partition_point(|(_, end, _)| *end <= range.start));
        // What was dropped is older than anything.
        first.is_none_or(|(start, _, written)| *start >= range.end || *written <= seq)
    }
}

impl History {
    /// The quotes that say something that is to be erased.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub(super) fn cut_quotes(
        &self,
        quotes: &[Quote],
        units: &ErasedUnits,
        view: &View,
        upto: Seq,
        meter: &mut Meter,
    ) -> Result<Vec<CutQuote>, HistoryError> {
        if quotes.is_empty() || units.is_empty() {
            return Ok(Vec::new());
        }
        let mut roots = Vec::new();
        for root in view.roots() {
            let pieces = Pieces::of(view, root, meter)?;
            let mut erased = Vec::new();
            for (piece, item) in pieces.all().iter().map(|piece| &piece.item).enumerate() {
                let parts = if item.content.kind == Kind::Text { units.within(range_of(item)) } else { Vec::new() };
                meter.hold::<Part>(parts.len())?;
                let part = |part: IdRange| Part { piece, offset: part.start - item.id.clock, len: part.len() };
                erased.extend(parts.into_iter().map(part));
            }
            roots.push(Root { pieces, erased });
        }
        let mut written = Written(HashMap::new());
        self.read_metered(upto, meter, |edit, meter| {
            for part in edit.inserted.iter().flat_map(|range| units.within(*range)) {
                meter.hold::<(u32, u32, Seq)>(1)?;
                written.0.entry(part.client).or_default().push((part.start, part.end, edit.seq));
            }
            Ok(())
        })?;
        written.0.values_mut().for_each(|own| own.sort_unstable());
        let words = Words::of(&roots, meter)?;
        let mut cut = Vec::new();
        for Quote { seq, text, anchor } in quotes {
            let anchor = anchor.as_ref().map_or("null", |anchor| anchor.get());
            let with_anchor = words.are_in(&said_in(anchor), meter)?;
            let units = serde_json::from_str::<Anchor>(anchor).ok();
            let units = units.and_then(|Anchor { from, to }| from.item.range().zip(to.item.range()));
            let parts = units.and_then(|(from, to)| roots.iter().find_map(|root| root.between(from, to)));
            let is_cut = with_anchor
                || match parts {
                    Some(mut parts) => parts.any(|part| written.was_there(part, *seq)),
                    None => words.are_in(text, meter)?,
                };
            if is_cut {
                cut.push(CutQuote { seq: *seq, with_anchor });
            }
        }
        Ok(cut)
    }
}

/// All texts in a JSON value, but for names of root types.
fn said_in(json: &str) -> String {
    let (mut said, mut open) = (String::new(), vec![serde_json::from_str(json).unwrap_or(Value::Null)]);
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => said.extend([&text, "\n"]),
            Value::Array(values) => open.extend(values),
            Value::Object(fields) => {
                open.extend(fields.into_iter().filter(|(key, _)| key != "tname").map(|(_, value)| value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::history::tests::{authors, between, enter, typed, whole};
    use crate::ids::UserId;

    fn quote(seq: u64, text: &str, anchor: Value) -> Quote {
        let anchor = Some(anchor).filter(|anchor| !anchor.is_null());
        Quote { seq: Seq(seq), text: text.to_owned(), anchor: anchor.map(|anchor| to_raw_value(&anchor).unwrap()) }
    }

    fn anchor((from, from_clock): (u64, u32), (to, to_clock): (u64, u32)) -> Value {
        let unit = |client, clock, assoc| json!({ "item": { "client": client, "clock": clock }, "assoc": assoc });
        json!({ "from": unit(from, from_clock, 0), "to": unit(to, to_clock, -1) })
    }

    fn cut(history: &History, quotes: &[Quote]) -> Vec<(u64, bool)> {
        let all = history.words_of(&UserId::new("bob"), quotes, history.upto(), &authors()).unwrap();
        all.erasure.quotes.iter().map(|cut| (cut.seq.0, cut.with_anchor)).collect()
    }

    #[test]
    fn a_quote_goes_whose_place_has_something_that_goes_and_was_there() {
        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "adas own text ")));
        enter(&mut history, "bob", None, whole(typed(2, 0, Some((1, 13)), "secret words")));
        history.reach(Seq(20));
        // A letter within ada's.
        enter(&mut history, "bob", None, whole(between(2, 12, 2, "!")));
        let of_ada = anchor((1, 0), (1, 7));
        let quotes = [
            quote(3, "adas own", of_ada.clone()),
            quote(4, "text secret", anchor((1, 9), (2, 5))),
            quote(5, "whatever", anchor((2, 3), (2, 3))),
            quote(6, "adas own", of_ada.clone()),
            quote(22, "ada!s own", of_ada),
        ];
        assert_eq!(cut(&history, &quotes), [(4, false), (5, false), (22, false)]);
    }

    #[test]
    fn where_no_ids_tell_the_place_a_quote_goes_that_says_some_of_it() {
        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "adas own text ")));
        enter(&mut history, "bob", None, whole(typed(2, 0, Some((1, 13)), "the secret")));
        // Far from it, so it is a text of its own.
        enter(&mut history, "bob", None, whole(between(2, 10, 2, "Bo")));
        let nothing = Value::Null;
        let quotes = [
            quote(4, "a secretary", nothing.clone()),
            quote(5, "the", nothing.clone()),
            quote(6, "they", nothing.clone()),
            quote(7, "adas own", nothing.clone()),
            quote(8, "as Bo said", nothing.clone()),
            quote(9, "zzz", nothing.clone()),
            quote(10, "", nothing),
            // Those of no unit that there is, and backwards.
            quote(11, "no words", anchor((9, 0), (9, 5))),
            quote(12, "secret", anchor((2, 9), (1, 0))),
            // Others than those of Yjs.
            quote(13, "no words", json!({ "exact": ["a secret"] })),
            quote(14, "no words", json!({ "from": 3, "prefix": "adas own" })),
            quote(15, "no words", json!({ "from": { "tname": "the secret" } })),
        ];
        let expected = [(4, false), (5, false), (8, false), (12, false), (13, true)];
        assert_eq!(cut(&history, &quotes), expected);
    }
}
