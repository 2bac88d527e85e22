//! Inflates one message as it comes. Bounded: what comes out never takes more memory than the limit and one byte, whatever is
//! promised, and a caller may take it in steps, so that few bytes that inflate to many hold nobody up.

use std::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The whole message lies in one buffer, which is what compressed data refers back to.
const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
/// What the sender leaves out at the end of each message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// An empty last block. Behind the tail it ends the data, unless that breaks off within a block.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// Room made for what comes out, at least and at most, in bytes.
const STEP_BYTES: (usize, usize) = (256, 64 * 1024);

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
    out: Vec<u8>,
    /// Whether any compressed bytes came.
    has_begun: bool,
    /// Whether more may come out of what was taken.
    is_paused: bool,
    /// Whether the last byte taken ended the data.
    is_at_end: bool,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("bytes", &self.out.len()).finish_non_exhaustive()
    }
}

impl Inflater {
    /// What it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.out.capacity()
    }

    /// Whether it waits for an allowance, and not for input.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// What has come out so far.
    pub fn inflated(&self) -> &[u8] {
        &self.out
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
            let start = self.out.len();
            // A byte more than is allowed tells whether more comes.
            let Some(left) = (bytes_max + 1).checked_sub(start) else { return Err(InflateError::TooBig) };
            let step = (4 * input.len()).max(start).clamp(STEP_BYTES.0, STEP_BYTES.1).min(*allowance).min(left);
            self.make_room(start + step, bytes_max);
            let (status, taken, made) = decompress(&mut self.state, input, &mut self.out, start, FLAGS);
            self.out.truncate(start + made);
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

    /// The message, in no more memory than it takes.
    pub fn into_message(mut self) -> Vec<u8> {
        if self.out.capacity() > 2 * self.out.len() {
            self.out.shrink_to_fit();
        }
        self.out
    }

    /// Makes the buffer `len` long. It grows by doubling, but never past the limit.
    fn make_room(&mut self, len: usize, bytes_max: usize) {
        if len > self.out.capacity() {
            let capacity = (2 * self.out.capacity()).min(bytes_max + 1).max(len);
            self.out.reserve_exact(capacity - self.out.len());
        }
        self.out.resize(len, 0);
    }
}
