//! From a document's name elsewhere to a room's name here. Pure.

use std::fmt::Write as _;

use crate::ids::{RoomName, RoomNameError};

/// Which names are given, and what becomes of those that no room can have.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    /// Stands before each name.
    pub prefix: String,
    /// Whether what is not allowed is encoded, not refused.
    pub renames: bool,
}

impl Naming {
    /// The room of the document `name`.
    pub fn room(&self, name: &str) -> Result<RoomName, RoomNameError> {
        let plain = RoomName::parse(&format!("{}{name}", self.prefix));
        let must_change = match plain {
            Ok(_) => looks_encoded(name),
            Err(RoomNameError::Character(_) | RoomNameError::Form | RoomNameError::Segment) => true,
            Err(_) => false,
        };
        match self.renames && must_change {
            true => RoomName::parse(&format!("{}{}", self.prefix, encode(name))),
            false => plain,
        }
    }
}

/// Whether another name's encoding could be `name`, which must then be encoded, too, so that different names stay different.
fn looks_encoded(name: &str) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let has_byte = name.as_bytes().windows(3).any(|part| part[0] == b'~' && part[1..].iter().all(is_digit));
    has_byte || name.split('/').any(|segment| segment == "~")
}

/// What no room's name may hold, and each `~`, as bytes of `~` and two hexadecimal digits; an empty segment as `~`, the dots of a
/// segment of one or two as bytes. Where that is not in normalisation form C, as the name itself may not be, all beyond ASCII.
fn encode(name: &str) -> String {
    let segments = |is_plain: fn(char) -> bool| {
        let segments: Vec<String> = name.split('/').map(|segment| encode_segment(segment, is_plain)).collect();
        segments.join("/")
    };
    let encoded = segments(RoomName::may_hold);
    match RoomName::parse(&encoded) {
        Err(RoomNameError::Form) => segments(|c| c.is_ascii() && RoomName::may_hold(c)),
        _ => encoded,
    }
}

fn encode_segment(segment: &str, is_plain: fn(char) -> bool) -> String {
    let is_dots = matches!(segment, "." | "..");
    let mut encoded = String::with_capacity(segment.len());
    for c in segment.chars() {
        if is_plain(c) && c != '~' && !(c == '.' && is_dots) {
            encoded.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String does not fail.
            let _ = write!(encoded, "~{byte:02X}");
        }
    }
    if encoded.is_empty() { "~".to_owned() } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, renames: bool) -> Result<String, RoomNameError> {
        Naming { prefix: "old/".to_owned(), renames }.room(name).map(|room| room.to_string())
    }

    #[test]
    fn a_name_that_a_room_can_have_is_kept_behind_the_prefix() {
        for name in ["plan", "2026/plan~1", "a.b", "Übersicht"] {
            for renames in [false, true] {
                assert_eq!(room(name, renames), Ok(format!("old/{name}")));
            }
        }
    }

    #[test]
    fn another_name_is_refused_unless_it_may_be_encoded() {
        let cases = [
            ("a+b", "old/a~2Bb"),
            ("Größe+", "old/Größe~2B"),
            ("a\u{200d}ü", "old/a~E2~80~8Dü"),
            // Not composed: all that is beyond ASCII, so that it is not taken for the composed name.
            ("u\u{308}ü", "old/u~CC~88~C3~BC"),
            // Composed, but for the encoding of what stands between the two.
            ("x\u{200a}\u{301}", "old/x~E2~80~8A~CC~81"),
            ("50%~", "old/50~25~7E"),
            ("/a//b/", "old/~/a/~/b/~"),
            ("../a/.", "old/~2E~2E/a/~2E"),
            ("a\0", "old/a~00"),
        ];
        for (name, encoded) in cases {
            assert!(room(name, false).is_err(), "{name:?}");
            assert_eq!(room(name, true).as_deref(), Ok(encoded), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_looks_encoded_is_encoded_too_where_names_are() {
        assert_eq!(room("n~C3~A4me", false).as_deref(), Ok("old/n~C3~A4me"));
        assert_eq!(room("n~C3~A4me", true).as_deref(), Ok("old/n~7EC3~7EA4me"));
        assert_eq!(room("a/~", true).as_deref(), Ok("old/a/~7E"));
    }

    #[test]
    fn different_names_stay_different() {
        let names = ["ü", "u\u{308}", "u~CC~88", "ü+", "~C3~BC+", "ü~2B", "u\u{308}+", "+", "~2B", "~", "/"];
        let rooms: std::collections::HashSet<_> = names.iter().map(|name| room(name, true).unwrap()).collect();
        assert_eq!(rooms.len(), names.len(), "{rooms:?}");
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_also_if_only_its_encoding_is() {
        assert_eq!(room(&"x".repeat(197), true), Err(RoomNameError::TooLong));
        assert_eq!(room(&"+".repeat(70), true), Err(RoomNameError::TooLong));
    }
}
