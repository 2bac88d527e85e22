//! How messages travel: in numbered texts, so that it shows when one is missing. A message that is too long for one text is cut and put
//! together again. Pure.
//!
//! A text is a head line (`tutti1`, `all` or `own`, the sender, its number on that channel, which part of how many it is) and a JSON
//! list of messages, or a part of one. Texts that begin otherwise are of another version.

use std::str::FromStr;

use uuid::Uuid;

const VERSION: &str = "tutti1";
/// Longest head line, in bytes.
const HEAD_BYTES: usize = 100;
/// Longest text that is put together, in bytes.
pub const WHOLE_BYTES_MAX: usize = 4 << 20;

/// A text, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether it went to all.
    pub is_to_all: bool,
    /// Who sent it.
    pub from: Uuid,
    /// Counts the sender's texts on the channel, from 1.
    pub number: u64,
    /// Which part it is, from 1.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
    /// A JSON list of messages, or a part of it.
    pub body: &'a str,
}

/// Writes a body as one or more texts of at most `text_bytes_max` bytes; `number` is that of the last text before, and is raised.
pub fn texts(is_to_all: bool, from: Uuid, number: &mut u64, body: &str, text_bytes_max: usize) -> Vec<String> {
    let bodies = cut(body, text_bytes_max - HEAD_BYTES);
    let channel = if is_to_all { "all" } else { "own" };
    let (from, parts) = (from.simple(), bodies.len());
    let mut written = Vec::with_capacity(parts);
    for (index, body) in bodies.into_iter().enumerate() {
        *number += 1;
        written.push(format!("{VERSION} {channel} {from} {number} {} {parts}\n{body}", index + 1));
    }
    written
}

fn cut(mut text: &str, bytes_max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    while text.len() > bytes_max {
        let (part, rest) = text.split_at(text.floor_char_boundary(bytes_max));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

/// Reads a text. `None`: it is of another version, or no text of ours.
pub fn read(text: &str) -> Option<Frame<'_>> {
    let (head, body) = text.split_once('\n')?;
    let mut words = head.split(' ');
    let is_ours = words.next()? == VERSION;
    let is_to_all = match words.next()? {
        "all" => true,
        "own" => false,
        _ => return None,
    };
    let from = Uuid::from_str(words.next()?).ok()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (number, part, parts) = (number()?, u32::try_from(number()?).ok()?, u32::try_from(number()?).ok()?);
    (is_ours && words.next().is_none()).then_some(Frame { is_to_all, from, number, part, parts, body })
}

/// What has come of one sender's channel.
#[derive(Debug, Default)]
pub struct Inbound {
    /// The number of the last text; `None`: nothing has come yet.
    last: Option<u64>,
    parts: String,
    next_part: u32,
}

/// What a text means.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// It has come already.
    Repeated,
    /// It is a part, and others follow.
    Part,
    /// The body is whole.
    Whole(String),
}

impl Inbound {
    /// Takes a text. Also tells whether something before it is missing.
    pub fn take(&mut self, frame: &Frame<'_>) -> (Taken, bool) {
        let before = self.last;
        if before.is_some_and(|last| frame.number <= last) {
            return (Taken::Repeated, false);
        }
        let mut is_gap = before.is_some_and(|last| frame.number != last + 1);
        self.last = Some(frame.number);
        if frame.parts == 1 {
            self.forget_parts();
            return (Taken::Whole(frame.body.to_owned()), is_gap);
        }
        if frame.part == 1 {
            self.forget_parts();
            self.next_part = 1;
        }
        let fits = self.next_part == frame.part && self.parts.len() + frame.body.len() <= WHOLE_BYTES_MAX;
        if is_gap && frame.part > 1 || !fits {
            self.forget_parts();
            // Who begins to listen in the middle has missed nothing that it was to hear.
            is_gap |= before.is_some();
            return (Taken::Part, is_gap);
        }
        self.parts.push_str(frame.body);
        self.next_part += 1;
        match frame.part == frame.parts {
            true => (Taken::Whole(std::mem::take(&mut self.parts)), is_gap),
            false => (Taken::Part, is_gap),
        }
    }

    /// The number of the last text.
    pub fn last(&self) -> u64 {
        self.last.unwrap_or(0)
    }

    fn forget_parts(&mut self) {
        self.parts = String::new();
        self.next_part = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Uuid = Uuid::from_u128(7);

    fn taken(inbound: &mut Inbound, text: &str) -> (Taken, bool) {
        inbound.take(&read(text).unwrap())
    }

    #[test]
    fn what_is_written_is_read_and_other_versions_are_not() {
        let mut number = 4;
        let written = texts(true, ME, &mut number, "[1]", 1_000);
        let frame = Frame { is_to_all: true, from: ME, number: 5, part: 1, parts: 1, body: "[1]" };
        assert_eq!((written.len(), read(&written[0])), (1, Some(frame)));
        for other in ["", "tutti1", "tutti2 all 7 1 1 1\n[]", "tutti1 none 7 1 1 1\n[]", "tutti1 all x 1 1 1\n[]"] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_long_body_is_cut_between_characters_and_put_together() {
        let (mut number, mut inbound) = (0, Inbound::default());
        let body = "ü€🚀x".repeat(500);
        let written = texts(false, ME, &mut number, &body, 300);
        assert!(written.len() > 10 && written.iter().all(|text| text.len() <= 300));
        let (last, others) = written.split_last().unwrap();
        for part in others {
            assert_eq!(taken(&mut inbound, part), (Taken::Part, false));
        }
        assert_eq!(taken(&mut inbound, last), (Taken::Whole(body), false));
        assert_eq!(taken(&mut inbound, last), (Taken::Repeated, false));
    }

    #[test]
    fn trap_11_what_is_lost_repeated_or_swapped_shows() {
        let (mut number, mut inbound) = (0, Inbound::default());
        let mut write = |body: &str| texts(false, ME, &mut number, body, 1_000).remove(0);
        let written: Vec<_> = (0..6).map(|n| write(&format!("[{n}]"))).collect();
        assert_eq!(taken(&mut inbound, &written[1]), (Taken::Whole("[1]".into()), false), "who comes later");
        assert_eq!(taken(&mut inbound, &written[1]), (Taken::Repeated, false));
        assert_eq!(taken(&mut inbound, &written[3]), (Taken::Whole("[3]".into()), true), "one is lost");
        assert_eq!(taken(&mut inbound, &written[2]), (Taken::Repeated, false), "or was late");
        assert_eq!(taken(&mut inbound, &written[4]), (Taken::Whole("[4]".into()), false));
    }

    #[test]
    fn a_body_that_lacks_a_part_is_thrown_away() {
        let (mut number, mut inbound) = (0, Inbound::default());
        let first = texts(false, ME, &mut number, "[]", 1_000).remove(0);
        taken(&mut inbound, &first);
        let parts = texts(false, ME, &mut number, &"x".repeat(500), 300);
        assert_eq!(taken(&mut inbound, &parts[0]), (Taken::Part, false));
        assert_eq!(taken(&mut inbound, &parts[2]), (Taken::Part, true));
        let next = texts(false, ME, &mut number, "[2]", 1_000).remove(0);
        assert_eq!(taken(&mut inbound, &next), (Taken::Whole("[2]".into()), false));
    }
}
