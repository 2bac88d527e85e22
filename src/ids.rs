//! The names and numbers by which everything else is identified. Pure values: parsing and printing, no I/O.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest room name, in bytes.
pub const ROOM_NAME_BYTES_MAX: usize = 200;
/// Begins the names of the server's own rooms.
const RESERVED: &str = "tutti/";

/// A room's name: 1 to [`ROOM_NAME_BYTES_MAX`] bytes of `A–Z a–z 0–9 . _ ~ : @ / -` and space, in segments
/// separated by `/`, none of them empty, `.` or `..`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

/// Why a text is not a room name. The message tells a client what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    /// No character at all.
    #[error("a room name must not be empty")]
    Empty,
    /// Longer than [`ROOM_NAME_BYTES_MAX`].
    #[error("a room name has at most {ROOM_NAME_BYTES_MAX} bytes")]
    TooLong,
    /// A character outside the allowed set.
    #[error("a room name may hold A-Z a-z 0-9 . _ ~ : @ / - and space only")]
    Character,
    /// An empty, `.` or `..` segment, or a leading or trailing slash.
    #[error("a room name must have no empty, '.' or '..' segment between slashes")]
    Segment,
}

/// As much of what may be no room's name as is fit for a log, to be written with its control characters escaped.
pub fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(ROOM_NAME_BYTES_MAX)]
}

impl RoomName {
    /// Checks and takes `text`.
    pub fn parse(text: &str) -> Result<Self, RoomNameError> {
        if text.is_empty() {
            return Err(RoomNameError::Empty);
        }
        if text.len() > ROOM_NAME_BYTES_MAX {
            return Err(RoomNameError::TooLong);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~:@/- ".contains(&b);
        if !text.bytes().all(allowed) {
            return Err(RoomNameError::Character);
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(RoomNameError::Segment);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of the server's own, below `tutti/`: only the server writes there.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for RoomName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A person or program as its token names it (`sub`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Takes `text` as it is; the token's verification has bounded it.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry's place in its room's timeline: 1, 2, 3 … without gaps. 0 is the empty timeline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The head of a timeline without entries.
    pub const ZERO: Seq = Seq(0);
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One WebSocket connection of this process; never used twice in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SocketId(pub u64);

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One socket's membership of one room; never used twice in a process's life. A socket may be in many rooms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Longest pattern, in bytes: no longer one could match a room.
pub const PATTERN_BYTES_MAX: usize = ROOM_NAME_BYTES_MAX;

/// A room's name in which each `*` stands for any run of characters, `/` included, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RoomPattern(String);

/// Why a text is no pattern: it could match no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room pattern has 1 to {PATTERN_BYTES_MAX} bytes of A-Z a-z 0-9 . _ ~ : @ / - space and *")]
pub struct PatternError;

impl fmt::Display for RoomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RoomPattern {
    /// Checks and takes `text`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~:@/- *".contains(&b);
        match (1..=PATTERN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(PatternError),
        }
    }

    /// Whether the whole name fits the pattern. Takes time in proportion to both lengths together: each part between
    /// stars is taken where it first occurs, which never needs to be undone.
    pub fn matches(&self, room: &RoomName) -> bool {
        let name = room.as_str();
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else {
            return false;
        };
        for part in middle.split('*') {
            match name.find(part) {
                Some(start) => name = &name[start + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl<'de> Deserialize<'de> for RoomPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_of_allowed_characters_and_full_length_is_taken() {
        for name in ["a", "docs/2026/plan", "A-Z.a_z~0:9@x y", "...", &"x".repeat(200)] {
            assert_eq!(RoomName::parse(name).map(|n| n.to_string()), Ok(name.to_string()));
        }
    }

    #[test]
    fn a_room_name_that_breaks_a_rule_is_refused_with_that_rule() {
        use RoomNameError::*;
        let cases = [
            ("", Empty),
            (&"x".repeat(201) as &str, TooLong),
            ("*", Character),
            ("a>b", Character),
            ("'; drop", Character),
            ("%2e%2e", Character),
            ("näme", Character),
            ("a\0b", Character),
            ("/a", Segment),
            ("a/", Segment),
            ("a//b", Segment),
            ("a/../b", Segment),
            (".", Segment),
        ];
        for (name, error) in cases {
            assert_eq!(RoomName::parse(name), Err(error), "{name:?}");
        }
    }
}
