#![no_main]
//! Any bytes as a document to read: shown or refused within the budget, and the same each time.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::document::{ReadingBudget, View};

/// Small, so that what is too much is met, and soon.
const BUDGET: ReadingBudget = ReadingBudget { steps: 300_000, bytes: 16 << 20 };

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(view) = View::read(&bytes, BUDGET) else { return };
    let again = View::read(&bytes, BUDGET).expect("read before");
    assert_eq!(view.text(None).ok(), again.text(None).ok());
    assert_eq!(view.json(None).ok(), again.json(None).ok());
    for root in view.roots() {
        let _ = (view.text(Some(root)), view.json(Some(root)), view.delta(Some(root)), view.prosemirror(Some(root)));
        assert!(view.items(root).is_some_and(|items| items.count() <= 2 * bytes.len()));
    }
});
