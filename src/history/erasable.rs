//! What of a document is to be erased: which units, of a user or between two places, and the edit that deletes what of them still lives.

use bytes::Bytes;

use super::authors::Authors;
use super::erasure::Erasure;
use super::error::HistoryError;
use super::moments::Moved;
use super::moves::Move;
use super::past::History;
use super::pieces::Pieces;
use super::quotes::Quote;
use super::units::{Units, range_of};
use crate::document::{
    BlockId, Content, ERASED_RANGES_MAX, ErasedUnits, IdRange, Items, Kind, Meter, Redo, TooCostly, TypeKind, View,
    ViewItem, has_words,
};
use crate::ids::{Seq, UserId};

/// How often text that moved is followed to and fro.
const FOLLOWED_MAX: usize = 16;

/// A part of a root type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Which; the only one if it is not named.
    pub root: Option<String>,
    /// The first unit and the one behind the last, as [`History::blame`] counts them; all that it ever held if none are given.
    pub units: Option<(u64, u64)>,
    /// The entry after which that was so.
    pub at: Seq,
}

/// What is to be erased of a document.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Erasable {
    /// What goes.
    pub erasure: Erasure,
    /// How much that is.
    pub counts: ErasableCounts,
    /// The edit that deletes what of it lives; `None` if nothing does.
    pub deletion: Option<Bytes>,
}

/// How much is to be erased.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ErasableCounts {
    /// Units with content.
    pub units: u64,
    /// UTF-16 units of text among them.
    pub characters: u64,
    /// Units among them that are not deleted.
    pub alive: u64,
    /// Edits that inserted some of it.
    pub edits: u64,
    /// Whether some text that an edit deleted and inserted again only in part was not found again, as that would have taken too long: it
    /// counts for who inserted it.
    pub is_partial: bool,
}

impl History {
    /// All that a user has inserted up to a seq, in all roots, deleted or not: what is the user's as blame tells it, also where others
    /// have moved it; and which of the quotes say some of it.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn words_of(
        &self,
        user: &UserId,
        quotes: &[Quote],
        upto: Seq,
        authors: &Authors,
    ) -> Result<Erasable, HistoryError> {
        let state = Bytes::from(self.state_with_deleted(upto)?);
        let view = View::read(&state, self.budget)?;
        let mut meter = Meter::new(self.budget);
        let (mut units, mut seen, mut is_partial) = (ErasedUnits::default(), Units::default(), false);
        for root in view.roots() {
            let pieces = Pieces::of(&view, root, &mut meter)?;
            let credits = self.credits(upto, &pieces, authors, &mut meter)?;
            is_partial |= credits.is_partial;
            walk(view.items(root), true, &mut meter, |item, counts| {
                seen.add(range_of(item));
                if counts {
                    let own = credits.told(range_of(item)).into_iter().filter(|(_, credit, ..)| credit.by == *user);
                    own.for_each(|(part, ..)| units.add(part));
                }
                true
            })?;
        }
        // What lies in something that nobody knows any more is in no root.
        seen.settle();
        self.read_metered(upto, &mut meter, |edit, meter| {
            for range in edit.inserted.iter().filter(|range| authors.of_inserted(range, &edit).0 == user) {
                let parts = seen.split(*range);
                meter.steps(parts.len())?;
                parts.into_iter().filter(|(_, is_seen)| !is_seen).for_each(|(part, _)| units.add(part));
            }
            Ok(())
        })?;
        self.erasable(units, is_partial, &view, quotes, (upto, authors), &mut meter)
    }

    /// All that lies, or ever lay, between two places of a root type: with what was deleted there, and with the same text where an edit
    /// moved it there or from there; and which of the quotes say some of it.
    ///
    /// # Errors
    /// There is no such root or place, the choice is not clear, or it takes more than may be spent.
    pub fn words_between(
        &self,
        span: &Span,
        quotes: &[Quote],
        upto: Seq,
        authors: &Authors,
    ) -> Result<Erasable, HistoryError> {
        let state = Bytes::from(self.state_with_deleted(upto)?);
        let view = View::read(&state, self.budget)?;
        let Some(root) = view.root_named(span.root.as_deref())? else { return Ok(Erasable::default()) };
        let mut meter = Meter::new(self.budget);
        let (left, right) = match span.units {
            None => (None, None),
            Some(units) => self.places(root, units, span.at, &mut meter)?,
        };
        let (mut units, mut is_in, mut is_over) = (ErasedUnits::default(), left.is_none(), false);
        walk(view.items(root), span.units.is_none(), &mut meter, |item, counts| {
            let mut range = range_of(item);
            if item.key.is_none() {
                match left.filter(|left| !is_in && holds(range, *left)) {
                    Some(left) => (is_in, range.start) = (true, left.clock + 1),
                    None if !is_in => return false,
                    None => {}
                }
                match right.filter(|right| !is_over && holds(range, *right)) {
                    Some(right) => (is_over, range.end) = (true, right.clock),
                    None if is_over => return false,
                    None => {}
                }
            }
            // Of a type that goes on behind the range the attributes stay.
            if counts && is_in && (item.key.is_none() || !is_over) {
                units.add(range);
            }
            !range.is_empty()
        })?;
        let pieces = Pieces::of(&view, root, &mut meter)?;
        let credits = self.credits(upto, &pieces, authors, &mut meter)?;
        follow(&mut units, &credits.moves, &mut meter)?;
        self.erasable(units, credits.is_partial, &view, quotes, (upto, authors), &mut meter)
    }

    /// The last unit before a place of a root type as it was after an entry, and the first one behind another place; none at its ends.
    fn places(
        &self,
        root: &str,
        (from, to): (u64, u64),
        at: Seq,
        meter: &mut Meter,
    ) -> Result<(Option<BlockId>, Option<BlockId>), HistoryError> {
        let state = Bytes::from(self.state_with_deleted(at)?);
        let view = View::read(&state, self.budget)?;
        let (mut left, mut right, mut begin) = (None, None, 0);
        // It may have come later.
        if let Some(root) = view.roots().find(|known| *known == root) {
            let kind = view.root_kind(root)?;
            let pieces = Pieces::of(&view, root, meter)?;
            for piece in pieces.all().iter().filter(|piece| piece.counts_in(kind)) {
                let (id, end) = (piece.item.id, begin + u64::from(piece.item.len));
                let unit = |at: u64| BlockId { clock: id.clock + (at - begin) as u32, ..id };
                if (begin + 1..=end).contains(&from) {
                    left = Some(unit(from - 1));
                }
                if (begin..end).contains(&to) {
                    right = Some(unit(to));
                }
                begin = end;
            }
        }
        if to > begin { Err(HistoryError::NoSuchPlace(begin)) } else { Ok((left, right)) }
    }

    fn erasable(
        &self,
        units: ErasedUnits,
        is_partial: bool,
        view: &View,
        quotes: &[Quote],
        (upto, authors): (Seq, &Authors),
        meter: &mut Meter,
    ) -> Result<Erasable, HistoryError> {
        if units.range_count() > ERASED_RANGES_MAX {
            return Err(TooCostly.into());
        }
        let mut counts = ErasableCounts { is_partial, ..ErasableCounts::default() };
        // It deletes only, so that it is nobody's in particular.
        let mut deletion = Redo::by(0);
        for root in view.roots() {
            walk(view.items(root), true, meter, |item, _| {
                let parts = if has_words(item.content) { units.within(range_of(item)) } else { Vec::new() };
                for part in parts {
                    let len = u64::from(part.len());
                    counts.units += len;
                    counts.characters += if item.content.kind == Kind::Text { len } else { 0 };
                    if !item.is_deleted {
                        counts.alive += len;
                        deletion.delete(part);
                    }
                }
                true
            })?;
        }
        self.read_metered(upto, meter, |edit, meter| {
            let mut parts = edit.inserted.iter().map(|range| units.within(*range).len());
            meter.steps(edit.inserted.len())?;
            counts.edits += u64::from(parts.any(|parts| parts > 0));
            Ok(())
        })?;
        let kept = self.kept_credits(&units, view, (upto, authors), meter)?;
        let quotes = self.cut_quotes(quotes, &units, view, upto, meter)?;
        let erasure = Erasure { units, kept, quotes, ..Erasure::default() };
        Ok(Erasable { erasure, counts, deletion: deletion.finish() })
    }

    /// Whose is what stays and is found by comparing it with text that goes: it could not be told any more. As it is stored; empty if there
    /// is none.
    fn kept_credits(
        &self,
        units: &ErasedUnits,
        view: &View,
        (upto, authors): (Seq, &Authors),
        meter: &mut Meter,
    ) -> Result<Bytes, HistoryError> {
        let mut kept = Vec::new();
        for root in view.roots() {
            let pieces = Pieces::of(view, root, meter)?;
            let mut found = Vec::new();
            let credits = self.credits_by_eras(upto, &pieces, authors, meter, &[], |edit, to, from| {
                let mut touched = edit.deleted.iter().chain(edit.inserted).map(|range| units.within(*range).len());
                if from.is_some() && (edit.restored.is_some() || touched.any(|parts| parts > 0)) {
                    found.push(to);
                }
            })?;
            for part in found.into_iter().flat_map(|to| credits.parts(to)) {
                kept.extend(units.missing(part.to).into_iter().map(|own| part.clone().clipped(own)));
            }
        }
        if kept.is_empty() {
            return Ok(Bytes::new());
        }
        kept.sort_unstable_by_key(|moved| moved.to);
        let mut out = Vec::new();
        Moved::put_all(&kept, &mut out);
        Ok(out.into())
    }
}

fn holds(range: IdRange, unit: BlockId) -> bool {
    range.client == unit.client && (range.start..range.end).contains(&unit.clock)
}

/// Goes through items and all that lies in them, in the order of the document. `each` is told whether an item's content counts as
/// somebody's words, and tells whether the item is among those that are wanted: of a type that is not, the attributes do not count either.
fn walk<'v>(
    items: Option<Items<'v>>,
    is_wanted: bool,
    meter: &mut Meter,
    mut each: impl FnMut(&ViewItem<'v>, bool) -> bool,
) -> Result<(), TooCostly> {
    let mut open: Vec<(Items<'v>, bool, bool)> = items.map(|items| (items, is_wanted, false)).into_iter().collect();
    while let Some((items, is_wanted, is_element)) = open.last_mut() {
        let Some(item) = items.next() else {
            open.pop();
            continue;
        };
        meter.step()?;
        let is_layout = *is_element && is_plain(item.content);
        let counts = has_words(item.content) && (item.key.is_none() || (*is_wanted && !is_layout));
        let is_wanted = each(&item, counts);
        if let Some(children) = item.children() {
            open.push((children, is_wanted, item.type_kind() == Some(TypeKind::XmlElement)));
        }
    }
    Ok(())
}

/// Whether a value is a number, a truth or nothing: of an element that is how it looks.
fn is_plain(content: Content<'_>) -> bool {
    content.kind == Kind::Any && !matches!(content.raw.first(), Some(116..=119))
}

/// Adds what stands for units among these, and what these stand for.
fn follow(units: &mut ErasedUnits, moves: &[Move], meter: &mut Meter) -> Result<(), TooCostly> {
    for _ in 0..FOLLOWED_MAX {
        meter.steps(2 * moves.len())?;
        let mut is_same = true;
        // What was copied is itself where it was before.
        let back = moves.iter().rev().filter(|moved| !moved.is_copy).map(|moved| (moved.to, moved.from));
        for (here, there) in back.chain(moves.iter().map(|moved| (moved.from, moved.to))) {
            for part in units.within(here) {
                let start = there.start + (part.start - here.start);
                let missing = units.missing(IdRange { start, end: start + part.len(), ..there });
                is_same &= missing.is_empty();
                missing.into_iter().for_each(|part| units.add(part));
            }
        }
        if is_same {
            return Ok(());
        }
    }
    Err(TooCostly)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use yrs::types::text::YChange;
    use yrs::types::{Attrs, ToJson};
    use yrs::updates::decoder::Decode;
    use yrs::{
        Any, Array, ClientID, Doc, GetString, Map, MapPrelim, OffsetKind, Options, ReadTxn, StateVector, Text,
        TextPrelim, Transact, TransactionMut, Update, Xml, XmlElementPrelim, XmlFragment, XmlOut, XmlTextPrelim,
        XmlTextRef,
    };

    use super::*;
    use crate::history::base::Base;
    use crate::history::tests::{authors, enter, restore, text, typed, whole};
    use crate::protocol::lib0::put_var_uint;
    use crate::store::Rewrite;

    fn edit(doc: &Doc, work: impl FnOnce(&mut TransactionMut<'_>)) -> Vec<u8> {
        let mut txn = doc.transact_mut();
        work(&mut txn);
        txn.encode_update_v1()
    }

    /// A paragraph of a text.
    fn paragraph(txn: &mut TransactionMut<'_>, doc: &yrs::XmlFragmentRef, at: u32, content: &str, title: &str) {
        let paragraph = doc.insert(txn, at, XmlElementPrelim::empty("p"));
        paragraph.insert_attribute(txn, "title", title);
        paragraph.insert(txn, 0, XmlTextPrelim::new(content));
    }

    fn text_of(txn: &TransactionMut<'_>, doc: &yrs::XmlFragmentRef, at: u32) -> XmlTextRef {
        let Some(XmlOut::Element(paragraph)) = doc.get(txn, at) else { panic!("a paragraph") };
        let Some(XmlOut::Text(text)) = paragraph.get(txn, 0) else { panic!("a text") };
        text
    }

    fn counted(erasable: &Erasable) -> (u64, u64, u64) {
        (erasable.counts.units, erasable.counts.alive, erasable.counts.edits)
    }

    #[test]
    fn text_that_enter_has_moved_goes_with_what_it_stands_for() {
        let [ada, bob] = [1, 2].map(|client| Doc::with_options(Options::with_client_id(ClientID::new(client))));
        let [adas, bobs] = [&ada, &bob].map(|doc| doc.get_or_insert_xml_fragment("x"));
        let mut history = History::default();
        let first = edit(&bob, |txn| paragraph(txn, &bobs, 0, "one secret", "of bob"));
        ada.transact_mut().apply_update(Update::decode_v1(&first).unwrap()).unwrap();
        enter(&mut history, "bob", None, first);
        let second = edit(&ada, |txn| {
            text_of(txn, &adas, 0).remove_range(txn, 4, 6);
            paragraph(txn, &adas, 1, "secret", "of ada");
        });
        let head = enter(&mut history, "ada", None, second);
        // Ten letters of his, six of them a second time, and what he called his paragraph.
        let all = history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
        assert_eq!(counted(&all), (17, 11, 2));
        let deletion = all.deletion.unwrap();
        ada.transact_mut().apply_update(Update::decode_v1(&deletion).unwrap()).unwrap();
        assert_eq!(adas.get_string(&ada.transact()), r#"<p></p><p title="of ada"></p>"#);
        // From within the first paragraph on: that keeps its title.
        let between = |units, at| {
            let span = Span { root: Some("x".to_owned()), units, at };
            history.words_between(&span, &[], head, &authors())
        };
        assert_eq!(counted(&between(Some((4, 10)), head).unwrap()), (13, 7, 2));
        // A range that ends within the second one leaves its title.
        assert_eq!(counted(&between(Some((4, 6)), head).unwrap()), (12, 6, 2));
        // As it was before: his letters, and the same where they are now.
        assert_eq!(counted(&between(Some((6, 8)), Seq(1)).unwrap()), (4, 2, 2));
        assert_eq!(counted(&between(None, head).unwrap()), (18, 12, 2));
        assert!(matches!(between(Some((0, 11)), head), Err(HistoryError::NoSuchPlace(10))));
        assert!(matches!(between(Some((0, 1)), Seq(0)), Err(HistoryError::NoSuchPlace(0))));
    }

    /// People who edit one document, each with a Yjs client; and what they have sent.
    struct Edited {
        people: [(&'static str, Doc); 2],
        history: History,
        edits: Vec<Bytes>,
    }

    impl Edited {
        fn new() -> Self {
            let doc = |client| {
                Doc::with_options(Options {
                    offset_kind: OffsetKind::Utf16,
                    ..Options::with_client_id(ClientID::new(client))
                })
            };
            Self { people: [("ada", doc(1)), ("bob", doc(2))], history: History::default(), edits: Vec::new() }
        }

        /// One edit of somebody's, which both get.
        fn by(&mut self, user: &str, work: impl FnOnce(&Doc) -> Vec<u8>) {
            let (_, doc) = self.people.iter().find(|(name, _)| *name == user).unwrap();
            let update = Bytes::from(work(doc));
            for (_, doc) in self.people.iter().filter(|(name, _)| *name != user) {
                doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
            }
            enter(&mut self.history, user, None, update.clone());
            self.edits.push(update);
        }

        /// What is stored once something is erased, edit by edit, and the document that is made of it.
        fn without(&self, all: &Erasable) -> (Vec<Bytes>, Doc) {
            let redacted = |edit: &Bytes| all.erasure.units.redact(edit).unwrap().unwrap_or_else(|| edit.clone());
            let edits: Vec<Bytes> = self.edits.iter().map(redacted).collect();
            let doc = Doc::new();
            for edit in edits.iter().chain(&all.deletion) {
                doc.transact_mut().apply_update(Update::decode_v1(edit).unwrap()).unwrap();
            }
            (edits, doc)
        }
    }

    fn says(bytes: &[u8], word: &str) -> bool {
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    }

    #[test]
    fn values_that_others_have_moved_go_with_what_they_stand_for() {
        let mut edited = Edited::new();
        let image =
            || Any::from([("image".to_owned(), Any::from("secret.png"))].into_iter().collect::<HashMap<_, _>>());
        edited.by("bob", |doc| {
            let (list, map, text) =
                (doc.get_or_insert_array("list"), doc.get_or_insert_map("map"), doc.get_or_insert_text("text"));
            let mut txn = doc.transact_mut();
            for value in ["one secret", "another secret"] {
                list.push_back(&mut txn, value);
            }
            list.push_back(&mut txn, true);
            map.insert(&mut txn, "key", "a secret value");
            let card = map.insert(&mut txn, "card", MapPrelim::from([("title", "a secret title")]));
            card.insert(&mut txn, "body", TextPrelim::new("a secret text"));
            text.insert_embed(&mut txn, 0, image());
            txn.encode_update_v1()
        });
        edited.by("ada", |doc| {
            let (list, map, text) =
                (doc.get_or_insert_array("list"), doc.get_or_insert_map("map"), doc.get_or_insert_text("text"));
            let mut txn = doc.transact_mut();
            list.remove_range(&mut txn, 0, 3);
            for value in ["adas own", "another secret", "one secret"] {
                list.push_back(&mut txn, value);
            }
            list.push_back(&mut txn, true);
            map.remove(&mut txn, "key");
            map.insert(&mut txn, "other", "a secret value");
            map.remove(&mut txn, "card");
            let card = map.insert(&mut txn, "moved", MapPrelim::from([("title", "a secret title"), ("by", "ada")]));
            card.insert(&mut txn, "body", TextPrelim::new("a secret text of ada"));
            text.remove_range(&mut txn, 0, 1);
            text.insert(&mut txn, 0, "adas ");
            text.insert_embed(&mut txn, 5, image());
            txn.encode_update_v1()
        });
        let head = edited.history.upto();
        let all = edited.history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
        let (edits, doc) = edited.without(&all);
        assert!(edits.iter().all(|edit| !says(edit, "secret")), "{edits:?}");
        let roots = (doc.get_or_insert_array("list"), doc.get_or_insert_map("map"), doc.get_or_insert_text("text"));
        let txn = doc.transact();
        let left = (roots.0.to_json(&txn), roots.1.to_json(&txn).to_string(), roots.2.get_string(&txn));
        assert_eq!(left.0, Any::from(vec![Any::from("adas own"), Any::from(true)]));
        assert!(left.1.contains("by: ada") && left.1.contains(" of ada"), "{}", left.1);
        assert_eq!(left.2, "adas ");
        // Of what is moved to and fro, it is all the same: what lay there goes wherever it is.
        let span = Span { root: Some("list".to_owned()), units: Some((1, 2)), at: head };
        let all = edited.history.words_between(&span, &[], head, &authors()).unwrap();
        assert_eq!(counted(&all), (2, 1, 2));
        let (edits, _) = edited.without(&all);
        assert!(edits.iter().all(|edit| says(edit, "one secret") && !says(edit, "another secret")), "{edits:?}");
    }

    #[test]
    fn of_anothers_mark_nothing_is_left_where_text_was_moved_with_it_and_the_text_stays() {
        let mut edited = Edited::new();
        let link = || Attrs::from([("link".into(), Any::from("https://secret.example"))]);
        edited.by("ada", |doc| {
            let root = doc.get_or_insert_xml_fragment("x");
            let mut txn = doc.transact_mut();
            paragraph(&mut txn, &root, 0, "one two three", "of ada");
            txn.encode_update_v1()
        });
        edited.by("bob", |doc| {
            let root = doc.get_or_insert_xml_fragment("x");
            let mut txn = doc.transact_mut();
            text_of(&txn, &root, 0).format(&mut txn, 4, 9, link());
            txn.encode_update_v1()
        });
        // Enter within the link, of which the first half stays.
        edited.by("ada", |doc| {
            let root = doc.get_or_insert_xml_fragment("x");
            let mut txn = doc.transact_mut();
            text_of(&txn, &root, 0).remove_range(&mut txn, 6, 7);
            paragraph(&mut txn, &root, 1, "", "of ada");
            text_of(&txn, &root, 1).insert_with_attributes(&mut txn, 0, "o three", link());
            txn.encode_update_v1()
        });
        let head = edited.history.upto();
        let reads = |doc: &Doc| doc.get_or_insert_xml_fragment("x").get_string(&doc.transact());
        let all = edited.history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
        assert_eq!(counted(&all), (2, 2, 2));
        let (edits, doc) = edited.without(&all);
        assert!(edits.iter().all(|edit| !says(edit, "secret")), "{edits:?}");
        assert_eq!(reads(&doc), r#"<p title="of ada">one tw</p><p title="of ada">o three</p>"#);
        // What lies in the second paragraph goes with its link; the first one keeps its own.
        let span = Span { root: Some("x".to_owned()), units: Some((6, 13)), at: head };
        let all = edited.history.words_between(&span, &[], head, &authors()).unwrap();
        let (edits, doc) = edited.without(&all);
        assert_eq!([1, 2].map(|edit: usize| says(&edits[edit], "secret")), [true, false]);
        assert!(reads(&doc).starts_with(r#"<p title="of ada">one <link"#), "{}", reads(&doc));
        assert!(reads(&doc).ends_with("tw</link></p><p></p>"), "{}", reads(&doc));
    }

    #[test]
    fn what_is_erased_comes_back_by_no_restore_and_all_else_does() {
        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "one ")));
        enter(&mut history, "bob", None, whole(typed(2, 0, Some((1, 3)), "secret")));
        let deleted = restore(&mut history, Seq(0), None);
        assert_eq!(deleted.deleted, 10);
        let head = history.upto();
        let all = history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
        let updates = [whole(typed(1, 0, None, "one ")), whole(typed(2, 0, Some((1, 3)), "secret"))].map(Bytes::from);
        let mut anew = History::default();
        for (author, update) in ["ada", "bob"].into_iter().zip(updates) {
            let redacted = all.erasure.units.redact(&update).unwrap();
            assert_eq!(redacted.is_some(), author == "bob");
            enter(&mut anew, author, None, redacted.unwrap_or(update));
        }
        assert_eq!((text(&anew, Seq(2)), restore(&mut anew, Seq(0), None).deleted), ("one ".to_owned(), 4));
        assert_eq!(restore(&mut anew, Seq(2), None).inserted, 4);
        let head = anew.upto();
        assert_eq!(text(&anew, head), "one ");
        assert_eq!(counted(&anew.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap()), (0, 0, 0));
    }

    #[test]
    fn what_others_wrote_is_theirs_still_where_it_was_found_by_what_is_erased() {
        let first = whole(typed(1, 0, None, "adas words "));
        let second = whole(typed(2, 0, Some((1, 10)), "bobs much longer words "));
        // Carol writes both anew, with something of her own.
        let mut third = typed(3, 0, Some((2, 22)), "adas words bobs much longer words carol wrote this");
        [2, 1, 1, 0, 11, 2, 1, 0, 23].into_iter().for_each(|number| put_var_uint(&mut third, number));
        let edits = [("ada", first), ("bob", second), ("carol", third)].map(|(user, edit)| (user, Bytes::from(edit)));
        let mut history = History::default();
        for (user, edit) in &edits {
            enter(&mut history, user, None, edit.clone());
        }
        let head = history.upto();
        let by = |history: &History| -> Vec<(u64, String)> {
            let runs = history.blame(None, head, &authors()).unwrap().runs;
            runs.into_iter().map(|run| (run.to, run.credit.by.to_string())).collect()
        };
        let was = [(11, "ada"), (34, "bob"), (50, "carol")].map(|(to, user)| (to, user.to_owned()));
        assert_eq!(by(&history), was);
        let mut all = history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
        assert_eq!(counted(&all), (46, 23, 2));
        all.erasure = Erasure::decode(&all.erasure.encode()).unwrap();
        // As it is read once he is erased.
        let base = all.erasure.base(&[]).unwrap().unwrap();
        assert_eq!(all.erasure.base(&base), Ok(None), "it is so already");
        let mut anew = History::default();
        anew.take_base(Base::decode(&base).unwrap()).unwrap();
        for (user, edit) in edits {
            let edit = all.erasure.units.redact(&edit).unwrap().unwrap_or(edit);
            enter(&mut anew, user, None, edit);
        }
        assert_eq!(by(&anew), [(11, "ada".to_owned()), (27, "carol".to_owned())]);
        // So she can be erased, too.
        let all = anew.words_of(&UserId::new("ada"), &[], head, &authors()).unwrap();
        assert_eq!(counted(&all), (22, 11, 2));
    }

    /// What somebody does at random: what, where, how much. Only ada moves anything, whosever it is; bob's words are of one character.
    fn does(doc: &Doc, user: &str, (what, place, len): (u8, u32, u32)) -> Vec<u8> {
        let own = (if user == "bob" { "✗" } else { "a" }).repeat(len as usize);
        let [text, plain] = ["text", "plain"].map(|root| doc.get_or_insert_text(root));
        let (list, map) = (doc.get_or_insert_array("list"), doc.get_or_insert_map("map"));
        let mut txn = doc.transact_mut();
        let at = place % (text.len(&txn) + 1);
        let is_mover = user == "ada";
        match what {
            0 => text.insert(&mut txn, at, &own),
            1 => drop(text.insert_embed(&mut txn, at, Any::from(own))),
            2 if text.len(&txn) > at => {
                let len = len.min(text.len(&txn) - at);
                text.format(&mut txn, at, len, Attrs::from([("link".into(), Any::from(own))]));
            }
            3 => drop(map.insert(&mut txn, format!("key{}", place % 3), own)),
            4 => {
                let card =
                    map.insert(&mut txn, format!("card{}", place % 3), MapPrelim::from([("title", own.clone())]));
                card.insert(&mut txn, "body", TextPrelim::new(own));
            }
            5 if is_mover && list.len(&txn) > 0 => {
                let at = place % list.len(&txn);
                let value = list.get(&txn, at).unwrap().to_string(&txn);
                list.remove(&mut txn, at);
                let to = len % (list.len(&txn) + 1);
                list.insert(&mut txn, to, value);
            }
            6 if is_mover && plain.len(&txn) > 0 => {
                let letters: Vec<char> = plain.get_string(&txn).chars().collect();
                let at = place as usize % letters.len();
                let moved: String = letters[at..].iter().take(len as usize).collect();
                plain.remove_range(&mut txn, at as u32, moved.chars().count() as u32);
                let to = (place + len) % (plain.len(&txn) + 1);
                plain.insert(&mut txn, to, &moved);
            }
            7 | 8 => {
                let to = place % (plain.len(&txn) + 1);
                plain.insert(&mut txn, to, &own);
            }
            _ => {
                let to = place % (list.len(&txn) + 1);
                list.insert(&mut txn, to, own);
            }
        }
        txn.encode_update_v1()
    }

    /// All that a document holds, but for what its shared types are.
    fn holds_now(doc: &Doc) -> (String, Vec<String>, String) {
        let [text, plain] = ["text", "plain"].map(|root| doc.get_or_insert_text(root));
        let (list, map) = (doc.get_or_insert_array("list"), doc.get_or_insert_map("map"));
        let txn = doc.transact();
        let values = list.iter(&txn).map(|value| value.to_string(&txn)).collect();
        let (text, map) = (text.diff(&txn, YChange::identity), map.to_json(&txn));
        (plain.get_string(&txn), values, format!("{text:?} {:?}", sorted(map)))
    }

    fn sorted(value: Any) -> std::collections::BTreeMap<String, String> {
        let Any::Map(fields) = value else { return [(String::new(), format!("{value:?}"))].into() };
        fields.iter().map(|(key, value)| (key.clone(), format!("{:?}", sorted(value.clone())))).collect()
    }

    proptest! {
        #[test]
        fn of_random_edits_nothing_of_a_user_is_left_and_all_of_the_others(
            steps in prop::collection::vec((any::<bool>(), (0u8..11, 0u32..50, 1u32..6)), 1..40),
        ) {
            let mut edited = Edited::new();
            for (is_ada, step) in steps {
                let user = if is_ada { "ada" } else { "bob" };
                edited.by(user, |doc| does(doc, user, step));
            }
            let (old, head) = (&edited.people[0].1, edited.history.upto());
            let before = holds_now(old);
            let all = edited.history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
            let (edits, new) = edited.without(&all);
            prop_assert!(edits.iter().all(|edit| !says(edit, "✗")), "{:?}", edits);
            let after = holds_now(&new);
            prop_assert_eq!(&after.0, &before.0.replace('✗', ""));
            let others = |value: &&String| !value.contains('✗');
            prop_assert_eq!(&after.1, &before.1.iter().filter(others).cloned().collect::<Vec<_>>());
            prop_assert!(!after.2.contains('✗'), "{}", after.2);
            // Who has all of it, and gets the deletion, holds the same.
            if let Some(deletion) = &all.deletion {
                old.transact_mut().apply_update(Update::decode_v1(deletion).unwrap()).unwrap();
            }
            prop_assert_eq!(holds_now(old), after);
        }
    }

    #[test]
    fn many_small_parts_cost_what_they_are_long() {
        const LETTERS: u32 = 20_000;
        let mut history = History::default();
        let mut behind = None;
        for at in 0..LETTERS {
            let (client, author) = if at % 2 == 0 { (1, "ada") } else { (2, "bob") };
            enter(&mut history, author, None, whole(typed(client, at / 2, behind, "x")));
            behind = Some((client, at / 2));
        }
        let head = history.upto();
        let all = history.words_of(&UserId::new("bob"), &[], head, &authors()).unwrap();
        assert_eq!(counted(&all), (10_000, 10_000, 10_000));
        let state = Bytes::from(history.state_with_deleted(head).unwrap());
        let redacted = all.erasure.units.redact(&state).unwrap().unwrap();
        let doc = Doc::new();
        doc.transact_mut().apply_update(Update::decode_v1(&redacted).unwrap()).unwrap();
        let root = doc.get_or_insert_text("t");
        assert_eq!(root.get_string(&doc.transact()), "x".repeat(10_000));
        assert_ne!(doc.transact().state_vector(), StateVector::default());
    }
}
