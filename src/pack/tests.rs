//! What is packed comes back to the byte, whatever it is; what is no pack is refused.

use proptest::prelude::*;
use yrs::{Any, Array, ClientID, Doc, Map, OffsetKind, Options, Text, Transact, XmlFragment, XmlTextPrelim};

use bytes::Bytes;

use super::codec::LAYOUT;
use super::column::{number, put};
use super::columns::{Column, Columns};
use super::split::Splitter;
use super::*;
use crate::ids::{Seq, UserId};
use crate::layout::{HEAD_BYTES, Newer, Stored, Unreadable, checksum};

/// Edits with these bodies, as rows hold them.
fn edits(bodies: Vec<Vec<u8>>) -> Vec<PackedEdit> {
    let edit = |(n, body): (usize, Vec<u8>)| PackedEdit {
        seq: Seq(3 * n as u64 + 7),
        author: UserId::new(["ada", "bob", "célia"][n % 3]),
        via: (n % 5 == 0).then(|| UserId::new("forwarder")),
        at_ms: 1_700_000_000_000 + (n as i64) * 217,
        body: body.into(),
    };
    bodies.into_iter().enumerate().map(edit).collect()
}

/// How many of these bodies are kept in columns.
fn in_columns(edits: &[PackedEdit]) -> usize {
    let mut splitter = Splitter::default();
    edits.iter().for_each(|edit| splitter.edit(edit, Bodies::InColumns));
    let mut columns = splitter.end();
    (0..edits.len()).filter(|_| columns.byte(Column::Form) == Ok(1)).count()
}

/// Types, deletes, formats and nests, as numbers say.
fn typed(steps: &[(u8, u16, String)]) -> Vec<Vec<u8>> {
    let options = Options::with_client_id(ClientID::new(4_011_223_344));
    let doc = Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..options });
    let (text, map, list) = (doc.get_or_insert_text("t"), doc.get_or_insert_map("m"), doc.get_or_insert_array("a"));
    let xml = doc.get_or_insert_xml_fragment("x");
    let mut updates = Vec::new();
    for (what, at, word) in steps {
        let mut transaction = doc.transact_mut();
        let len = text.len(&transaction);
        let at = u32::from(*at) % (len + 1);
        match what % 7 {
            0 | 1 => text.insert(&mut transaction, at, word),
            2 if at < len => text.remove_range(&mut transaction, at, 1),
            3 if at < len => {
                let marks = [("bold".into(), Any::from(true))].into();
                text.format(&mut transaction, at, 1, marks);
            }
            4 => drop(map.insert(&mut transaction, word.clone(), f64::from(at) / 3.0)),
            5 => drop(list.push_back(&mut transaction, Any::from(vec![Any::from(word.clone()), Any::Null]))),
            6 => drop(xml.push_back(&mut transaction, XmlTextPrelim::new(word.clone()))),
            _ => {}
        }
        updates.push(transaction.encode_update_v1());
    }

    updates
}

fn steps() -> impl Strategy<Value = Vec<(u8, u16, String)>> {
    prop::collection::vec((any::<u8>(), any::<u16>(), "[a-zé中]{0,6}"), 1..40)
}

proptest! {
    #[test]
    fn bytes_of_any_kind_come_back(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..50)) {
        let edits = edits(bodies);
        for how in [Bodies::InColumns, Bodies::AsTheyAre] {
            prop_assert_eq!(decode(&encode(&edits, how)), Ok(edits.clone()));
        }
    }

    #[test]
    fn updates_are_kept_in_columns_and_come_back(steps in steps()) {
        let edits = edits(typed(&steps));
        prop_assert_eq!(in_columns(&edits), edits.len());
        prop_assert_eq!(decode(&encode(&edits, Bodies::InColumns)), Ok(edits));
    }

    #[test]
    fn updates_that_are_damaged_come_back_damaged(steps in steps(), hits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..8)) {
        let mut bodies = typed(&steps);
        for (n, (at, byte)) in hits.into_iter().enumerate() {
            let place = n % bodies.len();
            let body = &mut bodies[place];
            let at = usize::from(at) % (body.len() + 1);
            body.truncate(at);
            body.push(byte);
        }
        let edits = edits(bodies);
        prop_assert_eq!(decode(&encode(&edits, Bodies::InColumns)), Ok(edits));
    }

    #[test]
    fn times_seqs_and_users_of_any_kind_come_back(rows in prop::collection::vec((any::<u64>(), any::<i64>(), ".{0,5}", prop::option::of(".{0,5}")), 0..30)) {
        let edit = |(seq, at_ms, author, via): (u64, i64, String, Option<String>)| PackedEdit {
            seq: Seq(seq), author: UserId::new(author), via: via.map(UserId::new), at_ms, body: Bytes::from_static(&[0, 0]),
        };
        let edits: Vec<PackedEdit> = rows.into_iter().map(edit).collect();
        let times = edits.iter().map(|edit| (edit.seq, edit.at_ms)).collect();
        prop_assert_eq!(decode_times(&encode(&edits, Bodies::InColumns)), Ok(times));
        prop_assert_eq!(decode(&encode(&edits, Bodies::InColumns)), Ok(edits));
    }

    #[test]
    fn trap_28_a_pack_with_one_bit_that_is_wrong_is_refused(steps in steps(), at in any::<u32>()) {
        let mut pack = encode(&edits(typed(&steps)), Bodies::InColumns);
        let bit = at as usize % (pack.len() * 8);
        pack[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode(&pack).is_err());
    }

    #[test]
    fn columns_that_do_not_fit_are_refused_whatever_they_hold(fill in prop::collection::vec((0_usize..30, prop::collection::vec(any::<u8>(), 0..20)), 0..40)) {
        let mut raw: Vec<Vec<u8>> = vec![Vec::new(); 64];
        fill.into_iter().for_each(|(column, bytes)| raw[column].extend(bytes));
        let mut stored = Vec::new();
        for bytes in &raw[..Columns::default().count()] {
            put(&mut stored, bytes.len() as u64);
            if !bytes.is_empty() {
                put(&mut stored, bytes.len() as u64);
                stored.extend(bytes);
            }
        }
        let mut pack = vec![LAYOUT];
        pack.extend(checksum(&[&stored]).to_le_bytes());
        pack.extend(stored);
        // Neither a panic nor more than a pack may hold.
        if let Ok(edits) = decode(&pack) {
            prop_assert!(edits.len() <= PACK_ENTRIES_MAX);
        }
    }

    #[test]
    fn random_bytes_are_no_pack(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_number_is_read_only_as_it_is_written(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        if let Some((value, len)) = number(&bytes) {
            let mut again = Vec::new();
            put(&mut again, value);
            prop_assert_eq!(&again[..], &bytes[..len]);
        }
    }
}

#[test]
fn a_cut_pack_is_refused() {
    let pack = encode(&edits(typed(&[(0, 0, "hello".to_owned())])), Bodies::InColumns);
    for len in 0..pack.len() {
        assert!(decode(&pack[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_pack_of_a_later_layout_is_not_guessed_at() {
    let mut pack = encode(&edits(vec![vec![0, 0]]), Bodies::InColumns);
    for layout in (0..=u8::MAX).filter(|layout| *layout != LAYOUT) {
        pack[0] = layout;
        assert_eq!(decode(&pack), Err(Damaged::Layout.into()), "{layout} is what damage made of it");
    }
    let number = [LAYOUT + 1];
    let sum = checksum(&[&number, &pack[HEAD_BYTES..]]).to_le_bytes();
    let pack = [&number, &sum[..], &pack[HEAD_BYTES..]].concat();
    let newer = Newer { stored: Stored::Pack, number: number[0].into() };
    assert_eq!(decode(&pack), Err(Unreadable::Newer(newer)));
}

#[test]
fn a_column_that_unpacks_to_more_than_it_says_is_refused() {
    let zeros = miniz_oxide::deflate::compress_to_vec(&vec![0; 1 << 20], 9);
    let mut stored = Vec::new();
    put(&mut stored, 10);
    put(&mut stored, zeros.len() as u64);
    stored.extend(&zeros);
    assert_eq!(Columns::decode(&stored, PACK_BYTES_MAX).unwrap_err(), Damaged::Columns);
    let mut bomb = Vec::new();
    put(&mut bomb, 1 << 40);
    assert_eq!(Columns::decode(&bomb, PACK_BYTES_MAX).unwrap_err(), Damaged::Columns);
}

#[test]
fn typing_takes_a_tenth_of_its_bytes() {
    let doc = Doc::with_options(Options::with_client_id(ClientID::new(4_011_223_344)));
    let text = doc.get_or_insert_text("t");
    let words = "the quick brown fox jumps over the lazy dog and back again ".repeat(20);
    let bodies = words.char_indices().map(|(at, letter)| {
        let mut transaction = doc.transact_mut();
        text.insert(&mut transaction, at as u32, &letter.to_string());
        transaction.encode_update_v1()
    });
    let edits = edits(bodies.collect());
    let bytes: usize = edits.iter().map(|edit| edit.body.len()).sum();
    assert_eq!(in_columns(&edits), edits.len());
    assert!(encode(&edits, Bodies::InColumns).len() * 10 < bytes);
}

#[test]
fn an_update_by_itself_comes_back_whatever_it_is_and_no_longer_than_it_may_be() {
    let long = typed(&[(0, 0, "x".repeat(PACK_BYTES_MAX * 2))]).remove(0);
    for update in [vec![], vec![0, 0], vec![9; 3 * PACK_BYTES_MAX], long] {
        let update = Bytes::from(update);
        let packed = encode_update(&update);
        assert!(packed.len() <= update.len() / 100 + 80);
        assert_eq!(decode_update(&packed, update.len()), Ok(update.clone()));
        if let Some(less) = update.len().checked_sub(1) {
            assert_eq!(decode_update(&packed, less), Err(Damaged::Columns.into()));
        }
    }
}

#[test]
fn the_largest_pack_comes_back() {
    let body = |n: usize| vec![n as u8; PACKED_BODY_BYTES_MAX];
    let large = edits((0..=PACK_BYTES_MAX / PACKED_BODY_BYTES_MAX).map(body).collect());
    assert_eq!(decode(&encode(&large, Bodies::InColumns)), Ok(large));
    let many = edits(vec![vec![0, 0]; PACK_ENTRIES_MAX]);
    assert_eq!(decode(&encode(&many, Bodies::InColumns)), Ok(many));
}

#[test]
fn an_update_is_refused_that_names_more_clients_than_it_has_bytes() {
    let update = |clients: u64| {
        let mut columns = Columns::default();
        // One edit of one user.
        [1, 1, 0, clients].into_iter().for_each(|number| columns.put(Column::Head, number));
        (0..clients).for_each(|client| columns.put(Column::Head, client));
        columns.put(Column::Seq, 0);
        columns.push(Column::TimeLow, 0);
        columns.put(Column::TimeHigh, 0);
        (0..2).for_each(|_| columns.put(Column::User, 0));
        columns.push(Column::Form, 0);
        columns.put(Column::WholeLen, 1);
        columns.push(Column::Whole, 7);
        let stored = columns.encode();
        [&[LAYOUT], &checksum(&[&stored]).to_le_bytes()[..], &stored].concat()
    };
    assert_eq!(decode_update(&update(8), 8), Ok(Bytes::from_static(&[7])));
    assert_eq!(decode_update(&update(9), 8), Err(Damaged::Columns.into()));
}
