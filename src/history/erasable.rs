//! What of a document is to be erased: which units, of a user or between two places, and the edit that deletes what of them still lives.

use bytes::Bytes;

use super::authors::Authors;
use super::erasure::Erasure;
use super::error::HistoryError;
use super::moments::Moved;
use super::moves::Move;
use super::past::History;
use super::pieces::Pieces;
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
    /// have moved it.
    ///
    /// # Errors
    /// It takes more than may be spent.
    pub fn words_of(&self, user: &UserId, upto: Seq, authors: &Authors) -> Result<Erasable, HistoryError> {
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
        self.erasable(units, is_partial, &view, (upto, authors), &mut meter)
    }

    /// All that lies, or ever lay, between two places of a root type: with what was deleted there, and with the same text where an edit
    /// moved it there or from there.
    ///
    /// # Errors
    /// There is no such root or place, the choice is not clear, or it takes more than may be spent.
    pub fn words_between(&self, span: &Span, upto: Seq, authors: &Authors) -> Result<Erasable, HistoryError> {
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
        self.erasable(units, credits.is_partial, &view, (upto, authors), &mut meter)
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
        let erasure = Erasure { units, kept, ..Erasure::default() };
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
        let back = moves.iter().rev().map(|moved| (moved.to, moved.from));
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
    use yrs::updates::decoder::Decode;
    use yrs::{
        ClientID, Doc, GetString, Options, ReadTxn, StateVector, Text, Transact, TransactionMut, Update, Xml,
        XmlElementPrelim, XmlFragment, XmlOut, XmlTextPrelim, XmlTextRef,
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
        let all = history.words_of(&UserId::new("bob"), head, &authors()).unwrap();
        assert_eq!(counted(&all), (17, 11, 2));
        let deletion = all.deletion.unwrap();
        ada.transact_mut().apply_update(Update::decode_v1(&deletion).unwrap()).unwrap();
        assert_eq!(adas.get_string(&ada.transact()), r#"<p></p><p title="of ada"></p>"#);
        // From within the first paragraph on: that keeps its title.
        let between = |units, at| {
            let span = Span { root: Some("x".to_owned()), units, at };
            history.words_between(&span, head, &authors())
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

    #[test]
    fn what_is_erased_comes_back_by_no_restore_and_all_else_does() {
        let mut history = History::default();
        enter(&mut history, "ada", None, whole(typed(1, 0, None, "one ")));
        enter(&mut history, "bob", None, whole(typed(2, 0, Some((1, 3)), "secret")));
        let deleted = restore(&mut history, Seq(0), None);
        assert_eq!(deleted.deleted, 10);
        let head = history.upto();
        let all = history.words_of(&UserId::new("bob"), head, &authors()).unwrap();
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
        assert_eq!(counted(&anew.words_of(&UserId::new("bob"), head, &authors()).unwrap()), (0, 0, 0));
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
        let mut all = history.words_of(&UserId::new("bob"), head, &authors()).unwrap();
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
        let all = anew.words_of(&UserId::new("ada"), head, &authors()).unwrap();
        assert_eq!(counted(&all), (22, 11, 2));
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
        let all = history.words_of(&UserId::new("bob"), head, &authors()).unwrap();
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
