//! yrs as the second judge: another reading of the same rules, in text, lists and maps that three people write.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use tutti::document::{ReadingBudget, View};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Array, ClientID, Doc, GetString, Map, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update,
};

fn document(client: u64) -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(ClientID::new(client)) })
}

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

/// What somebody does, at a place of the whole.
#[derive(Debug, Clone, Copy)]
enum Act {
    Type(&'static str),
    Delete(u32),
    Push(i64),
    Remove,
    Set(&'static str, i64),
    Unset(&'static str),
    /// Somebody else's document comes.
    Merge(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let key = prop_oneof![Just("a"), Just("b")];
    prop_oneof![
        4 => prop_oneof![Just("x"), Just("two"), Just("ü日本")].prop_map(Act::Type),
        2 => (1..4u32).prop_map(Act::Delete),
        2 => any::<i64>().prop_map(|number| Act::Push(number >> 12)),
        1 => Just(Act::Remove),
        2 => (key.clone(), any::<i64>()).prop_map(|(key, number)| Act::Set(key, number >> 12)),
        1 => key.prop_map(Act::Unset),
        2 => (0..3usize).prop_map(Act::Merge),
    ]
}

fn perform(docs: &[Doc], person: usize, act: Act, place: u32) {
    let doc = &docs[person];
    let (text, list, map) =
        (doc.get_or_insert_text("text"), doc.get_or_insert_array("list"), doc.get_or_insert_map("map"));
    let other = if let Act::Merge(other) = act { state(&docs[other]) } else { Vec::new() };
    let mut txn = doc.transact_mut();
    let (letters, values) = (text.len(&txn), list.len(&txn));
    match act {
        Act::Type(new) => text.insert(&mut txn, place % (letters + 1), new),
        Act::Delete(_) if letters == 0 => {}
        Act::Delete(len) => {
            let at = place % letters;
            text.remove_range(&mut txn, at, len.min(letters - at));
        }
        Act::Push(number) => drop(list.insert(&mut txn, place % (values + 1), number)),
        Act::Remove if values > 0 => list.remove(&mut txn, place % values),
        Act::Remove => {}
        Act::Set(key, number) => drop(map.insert(&mut txn, key, number)),
        Act::Unset(key) => drop(map.remove(&mut txn, key)),
        Act::Merge(_) => txn.apply_update(Update::decode_v1(&other).unwrap()).unwrap(),
    }
}

/// As numbers, since yrs reads large ones as such of another kind.
fn json(any: &Any) -> Value {
    let mut json = String::new();
    any.to_json(&mut json);
    serde_json::from_str(&json).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_view_shows_what_yrs_reads(
        acts in proptest::collection::vec((0..3usize, act(), any::<u32>()), 1..60),
    ) {
        let docs = [document(1), document(2), document(3)];
        for (person, act, place) in acts {
            perform(&docs, person, act, place);
        }
        for other in [1, 2] {
            perform(&docs, 0, Act::Merge(other), 0);
        }
        let view = View::read(&Bytes::from(state(&docs[0])), ReadingBudget::default()).unwrap();
        prop_assert_eq!(view.left_out(), 0);
        let (text, list, map) =
            (docs[0].get_or_insert_text("text"), docs[0].get_or_insert_array("list"), docs[0].get_or_insert_map("map"));
        let txn = docs[0].transact();
        let shown = |root: &str| view.json(Some(root)).ok().map(|json| serde_json::from_str::<Value>(&json).unwrap());
        prop_assert_eq!(view.text(Some("text")).unwrap_or_default(), text.get_string(&txn));
        // Nothing tells what a list was of which all is deleted.
        if list.len(&txn) > 0 {
            prop_assert_eq!(shown("list"), Some(json(&list.to_json(&txn))));
        }
        if map.len(&txn) > 0 {
            prop_assert_eq!(shown("map"), Some(json(&map.to_json(&txn))));
        }
    }
}
