//! Updates in Yjs' v2 encoding, rewritten in v1: sockets speak v1, so that is what is kept and shown. v2 keeps each kind of value in a
//! column of its own and writes runs as one, so that a few bytes may stand for very many blocks: what is written is bounded, and
//! every turn of a loop writes something.

use bytes::Bytes;

use super::content::{self, Kind};
use super::encode::Head;
use super::json;
use super::scan::Parent;
use super::{BlockId, Refusal};
use crate::protocol::DecodeError;
use crate::protocol::lib0::{Input, put_buf, put_var_uint};

/// Rewrites an update from v2 in v1, in at most `bytes_max`. Whether a document takes it is for others to say.
///
/// # Errors
/// It cannot be read, or takes more in v1.
pub fn from_v2(update: &Bytes, bytes_max: usize) -> Result<Bytes, Refusal> {
    let mut columns = Columns::open(update)?;
    let mut out = Out { bytes: Vec::new(), bytes_max };
    let sections = columns.rest.var_uint()?;
    put_var_uint(&mut out.bytes, sections);
    for _ in 0..sections {
        let blocks = columns.rest.var_uint()?;
        put_var_uint(&mut out.bytes, blocks);
        put_var_uint(&mut out.bytes, columns.clients.read_uint()?);
        put_var_uint(&mut out.bytes, columns.rest.var_uint()?);
        for _ in 0..blocks {
            columns.block(&mut out.bytes)?;
            out.check()?;
        }
        out.check()?;
    }
    let clients = columns.rest.var_uint()?;
    put_var_uint(&mut out.bytes, clients);
    for _ in 0..clients {
        put_var_uint(&mut out.bytes, columns.rest.var_uint()?);
        let ranges = columns.rest.var_uint()?;
        put_var_uint(&mut out.bytes, ranges);
        let mut clock = 0;
        for _ in 0..ranges {
            clock = plus(clock, columns.rest.var_uint()?)?;
            let len = plus(columns.rest.var_uint()?, 1)?;
            put_var_uint(&mut out.bytes, clock);
            put_var_uint(&mut out.bytes, len);
            clock = plus(clock, len)?;
            out.check()?;
        }
    }
    if columns.rest.is_empty() { Ok(out.bytes.into()) } else { Err(Refusal::Impossible("it goes on behind its end")) }
}

fn plus(one: u64, other: u64) -> Result<u64, DecodeError> {
    one.checked_add(other).filter(|sum| sum >> 53 == 0).ok_or(DecodeError::NumberTooLarge)
}

struct Out {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Out {
    fn check(&self) -> Result<(), Refusal> {
        if self.bytes.len() > self.bytes_max { Err(Refusal::TooLarge { limit: self.bytes_max }) } else { Ok(()) }
    }
}

/// The columns of an update, each read from its front.
struct Columns<'u> {
    key_clocks: Differences<'u>,
    clients: Runs<'u>,
    left_clocks: Differences<'u>,
    right_clocks: Differences<'u>,
    infos: ByteRuns<'u>,
    strings: Strings<'u>,
    parent_infos: ByteRuns<'u>,
    type_refs: Runs<'u>,
    lens: Runs<'u>,
    rest: Input<'u>,
    /// The keys that came so far.
    keys: Vec<String>,
}

impl<'u> Columns<'u> {
    fn open(update: &'u Bytes) -> Result<Self, Refusal> {
        let mut input = Input::new(update);
        // Flags that no version uses.
        input.var_uint()?;
        let mut column = || input.raw_buf();
        let (key_clocks, clients, left_clocks, right_clocks) = (column()?, column()?, column()?, column()?);
        let (infos, strings, parent_infos, type_refs, lens) = (column()?, column()?, column()?, column()?, column()?);
        Ok(Self {
            key_clocks: Differences::new(key_clocks),
            clients: Runs::new(clients),
            left_clocks: Differences::new(left_clocks),
            right_clocks: Differences::new(right_clocks),
            infos: ByteRuns::new(infos),
            strings: Strings::open(strings)?,
            parent_infos: ByteRuns::new(parent_infos),
            type_refs: Runs::new(type_refs),
            lens: Runs::new(lens),
            rest: input,
            keys: Vec::new(),
        })
    }

    /// Rewrites the next block.
    fn block(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let info = self.infos.read()?;
        let kind = Kind::of(info).ok_or(Refusal::Impossible("content of an unknown kind"))?;
        match kind {
            Kind::Collected | Kind::Skip => {
                out.push(kind as u8);
                let len = if kind == Kind::Skip { self.rest.var_uint()? } else { self.lens.read_uint()? };
                put_var_uint(out, len);
                return Ok(());
            }
            _ => {}
        }
        let origin = (info & 0x80 != 0).then(|| id(&mut self.clients, &mut self.left_clocks)).transpose()?;
        let right = (info & 0x40 != 0).then(|| id(&mut self.clients, &mut self.right_clocks)).transpose()?;
        let (mut root, mut key) = (None, None);
        let mut parent = None;
        if origin.is_none() && right.is_none() {
            if self.parent_infos.read()? == 1 {
                root = Some(self.strings.read()?);
            } else {
                parent = Some(Parent::Type(id(&mut self.clients, &mut self.left_clocks)?));
            }
            if info & 0x20 != 0 {
                key = Some(self.strings.read()?);
            }
        }
        let parent = root.as_deref().map(Parent::Root).or(parent);
        // Yjs keeps the bit of a key that is not written, as the parent's is copied from the neighbours.
        let bits = info & 0x20;
        let begin = out.len();
        Head { kind, origin, right, parent, key: key.as_deref() }.put(out);
        out[begin] |= bits;
        self.content(kind, out)
    }

    fn content(&mut self, kind: Kind, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match kind {
            Kind::Collected | Kind::Skip => {}
            Kind::Deleted => put_var_uint(out, self.lens.read_uint()?),
            Kind::Text => put_buf(out, self.strings.read()?.as_bytes()),
            Kind::Json => {
                let len = self.lens.read_uint()?;
                put_var_uint(out, len);
                for _ in 0..len {
                    // A text has at least one unit, or the column would give any number of them.
                    let text = self.strings.read()?;
                    if text.is_empty() {
                        return Err(Refusal::Impossible("a value that is no JSON"));
                    }
                    put_buf(out, text.as_bytes());
                }
            }
            Kind::Any => {
                let len = self.lens.read_uint()?;
                put_var_uint(out, len);
                for _ in 0..len {
                    let begin = self.rest.position();
                    content::value(&mut self.rest)?;
                    out.extend_from_slice(self.rest.since(begin));
                }
            }
            Kind::Binary => put_buf(out, self.rest.raw_buf()?),
            Kind::Embed => self.json(out)?,
            Kind::Format => {
                put_buf(out, self.key()?.as_bytes());
                self.json(out)?;
            }
            Kind::Type => {
                let ty = self.type_refs.read_uint()?;
                put_var_uint(out, ty);
                if matches!(ty, 3 | 5) {
                    put_buf(out, self.key()?.as_bytes());
                }
            }
            Kind::Document => {
                put_buf(out, self.strings.read()?.as_bytes());
                let begin = self.rest.position();
                content::value(&mut self.rest)?;
                out.extend_from_slice(self.rest.since(begin));
            }
        }
        Ok(())
    }

    /// Rewrites a value, which v1 has as JSON text.
    fn json(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let begin = self.rest.position();
        content::value(&mut self.rest)?;
        let raw = self.rest.since(begin);
        put_buf(out, json::text_of_any(raw)?.as_bytes());
        Ok(())
    }

    fn key(&mut self) -> Result<String, Refusal> {
        let clock = self.key_clocks.read()?;
        if let Some(key) = usize::try_from(clock).ok().and_then(|clock| self.keys.get(clock)) {
            return Ok(key.clone());
        }
        let key = self.strings.read()?;
        self.keys.push(key.clone());
        Ok(key)
    }
}

fn id(clients: &mut Runs<'_>, clocks: &mut Differences<'_>) -> Result<BlockId, Refusal> {
    let client = clients.read_uint()?;
    let clock = u32::try_from(clocks.read()?).map_err(|_| DecodeError::NumberTooLarge)?;
    Ok(BlockId { client, clock })
}

/// Bytes, each with how often it stands there; the last one any number of times.
struct ByteRuns<'u> {
    input: Input<'u>,
    value: u8,
    /// `None`: for ever.
    left: Option<u64>,
}

impl<'u> ByteRuns<'u> {
    fn new(column: &'u [u8]) -> Self {
        Self { input: Input::raw(column), value: 0, left: Some(0) }
    }

    fn read(&mut self) -> Result<u8, DecodeError> {
        if self.left == Some(0) {
            self.value = self.input.u8()?;
            self.left = (!self.input.is_empty()).then(|| self.input.var_uint()).transpose()?.map(|more| more + 1);
        }
        self.left = self.left.map(|left| left - 1);
        Ok(self.value)
    }
}

/// Numbers; one that stands there several times is negative and has a count behind it.
struct Runs<'u> {
    input: Input<'u>,
    value: u64,
    left: u64,
}

impl<'u> Runs<'u> {
    fn new(column: &'u [u8]) -> Self {
        Self::of(Input::raw(column))
    }

    fn of(input: Input<'u>) -> Self {
        Self { input, value: 0, left: 0 }
    }

    fn read_uint(&mut self) -> Result<u64, DecodeError> {
        if self.left == 0 {
            // Zero may be negative, which a number would not tell.
            let is_negative = self.input.clone().u8()? & 0x40 != 0;
            self.value = self.input.var_int()?.unsigned_abs();
            self.left = if is_negative { self.input.var_uint()? + 2 } else { 1 };
        }
        self.left -= 1;
        Ok(self.value)
    }
}

/// Numbers by their differences; where one stands there several times, the difference is odd and has a count behind it.
struct Differences<'u> {
    input: Input<'u>,
    value: i64,
    difference: i64,
    left: u64,
}

impl<'u> Differences<'u> {
    fn new(column: &'u [u8]) -> Self {
        Self { input: Input::raw(column), value: 0, difference: 0, left: 0 }
    }

    fn read(&mut self) -> Result<i64, DecodeError> {
        if self.left == 0 {
            let encoded = self.input.var_int()?;
            self.difference = encoded >> 1;
            self.left = if encoded & 1 == 1 { self.input.var_uint()? + 2 } else { 1 };
        }
        self.left -= 1;
        self.value = self.value.checked_add(self.difference).ok_or(DecodeError::NumberTooLarge)?;
        Ok(self.value)
    }
}

/// Texts: all of them as one, then their lengths in UTF-16 units.
struct Strings<'u> {
    rest: &'u str,
    /// Whether the first unit of `rest`'s first character has been read.
    is_in_pair: bool,
    lens: Runs<'u>,
}

/// What stands for half a character.
const HALF: char = '\u{fffd}';

impl<'u> Strings<'u> {
    fn open(column: &'u [u8]) -> Result<Self, DecodeError> {
        let mut input = Input::raw(column);
        let rest = input.text()?;
        Ok(Self { rest, is_in_pair: false, lens: Runs::of(input) })
    }

    fn read(&mut self) -> Result<String, DecodeError> {
        let mut units = self.lens.read_uint()?;
        let mut text = String::new();
        if units > 0 && self.is_in_pair {
            self.is_in_pair = false;
            self.rest = &self.rest[self.rest.chars().next().map_or(0, char::len_utf8)..];
            text.push(HALF);
            units -= 1;
        }
        let mut end = 0;
        for c in self.rest.chars() {
            if units < c.len_utf16() as u64 {
                break;
            }
            units -= c.len_utf16() as u64;
            end += c.len_utf8();
        }
        text.push_str(&self.rest[..end]);
        self.rest = &self.rest[end..];
        if units > 0 {
            if self.rest.is_empty() {
                return Err(DecodeError::Truncated);
            }
            self.is_in_pair = true;
            text.push(HALF);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::document::{Blocks, scan};
    use crate::protocol::lib0::put_buf;

    /// Text, a format, a map, an element and deletions, as Yjs 13.6 writes them in v2.
    const UPDATE: &str = "AAMAAwEW6vS8/h4JyAMBuwGpAer0vP4eAukBAQwAElAURgpUBAADAEIHAgACAEQQQh0EACgBCADGA4cABAFFAIQABACFAIQAiAFIAAQBxHZhdGV4dHR5cGVkdG1hcGswcmljaF9fZGlybGlzdHNpemVkZWVwc2l6ZWRlZXB4bWx0ZXh0ePCfmIB58J+YgHRleHTDvGRlZiByaWNodHlwZWR0dGV4dHR5cGVkdOaXpeacrAQGAwIEBUQDA0QAAgQBRAAGBAYCBQEDAAABAQYDQQMDBAoAf3cDbHRyfFOAAAB7Q+FY5GCRPQB2AQFhdQF9AX5+AwB2AQFue0PhWORgkT0ABgB2AQFue0PhWORgkT0AdQN9AXcDdHdvdQF9A3cDbHRydwl0ZXh0IPCfmIB+fR8DAAOqup6/DwIBBggAewEBAGkCAQABAg==";

    fn decoded() -> Vec<u8> {
        BASE64_STANDARD.decode(UPDATE).unwrap()
    }

    /// An update in v2 of one column each.
    fn columns(columns: [&[u8]; 9], rest: &[u8]) -> Bytes {
        let mut out = vec![0];
        columns.into_iter().for_each(|column| put_buf(&mut out, column));
        out.extend_from_slice(rest);
        out.into()
    }

    #[test]
    fn an_update_of_yjs_becomes_one_that_a_document_takes() {
        let update = from_v2(&decoded().into(), 1 << 20).unwrap();
        assert!(Blocks::new(1 << 20, false).apply(&update).is_ok());
    }

    #[test]
    fn few_bytes_that_stand_for_very_many_blocks_are_refused_at_the_bound() {
        // One info and one length for ever, and as many blocks as a number says.
        let mut rest = vec![1];
        put_var_uint(&mut rest, 1 << 50);
        rest.extend_from_slice(&[0, 0]);
        let mut lens = vec![0x41];
        put_var_uint(&mut lens, 1 << 51);
        let bomb = columns([&[], &[1], &[], &[], &[0], &[0], &[], &[], &lens], &rest);
        assert!(bomb.len() < 50, "{}", bomb.len());
        assert_eq!(from_v2(&bomb, 100_000), Err(Refusal::TooLarge { limit: 100_000 }));
        // Texts without a unit, which cost no byte.
        let mut strings = vec![0, 0x40];
        put_var_uint(&mut strings, 1 << 51);
        let bomb = columns([&[], &[1], &[], &[], &[2], &strings, &[1], &[], &lens], &rest);
        assert!(from_v2(&bomb, 100_000).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_rewritten_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(update) = from_v2(&bytes.into(), 1 << 16) {
                prop_assert!(update.len() <= (1 << 16) + 1024);
            }
        }

        #[test]
        fn damaged_updates_are_rewritten_or_refused(
            damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        ) {
            let mut update = decoded();
            for (at, byte, is_changed) in damages {
                let at = at.index(update.len());
                if is_changed {
                    update[at] = byte;
                } else {
                    update.insert(at, byte);
                }
            }
            if let Ok(update) = from_v2(&update.into(), 1 << 16) {
                // Whatever came of it is judged as any update is.
                let _ = scan(&update);
            }
        }
    }
}
