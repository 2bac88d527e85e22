//! y-protocols as y-websocket speaks it: sync, awareness, auth. Frames are made whole, WebSocket header included, so that one
//! encoding serves all receivers.

use std::sync::LazyLock;

use bytes::Bytes;
use smallvec::SmallVec;

use super::DecodeError;
use super::editor_message::{EditKind, EditorMessage};
use super::lib0::{Input, put_buf, put_var_uint};
use crate::wire::Frame;

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
/// y-sweet's: has the server got so far?
const SYNC_STATUS: u64 = 102;
/// Jupyter's word for "write the document to the disk", behind the number that is [`AUTH`] here.
const SAVE: &[u8] = b"save";
/// Longest content of a [`SYNC_STATUS`], in bytes; y-sweet's is one number.
const STATUS_BYTES_MAX: usize = 64;

/// Most messages in one frame; clients send one.
const MESSAGES_MAX: usize = 64;

/// One message from a client. Contents are slices of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The client's state vector; answered with Step2.
    Step1(Bytes),
    /// What the server lacks, an update in v1 encoding.
    Step2(Bytes),
    /// An edit, an update in v1 encoding.
    Update(Bytes),
    /// Awareness entries, see [`super::awareness`].
    Awareness(Bytes),
    /// Asks for all known awareness states.
    QueryAwareness,
    /// Asks whether all before it is saved.
    AskSaved(SavedQuestion),
    /// Of a type that this protocol does not have, with all that follows in its frame, for its length is not known. Apps add such
    /// messages of their own, and servers ignore what they do not know.
    Unknown,
}

/// A question whether all is saved, as some clients ask it. Answered by an echo, it says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SavedQuestion {
    /// y-sweet's sync status: the client's count of its own changes, which it is sent back.
    Status(Bytes),
    /// Jupyter's save, by the client's number for it.
    Save(u64),
}

impl SavedQuestion {
    /// All is saved.
    pub fn saved(&self) -> Frame {
        match self {
            Self::Status(content) => {
                let mut body = Vec::with_capacity(content.len() + 2);
                put_var_uint(&mut body, SYNC_STATUS);
                put_buf(&mut body, content);
                Frame::binary(&[&body])
            }
            Self::Save(id) => save_reply(*id, "success"),
        }
    }

    /// Not all is saved, for an edit was denied.
    pub fn denied(&self) -> Frame {
        match self {
            // There is no word for that. What is said is a sign of life.
            Self::Status(_) => nobody(),
            Self::Save(id) => save_reply(*id, "failed"),
        }
    }

    /// Too many such questions wait.
    pub fn put_off(&self) -> Frame {
        match self {
            Self::Status(_) => nobody(),
            Self::Save(id) => save_reply(*id, "skipped"),
        }
    }
}

fn save_reply(id: u64, status: &str) -> Frame {
    let mut body = vec![AUTH as u8];
    put_buf(&mut body, format!(r#"{{"type":"save","responseTo":{id},"status":"{status}"}}"#).as_bytes());
    Frame::binary(&[&body])
}

impl Message {
    /// The length of its content.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Step1(body) | Self::Step2(body) | Self::Update(body) | Self::Awareness(body) => body.len(),
            Self::AskSaved(SavedQuestion::Status(body)) => body.len(),
            Self::AskSaved(SavedQuestion::Save(_)) | Self::QueryAwareness | Self::Unknown => 0,
        }
    }
}

/// Reads all messages of a frame, in order.
pub fn decode(frame: &Bytes) -> Result<SmallVec<[Message; 1]>, DecodeError> {
    let mut input = Input::new(frame);
    let mut messages = SmallVec::new();
    loop {
        if messages.len() == MESSAGES_MAX {
            return Err(DecodeError::TooMany);
        }
        let message = match input.var_uint()? {
            SYNC => match sync(&mut input) {
                Err(DecodeError::UnknownType) => Message::Unknown,
                message => message?,
            },
            AWARENESS => Message::Awareness(input.buf()?),
            QUERY_AWARENESS => Message::QueryAwareness,
            AUTH => save(&mut input).map_or(Message::Unknown, Message::AskSaved),
            SYNC_STATUS => match input.buf()? {
                content if content.len() <= STATUS_BYTES_MAX => {
                    // A copy, or it would keep its whole frame.
                    Message::AskSaved(SavedQuestion::Status(Bytes::copy_from_slice(&content)))
                }
                _ => Message::Unknown,
            },
            _ => Message::Unknown,
        };
        let is_unknown = message == Message::Unknown;
        messages.push(message);
        if is_unknown {
            return Ok(messages);
        }
        if input.is_empty() {
            return Ok(messages);
        }
    }
}

/// Reads a Jupyter client's request to save.
fn save(input: &mut Input) -> Option<SavedQuestion> {
    match input.buf() {
        Ok(word) if word == SAVE => Some(SavedQuestion::Save(input.var_uint().ok()?)),
        _ => None,
    }
}

/// Reads a sync message behind its type.
pub(super) fn sync(input: &mut Input) -> Result<Message, DecodeError> {
    match input.var_uint()? {
        0 => Ok(Message::Step1(input.buf()?)),
        1 => Ok(Message::Step2(input.buf()?)),
        2 => Ok(Message::Update(input.buf()?)),
        _ => Err(DecodeError::UnknownType),
    }
}

/// Of a message that only the beginning is known of: what it is, if that is an edit.
pub fn edit_beginning(beginning: &Bytes) -> Option<EditKind> {
    let mut input = Input::new(beginning);
    (input.var_uint().ok()? == SYNC).then_some(())?;
    edit_kind(&mut input)
}

/// Reads what an edit is behind the type of a sync message.
pub(super) fn edit_kind(input: &mut Input) -> Option<EditKind> {
    match input.var_uint().ok()? {
        1 => Some(EditKind::Step2),
        2 => Some(EditKind::Update),
        _ => None,
    }
}

/// A message's bytes: what stands before its content, and the content.
pub(super) fn parts(message: EditorMessage<'_>) -> (Vec<u8>, &[u8]) {
    let (kind, body): (&[u8], _) = match message {
        EditorMessage::Step1(state_vector) => (&[SYNC as u8, 0], state_vector),
        EditorMessage::Update(update) => (&[SYNC as u8, 2], update),
        EditorMessage::Awareness(entries) => (&[AWARENESS as u8], entries),
    };
    let mut head = Vec::with_capacity(kind.len() + 8);
    head.extend_from_slice(kind);
    put_var_uint(&mut head, body.len() as u64);
    (head, body)
}

/// What a room says, as a frame.
pub(super) fn frame(message: EditorMessage) -> Frame {
    let (head, body) = parts(message);
    Frame::binary(&[&head, body])
}

/// What stands before an update that answers a Step1.
pub(super) fn step2_head(update: &[u8]) -> Vec<u8> {
    let mut head = vec![SYNC as u8, 1];
    put_var_uint(&mut head, update.len() as u64);
    head
}

/// The answer to a Step1.
pub(super) fn step2(update: Vec<u8>) -> Frame {
    Frame::binary_within(&step2_head(&update), update)
}

/// The edit that adds nothing. Its echo says that all before it is committed.
pub fn barrier() -> Frame {
    static BARRIER: LazyLock<Frame> = LazyLock::new(|| update(&[0, 0]));
    BARRIER.clone()
}

/// An edit.
pub fn update(update: &[u8]) -> Frame {
    frame(EditorMessage::Update(update))
}

/// Awareness entries, encoded by [`super::awareness::encode`].
pub fn awareness(entries: &[u8]) -> Frame {
    frame(EditorMessage::Awareness(entries))
}

/// Awareness of nobody: a sign of life.
pub fn nobody() -> Frame {
    awareness(&[0])
}

/// A denial: of the connection before its close, or of a reader's edit.
pub fn denied(reason: &str) -> Frame {
    let mut body = vec![AUTH as u8, 0];
    put_buf(&mut body, reason.as_bytes());
    Frame::binary(&[&body])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use smallvec::smallvec;

    use super::*;
    use crate::wire::Opcode;

    fn payload(frame: Frame) -> Vec<u8> {
        assert_eq!(frame.opcode(), Opcode::Binary);
        frame.payload().to_vec()
    }

    #[test]
    fn the_golden_bytes_are_read() {
        let cases: [(&[u8], Message); 5] = [
            (&[0, 0, 1, 0], Message::Step1(Bytes::from_static(&[0]))),
            (&[0, 1, 2, 0, 0], Message::Step2(Bytes::from_static(&[0, 0]))),
            (
                &[0, 2, 0x0c, 1, 1, 1, 0, 4, 1, 1, 0x74, 2, 0x68, 0x69, 0],
                Message::Update(Bytes::from_static(&[1, 1, 1, 0, 4, 1, 1, 0x74, 2, 0x68, 0x69, 0])),
            ),
            (&[1, 1, 0], Message::Awareness(Bytes::from_static(&[0]))),
            (&[3], Message::QueryAwareness),
        ];
        for (raw, message) in cases {
            assert_eq!(decode(&Bytes::copy_from_slice(raw)), Ok(smallvec![message]), "{raw:x?}");
        }
    }

    #[test]
    fn the_golden_bytes_are_written() {
        assert_eq!(payload(frame(EditorMessage::Step1(&[0]))), [0, 0, 1, 0]);
        assert_eq!(payload(frame(EditorMessage::Step1(&[1, 1, 2]))), [0, 0, 3, 1, 1, 2]);
        assert_eq!(payload(step2(vec![0, 0])), [0, 1, 2, 0, 0]);
        assert_eq!(payload(awareness(&[0])), [1, 1, 0]);
        assert_eq!(payload(barrier()), [0, 2, 2, 0, 0]);
        assert_eq!(payload(denied("no")), [2, 0, 2, 0x6e, 0x6f]);
    }

    #[test]
    fn several_messages_in_one_frame_are_read_in_order() {
        let raw = Bytes::from_static(&[0, 0, 1, 0, 3]);
        assert_eq!(decode(&raw), Ok(smallvec![Message::Step1(Bytes::from_static(&[0])), Message::QueryAwareness]));
        assert_eq!(decode(&Bytes::from(vec![3; 64])).map(|all| all.len()), Ok(64));
        assert_eq!(decode(&Bytes::from(vec![3; 65])), Err(DecodeError::TooMany));
    }

    #[test]
    fn empty_cut_and_unknown_messages_are_refused() {
        for raw in [&[][..], &[0], &[0, 2, 5, 1], &[1, 0x80]] {
            assert_eq!(decode(&Bytes::copy_from_slice(raw)), Err(DecodeError::Truncated), "{raw:x?}");
        }
    }

    #[test]
    fn messages_of_unknown_types_are_passed_over_with_what_follows_in_their_frame() {
        let long = [&[102, 65][..], &[1; 65]].concat();
        for raw in
            [&[0, 3, 0][..], &[9], &[2, 0, 0], &[2, 4, b's', b'a', b'v', b'e', 0x80], &[0xff, 0x7f, 1, 2, 3], &long]
        {
            assert_eq!(decode(&Bytes::copy_from_slice(raw)), Ok(smallvec![Message::Unknown]), "{raw:x?}");
            let behind_known = [&[3], raw].concat();
            let expected = Ok(smallvec![Message::QueryAwareness, Message::Unknown]);
            assert_eq!(decode(&Bytes::from(behind_known)), expected, "{raw:x?}");
        }
        for raw in [&[0, 3, 0][..], &[9], &[2, 0, 0]] {
            assert_eq!(decode(&Bytes::from([raw, &[3]].concat())), Ok(smallvec![Message::Unknown]), "{raw:x?}");
        }
        assert_eq!(decode(&Bytes::from_static(&[102, 5, 1])), Err(DecodeError::Truncated));
    }

    #[test]
    fn the_questions_of_y_sweet_and_jupyter_are_read_and_answered_as_they_expect() {
        let asked = |raw: &'static [u8]| match &decode(&Bytes::from_static(raw)).unwrap()[..] {
            [Message::AskSaved(question)] => question.clone(),
            other => panic!("{other:?}"),
        };
        let status = asked(&[102, 2, 0x96, 1]);
        assert_eq!(payload(status.saved()), [102, 2, 0x96, 1]);
        assert_eq!(payload(status.denied()), [1, 1, 0]);
        assert_eq!(payload(status.put_off()), [1, 1, 0]);
        let save = asked(&[2, 4, b's', b'a', b'v', b'e', 0x96, 1]);
        for (reply, said) in [(save.saved(), "success"), (save.denied(), "failed"), (save.put_off(), "skipped")] {
            let json = format!(r#"{{"type":"save","responseTo":150,"status":"{said}"}}"#);
            assert_eq!(payload(reply), [&[2, json.len() as u8][..], json.as_bytes()].concat());
        }
    }

    proptest! {
        #[test]
        fn rule_27_no_bytes_make_the_decoder_panic(raw in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&Bytes::from(raw));
        }
    }
}
