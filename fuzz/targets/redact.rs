#![no_main]
//! Any update, and any units of it to erase: nothing of them is left in it, and everything else is as it was, the ids, lengths and places of
//! the erased units among it. Before the update stand how many ranges there are, and of each whose it is, where it begins, how long it is.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::document::{Block, BlockId, Blocks, ErasedUnits, IdRange, Kind, Scan, has_words, scan};

const BYTES_MAX: usize = 1 << 20;
const RANGES_MAX: usize = 16;

/// The ranges, as far as the update has clients; they may go on behind what it has of one.
fn ranges(bytes: &[u8], scan: &Scan<'_>) -> Vec<IdRange> {
    let range = |bytes: &[u8]| {
        let [section, low, high, len] = *bytes else { return None };
        let section = scan.sections.get(usize::from(section) % scan.sections.len().max(1))?;
        let from = u32::from(u16::from_le_bytes([low, high])) % (section.end - section.start).max(1);
        let start = section.start + from;
        Some(IdRange { client: section.client, start, end: start.saturating_add(len.into()) })
    };
    bytes.chunks(4).filter_map(range).collect()
}

fn span(client: u64, block: &Block<'_>) -> IdRange {
    IdRange { client, start: block.clock, end: block.end() }
}

/// The parts of a block, in order, and whether each is erased.
fn parts(client: u64, block: &Block<'_>, units: &ErasedUnits) -> Vec<(IdRange, bool)> {
    let whole = span(client, block);
    if !has_words(block.content) {
        return vec![(whole, false)];
    }
    let erased = units.within(whole).into_iter().map(|range| (range, true));
    let kept = units.missing(whole).into_iter().map(|range| (range, false));
    let mut parts: Vec<_> = erased.chain(kept).collect();
    parts.sort_by_key(|(range, _)| range.start);
    parts
}

/// What stands in place of a block is what it was, without what is erased. `others` stand in its place where all else is erased.
fn check(client: u64, block: &Block<'_>, pieces: &[Block<'_>], others: &[Block<'_>], parts: &[(IdRange, bool)]) {
    if !parts.iter().any(|(_, is_erased)| *is_erased) {
        assert_eq!(pieces, [*block], "it is not touched");
        return;
    }
    assert_eq!((pieces.len(), others.len()), (parts.len(), parts.len()));
    let (mut values, units) = (Vec::new(), String::from_utf8_lossy(block.content.raw).encode_utf16().collect::<Vec<_>>());
    for ((piece, other), (range, is_erased)) in pieces.iter().zip(others).zip(parts) {
        assert_eq!(span(client, piece), *range);
        if range.start == block.clock {
            assert_eq!((piece.origin, piece.parent, piece.key), (block.origin, block.parent, block.key));
        } else {
            let before = BlockId { client, clock: range.start - 1 };
            assert_eq!((piece.origin, piece.parent, piece.key), (Some(before), None, None));
        }
        assert_eq!(piece.right, block.right);
        let (gone, kept) = if *is_erased { (piece, other) } else { (other, piece) };
        assert_eq!((gone.content.kind, gone.content.raw), (Kind::Deleted, &[][..]));
        assert_eq!(kept.content.kind, block.content.kind);
        values.extend_from_slice(kept.content.raw);
        if block.content.kind == Kind::Text {
            let own = &units[(range.start - block.clock) as usize..(range.end - block.clock) as usize];
            assert_eq!(String::from_utf16_lossy(own).as_bytes(), kept.content.raw);
        }
    }
    if block.content.kind != Kind::Text {
        assert_eq!(values, block.content.raw, "each value is in one of both");
    }
}

fn redacted(units: &ErasedUnits, update: &Bytes) -> Bytes {
    let out = units.redact(update).expect("it was read").unwrap_or_else(|| update.clone());
    assert_eq!(units.redact(&out), Ok(None), "nothing is left to erase");
    out
}

fuzz_target!(|bytes: &[u8]| {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (named, update) = rest.split_at((usize::from(*count) % RANGES_MAX * 4).min(rest.len()));
    let update = Bytes::copy_from_slice(update);
    let Ok(before) = scan(&update) else {
        assert!(ErasedUnits::default().redact(&update).is_err());
        return;
    };
    let (mut units, mut others) = (ErasedUnits::default(), ErasedUnits::default());
    ranges(named, &before).into_iter().for_each(|range| units.add(range));
    for section in &before.sections {
        let kept = before.blocks(section).flat_map(|block| units.missing(span(section.client, &block)));
        kept.for_each(|range| others.add(range));
    }
    let (out, opposite) = (redacted(&units, &update), redacted(&others, &update));
    let (after, opposite) = (scan(&out).expect("it can be read"), scan(&opposite).expect("it can be read"));
    assert_eq!(out[after.deletions_at..], update[before.deletions_at..]);
    assert_eq!(after.sections.len(), before.sections.len());
    for (number, section) in before.sections.iter().enumerate() {
        let (now, then) = (&after.sections[number], &opposite.sections[number]);
        assert_eq!((now.client, now.start, now.end), (section.client, section.start, section.end));
        let (mut pieces, mut opposites) = (after.blocks(now).peekable(), opposite.blocks(then).peekable());
        for block in before.blocks(section) {
            let own: Vec<_> = std::iter::from_fn(|| pieces.next_if(|piece| piece.clock < block.end())).collect();
            let others: Vec<_> = std::iter::from_fn(|| opposites.next_if(|piece| piece.clock < block.end())).collect();
            check(section.client, &block, &own, &others, &parts(section.client, &block, &units));
        }
        assert_eq!((pieces.next(), opposites.next()), (None, None));
    }
    // As the server keeps it.
    let (mut whole, mut less) = (Blocks::new(BYTES_MAX, false), Blocks::new(BYTES_MAX, false));
    if whole.load([&update]).is_empty() {
        assert_eq!(less.load([&out]), [], "what could be loaded still can");
        assert_eq!(less.state_vector(), whole.state_vector());
    }
});
