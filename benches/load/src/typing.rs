//! People who type: each a Yjs client of its own that writes one character after the other into the text `t` and has no use for
//! what the others write. The updates are byte for byte those of a Yjs document, made without one, for speed.

use std::collections::HashMap;

use crate::protocol::{buf, put_var_uint, var_uint};

/// Makes the update of the keystroke `clock` of `client`.
pub fn keystroke(client: u64, clock: u32) -> Vec<u8> {
    let mut out = vec![1, 1];
    put_var_uint(&mut out, client);
    put_var_uint(&mut out, clock.into());
    if clock == 0 {
        // A string whose parent is the root text "t".
        out.extend_from_slice(&[0x04, 1, 1, b't']);
    } else {
        // A string whose left origin is the keystroke before.
        out.push(0x84);
        put_var_uint(&mut out, client);
        put_var_uint(&mut out, u64::from(clock) - 1);
    }
    out.extend_from_slice(&[1, letter(clock), 0]);
    out
}

fn letter(clock: u32) -> u8 {
    b'a' + (clock % 26) as u8
}

/// What an update holds of one client: clocks from the first up to the second.
pub type Span = (u64, u32, u32);

/// Reads which keystrokes an update brings, one or many merged. Understands what typing text makes: strings, deletions, gaps.
pub fn spans(update: &[u8]) -> Vec<Span> {
    read_spans(update).expect("a server sends updates of text that can be read")
}

fn read_spans(mut input: &[u8]) -> Option<Vec<Span>> {
    let input = &mut input;
    let mut spans = Vec::with_capacity(1);
    for _ in 0..var_uint(input)? {
        let blocks = var_uint(input)?;
        let client = var_uint(input)?;
        let from = var_uint(input)? as u32;
        let mut to = from;
        for _ in 0..blocks {
            to += block_length(input)?;
        }
        spans.push((client, from, to));
    }
    Some(spans)
}

/// Takes one block; its length in UTF-16 units.
fn block_length(input: &mut &[u8]) -> Option<u32> {
    let info = take_byte(input)?;
    let kind = info & 0x1f;
    const GARBAGE: u8 = 0;
    const SKIP: u8 = 10;
    if kind == GARBAGE || kind == SKIP {
        return var_uint(input).map(|length| length as u32);
    }
    let id = |input: &mut &[u8]| var_uint(input).and_then(|_| var_uint(input));
    let (has_left, has_right) = (info & 0x80 != 0, info & 0x40 != 0);
    for _ in 0..u8::from(has_left) + u8::from(has_right) {
        id(input)?;
    }
    if !has_left && !has_right {
        let is_root = var_uint(input)? == 1;
        if is_root { buf(input).map(|_| ())? } else { id(input).map(|_| ())? }
    }
    match kind {
        1 => var_uint(input).map(|length| length as u32),
        4 => Some(std::str::from_utf8(buf(input)?).ok()?.encode_utf16().count() as u32),
        _ => None,
    }
}

fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = input.split_first()?;
    *input = rest;
    Some(*byte)
}

/// Where each keystroke of a client has got to with one receiver: the next clock expected, by client.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    next: HashMap<u64, u32>,
    /// Keystrokes that came after one that had not come.
    pub gaps: u64,
}

impl Seen {
    /// Takes an update in; calls `new` with each span of keystrokes that had not come before.
    pub fn take(&mut self, update: &[u8], mut new: impl FnMut(Span)) {
        for (client, from, to) in spans(update) {
            let next = self.next.entry(client).or_insert(0);
            if from > *next {
                self.gaps += u64::from(from - *next);
            }
            if to > *next {
                new((client, from.max(*next), to));
                *next = to;
            }
        }
    }

    /// How many keystrokes of a client have come.
    pub fn count(&self, client: u64) -> u32 {
        self.next.get(&client).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yrs::{Doc, GetString, ReadTxn, Text, Transact, WriteTxn};

    #[test]
    fn keystrokes_are_what_a_document_would_send() {
        let doc = Doc::with_client_id(300);
        for clock in 0..200 {
            let mut transaction = doc.transact_mut();
            let text = transaction.get_or_insert_text("t");
            let end = text.len(&transaction);
            text.insert(&mut transaction, end, &(letter(clock) as char).to_string());
            assert_eq!(transaction.encode_update_v1(), keystroke(300, clock));
        }
        let transaction = doc.transact();
        assert_eq!(transaction.get_text("t").unwrap().get_string(&transaction).len(), 200);
    }

    #[test]
    fn merged_keystrokes_are_counted_one_by_one_and_repeated_ones_once() {
        let merged = yrs::merge_updates_v1([keystroke(7, 0), keystroke(7, 1), keystroke(9, 0)]).unwrap();
        let mut seen = Seen::default();
        let mut count = 0;
        for update in [&merged, &merged, &keystroke(7, 2)] {
            seen.take(update, |(_, from, to)| count += to - from);
        }
        assert_eq!((count, seen.gaps, seen.count(7)), (4, 0, 3));
        seen.take(&keystroke(9, 2), |_| ());
        assert_eq!(seen.gaps, 1);
    }
}
