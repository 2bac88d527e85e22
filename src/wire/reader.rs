//! Joins the bytes that arrive into whole messages. Bounded: a declared length is refused before its payload, and memory
//! grows with what has arrived, never with what was promised. Of a message beyond the limit the beginning may be kept, so that a
//! protocol can refuse it by name; the rest is thrown away as it comes. What is compressed is inflated as it comes, under the same
//! limits and in steps.

use bytes::{Buf, Bytes};

use super::deflate::{InflateError, Inflater};
use super::error::WireError;
use super::header::{self, CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode};
use crate::parts::{Joining, Parts};

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
/// Unmasked in one go, before it is inflated.
const UNMASKED_BYTES: usize = 2048;

/// A whole message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, checked to be UTF-8.
    Text(Bytes),
    /// Bytes of the protocol inside.
    Binary(Bytes),
    /// A message beyond the limit, which has ended.
    TooBig {
        /// What is kept of it.
        beginning: Bytes,
        /// How much of it there was to read, or to inflate up to the limit: what it cost.
        bytes: u64,
    },
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    /// An answer to our ping.
    Pong,
    /// The peer closes, with its code if it gave one.
    Close(Option<u16>),
}

impl Message {
    /// Whether it may come between the fragments of another.
    pub fn is_control(&self) -> bool {
        matches!(self, Message::Ping(_) | Message::Pong | Message::Close(_))
    }

    /// The length of its payload.
    pub fn bytes(&self) -> u64 {
        match self {
            Message::Text(payload) | Message::Binary(payload) | Message::Ping(payload) => payload.len() as u64,
            Message::TooBig { bytes, .. } => *bytes,
            Message::Pong | Message::Close(_) => 0,
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
    /// Whether compressed messages were agreed on.
    takes_compressed: bool,
    /// How much may be inflated, or put together, until more is allowed.
    allowance: usize,
    /// The data message so far: its kind, whether it is compressed, and its payload, unless that is still inflated.
    message: Option<Opcode>,
    is_compressed: bool,
    inflater: Option<Box<Inflater>>,
    payload: Parts,
    /// The same once all of it is there, on its way into one piece; how much of that is known to be text.
    joining: Option<Joining>,
    text_bytes: usize,
    fragments: usize,
    /// How much of it has come, kept or not.
    arrived: u64,
    /// Whether it is beyond the limit, and only its beginning kept.
    is_too_big: bool,
    /// How much of it was inflated and is not kept.
    let_go: u64,
    /// The payload of a control frame that came in pieces, maybe between fragments.
    control: Vec<u8>,
    /// Bytes of compressed messages, as they came and inflated, since they were last taken.
    compressed: (u64, u64),
    /// Bytes of payloads, inflated, since they were last taken.
    came: usize,
    /// What of the last frame, also of one that was refused, has not come.
    missing: u64,
}

impl Reader {
    /// A reader at the start of a connection.
    pub fn new(limits: MessageLimits) -> Self {
        Self {
            limits,
            head: [0; HEADER_BYTES_MAX],
            head_bytes: 0,
            pending: None,
            takes_compressed: false,
            allowance: usize::MAX,
            message: None,
            is_compressed: false,
            inflater: None,
            payload: Parts::default(),
            joining: None,
            text_bytes: 0,
            fragments: 0,
            arrived: 0,
            is_too_big: false,
            let_go: 0,
            control: Vec::new(),
            compressed: (0, 0),
            came: 0,
            missing: 0,
        }
    }

    /// Lets go of all that has come and is no whole message. Of what comes next nothing makes sense.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Changes how long messages may be from now on.
    pub fn set_message_bytes_max(&mut self, bytes: usize) {
        self.limits.message_bytes_max = bytes;
    }

    /// Changes of how long messages beyond the limit the beginning is kept, from now on.
    pub fn set_skipped_bytes_max(&mut self, bytes: u64) {
        self.limits.skipped_bytes_max = bytes;
    }

    /// Takes compressed messages from now on, as it was agreed in the handshake.
    pub fn take_compressed(&mut self) {
        self.takes_compressed = true;
    }

    /// Lets so much be inflated and put together until the next call, and what ends a message. Past it [`read`](Self::read) takes no more.
    pub fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Whether it waits for an allowance, and not for input.
    pub fn is_paused(&self) -> bool {
        self.joining.is_some() || self.inflater.as_ref().is_some_and(|inflater| inflater.is_paused())
    }

    /// How much is kept of a data message that has not ended, in bytes.
    pub fn unfinished_bytes(&self) -> usize {
        let inflated = self.inflater.as_ref().map_or(0, |inflater| inflater.held_bytes());
        self.payload.len() + inflated + self.joining.as_ref().map_or(0, Joining::bytes)
    }

    /// Bytes of compressed messages that have ended, as they came and inflated, since the last call.
    pub fn take_compressed_bytes(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.compressed)
    }

    /// How many bytes of payloads have come since the last call, inflated where they were compressed, whether their messages have ended or
    /// not: what they cost.
    pub fn take_came(&mut self) -> usize {
        std::mem::take(&mut self.came)
    }

    /// How much of the frame that came last is still to come, in bytes: its sender is in the middle of it, whether it is taken or not.
    pub fn missing_bytes(&self) -> u64 {
        self.missing
    }

    /// How much has come of a data message that has not ended, in bytes.
    pub fn arrived_bytes(&self) -> u64 {
        self.arrived
    }

    /// Takes from `input` up to the end of the next message. `None`: all input is taken and more is needed, or it [is
    /// paused](Self::is_paused).
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        let read = self.read_frames(input);
        if read.is_err() {
            // Nothing of it is taken any more, but it is there.
            self.missing = self.missing.saturating_sub(input.len() as u64);
        }
        read
    }

    fn read_frames(&mut self, input: &mut &[u8]) -> Result<Option<Message>, WireError> {
        if self.joining.is_some() {
            return self.join();
        }
        loop {
            let Some(mut pending) = self.next_frame(input)? else {
                return Ok(None);
            };
            let missing = pending.header.payload_bytes as usize - pending.taken;
            let piece = &input[..missing.min(input.len())];
            let is_control = pending.header.opcode.is_control();
            let mut taken = piece.len();
            if is_control {
                let start = self.control.len();
                self.control.extend_from_slice(piece);
                header::unmask(&mut self.control[start..], pending.header.mask, pending.taken);
                self.came += piece.len();
            } else if self.inflater.is_some() {
                taken = self.inflate(&pending, piece)?;
                self.arrived += taken as u64;
            } else {
                let start = self.payload.len();
                let kept = match (self.is_too_big, self.is_compressed) {
                    (false, _) => usize::MAX,
                    (true, false) => BEGINNING_BYTES.saturating_sub(start),
                    (true, true) => 0,
                };
                let Header { mask, .. } = pending.header;
                self.payload.push_changed(&piece[..kept.min(piece.len())], |bytes, offset| {
                    header::unmask(bytes, mask, pending.taken + offset);
                });
                self.arrived += piece.len() as u64;
                self.came += piece.len();
            }
            pending.taken += taken;
            let is_whole = taken == missing;
            self.missing = (missing - taken) as u64;
            input.advance(taken);
            if !is_whole || self.is_paused() {
                self.pending = Some(pending);
                return Ok(None);
            }
            if is_control {
                let payload = std::mem::take(&mut self.control);
                return control_message(pending.header.opcode, payload).map(Some);
            }
            if pending.header.is_last {
                self.end_payload()?;
                return self.join();
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
        self.missing = header.payload_bytes;
        if header.is_compressed && !self.takes_compressed {
            return Err(header::RESERVED);
        }
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
                self.is_compressed = header.is_compressed;
                self.inflater = header.is_compressed.then(Box::<Inflater>::default);
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
            // What is compressed is inflated up to there.
            if self.inflater.as_ref().is_none_or(|inflater| inflater.bytes() >= BEGINNING_BYTES) {
                self.keep_beginning();
            }
        }
        Ok(())
    }

    /// Lets go of a message but for its beginning.
    fn keep_beginning(&mut self) {
        let inflater = self.inflater.take();
        self.let_go = inflater.as_ref().map_or(0, |inflater| inflater.bytes() as u64);
        let kept = inflater.as_ref().map_or(self.payload.beginning(), |inflater| inflater.beginning());
        let mut beginning = Parts::default();
        beginning.push(&kept[..kept.len().min(BEGINNING_BYTES)]);
        self.payload = beginning;
    }

    /// Inflates a piece of a frame; how much of it was taken.
    fn inflate(&mut self, pending: &PartialFrame, piece: &[u8]) -> Result<usize, WireError> {
        let mut unmasked = [0; UNMASKED_BYTES];
        let mut taken = 0;
        while let Some(inflater) = &mut self.inflater {
            let part = &piece[taken..piece.len().min(taken + UNMASKED_BYTES)];
            let unmasked = &mut unmasked[..part.len()];
            unmasked.copy_from_slice(part);
            header::unmask(unmasked, pending.header.mask, pending.taken + taken);
            let limit = if self.is_too_big { BEGINNING_BYTES } else { self.limits.message_bytes_max };
            let before = inflater.bytes();
            let inflated = inflater.inflate(unmasked, limit, &mut self.allowance);
            self.came += inflater.bytes() - before;
            match inflated {
                Ok(used) => taken += used,
                Err(error) => self.on_inflate_error(error)?,
            }
            if taken == piece.len() || self.is_paused() {
                return Ok(taken);
            }
        }
        // Only its beginning is kept, which is there.
        Ok(piece.len())
    }

    /// A message that becomes too long when it is inflated is as one that is.
    fn on_inflate_error(&mut self, error: InflateError) -> Result<(), WireError> {
        let limit = self.limits.message_bytes_max;
        match error {
            InflateError::Bad => Err(WireError::Deflate),
            InflateError::TooBig if self.limits.skipped_bytes_max <= limit as u64 => Err(WireError::TooBig { limit }),
            InflateError::TooBig => {
                self.is_too_big = true;
                self.keep_beginning();
                Ok(())
            }
        }
    }

    /// All of a message's payload is there.
    fn end_payload(&mut self) -> Result<(), WireError> {
        let limit = self.limits.message_bytes_max;
        if let Some(inflater) = &mut self.inflater
            && !self.is_too_big
            && let Err(error) = inflater.finish(limit)
        {
            self.on_inflate_error(error)?;
        }
        let payload = std::mem::take(&mut self.payload);
        self.joining = Some(Joining::new(self.inflater.take().map_or(payload, |inflater| inflater.into_parts())));
        Ok(())
    }

    /// Puts a payload together, as far as is allowed. `None`: it is not in one piece yet.
    fn join(&mut self) -> Result<Option<Message>, WireError> {
        let Some(mut joining) = self.joining.take() else { return Ok(None) };
        let is_whole = joining.go_on(&mut self.allowance);
        if self.message == Some(Opcode::Text) && !self.is_too_big {
            self.text_bytes += text_bytes(&joining.joined()[self.text_bytes..])?;
        }
        if !is_whole {
            self.joining = Some(joining);
            return Ok(None);
        }
        self.finish(joining.into_bytes()).map(Some)
    }

    fn finish(&mut self, payload: Bytes) -> Result<Message, WireError> {
        let arrived = std::mem::take(&mut self.arrived);
        if self.is_compressed {
            self.compressed.0 += arrived;
            self.compressed.1 += payload.len() as u64;
        }
        let (message, text_bytes) = (self.message.take(), std::mem::take(&mut self.text_bytes));
        if std::mem::take(&mut self.is_too_big) {
            let bytes = arrived.max(std::mem::take(&mut self.let_go));
            return Ok(Message::TooBig { beginning: payload, bytes });
        }
        match message {
            Some(Opcode::Text) if text_bytes < payload.len() => Err(WireError::Utf8),
            Some(Opcode::Text) => Ok(Message::Text(payload)),
            _ => Ok(Message::Binary(payload)),
        }
    }
}

/// How far `bytes` are UTF-8; an error if they cannot go on as that.
fn text_bytes(bytes: &[u8]) -> Result<usize, WireError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(WireError::Utf8),
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
    use crate::wire::deflate::{WINDOW_BYTES, deflate};
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
    fn what_is_missing_of_a_frame_is_told_wherever_it_is_cut_also_of_one_that_is_refused() {
        for len in [5, 200, 1_000, 1_001, 2_000] {
            let raw = client_frame(0x82, &vec![7; len]);
            let header = raw.len() - len;
            for cut in 0..=raw.len() {
                let mut reader = Reader::new(LIMITS);
                assert_eq!(reader.read(&mut &raw[..cut]).is_err(), len > 1_000 && cut >= header);
                let missing = if cut < header { 0 } else { raw.len() - cut };
                assert_eq!(reader.missing_bytes(), missing as u64, "{cut} of {len}");
            }
        }
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
        let beginning = Message::TooBig { beginning: Bytes::copy_from_slice(&payload[..BEGINNING_BYTES]), bytes: 5000 };
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

    /// A reader that takes compressed messages.
    fn inflating(limits: MessageLimits) -> Reader {
        let mut reader = Reader::new(limits);
        reader.take_compressed();
        reader
    }

    fn deflated(payload: &[u8]) -> Vec<u8> {
        deflate(payload, payload.len() + 100, <[u8]>::to_vec).unwrap()
    }

    /// A compressed message in one masked frame.
    fn compressed_frame(payload: &[u8]) -> Vec<u8> {
        client_frame(0xc2, &deflated(payload))
    }

    #[test]
    fn the_examples_of_rfc_7692_section_7_2_3_are_read() {
        let hello: [&[u8]; 6] = [
            &[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            // In two frames.
            &[0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00],
            // Not compressed; in a last block; in two blocks.
            &[0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xc1, 0x0d, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            // A message that is not compressed among those that are.
            &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
        ];
        let mut reader = inflating(LIMITS);
        for frames in hello {
            let (mut raw, mut rest) = (Vec::new(), frames);
            while let [first, len, more @ ..] = rest {
                raw.extend(client_frame(*first, &more[..usize::from(*len)]));
                rest = &more[usize::from(*len)..];
            }
            let messages = read_all(&mut reader, &raw).unwrap();
            assert_eq!(messages, [Message::Text(Bytes::from_static(b"Hello"))], "{frames:x?}");
        }
        let empty = [client_frame(0xc2, &[0]), client_frame(0xc2, &[])].concat();
        assert_eq!(read_all(&mut reader, &empty).unwrap(), [const { Message::Binary(Bytes::new()) }; 2]);
    }

    #[test]
    fn rule_22_compressed_frames_are_refused_where_they_were_not_agreed_on_or_make_no_sense() {
        let compressed = compressed_frame(b"text");
        let continued = [client_frame(0x02, b"a"), client_frame(0xc0, b"b")].concat();
        let cases = [
            (Reader::new(LIMITS), compressed, 1002),
            (inflating(LIMITS), continued, 1002),
            (inflating(LIMITS), client_frame(0xc9, b""), 1002),
            (inflating(LIMITS), client_frame(0xc8, b""), 1002),
            // A block of a kind that does not exist, one whose length lies, one that breaks off, a distance before the beginning.
            (inflating(LIMITS), client_frame(0xc2, &[0x06]), 1007),
            (inflating(LIMITS), client_frame(0xc2, &[0x00, 5, 0, 0, 0]), 1007),
            (inflating(LIMITS), client_frame(0xc2, &[0x00, 200, 0, 0x37, 0xff, 1, 2, 3]), 1007),
            (inflating(LIMITS), client_frame(0xc2, &[0x03, 0x02, 0x00]), 1007),
            // Text that is none once it is inflated.
            (inflating(LIMITS), client_frame(0xc1, &deflated(b"\xff")), 1007),
        ];
        for (mut reader, raw, code) in cases {
            let error = read_all(&mut reader, &raw).unwrap_err();
            assert_eq!(error.close_code(), code, "{raw:x?}");
        }
    }

    #[test]
    fn rule_22_a_message_at_the_limit_once_it_is_inflated_passes_and_one_past_it_is_refused() {
        for payload in [vec![0; 1001], (0..1001u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()]
        {
            let limits = MessageLimits { message_bytes_max: payload.len() - 1, fragments_max: 4000, ..LIMITS };
            let limit = limits.message_bytes_max;
            let at_limit = deflated(&payload[..limit]);
            // What does not get shorter is refused by its own length.
            if at_limit.len() <= limit {
                let messages = read_all(&mut inflating(limits), &client_frame(0xc2, &at_limit)).unwrap();
                assert_eq!(messages, [Message::Binary(Bytes::copy_from_slice(&payload[..limit]))]);
            }
            let refused = read_all(&mut inflating(limits), &compressed_frame(&payload));
            assert_eq!(refused, Err(WireError::TooBig { limit }));
        }
        let header_only = &client_frame(0xc2, &[0; 1001])[..8];
        assert_eq!(inflating(LIMITS).read(&mut &header_only[..]), Err(WireError::TooBig { limit: 1000 }));
    }

    #[test]
    fn rule_22_a_bomb_holds_no_more_than_the_limit_and_is_refused() {
        let raw = compressed_frame(&vec![0; 10 << 20]);
        assert!(raw.len() < 64 << 10, "{}", raw.len());
        for limit in [1000, 64 << 10, 1 << 20] {
            let mut reader = inflating(MessageLimits { message_bytes_max: limit, ..LIMITS });
            let held_max = limit + 1 + size_of::<Inflater>() + if limit > WINDOW_BYTES { WINDOW_BYTES } else { 0 };
            let mut input = &raw[..];
            let refused = loop {
                reader.allow(10_000);
                assert!(reader.unfinished_bytes() <= held_max, "{}", reader.unfinished_bytes());
                match reader.read(&mut input) {
                    Ok(message) => assert!(message.is_none() && reader.is_paused()),
                    Err(error) => break error,
                }
            };
            assert_eq!(refused, WireError::TooBig { limit });
        }
    }

    #[test]
    fn rule_22_of_a_bomb_the_beginning_is_kept_where_that_is_kept_of_any_long_message() {
        let limits = MessageLimits { message_bytes_max: 2000, skipped_bytes_max: 1 << 20, ..LIMITS };
        let payload: Vec<u8> = (0..=255).cycle().take(10 << 20).collect();
        let long: Vec<u8> = (0..1000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let zeros = vec![0; 100_000];
        for payload in [payload, long, zeros] {
            let compressed = deflated(&payload);
            let half = compressed.len() / 2;
            let in_fragments = [client_frame(0x42, &compressed[..half]), client_frame(0x80, &compressed[half..])];
            for raw in [client_frame(0xc2, &compressed), in_fragments.concat()] {
                for cut in [1, 700, usize::MAX] {
                    let mut reader = inflating(limits);
                    let mut seen = Vec::new();
                    for piece in raw.chunks(cut) {
                        seen.extend(read_all(&mut reader, piece).unwrap());
                        assert!(reader.unfinished_bytes() <= 2001 + size_of::<Inflater>());
                    }
                    let beginning = Bytes::copy_from_slice(&payload[..BEGINNING_BYTES]);
                    let [Message::TooBig { beginning: seen, bytes }] = &seen[..] else { panic!("{seen:?}") };
                    assert_eq!(seen, &beginning, "pieces of {cut}");
                    // What inflates counts up to the limit, however few bytes came.
                    assert!((2000..=compressed.len().max(2001) as u64).contains(bytes), "{bytes} bytes");
                    let next = read_all(&mut reader, &compressed_frame(&[1; 1000])).unwrap();
                    assert_eq!(next, [Message::Binary(Bytes::from(vec![1; 1000]))]);
                }
            }
        }
    }

    #[test]
    fn a_long_message_is_put_together_in_steps_compressed_or_not_and_held_once() {
        let payload: Vec<u8> = (0..3 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 28) as u8).collect();
        let mut plain = vec![0x82, 0x80 | 127];
        plain.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        plain.extend_from_slice(&[0; 4]);
        plain.extend_from_slice(&payload);
        let body = deflated(&payload);
        let fragments = body.chunks(50_000).count();
        let in_fragments = body.chunks(50_000).enumerate().flat_map(|(at, part)| {
            let last = if at + 1 == fragments { 0x80 } else { 0 };
            client_frame(last | if at == 0 { 0x42 } else { 0 }, part)
        });
        let limits = MessageLimits { message_bytes_max: payload.len(), fragments_max: 1000, ..LIMITS };
        for mut raw in [plain, in_fragments.collect()] {
            raw.extend(client_frame(0x82, b"next"));
            let (mut reader, mut input) = (inflating(limits), &raw[..]);
            let (mut seen, mut steps_joining) = (Vec::new(), 0);
            while seen.len() < 2 {
                reader.allow(100_000);
                seen.extend(reader.read(&mut input).unwrap());
                steps_joining += usize::from(reader.joining.is_some());
                assert!(reader.unfinished_bytes() <= payload.len() + 1 + size_of::<Inflater>() + WINDOW_BYTES);
            }
            assert!(steps_joining >= payload.len() / 100_000, "{steps_joining}");
            let next = Message::Binary(Bytes::from_static(b"next"));
            assert!(seen == [Message::Binary(payload.clone().into()), next] && input.is_empty());
        }
    }

    #[test]
    fn a_long_text_is_checked_as_it_is_put_together_also_where_a_letter_is_cut() {
        let limits = MessageLimits { message_bytes_max: 4 << 20, ..LIMITS };
        let read = |text: &[u8]| {
            let mut raw = vec![0x81, 0x80 | 127];
            raw.extend_from_slice(&(text.len() as u64).to_be_bytes());
            raw.extend_from_slice(&[0; 4]);
            raw.extend_from_slice(text);
            let (mut reader, mut input) = (Reader::new(limits), &raw[..]);
            loop {
                reader.allow(10_001);
                match reader.read(&mut input) {
                    Ok(None) => assert!(reader.is_paused()),
                    ended => break ended,
                }
            }
        };
        let text = "é".repeat(1 << 20).into_bytes();
        assert!(read(&text) == Ok(Some(Message::Text(text.clone().into()))));
        assert_eq!(read(&text[..text.len() - 1]), Err(WireError::Utf8));
        let mut broken = text.clone();
        broken[1 << 20] = 0xff;
        assert_eq!(read(&broken), Err(WireError::Utf8));
    }

    #[test]
    fn what_was_compressed_is_counted_as_it_came_and_inflated() {
        let raw = [compressed_frame(&[7; 1000]), client_frame(0x82, &[7; 1000])].concat();
        let mut reader = inflating(LIMITS);
        assert_eq!(read_all(&mut reader, &raw).unwrap().len(), 2);
        assert_eq!(reader.take_compressed_bytes(), (deflated(&[7; 1000]).len() as u64, 1000));
        assert_eq!(reader.take_compressed_bytes(), (0, 0));
    }

    #[test]
    fn rule_26_what_comes_counts_when_it_comes_and_as_it_is_inflated() {
        let mut reader = inflating(LIMITS);
        let mut input = &client_frame(0x82, &[7; 1000])[..600];
        assert_eq!((reader.read(&mut input), reader.take_came()), (Ok(None), 592));
        let mut reader = inflating(LIMITS);
        let bomb = compressed_frame(&[7; 10_000]);
        assert!(reader.read(&mut &bomb[..]).is_err() && bomb.len() < 100);
        assert_eq!((reader.take_came(), reader.take_came()), (1001, 0));
        let mut reader = inflating(MessageLimits { skipped_bytes_max: 5000, ..LIMITS });
        let mut input = &client_frame(0x82, &[7; 3000])[..];
        let skipped = reader.read(&mut input).unwrap().unwrap();
        assert!(matches!(skipped, Message::TooBig { .. }));
        assert_eq!(reader.take_came(), 3000, "thrown away or not");
    }

    /// Payloads of which some compress well and some do not.
    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let payload = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            (prop::collection::vec(any::<u8>(), 1..10), 1usize..90).prop_map(|(part, times)| part.repeat(times)),
        ];
        prop::collection::vec(payload, 1..6)
    }

    proptest! {
        #[test]
        fn rule_22_messages_are_the_same_compressed_or_not_however_they_are_cut(
            payloads in payloads(),
            fragment in 1usize..400,
            cuts in prop::collection::vec(1usize..200, 1..20),
            allowance in 1usize..400,
        ) {
            let limits = MessageLimits { fragments_max: 1000, ..LIMITS };
            let mut raw = Vec::new();
            for (number, payload) in payloads.iter().enumerate() {
                let (first, body) = if number % 3 == 2 { (0x02, payload.clone()) } else { (0x42, deflated(payload)) };
                let mut fragments = body.chunks(fragment).enumerate().peekable();
                if body.is_empty() {
                    raw.extend(client_frame(0x80 | first, &[]));
                }
                while let Some((at, part)) = fragments.next() {
                    let last = if fragments.peek().is_none() { 0x80 } else { 0 };
                    raw.extend(client_frame(last | if at == 0 { first } else { 0 }, part));
                }
            }
            let mut reader = inflating(limits);
            let (mut seen, mut rest) = (Vec::new(), &raw[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                let mut input = piece;
                loop {
                    reader.allow(allowance);
                    match reader.read(&mut input).unwrap() {
                        Some(message) => seen.push(message),
                        None if reader.is_paused() => {}
                        None => break,
                    }
                }
                assert!(input.is_empty());
                rest = after;
            }
            let expected: Vec<_> = payloads.into_iter().map(|payload| Message::Binary(payload.into())).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn rule_27_no_compressed_bytes_make_the_reader_panic_or_hold_more_than_the_limit(
            payload in prop::collection::vec(any::<u8>(), 0..120),
            skipped in prop::sample::select(vec![0, 5000]),
        ) {
            let mut reader = inflating(MessageLimits { skipped_bytes_max: skipped, ..LIMITS });
            let raw = client_frame(0xc2, &payload);
            let read = reader.read(&mut &raw[..]);
            prop_assert!(reader.unfinished_bytes() <= BEGINNING_BYTES + size_of::<Inflater>());
            if let Ok(Some(Message::Binary(message))) = read {
                prop_assert!(message.len() <= LIMITS.message_bytes_max);
            }
        }

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
        fn rule_27_no_bytes_make_the_reader_panic(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(LIMITS);
            let mut input = &raw[..];
            while let Ok(Some(_)) = reader.read(&mut input) {}
        }
    }
}
