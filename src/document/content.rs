//! What a block holds, as it stands on the wire: how long it is in clock units, and how it is cut. Nothing is decoded and encoded again:
//! what one client wrote, others get byte for byte.

use serde::de::IgnoredAny;

use super::{Refusal, VALUE_DEPTH_MAX};
use crate::protocol::DecodeError;
use crate::protocol::lib0::Input;

/// The kinds of blocks in the v1 encoding, by their numbers there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A collected block: only its length is known.
    Collected = 0,
    /// Deleted content, with its place.
    Deleted = 1,
    /// Plain values as JSON texts, one a unit; from before Yjs 13.
    Json = 2,
    /// Bytes.
    Binary = 3,
    /// Text; a unit is a UTF-16 code unit.
    Text = 4,
    /// An embed: a plain value as JSON text.
    Embed = 5,
    /// A formatting mark: a key, and its value as JSON text.
    Format = 6,
    /// A shared type.
    Type = 7,
    /// Plain values, one a unit.
    Any = 8,
    /// A subdocument.
    Document = 9,
    /// Clocks that are left out.
    Skip = 10,
}

impl Kind {
    pub(crate) fn of(info: u8) -> Option<Self> {
        Some(match info {
            // These two stand alone in their byte.
            0 => Self::Collected,
            10 => Self::Skip,
            _ => match info & 0x1f {
                1 => Self::Deleted,
                2 => Self::Json,
                3 => Self::Binary,
                4 => Self::Text,
                5 => Self::Embed,
                6 => Self::Format,
                7 => Self::Type,
                8 => Self::Any,
                9 => Self::Document,
                _ => return None,
            },
        })
    }
}

/// A block's content: the bytes of the wire without what only tells the length, which is known. For [`Kind::Text`] these are the
/// text's bytes, for [`Kind::Any`] and [`Kind::Json`] the values one behind another, for kinds without content none, for all others
/// the content as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'u> {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub raw: &'u [u8],
}

impl<'u> Content<'u> {
    /// The bytes of each of `len` units, of what is no text.
    pub fn units(self, len: u32) -> impl Iterator<Item = &'u [u8]> {
        let mut cutter = Cutter::new(self);
        (0..len).map(move |_| cutter.take(1).content.raw)
    }
}

/// Reads the content of a block that is neither collected nor skipped; with its length in clock units.
pub(super) fn read<'u>(input: &mut Input<'u>, kind: Kind) -> Result<(Content<'u>, u32), Refusal> {
    let begin = input.position();
    let len = match kind {
        Kind::Collected | Kind::Deleted | Kind::Skip => {
            let len = input.var_u32()?;
            return Ok((Content { kind, raw: &[] }, len));
        }
        Kind::Text => {
            let text = input.text()?;
            let len = u32::try_from(units(text.as_bytes())).map_err(|_| DecodeError::NumberTooLarge)?;
            return Ok((Content { kind, raw: text.as_bytes() }, len));
        }
        Kind::Json | Kind::Any => {
            let count = input.count(1)?;
            let begin = input.position();
            for _ in 0..count {
                if kind == Kind::Any { value(input)? } else { json(input)? }
            }
            let len = u32::try_from(count).map_err(|_| DecodeError::NumberTooLarge)?;
            return Ok((Content { kind, raw: input.since(begin) }, len));
        }
        Kind::Binary => {
            input.raw_buf()?;
            1
        }
        Kind::Embed => {
            json(input)?;
            1
        }
        Kind::Format => {
            input.text()?;
            json(input)?;
            1
        }
        Kind::Type => {
            match input.var_uint()? {
                0 | 1 | 2 | 4 | 6 => {}
                // XML elements and hooks have a name.
                3 | 5 => {
                    input.text()?;
                }
                _ => return Err(Refusal::Impossible("a shared type of an unknown kind")),
            }
            1
        }
        Kind::Document => {
            input.text()?;
            value(input)?;
            1
        }
    };
    Ok((Content { kind, raw: input.since(begin) }, len))
}

/// The number that stands before a content of `len` units and `bytes`, where there is one.
pub(super) fn len_before(kind: Kind, len: u32, bytes: usize) -> Option<u64> {
    match kind {
        Kind::Text => Some(bytes as u64),
        Kind::Collected | Kind::Deleted | Kind::Skip | Kind::Json | Kind::Any => Some(len.into()),
        Kind::Binary | Kind::Embed | Kind::Format | Kind::Type | Kind::Document => None,
    }
}

/// How many UTF-16 code units a text has. Counted in bytes, which the compiler does for many at once: a text may have 64 MiB.
pub(super) fn units(text: &[u8]) -> usize {
    // Two of each byte at most, so that the count of a part fits.
    let of_byte = |byte: &u8| u8::from(byte.cast_signed() >= -0x40) + u8::from(*byte >= 0xf0);
    text.chunks(96).map(|part| usize::from(part.iter().map(of_byte).sum::<u8>())).sum()
}

/// Walks along a content and hands out pieces of it, from left to right, so that cutting it into many costs one walk.
pub(super) struct Cutter<'u> {
    kind: Kind,
    rest: &'u [u8],
    /// Whether the walk stands within a surrogate pair, whose character is behind it.
    is_in_pair: bool,
}

impl<'u> Cutter<'u> {
    pub fn new(content: Content<'u>) -> Self {
        Self { kind: content.kind, rest: content.raw, is_in_pair: false }
    }

    /// Goes on where [`place`](Self::place) was told, with what was behind it.
    pub fn resume(rest: Content<'u>, is_in_pair: bool) -> Self {
        Self { kind: rest.kind, rest: rest.raw, is_in_pair }
    }

    /// How many bytes are left, and whether the walk stands within a surrogate pair.
    pub fn place(&self) -> (usize, bool) {
        (self.rest.len(), self.is_in_pair)
    }

    /// Passes over `len` units.
    pub fn skip(&mut self, len: u32) {
        self.walk(len);
    }

    /// The next `len` units. Where a cut falls within a surrogate pair, its half becomes U+FFFD, as in Yjs.
    pub fn take(&mut self, len: u32) -> Piece<'u> {
        let begins_in_pair = self.is_in_pair;
        let raw = self.walk(len);
        Piece { content: Content { kind: self.kind, raw }, begins_in_pair, ends_in_pair: self.is_in_pair }
    }

    /// Moves by `len` units; what was passed, without the characters that are cut.
    fn walk(&mut self, len: u32) -> &'u [u8] {
        if len == 0 {
            return &[];
        }
        let passed = match self.kind {
            Kind::Text => self.walk_text(len as usize),
            Kind::Any | Kind::Json => self.values_len(len),
            // Of one unit, or without content.
            _ => self.rest.len(),
        };
        let (passed, rest) = self.rest.split_at(passed);
        self.rest = rest;
        if self.is_in_pair && self.kind == Kind::Text {
            // The character that is cut stands at the front of the rest.
            self.rest = &self.rest[4..];
        }
        passed
    }

    /// The bytes that hold `units` more, without the pair that is cut at the end.
    fn walk_text(&mut self, mut units: usize) -> usize {
        if units > 0 && std::mem::take(&mut self.is_in_pair) {
            units -= 1;
        }
        // Mostly ASCII: then a unit is a byte.
        let mut at = 0;
        while units > 0 && at < self.rest.len() {
            let (bytes, width) = match self.rest[at] {
                0..0x80 => (1, 1),
                0x80..0xe0 => (2, 1),
                0xe0..0xf0 => (3, 1),
                0xf0.. => (4, 2),
            };
            if width > units {
                self.is_in_pair = true;
                break;
            }
            at += bytes;
            units -= width;
        }
        at
    }

    fn values_len(&self, len: u32) -> usize {
        let mut input = Input::raw(self.rest);
        for _ in 0..len {
            // Read when it came, so it can be read again.
            let read =
                if self.kind == Kind::Any { value(&mut input) } else { input.raw_buf().map(drop).map_err(Into::into) };
            if read.is_err() {
                break;
            }
        }
        input.position()
    }
}

/// A part of a content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'u> {
    pub content: Content<'u>,
    pub begins_in_pair: bool,
    pub ends_in_pair: bool,
}

/// What stands for half a surrogate pair.
const HALF: &[u8] = "\u{fffd}".as_bytes();

impl Piece<'_> {
    /// Appends its bytes, without a length.
    pub fn put_raw(&self, out: &mut Vec<u8>) {
        if self.begins_in_pair {
            out.extend_from_slice(HALF);
        }
        out.extend_from_slice(self.content.raw);
        if self.ends_in_pair {
            out.extend_from_slice(HALF);
        }
    }
}

/// Reads a plain value written as JSON text, as `JSON.parse` would: half a surrogate pair written as an escape passes, and so does
/// the `undefined` of old clients.
fn json(input: &mut Input<'_>) -> Result<(), Refusal> {
    let text = input.text()?;
    if text == "undefined" {
        return Ok(());
    }
    let (mut depth, mut in_text) = (0u32, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => {
                bytes.next();
            }
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > VALUE_DEPTH_MAX {
                    return Err(Refusal::ValueTooDeep);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let parsed = serde_json::from_str::<IgnoredAny>(text);
    parsed.map(drop).map_err(|_| Refusal::Impossible("a value that is no JSON"))
}

/// Reads one `Any` value, without recursion.
pub(super) fn value(input: &mut Input<'_>) -> Result<(), Refusal> {
    // What is left to read in each open list, and whether each item has a key.
    let mut open: Vec<(usize, bool)> = Vec::new();
    loop {
        match input.u8()? {
            120 | 121 | 126 | 127 => {}
            125 => {
                input.var_int()?;
            }
            124 => {
                input.take(4)?;
            }
            122 | 123 => {
                input.take(8)?;
            }
            119 => {
                input.text()?;
            }
            116 => {
                input.raw_buf()?;
            }
            kind @ (117 | 118) => {
                let is_map = kind == 118;
                let count = input.count(if is_map { 2 } else { 1 })?;
                if open.len() as u32 == VALUE_DEPTH_MAX {
                    return Err(Refusal::ValueTooDeep);
                }
                open.push((count, is_map));
            }
            _ => return Err(Refusal::Impossible("a value of an unknown kind")),
        }
        loop {
            match open.last_mut() {
                None => return Ok(()),
                Some((0, _)) => {
                    open.pop();
                }
                Some((left, is_map)) => {
                    *left -= 1;
                    if *is_map {
                        input.text()?;
                    }
                    break;
                }
            }
        }
    }
}
