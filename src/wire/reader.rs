//! Joins the bytes that arrive into whole messages. Bounded: a declared length is refused before its payload, and memory
//! grows with what has arrived, never with what was promised. Of a message beyond the limit the beginning may be kept, so that a
//! protocol can refuse it by name; the rest is thrown away as it comes.

use bytes::{Buf, Bytes, BytesMut};

use super::error::WireError;
use super::header::{self, CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode};

/// What a reader accepts.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// Longest message, all fragments together, in bytes.
    pub message_bytes_max: usize,
    /// Most fragments of one message.
    pub fragments_max: usize,
    /// Longest message beyond that of which the beginning is kept, in bytes; 0: none.
    pub skipped_bytes_max: u64,
}

/// What is kept of the beginning of a message beyond the limit, in bytes.
const BEGINNING_BYTES: usize = 1024;

/// A whole message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, checked to be UTF-8.
    Text(Bytes),
    /// Bytes of the protocol inside.
    Binary(Bytes),
    /// The beginning of a message beyond the limit, which has ended.
    TooBig(Bytes),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    /// An answer to our ping.
    Pong,
    /// The peer closes, with its code if it gave one.
    Close(Option<u16>),
}

impl Message {
    /// The length of its payload.
    pub fn bytes(&self) -> u64 {
        match self {
            Message::Text(payload) | Message::Binary(payload) | Message::Ping(payload) => payload.len() as u64,
            Message::TooBig(_) | Message::Pong | Message::Close(_) => 0,
        }
    }
}

/// A frame whose header has been read and whose payload has not wholly arrived.
#[derive(Debug)]
struct PartialFrame {
    header: Header,
    taken: usize,
}

/// The reading half of a connection, without the connection. Idle, it holds no buffer.
#[derive(Debug)]
pub struct Reader {
    limits: MessageLimits,
    /// The start of a header that came in pieces.
    head: [u8; HEADER_BYTES_MAX],
    head_bytes: usize,
    pending: Option<Box<PartialFrame>>,
    /// The data message so far: its kind and payload.
    message: Option<Opcode>,
    payload: BytesMut,
    fragments: usize,
    /// How much of it has come, kept or not.
    arrived: u64,
    /// Whether it is beyond the limit, and only its beginning kept.
    is_too_big: bool,
    /// The payload of a control frame that came in pieces, maybe between fragments.
    control: Vec<u8>,
}

impl Reader {
    /// A reader at the start of a connection.
    pub fn new(limits: MessageLimits) -> Self {
        Self {
            limits,
            head: [0; HEADER_BYTES_MAX],
            head_bytes: 0,
            pending: None,
            message: None,
            payload: BytesMut::new(),
            fragments: 0,
            arrived: 0,
            is_too_big: false,
            control: Vec::new(),
        }
    }

    /// Changes how long messages may be from now on.
    pub fn set_message_bytes_max(&mut self, bytes: usize) {
        self.limits.message_bytes_max = bytes;
    }

    /// Changes of how long messages beyond the limit the beginning is kept, from now on.
    pub fn set_skipped_bytes_max(&mut self, bytes: u64) {
        self.limits.skipped_bytes_max = bytes;
    }

    /// How much is kept of a data message that has not ended, in bytes.
    pub fn unfinished_bytes(&self) -> usize {
        self.payload.len()
    }

    /// How much has come of a data message that has not ended, in bytes.
    pub fn arrived_bytes(&self) -> u64 {
        self.arrived
    }

    /// Takes from `input` up to the end of the next message. `None`: all input is taken and more is needed.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        loop {
            let Some(mut pending) = self.next_frame(input)? else {
                return Ok(None);
            };
            let missing = pending.header.payload_bytes as usize - pending.taken;
            let piece = &input[..missing.min(input.len())];
            let is_control = pending.header.opcode.is_control();
            if is_control {
                let start = self.control.len();
                self.control.extend_from_slice(piece);
                header::unmask(&mut self.control[start..], pending.header.mask, pending.taken);
            } else {
                let start = self.payload.len();
                let kept = if self.is_too_big { BEGINNING_BYTES.saturating_sub(start) } else { usize::MAX };
                self.payload.extend_from_slice(&piece[..kept.min(piece.len())]);
                header::unmask(&mut self.payload[start..], pending.header.mask, pending.taken);
                self.arrived += piece.len() as u64;
            }
            pending.taken += piece.len();
            let is_whole = piece.len() == missing;
            input.advance(piece.len());
            if !is_whole {
                self.pending = Some(pending);
                return Ok(None);
            }
            if is_control {
                let payload = std::mem::take(&mut self.control);
                return control_message(pending.header.opcode, payload).map(Some);
            }
            if pending.header.is_last {
                return self.finish().map(Some);
            }
        }
    }

    /// The frame in progress, or the next one, once its header is whole and allowed.
    fn next_frame(&mut self, input: &mut &[u8]) -> Result<Option<Box<PartialFrame>>, WireError> {
        if let Some(pending) = self.pending.take() {
            return Ok(Some(pending));
        }
        let known = self.head_bytes;
        let more = input.len().min(HEADER_BYTES_MAX - known);
        self.head[known..known + more].copy_from_slice(&input[..more]);
        let Some((header, header_bytes)) = header::parse_header(&self.head[..known + more])? else {
            self.head_bytes = known + more;
            input.advance(more);
            return Ok(None);
        };
        self.head_bytes = 0;
        input.advance(header_bytes - known);
        if !header.opcode.is_control() {
            self.begin(&header)?;
        }
        Ok(Some(Box::new(PartialFrame { header, taken: 0 })))
    }

    /// Checks a data frame against the message in progress and the limits.
    fn begin(&mut self, header: &Header) -> Result<(), WireError> {
        match (header.opcode, self.message) {
            (Opcode::Continuation, None) => return Err(WireError::Protocol("nothing to continue")),
            (Opcode::Continuation, Some(_)) => self.fragments += 1,
            (_, Some(_)) => return Err(WireError::Protocol("a message began before the last one ended")),
            (opcode, None) => {
                self.message = Some(opcode);
                self.fragments = 1;
            }
        }
        if self.fragments > self.limits.fragments_max {
            return Err(WireError::Protocol("a message has too many fragments"));
        }
        let limit = self.limits.message_bytes_max;
        // Neither can overflow: a length has at most 63 bits.
        let whole = self.arrived + header.payload_bytes;
        if whole > self.limits.skipped_bytes_max.max(limit as u64) {
            return Err(WireError::TooBig { limit });
        }
        if whole > limit as u64 && !self.is_too_big {
            self.is_too_big = true;
            // A copy, so that the rest is let go of.
            self.payload = BytesMut::from(&self.payload[..self.payload.len().min(BEGINNING_BYTES)]);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Message, WireError> {
        let payload = std::mem::take(&mut self.payload).freeze();
        self.arrived = 0;
        let message = self.message.take();
        if std::mem::take(&mut self.is_too_big) {
            return Ok(Message::TooBig(payload));
        }
        match message {
            Some(Opcode::Text) if std::str::from_utf8(&payload).is_err() => Err(WireError::Utf8),
            Some(Opcode::Text) => Ok(Message::Text(payload)),
            _ => Ok(Message::Binary(payload)),
        }
    }
}

fn control_message(opcode: Opcode, payload: Vec<u8>) -> Result<Message, WireError> {
    debug_assert!(payload.len() <= CONTROL_BYTES_MAX);
    Ok(match opcode {
        Opcode::Ping => Message::Ping(payload.into()),
        Opcode::Pong => Message::Pong,
        _ => Message::Close(close_code(&payload)?),
    })
}

/// Checks the body of a close frame (RFC 6455 sections 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, WireError> {
    let [high, low, reason @ ..] = payload else {
        return match payload {
            [] => Ok(None),
            _ => Err(WireError::Protocol("a close code has two bytes")),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WireError::Protocol("this close code must not be sent"));
    }
    std::str::from_utf8(reason).map_err(|_| WireError::Utf8)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: MessageLimits = MessageLimits { message_bytes_max: 1000, fragments_max: 4, skipped_bytes_max: 0 };

    /// A masked client frame.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..=125 => out.push(0x80 | n as u8),
            n => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(n as u16).to_be_bytes());
            }
        }
        out.extend_from_slice(&[9, 8, 7, 6]);
        let start = out.len();
        out.extend_from_slice(payload);
        header::unmask(&mut out[start..], [9, 8, 7, 6], 0);
        out
    }

    fn read_all(reader: &mut Reader, mut input: &[u8]) -> Result<Vec<Message>, WireError> {
        let mut messages = Vec::new();
        while let Some(message) = reader.read(&mut input)? {
            messages.push(message);
        }
        assert!(input.is_empty());
        Ok(messages)
    }

    #[test]
    fn a_control_frame_between_fragments_is_delivered_at_once() {
        let mut raw = client_frame(0x01, b"Hel");
        raw.extend(client_frame(0x89, b"p"));
        raw.extend(client_frame(0x80, b"lo"));
        let messages = read_all(&mut Reader::new(LIMITS), &raw).unwrap();
        assert_eq!(messages, [Message::Ping(Bytes::from_static(b"p")), Message::Text(Bytes::from_static(b"Hello"))]);
    }

    #[test]
    fn a_message_at_the_limit_passes_and_one_past_it_is_refused_by_its_header() {
        let whole = client_frame(0x82, &[1; 1000]);
        assert_eq!(read_all(&mut Reader::new(LIMITS), &whole).unwrap().len(), 1);
        let header_only = &client_frame(0x82, &[1; 1001])[..8];
        assert_eq!(Reader::new(LIMITS).read(&mut &header_only[..]), Err(WireError::TooBig { limit: 1000 }));
        let claims_4_gib = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Reader::new(LIMITS).read(&mut &claims_4_gib[..]), Err(WireError::TooBig { limit: 1000 }));
    }

    #[test]
    fn of_a_message_beyond_the_limit_the_beginning_is_kept_if_it_is_not_longer_than_may_be_skipped() {
        let limits = MessageLimits { skipped_bytes_max: 5000, ..LIMITS };
        let payload: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let beginning = Message::TooBig(Bytes::copy_from_slice(&payload[..BEGINNING_BYTES]));
        let whole = client_frame(0x82, &payload);
        let in_fragments = [
            client_frame(0x02, &payload[..900]),
            client_frame(0x00, &payload[900..1100]),
            client_frame(0x80, &payload[1100..]),
        ];
        for raw in [whole, in_fragments.concat()] {
            for cut in [1, 3, 700, usize::MAX] {
                let mut reader = Reader::new(limits);
                let mut seen = Vec::new();
                for piece in raw.chunks(cut) {
                    seen.extend(read_all(&mut reader, piece).unwrap());
                    assert!(reader.unfinished_bytes() <= BEGINNING_BYTES);
                }
                assert_eq!(seen, std::slice::from_ref(&beginning), "pieces of {cut}");
                assert_eq!(reader.arrived_bytes(), 0);
                // The next one is as any.
                assert_eq!(
                    read_all(&mut reader, &client_frame(0x82, &[1; 1000])).unwrap(),
                    [Message::Binary(Bytes::from(vec![1; 1000]))]
                );
            }
        }
        let longer = client_frame(0x82, &[1; 5001]);
        assert_eq!(Reader::new(limits).read(&mut &longer[..]), Err(WireError::TooBig { limit: 1000 }));
    }

    #[test]
    fn fragments_count_together_against_both_limits() {
        let mut raw = client_frame(0x02, &[1; 600]);
        raw.extend(&client_frame(0x80, &[1; 401])[..8]);
        assert_eq!(read_all(&mut Reader::new(LIMITS), &raw), Err(WireError::TooBig { limit: 1000 }));
        let mut raw = client_frame(0x02, b"");
        for _ in 0..4 {
            raw.extend(client_frame(0x00, b"x"));
        }
        assert!(matches!(read_all(&mut Reader::new(LIMITS), &raw), Err(WireError::Protocol(_))));
    }

    #[test]
    fn broken_sequences_text_and_closes_are_refused() {
        let two_starts = [client_frame(0x01, b"a"), client_frame(0x81, b"b")].concat();
        let cases = [
            (client_frame(0x80, b"x"), 1002),
            (two_starts, 1002),
            (client_frame(0x81, b"\xff"), 1007),
            (client_frame(0x88, b"\x03"), 1002),
            (client_frame(0x88, &1005u16.to_be_bytes()), 1002),
            (client_frame(0x88, b"\x03\xe8\xff"), 1007),
        ];
        for (raw, code) in cases {
            let error = read_all(&mut Reader::new(LIMITS), &raw).unwrap_err();
            assert_eq!(error.close_code(), code, "{raw:x?}");
        }
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_the_bytes_are_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
            cuts in prop::collection::vec(1usize..40, 1..20),
        ) {
            let raw: Vec<u8> = payloads.iter().flat_map(|payload| client_frame(0x82, payload)).collect();
            let mut reader = Reader::new(LIMITS);
            let mut seen = Vec::new();
            let mut rest = &raw[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                seen.extend(read_all(&mut reader, piece).unwrap());
                rest = after;
            }
            let expected: Vec<_> = payloads.into_iter().map(|payload| Message::Binary(payload.into())).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(LIMITS);
            let mut input = &raw[..];
            while let Ok(Some(_)) = reader.read(&mut input) {}
        }
    }
}
