//! Updates that Yjs 13.6 wrote, and such as no Yjs writes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Items, Nested, ReadingBudget, RenderError, TypeKind, View, ViewError, Wanted};
use crate::document::{BlockId, Kind, scan};
use crate::protocol::lib0::{put_buf, put_var_uint};

/// A Lexical paragraph: an XML text in an XML text, whose text nodes begin with a map. The root has an attribute.
const LEXICAL: &str = "AQUBAAcBBHJvb3QGBAABAAVoZWxsb0cBAQEoAAEGBl9fdHlwZQF3BHRleHQoAQRyb290BV9fZGlyAXcDbHRyAA==";
const TEXT_WITH_ATTRIBUTE: &str = "AQIBAAQBAXQFaGVsbG8oAQF0AWEBdwExAA==";
const CLEARED_TEXT: &str = "AQEBAAEBAXQFAQEBAAU=";
const CLEARED_MAP: &str = "AQEBACEBAXQBawEBAQEAAQ==";
/// Without collection: what was in it is still told.
const CLEARED_LIST: &str = "AQEBAAgBAXQCfQF9AgEBAQAC";
const CLEARED_TEXT_WITH_ATTRIBUTE: &str = "AQIBAAEBAXQFKAEBdAFhAXcBMQEBAQAF";
const NUMBERS: &str = "AQsBACgBAW0EZGF0ZQF7QnoiLJl9YAAoAQFtA2JpZwF6ACAAAAAAAAEoAQFtA21pbgF6gAAAAAAAAAAoAQFtBGhhbGYBfD8AAAAoAQFtA25hbgF7f/gAAAAAAAAoAQFtBHplcm8BfUAoAQFtBWxpbWl0AXxaAAAAKAEBbQhuZWdhdGl2ZQF804AAACgBAW0DZjMyAXw+gAAAKAEBbQRub25lAX8oAQFtAmluAXUCf3YCAWF/AWJ9AQA=";
const ORDER: &str = "AQIBACgBAW0BegF2AwF6fQEBYX0CAW12AgF5fQEBYn0CKAEBbQFhAX0BAA==";
const RICH: &str = "AQgBAAQBAXQBYYQBAAVi8J+YgIQBAwIiCsUBAAEBHnsiYWx0IjoiQSBcdWQ4M2QiLCJ6IjoxLCJhIjoyfcYBBgEBBGJvbGQEdHJ1ZcYBBwEBBGxpbmsMeyJocmVmIjoieCJ9xgEDAQQEYm9sZARudWxsxgEJAQQEbGluawRudWxsAA==";
const ROOTS: &str = "AQgBAAQBAWIBeAgBAWEBfQGDAQECAf+JAQIDc3VidgCHAQMCBAABBAJpbocBBAEnAAEHAWsAAA==";
const PROSE: &str = "AQ0BAAcBAXgDCVBhcmFncmFwaAcAAQAGBAABAQZIZWxsbyCEAQcFYnJhdmWEAQwGIHdvcmxkxgEHAQgEYm9sZAJ7fcYBEwEIEWNvbW1lbnQtLWFiY2QxMjM0CHsiaWQiOjd9xgEMAQ0EYm9sZARudWxsxgEVAQ0RY29tbWVudC0tYWJjZDEyMzQEbnVsbCgAAQAFbGV2ZWwBfQIoAAEABWFsaWduAX4oAAEABXdpZHRoAXUCfaQBfYgDhwEAAwJocgA=";
const DELETED: &str = "AQUBAAQBAXQEa2VlcIQBAwUgZHJvcCgBAW0BawF9AacBCQIEAAEKAXgBAQEEBg==";
const ALL: [&str; 12] = [
    LEXICAL,
    TEXT_WITH_ATTRIBUTE,
    CLEARED_TEXT,
    CLEARED_MAP,
    CLEARED_LIST,
    CLEARED_TEXT_WITH_ATTRIBUTE,
    NUMBERS,
    ORDER,
    RICH,
    ROOTS,
    PROSE,
    DELETED,
];

fn decoded(update: &str) -> Bytes {
    BASE64_STANDARD.decode(update).unwrap().into()
}

fn view(update: &str) -> View {
    read(&decoded(update))
}

fn read(update: &Bytes) -> View {
    View::read(update, ReadingBudget::default()).unwrap()
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

#[test]
fn a_text_with_attributes_is_its_text() {
    let lexical = view(LEXICAL);
    assert_eq!(lexical.text(None).unwrap(), "hello");
    assert_eq!(lexical.json(None).unwrap(), r#"{"root":"hello"}"#);
    let text = view(TEXT_WITH_ATTRIBUTE);
    assert_eq!(text.text(Some("t")).unwrap(), "hello");
    assert_eq!(text.json(Some("t")).unwrap(), r#""hello""#);
}

#[test]
fn what_was_cleared_is_empty_of_its_kind() {
    for (update, text, json) in [
        (CLEARED_TEXT, "", r#""""#),
        (CLEARED_MAP, "{}", "{}"),
        (CLEARED_LIST, "[]", "[]"),
        (CLEARED_TEXT_WITH_ATTRIBUTE, "", r#""""#),
    ] {
        let view = view(update);
        assert_eq!(view.text(None).unwrap(), text, "{update}");
        assert_eq!(view.json(Some("t")).unwrap(), json, "{update}");
    }
}

#[test]
fn whole_numbers_are_written_whole_and_what_json_has_no_word_for_is_left_out() {
    let expected = r#"{"date":1795879966678,"big":9007199254740993,"min":-9223372036854775808,"half":0.5,"nan":null,"zero":0,"limit":9007199254740992.0,"negative":-1099511627776,"f32":0.25,"in":[null,{"b":1}]}"#;
    assert_eq!(view(NUMBERS).json(Some("m")).unwrap(), expected);
}

#[test]
fn keys_stand_in_the_order_in_which_they_were_written() {
    assert_eq!(view(ORDER).json(None).unwrap(), r#"{"m":{"z":{"z":1,"a":2,"m":{"y":1,"b":2}},"a":1}}"#);
}

#[test]
fn a_delta_has_embeds_and_formats_and_no_half_characters() {
    let view = view(RICH);
    assert_eq!(view.text(None).unwrap(), "ab😀\"\n");
    let bold = json!({"bold": true, "link": {"href": "x"}});
    assert_eq!(
        parsed(&view.delta(None).unwrap()),
        json!([
            {"insert": "a"},
            {"insert": {"alt": "A \u{fffd}", "z": 1, "a": 2}},
            {"insert": "b😀", "attributes": bold},
            {"insert": "\"\n"},
        ])
    );
}

#[test]
fn each_root_is_shown_by_its_name_and_one_must_be_named() {
    let view = view(ROOTS);
    assert_eq!(view.json(None).unwrap(), r#"{"a":[1,[1,255],"sub","in",{"k":[]}],"b":"x"}"#);
    assert_eq!(view.text(Some("a")).unwrap(), r#"[1,[1,255],"sub","in",{"k":[]}]"#);
    assert_eq!(view.text(None), Err(RenderError::SeveralRoots(vec!["a".into(), "b".into()])));
    assert_eq!(view.json(Some("c")), Err(RenderError::NoSuchRoot));
    assert_eq!(view.prosemirror(Some("c")), Err(RenderError::NoSuchRoot));
}

#[test]
fn an_empty_document_has_empty_renderings() {
    let view = read(&Bytes::from_static(&[0, 0]));
    assert_eq!(view.json(None).unwrap(), "{}");
    assert_eq!(view.text(None).unwrap(), "");
    assert_eq!(view.delta(None).unwrap(), "[]");
    assert_eq!(parsed(&view.prosemirror(None).unwrap()), json!({"type": "doc", "content": []}));
    assert_eq!(view.left_out(), 0);
}

#[test]
fn strict_xml_can_be_read_by_any_reader_of_xml() {
    let wanted = Wanted::ProseMirror {
        root: "x".into(),
        document: serde_json::from_str(
            r#"{"type":"doc","content":[{"type":"a<b","attrs":{"1 k":"\"<&>","n":[1]},"content":[{"type":"text","text":"1 < 2 & \u0001\r","marks":[{"type":"no te","attrs":{"by":"a\"b"}}]}]}]}"#,
        )
        .unwrap(),
    };
    let empty = read(&Bytes::from_static(&[0, 0]));
    let view = read(&empty.rewrite(&wanted, 1).unwrap().unwrap());
    assert_eq!(
        view.xml(None).unwrap(),
        "<document><a_b _1_k=\"&quot;&lt;&amp;&gt;\" n=\"[1]\"><no_te by=\"a&quot;b\">1 &lt; 2 &amp; \u{fffd}&#13;</no_te></a_b></document>"
    );
    assert_eq!(empty.xml(None).unwrap(), "<document></document>");
}

#[test]
fn an_editor_of_prosemirror_reads_its_document() {
    let view = view(PROSE);
    assert_eq!(
        view.text(None).unwrap(),
        r#"<paragraph align="null" level="2" width="[100,200]">Hello <bold><comment--abcd1234 id="7">brave</comment--abcd1234></bold> world</paragraph><hr></hr>"#
    );
    assert_eq!(
        parsed(&view.prosemirror(None).unwrap()),
        json!({"type": "doc", "content": [
            {"type": "Paragraph", "attrs": {"level": 2, "align": null, "width": [100, 200]}, "content": [
                {"type": "text", "text": "Hello "},
                {"type": "text", "text": "brave", "marks": [
                    {"type": "bold"},
                    {"type": "comment", "attrs": {"id": 7}},
                ]},
                {"type": "text", "text": " world"},
            ]},
            {"type": "hr"},
        ]})
    );
}

#[test]
fn items_come_in_order_with_what_is_deleted() {
    let view = view(DELETED);
    let text: Vec<_> = view
        .items("t")
        .unwrap()
        .map(|item| (item.id.clock, item.is_deleted, item.text().unwrap().into_owned()))
        .collect();
    assert_eq!(text, [(0, false, "keep".into()), (4, true, " drop".into())]);
    let map: Vec<_> = view.items("m").unwrap().collect();
    assert_eq!(
        map.iter().map(|item| (item.key, item.is_deleted)).collect::<Vec<_>>(),
        [(Some("k"), true), (Some("k"), false)]
    );
    assert_eq!(map[0].content.kind, Kind::Any);
    assert_eq!(map[1].type_kind(), Some(TypeKind::Text));
    assert_eq!(map[1].children().unwrap().map(|item| item.text().unwrap().into_owned()).collect::<String>(), "x");
    assert!(view.items("none").is_none());
}

/// A block as it is written, whatever Yjs would think of it.
#[derive(Debug, Clone)]
struct Written {
    kind: u8,
    content: Vec<u8>,
    origin: Option<(u64, u32)>,
    right: Option<(u64, u32)>,
    parent: In,
    key: Option<String>,
}

#[derive(Debug, Clone)]
enum In {
    Root(&'static str),
    Block(u64, u32),
}

impl Written {
    fn text(text: &str) -> Self {
        let mut content = Vec::new();
        put_buf(&mut content, text.as_bytes());
        Self { kind: 4, content, origin: None, right: None, parent: In::Root("t"), key: None }
    }

    /// A shared type; names are for XML elements.
    fn shared(number: u8) -> Self {
        let content = if matches!(number, 3 | 5) { vec![number, 1, b'p'] } else { vec![number] };
        Self { kind: 7, content, ..Self::text("") }
    }

    fn collected(len: u8) -> Self {
        Self { kind: 0, content: vec![len], ..Self::text("") }
    }

    fn between(self, origin: Option<(u64, u32)>, right: Option<(u64, u32)>) -> Self {
        Self { origin, right, ..self }
    }

    fn within(self, parent: In) -> Self {
        Self { parent, ..self }
    }

    fn at(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let put_id = |out: &mut Vec<u8>, (client, clock): (u64, u32)| {
            put_var_uint(out, client);
            put_var_uint(out, clock.into());
        };
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        if matches!(self.kind, 0 | 10) {
            out.push(self.kind);
        } else {
            let flags =
                bit(self.origin.is_some(), 0x80) | bit(self.right.is_some(), 0x40) | bit(self.key.is_some(), 0x20);
            out.push(self.kind | flags);
            if let Some(id) = self.origin {
                put_id(out, id);
            }
            if let Some(id) = self.right {
                put_id(out, id);
            }
            if self.origin.is_none() && self.right.is_none() {
                match self.parent {
                    In::Root(name) => {
                        out.push(1);
                        put_buf(out, name.as_bytes());
                    }
                    In::Block(client, clock) => {
                        out.push(0);
                        put_id(out, (client, clock));
                    }
                }
                if let Some(key) = &self.key {
                    put_buf(out, key.as_bytes());
                }
            }
        }
        out.extend_from_slice(&self.content);
    }
}

/// An update of clients' blocks, each from clock 0, and deletions.
fn update(clients: &[(u64, Vec<Written>)], deletions: &[(u64, Vec<(u32, u32)>)]) -> Bytes {
    let mut out = Vec::new();
    put_var_uint(&mut out, clients.len() as u64);
    for (client, blocks) in clients {
        put_var_uint(&mut out, blocks.len() as u64);
        put_var_uint(&mut out, *client);
        put_var_uint(&mut out, 0);
        blocks.iter().for_each(|block| block.put(&mut out));
    }
    put_var_uint(&mut out, deletions.len() as u64);
    for (client, ranges) in deletions {
        put_var_uint(&mut out, *client);
        put_var_uint(&mut out, ranges.len() as u64);
        for (clock, len) in ranges {
            put_var_uint(&mut out, (*clock).into());
            put_var_uint(&mut out, (*len).into());
        }
    }
    out.into()
}

#[test]
fn what_is_not_causally_closed_is_left_out_and_counted() {
    let lost = |origin| vec![Written::text("ok"), Written::text("lost").between(origin, None), Written::text("too")];
    for (case, origin) in
        [("an unknown client", (9, 0)), ("a clock to come", (2, 4)), ("its own future", (1, 6)), ("itself", (1, 3))]
    {
        let view = read(&update(&[(1, lost(Some(origin))), (2, vec![Written::text("two")])], &[]));
        assert_eq!(view.left_out(), 2, "{case}");
        assert_eq!(view.text(None).unwrap().len(), 5, "{case}");
    }
    let cycle = update(
        &[
            (1, vec![Written::text("a").between(Some((2, 0)), None), Written::text("b")]),
            (2, vec![Written::text("c").between(None, Some((1, 1)))]),
            (3, vec![Written::text("fine")]),
        ],
        &[(1, vec![(0, 9)]), (7, vec![(0, 1)])],
    );
    let view = read(&cycle);
    assert_eq!((view.left_out(), view.text(None).unwrap()), (3, "fine".to_owned()));
    let skip = Written { kind: 10, content: vec![1], ..Written::text("") };
    let view = read(&update(&[(1, vec![Written::text("a"), skip, Written::text("b")])], &[]));
    assert_eq!((view.left_out(), view.text(None).unwrap()), (1, "a".to_owned()));
    let twice = read(&update(&[(1, vec![Written::text("first")]), (1, vec![Written::text("again")])], &[]));
    assert_eq!((twice.left_out(), twice.text(None).unwrap()), (1, "first".to_owned()));
}

#[test]
fn what_belongs_to_nothing_is_collected() {
    for (case, blocks) in [
        ("in a letter", vec![Written::text("a"), Written::text("b").within(In::Block(1, 0))]),
        (
            "in what is collected",
            vec![Written::text("a"), Written::collected(1), Written::text("b").within(In::Block(1, 1))],
        ),
        (
            "right of what is collected",
            vec![Written::text("a"), Written::collected(2), Written::text("b").between(Some((1, 1)), None)],
        ),
        (
            "left of what is collected",
            vec![Written::text("a"), Written::collected(2), Written::text("b").between(Some((1, 0)), Some((1, 2)))],
        ),
        (
            "in what was in a letter",
            vec![
                Written::text("a"),
                Written::shared(0).within(In::Block(1, 0)),
                Written::text("b").within(In::Block(1, 1)),
            ],
        ),
    ] {
        let view = read(&update(&[(1, blocks)], &[]));
        assert_eq!((view.text(None).unwrap(), view.left_out()), ("a".to_owned(), 0), "{case}");
        assert_eq!(view.items("t").unwrap().count(), 1, "{case}");
    }
}

#[test]
fn a_cut_within_a_pair_leaves_two_replacement_characters() {
    let cut = update(
        &[(1, vec![Written::text("x👋y")]), (2, vec![Written::text("!").between(Some((1, 1)), Some((1, 2)))])],
        &[],
    );
    assert_eq!(read(&cut).text(None).unwrap(), "x\u{fffd}!\u{fffd}y");
    let half = update(&[(1, vec![Written::text("x👋y")])], &[(1, vec![(2, 1)])]);
    assert_eq!(read(&half).text(None).unwrap(), "x\u{fffd}y");
}

#[test]
fn the_last_of_concurrent_values_counts_and_what_lies_in_the_others_is_deleted() {
    let value = |number| Written::shared(number).within(In::Root("m")).at("k");
    let inner = |client| Written::text("x").within(In::Block(client, 0));
    let view = read(&update(&[(1, vec![value(2), inner(1)]), (2, vec![value(2), inner(2)])], &[]));
    assert_eq!(view.json(None).unwrap(), r#"{"m":{"k":"x"}}"#);
    let items: Vec<_> = view.items("m").unwrap().map(|item| (item.id, item.is_deleted)).collect();
    let id = |client| BlockId { client, clock: 0 };
    assert_eq!(items, [(id(1), true), (id(2), false)]);
    assert!(view.items("m").unwrap().next().unwrap().children().unwrap().all(|item| item.is_deleted));
}

/// What cost the square of their number, when blocks were split one by one.
#[test]
fn inserts_and_deletions_everywhere_cost_in_proportion() {
    let n = 6_000;
    let text = (1, vec![Written::text(&"a".repeat(n as usize))]);
    let behind = |at: u32| Written::text("b").between(Some((1, at)), (at + 1 < n).then_some((1, at + 1)));
    let every_other: Vec<_> = (0..n / 2).map(|at| (2 * at, 1)).collect();
    let mut descending = every_other.clone();
    descending.reverse();
    let key = |_| Written::text("v").at("k");
    for (case, update, expected) in [
        ("ascending", update(&[text.clone(), (2, (0..n).map(behind).collect())], &[]), 2 * n),
        ("descending", update(&[text.clone(), (2, (0..n).rev().map(behind).collect())], &[]), 2 * n),
        ("deletions", update(std::slice::from_ref(&text), &[(1, every_other)]), n / 2),
        ("deletions, descending", update(std::slice::from_ref(&text), &[(1, descending)]), n / 2),
        ("deletions of all", update(std::slice::from_ref(&text), &[(1, (0..n).map(|at| (at, n - at)).collect())]), 0),
        ("one key", update(&[(1, (0..n).map(key).collect())], &[]), 1),
    ] {
        let budget = ReadingBudget { steps: 25 * u64::from(n), ..ReadingBudget::default() };
        let view = View::read(&update, budget).unwrap_or_else(|error| panic!("{case}: {error}"));
        let live: u32 = view.items("t").unwrap().filter(|item| !item.is_deleted).map(|item| item.len).sum();
        assert_eq!((live, view.left_out()), (expected, 0), "{case}");
        assert!(view.json(None).is_ok(), "{case}");
    }
}

#[test]
fn what_is_quadratic_for_yjs_costs_the_reader_its_budget() {
    let n = 4_000;
    let text = (1, vec![Written::text(&"a".repeat(n as usize))]);
    let conflicts = (0..n - 1).map(|at| Written::text("b").between(Some((1, 0)), Some((1, n - 1 - at)))).collect();
    let update = update(&[text, (2, conflicts)], &[]);
    let budget = ReadingBudget { steps: 100 * u64::from(n), ..ReadingBudget::default() };
    assert_eq!(View::read(&update, budget).unwrap_err(), ViewError::TooCostly);
    assert!(View::read(&update, ReadingBudget::default()).is_ok(), "it is read by whoever spends more");
}

/// How many times the size of an update reading it takes at most, as the module's documentation says.
const FACTOR: usize = 80;

#[test]
fn memory_is_in_proportion_whatever_is_written() {
    let n = 2_000;
    let text = (1, vec![Written::text(&"a".repeat(2 * n as usize))]);
    let map = |at: u32| match at {
        0 => Written::shared(1),
        _ => Written::shared(1).within(In::Block(1, at - 1)).at(""),
    };
    for (case, update) in [
        ("deletions", update(&[text], &[(1, (0..n).map(|at| (2 * at, 1)).collect())])),
        ("collected", update(&[(1, (0..n).map(|_| Written::collected(1)).collect())], &[])),
        ("clients", update(&(1..127).map(|client| (client, vec![Written::collected(1)])).collect::<Vec<_>>(), &[])),
        (
            "texts in texts",
            update(
                &[(1, (0..n).map(|at| Written::shared(2).within(In::Block(1, at.saturating_sub(1)))).collect())],
                &[],
            ),
        ),
        ("maps in maps", update(&[(1, (0..n).map(map).collect())], &[])),
        ("keys", update(&[(1, (0..n).map(|at| Written::text("v").at(&at.to_string())).collect())], &[])),
    ] {
        let budget = ReadingBudget { bytes: FACTOR * update.len(), ..ReadingBudget::default() };
        assert!(View::read(&update, budget).is_ok(), "{case}: {} bytes", update.len());
    }
}

#[test]
fn memory_is_part_of_the_budget() {
    let keys = (0..2_000).map(|at| Written::text("v").at(&at.to_string())).collect();
    let update = update(&[(1, keys)], &[]);
    let bytes = update.len();
    assert_eq!(
        View::read(&update, ReadingBudget { bytes, ..ReadingBudget::default() }).unwrap_err(),
        ViewError::TooCostly
    );
    let view = View::read(&update, ReadingBudget { bytes: FACTOR * bytes, ..ReadingBudget::default() }).unwrap();
    assert_eq!(parsed(&view.json(Some("t")).unwrap()).as_object().unwrap().len(), 2_000);
    // What is written is: a format that never ends is repeated with each text.
    let format = |text: &str| Written { kind: 6, content: text.bytes().collect(), ..Written::text("") };
    let mut blocks = vec![format("\u{1}f\u{4}true")];
    blocks.extend((0..1_000).flat_map(|_| [Written::text("x"), format("\u{1}g\u{4}true")]));
    let update = self::update(&[(1, blocks)], &[]);
    let view = View::read(&update, ReadingBudget { bytes: FACTOR * update.len(), steps: 20_000 }).unwrap();
    assert!(view.delta(None).is_ok());
    let view = View { budget: ReadingBudget { bytes: 1_000, ..ReadingBudget::default() }, ..view };
    assert_eq!(view.delta(None), Err(RenderError::TooCostly));
}

#[test]
fn depth_costs_no_stack() {
    let deep = 30_000;
    for number in [0, 1, 2, 3, 4, 6] {
        let block = |at: u32| match at {
            0 => Written::shared(number),
            _ if number == 1 => Written::shared(1).within(In::Block(1, at - 1)).at("k"),
            _ => Written::shared(number).within(In::Block(1, at - 1)),
        };
        let blocks = (1, (0..deep).map(block).collect::<Vec<_>>());
        let view = read(&update(std::slice::from_ref(&blocks), &[]));
        assert!(view.json(None).unwrap().len() > 2, "{number}");
        assert!(view.delta(None).is_ok() && view.text(None).is_ok() && view.prosemirror(None).is_ok(), "{number}");
        let view = read(&update(&[blocks], &[(1, vec![(0, 1)])]));
        let item = view.items("t").unwrap().next().unwrap();
        assert!(item.is_deleted && item.children().unwrap().all(|item| item.is_deleted), "{number}");
    }
}

/// Walks all that a view shows; how many items there are.
fn walk(view: &View) -> usize {
    let mut count = 0;
    let mut open: Vec<Items<'_>> = view.roots().map(|root| view.items(root).unwrap()).collect();
    while let Some(items) = open.last_mut() {
        match items.next() {
            Some(item) => {
                count += 1;
                open.extend(item.children());
            }
            None => {
                open.pop();
            }
        }
    }
    count
}

/// Everything that a view answers: it answers, and the JSON is JSON.
fn answers(view: &View) -> Vec<String> {
    let mut answers = vec![view.json(None).unwrap()];
    for root in view.roots() {
        answers.push(view.json(Some(root)).unwrap());
        answers.push(view.delta(Some(root)).unwrap());
        answers.push(view.prosemirror(Some(root)).unwrap());
    }
    for json in &answers {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(), "{json}");
    }
    answers.extend(view.roots().map(|root| view.text(Some(root)).unwrap()));
    answers.push(walk(view).to_string());
    answers
}

fn blocks() -> impl Strategy<Value = Vec<(u64, Vec<Written>)>> {
    let id = || (1..4u64, 0..8u32);
    let content = prop_oneof![
        Just((0, vec![2])),
        Just((1, vec![3])),
        Just((2, b"\x02\x011\x09undefined".to_vec())),
        Just((3, vec![2, 7, 8])),
        Just((4, "\x06a👋b".as_bytes().to_vec())),
        Just((4, b"\x03abc".to_vec())),
        Just((5, b"\x08\"\\ud83d\"".to_vec())),
        Just((6, b"\x01f\x02{}".to_vec())),
        Just((6, b"\x01f\x04null".to_vec())),
        (0..7u8).prop_map(|number| (7, Written::shared(number).content)),
        Just((8, b"\x03\x7f\x76\x01\x01k\x7d\x01\x77\x01\"".to_vec())),
        Just((9, b"\x01g\x76\x00".to_vec())),
        Just((10, vec![1])),
    ];
    let parent = prop_oneof![
        Just(In::Root("t")),
        Just(In::Root("u")),
        id().prop_map(|(client, clock)| In::Block(client, clock)),
    ];
    let rarely = || proptest::option::weighted(0.4, id());
    let key = proptest::option::weighted(0.3, "[ab]");
    let block = (content, rarely(), rarely(), parent, key).prop_map(|((kind, content), origin, right, parent, key)| {
        Written { kind, content, origin, right, parent, key }
    });
    let section = |client: u64, block: BoxedStrategy<Written>| (Just(client), proptest::collection::vec(block, 0..14));
    let block = block.boxed();
    (section(1, block.clone()), section(2, block.clone()), section(3, block)).prop_map(|(a, b, c)| vec![a, b, c])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever is written: it is read in few steps, every answer is whole, and the same again.
    #[test]
    fn any_blocks_are_read(
        blocks in blocks(),
        deletions in proptest::collection::vec((1..5u64, proptest::collection::vec((0..20u32, 0..9u32), 0..4)), 0..4),
    ) {
        let update = update(&blocks, &deletions);
        let budget = ReadingBudget { steps: 20_000, bytes: 1 << 20 };
        let view = View::read(&update, budget).unwrap();
        prop_assert_eq!(answers(&view), answers(&View::read(&update, budget).unwrap()));
        for wanted in [
            Wanted::Text { root: "t".into(), text: "ab\nc".into() },
            Wanted::Json { roots: serde_json::from_str(r#"{"t":[1,{"a":1},"x"],"u":{"a":[1],"c":2}}"#).unwrap(), nested: Nested::Shared },
            Wanted::ProseMirror {
                root: "u".into(),
                document: serde_json::from_str(r#"{"type":"doc","content":[{"type":"p","content":[{"type":"text","text":"x"}]}]}"#).unwrap(),
            },
        ] {
            if let Ok(Some(edit)) = view.rewrite(&wanted, 1 << 20) {
                prop_assert!(scan(&edit).is_ok());
            }
        }
        let written: usize = blocks.iter().map(|(_, blocks)| blocks.len()).sum();
        prop_assert!(view.left_out() <= written);
    }

    /// Real updates with bytes changed, cut out, repeated and put in.
    #[test]
    fn damaged_updates_are_read_or_refused(
        at in 0..ALL.len(),
        damages in proptest::collection::vec((0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut update = decoded(ALL[at]).to_vec();
        for (damage, one, other, byte) in damages {
            if update.is_empty() {
                break;
            }
            let (one, other) = (one.index(update.len()), other.index(update.len()));
            let (from, to) = (one.min(other), one.max(other));
            match damage {
                0 => update[one] = byte,
                1 => update.truncate(one),
                2 => update.splice(from..from, update[from..to].to_vec()).for_each(drop),
                _ => update.insert(one, byte),
            }
        }
        let update = Bytes::from(update);
        if let Ok(view) = View::read(&update, ReadingBudget { steps: 1 << 20, bytes: 1 << 24 }) {
            answers(&view);
        }
    }
}
