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
            Err(RoomNameError::Character | RoomNameError::Segment) => true,
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

/// Each byte that no room's name may hold, and each `~`, as `~` and two hexadecimal digits; an empty segment as `~`, the dots of a
/// segment of one or two as bytes.
fn encode(name: &str) -> String {
    let segments: Vec<String> = name.split('/').map(encode_segment).collect();
    segments.join("/")
}

fn encode_segment(segment: &str) -> String {
    let is_dots = matches!(segment, "." | "..");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:@- ".contains(&byte) || (byte == b'.' && !is_dots);
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match is_plain(byte) {
            true => encoded.push(char::from(byte)),
            // Writing to a String does not fail.
            false => drop(write!(encoded, "~{byte:02X}")),
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
        for name in ["plan", "2026/plan~1", "a.b"] {
            for renames in [false, true] {
                assert_eq!(room(name, renames), Ok(format!("old/{name}")));
            }
        }
    }

    #[test]
    fn another_name_is_refused_unless_it_may_be_encoded() {
        let cases = [
            ("näme", "old/n~C3~A4me"),
            ("a+b", "old/a~2Bb"),
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
    fn a_name_that_is_too_long_is_refused_also_if_only_its_encoding_is() {
        assert_eq!(room(&"x".repeat(197), true), Err(RoomNameError::TooLong));
        assert_eq!(room(&"ä".repeat(40), true), Err(RoomNameError::TooLong));
    }
}
