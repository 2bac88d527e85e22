//! The protocol of the Hocuspocus provider: y-protocols messages behind a document's address, many documents on one connection,
//! and a word on each edit that is saved.

use bytes::Bytes;

use super::DecodeError;
use super::editor_message::{EditKind, EditorMessage};
use super::lib0::{Input, put_buf};
use super::yjs;
use crate::wire::Frame;

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const STATELESS: u64 = 5;
const CLOSE: u64 = 7;
const SYNC_STATUS: u64 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const TOKEN: u8 = 0;
const DENIED: u8 = 1;
const AUTHENTICATED: u8 = 2;

/// Separates a document's name from a provider's own mark in an address.
const SESSION_SEPARATOR: char = '\0';

/// A message from a client, and the document that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    /// The document's name, or `name \0 session`. Answers carry the same.
    pub address: Bytes,
    /// The message.
    pub message: Message,
}

/// What a client says. Contents are slices of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What y-websocket's clients say, too.
    Yjs(yjs::Message),
    /// A token for the document.
    Auth {
        /// The token.
        token: Bytes,
        /// Whether the client told its version, as provider 4 does; only such a client understands [`ping`].
        has_version: bool,
    },
    /// An app's own text.
    Stateless(Bytes),
    /// The client leaves the document.
    Close,
}

impl Message {
    /// The length of its content.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Yjs(message) => message.bytes(),
            Self::Auth { token: body, .. } | Self::Stateless(body) => body.len(),
            Self::Close => 0,
        }
    }
}

/// Reads a frame; `None` is a bare pong.
pub fn decode(frame: &Bytes) -> Result<Option<Addressed>, DecodeError> {
    if frame[..] == [PONG] {
        return Ok(None);
    }
    let mut input = Input::new(frame);
    let address = input.text_bytes()?;
    let message = match input.var_uint()? {
        SYNC => Message::Yjs(yjs::sync(&mut input)?),
        AWARENESS => Message::Yjs(yjs::Message::Awareness(input.buf()?)),
        QUERY_AWARENESS => Message::Yjs(yjs::Message::QueryAwareness),
        AUTH => match input.u8()? {
            TOKEN => Message::Auth { token: input.text_bytes()?, has_version: !input.is_empty() },
            _ => return Err(DecodeError::UnknownType),
        },
        STATELESS => Message::Stateless(input.text_bytes()?),
        CLOSE => Message::Close,
        _ => return Err(DecodeError::UnknownType),
    };
    Ok(Some(Addressed { address, message }))
}

/// Of a message that only the beginning is known of: its document's address and what it is, if that is an edit.
pub fn edit_beginning(beginning: &Bytes) -> Option<(Bytes, EditKind)> {
    let mut input = Input::new(beginning);
    let address = input.text_bytes().ok()?;
    (input.var_uint().ok()? == SYNC).then_some(())?;
    Some((address, yjs::edit_kind(&mut input)?))
}

/// The document's name in an address.
pub fn document(address: &str) -> &str {
    address.split_once(SESSION_SEPARATOR).map_or(address, |(name, _)| name)
}

/// An address, as it stands before each message.
pub fn encode_address(address: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(address.len() + 2);
    put_buf(&mut out, address.as_bytes());
    out
}

/// A frame of some parts behind an address.
fn addressed(address: &str, parts: &[&[u8]]) -> Frame {
    let address = encode_address(address);
    let mut all = Vec::with_capacity(parts.len() + 1);
    all.push(&address[..]);
    all.extend_from_slice(parts);
    Frame::binary(&all).with_address(address.len())
}

fn with_text(address: &str, kind: &[u8], text: &[u8]) -> Frame {
    let mut body = kind.to_vec();
    put_buf(&mut body, text);
    addressed(address, &[&body])
}

/// What a room says, to an address.
pub(super) fn frame(address: &str, message: EditorMessage) -> Frame {
    let (head, body) = yjs::parts(message);
    addressed(address, &[&head, body])
}

/// The answer to a Step1, to an address.
pub(super) fn step2(address: &str, update: Vec<u8>) -> Frame {
    let mut head = encode_address(address);
    let address_bytes = head.len();
    head.extend_from_slice(&yjs::step2_head(&update));
    Frame::binary_within(&head, update).with_address(address_bytes)
}

/// The token is good for the document; may be said again when that changes.
pub fn authenticated(address: &str, may_write: bool) -> Frame {
    with_text(address, &[AUTH as u8, AUTHENTICATED], if may_write { b"read-write" } else { b"readonly" })
}

/// The token is not good for the document. The connection stays, another token may follow.
pub fn denied(address: &str, reason: &str) -> Frame {
    with_text(address, &[AUTH as u8, DENIED], reason.as_bytes())
}

/// Asks for a fresh token.
pub fn token_request(address: &str) -> Frame {
    addressed(address, &[&[AUTH as u8, TOKEN]])
}

/// Whether one more of the client's messages is saved, or refused. See [`SyncCount`].
pub fn sync_status(address: &str, is_saved: bool) -> Frame {
    addressed(address, &[&[SYNC_STATUS as u8, u8::from(is_saved)]])
}

/// An app's own text, UTF-8.
pub fn stateless(address: &str, payload: &[u8]) -> Frame {
    with_text(address, &[STATELESS as u8], payload)
}

/// Ends a document. The connection stays.
pub fn close(address: &str, reason: &str) -> Frame {
    with_text(address, &[CLOSE as u8], reason.as_bytes())
}

/// Awareness of nobody: a sign of life for all clients.
pub fn nobody(address: &str) -> Frame {
    frame(address, EditorMessage::Awareness(&[0]))
}

/// A sign of life, for clients that told their version.
pub fn ping() -> Frame {
    Frame::binary(&[&[PING]])
}

/// Whether an Update was made before the Step1 that its client sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Before it, at least in part.
    Older,
    /// After it.
    Newer,
    /// Its content does not tell: it only deletes.
    Unknown,
}

/// The client's own count of what is not saved, mirrored, so that it comes to zero only when all is committed.
///
/// The client sets its count to 1 with its Step1, adds one for each Update that it makes and takes one off for each status "saved".
/// Nothing else changes it, a refusal neither. Updates that it made before its Step1, while it was not connected, may come after
/// it: its count has forgotten them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SyncCount {
    /// The client's count.
    unsynced: u64,
    /// Its Steps2 and Updates that are not committed yet.
    uncommitted: u64,
    /// Those that were refused. They count as unsaved until a Step2 brings them all, or the client starts anew.
    refused: u64,
    /// Whether it owes the Step2 that follows its Step1.
    owes_step2: bool,
}

impl SyncCount {
    /// The client sent Step1, and is sent ours.
    pub fn restart(&mut self) {
        *self = Self { unsynced: 1, refused: 0, owes_step2: true, ..*self };
    }

    /// An Update came. `age` is what its content tells.
    pub fn update(&mut self, age: Age) {
        let is_counted = match age {
            Age::Newer => true,
            Age::Older => false,
            // What was made before all comes before the Step2. Taken for counted, it could end the count too early.
            Age::Unknown => !self.owes_step2,
        };
        self.unsynced += u64::from(is_counted);
        self.uncommitted += 1;
    }

    /// Whether the client still owes the Step2 that follows its Step1.
    pub fn owes_step2(&self) -> bool {
        self.owes_step2
    }

    /// A Step2 came.
    pub fn step2(&mut self) {
        self.uncommitted += 1;
        self.owes_step2 = false;
    }

    /// A Step2 that came is taken, and with it all that was refused before. How many messages are committed with it.
    pub fn taken_step2(&mut self) -> u64 {
        let refused = std::mem::take(&mut self.refused);
        self.uncommitted += refused;
        refused + 1
    }

    /// So many of them are committed. How many times to say "saved".
    pub fn committed(&mut self, messages: u64) -> u64 {
        self.uncommitted = self.uncommitted.saturating_sub(messages);
        let open = self.uncommitted + self.refused + u64::from(self.owes_step2);
        let due = self.unsynced.saturating_sub(open);
        self.unsynced -= due;
        due
    }

    /// So many of them are refused.
    pub fn refuse(&mut self, messages: u64) {
        self.uncommitted = self.uncommitted.saturating_sub(messages);
        self.refused += messages;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOC1: [u8; 5] = [4, b'd', b'o', b'c', b'1'];

    fn from_client(rest: &[u8]) -> Result<Message, DecodeError> {
        let addressed = decode(&[&DOC1, rest].concat().into())?.unwrap();
        assert_eq!(addressed.address, "doc1");
        Ok(addressed.message)
    }

    fn to_client(frame: Frame) -> Vec<u8> {
        frame.payload().strip_prefix(&DOC1).unwrap().to_vec()
    }

    #[test]
    fn the_golden_bytes_are_read() {
        let token = Bytes::from_static(b"tok");
        let v4 = from_client(b"\x02\x00\x03tok\x054.8.0").unwrap();
        assert_eq!(v4, Message::Auth { token: token.clone(), has_version: true });
        assert_eq!(from_client(b"\x02\x00\x03tok").unwrap(), Message::Auth { token, has_version: false });
        let step1 = Message::Yjs(yjs::Message::Step1(Bytes::from_static(&[0])));
        assert_eq!(from_client(&[0, 0, 1, 0]).unwrap(), step1);
        let nobody = Message::Yjs(yjs::Message::Awareness(Bytes::from_static(&[0])));
        assert_eq!(from_client(&[1, 1, 0]).unwrap(), nobody);
        assert_eq!(from_client(&[3]).unwrap(), Message::Yjs(yjs::Message::QueryAwareness));
        assert_eq!(from_client(b"\x05\x02hi").unwrap(), Message::Stateless(Bytes::from_static(b"hi")));
        assert_eq!(from_client(&[7]).unwrap(), Message::Close);
        assert_eq!(decode(&Bytes::from_static(&[10])).unwrap(), None);
    }

    #[test]
    fn the_golden_bytes_are_written() {
        assert_eq!(to_client(denied("doc1", "permission-denied")), b"\x02\x01\x11permission-denied");
        assert_eq!(to_client(authenticated("doc1", true)), b"\x02\x02\x0aread-write");
        assert_eq!(to_client(authenticated("doc1", false)), b"\x02\x02\x08readonly");
        assert_eq!(to_client(token_request("doc1")), [2, 0]);
        assert_eq!(to_client(sync_status("doc1", true)), [8, 1]);
        assert_eq!(to_client(sync_status("doc1", false)), [8, 0]);
        assert_eq!(to_client(close("doc1", "bye")), b"\x07\x03bye");
        assert_eq!(to_client(frame("doc1", EditorMessage::Awareness(&[0]))), [1, 1, 0]);
        assert_eq!(to_client(frame("doc1", EditorMessage::Update(&[0, 0]))), [0, 2, 2, 0, 0]);
        assert_eq!(ping().payload(), [9]);
    }

    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        let cases: [(&[u8], DecodeError); 6] = [
            (&[], DecodeError::Truncated),
            (&[4], DecodeError::UnknownType),
            (&[0, 3, 0], DecodeError::UnknownType),
            (&[2, 1, 0], DecodeError::UnknownType),
            (&[2, 0, 3, b't'], DecodeError::Truncated),
            (&[2, 0, 1, 0xff], DecodeError::Utf8),
        ];
        for (rest, error) in cases {
            assert_eq!(from_client(rest), Err(error), "{rest:?}");
        }
        assert_eq!(decode(&Bytes::from_static(&[10, 0])), Err(DecodeError::Truncated));
    }

    #[test]
    fn an_address_may_hold_a_mark_behind_the_name() {
        assert_eq!(document("doc1"), "doc1");
        assert_eq!(document("doc1\0a"), "doc1");
        let other = frame("doc1", EditorMessage::Update(&[0, 0])).readdressed(&encode_address("doc1\0a"));
        assert_eq!(other.payload(), b"\x06doc1\0a\x00\x02\x02\x00\x00");
    }

    #[test]
    fn in_the_plain_case_each_update_and_the_step2_are_said_to_be_saved() {
        let mut count = SyncCount::default();
        count.restart();
        count.step2();
        let messages = count.taken_step2();
        assert_eq!(count.committed(messages), 1);
        count.update(Age::Newer);
        count.update(Age::Newer);
        assert_eq!(count.committed(1), 1);
        assert_eq!(count.committed(1), 1);
        assert_eq!(count, SyncCount::default());
    }

    #[test]
    fn an_update_committed_before_the_owed_step2_leaves_the_client_unsynced() {
        let mut count = SyncCount::default();
        count.restart();
        count.update(Age::Newer);
        assert_eq!(count.committed(1), 1);
        assert_eq!(count.unsynced, 1);
        count.step2();
        assert_eq!(count.committed(1), 1);
        assert_eq!(count.unsynced, 0);
    }

    #[test]
    fn what_was_made_before_step1_and_comes_after_it_does_not_end_the_count_early() {
        for age in [Age::Older, Age::Unknown] {
            let mut count = SyncCount::default();
            count.restart();
            count.update(age);
            count.update(age);
            assert_eq!(count.committed(1), 0);
            count.step2();
            assert_eq!(count.committed(1), 0);
            count.update(Age::Newer);
            assert_eq!(count.committed(1), 1, "of two, with one still to come");
            assert_eq!(count.committed(1), 1);
            assert_eq!(count, SyncCount::default());
        }
    }

    #[test]
    fn a_deletion_after_the_step2_is_counted() {
        let mut count = SyncCount::default();
        count.restart();
        count.step2();
        count.update(Age::Unknown);
        assert_eq!(count.unsynced, 2);
    }

    #[test]
    fn a_step2_that_the_server_asked_for_is_not_counted_by_the_client() {
        let mut count = SyncCount::default();
        count.step2();
        count.update(Age::Newer);
        assert_eq!(count.committed(1), 0);
        assert_eq!(count.committed(1), 1);
        assert_eq!(count, SyncCount::default());
    }

    #[test]
    fn a_refused_edit_keeps_the_client_unsynced_until_it_starts_anew() {
        let mut count = SyncCount::default();
        count.update(Age::Newer);
        count.refuse(1);
        count.update(Age::Newer);
        assert_eq!(count.committed(1), 1);
        assert_eq!(count.unsynced, 1);
        count.restart();
        count.step2();
        assert_eq!(count.committed(1), 1);
        assert_eq!(count.unsynced, 0);
    }

    #[test]
    fn a_step2_taken_after_a_refusal_brings_what_was_refused() {
        let mut count = SyncCount::default();
        count.update(Age::Newer);
        count.refuse(1);
        count.step2();
        let messages = count.taken_step2();
        count.update(Age::Newer);
        count.refuse(1);
        assert_eq!(count.committed(messages), 1);
        assert_eq!(count.unsynced, 1, "what was refused after it is still missing");
    }

    proptest! {
        #[test]
        fn rule_27_any_bytes_are_read_or_refused(
            head in prop::sample::select(vec![&b"\x04doc1"[..], b"\x03d\0s", b""]),
            raw in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let frame = Bytes::from([head, &raw].concat());
            let beginning = edit_beginning(&frame);
            if let Ok(Some(Addressed { address, message })) = decode(&frame) {
                prop_assert!(address.len() + message.bytes() <= frame.len());
                if let Message::Yjs(yjs::Message::Step2(_) | yjs::Message::Update(_)) = message {
                    prop_assert_eq!(beginning.map(|(address, _)| address), Some(address));
                }
            }
        }
    }
}
