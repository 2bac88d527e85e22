//! Frames that follow each other and are written as one.

use std::cell::OnceCell;

use bytes::{Bytes, BytesMut};

use super::frame::Frame;

/// Frames that follow each other. Their encodings are joined once, for all who get all of them.
#[derive(Debug)]
pub struct Run {
    frames: Vec<Frame>,
    plain: OnceCell<Bytes>,
}

impl Run {
    /// Of `frames`, in order.
    pub fn new(frames: Vec<Frame>) -> Self {
        Self { frames, plain: OnceCell::new() }
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// As they are written to a WebSocket without extensions.
    pub fn plain(&self) -> &Bytes {
        self.plain.get_or_init(|| match &self.frames[..] {
            [frame] => frame.plain().clone(),
            frames => {
                let mut joined = BytesMut::with_capacity(self.plain_bytes());
                frames.iter().for_each(|frame| joined.extend_from_slice(frame.plain()));
                joined.freeze()
            }
        })
    }

    /// The length of that.
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
        assert_eq!(run.plain()[..], b"\x81\x03one\x82\x03two"[..]);
        assert_eq!(run.plain_bytes(), run.plain().len());
        let one = Run::new(frames[..1].to_vec());
        assert_eq!(one.plain().as_ptr(), frames[0].plain().as_ptr(), "nothing is copied");
    }
}
