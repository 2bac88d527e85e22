//! What the server sends: a message of its own kind and payload, and its encodings. It is made once and shared by all who get it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes, BytesMut};

use super::deflate::deflate;
use super::encoding::Encoding;
use super::event;
use super::header::{CONTROL_BYTES_MAX, Opcode, header_bytes, put_compressed_header, put_header};
use crate::ids::Seq;

/// A frame from the server. A clone is the same frame, with the same encodings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Arc<Parts>);

/// Header and payload are made in one buffer, so the plain encoding costs nothing. The other one is made when the first receiver asks
/// for it.
#[derive(Debug, Clone)]
struct Parts {
    opcode: Opcode,
    seq: Option<Seq>,
    /// How much of the payload is an address, see [`Frame::readdressed`].
    address_bytes: usize,
    /// Which part of the payload says what it is, see [`Frame::with_name`].
    name: Option<Range<usize>>,
    plain: Bytes,
    /// Compressed, if that is shorter.
    deflated: OnceLock<Option<Bytes>>,
    /// As an event.
    event: OnceLock<Bytes>,
    guard: Option<Guard>,
}

/// The encodings follow from the rest.
impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        let what = |parts: &Self| (parts.opcode, parts.seq, parts.address_bytes);
        what(self) == what(other) && self.plain == other.plain
    }
}

impl Eq for Parts {}

impl Frame {
    fn new(opcode: Opcode, parts: &[&[u8]]) -> Self {
        let payload_bytes = parts.iter().map(|part| part.len()).sum();
        let mut plain = BytesMut::with_capacity(header_bytes(payload_bytes) + payload_bytes);
        put_header(&mut plain, opcode, payload_bytes);
        for part in parts {
            plain.put_slice(part);
        }
        Self::of(opcode, plain.freeze())
    }

    fn of(opcode: Opcode, plain: Bytes) -> Self {
        let (deflated, event) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Parts { opcode, seq: None, address_bytes: 0, name: None, plain, deflated, event, guard: None }))
    }

    /// A text message whose payload is `parts`, one after another. They are UTF-8.
    pub fn text(parts: &[&[u8]]) -> Self {
        Self::new(Opcode::Text, parts)
    }

    /// A binary message whose payload is `parts`, one after another.
    pub fn binary(parts: &[&[u8]]) -> Self {
        Self::new(Opcode::Binary, parts)
    }

    /// A binary message whose payload is `head` and `body`, made in the memory of `body`, which may be large.
    pub fn binary_within(head: &[u8], mut body: Vec<u8>) -> Self {
        let payload_bytes = head.len() + body.len();
        let mut front = BytesMut::with_capacity(header_bytes(payload_bytes) + head.len());
        put_header(&mut front, Opcode::Binary, payload_bytes);
        front.put_slice(head);
        body.reserve_exact(front.len());
        body.splice(0..0, front);
        Self::of(Opcode::Binary, body.into())
    }

    /// A ping.
    pub fn ping() -> Self {
        Self::new(Opcode::Ping, &[])
    }

    /// The answer to a ping with `payload`.
    pub fn pong(payload: &[u8]) -> Self {
        Self::new(Opcode::Pong, &[payload])
    }

    /// A close frame. A reason too long for a control frame is cut at a character's end.
    pub fn close(code: u16, reason: &str) -> Self {
        let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
        Self::new(Opcode::Close, &[&code.to_be_bytes(), &reason.as_bytes()[..end]])
    }

    /// The same frame, as that of the entry `seq`, or as one that stands behind it.
    pub fn with_seq(mut self, seq: Seq) -> Self {
        Arc::make_mut(&mut self.0).seq = Some(seq);
        self
    }

    /// The same frame, whose payload says at `name` what it is.
    pub fn with_name(mut self, name: Range<usize>) -> Self {
        Arc::make_mut(&mut self.0).name = Some(name);
        self
    }

    /// The same frame, the first `bytes` of whose payload are an address, which another one can replace.
    pub fn with_address(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.0).address_bytes = bytes;
        self
    }

    /// The same message at another address.
    pub fn readdressed(&self, address: &[u8]) -> Self {
        let rest = &self.payload()[self.0.address_bytes..];
        let readdressed = Self::new(self.0.opcode, &[address, rest]).with_address(address.len());
        Self(Arc::new(Parts { seq: self.0.seq, ..Arc::unwrap_or_clone(readdressed.0) }))
    }

    /// The same frame, whose bytes keep `guard` until the last receiver has taken them.
    pub fn guarded(&self, guard: impl Send + Sync + 'static) -> Self {
        let guard = Guard { _kept: Arc::new(guard) };
        let plain = guard.over(self.0.plain.clone());
        Self(Arc::new(Parts { plain, deflated: OnceLock::new(), guard: Some(guard), ..(*self.0).clone() }))
    }

    /// What kind of frame it is.
    pub fn opcode(&self) -> Opcode {
        self.0.opcode
    }

    /// The entry that it shows, or behind which it stands.
    pub fn seq(&self) -> Option<Seq> {
        self.0.seq
    }

    /// What it says.
    pub fn payload(&self) -> &[u8] {
        // A payload's length tells the header's.
        let plain = &self.0.plain;
        let header = match plain.len() {
            ..=127 => 2,
            128..=0x1_0003 => 4,
            _ => 10,
        };
        &plain[header..]
    }

    /// As it is written to a connection. Empty if there is nothing to say there.
    pub fn encoded(&self, encoding: Encoding) -> &Bytes {
        let payload = self.payload();
        if encoding == Encoding::Events {
            let name = self.0.name.clone().and_then(|name| payload.get(name));
            return self.0.event.get_or_init(|| event::event(self.0.opcode, self.0.seq, name, payload));
        }
        if self.opcode().is_control() || !encoding.compresses(payload.len()) {
            return &self.0.plain;
        }
        self.0.deflated.get_or_init(|| self.deflated(payload)).as_ref().unwrap_or(&self.0.plain)
    }

    fn deflated(&self, payload: &[u8]) -> Option<Bytes> {
        // So much less that it is shorter even with a header of the same length.
        let bytes = deflate(payload, payload.len() - 1, |compressed| {
            let mut frame = BytesMut::with_capacity(header_bytes(compressed.len()) + compressed.len());
            put_compressed_header(&mut frame, self.opcode(), compressed.len());
            frame.put_slice(compressed);
            frame.freeze()
        })?;
        Some(match &self.0.guard {
            Some(guard) => guard.over(bytes),
            None => bytes,
        })
    }

    /// As it is written to a WebSocket without extensions.
    pub fn plain(&self) -> &Bytes {
        &self.0.plain
    }

    /// The length of that.
    pub fn plain_bytes(&self) -> usize {
        self.0.plain.len()
    }
}

/// What a frame's bytes keep.
#[derive(Clone)]
struct Guard {
    _kept: Arc<dyn Send + Sync>,
}

impl Guard {
    /// The bytes, which keep it.
    fn over(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Guarded { bytes, _guard: self.clone() })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// Bytes that keep something.
struct Guarded {
    bytes: Bytes,
    _guard: Guard,
}

impl AsRef<[u8]> for Guarded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encoding::{DeflateRules, WINDOW_BITS_MAX};

    #[test]
    fn the_examples_of_rfc_6455_section_5_7_are_written() {
        // A single-frame unmasked text message, and 256 and 64 KiB binary messages.
        assert_eq!(&Frame::text(&[b"Hel", b"lo"]).plain()[..], b"\x81\x05Hello");
        assert_eq!(&Frame::binary(&[&[0; 256]]).plain()[..4], [0x82, 0x7e, 0x01, 0x00]);
        assert_eq!(&Frame::binary(&[&[0; 65536]]).plain()[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_payload_of_any_length_is_what_stands_behind_the_header() {
        for len in [0, 1, 125, 126, 127, 128, 129, 65_531, 65_535, 65_536, 65_540] {
            let payload = vec![7; len];
            let frame = Frame::binary(&[&payload]);
            assert_eq!(frame.payload(), payload, "{len}");
            assert_eq!(frame.plain_bytes(), header_bytes(len) + len, "{len}");
        }
    }

    #[test]
    fn a_frame_made_within_its_body_is_the_same_frame() {
        for len in [0, 1, 120, 125, 126, 65_530, 65_536] {
            let body = vec![7; len];
            assert_eq!(Frame::binary_within(b"head", body.clone()), Frame::binary(&[b"head", &body]), "{len}");
        }
    }

    #[test]
    fn another_address_is_all_that_changes() {
        let frame = Frame::text(&[b"here", b"body"]).with_address(4).with_seq(Seq(7));
        let other = frame.readdressed(b"elsewhere");
        assert_eq!(other.payload(), b"elsewherebody");
        assert_eq!((other.opcode(), other.seq()), (Opcode::Text, Some(Seq(7))));
        assert_eq!(other.readdressed(b"here"), frame);
    }

    #[test]
    fn a_guard_lives_as_long_as_the_bytes_do() {
        let guard = Arc::new(());
        let frame = Frame::text(&[b"text"]).with_seq(Seq(7));
        let guarded = frame.guarded(guard.clone());
        assert_eq!(guarded, frame);
        let bytes = guarded.plain().slice(1..);
        drop(guarded);
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(bytes);
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    /// The encoding of a connection that has agreed on compression.
    const DEFLATED: Encoding = Encoding::Deflated(DeflateRules { bytes_min: 100, window_bits: WINDOW_BITS_MAX });

    #[test]
    fn a_frame_is_compressed_once_for_all_who_take_that() {
        let frame = Frame::text(&[&b"again ".repeat(100)]).with_seq(Seq(7));
        let (first, again) = (frame.encoded(DEFLATED), frame.clone());
        assert!(first.len() < 60 && first[0] == 0xc1, "{first:?}");
        assert_eq!(again.encoded(DEFLATED).as_ptr(), first.as_ptr());
        assert_eq!(frame.encoded(Encoding::Plain), frame.plain());
        assert_eq!(frame, Frame::text(&[&b"again ".repeat(100)]).with_seq(Seq(7)), "the same frame, compressed or not");
    }

    #[test]
    fn what_would_not_be_shorter_is_not_compressed() {
        // No three bytes of it come twice.
        let noise: Vec<u8> = (0..200u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let long = vec![7; 1 << 20];
        for frame in [Frame::binary(&[&[7; 99]]), Frame::binary(&[&noise]), Frame::binary(&[&long]), Frame::ping()] {
            assert_eq!(frame.encoded(DEFLATED).as_ptr(), frame.plain().as_ptr(), "{} bytes", frame.plain_bytes());
        }
    }

    #[test]
    fn a_guard_lives_as_long_as_the_compressed_bytes_do() {
        let guard = Arc::new(());
        let frame = Frame::binary(&[&[7; 1000]]);
        frame.encoded(DEFLATED);
        let guarded = frame.guarded(guard.clone());
        let bytes = guarded.encoded(DEFLATED).clone();
        assert_eq!(bytes, frame.encoded(DEFLATED));
        drop(guarded);
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(bytes);
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    #[test]
    fn a_long_close_reason_is_cut_at_a_character() {
        let frame = Frame::close(4422, &"é".repeat(100));
        assert_eq!(frame.payload().len(), 2 + 122);
        assert!(std::str::from_utf8(&frame.payload()[2..]).is_ok());
    }
}
