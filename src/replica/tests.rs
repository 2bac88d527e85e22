//! The replica against edits of real documents, of broken clients and of hostile ones.

use bytes::Bytes;
use proptest::prelude::*;
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{
    Array, ArrayPrelim, Doc, GetString, Map, MapPrelim, OffsetKind, Options, ReadTxn, StateVector, Text, Transact,
    Update,
};

use super::scan::ScanError;
use super::{Applied, NESTING_MAX, Refusal, Replica, VALUE_DEPTH_MAX, render_json, render_text};
use crate::protocol::lib0::put_var_uint;

const LIMIT: usize = 1 << 20;

fn empty() -> Replica {
    Replica::load(None, &[], LIMIT).unwrap()
}

/// A client's document, counting as Yjs does.
fn client(id: u64) -> Doc {
    Doc::with_options(Options { offset_kind: OffsetKind::Utf16, ..Options::with_client_id(yrs::ClientID::new(id)) })
}

/// Types at the end of text `t` and returns the edit as the client would send it.
fn typed(doc: &Doc, text: &str) -> Bytes {
    let t = doc.get_or_insert_text("t");
    let mut txn = doc.transact_mut();
    t.push(&mut txn, text);
    txn.encode_update_v1().into()
}

fn news(applied: Applied) -> Bytes {
    assert_eq!(applied.lacking, None);
    applied.news.expect("the edit adds something").update
}

#[test]
fn a_new_edit_is_stored_and_shown_byte_for_byte() {
    let doc = client(1);
    let mut replica = empty();
    for text in ["hi", " there", " 👋"] {
        let edit = typed(&doc, text);
        let applied = replica.apply(&edit).unwrap();
        assert_eq!(applied.news.as_ref().unwrap().clients, [1]);
        assert_eq!(news(applied), edit);
    }
    assert_eq!(render_text(&replica, None).unwrap(), "hi there 👋");
}

#[test]
fn what_is_known_already_adds_nothing_and_of_what_is_half_known_only_the_rest_counts() {
    let doc = client(1);
    let first = typed(&doc, "one");
    let both: Bytes = {
        typed(&doc, "two");
        doc.transact().encode_diff_v1(&StateVector::default()).into()
    };
    let mut replica = empty();
    replica.apply(&first).unwrap();
    assert_eq!(replica.apply(&first).unwrap(), Applied { news: None, lacking: None });
    let rest = news(replica.apply(&both).unwrap());
    assert!(rest.len() < both.len());
    let mut reader = empty();
    reader.apply(&first).unwrap();
    reader.apply(&rest).unwrap();
    assert_eq!(render_text(&reader, Some("t")).unwrap(), "onetwo");
}

#[test]
fn an_update_brings_nothing_only_if_its_typing_and_its_deletions_are_known() {
    let (mut replica, doc) = (empty(), client(1));
    let typing = typed(&doc, "text");
    assert!(replica.brings_nothing(&Bytes::from_static(&[0, 0])));
    assert!(!replica.brings_nothing(&typing));
    replica.apply(&typing).unwrap();
    assert!(replica.brings_nothing(&typing));
    let delete = |index, len| -> Bytes {
        let t = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        t.remove_range(&mut txn, index, len);
        txn.encode_update_v1().into()
    };
    let (first, second) = (delete(0, 1), delete(1, 1));
    assert!(!replica.brings_nothing(&first));
    replica.apply(&first).unwrap();
    assert!(replica.brings_nothing(&first));
    assert!(!replica.brings_nothing(&second));
    let everything: Bytes = doc.transact().encode_diff_v1(&StateVector::default()).into();
    assert!(!replica.brings_nothing(&everything), "it has all blocks and one deletion more");
    replica.apply(&second).unwrap();
    assert!(replica.brings_nothing(&everything));
    assert!(!replica.brings_nothing(&Bytes::from_static(&[9])), "what cannot be read is judged by who applies it");
}

#[test]
fn an_edit_after_a_gap_is_incomplete_until_the_gap_is_closed() {
    let doc = client(1);
    let first = typed(&doc, "one");
    let second = typed(&doc, "two");
    let mut replica = empty();
    assert_eq!(replica.apply(&second).unwrap(), Applied { news: None, lacking: Some(vec![(1, 6)]) });
    assert!(!replica.has_reached(&[(1, 6)]));
    assert_eq!(replica.state_vector(), [0]);
    news(replica.apply(&first).unwrap());
    news(replica.apply(&second).unwrap());
    assert_eq!(render_text(&replica, None).unwrap(), "onetwo");
}

/// Types at a place of text `t` and returns the edit as the client would send it.
fn typed_at(doc: &Doc, index: u32, text: &str) -> Bytes {
    let t = doc.get_or_insert_text("t");
    let mut txn = doc.transact_mut();
    t.insert(&mut txn, index, text);
    txn.encode_update_v1().into()
}

/// A replica that holds "base" of client 2, and client 1, who has it too.
fn with_base() -> (Replica, Doc) {
    let mut replica = empty();
    let base = typed(&client(2), "base");
    replica.apply(&base).unwrap();
    let doc = client(1);
    doc.transact_mut().apply_update(Update::decode_v1(&base).unwrap()).unwrap();
    (replica, doc)
}

#[test]
fn an_edit_after_a_gap_that_builds_on_nothing_in_it_is_incomplete_too() {
    let (mut replica, doc) = with_base();
    let before = replica.state_vector();
    let _lost = typed_at(&doc, 1, "1");
    for (edit, clock) in [(typed_at(&doc, 3, "2"), 2), (typed_at(&doc, 0, "3"), 3)] {
        let lacking = Some(vec![(1, clock)]);
        assert_eq!(replica.apply(&edit).unwrap(), Applied { news: None, lacking });
    }
    assert_eq!(replica.state_vector(), before);
    assert_eq!(render_text(&replica, None).unwrap(), "base");
    let known = StateVector::decode_v1(&before).unwrap();
    let step2: Bytes = doc.transact().encode_diff_v1(&known).into();
    assert_eq!(news(replica.apply(&step2).unwrap()), step2);
    assert_eq!(render_text(&replica, None).unwrap(), "3b1a2se");
}

#[test]
fn of_an_edit_with_a_gap_only_what_stands_before_it_counts() {
    let (mut replica, doc) = with_base();
    let edits = [typed_at(&doc, 1, "1"), typed_at(&doc, 3, "2"), typed_at(&doc, 0, "3")];
    let with_gap: Bytes = yrs::merge_updates_v1([&edits[0], &edits[2]]).unwrap().into();
    let applied = replica.apply(&with_gap).unwrap();
    assert_eq!(applied.lacking, Some(vec![(1, 3)]));
    assert_eq!(applied.news.unwrap().update, edits[0]);
    news(replica.apply(&edits[1]).unwrap());
    assert_eq!(news(replica.apply(&with_gap).unwrap()), edits[2]);
    assert_eq!(render_text(&replica, None).unwrap(), "3b1a2se");
}

#[test]
fn of_an_edit_that_builds_on_others_missing_typing_only_what_stands_before_counts() {
    let doc = client(1);
    typed(&doc, "own");
    let other = client(2);
    let missing = typed(&other, "other");
    doc.transact_mut().apply_update(Update::decode_v1(&missing).unwrap()).unwrap();
    // Behind one's own typing, before the other's: "own!other".
    typed_at(&doc, 3, "!");
    let known = StateVector::decode_v1(&[1, 2, 5]).unwrap();
    let edit: Bytes = doc.transact().encode_diff_v1(&known).into();
    let mut replica = empty();
    assert_eq!(replica.apply(&edit).unwrap().lacking, Some(vec![(1, 4)]));
    assert!(!replica.has_reached(&[(1, 4)]));
    news(replica.apply(&missing).unwrap());
    news(replica.apply(&edit).unwrap());
    assert!(replica.has_reached(&[(1, 4)]));
    assert_eq!(render_text(&replica, None).unwrap(), "own!other");
}

#[test]
fn a_deletion_of_what_is_not_there_yet_is_incomplete() {
    let doc = client(1);
    let first = typed(&doc, "one");
    let deletion: Bytes = {
        let t = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        t.remove_range(&mut txn, 0, 2);
        txn.encode_update_v1().into()
    };
    let mut replica = empty();
    assert_eq!(replica.apply(&deletion).unwrap().lacking, Some(vec![]));
    replica.apply(&first).unwrap();
    assert_eq!(news(replica.apply(&deletion).unwrap()), deletion);
    assert_eq!(replica.apply(&deletion).unwrap().news, None);
    assert_eq!(render_text(&replica, None).unwrap(), "e");
}

#[test]
fn a_peer_gets_the_difference_to_its_state_vector() {
    let doc = client(1);
    let mut replica = empty();
    replica.apply(&typed(&doc, &"x".repeat(1000))).unwrap();
    let known = Bytes::from(replica.state_vector());
    replica.apply(&typed(&doc, "y")).unwrap();
    assert!(replica.diff(&known).unwrap().len() < 30);
    assert!(replica.diff(&Bytes::from_static(&[0])).unwrap().len() > 1000);
    for broken in [&[][..], &[5, 1], &[1, 0x80], &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
        assert!(replica.diff(&Bytes::copy_from_slice(broken)).is_err(), "{broken:x?}");
    }
}

#[test]
fn a_loaded_document_equals_the_one_it_was_saved_from() {
    let doc = client(1);
    let edits: Vec<Bytes> = (0..10).map(|i| typed(&doc, &i.to_string())).collect();
    let mut replica = Replica::load(None, &edits[..5], LIMIT).unwrap();
    let snapshot = Bytes::from(replica.state());
    replica = Replica::load(Some(&snapshot), &edits[5..], LIMIT).unwrap();
    assert_eq!(render_text(&replica, None).unwrap(), "0123456789");
    assert!(matches!(Replica::load(None, &edits[5..], LIMIT), Err(Refusal::Broken)));
}

#[test]
fn a_tail_of_two_typists_who_build_on_each_other_and_delete_loads_as_it_was() {
    let clients = [client(1), client(2)];
    let mut replica = empty();
    let mut stored = Vec::new();
    for round in 0..40u32 {
        let doc = &clients[round as usize % 2];
        let at = doc.get_or_insert_text("t").len(&doc.transact()) / 2;
        let mut edits = vec![typed_at(doc, at, "ab")];
        if round % 3 == 2 {
            let t = doc.get_or_insert_text("t");
            let mut txn = doc.transact_mut();
            t.remove_range(&mut txn, at, 1);
            edits.push(txn.encode_update_v1().into());
        }
        for edit in edits {
            let other = &clients[(round as usize + 1) % 2];
            other.transact_mut().apply_update(Update::decode_v1(&edit).unwrap()).unwrap();
            stored.push(news(replica.apply(&edit).unwrap()));
        }
    }
    // One that is not the next of its client stands alone: what was sent twice.
    stored.insert(20, stored[3].clone());
    let loaded = Replica::load(None, &stored, LIMIT).unwrap();
    assert_eq!(render_text(&loaded, None).unwrap(), render_text(&replica, None).unwrap());
    assert_eq!(loaded.state_vector(), replica.state_vector());
    assert_eq!(loaded.state().len(), replica.state().len());
}

#[test]
fn a_document_at_its_size_limit_refuses_more_and_takes_more_once_text_is_deleted() {
    let doc = client(1);
    let mut replica = Replica::load(None, &[], 10_000).unwrap();
    replica.apply(&typed(&doc, &"x".repeat(9_000))).unwrap();
    let large = typed(&doc, &"y".repeat(2_000));
    assert_eq!(replica.apply(&large), Err(Refusal::TooLarge { limit: 10_000 }));
    assert_eq!(render_text(&replica, None).unwrap().len(), 9_000);
    let deletion: Bytes = {
        let other = client(2);
        let state = Update::decode_v1(&replica.state()).unwrap();
        other.transact_mut().apply_update(state).unwrap();
        let t = other.get_or_insert_text("t");
        let mut txn = other.transact_mut();
        t.remove_range(&mut txn, 0, 9_000);
        txn.encode_update_v1().into()
    };
    replica.apply(&deletion).unwrap();
    replica.apply(&large).unwrap();
    assert_eq!(render_text(&replica, None).unwrap().len(), 2_000);
}

#[test]
fn documents_of_all_shared_types_pass_the_scanner_and_render() {
    let doc = client(1);
    let edit: Bytes = {
        let map = doc.get_or_insert_map("map");
        let array = doc.get_or_insert_array("array");
        let mut txn = doc.transact_mut();
        map.insert(&mut txn, "n", 1.5);
        map.insert(&mut txn, "deep", MapPrelim::from([("list", yrs::any!([1, "two", null, true]))]));
        array.insert(&mut txn, 0, ArrayPrelim::from(["a", "b"]));
        txn.encode_update_v1().into()
    };
    let mut replica = empty();
    news(replica.apply(&edit).unwrap());
    assert_eq!(
        render_json(&replica, None).unwrap(),
        serde_json::json!({"map": {"n": 1.5, "deep": {"list": [1, "two", null, true]}}, "array": [["a", "b"]]})
    );
    assert!(render_text(&replica, None).unwrap_err().to_string().contains("array, map"));
    assert!(render_text(&replica, Some("none")).is_err());
}

/// An update of one client whose blocks are `blocks`, without deletions.
fn update_of(client: u64, count: usize, blocks: &[u8]) -> Bytes {
    let mut raw = vec![1];
    put_var_uint(&mut raw, count as u64);
    put_var_uint(&mut raw, client);
    raw.push(0);
    raw.extend_from_slice(blocks);
    raw.push(0);
    raw.into()
}

/// Nested arrays as one `Any` value, `depth` deep, in array `a`.
fn nested_values(depth: usize) -> Bytes {
    let mut block = vec![8, 1, 1, b'a', 1];
    block.extend(std::iter::repeat_n([117, 1], depth - 1).flatten());
    block.extend([117, 0]);
    update_of(1, 1, &block)
}

/// `depth` arrays, each inside the one before.
fn nested_types(depth: u32) -> Bytes {
    let mut blocks = vec![7, 1, 1, b'a', 0];
    for clock in 0..depth - 1 {
        blocks.extend([7, 0]);
        put_var_uint(&mut blocks, 1);
        put_var_uint(&mut blocks, u64::from(clock));
        blocks.push(0);
    }
    update_of(1, depth as usize, &blocks)
}

#[test]
fn values_and_types_nested_too_deep_are_refused_at_the_limit() {
    let deepest = VALUE_DEPTH_MAX as usize;
    news(empty().apply(&nested_values(deepest)).unwrap());
    assert_eq!(empty().apply(&nested_values(deepest + 1)), Err(ScanError::ValueTooDeep.into()));
    assert_eq!(empty().apply(&nested_values(20_000)), Err(ScanError::ValueTooDeep.into()));
    news(empty().apply(&nested_types(NESTING_MAX)).unwrap());
    assert_eq!(empty().apply(&nested_types(NESTING_MAX + 1)), Err(ScanError::NestedTooDeep.into()));
    assert_eq!(empty().apply(&nested_types(30_000)), Err(ScanError::NestedTooDeep.into()));
}

#[test]
fn nesting_is_counted_across_edits_and_siblings() {
    let mut replica = empty();
    news(replica.apply(&nested_types(NESTING_MAX)).unwrap());
    // A value in the deepest array is fine, a further array in it, or beside that value, is not.
    let value = [1, 1, 2, 0, 8, 0, 1, NESTING_MAX as u8 - 1, 1, 126, 0];
    news(replica.apply(&Bytes::copy_from_slice(&fixed(&value))).unwrap());
    let inside = fixed(&[1, 1, 3, 0, 7, 0, 1, NESTING_MAX as u8 - 1, 0, 0]);
    assert_eq!(replica.apply(&Bytes::from(inside)), Err(ScanError::NestedTooDeep.into()));
    let beside = [1, 1, 3, 0, 0x87, 2, 0, 0, 0];
    assert_eq!(replica.apply(&Bytes::copy_from_slice(&beside)), Err(ScanError::NestedTooDeep.into()));
}

/// The bytes, whose one number is below 128 and so needs no longer form.
fn fixed(raw: &[u8]) -> Vec<u8> {
    assert!(raw.iter().all(|byte| *byte < 128));
    raw.to_vec()
}

#[test]
fn types_that_refer_forward_are_counted_too() {
    // Client 2 first, whose array lies in client 1's, which comes later in the update.
    let raw = [2, 1, 2, 0, 7, 0, 1, 0, 0, 1, 1, 0, 7, 1, 1, b'a', 0, 0];
    let mut replica = empty();
    news(replica.apply(&Bytes::copy_from_slice(&raw)).unwrap());
    // A circle of two clients that lie in each other: nothing of it is integrated.
    let circle = [2, 1, 4, 0, 7, 0, 3, 0, 0, 1, 3, 0, 7, 0, 4, 0, 0, 0];
    let applied = replica.apply(&Bytes::copy_from_slice(&circle)).unwrap();
    assert_eq!(applied, Applied { news: None, lacking: Some(vec![(4, 1), (3, 1)]) });
}

#[test]
fn claims_beyond_the_bytes_and_unsupported_content_are_refused() {
    let cases: [(&str, &[u8]); 11] = [
        ("nothing", &[]),
        ("200 million clients", &[0x80, 0x84, 0xaf, 0x5f, 0]),
        ("200 million blocks", &[1, 0x80, 0x84, 0xaf, 0x5f, 1, 0, 0]),
        ("200 million values", &[1, 1, 1, 0, 8, 1, 1, b'a', 0x80, 0x84, 0xaf, 0x5f, 0]),
        ("200 million deletions", &[0, 1, 1, 0x80, 0x84, 0xaf, 0x5f]),
        ("a clock past 32 bits", &[1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 4, 1, 1, b'a', 1, b'x', 0]),
        ("legacy JSON content", &[1, 1, 1, 0, 2, 1, 1, b'a', 1, 1, b'1', 0]),
        ("an XML hook", &[1, 1, 1, 0, 7, 1, 1, b'a', 5, 1, b'h', 0]),
        ("the same client twice", &[2, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0]),
        ("bytes after the end", &[0, 0, 0]),
        ("text that is not UTF-8", &[1, 1, 1, 0, 4, 1, 1, b'a', 1, 0xff, 0]),
    ];
    for (what, raw) in cases {
        assert!(matches!(empty().apply(&Bytes::copy_from_slice(raw)), Err(Refusal::Scan(_))), "{what}");
    }
}

#[test]
fn an_emoji_in_an_array_renders_as_text() {
    // yrs' to_json never returns on this one.
    let mut block = vec![4, 1, 1, b'a', 4];
    block.extend_from_slice("👋".as_bytes());
    let mut replica = empty();
    news(replica.apply(&update_of(1, 1, &block)).unwrap());
    assert_eq!(render_json(&replica, None).unwrap(), serde_json::json!({"a": "👋"}));
}

#[derive(Debug, Clone)]
enum Step {
    Type(usize, String),
    Delete(usize),
    Send(usize),
    Repeat(usize),
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, "[a-c👋]{1,3}").prop_map(|(who, text)| Step::Type(who, text)),
        (0..3usize).prop_map(Step::Delete),
        (0..3usize).prop_map(Step::Send),
        (0..3usize).prop_map(Step::Repeat),
        (0..3usize).prop_map(Step::Lose),
    ]
}

proptest! {
    /// Three clients type, and their edits arrive, arrive twice or are lost; at the end all send what the server lacks.
    #[test]
    fn what_is_complete_is_visible_and_all_converge(steps in prop::collection::vec(step(), 1..60)) {
        let clients: Vec<Doc> = (1..=3).map(client).collect();
        let mut outboxes: Vec<Vec<Bytes>> = vec![Vec::new(); 3];
        let mut replica = empty();
        let mut stored = Vec::new();
        for step in steps {
            match step {
                Step::Type(who, text) => outboxes[who].push(typed(&clients[who], &text)),
                Step::Delete(who) => {
                    let t = clients[who].get_or_insert_text("t");
                    let mut txn = clients[who].transact_mut();
                    if t.len(&txn) > 1 {
                        t.remove_range(&mut txn, 0, 1);
                        outboxes[who].push(txn.encode_update_v1().into());
                    }
                }
                Step::Send(who) | Step::Repeat(who) if !outboxes[who].is_empty() => {
                    let edit = outboxes[who][0].clone();
                    if matches!(step, Step::Send(_)) {
                        outboxes[who].remove(0);
                    }
                    stored.extend(replica.apply(&edit).unwrap().news.map(|news| news.update));
                }
                Step::Lose(who) if !outboxes[who].is_empty() => {
                    outboxes[who].remove(0);
                }
                _ => {}
            }
        }
        for client in &clients {
            let known = StateVector::decode_v1(&replica.state_vector()).unwrap();
            let step2 = client.transact().encode_diff_v1(&known);
            let applied = replica.apply(&step2.into()).unwrap();
            prop_assert_eq!(applied.lacking, None);
            stored.extend(applied.news.map(|news| news.update));
        }
        let reloaded = Replica::load(None, &stored, LIMIT).unwrap();
        prop_assert_eq!(render_json(&reloaded, None).unwrap(), render_json(&replica, None).unwrap());
        for client in &clients {
            client.transact_mut().apply_update(Update::decode_v1(&reloaded.state()).unwrap()).unwrap();
            let t = client.get_or_insert_text("t");
            prop_assert_eq!(t.get_string(&client.transact()), render_text(&reloaded, Some("t")).unwrap_or_default());
            let _ = client.to_json(&client.transact());
        }
    }

    #[test]
    fn no_bytes_break_the_replica(raw in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut replica = empty();
        prop_assert_ne!(replica.apply(&raw.into()), Err(Refusal::Broken));
    }
}
