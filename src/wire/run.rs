//! Frames that follow each other and are written as one.

use std::cell::OnceCell;

use bytes::{Bytes, BytesMut};

use super::encoding::{DeflateRules, Encoding, WINDOW_BITS_MAX};
use super::frame::Frame;

/// Frames that follow each other. Their encodings are joined once, for all who get all of them.
#[derive(Debug)]
pub struct Run {
    frames: Vec<Frame>,
    plain: OnceCell<Bytes>,
    deflated: OnceCell<Bytes>,
    events: OnceCell<Bytes>,
}

impl Run {
    /// Of `frames`, in order.
    pub fn new(frames: Vec<Frame>) -> Self {
        Self { frames, plain: OnceCell::new(), deflated: OnceCell::new(), events: OnceCell::new() }
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// As they are written to a connection.
    pub fn encoded(&self, encoding: Encoding) -> Bytes {
        if encoding == Encoding::Events {
            return self.events.get_or_init(|| self.joined(encoding)).clone();
        }
        if !self.frames.iter().any(|frame| encoding.compresses(frame.payload().len())) {
            return self.plain.get_or_init(|| self.joined(Encoding::Plain)).clone();
        }
        match encoding {
            // The usual one, and so the one that is kept.
            Encoding::Deflated(DeflateRules { window_bits: WINDOW_BITS_MAX, .. }) => {
                self.deflated.get_or_init(|| self.joined(encoding)).clone()
            }
            _ => self.joined(encoding),
        }
    }

    fn joined(&self, encoding: Encoding) -> Bytes {
        match &self.frames[..] {
            [frame] => frame.encoded(encoding).clone(),
            frames => {
                let mut joined = BytesMut::with_capacity(self.plain_bytes());
                frames.iter().for_each(|frame| joined.extend_from_slice(frame.encoded(encoding)));
                joined.freeze()
            }
        }
    }

    /// Their length without extensions.
    pub fn plain_bytes(&self) -> usize {
        self.frames.iter().map(Frame::plain_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_written_as_its_frames_one_after_another() {
        let frames = [Frame::text(&[b"one"]), Frame::binary(&[b"two"])];
        let run = Run::new(frames.to_vec());
        assert_eq!(run.encoded(Encoding::Plain)[..], b"\x81\x03one\x82\x03two"[..]);
        assert_eq!(run.plain_bytes(), run.encoded(Encoding::Plain).len());
        let one = Run::new(frames[..1].to_vec());
        assert_eq!(one.encoded(Encoding::Plain).as_ptr(), frames[0].plain().as_ptr(), "nothing is copied");
    }

    #[test]
    fn the_frames_of_a_run_are_compressed_each_by_itself_and_joined_once() {
        let deflated = |window_bits| Encoding::Deflated(DeflateRules { bytes_min: 100, window_bits });
        let frames = [Frame::text(&[b"short"]), Frame::binary(&[&[7; 1000]])];
        let run = Run::new(frames.to_vec());
        let joined = run.encoded(deflated(15));
        assert_eq!(joined, [frames[0].plain(), frames[1].encoded(deflated(15))].map(|bytes| &bytes[..]).concat());
        assert_eq!(run.encoded(deflated(15)).as_ptr(), joined.as_ptr());
        assert_eq!(run.encoded(deflated(9)), run.encoded(Encoding::Plain), "what does not fit into the window");
        let short = Run::new(vec![frames[0].clone(), frames[0].clone()]);
        assert_eq!(
            short.encoded(deflated(15)).as_ptr(),
            short.encoded(Encoding::Plain).as_ptr(),
            "nothing to compress"
        );
    }
}
