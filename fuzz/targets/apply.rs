#![no_main]
//! A history of updates, each behind its length: what is taken live loads to the same, and what is refused leaves nothing.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::document::{Applied, Blocks, ReadingBudget, View};

/// What a document may hold, small enough that the bound is met.
const BYTES_MAX: usize = 64 << 10;
/// What deletions may add to it, and a document that holds one message of the largest size.
const SLACK: usize = BYTES_MAX / 8 + 1024;

/// The updates of a history; a length that lies means all that is left.
fn updates(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut found = Vec::new();
    while let [low, high, rest @ ..] = bytes {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        found.push(Bytes::copy_from_slice(&rest[..len]));
        bytes = &rest[len..];
    }
    found
}

fn loaded(updates: &[Bytes], keeps_deleted: bool) -> Blocks {
    let mut document = Blocks::new(BYTES_MAX, keeps_deleted);
    assert_eq!(document.load(updates), [], "what was taken can be read again");
    document
}

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, history)) = bytes.split_first() else { return };
    let keeps_deleted = flags & 1 == 1;
    let mut document = Blocks::new(BYTES_MAX, keeps_deleted);
    let mut stored = Vec::new();
    let edits = updates(history);
    for edit in &edits {
        let before = document.state();
        match document.apply(edit) {
            Ok(Applied { news: Some(news), .. }) => {
                let again = loaded(&stored, keeps_deleted).apply(&news.update).expect("news can be taken");
                assert_eq!(again.lacking, None, "news is complete");
                assert_eq!(again.news.map(|news| news.update), Some(news.update.clone()), "news is new");
                stored.push(news.update);
            }
            Ok(Applied { news: None, .. }) | Err(_) => assert_eq!(document.state(), before, "nothing is left"),
        }
        assert!(document.held() <= BYTES_MAX + SLACK, "a document holds {}", document.held());
    }
    let state = Bytes::from(document.state());
    assert_eq!(loaded(&stored, keeps_deleted).state(), state, "what was taken live loads to the same");
    assert_eq!(loaded(std::slice::from_ref(&state), keeps_deleted).state(), state, "a snapshot loads to the same");
    // Loading takes what it can of anything, also of what was refused.
    let _ = Blocks::new(BYTES_MAX, keeps_deleted).load(&edits);
    if let Ok(view) = View::read(&state, ReadingBudget::default()) {
        assert_eq!(view.left_out(), 0, "a document is causally closed");
    }
    let _ = edits.iter().map(|edit| document.diff(edit)).collect::<Vec<_>>();
    let _ = edits.iter().map(|edit| document.brings_nothing_of_its_own(edit)).collect::<Vec<_>>();
});
