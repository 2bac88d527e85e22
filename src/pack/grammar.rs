//! The grammar of a Yjs update in v1 encoding, walked along once for each purpose: to see whether a body follows it, to split it into
//! columns, to put it together again. What it says of a number decides only where that is kept, and what is expected of it.

use super::columns::Column;
use super::expect::{Expect, Unit};

/// Values lie in each other at most so deep; a body where they are deeper is kept as it is.
const DEPTH_MAX: u32 = 64;

/// A walk along an update.
pub(super) trait Walk {
    /// Why it cannot go on.
    type Error;

    /// What is expected.
    fn expect(&mut self) -> &mut Expect;

    /// A number, kept as its distance from another.
    fn number(&mut self, column: Column, expected: u64) -> Result<u64, Self::Error>;

    /// A Yjs client, by its place among all that were seen.
    fn client(&mut self, column: Column, expected: u64) -> Result<u64, Self::Error>;

    /// A byte.
    fn byte(&mut self, column: Column) -> Result<u8, Self::Error>;

    /// So many bytes, of which it tells how many units a text of them has.
    fn bytes(&mut self, column: Column, len: u64) -> Result<u64, Self::Error>;

    /// This is no update.
    fn foreign(&self) -> Self::Error;
}

/// Walks along a whole update.
pub(super) fn update<W: Walk>(walk: &mut W) -> Result<(), W::Error> {
    let sections = walk.number(Column::Sections, 1)?;
    for _ in 0..sections {
        section(walk)?;
    }
    // What writes nothing deletes.
    let expected = (sections == 0).into();
    for _ in 0..walk.number(Column::Deletions, expected)? {
        deletions(walk)?;
    }
    Ok(())
}

/// The blocks of one client.
fn section<W: Walk>(walk: &mut W) -> Result<(), W::Error> {
    let blocks = walk.number(Column::Blocks, 1)?;
    let expected = walk.expect().left.client;
    let client = walk.client(Column::Client, expected)?;
    let expected = walk.expect().clock(client);
    let mut clock = walk.number(Column::Clock, expected)?;
    for _ in 0..blocks {
        let first = Unit { client, clock };
        let (units, left, right) = block(walk)?;
        clock = clock.wrapping_add(units);
        walk.expect().on_block((first, Unit { clock, ..first }.previous()), left, right);
    }
    walk.expect().on_blocks(client, clock);
    Ok(())
}

fn deletions<W: Walk>(walk: &mut W) -> Result<(), W::Error> {
    let expected = walk.expect().left.client;
    let client = walk.client(Column::DeletedClient, expected)?;
    for _ in 0..walk.number(Column::DeletedRanges, 1)? {
        let expected = walk.expect().left.clock;
        let clock = walk.number(Column::Deleted, expected)?;
        walk.number(Column::DeletedLen, 1)?;
        walk.expect().on_deleted(Unit { client, clock });
    }
    Ok(())
}

/// A block: how many units it has, and the units left and right of it, as far as it tells them.
fn block<W: Walk>(walk: &mut W) -> Result<(u64, Option<Unit>, Option<Unit>), W::Error> {
    let info = walk.byte(Column::Info)?;
    // Collected, and left out: these two stand alone in their byte.
    if matches!(info, 0 | 10) {
        return Ok((walk.number(Column::Len, 1)?, None, None));
    }
    let (mut left, mut right) = (None, None);
    if info & 0x80 != 0 {
        let expected = walk.expect().left;
        left = Some(unit(walk, (Column::OriginClient, Column::Origin), expected)?);
    }
    if info & 0x40 != 0 {
        let expected = walk.expect().right_of(left);
        right = Some(unit(walk, (Column::RightClient, Column::Right), expected)?);
    }
    if info & 0xc0 == 0 {
        match walk.number(Column::Parent, 1)? {
            1 => name(walk)?,
            _ => {
                let expected = walk.expect().parent;
                walk.expect().parent = unit(walk, (Column::Parent, Column::Parent), expected)?;
            }
        }
        if info & 0x20 != 0 {
            name(walk)?;
        }
    }
    Ok((content(walk, info & 0x1f)?, left, right))
}

/// A block's content: how many units it has.
fn content<W: Walk>(walk: &mut W, kind: u8) -> Result<u64, W::Error> {
    match kind {
        // Deleted.
        1 => return walk.number(Column::Len, 1),
        // JSON: old values as texts.
        2 => {
            let count = walk.number(Column::Len, 1)?;
            for _ in 0..count {
                value_bytes(walk)?;
            }
            return Ok(count);
        }
        // Text.
        4 => {
            let len = walk.number(Column::TextLen, 1)?;
            return walk.bytes(Column::Text, len);
        }
        // Values.
        8 => {
            let count = walk.number(Column::Len, 1)?;
            for _ in 0..count {
                value(walk, DEPTH_MAX)?;
            }
            return Ok(count);
        }
        // Bytes, and an embed as text.
        3 | 5 => value_bytes(walk)?,
        // A formatting mark.
        6 => {
            name(walk)?;
            value_bytes(walk)?;
        }
        // A shared type; elements and hooks have names.
        7 => {
            if matches!(walk.number(Column::Len, 0)?, 3 | 5) {
                name(walk)?;
            }
        }
        // A subdocument.
        9 => {
            value_bytes(walk)?;
            value(walk, DEPTH_MAX)?;
        }
        _ => return Err(walk.foreign()),
    }
    Ok(1)
}

/// A plain value, as lib0 writes any.
fn value<W: Walk>(walk: &mut W, depth_left: u32) -> Result<(), W::Error> {
    match walk.byte(Column::Value)? {
        // Undefined, null, false, true.
        127 | 126 | 121 | 120 => {}
        // An integer, as long as its bytes go on.
        125 => while walk.byte(Column::Value)? >= 0x80 {},
        124 => drop(walk.bytes(Column::Value, 4)?),
        123 | 122 => drop(walk.bytes(Column::Value, 8)?),
        // A text, bytes.
        119 | 116 => value_bytes(walk)?,
        kind @ (118 | 117) => {
            let depth_left = depth_left.checked_sub(1).ok_or_else(|| walk.foreign())?;
            for _ in 0..walk.number(Column::ValueLen, 0)? {
                if kind == 118 {
                    name(walk)?;
                }
                value(walk, depth_left)?;
            }
        }
        _ => return Err(walk.foreign()),
    }
    Ok(())
}

fn unit<W: Walk>(walk: &mut W, (clients, clocks): (Column, Column), expected: Unit) -> Result<Unit, W::Error> {
    let client = walk.client(clients, expected.client)?;
    Ok(Unit { client, clock: walk.number(clocks, expected.clock)? })
}

fn name<W: Walk>(walk: &mut W) -> Result<(), W::Error> {
    let len = walk.number(Column::NameLen, 0)?;
    walk.bytes(Column::Name, len).map(drop)
}

fn value_bytes<W: Walk>(walk: &mut W) -> Result<(), W::Error> {
    let len = walk.number(Column::ValueLen, 0)?;
    walk.bytes(Column::Value, len).map(drop)
}

/// How many UTF-16 code units a text has; of other bytes, some number.
pub(super) fn units(text: &[u8]) -> u64 {
    let chars = text.iter().filter(|byte| (**byte).cast_signed() >= -0x40).count();
    (chars + text.iter().filter(|byte| **byte >= 0xf0).count()) as u64
}
