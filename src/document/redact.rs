//! Takes content out of updates for good: what stays of it is that it was there, with the same ids and of the same length, as if it had
//! been deleted. So a client that still has it never brings it back, and everything else keeps its place.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::content::{self, Content, Cutter, Kind};
use super::encode::{Head, put_before};
use super::ranges::Ranges;
use super::scan::{Block, scan};
use super::{BlockId, IdRange, Refusal};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_var_uint};

/// Most ranges of units that are erased at once.
pub const ERASED_RANGES_MAX: usize = 1_000_000;

/// Units whose content is erased.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ErasedUnits(BTreeMap<u64, Ranges>);

impl ErasedUnits {
    /// Adds units.
    pub fn add(&mut self, range: IdRange) {
        if !range.is_empty() {
            self.0.entry(range.client).or_default().insert(range.start, range.end);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ranges there are.
    pub fn range_count(&self) -> usize {
        self.0.values().map(Ranges::len).sum()
    }

    /// The parts of a range that are not in.
    pub fn missing(&self, range: IdRange) -> Vec<IdRange> {
        match self.0.get(&range.client) {
            None => vec![range],
            Some(own) => {
                own.missing(range.start, range.end).map(|(start, end)| IdRange { start, end, ..range }).collect()
            }
        }
    }

    /// The parts of a range that are in.
    pub fn within(&self, range: IdRange) -> Vec<IdRange> {
        let own = self.0.get(&range.client).into_iter().flat_map(|own| own.after(range.start));
        let own = own.take_while(|(start, _)| *start < range.end);
        own.map(|(start, end)| IdRange { start: start.max(range.start), end: end.min(range.end), ..range }).collect()
    }

    /// An update (v1) without the content of these units; `None` if it has none of it.
    ///
    /// # Errors
    /// It is no update.
    pub fn redact(&self, update: &Bytes) -> Result<Option<Bytes>, Refusal> {
        let scan = scan(update)?;
        let mut out = Vec::with_capacity(update.len());
        let mut is_changed = false;
        put_var_uint(&mut out, scan.sections.len() as u64);
        for section in &scan.sections {
            let begin = out.len();
            let mut count = 0;
            for block in scan.blocks(section) {
                let range = IdRange { client: section.client, start: block.clock, end: block.end() };
                let erased = if has_words(block.content) { self.within(range) } else { Vec::new() };
                if erased.is_empty() {
                    out.extend_from_slice(block.wire);
                    count += 1;
                } else {
                    count += put_without(&mut out, section.client, &block, &erased);
                    is_changed = true;
                }
            }
            put_before(&mut out, begin, &[count, section.client, section.start.into()]);
        }
        out.extend_from_slice(&update[scan.deletions_at..]);
        Ok(is_changed.then(|| out.into()))
    }

    /// Appends the ids.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_var_uint(out, self.0.len() as u64);
        for (client, own) in &self.0 {
            put_var_uint(out, *client);
            put_var_uint(out, own.len() as u64);
            let mut at = 0;
            for (start, end) in own.iter() {
                put_var_uint(out, (start - at).into());
                put_var_uint(out, (end - start).into());
                at = end;
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// It is damaged.
    pub fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let mut units = Self::default();
        let too_large = || DecodeError::NumberTooLarge;
        for _ in 0..input.count(2)? {
            let client = input.var_uint()?;
            let mut at = 0_u32;
            for _ in 0..input.count(2)? {
                let start = at.checked_add(input.var_u32()?).ok_or_else(too_large)?;
                at = start.checked_add(input.var_u32()?).ok_or_else(too_large)?;
                units.add(IdRange { client, start, end: at });
            }
        }
        Ok(units)
    }
}

/// Whether a content is somebody's words: text, values, bytes, and marks whose value has a text in it. Shared types are not, for what others
/// wrote may lie in them.
pub fn has_words(content: Content<'_>) -> bool {
    match content.kind {
        Kind::Text | Kind::Json | Kind::Any | Kind::Binary | Kind::Embed => true,
        // The mark's key, then its value as JSON.
        Kind::Format => {
            let mut input = Input::raw(content.raw);
            input.raw_buf().and_then(|_| input.raw_buf()).is_ok_and(|value| value.contains(&b'"'))
        }
        Kind::Collected | Kind::Deleted | Kind::Type | Kind::Document | Kind::Skip => false,
    }
}

/// Appends a block without the content of some of its units; as how many blocks.
fn put_without(out: &mut Vec<u8>, client: u64, block: &Block<'_>, erased: &[IdRange]) -> u64 {
    let mut cutter = Cutter::new(block.content);
    let (mut at, mut count) = (block.clock, 0);
    let mut put = |end: u32, kind: Kind| {
        if end == at {
            return;
        }
        // As Yjs cuts an item: what is behind the cut was written behind what is before it.
        let head = match at == block.clock {
            true => Head { kind, origin: block.origin, right: block.right, parent: block.parent, key: block.key },
            false => {
                let origin = Some(BlockId { client, clock: at - 1 });
                Head { kind, origin, right: block.right, parent: None, key: None }
            }
        };
        head.put(out);
        let len = end - at;
        if kind == Kind::Deleted {
            cutter.skip(len);
            put_var_uint(out, len.into());
        } else {
            let begin = out.len();
            cutter.take(len).put_raw(out);
            if let Some(len) = content::len_before(kind, len, out.len() - begin) {
                put_before(out, begin, &[len]);
            }
        }
        at = end;
        count += 1;
    };
    for range in erased {
        put(range.start, block.content.kind);
        put(range.end, Kind::Deleted);
    }
    put(block.end(), block.content.kind);
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yrs::updates::decoder::Decode;
    use yrs::{Any, ClientID, Doc, GetString, Map, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

    use super::*;
    use crate::document::{Blocks, ReadingBudget, Redo, View};

    fn document(client: u64) -> Doc {
        Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(client)) })
    }

    fn apply(doc: &Doc, update: &[u8]) {
        doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }

    fn reads(doc: &Doc) -> (String, String, StateVector) {
        let (text, map) = (doc.get_or_insert_text("text"), doc.get_or_insert_map("map"));
        let txn = doc.transact();
        (
            text.get_string(&txn),
            format!("{:?}", map.get(&txn, "key").map(|value| value.to_string(&txn))),
            txn.state_vector(),
        )
    }

    /// A step of a random history: whose, what, where, how much, and whether all is exchanged before it.
    type Step = (usize, u8, u32, u32, bool);

    /// The edits of three clients that type at the same time.
    fn edits(steps: &[Step]) -> Vec<Bytes> {
        let docs = [1, 2, 3].map(document);
        let mut edits: Vec<Bytes> = Vec::new();
        for (who, what, place, len, exchanges) in steps {
            if *exchanges {
                docs.iter().for_each(|doc| edits.iter().for_each(|edit| apply(doc, edit)));
            }
            let doc = &docs[*who];
            let (text, map) = (doc.get_or_insert_text("text"), doc.get_or_insert_map("map"));
            let mut txn = doc.transact_mut();
            let held = text.len(&txn);
            let at = place % (held + 1);
            match what {
                0 | 1 => {
                    let typed: String = "a😀bü日".chars().cycle().take(*len as usize).collect();
                    text.insert(&mut txn, at, &typed);
                }
                2 if held > at => text.remove_range(&mut txn, at, (*len).min(held - at)),
                3 if held > at => {
                    let marks = [("link".into(), Any::from("words"))].into();
                    text.format(&mut txn, at, (*len).min(held - at), marks);
                }
                4 => drop(text.insert_embed(&mut txn, at, Any::from("an image"))),
                _ => drop(map.insert(&mut txn, "key", format!("value {len}"))),
            }
            let edit = txn.encode_update_v1();
            if edit != [0, 0] {
                edits.push(edit.into());
            }
        }
        edits
    }

    fn blocks_of<'u>(edits: impl IntoIterator<Item = &'u Bytes>) -> Blocks {
        let mut blocks = Blocks::new(1 << 20, false);
        blocks.load(edits);
        blocks
    }

    fn text_of(blocks: &Blocks) -> String {
        View::read(&Bytes::from(blocks.state()), ReadingBudget::default()).unwrap().json(None).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_erased_keeps_its_place_and_who_has_it_agrees_with_who_has_not(
            steps in prop::collection::vec((0usize..3, 0u8..6, 0u32..40, 1u32..7, any::<bool>()), 1..30),
            ranges in prop::collection::vec((1u64..4, 0u32..30, 1u32..12), 0..8),
            order in any::<prop::sample::Index>(),
        ) {
            let edits = edits(&steps);
            let (mut erased, mut deletion) = (ErasedUnits::default(), Redo::by(0));
            let ends = blocks_of(&edits).clocks();
            for (client, start, len) in ranges {
                let end = (start + len).min(ends.get(client));
                if start < end {
                    erased.add(IdRange { client, start, end });
                    deletion.delete(IdRange { client, start, end });
                }
            }
            let deletion = deletion.finish();
            let redacted: Vec<Bytes> = edits
                .iter()
                .map(|edit| Ok(erased.redact(edit)?.unwrap_or_else(|| edit.clone())))
                .collect::<Result<_, Refusal>>()
                .unwrap();
            for (before, after) in edits.iter().zip(&redacted) {
                let (one, other) = (scan(before).unwrap(), scan(after).unwrap());
                let spans = |scan: &crate::document::Scan<'_>| -> Vec<_> {
                    scan.sections.iter().map(|section| (section.client, section.start, section.end)).collect()
                };
                prop_assert_eq!(spans(&one), spans(&other));
                prop_assert_eq!(&before[one.deletions_at..], &after[other.deletions_at..]);
                for section in &other.sections {
                    for block in other.blocks(section).filter(|block| has_words(block.content)) {
                        let range = IdRange { client: section.client, start: block.clock, end: block.end() };
                        prop_assert_eq!(erased.within(range), vec![]);
                    }
                }
                prop_assert_eq!(erased.redact(after), Ok(None), "it is so already");
            }
            // Who has the words, and who reads what is stored now.
            let (old, new, late) = (document(7), document(8), document(9));
            edits.iter().chain(&deletion).for_each(|edit| apply(&old, edit));
            redacted.iter().chain(&deletion).for_each(|edit| apply(&new, edit));
            prop_assert_eq!(reads(&old), reads(&new));
            for (from, to) in [(&old, &new), (&new, &old), (&new, &late)] {
                let known = to.transact().state_vector();
                apply(to, &from.transact().encode_diff_v1(&known));
            }
            prop_assert_eq!(reads(&old), reads(&new));
            prop_assert_eq!(reads(&late), reads(&new));
            // As the server keeps it; and of a snapshot the same goes.
            let (kept, whole) = (blocks_of(redacted.iter().chain(&deletion)), blocks_of(edits.iter().chain(&deletion)));
            prop_assert_eq!(kept.state_vector(), whole.state_vector());
            prop_assert_eq!(text_of(&kept), text_of(&whole));
            // Whatever comes first.
            let (first, rest) = redacted.split_at(order.index(redacted.len() + 1));
            prop_assert_eq!(text_of(&blocks_of(rest.iter().chain(first).chain(&deletion))), text_of(&whole));
            let state = Bytes::from(blocks_of(&edits).state());
            let state = erased.redact(&state).unwrap().unwrap_or(state);
            prop_assert_eq!(text_of(&blocks_of([&state].into_iter().chain(&deletion))), text_of(&whole));
        }

        #[test]
        fn ids_are_read_as_they_were_written(
            ranges in prop::collection::vec((0u64..1 << 53, 0u32..1_000_000, 0u32..1_000), 0..50),
        ) {
            let mut erased = ErasedUnits::default();
            ranges.into_iter().for_each(|(client, start, len)| erased.add(IdRange { client, start, end: start + len }));
            let mut out = Vec::new();
            erased.encode(&mut out);
            prop_assert_eq!(ErasedUnits::decode(&mut Input::raw(&out)), Ok(erased));
            for len in 0..out.len() {
                prop_assert!(ErasedUnits::decode(&mut Input::raw(&out[..len])).is_err());
            }
        }
    }
}
