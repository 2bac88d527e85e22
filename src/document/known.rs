//! What others have stored of what waits here to be stored. The same edit can come in on two servers at once: its client has moved from
//! one to the other. What of it is known then is not stored again.

use std::collections::HashMap;

use bytes::Bytes;

use super::apply::{deletions, put_part};
use super::ranges::Ranges;
use super::scan::scan;

/// What stored updates type and delete.
#[derive(Debug, Default)]
pub struct Known {
    /// By Yjs client, the clock after all that is stored of it: whatever is stored follows what was stored before it.
    ends: HashMap<u64, u32>,
    deleted: HashMap<u64, Ranges>,
}

impl Known {
    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.deleted.is_empty()
    }

    /// Adds a stored update that has joined the document. One that cannot be read has not.
    pub fn add(&mut self, update: &Bytes) {
        let Ok(scan) = scan(update) else { return };
        for section in &scan.sections {
            let end = self.ends.entry(section.client).or_default();
            *end = section.end.max(*end);
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
        let ends = |client| self.ends.get(&client).copied().unwrap_or_default();
        let mut is_touched = false;
        let mut typed = Vec::new();
        for section in &scan.sections {
            let known = ends(section.client);
            is_touched |= known > section.start;
            if section.end > known {
                let blocks = scan.blocks(section).filter(|block| block.end() > known).count();
                typed.push((section, known.max(section.start), blocks));
            }
        }
        let nothing = Ranges::default();
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
