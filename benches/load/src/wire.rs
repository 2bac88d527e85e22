//! A client's side of RFC 6455, as far as measuring needs it: frames with a mask of zeros, which costs the server the same, and
//! a parser that can skim a large payload instead of keeping it. And of RFC 7692: each message compressed by itself.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Frame kinds.
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// What is kept of a payload that is skimmed: enough for the envelope around a document.
const SKIMMED_BYTES: usize = 256;

/// The header of a handshake that asks for compression.
pub const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
/// RSV1: the message is compressed.
const COMPRESSED: u8 = 0x40;
/// What ends a compressed message, and is left out.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Appends a masked frame with a compressed message.
pub fn put_compressed_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_frame(out, opcode | COMPRESSED, &deflate(payload));
}

fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(payload.len() + payload.len() / 1000 + 64);
    Compress::new(Compression::fast(), false)
        .compress_vec(payload, &mut deflated, FlushCompress::Sync)
        .expect("memory can be compressed");
    deflated.truncate(deflated.len() - TAIL.len());
    deflated
}

/// A compressed message as it was.
pub fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::with_capacity(payload.len() * 4 + 64);
    let mut inflater = Decompress::new(false);
    let input = [payload, &TAIL].concat();
    loop {
        let taken = inflater.total_in() as usize;
        inflater
            .decompress_vec(&input[taken..], &mut inflated, FlushDecompress::Sync)
            .expect("a server compresses as it should");
        let is_all_taken = inflater.total_in() as usize == input.len();
        match inflated.len() == inflated.capacity() {
            true => inflated.reserve(inflated.len()),
            false if is_all_taken => return inflated,
            false => {}
        }
    }
}

/// Appends a masked frame.
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        medium @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    // Not a multiple of anything, so that a server cannot skip the work.
    let mask = [0x5a, 0xc3, 0x17, 0x9e];
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// A whole frame from the server. `bytes` is its payload's length, `payload` what was kept of it.
pub struct Frame<'a> {
    pub opcode: u8,
    pub is_compressed: bool,
    pub bytes: usize,
    pub payload: &'a [u8],
}

/// Cuts what arrives into frames.
pub struct Frames {
    incoming: Vec<u8>,
    at: usize,
    /// Payloads longer than this are skimmed.
    keep_bytes_max: usize,
    /// Of a payload that is being skimmed: opcode, length, what is missing.
    skimming: Option<(u8, usize, usize)>,
    head: Vec<u8>,
}

impl Frames {
    pub fn new(keep_bytes_max: usize) -> Self {
        Self { incoming: Vec::new(), at: 0, keep_bytes_max, skimming: None, head: Vec::new() }
    }

    /// Takes what was read.
    pub fn take(&mut self, mut input: &[u8]) {
        if self.at == self.incoming.len() {
            self.incoming.clear();
            self.at = 0;
        }
        if let Some((_, _, missing)) = &mut self.skimming {
            let part = input.len().min(*missing);
            *missing -= part;
            input = &input[part..];
        }
        self.incoming.extend_from_slice(input);
    }

    /// The next whole frame.
    pub fn next(&mut self) -> Option<Frame<'_>> {
        if let Some((opcode, bytes, missing)) = self.skimming {
            if missing > 0 {
                return None;
            }
            self.skimming = None;
            return Some(Frame { opcode, is_compressed: false, bytes, payload: &self.head });
        }
        let rest = &self.incoming[self.at..];
        let (&first, &second) = (rest.first()?, rest.get(1)?);
        let (bytes, header_bytes) = match second & 0x7f {
            126 => (u16::from_be_bytes(*rest.get(2..)?.first_chunk()?) as usize, 4),
            127 => (u64::from_be_bytes(*rest.get(2..)?.first_chunk()?) as usize, 10),
            short => (short as usize, 2),
        };
        let (opcode, is_compressed) = (first & 0x0f, first & COMPRESSED != 0);
        let body = &rest[header_bytes..];
        if body.len() >= bytes {
            let start = self.at + header_bytes;
            self.at = start + bytes;
            return Some(Frame { opcode, is_compressed, bytes, payload: &self.incoming[start..start + bytes] });
        }
        if bytes > self.keep_bytes_max && body.len() >= SKIMMED_BYTES {
            self.head = body[..SKIMMED_BYTES].to_vec();
            self.skimming = Some((opcode, bytes, bytes - body.len()));
            self.incoming = Vec::new();
            self.at = 0;
        } else if self.at > 1 << 20 {
            self.incoming.drain(..self.at);
            self.at = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_message_is_what_it_was() {
        for payload in [&b"ab"[..], &[7; 100_000], &std::array::from_fn::<u8, 5000, _>(|n| (n * n / 7) as u8)] {
            assert!(inflate(&deflate(payload)) == payload, "{} bytes", payload.len());
        }
    }

    #[test]
    fn a_large_payload_is_counted_and_what_follows_it_is_read() {
        let mut raw = vec![0x82, 127];
        raw.extend_from_slice(&100_000u64.to_be_bytes());
        raw.extend((0..100_000).map(|n| n as u8));
        raw.extend_from_slice(&[0x82, 1, 7]);
        let mut frames = Frames::new(1000);
        let mut seen = Vec::new();
        for piece in raw.chunks(997) {
            frames.take(piece);
            while let Some(frame) = frames.next() {
                seen.push((frame.bytes, frame.payload[0]));
            }
        }
        assert_eq!(seen, [(100_000, 0), (1, 7)]);
    }
}
