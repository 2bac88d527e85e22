//! What clients that keep to no rule send, and what a document makes of it.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::protocol::lib0::{put_buf, put_var_uint};

const BYTES_MAX: usize = 1 << 20;

fn blocks() -> Blocks {
    Blocks::new(BYTES_MAX, false)
}

fn update(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A block of a made-up update.
#[derive(Debug, Clone)]
struct Made {
    kind: u8,
    origin: Option<(u64, u32)>,
    right: Option<(u64, u32)>,
    parent: Option<(u64, u32)>,
    key: Option<u8>,
    len: u32,
}

impl Made {
    fn put(&self, out: &mut Vec<u8>) {
        if matches!(self.kind, 0 | 10) {
            out.push(self.kind);
            return put_var_uint(out, self.len.into());
        }
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        out.push(
            self.kind
                | flag(self.origin.is_some(), 0x80)
                | flag(self.right.is_some(), 0x40)
                | flag(self.key.is_some(), 0x20),
        );
        for (client, clock) in self.origin.iter().chain(&self.right) {
            put_var_uint(out, *client);
            put_var_uint(out, (*clock).into());
        }
        if self.origin.is_none() && self.right.is_none() {
            match self.parent {
                Some((client, clock)) => {
                    out.push(0);
                    put_var_uint(out, client);
                    put_var_uint(out, clock.into());
                }
                None => out.extend_from_slice(&[1, 1, b't']),
            }
            if let Some(key) = self.key {
                out.extend_from_slice(&[1, key]);
            }
        }
        match self.kind {
            1 => put_var_uint(out, self.len.into()),
            3 => put_buf(out, &[7; 3]),
            4 => {
                let text: String = "a😀bü日".chars().cycle().take(self.len as usize).collect();
                put_buf(out, text.as_bytes());
            }
            5 => put_buf(out, b"{\"half\":\"\\ud83d\"}"),
            6 => {
                put_buf(out, b"bold");
                put_buf(out, b"true");
            }
            7 => out.push((self.len % 3) as u8),
            8 => {
                put_var_uint(out, self.len.into());
                for value in 0..self.len {
                    out.extend_from_slice(&[125, value as u8 & 0x3f]);
                }
            }
            9 => out.extend_from_slice(&[1, b'd', 126]),
            other => unreachable!("a block of kind {other}"),
        }
    }
}

#[derive(Debug, Clone)]
struct MadeUpdate {
    /// Client, first clock, blocks.
    sections: Vec<(u64, u32, Vec<Made>)>,
    deletions: Vec<(u64, Vec<(u32, u32)>)>,
}

impl MadeUpdate {
    fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_var_uint(&mut out, self.sections.len() as u64);
        for (client, clock, blocks) in &self.sections {
            put_var_uint(&mut out, blocks.len() as u64);
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, (*clock).into());
            blocks.iter().for_each(|block| block.put(&mut out));
        }
        put_var_uint(&mut out, self.deletions.len() as u64);
        for (client, ranges) in &self.deletions {
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, ranges.len() as u64);
            for (clock, len) in ranges {
                put_var_uint(&mut out, (*clock).into());
                put_var_uint(&mut out, (*len).into());
            }
        }
        out.into()
    }
}

prop_compose! {
    fn id()(client in 1u64..4, clock in 0u32..14) -> (u64, u32) { (client, clock) }
}

prop_compose! {
    fn made()(
        kind in prop::sample::select(vec![0u8, 1, 3, 4, 4, 4, 5, 6, 7, 7, 7, 8, 9, 10]),
        origin in prop::option::of(id()),
        right in prop::option::weighted(0.3, id()),
        parent in prop::option::of(id()),
        key in prop::option::weighted(0.3, b'a'..b'd'),
        len in 1u32..5,
    ) -> Made { Made { kind, origin, right, parent, key, len } }
}

prop_compose! {
    fn made_update()(
        sections in prop::collection::btree_map(1u64..4, (0u32..10, prop::collection::vec(made(), 1..4)), 0..3),
        deletions in prop::collection::btree_map(1u64..4, prop::collection::vec((0u32..12, 1u32..5), 1..3), 0..2),
    ) -> MadeUpdate {
        let sections = sections.into_iter().map(|(client, (clock, blocks))| (client, clock, blocks)).collect();
        MadeUpdate { sections, deletions: deletions.into_iter().collect() }
    }
}

/// Moves each section to where its client is, so that most of it joins.
fn joined(mut made: MadeUpdate, document: &Blocks) -> MadeUpdate {
    for (client, clock, _) in &mut made.sections {
        *clock = document.clock(*client).saturating_sub(*clock % 3);
    }
    made
}

fn loaded(updates: &[Bytes], keeps_deleted: bool) -> Blocks {
    let mut document = Blocks::new(BYTES_MAX, keeps_deleted);
    assert_eq!(document.load(updates), []);
    document
}

fn state(document: &Blocks) -> Bytes {
    document.state().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The promise that hostile bytes are tried on: refused without a trace, or kept and harmless.
    #[test]
    fn rule_35_what_was_taken_live_loads_to_the_same_and_what_was_refused_left_nothing(
        updates in prop::collection::vec(made_update(), 1..24),
        keeps_deleted in any::<bool>(),
        cut in 0usize..24,
    ) {
        let mut document = Blocks::new(BYTES_MAX, keeps_deleted);
        let (mut stored, mut early) = (Vec::new(), None);
        for (number, made) in updates.into_iter().enumerate() {
            let edit = joined(made, &document).encode();
            let before = state(&document);
            match document.apply(&edit) {
                Ok(Applied { news: Some(news), .. }) => {
                    // The news alone is what others are shown, and has the same effect where all before it is.
                    let mut other = loaded(&stored, keeps_deleted);
                    let again = other.apply(&news.update).unwrap();
                    prop_assert_eq!(again.lacking, None);
                    prop_assert_eq!(again.news.map(|news| news.update), Some(news.update.clone()));
                    prop_assert_eq!(state(&other), state(&document));
                    stored.push(news.update);
                }
                Ok(Applied { news: None, .. }) | Err(_) => prop_assert_eq!(state(&document), before),
            }
            if let Ok(applied) = document.apply(&edit) {
                prop_assert_eq!(applied.news, None, "done again nothing is new");
            }
            if number == cut {
                early = Some((state(&document), Bytes::from(document.state_vector())));
            }
        }
        let whole = state(&document);
        prop_assert_eq!(state(&loaded(&stored, keeps_deleted)), whole.clone());
        prop_assert_eq!(state(&loaded(std::slice::from_ref(&whole), keeps_deleted)), whole.clone());
        // It is causally closed: whoever integrates it leaves nothing out.
        let view = View::read(&whole, ReadingBudget::default()).unwrap();
        prop_assert_eq!(view.left_out(), 0);
        // Nor is anything else read by who is not shown what is deleted, or lies in something deleted.
        let seen = Bytes::from(document.state_without_deleted());
        let collected = state(&loaded(&stored, false));
        let read = |state: &Bytes| View::read(state, ReadingBudget::default()).unwrap().json(None);
        prop_assert_eq!(read(&seen), read(&collected));
        // Who has a part gets the rest, and nothing that it has.
        if let Some((part, vector)) = early {
            let mut late = loaded(&[part], keeps_deleted);
            let rest = Bytes::from(document.diff(&vector).unwrap());
            prop_assert_eq!(late.load([&rest]), []);
            prop_assert_eq!(late.state_vector(), document.state_vector());
            prop_assert_eq!(View::read(&state(&late), ReadingBudget::default()).unwrap().json(None), view.json(None));
        }
        // All that is held is counted.
        let counted = document.held();
        for number in 0..document.clients.len() {
            document.count(number);
        }
        prop_assert_eq!(document.held(), counted);
    }

    #[test]
    fn rule_27_no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut document = blocks();
        let _ = document.apply(&bytes.clone().into());
        document.load([&bytes.into()]);
        document.state();
    }

    #[test]
    fn a_text_cut_anywhere_is_the_same_text(text in "[a-c😀ü日]{1,40}", cuts in prop::collection::vec(0u32..40, 0..6)) {
        let units = content::units(text.as_bytes()) as u32;
        let mut cuts: Vec<u32> = cuts.into_iter().filter(|cut| *cut < units).chain([0, units]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut cutter = content::Cutter::new(Content { kind: Kind::Text, raw: text.as_bytes() });
        let wide: Vec<u16> = text.encode_utf16().collect();
        for range in cuts.windows(2) {
            let mut raw = Vec::new();
            cutter.take(range[1] - range[0]).put_raw(&mut raw);
            let expected = String::from_utf16_lossy(&wide[range[0] as usize..range[1] as usize]);
            prop_assert_eq!(String::from_utf8(raw).unwrap(), expected);
        }
    }
}

#[test]
fn a_long_text_has_as_many_units_as_in_javascript() {
    for letters in ["a", "ü", "日", "😀", "a😀bü日"] {
        for count in [0, 1, 23, 24, 25, 31, 32, 33, 47, 48, 49, 95, 96, 97, 1_000] {
            let text = letters.repeat(count);
            assert_eq!(content::units(text.as_bytes()), text.encode_utf16().count(), "{count} of {letters}");
        }
    }
}

/// Each kind that no Yjs client makes, by its smallest example.
#[test]
fn what_no_yjs_client_makes_is_refused_and_leaves_nothing() {
    // "ab" by client 1 in the root t, and a map at its key m by client 2.
    let base = update(&[2, 1, 2, 0, 0x27, 1, 1, b't', 1, b'm', 1, 1, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 0]);
    let cases: [(&str, &[u8]); 14] = [
        ("a parent that is a live letter", &[1, 1, 3, 0, 4, 0, 1, 0, 1, b'x', 0]),
        ("neighbours in different types", &[2, 1, 3, 0, 4, 0, 2, 0, 1, b'x', 1, 4, 0, 0xc4, 3, 0, 1, 0, 1, b'y', 0]),
        ("a block that builds on itself", &[1, 1, 3, 0, 0x84, 3, 0, 1, b'x', 0]),
        ("blocks that build on each other", &[2, 1, 4, 0, 0x84, 3, 0, 1, b'x', 1, 3, 0, 0x84, 4, 0, 1, b'y', 0]),
        ("a client that writes twice", &[2, 1, 3, 0, 0, 1, 1, 3, 1, 0, 1, 0]),
        ("a client that writes nothing", &[1, 0, 3, 0, 0, 0]),
        ("deletions of a client that stand twice", &[0, 2, 1, 1, 0, 1, 1, 1, 1, 1]),
        ("deletions of nothing by nobody", &[0, 1, 1, 0, 0]),
        ("a deletion of nothing", &[0, 1, 1, 1, 0, 0]),
        ("a block without length", &[1, 1, 3, 0, 0, 0, 0]),
        ("a length past all clocks", &[1, 1, 3, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
        ("a value that is no JSON", &[1, 1, 3, 0, 5, 1, 1, b't', 1, b'{', 0]),
        ("a type of an unknown kind", &[1, 1, 3, 0, 7, 1, 1, b't', 9, 0]),
        ("more blocks than there are bytes", &[1, 0xff, 0xff, 0xff, 0x7f, 3, 0, 0]),
    ];
    for (what, bytes) in cases {
        let mut document = blocks();
        document.apply(&base).unwrap();
        let before = state(&document);
        assert!(document.apply(&update(bytes)).is_err(), "{what}");
        assert_eq!(state(&document), before, "{what}");
    }
}

/// What Yjs clients make and look strange.
#[test]
fn what_yjs_clients_make_is_never_refused() {
    let base = update(&[1, 1, 1, 0, 7, 1, 1, b't', 0, 0]);
    let cases: [(&str, &[u8]); 7] = [
        ("a child of a type that was deleted", &[1, 1, 2, 0, 4, 0, 1, 0, 1, b'x', 1, 1, 1, 0, 1]),
        (
            "values of before Yjs 13",
            &[1, 1, 2, 0, 2, 1, 1, b't', 2, 9, b'u', b'n', b'd', b'e', b'f', b'i', b'n', b'e', b'd', 1, b'1', 0],
        ),
        ("an XML hook", &[1, 1, 2, 0, 7, 1, 1, b't', 5, 1, b'h', 0]),
        ("a number past 64 bits in an embed", &[1, 1, 2, 0, 5, 1, 1, b't', 4, b'1', b'e', b'9', b'9', 0]),
        (
            "half a surrogate pair in a mark",
            &[1, 1, 2, 0, 6, 1, 1, b't', 1, b'k', 8, b'"', b'\\', b'u', b'd', b'8', b'3', b'd', b'"', 0],
        ),
        ("a subdocument", &[1, 1, 2, 0, 9, 1, 1, b't', 1, b'g', 118, 0, 0]),
        ("a key that is told although there is an origin", &[1, 1, 2, 0, 0xa8, 1, 0, 1, 126, 0]),
    ];
    for (what, bytes) in cases {
        let mut document = blocks();
        document.apply(&base).unwrap();
        let applied = document.apply(&update(bytes));
        assert_eq!(applied.map(|applied| applied.lacking), Ok(None), "{what}");
        assert_eq!(state(&loaded(&[state(&document)], false)), state(&document), "{what}");
    }
}

#[test]
fn an_edit_after_a_gap_is_incomplete_and_what_joins_of_it_is_taken() {
    let mut document = blocks();
    // Client 1 from clock 2 on, client 2 from the start, and a deletion of what is not there.
    let edit = update(&[2, 1, 2, 0, 4, 1, 1, b't', 1, b'x', 1, 1, 2, 4, 1, 1, b't', 1, b'y', 0]);
    let applied = document.apply(&edit).unwrap();
    assert_eq!(applied.lacking, Some(vec![(1, 3)]));
    assert_eq!(applied.news.unwrap().clients[..], [2]);
    let deletion = update(&[0, 1, 1, 1, 0, 1]);
    assert_eq!(document.apply(&deletion).unwrap(), Applied { news: None, lacking: Some(Vec::new()) });
}

#[test]
fn a_known_beginning_is_cut_off_and_the_rest_goes_on_behind_it() {
    let mut document = blocks();
    document.apply(&update(&[1, 1, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 0])).unwrap();
    let more = document.apply(&update(&[1, 1, 1, 0, 4, 1, 1, b't', 4, b'a', b'b', b'c', b'd', 0])).unwrap();
    let news = more.news.unwrap();
    assert_eq!(news.update, update(&[1, 1, 1, 2, 0x84, 1, 1, 2, b'c', b'd', 0]));
    assert_eq!(state(&document), update(&[1, 1, 1, 0, 4, 1, 1, b't', 4, b'a', b'b', b'c', b'd', 0]));
}

#[test]
fn the_bytes_of_an_edit_that_is_new_as_a_whole_are_shown_as_they_came() {
    let mut document = blocks();
    // A number written longer than it need be is still the client's.
    let edit = update(&[1, 1, 0x81, 0, 0, 4, 1, 1, b't', 1, b'x', 0]);
    let news = document.apply(&edit).unwrap().news.unwrap();
    assert_eq!(news.update.as_ptr(), edit.as_ptr());
}

#[test]
fn a_document_at_its_limit_takes_what_fits_and_deletions_and_nothing_more() {
    let mut document = Blocks::new(4096, false);
    let text = |clock: u32, len: usize| {
        let mut out = vec![1, 1, 1];
        put_var_uint(&mut out, clock.into());
        if clock == 0 {
            out.extend_from_slice(&[4, 1, 1, b't']);
        } else {
            out.extend_from_slice(&[0x84, 1]);
            put_var_uint(&mut out, (clock - 1).into());
        }
        put_buf(&mut out, &vec![b'x'; len]);
        out.push(0);
        Bytes::from(out)
    };
    document.apply(&text(0, 3000)).unwrap();
    let before = state(&document);
    assert_eq!(document.apply(&text(3000, 2500)), Err(Refusal::TooLarge { limit: 4096 }));
    assert_eq!(state(&document), before);
    document.apply(&update(&[0, 1, 1, 1, 0, 0xd0, 0x0f])).unwrap();
    document.apply(&text(3000, 2500)).unwrap();
}

#[test]
fn one_edit_brings_as_many_new_clients_as_it_may_and_no_more() {
    let edit = |clients: usize| {
        let mut out = Vec::new();
        put_var_uint(&mut out, clients as u64);
        for client in 1..=clients as u64 {
            out.push(1);
            put_var_uint(&mut out, client);
            out.extend_from_slice(&[0, 4, 1, 1, b't', 1, b'x']);
        }
        out.push(0);
        Bytes::from(out)
    };
    assert_eq!(blocks().apply(&edit(NEW_CLIENTS_MAX + 1)), Err(Refusal::TooManyClients));
    let mut document = Blocks::new(4 << 20, false);
    document.apply(&edit(NEW_CLIENTS_MAX)).unwrap();
    assert_eq!(document.clients(), NEW_CLIENTS_MAX);
    assert!(Blocks::new(4 << 20, false).import(&edit(NEW_CLIENTS_MAX + 1)).is_ok());
}

#[test]
fn shared_types_nest_as_deep_as_they_may_and_no_deeper() {
    let nested = |depth: u32| {
        let mut out = vec![1];
        put_var_uint(&mut out, depth.into());
        out.extend_from_slice(&[1, 0, 7, 1, 1, b't', 0]);
        for clock in 1..depth {
            out.extend_from_slice(&[7, 0, 1]);
            put_var_uint(&mut out, (clock - 1).into());
            out.push(0);
        }
        out.push(0);
        Bytes::from(out)
    };
    assert!(blocks().apply(&nested(NESTING_MAX)).is_ok());
    assert_eq!(blocks().apply(&nested(NESTING_MAX + 1)), Err(Refusal::NestedTooDeep));
}

/// A clock that is past all that can be held is damage, not a document.
#[test]
fn damage_in_what_is_stored_costs_what_is_damaged() {
    let (first, last) =
        (update(&[1, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 0]), update(&[1, 1, 2, 0, 4, 1, 1, b't', 1, b'b', 0]));
    let builds_on_nothing = update(&[1, 1, 3, 0, 0x84, 9, 9, 1, b'c', 0]);
    let mut document = blocks();
    let set_aside = document.load([&first, &update(b"damage"), &builds_on_nothing, &last]);
    assert_eq!(set_aside.iter().map(|one| one.place).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(document.clients(), 2);
    // What came before what it builds on is taken in the end.
    let second = update(&[1, 1, 1, 1, 0x84, 1, 0, 1, b'z', 0]);
    let mut document = blocks();
    assert_eq!(document.load([&second, &first]), []);
}

/// An older release took some of what is refused now.
#[test]
fn a_stored_update_that_names_a_client_twice_is_read_as_far_as_it_goes() {
    let twice = update(&[2, 1, 1, 0, 4, 1, 1, b't', 3, b'a', b'b', b'c', 1, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 0]);
    let longer = update(&[2, 1, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 1, 1, 0, 4, 1, 1, b't', 3, b'a', b'b', b'c', 0]);
    let goes_on = update(&[2, 1, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 1, 1, 2, 0x84, 1, 1, 1, b'c', 0]);
    for stored in [twice, longer, goes_on] {
        let mut document = blocks();
        assert_eq!(document.load([&stored]), []);
        assert_eq!(state(&document), update(&[1, 1, 1, 0, 4, 1, 1, b't', 3, b'a', b'b', b'c', 0]));
    }
    // With a block after that which cannot be: what the update brought before is taken back, all of it.
    let bad =
        update(&[2, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 2, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 0x84, 1, 9, 1, b'c', 0]);
    let mut document = blocks();
    assert_eq!(document.load([&bad]).len(), 1);
    assert_eq!(state(&document), update(&[0, 0]));
}

#[test]
fn a_document_past_its_limit_can_be_made_smaller() {
    // Stored when the limit was another: letters, every other one deleted, which cost more than they hold.
    let mut out = vec![1, 1, 1, 0, 4, 1, 1, b't'];
    put_buf(&mut out, &vec![b'x'; 20_000]);
    out.push(0);
    let mut document = Blocks::new(4096, false);
    assert_eq!(document.load([&Bytes::from(out)]), []);
    assert!(document.apply(&update(&[1, 1, 2, 0, 4, 1, 1, b't', 1, b'b', 0])).is_err());
    document.apply(&update(&[0, 1, 1, 1, 0, 0xa0, 0x9c, 0x01])).unwrap();
    document.apply(&update(&[1, 1, 2, 0, 4, 1, 1, b't', 1, b'b', 0])).unwrap();
}

/// Else a document that may grow would be full once its room had been unloaded.
#[test]
fn a_document_holds_no_more_after_it_was_stored_and_loaded() {
    let letters = 20_000;
    let mut out = vec![1, 1, 1, 0, 4, 1, 1, b't'];
    put_buf(&mut out, &vec![b'x'; letters]);
    out.push(0);
    let mut document = blocks();
    document.apply(&out.into()).unwrap();
    let mut out = vec![0, 1, 1];
    put_var_uint(&mut out, letters as u64 / 2);
    for clock in 0..letters as u64 / 2 {
        put_var_uint(&mut out, 2 * clock + 1);
        out.push(1);
    }
    document.apply(&out.into()).unwrap();
    let again = loaded(&[state(&document)], false);
    assert!(again.held() <= document.held(), "{} bytes became {}", document.held(), again.held());
    // Nor is anybody given what stands for deleted units.
    assert_eq!(state(&again), state(&document));
    let vector = update(&[1, 1, 100]);
    assert_eq!(again.diff(&vector).unwrap(), document.diff(&vector).unwrap());
}

/// An edit of the server's deletes an element by its one unit, and says nothing of what is in it.
#[test]
fn what_lies_in_something_deleted_is_left_out_and_read_as_before() {
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, Transact, Update, Xml, XmlElementPrelim, XmlFragment, XmlTextPrelim};

    let read = |updates: &[&[u8]]| {
        let doc = Doc::new();
        let root = doc.get_or_insert_xml_fragment("x");
        for update in updates {
            doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
        }
        root.get_string(&doc.transact())
    };
    let shows = |state: &[u8], what: &str| state.windows(what.len()).any(|bytes| bytes == what.as_bytes());
    let doc = Doc::with_options(yrs::Options::with_client_id(yrs::ClientID::new(1)));
    let root = doc.get_or_insert_xml_fragment("x");
    let written = {
        let mut txn = doc.transact_mut();
        let outer = root.push_back(&mut txn, XmlElementPrelim::empty("p"));
        outer.insert_attribute(&mut txn, "key", "secret one");
        outer.push_back(&mut txn, XmlTextPrelim::new("secret two"));
        let inner = outer.push_back(&mut txn, XmlElementPrelim::empty("b"));
        inner.push_back(&mut txn, XmlTextPrelim::new("secret three"));
        root.push_back(&mut txn, XmlTextPrelim::new("shown"));
        Bytes::from(txn.encode_update_v1())
    };
    for keeps_deleted in [false, true] {
        let mut document = Blocks::new(BYTES_MAX, keeps_deleted);
        document.apply(&written).unwrap();
        let before = document.state_without_deleted();
        assert_eq!(read(&[&before[..]]), read(&[&written[..]]));
        document.apply(&update(&[0, 1, 1, 1, 0, 1])).unwrap();
        let state = document.state_without_deleted();
        assert!(shows(&state, "shown") && !shows(&state, "secret"), "{state:?}");
        assert_eq!((read(&[&state[..]]), read(&[&document.state()[..]])), ("shown".to_owned(), "shown".to_owned()));
        // Also from the middle on of what lies there, and as it was.
        for clock in 1..document.clock(1) as u8 {
            let rest = document.diff_without_deleted(&update(&[1, 1, clock])).unwrap();
            assert!(!shows(&rest, "secret") && !shows(&rest, "ree"), "{rest:?}");
            assert_eq!(read(&[&before[..], &rest[..]]), "shown");
        }
        let mut past = PastState { clocks: document.clocks(), ..PastState::default() };
        assert!(shows(&document.state_at(&past, DeletedContent::Dropped), "secret three"));
        past.deleted.insert(1, vec![(0, 1)]);
        assert!(shows(&document.state_at(&past, DeletedContent::Kept), "secret three"));
        assert!(!shows(&document.state_at(&past, DeletedContent::Dropped), "secret"));
    }
}

#[test]
fn a_refused_edit_leaves_no_memory_behind() {
    let mut document = blocks();
    document.apply(&update(&[1, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 0])).unwrap();
    let keys = |count: u32| {
        let mut out = vec![1];
        put_var_uint(&mut out, count.into());
        out.extend_from_slice(&[2, 0]);
        for key in 0..count {
            out.extend_from_slice(&[0x28, 1, 1, b't']);
            put_buf(&mut out, key.to_string().as_bytes());
            out.extend_from_slice(&[1, 126]);
        }
        out.push(0);
        Bytes::from(out)
    };
    assert_eq!(document.apply(&keys(100_000)), Err(Refusal::TooLarge { limit: BYTES_MAX }));
    assert!(document.slots.capacity() < 200, "{} places", document.slots.capacity());
    assert!(document.clients.capacity() < 200, "{} clients", document.clients.capacity());
}
