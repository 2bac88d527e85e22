#![no_main]
//! Any update as a document, and any text as what it is to be, or as operations: refused, or an edit that the document takes as any other,
//! after which nothing is left to do.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::document::{Applied, Blocks, DraftError, Json, Nested, Operation, ReadingBudget, Refusal, View, Wanted};

const BYTES_MAX: usize = 256 << 10;
const BUDGET: ReadingBudget = ReadingBudget { steps: 300_000, bytes: 16 << 20 };
const CLIENTS: [u64; 2] = [4_000_000_007, 4_000_000_009];
const ROOT: &str = "t";

enum Change {
    Wanted(Wanted),
    Operations(Vec<Operation>),
}

fn change(mode: u8, text: &str) -> Option<Change> {
    let root = ROOT.to_owned();
    Some(match mode % 6 {
        0 => Change::Wanted(Wanted::Text { root, text: text.to_owned() }),
        1 => Change::Wanted(Wanted::ProseMirror { root, document: serde_json::from_str(text).ok()? }),
        2 => Change::Operations(serde_json::from_str(text).ok()?),
        mode => {
            let nested = [Nested::AsBeside, Nested::Plain, Nested::Shared][usize::from(mode) - 3];
            let Json::Map(roots) = serde_json::from_str(text).ok()? else { return None };
            Change::Wanted(Wanted::Json { roots, nested })
        }
    })
}

fn drafted(document: &Blocks, change: &Change, client: u64) -> Option<Result<Option<Bytes>, DraftError>> {
    let view = View::read(&Bytes::from(document.state()), BUDGET).ok()?;
    Some(match change {
        Change::Wanted(wanted) => view.rewrite(wanted, client),
        Change::Operations(operations) => view.edit(operations, client),
    })
}

fuzz_target!(|bytes: &[u8]| {
    let [mode, low, high, rest @ ..] = bytes else { return };
    let (edit, text) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(change) = change(*mode, text) else { return };
    let mut document = Blocks::new(BYTES_MAX, false);
    // What cannot be taken leaves an empty document.
    let _ = document.apply(&Bytes::copy_from_slice(edit));
    if CLIENTS.iter().any(|client| document.has_client(*client)) {
        return;
    }
    let Some(Ok(Some(update))) = drafted(&document, &change, CLIENTS[0]) else { return };
    match document.apply(&update) {
        Ok(Applied { lacking, news }) => {
            assert_eq!(lacking, None, "it is complete");
            assert!(news.is_some(), "it changes something");
        }
        Err(Refusal::Malformed(_) | Refusal::Impossible(_)) => panic!("no Yjs client would have written it"),
        // It would be too much.
        Err(_) => return,
    }
    if let Change::Wanted(wanted) = &change {
        let again = drafted(&document, &change, CLIENTS[1]);
        assert!(!matches!(again, Some(Ok(Some(_)))), "it is as wanted now");
        if let (Wanted::Text { text, .. }, Ok(view)) = (wanted, View::read(&Bytes::from(document.state()), BUDGET)) {
            assert_eq!(view.text(Some(ROOT)).as_deref(), Ok(text.as_str()));
        }
    }
});
