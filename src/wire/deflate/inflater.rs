//! Inflates one message as it comes. Bounded: what comes out never takes more memory than the limit and a window, whatever is
//! promised, and a caller may take it in steps, so that few bytes that inflate to many hold nobody up. What has come out is kept in
//! parts, so that what grows is never copied as a whole.

use std::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::parts::Parts;

/// Compressed data refers back to what lies before it in the buffer, and to nothing else.
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
/// What the sender leaves out at the end of each message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// An empty last block. Behind the tail it ends the data, unless that breaks off within a block.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// Room made for what comes out, at least and at most, in bytes.
const STEP_BYTES: (usize, usize) = (256, 64 * 1024);
/// How far back compressed data may refer (RFC 1951 section 2).
const DISTANCE_MAX: usize = 32 * 1024;
/// Past this the buffer keeps no more than that; most messages are shorter. It may be held beside what has come out.
pub const WINDOW_BYTES: usize = 2 * STEP_BYTES.1;

/// Why a message is not inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// It is not what DEFLATE makes.
    Bad,
    /// More comes out than is allowed.
    TooBig,
}

/// One message on its way.
#[derive(Default)]
pub struct Inflater {
    state: DecompressorOxide,
    /// What came out first, of a long message.
    parts: Parts,
    /// What came out last, to which compressed data refers back.
    window: Vec<u8>,
    /// Whether any compressed bytes came.
    has_begun: bool,
    /// Whether more may come out of what was taken.
    is_paused: bool,
    /// Whether the last byte taken ended the data.
    is_at_end: bool,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Inflater {
    /// What it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.parts.len() + self.window.capacity()
    }

    /// Whether it waits for an allowance, and not for input.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// How much has come out so far.
    pub fn bytes(&self) -> usize {
        self.parts.len() + self.window.len()
    }

    /// The first part of what has come out.
    pub fn beginning(&self) -> &[u8] {
        if self.parts.is_empty() { &self.window } else { self.parts.beginning() }
    }

    /// Inflates `input` until at most `bytes_max` have come out in all, and `allowance` in this call, which is lowered by what did.
    /// How much of the input it took; all of it, unless it [is paused](Self::is_paused).
    pub fn inflate(
        &mut self,
        mut input: &[u8],
        bytes_max: usize,
        allowance: &mut usize,
    ) -> Result<usize, InflateError> {
        let given = input.len();
        self.has_begun |= given > 0;
        loop {
            self.is_paused = *allowance == 0;
            if self.is_paused {
                break;
            }
            // A byte more than is allowed tells whether more comes.
            let Some(left) = (bytes_max + 1).checked_sub(self.bytes()) else { return Err(InflateError::TooBig) };
            let step = (4 * input.len()).max(self.bytes()).clamp(STEP_BYTES.0, STEP_BYTES.1).min(*allowance).min(left);
            self.make_room(step, bytes_max);
            let start = self.window.len() - step;
            let (status, taken, made) = decompress(&mut self.state, input, &mut self.window, start, FLAGS);
            self.window.truncate(start + made);
            *allowance -= made;
            input = &input[taken..];
            self.is_at_end = status == TINFLStatus::Done;
            if made == left {
                return Err(InflateError::TooBig);
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => break,
                TINFLStatus::Done => {
                    // A last block is as good as any (section 7.2.3.4): more may follow.
                    self.state.init();
                    if input.is_empty() {
                        break;
                    }
                }
                _ => return Err(InflateError::Bad),
            }
        }
        Ok(given - input.len())
    }

    /// Ends the message, all of which was taken.
    pub fn finish(&mut self, bytes_max: usize) -> Result<(), InflateError> {
        // An empty message may come as no bytes at all, though it should be one.
        if !self.has_begun {
            return Ok(());
        }
        for end in [&TAIL[..], &LAST_BLOCK] {
            let mut allowance = usize::MAX;
            self.inflate(end, bytes_max, &mut allowance)?;
        }
        if self.is_at_end { Ok(()) } else { Err(InflateError::Bad) }
    }

    /// The message.
    pub fn into_parts(mut self) -> Parts {
        self.parts.push(&self.window);
        self.parts
    }

    /// Makes the window `step` longer. It grows by doubling, but never past the limit, and gives away what nothing refers to any more
    /// once it is full.
    fn make_room(&mut self, step: usize, bytes_max: usize) {
        if self.window.len() + step > WINDOW_BYTES {
            let gone = self.window.len() - DISTANCE_MAX;
            self.parts.push(&self.window[..gone]);
            self.window.drain(..gone);
        }
        let len = self.window.len() + step;
        if len > self.window.capacity() {
            let capacity = (2 * self.window.capacity()).min(bytes_max + 1).clamp(len, WINDOW_BYTES);
            self.window.reserve_exact(capacity - self.window.len());
        }
        self.window.resize(len, 0);
    }
}
