//! What others have stored of what waits here to be stored. The same edit can come in on two servers at once: its client has moved from
//! one to the other. What of it is known then is not stored again.

use std::collections::HashMap;

use bytes::Bytes;

use super::apply::{deletions, put_part};
use super::content::Kind;
use super::ranges::Ranges;
use super::scan::{Block, Scan, Section, scan};

/// What stored updates type and delete.
#[derive(Debug, Default)]
pub struct Known {
    /// By Yjs client. There may be gaps: the store may have refused for good what came before.
    typed: HashMap<u64, Ranges>,
    deleted: HashMap<u64, Ranges>,
}

impl Known {
    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.typed.is_empty() && self.deleted.is_empty()
    }

    /// Adds a stored update that has joined the document. One that cannot be read has not.
    pub fn add(&mut self, update: &Bytes) {
        let Ok(scan) = scan(update) else { return };
        for section in &scan.sections {
            let typed = self.typed.entry(section.client).or_default();
            blocks(&scan, section).for_each(|block| typed.insert(block.clock, block.end()));
        }
        for (client, ranges) in deletions(&scan) {
            let deleted = self.deleted.entry(client).or_default();
            ranges.into_iter().for_each(|(start, end)| deleted.insert(start, end));
        }
    }

    /// What of an update is not known: all of it as it is, a part, or nothing.
    pub fn rest_of(&self, update: &Bytes) -> Option<Bytes> {
        // What waits was read when it came.
        let Ok(scan) = scan(update) else { return Some(update.clone()) };
        let nothing = Ranges::default();
        let mut is_touched = false;
        let mut typed = Vec::new();
        for section in &scan.sections {
            let known = self.typed.get(&section.client).unwrap_or(&nothing);
            // All from there on, also if some of that is known: what an update types hangs together.
            let first = blocks(&scan, section).find_map(|block| known.missing(block.clock, block.end()).next());
            is_touched |= first.is_none_or(|(first, _)| first > section.start);
            if let Some((first, _)) = first {
                typed.push((section, first, scan.blocks(section).filter(|block| block.end() > first).count()));
            }
        }
        let mut deleted = Vec::new();
        for (client, ranges) in deletions(&scan) {
            let known = self.deleted.get(&client).unwrap_or(&nothing);
            for (start, end) in ranges {
                let before = deleted.len();
                deleted.extend(known.missing(start, end).map(|(start, end)| (client, start, end)));
                is_touched |= deleted[before..] != [(client, start, end)];
            }
        }
        if !is_touched {
            return Some(update.clone());
        }
        (!typed.is_empty() || !deleted.is_empty()).then(|| put_part(&scan, &typed, &deleted).into())
    }
}

/// The blocks of a section that type something.
fn blocks<'u>(scan: &Scan<'u>, section: &Section) -> impl Iterator<Item = Block<'u>> + use<'u> {
    scan.blocks(section).filter(|block| block.content.kind != Kind::Skip)
}

#[cfg(test)]
mod tests {
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, Options, ReadTxn, StateVector, Text, Transact, Update};

    use super::*;

    fn doc(client: u64) -> Doc {
        Doc::with_options(Options::with_client_id(yrs::ClientID::new(client)))
    }

    /// The edit that types at the end of the text.
    fn types(doc: &Doc, text: &str) -> Bytes {
        let root = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        root.push(&mut txn, text);
        txn.encode_update_v1().into()
    }

    fn deletes(doc: &Doc, at: u32, len: u32) -> Bytes {
        let root = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        root.remove_range(&mut txn, at, len);
        txn.encode_update_v1().into()
    }

    fn whole(doc: &Doc) -> Bytes {
        doc.transact().encode_diff_v1(&StateVector::default()).into()
    }

    fn takes(doc: &Doc, update: &Bytes) {
        doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }

    fn text(doc: &Doc) -> String {
        let root = doc.get_or_insert_text("t");
        root.get_string(&doc.transact())
    }

    fn known(updates: &[&Bytes]) -> Known {
        let mut known = Known::default();
        updates.iter().for_each(|update| known.add(update));
        known
    }

    #[test]
    fn what_is_stored_is_nothing_new_and_what_is_not_stays_byte_for_byte() {
        let (ada, bob) = (doc(1), doc(2));
        let (a, b) = (types(&ada, "hello"), types(&bob, "there"));
        assert_eq!(known(&[&a]).rest_of(&a), None);
        assert_eq!(known(&[&a]).rest_of(&b), Some(b.clone()));
        assert_eq!(Known::default().rest_of(&a), Some(a.clone()));
        // Sent whole by somebody who has both.
        takes(&bob, &a);
        assert_eq!(known(&[&a, &b]).rest_of(&whole(&bob)), None);
        let rest = known(&[&a]).rest_of(&whole(&bob)).unwrap();
        assert_eq!(known(&[&b]).rest_of(&rest), None, "only Bob's is left");
    }

    #[test]
    fn of_what_goes_on_behind_what_is_stored_the_rest_is_left_also_within_a_block() {
        let ada = doc(1);
        let stored = types(&ada, "hel");
        // Joined with what was typed before, as a client that is asked for all answers.
        types(&ada, "lo, ünd 🚀");
        let rest = known(&[&stored]).rest_of(&whole(&ada)).unwrap();
        let other = doc(3);
        takes(&other, &stored);
        takes(&other, &rest);
        assert_eq!(text(&other), "hello, ünd 🚀");
        assert_eq!(known(&[&stored, &rest]).rest_of(&whole(&ada)), None);
        assert!(rest.len() < whole(&ada).len());
    }

    #[test]
    fn what_was_typed_before_what_is_stored_is_not_known_with_it() {
        let ada = doc(1);
        let (first, next) = (types(&ada, "hello"), types(&ada, ", there"));
        // A server refused the first for good, and stored what goes on behind it.
        assert_eq!(known(&[&next]).rest_of(&first), Some(first.clone()));
        assert_eq!(known(&[&next]).rest_of(&next), None);
        let all = whole(&ada);
        assert_eq!(known(&[&next]).rest_of(&all), Some(all.clone()));
        assert_eq!(known(&[&next, &first]).rest_of(&all), None);
    }

    #[test]
    fn what_an_update_leaves_out_is_not_known_with_it() {
        let ada = doc(1);
        let parts = [types(&ada, "one"), types(&ada, " two"), types(&ada, " three")];
        let with_gap = Bytes::from(yrs::merge_updates_v1([&parts[0], &parts[2]]).unwrap());
        assert_eq!(known(&[&with_gap]).rest_of(&parts[1]), Some(parts[1].clone()));
        for part in [&parts[0], &parts[2], &with_gap] {
            assert_eq!(known(&[&with_gap]).rest_of(part), None);
        }
        assert_eq!(known(&[&parts[0], &parts[2]]).rest_of(&with_gap), None);
        let rest = known(&[&parts[0]]).rest_of(&with_gap).unwrap();
        let other = doc(3);
        for update in [&parts[0], &rest, &parts[1]] {
            takes(&other, update);
        }
        assert_eq!(text(&other), "one two three");
    }

    #[test]
    fn of_deletions_those_are_left_that_are_not_stored() {
        let ada = doc(1);
        let typed = types(&ada, "0123456789");
        let (first, second) = (deletes(&ada, 2, 2), deletes(&ada, 4, 2));
        assert_eq!(known(&[&typed, &first]).rest_of(&first), None);
        let all = whole(&ada);
        let rest = known(&[&typed, &first]).rest_of(&all).unwrap();
        let other = doc(3);
        for update in [&typed, &first, &rest] {
            takes(&other, update);
        }
        assert_eq!(text(&other), text(&ada));
        assert_eq!(known(&[&typed, &first, &second]).rest_of(&all), None);
        assert_eq!(known(&[&typed]).rest_of(&second), Some(second.clone()));
    }
}
