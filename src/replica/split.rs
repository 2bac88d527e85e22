//! Updates that were written one behind another, told apart. Applies nothing; what is in them is for [`super::scan`] to bound.

use bytes::Bytes;

use super::nesting::Nesting;
use super::scan::{ScanError, scan, scan_first};
use crate::protocol::lib0::Input;

/// The updates (v1) in `bytes`, in order: each behind its length, as lib0's `writeVarUint8Array` writes it, or right behind each
/// other. One update alone is a list of one. Shares the bytes.
///
/// # Errors
/// Bytes that are neither, to the last one.
pub fn split_updates(bytes: &Bytes) -> Result<Vec<Bytes>, ScanError> {
    // An update's first byte counts clients. Taken for a length, what follows would have to be an update, too.
    measured(bytes).or_else(|_| adjoining(bytes))
}

fn measured(bytes: &Bytes) -> Result<Vec<Bytes>, ScanError> {
    let mut input = Input::new(bytes);
    let mut updates = Vec::new();
    while !input.is_empty() {
        let update = input.buf()?;
        scan(&update, &Nesting::default())?;
        updates.push(update);
    }
    Ok(updates)
}

fn adjoining(bytes: &Bytes) -> Result<Vec<Bytes>, ScanError> {
    let mut rest = bytes.clone();
    let mut updates = Vec::new();
    while !rest.is_empty() {
        let (_, end) = scan_first(&rest, &Nesting::default())?;
        updates.push(rest.split_to(end));
    }
    Ok(updates)
}

#[cfg(test)]
mod tests {
    use yrs::{Doc, GetString, Text, Transact};

    use super::*;
    use crate::protocol::lib0::put_buf;
    use crate::replica::Replica;

    /// What someone's typing emits, with the text that it makes.
    fn typed() -> (Vec<Bytes>, String) {
        let doc = Doc::new();
        let text = doc.get_or_insert_text("content");
        let mut updates = Vec::new();
        for word in ["all ", "together ", "now"] {
            let mut txn = doc.transact_mut();
            let end = text.len(&txn);
            text.insert(&mut txn, end, word);
            updates.push(txn.encode_update_v1().into());
        }
        let mut txn = doc.transact_mut();
        text.remove_range(&mut txn, 0, 4);
        updates.push(txn.encode_update_v1().into());
        drop(txn);
        let content = text.get_string(&doc.transact());
        (updates, content)
    }

    #[test]
    fn updates_right_behind_each_other_are_told_apart() {
        let (updates, content) = typed();
        let split = split_updates(&updates.concat().into()).unwrap();
        assert_eq!(split, updates);
        let replica = Replica::load(None, &split, 1 << 20).unwrap();
        assert_eq!(crate::replica::render_text(&replica, None).unwrap(), content);
    }

    #[test]
    fn updates_behind_their_lengths_are_told_apart() {
        let (updates, _) = typed();
        let mut bytes = Vec::new();
        updates.iter().for_each(|update| put_buf(&mut bytes, update));
        assert_eq!(split_updates(&bytes.into()).unwrap(), updates);
    }

    #[test]
    fn one_update_alone_is_a_list_of_one_and_no_bytes_are_none() {
        let (updates, _) = typed();
        for update in updates.iter().chain([&Bytes::from_static(&[0, 0])]) {
            assert_eq!(split_updates(update).unwrap(), std::slice::from_ref(update));
        }
        assert_eq!(split_updates(&Bytes::new()).unwrap(), Vec::<Bytes>::new());
    }

    #[test]
    fn bytes_that_end_within_an_update_are_refused() {
        let (updates, _) = typed();
        let whole = updates.concat();
        for end in 1..whole.len() {
            let is_boundary = (1..=updates.len()).any(|count| updates[..count].concat().len() == end);
            assert_eq!(split_updates(&whole[..end].to_vec().into()).is_ok(), is_boundary, "{end}");
        }
    }
}
