//! The header of a frame: parsed and checked as a client sends it, written as a server does. Unmasks payloads.

use bytes::{BufMut, BytesMut};

use super::error::WireError;

/// Longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
/// Longest header of a client's frame: 2 bytes, 8 of length, 4 of mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// The bit that says that a message is compressed (RFC 7692 section 6).
const COMPRESSED: u8 = 0x40;
/// What is wrong with reserved bits that nobody has agreed on.
pub(super) const RESERVED: WireError = WireError::Protocol("reserved bits are set without an extension");

/// The kinds of frame of RFC 6455 section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message begun before.
    Continuation = 0,
    /// The first fragment of a text message.
    Text = 1,
    /// The first fragment of a binary message.
    Binary = 2,
    /// The closing handshake.
    Close = 8,
    /// Asks for a pong with the same payload.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    /// Whether frames of this kind may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A checked header of a frame from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the message's last fragment.
    pub is_last: bool,
    /// Whether its message is compressed: the first reserved bit, on a message's first frame (RFC 7692 section 6).
    pub is_compressed: bool,
    /// The frame's kind.
    pub opcode: Opcode,
    /// The key that the payload is masked with.
    pub mask: [u8; 4],
    /// Declared length of the payload, in bytes.
    pub payload_bytes: u64,
}

/// Reads a client's header from the start of `buf`: the header and its own length, or `None` if `buf` ends before it does.
///
/// Refuses reserved bits that no extension has a use for there, reserved kinds, unmasked frames, lengths not in their shortest form,
/// and fragmented or long control frames.
pub fn parse_header(buf: &[u8]) -> Result<Option<(Header, usize)>, WireError> {
    let [first, second, rest @ ..] = buf else {
        return Ok(None);
    };
    if first & 0x30 != 0 {
        return Err(RESERVED);
    }
    let opcode = match first & 0x0f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(WireError::Protocol("unknown kind of frame")),
    };
    let is_compressed = first & COMPRESSED != 0;
    if is_compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(RESERVED);
    }
    let is_last = first & 0x80 != 0;
    if second & 0x80 == 0 {
        return Err(WireError::Protocol("a client's frame must be masked"));
    }
    let short = second & 0x7f;
    if opcode.is_control() && (!is_last || short as usize > CONTROL_BYTES_MAX) {
        return Err(WireError::Protocol("a control frame must be whole and at most 125 bytes"));
    }
    let (payload_bytes, length_bytes) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(raw) => (u64::from(u16::from_be_bytes(*raw)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(raw) => (u64::from_be_bytes(*raw), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    let is_shortest = match length_bytes {
        2 => payload_bytes > 125,
        8 => payload_bytes > 0xffff && payload_bytes >> 63 == 0,
        _ => true,
    };
    if !is_shortest {
        return Err(WireError::Protocol("a length must have its shortest form"));
    }
    let Some(mask) = rest[length_bytes..].first_chunk::<4>() else {
        return Ok(None);
    };
    let header = Header { is_last, is_compressed, opcode, mask: *mask, payload_bytes };
    Ok(Some((header, 2 + length_bytes + 4)))
}

/// Unmasks `payload`, whose first byte is the `offset`-th of its frame.
pub fn unmask(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut key = mask;
    key.rotate_left(offset % 4);
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7]]);
        chunk.copy_from_slice(&(word ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Length of the header of an unmasked frame with `payload_bytes`.
pub fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

/// Writes the header of a whole, unmasked frame.
pub(super) fn put_header(out: &mut BytesMut, opcode: Opcode, payload_bytes: usize) {
    out.put_u8(0x80 | opcode as u8);
    put_length(out, payload_bytes);
}

/// Writes the header of a whole, unmasked frame with a compressed message.
pub(super) fn put_compressed_header(out: &mut BytesMut, opcode: Opcode, payload_bytes: usize) {
    out.put_u8(0x80 | COMPRESSED | opcode as u8);
    put_length(out, payload_bytes);
}

fn put_length(out: &mut BytesMut, payload_bytes: usize) {
    match payload_bytes {
        0..=125 => out.put_u8(payload_bytes as u8),
        126..=0xffff => {
            out.put_u8(126);
            out.put_u16(payload_bytes as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(payload_bytes as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6455_section_5_7_are_read() {
        // A single-frame masked text message "Hello".
        let raw = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let (header, used) = parse_header(&raw).unwrap().unwrap();
        assert_eq!((header.is_last, header.opcode, header.payload_bytes, used), (true, Opcode::Text, 5, 6));
        assert!(!header.is_compressed);
        let mut payload = raw[used..].to_vec();
        unmask(&mut payload, header.mask, 0);
        assert_eq!(payload, b"Hello");
    }

    #[test]
    fn a_header_cut_anywhere_asks_for_more() {
        let raw = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        for cut in 0..raw.len() {
            assert_eq!(parse_header(&raw[..cut]), Ok(None), "{cut} bytes");
        }
        let (header, used) = parse_header(&raw).unwrap().unwrap();
        assert_eq!((header.payload_bytes, header.mask, used), (65536, [1, 2, 3, 4], 14));
    }

    #[test]
    fn headers_against_the_rules_are_refused() {
        let cases: [&[u8]; 14] = [
            &[0xa1, 0x80, 0, 0, 0, 0],                             // second reserved bit
            &[0x91, 0x80, 0, 0, 0, 0],                             // third reserved bit
            &[0xc0, 0x80, 0, 0, 0, 0],                             // a compressed fragment
            &[0xc8, 0x80, 0, 0, 0, 0],                             // a compressed close
            &[0xc9, 0x80, 0, 0, 0, 0],                             // a compressed ping
            &[0xca, 0x80, 0, 0, 0, 0],                             // a compressed pong
            &[0x83, 0x80, 0, 0, 0, 0],                             // reserved kind
            &[0x81, 0x05],                                         // not masked
            &[0x09, 0x80, 0, 0, 0, 0],                             // fragmented ping
            &[0x89, 0xfe, 0, 126, 0, 0, 0, 0],                     // long ping
            &[0x82, 0xfe, 0, 125, 0, 0, 0, 0],                     // 125 in 16 bits
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0], // 65535 in 64 bits
            &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // the top bit
            &[0x8b, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],     // long pong
        ];
        for raw in cases {
            assert!(matches!(parse_header(raw), Err(WireError::Protocol(_))), "{raw:x?}");
        }
    }

    #[test]
    fn unmasking_in_pieces_equals_unmasking_at_once() {
        let mask = [7, 77, 177, 222];
        let plain: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut masked = plain.clone();
        unmask(&mut masked, mask, 0);
        for cut in [1, 2, 3, 7, 8, 9, 500] {
            let mut pieces = masked.clone();
            let (left, right) = pieces.split_at_mut(cut);
            unmask(left, mask, 0);
            unmask(right, mask, cut);
            assert_eq!(pieces, plain, "cut at {cut}");
        }
    }
}
