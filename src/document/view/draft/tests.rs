//! What Yjs judges of drafts stands in `tests/judge`. Here: what they cost, and what no Yjs writes.

use bytes::Bytes;

use super::{DraftError, Nested, Operation, Wanted};
use crate::document::{Blocks, Json, ReadingBudget, View};

fn text(text: impl Into<String>) -> Wanted {
    Wanted::Text { root: "t".into(), text: text.into() }
}

/// A document with this content, and how it is kept.
fn document(wanted: &Wanted) -> Blocks {
    let mut blocks = Blocks::new(64 << 20, false);
    let update = view(&blocks).rewrite(wanted, 1).unwrap().unwrap();
    assert!(blocks.apply_whole(&update).unwrap().is_some());
    blocks
}

fn view(blocks: &Blocks) -> View {
    View::read(&Bytes::from(blocks.state()), ReadingBudget::default()).unwrap()
}

#[test]
fn a_small_change_of_a_long_text_is_a_short_update() {
    let line = "All work and no play makes Jack a dull boy.\n";
    let old = line.repeat(5_000);
    let blocks = document(&text(old.clone()));
    let new = old.replacen("Jack", "Ada", 1) + "The end.";
    let update = view(&blocks).rewrite(&text(new.clone()), 2).unwrap().unwrap();
    assert!(update.len() < 100, "{}", update.len());
    let mut blocks = blocks;
    blocks.apply_whole(&update).unwrap();
    assert_eq!(view(&blocks).text(None).unwrap(), new);
}

#[test]
fn texts_that_have_nothing_in_common_are_replaced_within_the_budget() {
    // Every line, and every character, differs: the worst for whoever compares them.
    let lines = |from: u32| (from..from + 40_000).map(|n| format!("{n}\n")).collect::<String>();
    let blocks = document(&text(lines(0)));
    let new = lines(1_000_000);
    let update = view(&blocks).rewrite(&text(new.clone()), 2).unwrap().unwrap();
    assert!(update.len() < new.len() + 1000);
}

#[test]
fn what_takes_more_than_the_budget_is_refused() {
    let values: Vec<Json> = (0..2000).map(Json::Int).collect();
    let wanted = |values: Vec<Json>| Wanted::Json {
        roots: [("l".to_owned(), Json::List(values))].into(),
        nested: Nested::Plain,
    };
    let blocks = document(&wanted(values.clone()));
    let state = Bytes::from(blocks.state());
    let other = wanted(values.iter().rev().cloned().collect());
    let small = View::read(&state, ReadingBudget { steps: 30_000, bytes: 1 << 20 }).unwrap();
    assert_eq!(small.rewrite(&other, 2), Err(DraftError::TooCostly));
    assert!(view(&blocks).rewrite(&other, 2).unwrap().is_some());
}

#[test]
fn no_type_is_nested_deeper_than_types_may_be() {
    let nest = |depth: usize| {
        let operations: Vec<String> = (1..=depth)
            .map(|at| {
                let path: Vec<String> = std::iter::once("m".to_owned()).chain(vec!["k".to_owned(); at]).collect();
                format!(r#"{{"op":"set","path":{},"value":{{}},"shared":true}}"#, serde_json::to_string(&path).unwrap())
            })
            .collect();
        let operations: Vec<Operation> = serde_json::from_str(&format!("[{}]", operations.join(","))).unwrap();
        let mut blocks = Blocks::new(1 << 20, false);
        let update = view(&blocks).edit(&operations, 1).unwrap().unwrap();
        blocks.apply_whole(&update)
    };
    assert!(nest(128).is_ok());
    assert!(nest(129).is_err());
}

#[test]
fn a_plain_value_that_is_compared_fits_into_the_budget_as_it_is_in_memory() {
    let wanted = |last: i64| {
        let values: Vec<Json> = (0..2000).chain([last]).map(Json::Int).collect();
        let members = Json::Map([("k".to_owned(), Json::List(values))].into());
        Wanted::Json { roots: [("m".to_owned(), members)].into(), nested: Nested::Plain }
    };
    let state = Bytes::from(document(&wanted(0)).state());
    let rewritten = |bytes| {
        let view = View::read(&state, ReadingBudget { bytes, ..ReadingBudget::default() }).unwrap();
        view.rewrite(&wanted(1), 2)
    };
    assert_eq!(rewritten(100_000), Err(DraftError::TooCostly));
    assert!(rewritten(1 << 20).unwrap().is_some());
}

#[test]
fn formats_that_hold_again_and_again_count_each_time() {
    let operations = |text: &str| -> Vec<Operation> { serde_json::from_str(text).unwrap() };
    let long = format!("[{}0]", "0,".repeat(100));
    let insert =
        format!(r#"{{"op":"insert","path":["t"],"index":0,"text":"{}","attributes":{{"a":{long}}}}}"#, "x".repeat(200));
    let bold = |index: usize| {
        format!(r#"{{"op":"format","path":["t"],"index":{index},"length":1,"attributes":{{"b":true}}}}"#)
    };
    let mut blocks = Blocks::new(1 << 20, false);
    for (client, text) in [
        (1, format!("[{insert}]")),
        (2, format!("[{}]", (0..100).map(|at| bold(2 * at)).collect::<Vec<_>>().join(","))),
    ] {
        let update = view(&blocks).edit(&operations(&text), client).unwrap().unwrap();
        blocks.apply_whole(&update).unwrap();
    }
    let state = Bytes::from(blocks.state());
    let edited = |bytes| {
        let view = View::read(&state, ReadingBudget { bytes, ..ReadingBudget::default() }).unwrap();
        view.edit(&operations(&format!("[{}]", bold(1))), 3)
    };
    assert_eq!(edited(1 << 20), Err(DraftError::TooCostly));
    assert!(edited(8 << 20).unwrap().is_some());
}
