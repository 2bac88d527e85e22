//! Frames as a client makes them, right or wrong, and as it reads the server's. Its own encoder, so that a mistake of the
//! server's cannot hide.

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
/// The bit of a compressed message.
pub const COMPRESSED: u8 = 0x40;

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    /// Whether it came compressed; the payload is inflated.
    pub is_compressed: bool,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code and reason of a close frame.
    pub fn close(&self) -> (u16, &str) {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        let code = u16::from_be_bytes([self.payload[0], self.payload[1]]);
        (code, std::str::from_utf8(&self.payload[2..]).unwrap())
    }
}

/// The header of a masked frame whose first byte is `first`, declaring `payload_bytes`. The mask is zero: it changes nothing.
pub fn header(first: u8, payload_bytes: u64) -> Vec<u8> {
    let mut out = vec![first];
    match payload_bytes {
        0..=125 => out.push(0x80 | payload_bytes as u8),
        126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&payload_bytes.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out
}

/// A masked frame whose first byte is `first`.
pub fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = header(first, payload.len() as u64);
    let mask_at = out.len() - 4;
    out[mask_at..].copy_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// A whole, masked frame.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | opcode, payload)
}

/// The first frame of what a server sent, and its length; `None` if it is not whole yet.
pub fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert_eq!(first & 0xb0, 0x80, "a server's frame is whole and has no reserved bits");
    let is_compressed = first & COMPRESSED != 0;
    assert_eq!(second & 0x80, 0, "a server's frame is not masked");
    let (length, start) = match second {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()), 10),
        short => (u64::from(short), 2),
    };
    let end = start + length as usize;
    let payload = bytes.get(start..end)?;
    let payload = if is_compressed { inflated(payload) } else { payload.to_vec() };
    Some((Frame { opcode: first & 0x0f, is_compressed, payload }, end))
}

/// A whole message in a compressed, masked frame.
pub fn compressed(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | COMPRESSED | opcode, &deflated(payload))
}

/// The payload of a compressed message (RFC 7692 section 7.2.1).
pub fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(payload.len() + 1024);
    deflate.compress_vec(payload, &mut out, flate2::FlushCompress::Sync).unwrap();
    assert_eq!(deflate.total_in(), payload.len() as u64);
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// The other way (RFC 7692 section 7.2.2).
fn inflated(payload: &[u8]) -> Vec<u8> {
    let whole = [payload, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&whole[..]), &mut out).expect("compressed data");
    out
}
