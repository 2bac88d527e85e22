//! The names and numbers by which everything else is identified. Pure values: parsing and printing, no I/O.

mod event;
mod glob;
mod letters;

use std::fmt;
use std::sync::Arc;

pub use event::{EVENT_PATTERN_BYTES_MAX, EventPattern, EventPatternError};
pub use letters::turns_direction;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Longest room name, in bytes.
pub const ROOM_NAME_BYTES_MAX: usize = 200;
/// Begins the names of the server's own rooms.
const RESERVED: &str = "tutti/";

/// A room's name: 1 to [`ROOM_NAME_BYTES_MAX`] bytes of UTF-8 in normalisation form C: `A–Z a–z 0–9 . _ ~ : @ / -`, space, and
/// visible characters beyond ASCII, in segments separated by `/`, none of them empty, `.` or `..`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = "room-name", min_length = 1, max_length = 200, example = "docs/plan")]
pub struct RoomName(Arc<str>);

/// Why a text is not a room name. The message tells a client what to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    /// No character at all.
    #[error("a room name must not be empty")]
    Empty,
    /// Longer than [`ROOM_NAME_BYTES_MAX`].
    #[error("a room name has at most {ROOM_NAME_BYTES_MAX} bytes in UTF-8")]
    TooLong,
    /// A character outside the allowed set.
    #[error(
        "a room name may not hold {}; it may hold letters and digits of any script, space and . _ ~ : @ / -",
        shown(*.0)
    )]
    Character(char),
    /// Not in Unicode's normalisation form C.
    #[error("a room name must be in Unicode's normalization form C; in JavaScript: name.normalize('NFC')")]
    Form,
    /// An empty, `.` or `..` segment, or a leading or trailing slash.
    #[error("a room name must have no empty, '.' or '..' segment between slashes")]
    Segment,
}

/// A character as a message names it: itself where it can be seen, else its number.
fn shown(c: char) -> String {
    match c.is_ascii_graphic() || letters::is_allowed(c) {
        true => c.to_string(),
        false => format!("U+{:04X}", u32::from(c)),
    }
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
        if let Some(c) = text.chars().find(|c| !letters::is_allowed(*c)) {
            return Err(RoomNameError::Character(c));
        }
        if !letters::is_nfc(text) {
            return Err(RoomNameError::Form);
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(RoomNameError::Segment);
        }
        Ok(Self(text.into()))
    }

    /// Whether a name may hold this character, at the right place and beside others.
    pub fn may_hold(c: char) -> bool {
        letters::is_allowed(c)
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

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A person or program as its token names it (`sub`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "alice")]
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

/// An entry's place in its room's timeline: 1, 2, 3 … without gaps. 0 is the empty timeline. It stays the same for good, also when
/// the entry is packed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(format = "uint64", example = 37)]
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
#[error(
    "a room pattern has 1 to {PATTERN_BYTES_MAX} bytes of what a room name may hold and *, in normalization form C"
)]
pub struct PatternError;

impl fmt::Display for RoomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RoomPattern {
    /// Checks and takes `text`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let is_allowed = |c: char| c == '*' || letters::is_allowed(c);
        match (1..=PATTERN_BYTES_MAX).contains(&text.len()) && text.chars().all(is_allowed) && letters::is_nfc(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(PatternError),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing but names of the server's own rooms fits it.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED)
    }

    /// Whether every name fits it.
    pub fn is_everything(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the whole name fits the pattern. Takes time in proportion to both lengths together: each part between
    /// stars is taken where it first occurs, which never needs to be undone.
    pub fn matches(&self, room: &RoomName) -> bool {
        glob::fits(&self.0, room.as_str())
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
        let names = [
            "a",
            "docs/2026/plan",
            "A-Z.a_z~0:9@x y",
            "...",
            "Übersicht",
            "会議・メモ",
            "मीटिंग",
            "خطة/2026",
            "עברית",
            "ελληνικά",
            "l’été",
            "🚀 launch",
            "৪২",
            &"x".repeat(200),
            &"ü".repeat(100),
        ];
        for name in names {
            assert_eq!(RoomName::parse(name).map(|n| n.to_string()), Ok(name.to_string()));
        }
    }

    #[test]
    fn a_room_name_that_breaks_a_rule_is_refused_with_that_rule() {
        use RoomNameError::*;
        let cases = [
            ("", Empty),
            (&"x".repeat(201) as &str, TooLong),
            (&format!("x{}", "ü".repeat(100)), TooLong),
            ("*", Character('*')),
            ("a>b", Character('>')),
            ("'; drop", Character('\'')),
            ("%2e%2e", Character('%')),
            ("a\0b", Character('\0')),
            ("a\u{7f}", Character('\u{7f}')),
            // Controls beyond ASCII, no-break and ideographic space, line separator.
            ("a\u{85}b", Character('\u{85}')),
            ("a\u{a0}b", Character('\u{a0}')),
            ("a\u{3000}b", Character('\u{3000}')),
            ("a\u{2028}b", Character('\u{2028}')),
            // Bidi: override, isolate, marks.
            ("a\u{202e}b", Character('\u{202e}')),
            ("a\u{2066}b", Character('\u{2066}')),
            ("a\u{200f}b", Character('\u{200f}')),
            ("a\u{61c}b", Character('\u{61c}')),
            // Invisible: zero-width space and joiner, soft hyphen, BOM, tag, variation selector, fillers, grapheme joiner.
            ("a\u{200b}b", Character('\u{200b}')),
            ("a\u{200d}b", Character('\u{200d}')),
            ("a\u{ad}b", Character('\u{ad}')),
            ("\u{feff}a", Character('\u{feff}')),
            ("a\u{e0041}", Character('\u{e0041}')),
            ("❤\u{fe0f}", Character('\u{fe0f}')),
            ("\u{3164}", Character('\u{3164}')),
            ("\u{115f}", Character('\u{115f}')),
            ("a\u{34f}b", Character('\u{34f}')),
            ("\u{2800}", Character('\u{2800}')),
            // Private use, not assigned, what stands for something unreadable.
            ("\u{e000}", Character('\u{e000}')),
            ("\u{378}", Character('\u{378}')),
            ("\u{10ffff}", Character('\u{10ffff}')),
            ("\u{fffd}", Character('\u{fffd}')),
            // Not composed, or a letter's twin.
            ("U\u{308}bersicht", Form),
            ("\u{212b}ngström", Form),
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

    #[test]
    fn what_is_refused_is_named_so_that_it_can_be_seen() {
        let told = |name: &str| RoomName::parse(name).unwrap_err().to_string();
        assert!(told("a*").contains("may not hold *;"));
        assert!(told("a\u{202e}b").contains("may not hold U+202E;"));
        assert!(told("a\nb").contains("may not hold U+000A;"));
    }

    proptest::proptest! {
        /// Whatever is taken fits on one line and has one spelling.
        #[test]
        fn a_name_that_is_taken_is_one_line_and_has_one_spelling(text in "\\PC{0,12}|[ -\\u{2fff}]{0,8}|.{0,8}") {
            if let Ok(name) = RoomName::parse(&text) {
                let normal = icu_normalizer::ComposingNormalizerBorrowed::new_nfc().normalize(&text).into_owned();
                proptest::prop_assert_eq!(name.as_str(), normal);
                proptest::prop_assert!(!text.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ')), "{:?}", text);
                proptest::prop_assert!(RoomPattern::parse(&text).unwrap().matches(&name));
            }
        }

        /// A pattern and a name that are equal but for their spelling cannot both be taken.
        #[test]
        fn another_spelling_of_a_name_is_refused(text in "[a-zA-Zà-žα-ω가-힣が-ぽ]{1,8}") {
            use icu_normalizer::DecomposingNormalizerBorrowed;
            let taken = RoomName::parse(&text);
            let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&text).into_owned();
            if decomposed != text {
                proptest::prop_assert_eq!(RoomName::parse(&decomposed), Err(RoomNameError::Form));
                proptest::prop_assert_eq!(RoomPattern::parse(&decomposed), Err(PatternError));
            } else {
                proptest::prop_assert!(taken.is_ok());
            }
        }
    }
}
