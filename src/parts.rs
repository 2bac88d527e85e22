//! Bytes that come one after another. They are kept in parts, so that what grows is never copied, and read from the front they are
//! given back as they are read.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::Bytes;

use crate::reclaim::Buffer;

/// A part, in bytes.
const PART_BYTES: usize = 1024 * 1024;

/// What has come so far.
#[derive(Debug, Default)]
pub struct Parts {
    /// Whole parts.
    full: VecDeque<Buffer>,
    last: Buffer,
    /// How much was read of the first one.
    read: usize,
}

impl Parts {
    /// How many bytes have come and were not read.
    pub fn len(&self) -> usize {
        self.full.iter().map(|part| part.len()).sum::<usize>() + self.last.len() - self.read
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `bytes`, changed by `change`, which is told how far into them it is.
    pub fn push_changed(&mut self, mut bytes: &[u8], change: impl Fn(&mut [u8], usize)) {
        let mut offset = 0;
        while !bytes.is_empty() {
            if self.last.len() == PART_BYTES {
                let full = std::mem::replace(&mut self.last, Buffer::with_capacity(PART_BYTES));
                self.full.push_back(full);
            }
            let start = self.last.len();
            let (now, later) = bytes.split_at(bytes.len().min(PART_BYTES - start));
            self.last.extend_from_slice(now);
            change(&mut self.last[start..], offset);
            offset += now.len();
            bytes = later;
        }
    }

    /// Takes `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.push_changed(bytes, |_, _| {});
    }

    /// The first part.
    pub fn beginning(&self) -> &[u8] {
        &self.full.front().unwrap_or(&self.last)[self.read..]
    }

    /// All of it in one piece. What comes in more than one part is copied.
    pub fn into_bytes(self) -> Bytes {
        let mut joining = Joining::new(self);
        joining.go_on(&mut joining.bytes());
        joining.into_bytes()
    }

    /// Goes on behind so many bytes of the first part, and lets go of it if that is its end.
    fn advance(&mut self, count: usize) {
        self.read += count;
        if self.beginning().is_empty() {
            drop(self.full.pop_front().unwrap_or_else(|| std::mem::take(&mut self.last)));
            self.read = 0;
        }
    }
}

/// Parts on their way into one piece, which may be gone in steps: a long copy would hold others up. What was copied is let go of.
#[derive(Debug)]
pub struct Joining {
    rest: Parts,
    /// What is in one piece.
    joined: Buffer,
}

impl Joining {
    /// Of `parts`. One alone is in one piece already.
    pub fn new(mut parts: Parts) -> Self {
        let joined = match parts.full.is_empty() && parts.read == 0 {
            true => std::mem::take(&mut parts.last),
            false => Buffer::with_capacity(parts.len()),
        };
        Self { rest: parts, joined }
    }

    /// Copies so much more as is allowed, which is lowered by that. Whether it is done.
    pub fn go_on(&mut self, allowance: &mut usize) -> bool {
        while *allowance > 0 && !self.rest.is_empty() {
            let part = self.rest.beginning();
            let count = part.len().min(*allowance);
            self.joined.extend_from_slice(&part[..count]);
            self.rest.advance(count);
            *allowance -= count;
        }
        self.rest.is_empty()
    }

    /// How many bytes there are, copied or not.
    pub fn bytes(&self) -> usize {
        self.joined.len() + self.rest.len()
    }

    /// What is in one piece.
    pub fn joined(&self) -> &[u8] {
        &self.joined
    }

    /// All of it, once it [is done](Self::go_on).
    pub fn into_bytes(self) -> Bytes {
        self.joined.freeze()
    }
}

impl Read for Parts {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let part = self.beginning();
        let count = part.len().min(out.len());
        out[..count].copy_from_slice(&part[..count]);
        self.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(bytes: &[u8], piece: usize) -> Parts {
        let mut parts = Parts::default();
        bytes.chunks(piece).for_each(|piece| parts.push(piece));
        parts
    }

    #[test]
    fn what_comes_in_pieces_is_there_as_a_whole() {
        for length in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 5] {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            for piece in [64 * 1024 - 7, 2 * PART_BYTES + 3] {
                let parts = parts(&bytes, piece);
                assert_eq!((parts.len(), parts.is_empty()), (length, length == 0));
                assert_eq!(parts.beginning(), &bytes[..length.min(PART_BYTES)]);
                assert!(parts.into_bytes() == bytes);
            }
        }
    }

    #[test]
    fn what_is_changed_is_changed_across_parts_by_its_place() {
        let mut parts = Parts::default();
        let add = |bytes: &mut [u8], offset| (offset..).zip(bytes).for_each(|(place, byte)| *byte = place as u8);
        parts.push(&[7; 3]);
        parts.push_changed(&vec![0; 2 * PART_BYTES], add);
        let bytes = parts.into_bytes();
        assert!((0..).zip(&bytes[3..]).all(|(place, byte)| *byte == place as u8));
    }

    #[test]
    fn what_is_joined_in_steps_is_held_once_and_is_the_same() {
        for length in [0, 5, PART_BYTES, 3 * PART_BYTES + 5] {
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut joining = Joining::new(parts(&bytes, 64 * 1024));
            let mut steps = 0;
            loop {
                let before = joining.joined().len();
                let is_done = joining.go_on(&mut 100_000);
                assert_eq!((joining.bytes(), joining.joined() == &bytes[..joining.joined().len()]), (length, true));
                assert!(joining.joined().len() - before <= 100_000);
                assert!(joining.rest.full.len() <= (length - joining.joined().len()).div_ceil(PART_BYTES));
                if is_done {
                    break;
                }
                steps += 1;
            }
            assert_eq!(steps, if length > PART_BYTES { length.div_ceil(100_000) - 1 } else { 0 });
            assert!(joining.into_bytes() == bytes);
        }
    }

    #[test]
    fn what_is_read_is_given_back() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2 * PART_BYTES + 5).collect();
        let mut parts = parts(&bytes, 64 * 1024);
        let mut first = vec![0; PART_BYTES + 2];
        parts.read_exact(&mut first).unwrap();
        assert_eq!((parts.len(), parts.full.len()), (PART_BYTES + 3, 1));
        let mut rest = Vec::new();
        parts.read_to_end(&mut rest).unwrap();
        assert!([first, rest].concat() == bytes && parts.is_empty());
        // What comes after all was read is read, too.
        for length in [PART_BYTES, 1] {
            parts.push(&bytes[..length]);
            let mut more = vec![0; length];
            parts.read_exact(&mut more).unwrap();
            assert!(more == bytes[..length] && parts.is_empty() && parts.last.is_empty());
        }
    }
}
