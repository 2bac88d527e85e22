//! A frame as an event of a `text/event-stream` (HTML standard, section 9.2), for clients that cannot have a WebSocket.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};

use super::header::Opcode;
use crate::ids::Seq;

/// What a binary message is called; its data is in base64.
const BINARY: &[u8] = b"binary";
/// What the last event is called.
const CLOSE: &[u8] = b"close";
/// A line that says nothing, so that whoever stands between sees a connection in use.
const COMMENT: &[u8] = b":\n\n";

/// A frame's event. `name` says what a text message is.
pub(super) fn event(opcode: Opcode, seq: Option<Seq>, name: Option<&[u8]>, payload: &[u8]) -> Bytes {
    match opcode {
        Opcode::Text => write(seq, name, payload),
        Opcode::Binary => write(seq, Some(BINARY), STANDARD.encode(payload).as_bytes()),
        Opcode::Close => write(None, Some(CLOSE), close(payload).as_bytes()),
        Opcode::Ping => Bytes::from_static(COMMENT),
        Opcode::Pong | Opcode::Continuation => Bytes::new(),
    }
}

/// What a close frame says, as JSON.
fn close(payload: &[u8]) -> String {
    let (code, reason) =
        payload.split_first_chunk().map_or((0, &[][..]), |(code, reason)| (u16::from_be_bytes(*code), reason));
    serde_json::json!({ "code": code, "reason": String::from_utf8_lossy(reason) }).to_string()
}

fn write(seq: Option<Seq>, name: Option<&[u8]>, data: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(data.len() + 64);
    if let Some(seq) = seq {
        event.put_slice(format!("id: {seq}\n").as_bytes());
    }
    if let Some(name) = name {
        put_line(&mut event, b"event: ", name);
    }
    for line in lines(data) {
        put_line(&mut event, b"data: ", line);
    }
    event.put_u8(b'\n');
    event.freeze()
}

fn put_line(event: &mut BytesMut, field: &[u8], line: &[u8]) {
    event.put_slice(field);
    event.put_slice(line);
    event.put_u8(b'\n');
}

/// A client joins lines of data with `\n`. In JSON a line's end is nothing but space, whichever it was.
fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Encoding, Frame};

    fn text(frame: &Frame) -> String {
        String::from_utf8(frame.encoded(Encoding::Events).to_vec()).unwrap()
    }

    #[test]
    fn each_kind_of_frame_is_an_event() {
        let message = br#"{"type":"chat.message","text":"a"}"#;
        let cases = [
            (Frame::text(&[b"{}"]), "data: {}\n\n"),
            (
                Frame::text(&[message]).with_name(9..21),
                "event: chat.message\ndata: {\"type\":\"chat.message\",\"text\":\"a\"}\n\n",
            ),
            (Frame::text(&[b"{}"]).with_seq(Seq(7)), "id: 7\ndata: {}\n\n"),
            (Frame::binary(&[&[0, 255]]), "event: binary\ndata: AP8=\n\n"),
            (
                Frame::close(4504, "over \"now\""),
                "event: close\ndata: {\"code\":4504,\"reason\":\"over \\\"now\\\"\"}\n\n",
            ),
            (Frame::ping(), ":\n\n"),
            (Frame::pong(b"x"), ""),
        ];
        for (frame, expected) in cases {
            assert_eq!(text(&frame), expected);
        }
    }

    #[test]
    fn no_line_of_a_message_becomes_a_field_of_its_event() {
        let frame = Frame::text(&[b"{\"a\":\nevent: close\r\ndata: 1\r:}"]);
        assert_eq!(text(&frame), "data: {\"a\":\ndata: event: close\ndata: \ndata: data: 1\ndata: :}\n\n");
    }

    #[test]
    fn an_event_is_encoded_once_for_all_who_get_it() {
        let frame = Frame::text(&[b"{}"]);
        assert_eq!(frame.clone().encoded(Encoding::Events).as_ptr(), frame.encoded(Encoding::Events).as_ptr());
    }
}
