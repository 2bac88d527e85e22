#![no_main]
//! Any bytes as an update: read or refused, and what was read once can be read again.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::document::{Clocks, scan, split_updates};

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(scanned) = scan(&bytes) {
        for section in &scanned.sections {
            let blocks: Vec<_> = scanned.blocks(section).collect();
            assert_eq!(blocks.len(), section.blocks);
            assert_eq!(blocks.last().map_or(section.start, |block| block.end()), section.end);
            assert!(blocks.windows(2).all(|pair| pair[0].end() == pair[1].clock));
        }
        assert_eq!(scanned.deletions().next().is_some(), scanned.deletions().count() > 0);
        let _ = scanned.check_clients();
    }
    if let Ok(updates) = split_updates(&bytes) {
        assert!(updates.iter().map(Bytes::len).sum::<usize>() <= bytes.len());
    }
    let _ = Clocks::read(&bytes);
});
